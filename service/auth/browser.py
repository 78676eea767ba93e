"""Sign-in from the desk and Swagger UI: authorization code with PKCE (RFC 7636), relayed by this service.

The browser's requests go to this service only; just the sign-in window opens the provider's page. So no provider needs
to allow our page (CORS), and our page needs no other host (Content-Security-Policy).
"""

import re
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import httpx

from service.auth.provider import Provider
from service.auth.refusals import REFUSALS, Refusal
from service.auth.unverified import is_jwt
from service.domain.errors import Code, Unavailable
from service.domain.sign_in_checks import TokenCheck

# Request parameters added by settings; several values repeat the parameter (RFC 8707, section 2).
Parameters = Mapping[str, str | Sequence[str]]

_OPAQUE = (
    "The provider's access token is not a JWT, so only the provider can read it. In the settings of the issuer, name "
    'the API in authorization_parameters (audience or resource, depending on the provider), or set sends = "id_token".'
)
# RFC 7636, section 4.1. The provider is not asked about any other.
_CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_LONGEST = 8192

# Client authentication at the token endpoint (Core 1.0, section 9); the first is preferred.
BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserClient:
    """This service as a client of a provider. `sends` names the token of the answer that is passed on.

    `max_age` (seconds) makes the provider state when the user signed in, and ask again if that is too long ago. The
    settings can add parameters to both requests, but cannot override those that the service sends.
    """

    provider: Provider
    http: httpx.Client
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    sends: str
    max_age: int
    acr_values: str
    authorization_parameters: Parameters = field(default_factory=dict)
    token_parameters: Parameters = field(default_factory=dict)

    def authorization_url(self, *, state: str, redirect_uri: str, code_challenge: str) -> str:
        """Return the URL to send the browser to. Raise Unavailable."""
        wanted = {
            "response_type": "code",
            "client_id": self.client_id,
            "scope": " ".join(self.scopes),
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            "max_age": str(self.max_age),
            # Some providers require one. PKCE is what ties the code to this browser.
            "nonce": secrets.token_urlsafe(32),
        }
        if self.acr_values:
            wanted["acr_values"] = self.acr_values
        url = httpx.URL(self.provider.endpoint("authorization_endpoint"))
        return str(url.copy_merge_params({**self.authorization_parameters, **wanted}))

    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str) -> str | Refusal:
        """Exchange a code for the token; nothing else of the answer is passed on. Raise Unavailable."""
        if not (0 < len(code) <= _LONGEST and 0 < len(redirect_uri) <= _LONGEST):
            return Refusal.by("invalid_request")
        if _CODE_VERIFIER.fullmatch(code_verifier) is None:
            return Refusal.by("invalid_request")
        form: dict[str, str | Sequence[str]] = {
            **self.token_parameters,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        credentials, headers = self._credentials()
        try:
            answer = self.http.post(
                self.provider.endpoint("token_endpoint"),
                data=form | credentials,
                headers=headers | {"Accept": "application/json"},
            )
            document = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise _away() from error
        return self._handed_on(document) if isinstance(document, Mapping) else Refusal.by("invalid_request")

    def _credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the form fields and headers that authenticate us (RFC 6749, section 2.3.1). Raise Unavailable."""
        if self.client_secret is None:
            return {"client_id": self.client_id}, {}
        # The default is Basic (Discovery 1.0, section 3).
        offered = self.provider.offered("token_endpoint_auth_methods_supported") or [BASIC]
        if BASIC in offered or POST not in offered:
            # Each is form-encoded before they are joined, because either may contain a colon.
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            return {}, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {"client_id": self.client_id, "client_secret": self.client_secret}, {}

    def _handed_on(self, document: Mapping[str, object]) -> str | Refusal:
        token, error = document.get(self.sends), document.get("error")
        if isinstance(error, str) and error in REFUSALS:
            return Refusal.by(error)
        if not isinstance(token, str):
            raise _away()
        if not is_jwt(token):
            # RFC 8707's code for a missing resource.
            return Refusal("invalid_target", _OPAQUE, TokenCheck.OPAQUE.value)
        return token


def _away() -> Unavailable:
    return Unavailable(Code.PROVIDER_UNREACHABLE, "The identity provider issues no token now. Try again later.")
