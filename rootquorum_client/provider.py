"""What an identity provider says of itself, and the tokens that it gives. Nothing is believed that leads elsewhere."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rootquorum_client.errors import ClientError, NotAllowed, Problem, WrongAnswer
from rootquorum_client.secret import Secret
from rootquorum_client.transport import Transport

SCOPE = "openid profile email groups"
# The names of RFC 6749, RFC 8628 and of OpenID Connect. What else a provider says is not shown.
_ERROR = re.compile(r"[a-z_]{1,40}")
_TOKEN = re.compile(r"[!-~]{1,16384}")


class Refused(ClientError):
    """The provider gives no token. `error` is its name for the reason, or None; `status` that of its answer."""

    def __init__(self, error: object, *, status: int | None = None) -> None:
        self.error = error if isinstance(error, str) and _ERROR.fullmatch(error) else None
        self.status = status
        super().__init__(f"The provider gives no token: {self.error or 'no reason is known'}.")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gave. The service takes one of them: see `issuers.<name>.sends` in its settings."""

    access_token: Secret
    id_token: Secret | None


def metadata(issuer: str, *names: str) -> dict[str, str]:
    """Return these endpoints of the provider (OpenID Connect Discovery 1.0). Raise WrongAnswer if it lacks one."""
    with _at(f"{issuer.rstrip('/')}/.well-known/openid-configuration") as (provider, path):
        document = provider.send("GET", path, is_repeatable=True).document()
    if document.get("issuer") != issuer:
        raise WrongAnswer("The provider's metadata names another issuer.")
    found = {}
    for name in names:
        endpoint = document.get(name)
        if not isinstance(endpoint, str):
            raise WrongAnswer(f"The provider's metadata has no {name}.")
        check_address(endpoint)
        found[name] = endpoint
    return found


def check_address(url: str) -> None:
    """Raise NotAllowed unless a person may be sent there: https, or http on loopback."""
    with _at(url):
        pass


@contextmanager
def _at(url: str) -> Iterator[tuple[Transport, str]]:
    """Provide a host, and the path there with its query. Raise NotAllowed unless it is https, or http on loopback."""
    split = urlsplit(url)
    transport = Transport(f"{split.scheme}://{split.netloc}", None)
    try:
        if "#" in url or not url.isascii() or not url.isprintable() or " " in url:
            raise NotAllowed("The address of the provider is none.")
        yield transport, split.path + (f"?{split.query}" if split.query else "")
    finally:
        transport.close()


def posted(endpoint: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what the provider answers to a form. Raise Refused with the error that it names."""
    with _at(endpoint) as (provider, path):
        try:
            return provider.send("POST", path, data=form).document()
        except Problem as problem:
            raise Refused(problem.document.get("error"), status=problem.status) from None


def tokens_of(document: Mapping[str, Any], nonce: str | None) -> Tokens:
    """Return the tokens. `nonce` is that of the sign-in, None where a sign-in has none."""
    access_token, id_token = document.get("access_token"), document.get("id_token")
    if not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token):
        raise WrongAnswer("The provider's answer has no access token.")
    if id_token is None:
        return Tokens(Secret(access_token), None)
    if (
        not isinstance(id_token, str)
        or not _TOKEN.fullmatch(id_token)
        or (nonce is not None and _nonce_of(id_token) != nonce)
    ):
        raise WrongAnswer("The provider's ID token is not that of this sign-in.")
    return Tokens(Secret(access_token), Secret(id_token))


def _nonce_of(token: str) -> object:
    """Return the nonce in an ID token that came from the provider itself. The service verifies its signature."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        return claims.get("nonce")
    except (ValueError, IndexError, AttributeError, RecursionError):
        return None
