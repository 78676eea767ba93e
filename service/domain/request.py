"""OperationRequest: one request and its life.

`NEXT` has all transitions. Every method returns a *new* request, and changes its status only along `NEXT`. Who may do
what, and when, is in `permissions.py`; this module only knows which status may follow which.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from service.domain.account import SourceKind
from service.domain.canonical import Document, Json
from service.domain.errors import Code, Conflict
from service.domain.filing import Filing
from service.domain.outcome import Done, Drilled, InDoubt, Outcome, Refused, ResultCode, SealedKey


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    ROTATING = "rotating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"


CALLED_OFF = {Status.REJECTED, Status.WITHDRAWN, Status.EXPIRED}

NEXT: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.APPROVED} | CALLED_OFF),
    Status.APPROVED: frozenset({Status.EXECUTING} | CALLED_OFF),
    Status.EXECUTING: frozenset({Status.SUCCEEDED, Status.DELIVERED, Status.FAILED, Status.IN_DOUBT}),
    Status.IN_DOUBT: frozenset({Status.SUCCEEDED, Status.FAILED}),
    Status.DELIVERED: frozenset({Status.SUCCEEDED, Status.ROTATING, Status.ROLLED_BACK}),
    Status.ROTATING: frozenset({Status.SUCCEEDED, Status.STOPPED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.REJECTED: frozenset(),
    Status.WITHDRAWN: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.ROLLED_BACK: frozenset(),
    Status.STOPPED: frozenset(),
}

TERMINAL = frozenset(status for status, following in NEXT.items() if not following)
OPEN = frozenset({Status.PENDING, Status.APPROVED, Status.EXECUTING, Status.IN_DOUBT})


# In a sentence each, for whoever looks a status up.
MEANINGS: dict[Status, str] = {
    Status.PENDING: "It waits for its approvers.",
    Status.APPROVED: "Enough people have approved. It waits for its execution.",
    Status.EXECUTING: "The service is calling AWS, or stopped while it did. The worker settles it.",
    Status.IN_DOUBT: "Nobody knows yet whether the call had its effect. The worker asks AWS.",
    Status.DELIVERED: "The new key exists. Its recipient has not confirmed that the secret arrived.",
    Status.ROTATING: "The recipient has the new key. The old key still exists.",
    Status.SUCCEEDED: "It was done.",
    Status.FAILED: "It was executed without the wanted effect. `result` says why.",
    Status.REJECTED: "An approver rejected it.",
    Status.WITHDRAWN: "Its requester withdrew it.",
    Status.EXPIRED: "It was not approved in time, or not executed in time.",
    Status.ROLLED_BACK: "The new key was deleted, because nobody confirmed in time that its secret arrived.",
    Status.STOPPED: "The rotation ended before its last step. `result` says which keys there are.",
}


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One person's decision on exactly what `digest` covers. `credential` names what they authenticated with.

    If it is signed, `statement` is the text that was signed, and `signature` OpenSSH's armored signature of it.
    """

    person: str
    verdict: Verdict
    digest: str
    comment: str | None
    credential: str
    decided_at: datetime
    statement: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the execution ended, or why that is unknown. It holds no secret: `access_key_id` is the new key's id.

    `sealed_sha256` is the hex SHA-256 of the file in which its secret was delivered sealed; None if it was not.
    `code` is a `ResultCode`, a `Code` or an `AwsCode`; read from the database, it is plain text.
    """

    code: str
    detail: str
    access_key_id: str | None = None
    signer_key_id: str | None = None
    aws_request_id: str | None = None
    sealed_sha256: str | None = None

    @property
    def document(self) -> Document:
        """Return all of it by name, without `sealed_sha256` if nothing was sealed."""
        sealed: dict[str, Json] = {} if self.sealed_sha256 is None else {"sealed_sha256": self.sealed_sha256}
        return {
            "code": self.code,
            "detail": self.detail,
            "access_key_id": self.access_key_id,
            "signer_key_id": self.signer_key_id,
            "aws_request_id": self.aws_request_id,
            **sealed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """A request as it stands. `version` counts its changes; a write names the version that it read (compare-and-swap).

    `source` is the one that executes. `expires_at` is the end of a new key's lifetime, `retired_at` the time of its
    deletion after that. `look_at` is when the worker next checks who can still approve, or how a rotation goes on;
    `stuck_at` is since when too few can approve.

    Of a rotation: `released_at` is when somebody said that the old key may be deactivated, `cut_over_at` when it was,
    and `stopped_at` when somebody stopped it. `acting_at` is when the worker claimed its present call to AWS.
    """

    filing: Filing
    digest: str
    status: Status = Status.PENDING
    version: int = 1
    decisions: tuple[Decision, ...] = ()
    approved_at: datetime | None = None
    execute_by: datetime | None = None
    claimed_at: datetime | None = None
    claimed_by: str | None = None
    known_key_ids: tuple[str, ...] | None = None
    source: SourceKind | None = None
    result: Result | None = None
    settled_at: datetime | None = None
    receipt_by: datetime | None = None
    received_at: datetime | None = None
    overdue_at: datetime | None = None
    unconfirmed_at: datetime | None = None
    deactivated_at: datetime | None = None
    expires_at: datetime | None = None
    expiry_announced_at: datetime | None = None
    expiry_failed_at: datetime | None = None
    retired_at: datetime | None = None
    released_at: datetime | None = None
    acting_at: datetime | None = None
    cut_over_at: datetime | None = None
    stopped_at: datetime | None = None
    look_at: datetime | None = None
    reminded_at: datetime | None = None
    stuck_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def file(cls, filing: Filing) -> "OperationRequest":
        return cls(filing=filing, digest=filing.digest)

    @property
    def is_intact(self) -> bool:
        """Compute the digest again, and return whether the stored filing is still what was filed."""
        return self.filing.digest == self.digest

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the deadline of its present status has passed, so that it must expire."""
        match self.status:
            case Status.PENDING:
                return now >= self.filing.approve_by
            case Status.APPROVED:
                return self.execute_by is None or now >= self.execute_by
            case _:
                return False

    @property
    def until(self) -> datetime | None:
        """Return when its present status, or the life of its key, ends by itself; None if no clock runs."""
        match self.status:
            case Status.PENDING:
                return self.filing.approve_by
            case Status.APPROVED:
                return self.execute_by
            case Status.DELIVERED if self.unconfirmed_at is None:
                return self.receipt_by
            case Status.ROTATING if self.stopped_at is None:
                return self.cut_over_by if self.cut_over_at is None else self.delete_old_at
            case Status.SUCCEEDED | Status.STOPPED if self.deactivated_at is None:
                return self.expires_at
            case _:
                return None

    def was_touched_between(self, after: datetime, before: datetime) -> bool:
        """Return whether this request changed the account in that time."""
        times = (self.settled_at, self.deactivated_at, self.cut_over_at, self.retired_at, self.ended_at)
        return any(time is not None and after < time < before for time in times)

    def decision_of(self, person: str) -> Decision | None:
        return next((decision for decision in self.decisions if decision.person == person), None)

    def check_can_become(self, status: Status) -> None:
        """Raise Conflict unless `status` may follow the present one."""
        if status in NEXT[self.status]:
            return
        if self.status is Status.EXPIRED:
            raise Conflict(Code.EXPIRED)
        if status is Status.EXECUTING and self.claimed_at is not None:
            raise Conflict(Code.ALREADY_EXECUTED)
        raise Conflict(Code.WRONG_STATUS, status=self.status)

    def decide(self, decision: Decision, has_quorum: "Callable[[OperationRequest], bool]") -> "OperationRequest":
        """Add a decision, in place of the same person's earlier one. Raise Conflict."""
        others = tuple(earlier for earlier in self.decisions if earlier.person != decision.person)
        decided = replace(self, decisions=(*others, decision))
        if decision.verdict is Verdict.REJECT:
            return decided.call_off(Status.REJECTED, decision.decided_at)
        if self.status is Status.PENDING and has_quorum(decided):
            return replace(
                decided.become(Status.APPROVED, decision.decided_at),
                approved_at=decision.decided_at,
                execute_by=decision.decided_at + self.filing.execution_window,
            )
        return replace(decided, version=self.version + 1)

    def withdraw(self, now: datetime) -> "OperationRequest":
        return self.call_off(Status.WITHDRAWN, now)

    def call_off(self, status: Status, now: datetime) -> "OperationRequest":
        """End it as `status`. A rotation whose new key was delivered is stopped instead. Raise Conflict.

        The worker ends that, because it has to ask AWS which keys there are. Until then nothing more is done.
        """
        if not self.is_under_way:
            return self.become(status, now)
        return replace(self, stopped_at=now, look_at=self.look_at if self.acting_at else now, version=self.version + 1)

    def expire(self, now: datetime) -> "OperationRequest":
        return self.become(Status.EXPIRED, now)

    def claim(
        self, *, by: str, source: SourceKind | None, known_key_ids: tuple[str, ...], now: datetime
    ) -> "OperationRequest":
        """Claim it for its one execution by `source`, and keep the key ids that existed before. Raise Conflict."""
        claimed = self.become(Status.EXECUTING, now)
        known = tuple(sorted(known_key_ids))
        return replace(claimed, claimed_at=now, claimed_by=by, source=source, known_key_ids=known)

    def settle(self, outcome: Outcome, now: datetime) -> "OperationRequest":
        """Record the outcome of the act, or what AWS said about it later. Raise Conflict."""
        match outcome:
            case Done(created=None):
                return self._settled(Status.SUCCEEDED, _done(outcome), now)
            case Drilled() if not self.filing.operation.is_create:
                return self._settled(Status.SUCCEEDED, _drilled(outcome), now)
            case Drilled():
                # The recipient confirms this as well. Its `expires_at` stays empty, since there is no key.
                delivered = self._settled(Status.DELIVERED, _drilled(outcome), now)
                return replace(delivered, receipt_by=now + self.filing.receipt_window)
            case Done():
                delivered = self._settled(Status.DELIVERED, _done(outcome), now)
                lifetime = self.filing.lifetime
                return replace(
                    delivered,
                    receipt_by=now + self.filing.receipt_window,
                    expires_at=None if lifetime is None else now + lifetime,
                )
            case Refused():
                return self._settled(Status.FAILED, _result(outcome.code, outcome), now)
            case InDoubt():
                return replace(self.become(Status.IN_DOUBT, now), result=_result(ResultCode.IN_DOUBT, outcome))

    def receive(self, now: datetime) -> "OperationRequest":
        """Record the receipt: the recipient confirms that the secret arrived. A rotation goes on. Raise Conflict."""
        if not self.filing.rotates:
            return replace(self.become(Status.SUCCEEDED, now), received_at=now)
        return replace(self.become(Status.ROTATING, now), received_at=now, look_at=now)

    def report_overdue(self, now: datetime) -> "OperationRequest":
        """Record, once, that the receipt is overdue but the key is in use, so somebody has it."""
        return replace(self, overdue_at=now, version=self.version + 1)

    def give_up(self, now: datetime) -> "OperationRequest":
        """Record that the receipt did not come. A later one is refused, so that the key can be rolled back safely."""
        return replace(self, unconfirmed_at=now, version=self.version + 1)

    def deactivated(self, now: datetime) -> "OperationRequest":
        """Record that the unconfirmed or expired key is inactive. Its deletion waits for `rollback_grace`."""
        return replace(self, deactivated_at=now, version=self.version + 1)

    @property
    def delete_at(self) -> datetime | None:
        """Return when the deactivated key will be deleted; None if it is not deactivated."""
        return self.deactivated_at and self.deactivated_at + self.filing.rollback_grace

    def roll_back(self, result: Result, now: datetime) -> "OperationRequest":
        """The delivered key is gone again."""
        return replace(self.become(Status.ROLLED_BACK, now), result=result)

    def announce_expiry(self, now: datetime) -> "OperationRequest":
        """Record, once, that the key's lifetime ends soon."""
        return replace(self, expiry_announced_at=now, version=self.version + 1)

    def report_expiry_failed(self, now: datetime) -> "OperationRequest":
        """Record, once, that the lifetime has ended but the key could not be removed yet."""
        return replace(self, expiry_failed_at=now, version=self.version + 1)

    def retire(self, now: datetime) -> "OperationRequest":
        """Record that the key was deleted after its lifetime. An unconfirmed key is rolled back instead."""
        return replace(self, retired_at=now, version=self.version + 1)

    @property
    def is_under_way(self) -> bool:
        """Return whether it is a rotation that has delivered its new key, and has not ended."""
        is_delivered = self.status is Status.DELIVERED and self.unconfirmed_at is None
        return self.status is Status.ROTATING or (is_delivered and self.filing.rotates)

    @property
    def cut_over_by(self) -> datetime | None:
        """Return until when the old key may be deactivated; None before the receipt."""
        plan = self.filing.rotation
        return None if plan is None or self.received_at is None else self.received_at + plan.cut_over_within

    @property
    def delete_old_at(self) -> datetime | None:
        """Return when the old key may be deleted; None before it is inactive."""
        plan = self.filing.rotation
        return None if plan is None or self.cut_over_at is None else self.cut_over_at + plan.deletion_wait

    def release(self, now: datetime) -> "OperationRequest":
        """Record that somebody said that the old key may be deactivated now."""
        return replace(self, released_at=now, look_at=now, version=self.version + 1)

    def act(self, now: datetime, until: datetime) -> "OperationRequest":
        """Claim the next call of a rotation. Nobody looks at it before `until`, when no call can arrive any more."""
        return replace(self, acting_at=now, look_at=until, version=self.version + 1)

    def remind(self, now: datetime) -> "OperationRequest":
        """Record, once, that the cut-over is still to come."""
        return replace(self, reminded_at=now)

    def look_again(self, at: datetime) -> "OperationRequest":
        """Record when the worker looks at the rotation next."""
        return replace(self, acting_at=None, look_at=at, version=self.version + 1)

    def cut_over(self, now: datetime) -> "OperationRequest":
        """Record that the old key is inactive."""
        return replace(self, cut_over_at=now, acting_at=None, look_at=now, version=self.version + 1)

    def found_cut_over(self, now: datetime) -> "OperationRequest":
        """Record that the old key was found inactive. The claim stays for one look: the call was made after it."""
        return replace(self.cut_over(now), acting_at=self.acting_at)

    def rotated(self, result: Result, now: datetime) -> "OperationRequest":
        """Record that the old key is gone, so that the rotation is done. Raise Conflict."""
        return replace(self.become(Status.SUCCEEDED, now), result=result, acting_at=None)

    def stop(self, result: Result, now: datetime) -> "OperationRequest":
        """End a rotation with both keys as they are. Raise Conflict."""
        return replace(self.become(Status.STOPPED, now), result=result, acting_at=None)

    def _settled(self, status: Status, result: Result, now: datetime) -> "OperationRequest":
        return replace(self.become(status, now), result=result, settled_at=now)

    def become(self, status: Status, now: datetime) -> "OperationRequest":
        """Change only the status, as `NEXT` allows. Raise Conflict."""
        self.check_can_become(status)
        return replace(self, status=status, version=self.version + 1, ended_at=now if status in TERMINAL else None)


def _done(outcome: Done) -> Result:
    return Result(
        code=ResultCode.DONE,
        detail="AWS did what was asked.",
        access_key_id=outcome.created.access_key_id if outcome.created else None,
        signer_key_id=outcome.signer_key_id,
        aws_request_id=outcome.aws_request_id,
        sealed_sha256=outcome.created.sha256 if isinstance(outcome.created, SealedKey) else None,
    )


def _drilled(outcome: Drilled) -> Result:
    return Result(
        code=ResultCode.DRILLED,
        detail="This was a drill. Everything was done but the call to AWS.",
        signer_key_id=outcome.signer_key_id,
    )


def _result(code: str, outcome: Refused | InDoubt) -> Result:
    return Result(
        code=code,
        detail=outcome.detail,
        signer_key_id=outcome.signer_key_id,
        aws_request_id=outcome.aws_request_id,
    )
