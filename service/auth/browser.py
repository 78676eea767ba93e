"""Signing in from Swagger UI: authorization code with PKCE (RFC 7636), sent by way of this service.

The browser asks nobody but us; only the window in which people sign in shows the provider. So no provider needs to
allow our page (CORS), and our page needs no other host (Content-Security-Policy).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from service.auth.provider import Provider
from service.domain.errors import Code, Unavailable


@dataclass(frozen=True, slots=True)
class Refusal:
    """The provider's no, by one of the names of RFC 6749, section 5.2."""

    error: str


_ERRORS = {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserClient:
    """This service as a client of a provider. `sends` names the token of the answer that is handed on.

    `max_age` (seconds) makes the provider say when somebody signed in, and ask again where that is too long ago.
    """

    provider: Provider
    http: httpx.Client
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]
    sends: str
    max_age: int
    acr_values: str

    def authorization_url(self, *, state: str, redirect_uri: str, code_challenge: str) -> str:
        """Where to send the browser. Raises Unavailable."""
        wanted = {
            "response_type": "code",
            "client_id": self.client_id,
            "scope": " ".join(self.scopes),
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            "max_age": str(self.max_age),
            # Some providers demand one. What ties the code to this browser is PKCE.
            "nonce": secrets.token_urlsafe(32),
        }
        if self.acr_values:
            wanted["acr_values"] = self.acr_values
        return str(httpx.URL(self.provider.endpoint("authorization_endpoint")).copy_merge_params(wanted))

    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str) -> str | Refusal:
        """The token for a code; nothing else of the answer is handed on. Raises Unavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        secret = self.client_secret
        if secret is None:
            form["client_id"] = self.client_id
        try:
            auth = httpx.USE_CLIENT_DEFAULT if secret is None else httpx.BasicAuth(self.client_id, secret)
            answer = self.http.post(self.provider.endpoint("token_endpoint"), data=form, auth=auth)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _away() from error
        return self._handed_on(document) if isinstance(document, Mapping) else Refusal("invalid_request")

    def _handed_on(self, document: Mapping[str, object]) -> str | Refusal:
        token, error = document.get(self.sends), document.get("error")
        if error in _ERRORS:
            return Refusal(str(error))
        if not isinstance(token, str):
            raise _away()
        return token


def _away() -> Unavailable:
    return Unavailable(Code.PROVIDER_UNREACHABLE, "The identity provider gives no token now. Try again later.")
