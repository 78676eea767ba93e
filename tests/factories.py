"""What tests are made of: people, a clock, a house to put them in, and requests as far along as a test needs them."""

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from fastapi.testclient import TestClient
from postgres import as_owner

from service.api.build import build
from service.auth.api_tokens import fingerprint, mint
from service.aws.organization import KnownAccounts, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.aws.sources import FixedSource
from service.db import audit, requests
from service.db.engine import connect, read
from service.domain.account import AccessKey, Account, RootCredentials, SourceKind
from service.domain.actor import WORKER, Actor, ActorKind, Directory, Grant, Member, Role
from service.domain.capability import Plan
from service.domain.evidence import LogKey
from service.domain.filing import Filing
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey
from service.domain.permissions import Standing
from service.domain.policy import Policy
from service.domain.proof import Login, Proof
from service.domain.request import Decision, OperationRequest, Verdict
from service.settings import patterns
from service.signing.ed25519 import Ed25519Signer
from service.simulated_aws import Credential, SimulatedAws
from service.verifier import Replay
from service.workflow.context import Context, Log
from service.workflow.decide import decide
from service.workflow.execute import execute
from service.workflow.file import Draft, file
from service.workflow.sign_in import sign_in, sign_in_by_provider
from service.workflow.tokens import create_token

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
MEMBER = "777788889999"  # reached by AssumeRoot only
BOTH = "222233334444"  # reached by AssumeRoot, and by a profile of its own
MANAGEMENT = "999900001111"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

CREATE = OperationName.CREATE_ACCESS_KEY
DEACTIVATE = OperationName.DEACTIVATE_ACCESS_KEY
ACTIVATE = OperationName.ACTIVATE_ACCESS_KEY
DELETE = OperationName.DELETE_ACCESS_KEY
DELETE_PASSWORD = OperationName.DELETE_LOGIN_PROFILE
ALLOW_PASSWORD = OperationName.ALLOW_PASSWORD_RECOVERY
DEACTIVATE_MFA = OperationName.DEACTIVATE_MFA_DEVICE
DELETE_CERTIFICATE = OperationName.DELETE_SIGNING_CERTIFICATE

ACCOUNTS = {
    account.account_id: account
    for account in (
        Account(account_id=ACCOUNT, name="production"),
        Account(account_id=OTHER_ACCOUNT, name="staging"),
        Account(account_id=MEMBER, name="member", has_profile=False, organization="main"),
        Account(account_id=BOTH, name="both", organization="main"),
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


# What the groups of the provider "corp" mean: approvers of everything and of production only, requesters, auditors.
GRANTS = {
    "corp": (
        Grant("root-approvers", frozenset({Role.APPROVER})),
        Grant("production-approvers", frozenset({Role.APPROVER}), frozenset({ACCOUNT})),
        Grant("requesters", frozenset({Role.REQUESTER})),
        Grant("auditors", frozenset({Role.AUDITOR})),
    )
}
ISSUER = "https://login.example.com"


def login(sub: str, *groups: str, at: datetime, **claims: Any) -> Login:
    """A sign-in at "corp", as the provider's token proves it at `at`; `claims` are those of the proof."""
    known = {"jti": None, "issued_at": at, "auth_time": at, "acr": None, "amr": ()} | claims
    return Login(
        issuer="corp",
        proof=Proof(issuer=ISSUER, subject=sub, **known),
        subject=f"{ISSUER}#{sub}",
        name=sub.capitalize(),
        groups=frozenset(groups),
    )


def actor(subject: str, *, credential: str = "token") -> Actor:
    """For domain tests: nothing was proved."""
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
    """Looks for drift, and decisions by nothing but a fresh sign-in, are for the tests that are about them."""
    return Policy(**{"drift_checks": False, "decision_requires_auth_time": False} | changes)


def filing(**changes: object) -> Filing:
    return replace(_FILING, **changes)  # type: ignore[arg-type]  # a test names fields of Filing


def request(**changes: object) -> OperationRequest:
    return OperationRequest.file(filing(**changes))


def standing(*approvers: str, revoked: frozenset[str] = frozenset(), quorum: int = 2) -> Standing:
    """Everybody is who they are, but for those who approve; and whoever acts is signed in with a good token."""
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


# Who signs the audit log's head in the tests.
ORIGIN = "rootquorum.example.com/log"
SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LOG = Log(ORIGIN, (SIGNER,), (LogKey(SIGNER.verifier_key, None, None),))


@dataclass
class Clock:
    """The time, as the test says."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


class Watch:
    """A stop-watch, as the test says."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class House:
    """The whole service but for its process: database, simulated AWS, people with tokens, a clock."""

    def __init__(self, ctx: Context, aws: SimulatedAws, clock: Clock) -> None:
        self.ctx = ctx
        self.aws = aws
        self.clock = clock
        # Whoever owns the tables, which the service does not.
        self.owner = connect(as_owner(ctx.engine.url), connections=1)
        self.app: FastAPI = build(ctx)
        # Whether the test wrote, or turned the clock, so that the log may tell of what the rules forbid.
        self.is_forged = False
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count()

    @classmethod
    @contextmanager
    def on(
        cls, database_url: str, *, policy: Policy | None = None, accounts: Mapping[str, Account] = ACCOUNTS
    ) -> Iterator["House"]:
        clock = Clock()
        engine = connect(database_url, connections=40)
        with SimulatedAws(list(accounts), management_account=MANAGEMENT) as aws:
            manager = manager_of(aws)
            ctx = Context(
                engine=engine,
                roots=AwsRoots(
                    {account: source_of(aws, account) for account in accounts if accounts[account].has_profile},
                    {"main": AssumedRoot(manager, "us-east-1")},
                    now=clock,
                ),
                accounts=KnownAccounts(accounts, {"main": Organization("main", manager)}),
                directory=Directory(dict(MEMBERS), GRANTS),
                policy=policy or policy_of(),
                now=clock,
                new_id=lambda: str(uuid.uuid4()),
                log=LOG,
                has_form=patterns.matches,
            )
            house = cls(ctx, aws, clock)
            yield house
            # Whatever the test did through the service, its log breaks no rule.
            assert house.is_forged or house.findings() == []
        engine.dispose()
        house.owner.dispose()

    def change(self, **settings: object) -> None:
        """Restart with other settings: another policy, directory or AWS. The database stays."""
        self.ctx = replace(self.ctx, **settings)  # type: ignore[arg-type]  # a test names fields of Context
        self.app.state.ctx = self.ctx

    def without_role(self, subject: str, role: Role) -> None:
        members = dict(self.ctx.directory.members)
        members[subject] = replace(members[subject], roles=members[subject].roles - {role})
        self.change(directory=replace(self.ctx.directory, members=members))

    def by_provider(self, sub: str, *groups: str, **claims: Any) -> Actor:
        """Somebody whom the provider "corp" has just signed in."""
        return sign_in_by_provider(self.ctx, login(sub, *groups, at=self.clock(), **claims))

    def token(self, subject: str) -> str:
        """A token that signs `subject` in; the same one every time."""
        if subject not in self._tokens:
            self._tokens[subject] = self.new_token(subject)
        return self._tokens[subject]

    def forget_token(self, subject: str) -> None:
        """Give `subject` a new token next time: the last one was revoked."""
        self._tokens.pop(subject, None)

    def new_token(self, subject: str, lifetime: timedelta = timedelta(days=90)) -> str:
        secret = mint(MEMBERS[subject].kind).reveal()
        create_token(self.ctx, WORKER, subject, str(fingerprint(secret)), lifetime)
        return secret

    def actor(self, subject: str) -> Actor:
        """Somebody who has just signed in."""
        return sign_in(self.ctx, str(fingerprint(self.token(subject))))

    def client(self, subject: str | None = None) -> TestClient:
        """HTTP as `subject`, or as nobody."""
        headers = {"Authorization": f"Bearer {self.token(subject)}"} if subject else {}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)

    def draft(self, operation: OperationName = CREATE, target: str | None = None, **changes: object) -> Draft:
        made = Draft(account_id=ACCOUNT, operation=Operation(operation, target), justification=JUSTIFICATION)
        return replace(made, **changes)  # type: ignore[arg-type]  # a test names fields of Draft

    def look_at(self, credential: Credential) -> None:
        """Somebody uses a root key of `ACCOUNT`: AWS knows its last use from now on."""
        source = FixedSource(credential.access_key_id, credential.secret_access_key, self.aws.endpoint_url)
        with AwsRoots({ACCOUNT: source}).sign_in(ACCOUNTS[ACCOUNT], Plan(SourceKind.PROFILE)):
            pass

    def file(
        self, operation: OperationName = CREATE, target: str | None = None, *, by: str = "alice", **changes: object
    ) -> OperationRequest:
        return file(self.ctx, self.actor(by), self.draft(operation, target, **changes))

    def approve(self, on: OperationRequest, *people: str) -> OperationRequest:
        for person in people or ("bob", "carol"):
            on = decide(
                self.ctx, self.actor(person), on.filing.request_id, Verdict.APPROVE, digest=on.digest, comment=None
            )
        return on

    def approved(
        self, operation: OperationName = CREATE, target: str | None = None, **changes: Any
    ) -> OperationRequest:
        return self.approve(self.file(operation, target, **changes))

    def execute(self, on: OperationRequest, *, by: str = "alice") -> tuple[OperationRequest, CreatedKey | None]:
        return execute(self.ctx, self.actor(by), on.filing.request_id)

    def now(self, on: OperationRequest) -> OperationRequest:
        """The request as the database has it."""
        with read(self.ctx.engine) as tx:
            found = requests.get(tx, on.filing.request_id)
        assert found is not None
        return found

    def events(self, on: OperationRequest) -> list[str]:
        """The canonical JSON of its audit events, oldest first."""
        with read(self.ctx.engine) as tx:
            return [content for _, content in audit.page(tx, after=0, limit=1000, request_id=on.filing.request_id)]

    def findings(self) -> list[str]:
        """What `service/verifier.py` finds in the log, and notes. What its clock did is the test's own doing."""
        replay = Replay(is_log=True)
        with read(self.owner) as tx:
            contents = [row.content for row in audit.rows_between(tx, 0, audit.last(tx))]
        found = [str(each) for content in contents for each in replay.take(json.loads(content))]
        return [each for each in found if not each.startswith("time-contradicts: ")] + [*replay.notes()]

    def spare_key(self) -> str:
        """A second root key, made by somebody else, that requests can be about."""
        return self.aws.create_root_key(ACCOUNT).access_key_id

    @property
    def signer(self) -> str:
        return self.aws.root_credential(ACCOUNT).access_key_id


def manager_of(aws: SimulatedAws) -> FixedSource:
    credential = aws.management_credential()
    return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)


def source_of(aws: SimulatedAws, account_id: str) -> FixedSource:
    credential = aws.root_credential(account_id)
    return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)
