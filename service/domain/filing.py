"""What was filed: all that will be acted on, and all that a digest covers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.account import RootCredentials
from service.domain.actor import ActorKind
from service.domain.canonical import Document, Json, seconds, timestamp
from service.domain.operation import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """What was filed, and will be acted on: all of it immutable, all of it in the digest.

    `execution_window` starts with the approval, `receipt_window` and `lifetime` with the delivery of a secret,
    `rollback_grace` with the deactivation of a key whose receipt did not come or whose lifetime has ended.
    Raises ValueError for a create that would run by itself, with nobody there to take the secret, and for a lifetime
    of anything but a new key.
    """

    request_id: str
    account_id: str
    operation: Operation
    requester: str
    requester_kind: ActorKind
    recipient: str
    justification: str
    ticket: str | None
    run_on_approval: bool
    accept_lockout: bool
    quorum: int
    filed_at: datetime
    approve_by: datetime
    execution_window: timedelta
    receipt_window: timedelta
    rollback_grace: timedelta
    lifetime: timedelta | None
    observed: RootCredentials

    def __post_init__(self) -> None:
        if self.operation.is_create and self.run_on_approval:
            raise ValueError("a create cannot run on approval: somebody has to take the secret")
        if self.lifetime is not None and not self.operation.is_create:
            raise ValueError("only a new key has a lifetime")

    def document(self) -> Document:
        """The JSON document whose RFC 8785 form is hashed. Times RFC 3339 in UTC, durations in seconds.

        `lifetime_seconds` is left out where there is none, as in what was filed before there were lifetimes.
        """
        lifetime: dict[str, Json] = {} if self.lifetime is None else {"lifetime_seconds": seconds(self.lifetime)}
        return {
            "id": self.request_id,
            "account_id": self.account_id,
            **self.operation.document(),
            "requester": self.requester,
            "requester_kind": self.requester_kind.value,
            "recipient": self.recipient,
            "justification": self.justification,
            "ticket": self.ticket,
            "run_on_approval": self.run_on_approval,
            "accept_lockout": self.accept_lockout,
            "quorum": self.quorum,
            "filed_at": timestamp(self.filed_at),
            "approve_by": timestamp(self.approve_by),
            "execution_window_seconds": seconds(self.execution_window),
            "receipt_window_seconds": seconds(self.receipt_window),
            "rollback_grace_seconds": seconds(self.rollback_grace),
            **lifetime,
            "observed": self.observed.document(),
        }
