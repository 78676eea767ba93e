"""The ways to sign in that an app has, and the count of those that failed."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from service.auth.browser import BrowserClient
from service.auth.oidc import Verifier
from service.domain.errors import Code, TooMany

logger = structlog.get_logger(__name__)


# Lines in the log for one check of one issuer, whoever fails it; the others are counted.
_LINES = RateLimitItemPerMinute(10)


class FailedSignIns:
    """Counts by address, in this process. A good token is never refused: nobody shuts out those they share a proxy
    with, and guessing at 238 bits is hopeless at any speed. What is limited is the noise, and what it costs.
    """

    def __init__(self, per_minute: int = 20) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lines = MovingWindowRateLimiter(MemoryStorage())
        self._unlogged: Counter[tuple[str, str]] = Counter()
        self._trying: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, request: Request, *, check: str | None, issuer: str | None) -> None:
        """Raise TooMany in the place of one more refusal for an address that had too many.

        `check` names what was failed and `issuer` whose settings it is about; nothing of a token is in either.
        """
        address = neighbourhood(request.scope)
        self._log(address, str(check or ""), issuer or "")
        if not self._limiter.hit(self._limit, address):
            raise _too_many()

    def log(self, request: Request, *, check: str, issuer: str) -> None:
        """A line on somebody who is signed in, and nobody here."""
        self._log(neighbourhood(request.scope), check, issuer)

    @contextmanager
    def trying(self, request: Request) -> Iterator[None]:
        """For what costs others something: raise TooMany at once where the address has no failure left.

        What is still being tried counts as failed, so that nobody has more tries by having them all at once.
        """
        address = neighbourhood(request.scope)
        with self._lock:
            if self._limiter.get_window_stats(self._limit, address).remaining <= self._trying[address]:
                raise _too_many()
            self._trying[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._trying[address] -= 1
                if not self._trying[address]:
                    del self._trying[address]

    def _log(self, address: str, check: str, issuer: str) -> None:
        """A line, unless there were many of the same kind: a flood of bad tokens must not be one of lines."""
        with self._lock:
            if not self._lines.hit(_LINES, check, issuer):
                self._unlogged[check, issuer] += 1
                return
            unlogged = self._unlogged.pop((check, issuer), 0)
        logger.warning("sign-in failed", address=address, check=check, issuer=issuer or None, unlogged=unlogged)


def _too_many() -> TooMany:
    return TooMany(Code.TOO_MANY_FAILURES)


@dataclass(frozen=True, slots=True)
class SignIns:
    """`browsers` are the issuers that Swagger UI can sign in with, by their names in the settings."""

    verifier: Verifier = field(default_factory=lambda: Verifier(()))
    browsers: Mapping[str, BrowserClient] = field(default_factory=dict)
    failures: FailedSignIns = field(default_factory=FailedSignIns)


def sign_ins_of(request: Request) -> SignIns:
    found: SignIns = request.app.state.sign_ins
    return found


def neighbourhood(scope: Scope) -> str:
    """The client's address; of IPv6, the network that one subscriber has to choose addresses from."""
    client = scope.get("client")
    host: str = client[0] if client else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host
