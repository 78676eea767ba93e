"""The ways to sign in that an app has, and the count of those that failed."""

from collections.abc import Mapping
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
from service.domain.errors import Code, TooMany, Unauthenticated

logger = structlog.get_logger(__name__)


class FailedSignIns:
    """Counts by address, in this process. A good token is never refused: nobody shuts out those they share a proxy
    with, and guessing at 238 bits is hopeless at any speed. What is limited is the noise, and what it costs.
    """

    def __init__(self, per_minute: int = 20) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, request: Request, refusal: Unauthenticated) -> None:
        """Raise TooMany in the place of one more refusal for an address that had too many."""
        address = neighbourhood(request.scope)
        if not self._limiter.hit(self._limit, address):
            raise TooMany(Code.TOO_MANY_FAILURES, "Too many sign-ins from your address have failed. Wait a minute.")
        logger.warning("sign-in failed", address=address, code=refusal.code.value)


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
