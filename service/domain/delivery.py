"""Deliveries: one event to one destination, at least once, in the order of each request's events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.canonical import Json
from service.domain.errors import Code, Conflict, NotFound

# A delivery that was not accepted within this time has failed.
GIVE_UP_AFTER = timedelta(days=1)

_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=6)


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person to be told. `address` is a mail address; it is stored with no delivery."""

    subject: str
    name: str
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The message to a destination: thin, without free text and without secrets.

    `id` stays the same on every retry, and differs for each destination. `document` is the body that
    `workflow/tell.py` makes: `type`, `timestamp` and `data`. `is_repeat` says that the destination has accepted this
    message, or a later one of the same request, before. `people` are those whom a destination that tells people in
    person has not told yet.
    """

    id: str
    event: str
    ticket: str | None
    document: Mapping[str, Json]
    is_repeat: bool = False
    people: tuple[Addressee, ...] = ()


class Answer(StrEnum):
    """The result of one attempt. `again`: it may or may not have arrived, so retry. `gone`: send nothing more."""

    DELIVERED = "delivered"
    AGAIN = "again"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt's result. `detail` is in the service's own words, and quotes nothing from the answer.

    `reached` are the subjects of those people for whom it was accepted. The next attempt leaves them out.
    """

    answer: Answer
    detail: str
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as stored. Deliveries of one `stream` stay in order: it is the request, else the account. `is_repeat`
    says that it had been accepted when somebody had it sent again. `reached` are the subjects of the people whom a
    destination has told in person; None for other destinations.
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
    reached: frozenset[str] | None = None


def no_such_delivery() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such delivery.")


def delivery_pending() -> Conflict:
    return Conflict(Code.WRONG_STATUS, "The delivery is pending, so it will be sent anyway.")


def wait_after(attempts: int, chance: float) -> timedelta:
    """Return the wait after this many attempts: five seconds, doubled up to six hours.

    Jitter of up to a half, by `chance` (0 to 1), shortens it, so that deliveries that failed together spread out.
    """
    longest: timedelta = min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT)
    return longest * (1 - chance / 2)
