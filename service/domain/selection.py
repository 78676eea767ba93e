"""Filters and pages of request lists."""

from dataclasses import dataclass
from datetime import datetime

from service.domain.demands import SignedApprovals
from service.domain.directory import Directory
from service.domain.filing import Filing
from service.domain.operation import OperationName
from service.domain.request import Status


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last request of a page. The next page starts after it."""

    filed_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A request in a list. Nothing can be decided with it: it has no decisions."""

    filing: Filing
    digest: str
    status: Status
    execute_by: datetime | None


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Requests that wait for `person` at `now`: for their decision, their execution or their receipt.

    `directory` and `quorum` are today's; they show whether an approved request has lost its quorum. Of the people with
    a stored record, the directory has `person` and those whose groups make them approvers.

    Where rules or signatures say who has to approve and how (`are_ruled`), the number of votes does not tell whom a
    request waits for. Then the selection has too many requests, and each that `is_ruled` has to be judged by itself.
    """

    person: str
    directory: Directory
    quorum: int
    now: datetime
    are_ruled: bool = False

    def is_ruled(self, listed: Listed) -> bool:
        """Return whether this request has to be judged by itself."""
        is_undecided = listed.status in {Status.PENDING, Status.APPROVED}
        filing = listed.filing
        is_of_its_own = filing.placement is not None or filing.signed_approvals is not SignedApprovals.OFF
        return is_undecided and (self.are_ruled or is_of_its_own)


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader sees the requests that they filed or will receive, and all requests of `accounts`."""

    subject: str
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Filters. None means no filter."""

    reader: Reader | None = None
    status: Status | None = None
    account_id: str | None = None
    operation: OperationName | None = None
    requester: str | None = None
    ticket: str | None = None
    recipient: str | None = None
    awaiting: Awaiting | None = None
