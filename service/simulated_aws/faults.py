"""Faults injected into the simulated AWS, and hooks that run when a call arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus

from service.simulated_aws.answers import AwsError, Protocol


@dataclass(frozen=True)
class Delay:
    """The call waits `seconds` before anything else happens. Other calls do not wait."""

    seconds: float


@dataclass(frozen=True)
class Throttle:
    """No effect: `Throttling` (400) from IAM and STS, `TooManyRequestsException` in JSON, `SlowDown` (503) from S3.

    From the account service that is HTTP 429, from others in JSON 400.
    """


@dataclass(frozen=True)
class ServerError:
    """No effect; a 5xx: 500 is `ServiceFailure`, anything else `ServiceUnavailable`.

    Organizations calls the first `ServiceException`, the account service `InternalServerException`, S3 `InternalError`.
    """

    status: int = 500


@dataclass(frozen=True)
class ServerErrorAfter:
    """The effect happens; the answer is a 5xx."""

    status: int = 500


@dataclass(frozen=True)
class ConnectionLostBefore:
    """No effect; the TCP connection is reset without an answer."""


@dataclass(frozen=True)
class ConnectionLostAfter:
    """The effect happens; the TCP connection is reset without an answer."""


@dataclass(frozen=True)
class Refuse:
    """No effect; the answer is this AWS error with this message."""

    code: str
    status: int = 403
    message: str = "Refused by a simulated fault."


@dataclass(frozen=True)
class Trickle:
    """The effect happens; the answer comes a byte at a time, with `seconds` between two."""

    seconds: float


@dataclass(frozen=True)
class Rewritten:
    """The bytes of the answer are replaced by what `change` returns. The effect happens, unless `of` is set.

    `of` is the fault whose answer is changed instead. `change` gets and returns all bytes of the answer: status line,
    headers, body. The connection is closed afterwards.
    """

    change: Callable[[bytes], bytes]
    of: Refuse | ServerError | Throttle | None = None


Fault = (
    Delay
    | Throttle
    | ServerError
    | ServerErrorAfter
    | ConnectionLostBefore
    | ConnectionLostAfter
    | Refuse
    | Rewritten
    | Trickle
)
Hook = Callable[[], None]


def fault_error(fault: Throttle | ServerError | ServerErrorAfter | Refuse, protocol: Protocol) -> AwsError:
    """Build the service's answer for this fault."""
    match fault:
        case Throttle():
            error = AwsError("Throttling", "Rate exceeded", HTTPStatus.BAD_REQUEST)
        case Refuse(code, status, message):
            return AwsError(code, message, status)
        case ServerError(status) | ServerErrorAfter(status):
            internal = status == HTTPStatus.INTERNAL_SERVER_ERROR
            code = "ServiceFailure" if internal else "ServiceUnavailable"
            error = AwsError(code, "A simulated fault of the service.", status)
    return error.translated(protocol)


@dataclass
class _Planned:
    action: str
    account_id: str | None
    left: int

    def fits(self, action: str, account_ids: Collection[str]) -> bool:
        concerned = self.account_id is None or self.account_id in account_ids
        return self.left > 0 and self.action == action and concerned


@dataclass
class _PlannedFault(_Planned):
    fault: Fault


@dataclass
class _PlannedHook(_Planned):
    hook: Hook
    after: bool


class Plan:
    """The faults and hooks that wait for calls. Thread-safe.

    A fault or hook for an account waits for calls that concern it: signed from it, assuming its root, or for its tags.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_PlannedFault] = []
        self._hooks: list[_PlannedHook] = []

    def add_fault(self, action: str, fault: Fault, times: int, account_id: str | None) -> None:
        with self._lock:
            self._faults.append(_PlannedFault(action, account_id, times, fault))

    def add_hook(self, action: str, hook: Hook, times: int, account_id: str | None, *, after: bool) -> None:
        with self._lock:
            self._hooks.append(_PlannedHook(action, account_id, times, hook, after))

    def take_fault(self, action: str, account_ids: Collection[str]) -> Fault | None:
        """Use up the oldest fault that matches this call. A call meets at most one fault."""
        with self._lock:
            for planned in self._faults:
                if planned.fits(action, account_ids):
                    planned.left -= 1
                    return planned.fault
        return None

    def take_hooks(self, action: str, account_ids: Collection[str], *, after: bool) -> list[Hook]:
        """Use up one run of every matching hook. The caller runs them, outside any lock."""
        with self._lock:
            due = [h for h in self._hooks if h.after is after and h.fits(action, account_ids)]
            for planned in due:
                planned.left -= 1
            return [planned.hook for planned in due]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
