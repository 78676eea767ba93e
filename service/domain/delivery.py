"""Deliveries: one event to one destination, at least once, in the order of each request's events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.canonical import Json
from service.domain.errors import Code, Conflict, NotFound

# What was not taken for so long has failed.
GIVE_UP_AFTER = timedelta(days=1)

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=6)


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a destination is told: thin, without the free text of anybody and without any secret.

    `id` is the same however often it is sent, and different for each destination. `document` is the body that
    `workflow/tell.py` makes: `type`, `timestamp` and `data`. `is_repeat` says that it was taken before, or something
    later of its request was.
    """

    id: str
    event: str
    ticket: str | None
    document: Mapping[str, Json]
    is_repeat: bool = False


class Answer(StrEnum):
    """What became of one attempt. `again`: it may have arrived, or may yet; `gone`: the destination wants no more."""

    DELIVERED = "delivered"
    AGAIN = "again"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt's answer. `detail` is in the service's own words: nothing of what the other side said."""

    answer: Answer
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """As stored. `stream` is what it keeps its order with: its request, else its account. `is_repeat` says that it was
    taken, and that somebody then had it sent once more.
    """

    id: str
    seq: int
    destination: str
    stream: str
    event: str
    request_id: str | None
    ticket: str | None
    body: str
    status: DeliveryStatus
    attempts: int
    detail: str | None
    created_at: datetime
    due_at: datetime
    give_up_at: datetime
    ended_at: datetime | None
    is_repeat: bool = False


def no_such_delivery() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such delivery.")


def delivery_pending() -> Conflict:
    return Conflict(Code.WRONG_STATUS, "The delivery is pending, so it will be sent anyway.")


def wait_after(attempts: int, chance: float) -> timedelta:
    """How long the next attempt waits after this many: five seconds, doubled up to six hours, shortened by up to a half
    as `chance` (0 to 1) says, so that what failed together is not sent together.
    """
    longest: timedelta = min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT)
    return longest * (1 - chance / 2)
