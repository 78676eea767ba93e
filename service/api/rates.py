"""Limits how many calls one address and one person may make, so that a flood leaves room for others."""

import math
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem
from service.api.sign_ins import neighbourhood
from service.domain.errors import Code, TooMany

# They cost next to nothing, and a load balancer that gets 429 would take the process out.
_PROBES = frozenset({"/livez", "/readyz"})
_MINUTE = 60.0
# When this many subjects are remembered, those with all their calls back are forgotten.
_MANY = 1000


class Rate:
    """At most `per_minute` calls of one subject at once, and as many a minute in the long run. None: no limit.

    It is a token bucket, kept as the time at which it is full again (the generic cell rate algorithm).
    """

    def __init__(self, per_minute: int | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gap = None if per_minute is None else _MINUTE / per_minute
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}
        self._forget_at = _MANY
        self._lock = Lock()

    def take(self, subject: str) -> None:
        """Count a call. Raise TooMany, which does not count."""
        if self._gap is None:
            return
        with self._lock:
            now = self._monotonic()
            full_at = max(self._full_at.get(subject, now), now) + self._gap
            early = full_at - now - _MINUTE
            if early > self._gap / 2:  # a whole gap or more; half of one leaves room for rounding
                raise TooMany(Code.TOO_MANY_CALLS, retry_after=math.ceil(round(early, 3)))
            self._full_at[subject] = full_at
            if len(self._full_at) > self._forget_at:
                self._full_at = {each: at for each, at in self._full_at.items() if at > now}
                self._forget_at = max(_MANY, 2 * len(self._full_at))


class Rates:
    """The limits of this process. Without arguments there are none."""

    def __init__(
        self, per_address: int | None = None, per_person: int | None = None, at_once: int | None = None
    ) -> None:
        self.address, self.person = Rate(per_address), Rate(per_person)
        self._at_once = at_once
        self._running: Counter[str] = Counter()

    def begin(self, address: str) -> None:
        """Count a call, and hold one of the places of its address until `end`. Raise TooMany. In the event loop only.

        Calls wait in one queue for a thread, so whoever sends thousands at once would make others wait for all of them.
        """
        if self._at_once is not None and self._running[address] >= self._at_once:
            raise TooMany(Code.TOO_MANY_CALLS, retry_after=1)
        self.address.take(address)
        self._running[address] += 1

    def end(self, address: str) -> None:
        self._running[address] -= 1
        if not self._running[address]:
            del self._running[address]


class AddressLimit:
    """Refuses the calls of an address that makes too many, before their bodies are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) in _PROBES:
            await self._app(scope, receive, send)
            return
        rates: Rates = scope["app"].state.rates
        address = neighbourhood(scope)
        try:
            rates.begin(address)
        except TooMany as refusal:
            await problem(refusal, headers={"Retry-After": str(refusal.retry_after)})(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            rates.end(address)
