"""The filed part of a request. The digest covers all of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from service.domain.account import RootCredentials
from service.domain.actor import ActorKind
from service.domain.canonical import Document, Json, seconds, sha256, timestamp
from service.domain.demands import Demand, SignedApprovals
from service.domain.operation import Operation
from service.domain.rotation_plan import RotationPlan
from service.domain.rules import Placement


@dataclass(frozen=True, kw_only=True)  # without slots, which a cached property cannot have
class Filing:
    """What was filed and will be acted on. It is immutable, and the digest covers all of it.

    `execution_window` starts with the approval. `receipt_window` and `lifetime` start with the delivery of a secret.
    `rollback_grace` starts when a key is deactivated because its receipt did not come or its lifetime has ended.
    `demands` are those of the rules that applied. `placement` is what they could match; None if there were no rules.
    `rules` is the hex SHA-256 of the signed rules in force; None if none were signed.
    `drill` says that it goes through everything except AWS. `rotation` is the plan that a rotation has, and nothing
    else.
    `sealed_to` is the recipient's own key, to which the secret of a new key is sealed (`service/domain/sealed.py`).
    Raise ValueError for a new key that would be made on approval: nobody would be there to take the secret. Raise it
    also for a lifetime or a `sealed_to` without a new key, and for an unlock without the policy that it deletes.
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
    demands: tuple[Demand, ...] = ()
    placement: Placement | None = None
    signed_approvals: SignedApprovals = SignedApprovals.OFF
    rules: str | None = None
    drill: bool = False
    sealed_to: str | None = None
    rotation: RotationPlan | None = None

    def __post_init__(self) -> None:
        if self.operation.is_create and self.run_on_approval:
            raise ValueError("a create cannot run on approval: somebody has to take the secret")
        if self.lifetime is not None and not self.operation.is_create:
            raise ValueError("only a new key has a lifetime")
        if self.sealed_to is not None and not self.operation.is_create:
            raise ValueError("only a new key has a secret that can be sealed")
        if self.operation.is_unlock and (self.observed.resource is None or self.observed.resource.policy is None):
            raise ValueError("an unlock names the policy that it deletes")
        if self.demands and self.placement is None:
            raise ValueError("demands come from rules, which match a placement")

    @cached_property
    def digest(self) -> str:
        """Compute the digest once per value: several actions are judged by it."""
        return sha256(self.document())

    @property
    def rotates(self) -> bool:
        """Return whether an old key is to end after the receipt. A drill ends with it."""
        return self.operation.is_rotation and not self.drill

    @property
    def terms(self) -> Document:
        """Return those members of the document that only some filings say."""
        drill: dict[str, Json] = {"drill": True} if self.drill else {}
        sealed: dict[str, Json] = {} if self.sealed_to is None else {"sealed_to": self.sealed_to}
        rotation: dict[str, Json] = {} if self.rotation is None else {"rotation": self.rotation.document()}
        return {**drill, **sealed, **rotation}

    def document(self) -> Document:
        """Return the JSON document whose RFC 8785 form is hashed. Times are RFC 3339 in UTC, durations in seconds.

        It omits `lifetime_seconds` if there is none, `demands` and `placement` if there were no rules,
        `signed_approvals` if it was off, `rules` if none were signed, and terms that the filing does not have. So
        requests filed before these existed keep their digest.
        """
        lifetime: dict[str, Json] = {} if self.lifetime is None else {"lifetime_seconds": seconds(self.lifetime)}
        ruled: dict[str, Json] = {}
        if self.placement is not None:
            ruled["demands"] = [demand.document() for demand in self.demands]
            ruled["placement"] = self.placement.document()
        signed: dict[str, Json] = {}
        if self.signed_approvals is not SignedApprovals.OFF:
            signed["signed_approvals"] = self.signed_approvals.value
        if self.rules is not None:
            signed["rules"] = self.rules
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
            **ruled,
            **signed,
            **self.terms,
            "observed": self.observed.document(),
        }


def _drill(said: Json) -> bool:
    if said is not True:
        raise ValueError("a filing is a drill, or says nothing of it")
    return True


def _text(said: Json) -> str:
    if not isinstance(said, str):
        raise TypeError("it is a text, or not there")
    return said


# Reads each member of `terms` for the field of the same name. Raise ValueError or TypeError.
_READ_TERM: Mapping[str, Callable[[Json], object]] = {
    "drill": _drill,
    "sealed_to": _text,
    "rotation": RotationPlan.from_document,
}


TERMS = frozenset(_READ_TERM)


def read_terms(document: Mapping[str, Json]) -> dict[str, Any]:
    """Return the fields of a filing with these terms. Raise ValueError, TypeError, also for a later version's term."""
    if unknown := document.keys() - _READ_TERM.keys():
        raise ValueError(f"unknown terms: {', '.join(sorted(unknown))}")
    return {name: _READ_TERM[name](said) for name, said in document.items()}
