"""Which requests a reader asks for."""

from dataclasses import dataclass
from datetime import datetime

from service.domain.actor import Directory
from service.domain.operation import OperationName
from service.domain.request import Status


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last request of a page: the next one starts beyond it."""

    filed_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Requests that wait for `person` at `now`: for a decision if they are an approver, for the execution that is
    theirs, for a receipt. `directory` and `quorum` are today's, to tell an approved request that lost its quorum.
    """

    person: str
    directory: Directory
    quorum: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """One who sees the requests that they filed or will receive, and all of these accounts."""

    subject: str
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Filters, each None for any."""

    reader: Reader | None = None
    status: Status | None = None
    account_id: str | None = None
    operation: OperationName | None = None
    requester: str | None = None
    ticket: str | None = None
    recipient: str | None = None
    awaiting: Awaiting | None = None
