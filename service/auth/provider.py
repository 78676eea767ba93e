"""An OpenID Connect provider: its endpoints and keys, fetched when they are needed, and kept while it is away."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from service.domain.errors import Code, Unavailable, bad_token

logger = logging.getLogger(__name__)

_KEPT_SECONDS = 600.0
# A key that a provider has withdrawn must not be good for ever because somebody keeps us from asking.
_KEPT_WITHOUT_PROVIDER_SECONDS = 86_400.0
# Between two questions, whatever tokens come in; shorter while there is nothing to go on.
_PAUSE_SECONDS = 60.0
_PAUSE_WITHOUT_KEYS_SECONDS = 5.0
_LARGEST_ANSWER_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 5.0

Jwk = Mapping[str, Any]


def new_client() -> httpx.Client:
    """What all providers are asked with. No redirects: an issuer says itself where its things are."""
    return httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a provider said of itself, and when by the monotonic clock."""

    endpoints: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Jwk] = field(default_factory=dict)
    at: float = float("-inf")


class Provider:
    """Discovered by its issuer (OpenID Connect Discovery 1.0), which is compared letter for letter."""

    def __init__(self, issuer: str, http: httpx.Client, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._http = http
        self._monotonic = monotonic
        self._known = _Known()
        self._again_at = float("-inf")
        self._failed = False
        self._lock = threading.Lock()

    def key(self, kid: str) -> Jwk:
        """The public key of that id. Raises Unauthenticated when the provider has none, Unavailable when nobody knows.

        An unknown id makes us ask again, at most once a minute.
        """
        known, sure = self._known, True
        if kid not in known.keys or self._age(known) >= _KEPT_SECONDS:
            sure = self._ask_again()
            known = self._known
        if kid in known.keys and self._age(known) < _KEPT_WITHOUT_PROVIDER_SECONDS:
            return known.keys[kid]
        if self._failed or not sure:
            raise self._unreachable()
        raise bad_token()

    def endpoint(self, name: str) -> str:
        """A URL from the provider's metadata. Raises Unavailable."""
        if self._age(self._known) >= _KEPT_SECONDS:
            self._ask_again()
        if name not in self._known.endpoints:
            raise self._unreachable()
        return self._known.endpoints[name]

    def _ask_again(self) -> bool:
        """Whether what is known now is what the provider says, or said less than a minute ago.

        While one thread asks, the others take what is there; only the very first time they wait.
        """
        if not self._lock.acquire(blocking=not self._known.keys and not self._failed):
            return False
        try:
            if self._monotonic() >= self._again_at:
                self._refresh()
            return not self._failed
        finally:
            self._lock.release()

    def _refresh(self) -> None:
        self._again_at = self._monotonic() + (_PAUSE_SECONDS if self._known.keys else _PAUSE_WITHOUT_KEYS_SECONDS)
        try:
            self._known = self._fetch()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            # Its name is enough: the text of some quotes what was answered.
            logger.warning("the provider %s cannot be asked: %s", self.issuer, type(error).__name__)
            self._failed = True
        else:
            self._failed = False
            self._again_at = self._monotonic() + _PAUSE_SECONDS

    def _fetch(self) -> _Known:
        metadata = self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if metadata.get("issuer") != self.issuer:
            raise ValueError("this is the metadata of another issuer")
        endpoints = {name: url for name, url in metadata.items() if isinstance(url, str)}
        where = endpoints.get("jwks_uri", "")
        if self.issuer.startswith("https:") and not where.startswith("https:"):
            raise ValueError("the keys are not served over https")
        keys = self._get(where).get("keys")
        if not isinstance(keys, list):
            raise ValueError("there are no keys")  # noqa: TRY004  # a value is wrong, not our code
        found = {key["kid"]: key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)}
        return _Known(endpoints, found, self._monotonic())

    def _get(self, url: str) -> dict[str, Any]:
        """The JSON object at `url`. Raises httpx.HTTPError, ValueError."""
        body = bytearray()
        with self._http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LARGEST_ANSWER_BYTES:
                    raise ValueError("the answer is too large")
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError("the answer is no JSON object")  # noqa: TRY004  # a value is wrong, not our code
        return document

    def _age(self, known: _Known) -> float:
        return self._monotonic() - known.at

    def _unreachable(self) -> Unavailable:
        return Unavailable(
            Code.PROVIDER_UNREACHABLE, "The identity provider cannot be asked for its keys now. Try again later."
        )
