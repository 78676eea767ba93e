"""What every workflow function needs, put together once by `app.py`."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from service.db import audit, leases, people, tokens
from service.db.engine import Tx, begin
from service.db.leases import Lease
from service.domain.account import Account, Part, RootCredentials
from service.domain.actor import Actor, Directory
from service.domain.capability import Plan, plan
from service.domain.delivery import Attempt, Notice
from service.domain.errors import Code, Invalid, Unavailable
from service.domain.evidence import LogKey
from service.domain.operation import Operation, OperationName
from service.domain.outcome import Outcome
from service.domain.permissions import Standing
from service.domain.policy import Policy
from service.domain.proof import is_sign_in
from service.domain.request import OperationRequest
from service.signing.notes import Signer


class RootSession(Protocol):
    """A credential that was just proved to be an account's root, and stays the same until the session ends."""

    @property
    def signer_key_id(self) -> str:
        """The id of the key that signs what is performed."""

    def observe(self, now: datetime, *parts: Part) -> RootCredentials:
        """The access keys with their statuses, and these parts. Raises Unavailable."""

    def observe_twice(self, now: datetime, *parts: Part) -> RootCredentials:
        """The same, where it is to be believed that something is gone. Raises Unavailable."""

    def perform(self, operation: Operation) -> Outcome:
        """Make the one call. Never fails: what is not certain is InDoubt."""


class Roots(Protocol):
    """The way to every account's root user."""

    @property
    def call_budget(self) -> timedelta:
        """The longest that an execution can take from its claim to its last call, with all timeouts and retries."""

    def sign_in(self, account: Account, plan: Plan) -> AbstractContextManager[RootSession]:
        """Raises Unavailable when AWS is away, or when the credential is not this account's root."""


class Accounts(Protocol):
    """The accounts of the settings, and those that organizations list."""

    def get(self, account_id: str) -> Account | None:
        """Raises Unavailable when only an organization could know, and cannot be listed."""

    def every(self) -> Sequence[Account]:
        """All of them, by id. Raises Unavailable."""

    def at_hand(self) -> Sequence[Account]:
        """As many of them as are known without asking AWS."""

    def listed(self, organization: str) -> Sequence[Account]:
        """Those that one organization lists, by id. Raises Unavailable."""

    def is_due(self) -> bool:
        """Whether it is time for `every` to ask AWS again."""

    def configured(self) -> Sequence[Account]:
        """Those that the settings name."""

    def features(self, organization: str) -> frozenset[str]:
        """The centralized root access features that are on in an organization. Raises Unavailable."""


class Destination(Protocol):
    """Somebody outside who is told what happens, and decides nothing."""

    def wants(self, event: str, ticket: str | None) -> bool:
        """Whether events of this name go there, of a request with this ticket."""

    def deliver(self, notice: Notice) -> Attempt:
        """Try once, in bounded time. Never fails: what is not certain is to be tried again."""


class TicketSource(Protocol):
    """A tracker, as far as it can tell about a ticket."""

    def names(self, ticket: str) -> bool:
        """Whether it is a ticket of this tracker, as far as its key tells."""

    def state_of(self, ticket: str) -> str | None:
        """The name of its state; None for one that is not there. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Log:
    """What the audit log is called outside, who signs its head now, and all keys that ever did."""

    origin: str = ""
    signers: Sequence[Signer] = ()
    keys: Sequence[LogKey] = ()


@dataclass(slots=True)
class Pulse:
    """What became of this process's last try to write, which many may ask for at the same time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tried_at: datetime | None = None
    refused: Unavailable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything from outside that the workflow uses: database, AWS, people, rules, clock and chance.

    `lease` is what a worker holds on what it is doing, where there could be another one; `public_url` is where links
    lead; `has_form` tells whether a pattern of the settings matches a whole text; `delivery_retention` is how long
    deliveries that have ended are kept.
    """

    engine: Engine
    roots: Roots
    accounts: Accounts
    directory: Directory
    policy: Policy
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    has_form: Callable[[str, str], bool]
    lease: Lease | None = None
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    trackers: Sequence[TicketSource] = ()
    public_url: str | None = None
    delivery_retention: timedelta = timedelta(days=90)
    log: Log = Log()
    pulse: Pulse = field(default_factory=Pulse)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction that writes. Raises Conflict when somebody else has taken the lease; Unavailable."""
        with begin(self.engine) as tx:
            if self.lease is not None:
                leases.check(tx, self.lease)
            yield tx

    def account(self, account_id: str) -> Account:
        """Raises Invalid for an account that nobody configured, Unavailable while that cannot be known."""
        account = self.accounts.get(account_id)
        if account is None:
            raise Invalid(Code.UNKNOWN_ACCOUNT)
        return account

    def account_name(self, account_id: str) -> str:
        """Return the id itself for an account that left the settings, or while its name cannot be known."""
        try:
            account = self.accounts.get(account_id)
        except Unavailable:
            account = None
        return account.name if account else account_id

    def sign_in(self, account_id: str, name: OperationName) -> AbstractContextManager[RootSession]:
        """A session that can do this in the account. Raises Invalid, Unavailable, or Conflict when no source can."""
        account = self.account(account_id)
        return self.roots.sign_in(account, plan(account, name))

    def people(self, tx: Tx) -> Directory:
        """Everybody who is known today: whom the settings name, and whom providers have proved."""
        return self.directory.joined(people.every(tx))

    def standing(
        self, tx: Tx, request: OperationRequest, actor: Actor | None = None, *, held: bool = False
    ) -> Standing:
        """Who and what counts today, for judging this request and what `actor` does to it.

        `held`: nobody is suspended, and no token revoked, from now until the transaction ends. Every other lock is
        taken before.
        """
        if held:
            audit.hold(tx)
        made = {decision.credential: decision.person for decision in request.decisions}
        if actor is not None:
            made[actor.credential] = actor.subject
        # A provider's sign-in was proved when it was used; what has become of its person since is in the directory.
        signed_in = {credential: person for credential, person in made.items() if is_sign_in(credential)}
        return Standing(self.people(tx), tokens.owners(tx, made) | signed_in, self.policy, self._good(tx, actor))

    def _good(self, tx: Tx, actor: Actor | None) -> frozenset[str]:
        """The actor's credential, if it would sign them in now. What has become of a person is not its concern."""
        if actor is None:
            return frozenset()
        signs_in = is_sign_in(actor.credential) or tokens.signs_in(
            tx, actor.credential, actor.subject, actor.kind, self.now()
        )
        return frozenset({actor.credential} if signs_in else ())
