"""The people in the contract's examples, and the steps that take a request through its life with domain code."""

from datetime import datetime, timedelta
from typing import Any

from service.api import views
from service.api.schemas import outputs
from service.api.schemas.inputs import duration
from service.domain.account import AccessKey, Account, RootCredentials, SourceKind
from service.domain.actor import Actor, ActorKind, Member, Role
from service.domain.canonical import parse_timestamp
from service.domain.directory import Directory
from service.domain.filing import Filing
from service.domain.operation import TARGET_OF, Operation, OperationName
from service.domain.outcome import Done, InDoubt
from service.domain.policy import Policy
from service.domain.proof import Proof
from service.domain.request import Decision, OperationRequest, Verdict
from service.domain.rotation_plan import RotationPlan
from service.domain.standing import Standing
from service.workflow.read import Shown

ACCOUNT = Account(account_id="111122223333", name="production")

_ROLES = {
    "Carol Castro": Role.REQUESTER,
    "Dave Dogan": Role.APPROVER,
    "Erin Eze": Role.APPROVER,
    "Grace Gomez": Role.REQUESTER,
    "Heidi Holm": Role.OPERATOR,
}
CAROL, DAVE, ERIN, GRACE, HEIDI = _EVERYBODY = [
    Member(kind=ActorKind.PERSON, subject=name.split()[0].lower(), name=name, roles=frozenset({role}))
    for name, role in _ROLES.items()
]
DIRECTORY = Directory({who.subject: who for who in _EVERYBODY})
_POLICY = Policy()


def account_name(_account_id: str) -> str:
    return ACCOUNT.name


def signed_in(who: Member, now: datetime) -> Actor:
    """Return the person as an actor who signed in at the provider a minute ago."""
    proof = Proof(
        issuer="https://login.example.com",
        subject=f"00u-{who.subject}",
        jti=f"ID.{who.subject}.{now:%d%H%M}",
        issued_at=now - timedelta(seconds=58),
        auth_time=now - timedelta(minutes=1),
        acr=None,
        amr=("pwd", "hwk"),
    )
    return Actor(
        kind=who.kind, subject=who.subject, name=who.name, roles=who.roles, credential=proof.credential, proof=proof
    )


def at(day_and_time: str) -> datetime:
    return parse_timestamp(f"2026-{day_and_time}.000000Z")


def observed(at: datetime, signer: str, *keys: AccessKey) -> RootCredentials:
    return RootCredentials(
        observed_at=at,
        signer_key_id=signer,
        keys=keys,
        mfa_enabled=True,
        password_present=True,
        signing_certificates_present=False,
        mfa_devices=(f"arn:aws:iam::{ACCOUNT.account_id}:mfa/root-account-mfa-device",),
    )


def filed_by_carol(request_id: str, asked: dict[str, Any], observed: RootCredentials) -> OperationRequest:
    """File a request by Carol from the body of an example."""
    operation = OperationName(asked["operation"])
    filing = Filing(
        request_id=request_id,
        account_id=asked["account_id"],
        operation=Operation(operation, asked.get(TARGET_OF.get(operation, ""))),
        requester=CAROL.subject,
        requester_kind=CAROL.kind,
        recipient=asked.get("recipient", CAROL.subject),
        justification=asked["justification"],
        ticket=asked.get("ticket"),
        run_on_approval=False,
        accept_lockout=False,
        quorum=_POLICY.quorum,
        filed_at=observed.observed_at,
        approve_by=observed.observed_at + _POLICY.approval_window,
        execution_window=_POLICY.execution_window,
        receipt_window=_POLICY.receipt_window,
        rollback_grace=_POLICY.rollback_grace,
        lifetime=duration(asked["lifetime"]) if "lifetime" in asked else None,
        rotation=RotationPlan() if operation is OperationName.ROTATE_ACCESS_KEY else None,
        observed=observed,
    )
    return OperationRequest.file(filing)


def decided(
    on: OperationRequest, by: Member, minutes: int, verdict: Verdict = Verdict.APPROVE, comment: str | None = None
) -> OperationRequest:
    now = on.filing.filed_at + timedelta(minutes=minutes)
    decision = Decision(
        person=by.subject,
        verdict=verdict,
        digest=on.digest,
        comment=comment,
        credential=signed_in(by, now).credential,
        decided_at=now,
    )
    return on.decide(decision, lambda request: _standing(request).has_quorum(request))


def _standing(request: OperationRequest, reader: Actor | None = None) -> Standing:
    owners = {decision.credential: decision.person for decision in request.decisions}
    return Standing(DIRECTORY, owners, _POLICY, frozenset({reader.credential} if reader else ()))


def executed(on: OperationRequest, by: Member, outcome: Done | InDoubt) -> OperationRequest:
    at = on.filing.filed_at + timedelta(minutes=66)
    known = tuple(on.filing.observed.statuses)
    claimed = on.claim(by=by.subject, source=SourceKind.PROFILE, known_key_ids=known, now=at)
    return claimed.settle(outcome, at + timedelta(seconds=2))


def shown_to(reader: Member, request: OperationRequest) -> outputs.RequestOut:
    """Return the request as this reader sees it, right after its last step."""
    return views.request_out(account_name, _shown(reader, request))


def previewed_by(requester: Member, request: OperationRequest) -> outputs.PreviewOut:
    return views.preview_out(account_name, _shown(requester, request))


def policy_for(_operation: OperationName) -> Policy:
    return _POLICY


def _shown(reader: Member, request: OperationRequest) -> Shown:
    soon = max(filter(None, (request.filing.filed_at, request.approved_at, request.settled_at)))
    actor = signed_in(reader, soon)
    standing = _standing(request, actor)
    return Shown(request, standing, actor, soon)
