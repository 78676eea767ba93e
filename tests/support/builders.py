"""Builders for tests: people, a clock, and requests in any state."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.domain.account import AccessKey, Account, ResourcePolicy, RootCredentials
from service.domain.actor import Actor, ActorKind, Grant, Group, Member, Role
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.evidence import LogKey
from service.domain.filing import Filing
from service.domain.operation import Operation, OperationName
from service.domain.policy import Policy
from service.domain.proof import Login, Proof, Unsaid
from service.domain.request import Decision, OperationRequest, Verdict
from service.domain.rules import Rule, Rules
from service.domain.standing import Standing
from service.signing.ed25519 import Ed25519Signer
from service.workflow.context import Log

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
MEMBER = "777788889999"  # reached by AssumeRoot only
BOTH = "222233334444"  # reached by AssumeRoot, and by its own profile
MANAGEMENT = "999900001111"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

CREATE = OperationName.CREATE_ACCESS_KEY
ROTATE = OperationName.ROTATE_ACCESS_KEY
DEACTIVATE = OperationName.DEACTIVATE_ACCESS_KEY
ACTIVATE = OperationName.ACTIVATE_ACCESS_KEY
DELETE = OperationName.DELETE_ACCESS_KEY
DELETE_PASSWORD = OperationName.DELETE_LOGIN_PROFILE
ALLOW_PASSWORD = OperationName.ALLOW_PASSWORD_RECOVERY
DEACTIVATE_MFA = OperationName.DEACTIVATE_MFA_DEVICE
DELETE_CERTIFICATE = OperationName.DELETE_SIGNING_CERTIFICATE
UNLOCK_BUCKET = OperationName.UNLOCK_S3_BUCKET_POLICY
UNLOCK_QUEUE = OperationName.UNLOCK_SQS_QUEUE_POLICY

ACCOUNTS = {
    account.account_id: account
    for account in (
        Account(account_id=ACCOUNT, name="production"),
        Account(account_id=OTHER_ACCOUNT, name="staging"),
        Account(account_id=MEMBER, name="member", has_profile=False, organization="main", unlocks=True),
        Account(account_id=BOTH, name="both", organization="main", unlocks=True),
    )
}

JUSTIFICATION = "Rotation of the break-glass key, due this quarter."


def member(subject: str, *roles: Role, kind: ActorKind = ActorKind.PERSON) -> Member:
    return Member(kind=kind, subject=subject, name=subject.capitalize(), roles=frozenset(roles))


# alice asks; bob, carol and dave approve; rita receives; audrey reads the log; oscar operates; robo is a machine.
MEMBERS = {
    found.subject: found
    for found in (
        member("alice", Role.REQUESTER),
        member("bob", Role.APPROVER, Role.REQUESTER),
        member("carol", Role.APPROVER),
        member("dave", Role.APPROVER),
        member("rita"),
        member("audrey", Role.AUDITOR),
        member("oscar", Role.OPERATOR),
        member("mallory"),
        member("robo", Role.REQUESTER, kind=ActorKind.MACHINE),
    )
}


# The roles of the provider "corp"'s groups: approvers of everything and of production only, requesters, auditors.
GRANTS = {
    "corp": (
        Grant("root-approvers", frozenset({Role.APPROVER})),
        Grant("production-approvers", frozenset({Role.APPROVER}), frozenset({ACCOUNT})),
        Grant("requesters", frozenset({Role.REQUESTER})),
        Grant("auditors", frozenset({Role.AUDITOR})),
    )
}
ISSUER = "https://login.example.com"


def login(sub: str, *groups: str, at: datetime, email: str | Unsaid = Unsaid.ABSENT, **claims: Any) -> Login:
    """Return a sign-in at "corp" at the time `at`; `claims` are the proof's claims."""
    known = {"jti": None, "issued_at": at, "auth_time": at, "acr": None, "amr": ()} | claims
    return Login(
        issuer="corp",
        proof=Proof(issuer=ISSUER, subject=sub, **known),
        subject=f"{ISSUER}#{sub}",
        name=sub.capitalize(),
        groups=frozenset(groups),
        email=email,
    )


def actor(subject: str, *, credential: str = "token") -> Actor:
    """Return an actor for domain tests, without a proof."""
    found = MEMBERS[subject]
    return Actor(kind=found.kind, subject=subject, name=found.name, roles=found.roles, credential=credential)


def observed(*keys: AccessKey, signer: str = "AKIASIGNER0000000000", at: datetime = NOON) -> RootCredentials:
    return RootCredentials(
        observed_at=at,
        signer_key_id=signer,
        keys=keys or (key(signer),),
        mfa_enabled=True,
        password_present=True,
        signing_certificates_present=False,
    )


def key(access_key_id: str, status: str = "Active", *, used: datetime | None = None) -> AccessKey:
    return AccessKey(
        access_key_id=access_key_id,
        status=status,
        created_at=NOON - timedelta(days=400),
        last_used_at=used,
        last_used_service="iam" if used else None,
    )


_FILING = Filing(
    request_id="6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11",
    account_id=ACCOUNT,
    operation=Operation(CREATE),
    requester="alice",
    requester_kind=ActorKind.PERSON,
    recipient="rita",
    justification=JUSTIFICATION,
    ticket="OPS-4711",
    run_on_approval=False,
    accept_lockout=False,
    quorum=2,
    filed_at=NOON,
    approve_by=NOON + timedelta(days=3),
    execution_window=timedelta(hours=8),
    receipt_window=timedelta(minutes=15),
    rollback_grace=timedelta(hours=24),
    lifetime=None,
    observed=observed(),
)


def policy_of(**changes: Any) -> Policy:
    """Return a policy without drift checks, and without the requirement of a fresh sign-in for decisions."""
    return Policy(**{"drift_checks": False, "decision_requires_auth_time": False} | changes)


def grouped(directory: Directory, **groups: str) -> Directory:
    """Return the directory with these groups of people, each named by people with blanks between."""
    made = {name: Group(people=frozenset(people.split())) for name, people in groups.items()}
    members = {
        subject: replace(found, groups=frozenset(name for name, group in made.items() if subject in group.people))
        for subject, found in directory.members.items()
    }
    return replace(directory, members=members, groups=made)


def rules(*demands: Demand, **selects: Any) -> Rules:
    """Return a rule for each demand; all of them select the same."""
    return Rules([Rule(demand=demand, **selects) for demand in demands])


# A policy that locks everybody out but root.
LOCKING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]}'


def filing(**changes: Any) -> Filing:
    """Return a filing with these changes. An unlock has a policy to delete."""
    seen = changes.get("observed", _FILING.observed)
    if changes.get("operation", _FILING.operation).is_unlock and seen.resource is None:
        changes["observed"] = replace(seen, resource=ResourcePolicy("eu-central-1", LOCKING))
    return replace(_FILING, **changes)


def request(**changes: object) -> OperationRequest:
    return OperationRequest.file(filing(**changes))


def standing(*approvers: str, revoked: frozenset[str] = frozenset(), quorum: int = 2) -> Standing:
    """Return the standing of `MEMBERS`, of whom only `approvers` have that role. Tokens are valid unless `revoked`."""
    owners = {f"token-of-{person}": person for person in MEMBERS}
    approving = approvers or ("bob", "carol", "dave")
    known = {
        name: replace(who, roles=who.roles - {Role.APPROVER} | ({Role.APPROVER} if name in approving else set()))
        for name, who in MEMBERS.items()
    }
    return Standing(
        Directory(known),
        {token: person for token, person in owners.items() if token not in revoked},
        Policy(quorum=quorum, decision_requires_auth_time=False),
        frozenset({"token", *owners} - revoked),
    )


def decision(on: OperationRequest, person: str, verdict: Verdict = Verdict.APPROVE, **changes: object) -> Decision:
    made = Decision(
        person=person,
        verdict=verdict,
        digest=on.digest,
        comment="no" if verdict is Verdict.REJECT else None,
        credential=f"token-of-{person}",
        decided_at=NOON + timedelta(minutes=1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names fields of Decision


def approved(on: OperationRequest | None = None, *people: str) -> OperationRequest:
    result = on or request()
    for person in people or ("bob", "carol"):
        result = result.decide(decision(result, person), standing().has_quorum)
    return result


# Signs the audit log's head in tests.
ORIGIN = "rootquorum.example.com/log"
SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LOG = Log(ORIGIN, (SIGNER,), (LogKey(SIGNER.verifier_key, None, None),))


@dataclass
class Clock:
    """A clock that the test sets."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


class Watch:
    """A stop-watch that the test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds
