"""An OpenID Connect provider: its endpoints and keys, fetched on demand and cached while it is unreachable."""

import logging
import math
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from service.auth.discovery import Discovered, Undiscovered, discover, is_as_safe, metadata_address
from service.auth.keys import Key
from service.domain.errors import Code, Unavailable, UnknownKey, bad_token
from service.domain.sign_in_checks import TokenCheck

logger = logging.getLogger(__name__)

_KEPT_SECONDS = 600.0
# A withdrawn key must not stay valid for ever just because somebody blocks our way to the provider.
_KEPT_WITHOUT_PROVIDER_SECONDS = 86_400.0
# Minimum time between two fetches, whatever tokens arrive; shorter while there are no keys at all.
_PAUSE_SECONDS = 60.0
_PAUSE_WITHOUT_KEYS_SECONDS = 5.0
# How long other threads wait for the first answer.
_FIRST_WAIT_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0


def new_client() -> httpx.Client:
    """Return the client for all providers. It follows no redirects: metadata names every address."""
    return httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False)


class Provider:
    """A provider, discovered by its issuer (OpenID Connect Discovery 1.0), which is compared exactly.

    `address` overrides the address of its metadata, and `metadata_issuer` the issuer that the metadata must name.
    """

    def __init__(
        self,
        issuer: str,
        http: httpx.Client,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        address: str | None = None,
        metadata_issuer: str | None = None,
    ) -> None:
        self.issuer = issuer
        self._address = address or metadata_address(issuer)
        self._metadata_issuer = metadata_issuer or issuer
        self._http = http
        self._monotonic = monotonic
        # One tuple, so that no thread sees one without the other; the time is the monotonic clock's.
        self._known = (Discovered(), float("-inf"))
        self._again_at = float("-inf")
        self._failed = False
        self._lock = threading.Lock()

    def keys(self, kid: str) -> tuple[Key, ...]:
        """Return the usable public keys with that id, possibly none.

        An unknown id triggers a fetch, at most once a minute. Raise Unauthenticated if the provider has just answered
        without that id, UnknownKey while the next fetch has to wait, Unavailable if the provider cannot be reached.
        """
        (known, age), has_asked = self._now(), False
        if kid not in known.keys or age >= _KEPT_SECONDS:
            has_asked = self._ask_again()
            known, age = self._now()
        if kid in known.keys and age < _KEPT_WITHOUT_PROVIDER_SECONDS:
            return known.keys[kid]
        if has_asked:
            raise bad_token(TokenCheck.UNKNOWN_KEY)
        if self._failed:
            raise self._unreachable()
        raise UnknownKey(max(1, math.ceil(self._again_at - self._monotonic())))

    def endpoint(self, name: str) -> str:
        """Return a URL from the provider's metadata. Raise Unavailable."""
        url = self._metadata(name)
        if not self.is_usable(url):
            raise self._unreachable()
        return str(url)

    def is_usable(self, url: object) -> bool:
        """Return whether a value from the metadata is a URL, and as safe as the provider's own."""
        if not isinstance(url, str) or not is_as_safe(url, self._address):
            return False
        try:
            return httpx.URL(url).scheme in {"http", "https"} and bool(urlsplit(url).hostname)
        except (httpx.InvalidURL, ValueError):
            return False

    def offered(self, name: str) -> list[object]:
        """Return a list from the provider's metadata, empty if there is none. Raise Unavailable."""
        listed = self._metadata(name)
        return listed if isinstance(listed, list) else []

    def discover(self) -> Discovered:
        """Fetch now, bypassing the cache. Raise Undiscovered."""
        return discover(self._http, self._address, self._metadata_issuer)

    def _metadata(self, name: str) -> object:
        known, age = self._now()
        if age >= _KEPT_SECONDS:
            self._ask_again()
            known, _ = self._now()
        if not known.metadata:
            raise self._unreachable()
        return known.metadata.get(name)

    def _ask_again(self) -> bool:
        """Return whether this call fetched successfully.

        While one thread fetches, the others use the cached keys. They wait only if nothing is cached.
        """
        known, age = self._now()
        has_nothing = not known.keys or age >= _KEPT_WITHOUT_PROVIDER_SECONDS
        # Not for long: a provider that hangs must not block every thread of the API.
        if not self._lock.acquire(timeout=_FIRST_WAIT_SECONDS if has_nothing and not self._failed else 0):
            return False
        try:
            return self._monotonic() >= self._again_at and self._refresh()
        finally:
            self._lock.release()

    def _refresh(self) -> bool:
        pause = _PAUSE_SECONDS if self._known[0].keys else _PAUSE_WITHOUT_KEYS_SECONDS
        try:
            found = self.discover()
        except Undiscovered as error:
            logger.warning("the provider %s cannot be asked: %s", self.issuer, error)
            self._failed = True
            # Counted from the end of the fetch, since one that hung can take as long as the pause.
            self._again_at = self._monotonic() + pause
            return False
        now = self._monotonic()
        self._known, self._again_at = (found, now), now + _PAUSE_SECONDS
        self._failed = False
        return True

    def _now(self) -> tuple[Discovered, float]:
        """Return the cached answer and its age in seconds."""
        known, at = self._known
        return known, self._monotonic() - at

    def _unreachable(self) -> Unavailable:
        return Unavailable(Code.PROVIDER_UNREACHABLE)
