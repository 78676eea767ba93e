"""A provider's metadata and keys (OpenID Connect Discovery 1.0), and the reasons why they cannot be used."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx

from service.auth.keys import Key, read_keys

_LARGEST_ANSWER_BYTES = 1024 * 1024
# For the whole answer, even if data keeps arriving.
_LONGEST_SECONDS = 20.0


class Fault(StrEnum):
    """Why a provider's metadata or keys cannot be used."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    REDIRECT = "redirect"
    STATUS = "status"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    OTHER_ISSUER = "other_issuer"
    NO_JWKS_URI = "no_jwks_uri"
    NOT_HTTPS = "not_https"
    NO_KEYS = "no_keys"


# For the operator. They never quote an answer.
SENTENCES: Mapping[Fault, str] = {
    Fault.UNREACHABLE: "there is no answer at the address",
    Fault.TIMEOUT: "the answer takes too long",
    Fault.TLS: "the TLS connection cannot be made, or its certificate is not trusted",
    Fault.REDIRECT: "the answer is a redirect, which is not followed",
    Fault.STATUS: "the HTTP status of the answer is an error",
    Fault.TOO_LARGE: "the answer is larger than 1 MiB",
    Fault.NOT_JSON: "the answer is not a JSON object",
    Fault.OTHER_ISSUER: "it names another issuer",
    Fault.NO_JWKS_URI: "it names no jwks_uri",
    Fault.NOT_HTTPS: "they are not served over https",
    Fault.NO_KEYS: "the answer has no list of keys",
}


class Undiscovered(Exception):
    """The provider cannot be used. `part` is "metadata" or "keys". The text never quotes an answer."""

    def __init__(self, part: str, fault: Fault) -> None:
        super().__init__(f"{part}: {fault}")
        self.part = part
        self.fault = fault

    @property
    def sentence(self) -> str:
        return f"Its {self.part} cannot be used: {SENTENCES[self.fault]}."


@dataclass(frozen=True, slots=True)
class Discovered:
    """A provider's metadata and its usable `keys` by id; `listed` is the number of keys that it publishes."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    listed: int = 0

    @property
    def usable(self) -> int:
        return sum(map(len, self.keys.values()))


def metadata_address(issuer: str) -> str:
    """Return the default address of an issuer's metadata (Discovery 1.0, section 4.1)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def discover(http: httpx.Client, address: str, issuer: str) -> Discovered:
    """Fetch the metadata at `address`, then the keys. Its issuer must equal `issuer` exactly. Raise Undiscovered."""
    metadata = _get(http, "metadata", address)
    if metadata.get("issuer") != issuer:
        raise Undiscovered("metadata", Fault.OTHER_ISSUER)
    where = metadata.get("jwks_uri")
    if not isinstance(where, str) or not where:
        raise Undiscovered("metadata", Fault.NO_JWKS_URI)
    if not is_as_safe(where, address):
        raise Undiscovered("keys", Fault.NOT_HTTPS)
    listed = _get(http, "keys", where).get("keys")
    if not isinstance(listed, list):
        raise Undiscovered("keys", Fault.NO_KEYS)
    return Discovered(metadata, read_keys(listed), len(listed))


def is_as_safe(url: str, address: str) -> bool:
    """Return whether `url`, named in metadata at `address`, uses https; http is allowed if `address` is not https."""
    return url.lower().startswith("https://") or not address.lower().startswith("https://")


def _get(http: httpx.Client, part: str, url: str) -> dict[str, Any]:
    """Return the JSON object at `url`. Raise Undiscovered."""
    body, deadline = bytearray(), time.monotonic() + _LONGEST_SECONDS
    try:
        with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.has_redirect_location:
                raise Undiscovered(part, Fault.REDIRECT)
            if not answer.is_success:
                raise Undiscovered(part, Fault.STATUS)
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LARGEST_ANSWER_BYTES:
                    raise Undiscovered(part, Fault.TOO_LARGE)
                if time.monotonic() > deadline:
                    raise Undiscovered(part, Fault.TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Undiscovered(part, _fault_of(error)) from None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Undiscovered(part, Fault.NOT_JSON) from None
    if not isinstance(document, dict):
        raise Undiscovered(part, Fault.NOT_JSON)
    return document


def _fault_of(error: Exception) -> Fault:
    if isinstance(error, httpx.TimeoutException):
        return Fault.TIMEOUT
    if isinstance(error, httpx.DecodingError):
        return Fault.NOT_JSON
    return Fault.TLS if any(isinstance(each, ssl.SSLError) for each in _chain(error)) else Fault.UNREACHABLE


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
