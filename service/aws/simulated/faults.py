"""What goes wrong on demand in the simulated AWS, and what else happens when a call arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Delay:
    """The call is held `seconds` before anything else happens; other calls are not held up."""

    seconds: float


@dataclass(frozen=True)
class Throttle:
    """No effect, and HTTP 400 `Throttling`: the form that the Query protocol services (IAM, STS) use."""


@dataclass(frozen=True)
class ServerError:
    """No effect, and a 5xx: 500 is `ServiceFailure`, anything else `ServiceUnavailable`."""

    status: int = 500


@dataclass(frozen=True)
class ServerErrorAfter:
    """The effect happens, and the answer is a 5xx all the same."""

    status: int = 500


@dataclass(frozen=True)
class ConnectionLostBefore:
    """No effect; the TCP connection is reset without an answer."""


@dataclass(frozen=True)
class ConnectionLostAfter:
    """The effect happens; the TCP connection is reset without an answer."""


@dataclass(frozen=True)
class Refuse:
    """No effect, and the answer is this AWS error."""

    code: str
    status: int = 403
    message: str = "Refused by a simulated fault."


Fault = Delay | Throttle | ServerError | ServerErrorAfter | ConnectionLostBefore | ConnectionLostAfter | Refuse
Hook = Callable[[], None]


@dataclass
class _PlannedFault:
    action: str
    account_id: str | None
    fault: Fault
    left: int


@dataclass
class _PlannedHook:
    action: str
    hook: Hook
    after: bool
    left: int


class Plan:
    """The faults and hooks that wait for calls to arrive. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_PlannedFault] = []
        self._hooks: list[_PlannedHook] = []

    def add_fault(self, action: str, fault: Fault, times: int, account_id: str | None) -> None:
        with self._lock:
            self._faults.append(_PlannedFault(action, account_id, fault, times))

    def add_hook(self, action: str, hook: Hook, times: int, *, after: bool) -> None:
        with self._lock:
            self._hooks.append(_PlannedHook(action, hook, after, times))

    def take_fault(self, action: str, account_id: str | None) -> Fault | None:
        """Use up the oldest fault that fits this arrival; one call meets one fault."""
        with self._lock:
            for planned in self._faults:
                fits = planned.account_id in (None, account_id)
                if planned.left > 0 and planned.action == action and fits:
                    planned.left -= 1
                    return planned.fault
        return None

    def take_hooks(self, action: str, *, after: bool) -> list[Hook]:
        """Use up one run of every hook that fits; the caller runs them, outside any lock."""
        with self._lock:
            due = [h for h in self._hooks if h.left > 0 and h.action == action and h.after is after]
            for planned in due:
                planned.left -= 1
            return [planned.hook for planned in due]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
