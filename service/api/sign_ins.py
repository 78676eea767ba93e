"""An app's ways to sign in, and the count of failed sign-ins."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.types import Scope

from service.api.windows import Window
from service.auth.unverified import NoIssuers
from service.domain.errors import Code, TooMany

if TYPE_CHECKING:  # what asks providers is loaded only if the settings name one
    from service.auth.browser import BrowserClient
    from service.auth.oidc import Verifier

logger = logging.getLogger(__name__)


# The most log lines a minute for one check of one issuer, from all addresses. Further failures are only counted.
_LINES = 10


class FailedSignIns:
    """Failed sign-ins by address, counted in this process.

    A valid token is never refused, so nobody can lock out others behind the same proxy. Guessing 238 bits is hopeless
    at any speed; the limit is there for the noise and its cost.
    """

    def __init__(self, per_minute: int = 20, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._failures, self._lines = Window(per_minute, monotonic), Window(_LINES, monotonic)
        self._unlogged: Counter[tuple[str, str]] = Counter()
        self._trying: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, request: Request, *, check: str | None, issuer: str | None) -> None:
        """Count and log a failure. Raise TooMany instead of the refusal if the address has had too many.

        `check` is the check that failed and `issuer` the issuer whose settings apply. Neither contains token data.
        """
        address = neighbourhood(request.scope)
        self._log(address, str(check or ""), issuer or "")
        if not self._failures.hit(address):
            raise _too_many()

    def log(self, request: Request, *, check: str, issuer: str) -> None:
        """Log a valid token whose owner has no role here."""
        self._log(neighbourhood(request.scope), check, issuer)

    @contextmanager
    def trying(self, request: Request) -> Iterator[None]:
        """Guard an attempt that costs others something. Raise TooMany at once if the address has no failures left.

        Attempts in progress count as failed, so that concurrent attempts cannot exceed the limit.
        """
        address = neighbourhood(request.scope)
        with self._lock:
            if self._failures.left(address) <= self._trying[address]:
                raise _too_many()
            self._trying[address] += 1
        try:
            yield
        finally:
            with self._lock:
                self._trying[address] -= 1
                if not self._trying[address]:
                    del self._trying[address]

    def refused(self) -> Mapping[str, int]:
        """Return how many sign-ins of this process failed each check. Only checks have a name here, never input."""
        with self._lock:
            return dict(self._refused)

    def _log(self, address: str, check: str, issuer: str) -> None:
        """Log a line, unless there were many of the same kind: a flood of bad tokens must not flood the log."""
        with self._lock:
            self._refused[check] += 1
            if not self._lines.hit(f"{check} {issuer}"):
                self._unlogged[check, issuer] += 1
                return
            unlogged = self._unlogged.pop((check, issuer), 0)
        fields = {"address": address, "check": check, "issuer": issuer or None, "unlogged": unlogged}
        logger.warning("sign-in failed", extra={"fields": fields})


def _too_many() -> TooMany:
    return TooMany(Code.TOO_MANY_FAILURES)


@dataclass(frozen=True, slots=True)
class SignIns:
    """The ways to sign in. `browsers` are the issuers that the pages can use, by their names in the settings."""

    verifier: "Verifier | NoIssuers" = field(default_factory=NoIssuers)
    browsers: "Mapping[str, BrowserClient]" = field(default_factory=dict)
    failures: FailedSignIns = field(default_factory=FailedSignIns)


def sign_ins_of(request: Request) -> SignIns:
    found: SignIns = request.app.state.sign_ins
    return found


def neighbourhood(scope: Scope) -> str:
    """Return the client's IPv4 address, or its IPv6 /64 network, since one subscriber can use all addresses in that."""
    client = scope.get("client")
    return _neighbourhood(client[0] if client else "unknown")


# Each call asks for it, most of them from few addresses.
@lru_cache(maxsize=1024)
def _neighbourhood(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    # A port that is open for both has IPv4 callers in this form, all of them in one network.
    mapped = address.ipv4_mapped
    return str(ip_network((address, 64), strict=False)) if mapped is None else str(mapped)
