"""The house: the whole service without its process, in which people file, approve and execute."""

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache, cached_property
from sqlite3 import Connection
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Dialect, Engine, event, text
from support.builders import (
    ACCOUNT,
    ACCOUNTS,
    CREATE,
    GRANTS,
    JUSTIFICATION,
    LOG,
    MANAGEMENT,
    MEMBERS,
    Clock,
    login,
    policy_of,
)
from support.products.postgres import as_owner

from service.api.build import build
from service.auth.api_tokens import fingerprint, mint
from service.aws.organization import KnownAccounts, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.aws.sources import FixedSource
from service.db import audit, requests
from service.db.engine import READ_ONLY, Tx, begin, connect, read
from service.domain.account import Account, SourceKind
from service.domain.actor import WORKER, Actor, Role
from service.domain.capability import Plan
from service.domain.directory import Directory
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, SealedKey
from service.domain.policy import Policy
from service.domain.proof import ApiToken
from service.domain.request import OperationRequest, Verdict
from service.domain.rules import Rules
from service.settings import patterns
from service.simulated_aws import Credential, SimulatedAws
from service.verifier import Replay
from service.worker import Worker
from service.workflow.context import Context
from service.workflow.decide import decide
from service.workflow.execute import execute
from service.workflow.file import Draft, file
from service.workflow.sign_in import sign_in
from service.workflow.tokens import create_token

_COMPILED: dict[str, tuple[Dialect, dict[Any, Any]]] = {}


class House:
    """The whole service without its process: database, simulated AWS, people with tokens, a clock."""

    def __init__(self, ctx: Context, aws: SimulatedAws, clock: Clock) -> None:
        self.ctx = ctx
        self.aws = aws
        self.clock = clock
        # The owner of the tables; the service does not own them.
        self.owner = connected(as_owner(ctx.engine.url), connections=1)
        # Whether the test wrote to the database or set the clock, so that the log may break the rules.
        self.is_forged = False
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count()

    @classmethod
    @contextmanager
    def on(
        cls, database_url: str, *, policy: Policy | None = None, accounts: Mapping[str, Account] = ACCOUNTS
    ) -> Iterator["House"]:
        clock = Clock()
        engine = connected(database_url, connections=40)
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
                rules=Rules(),
                now=clock,
                new_id=lambda: str(uuid.uuid4()),
                log=LOG,
                has_form=patterns.matches,
            )
            house = cls(ctx, aws, clock)
            yield house
            # Whatever a test does through the service, the log must break no rule.
            assert house.is_forged or house.findings() == [], house.findings()
        engine.dispose()
        house.owner.dispose()

    @cached_property
    def app(self) -> FastAPI:
        """Return the API. It is built on first use, so other tests do not pay for it."""
        return built(self.ctx)

    def change(self, **settings: object) -> None:
        """Restart with other settings: another policy, directory or AWS. The database stays."""
        self.ctx = replace(self.ctx, **settings)  # type: ignore[arg-type]  # a test names fields of Context
        if "app" in vars(self):
            self.app.state.ctx = self.ctx

    def without_role(self, subject: str, role: Role) -> None:
        members = dict(self.ctx.directory.members)
        members[subject] = replace(members[subject], roles=members[subject].roles - {role})
        self.change(directory=replace(self.ctx.directory, members=members))

    @contextmanager
    def working(
        self, *, every: timedelta = timedelta(milliseconds=10), lease: timedelta = timedelta(seconds=30)
    ) -> Iterator[Worker]:
        """Run a worker with two threads. It is stopped in the end: else it would work on the next test's database."""
        worker = Worker(self.ctx, every, lease=lease, parallel=2)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()

    def by_provider(self, sub: str, *groups: str, **claims: Any) -> Actor:
        """Return an actor who has just signed in at the provider "corp"."""
        return sign_in(self.ctx, login(sub, *groups, at=self.clock(), **claims))

    def token(self, subject: str) -> str:
        """Return a token of `subject`, the same one every time."""
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
        """Return an actor who has just signed in."""
        return sign_in(self.ctx, ApiToken(str(fingerprint(self.token(subject)))))

    def client(self, subject: str | None = None) -> TestClient:
        """Return an HTTP client signed in as `subject`, or not signed in."""
        headers = {"Authorization": f"Bearer {self.token(subject)}"} if subject else {}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False)

    def draft(self, operation: OperationName = CREATE, target: str | None = None, **changes: object) -> Draft:
        made = Draft(account_id=ACCOUNT, operation=Operation(operation, target), justification=JUSTIFICATION)
        return replace(made, **changes)  # type: ignore[arg-type]  # a test names fields of Draft

    def look_at(self, credential: Credential) -> None:
        """Use a root key of `ACCOUNT`, so that AWS has its last use."""
        source = FixedSource(credential.access_key_id, credential.secret_access_key, self.aws.endpoint_url)
        with AwsRoots({ACCOUNT: source}).sign_in(ACCOUNTS[ACCOUNT], Plan(SourceKind.PROFILE)):
            pass

    def file(
        self, operation: OperationName = CREATE, target: str | None = None, *, by: str = "alice", **changes: object
    ) -> OperationRequest:
        return file(self.ctx, self.actor(by), self.draft(operation, target, **changes)).request

    def approve(self, on: OperationRequest, *people: str) -> OperationRequest:
        for person in people or ("bob", "carol"):
            on = decide(
                self.ctx, self.actor(person), on.filing.request_id, Verdict.APPROVE, digest=on.digest, comment=None
            ).request
        return on

    def approved(
        self, operation: OperationName = CREATE, target: str | None = None, **changes: Any
    ) -> OperationRequest:
        return self.approve(self.file(operation, target, **changes))

    def execute(self, on: OperationRequest, *, by: str = "alice") -> tuple[OperationRequest, CreatedKey | None]:
        request, key = self.executed(on, by=by)
        assert not isinstance(key, SealedKey)
        return request, key

    def executed(
        self, on: OperationRequest, *, by: str = "alice"
    ) -> tuple[OperationRequest, CreatedKey | SealedKey | None]:
        return execute(self.ctx, self.actor(by), on.filing.request_id)

    def now(self, on: OperationRequest) -> OperationRequest:
        """Return the request from the database."""
        with read(self.ctx.engine) as tx:
            found = requests.get(tx, on.filing.request_id)
        assert found is not None
        return found

    def events(self, on: OperationRequest) -> list[str]:
        """Return the request's audit events in canonical JSON, oldest first."""
        with read(self.ctx.engine) as tx:
            return [content for _, content in audit.page(tx, after=0, limit=1000, request_id=on.filing.request_id)]

    def findings(self) -> list[str]:
        """Return what `service/verifier.py` finds and notes in the log, except what the test did to its clock."""
        replay = Replay(is_log=True)
        with read(self.owner) as tx:
            contents = [row.content for row in audit.rows_between(tx, 0, audit.last(tx))]
        found = [str(each) for content in contents for each in replay.take(json.loads(content))]
        return [each for each in found if not each.startswith("time-contradicts: ")] + [*map(str, replay.notes())]

    @contextmanager
    def statements(self) -> Iterator[list[tuple[str, object]]]:
        """Yield a list of the statements that the service sends in this block, each with its parameters.

        A transaction that only reads begins with BEGIN READ ONLY, and any other with BEGIN.
        """
        sent: list[tuple[str, object]] = []

        def note_begin(connection: Tx) -> None:
            sent.append(("BEGIN READ ONLY" if connection.info.get(READ_ONLY) else "BEGIN", ()))

        def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            sent.append((statement, parameters))

        event.listen(self.ctx.engine, "begin", note_begin)
        event.listen(self.ctx.engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(self.ctx.engine, "before_cursor_execute", note)
            event.remove(self.ctx.engine, "begin", note_begin)

    def is_blocked(self) -> bool:
        """Return whether a session waits for a lock. For PostgreSQL only."""
        with begin(self.owner) as tx:
            return bool(tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())

    def spare_key(self) -> str:
        """Create a second root key, by somebody else, as a target for requests."""
        return self.aws.create_root_key(ACCOUNT).access_key_id

    @property
    def signer(self) -> str:
        return self.aws.root_credential(ACCOUNT).access_key_id


def connected(url: str, *, connections: int) -> Engine:
    """Return what `connect` returns. All houses of a process share SQLAlchemy's compiled statements, which belong to a
    dialect.
    """
    engine = connect(url, connections=connections)
    if engine.name == "sqlite":
        event.listen(engine, "connect", _without_waiting)
    if engine.name not in _COMPILED:
        with engine.connect():  # the dialect initializes itself with its first connection
            _COMPILED[engine.name] = engine.dialect, {}
    engine.dialect, compiled = _COMPILED[engine.name]
    engine.update_execution_options(compiled_cache=compiled)
    return engine


def _without_waiting(connection: Connection, _record: object) -> None:
    """Let SQLite not wait for the disk. No test takes the power away; those that kill a process start one."""
    connection.execute("PRAGMA synchronous = OFF")


@cache
def described() -> FastAPI:
    """Return the first application of this process, which describes all others. Its document is only read."""
    return build(None)


def built(ctx: Context) -> FastAPI:
    """Return what `build` returns. The OpenAPI document is made once per process: it is the same for every Context."""
    app = build(ctx)
    app.state.help_pages = None  # whether or not somebody built the documents in this checkout
    app.openapi = described().openapi  # type: ignore[method-assign]
    return app


def manager_of(aws: SimulatedAws) -> FixedSource:
    credential = aws.management_credential()
    return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)


def source_of(aws: SimulatedAws, account_id: str) -> FixedSource:
    credential = aws.root_credential(account_id)
    return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)
