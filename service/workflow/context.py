"""The dependencies of every workflow function, assembled once by `app`."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from service.db import leases
from service.db.engine import Tx, begin
from service.db.leases import Lease
from service.domain.account import Account, Part, Reading, RootCredentials
from service.domain.capability import Plan
from service.domain.checkpoint import Checkpoint
from service.domain.delivery import Attempt, Notice
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.errors import Code, Invalid, Unavailable
from service.domain.evidence import LogKey
from service.domain.filing import Filing
from service.domain.incident import Limits
from service.domain.operation import Operation, OperationName
from service.domain.outcome import Drilled, Outcome
from service.domain.policy import Policy
from service.domain.rule_file import SignedRules
from service.domain.rules import UNKNOWN, Placement, Rules
from service.domain.signed import Signing
from service.signing.notes import Signer


class RootSession(Protocol):
    """A credential that was just proved to be an account's root. It does not change during the session.

    `aws/root.py` implements it; `app` connects the two.
    """

    @property
    def signer_key_id(self) -> str:
        """Return the id of the key that signs the calls."""

    def observe(self, now: datetime, *parts: Part) -> RootCredentials:
        """Read the access keys with their statuses, and these parts. Raise Unavailable."""

    def observe_twice(self, now: datetime, *parts: Part) -> RootCredentials:
        """Read twice, for a caller that relies on something being gone. Raise Unavailable."""

    def perform(self, operation: Operation) -> Outcome:
        """Make the one call. Never raise: an uncertain outcome is InDoubt."""


class DrillSession:
    """The session of a drill. It reads as any other does, and has nothing that could change the account."""

    def __init__(self, root: RootSession) -> None:
        self.signer_key_id = root.signer_key_id
        self.observe = root.observe
        self.observe_twice = root.observe_twice

    def perform(self, operation: Operation) -> Outcome:
        """Send nothing."""
        del operation
        return Drilled(signer_key_id=self.signer_key_id)


class Roots(Protocol):
    """Sign-in as the root user of every account."""

    @property
    def call_budget(self) -> timedelta:
        """Return the longest time from an execution's claim to its last call, with all timeouts and retries."""

    def email(self, account: Account) -> str | None:
        """Return the root user's e-mail address; None if the service may not read it. Raise Unavailable."""

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """Return by how much AWS's clock is ahead of `now`; None if AWS has not answered lately."""

    def sign_in(self, account: Account, plan: Plan) -> AbstractContextManager[RootSession]:
        """Start a session. Raise Unavailable if AWS is unreachable, or the credential is not this account's root."""


class Accounts(Protocol):
    """The accounts in the settings, and those that organizations list."""

    def get(self, account_id: str) -> Account | None:
        """Return the account. Raise Unavailable if only an organization could have it, and cannot be listed."""

    def every(self) -> Sequence[Account]:
        """Return all accounts, ordered by id. Raise Unavailable."""

    def at_hand(self) -> Sequence[Account]:
        """Return the accounts that are known without a call to AWS."""

    def known(self, account_id: str) -> Account | None:
        """Return the account if it is known without waiting for AWS."""

    def listed(self, organization: str) -> Sequence[Account]:
        """Return the accounts that an organization lists, ordered by id. Raise Unavailable."""

    def is_due(self) -> bool:
        """Return whether it is time for `every` to call AWS again."""

    def configured(self) -> Sequence[Account]:
        """Return the accounts in the settings."""

    def named(self) -> Sequence[Account]:
        """Return the accounts in the settings as they are there, without asking anybody."""

    def features(self, organization: str) -> frozenset[str]:
        """Return the centralized root access features that are enabled in an organization. Raise Unavailable."""

    def readings(self, organization: str) -> Sequence[Reading]:
        """Return what was read of the units and tags of an organization's accounts. Wait until it was."""


class Destination(Protocol):
    """An external subscriber to events. It decides nothing."""

    def wants(self, event: str, ticket: str | None) -> bool:
        """Return whether it receives events of this name for a request with this ticket."""

    def deliver(self, notice: Notice) -> Attempt:
        """Try once, in bounded time. Never raise: an uncertain attempt is to be retried."""


class TicketSource(Protocol):
    """A tracker from which a ticket's state can be read."""

    def names(self, ticket: str) -> bool:
        """Return whether the key has the form of this tracker's tickets."""

    def state_of(self, ticket: str) -> str | None:
        """Return the name of the ticket's state, or None if there is no such ticket. Raise Unavailable."""


class Witness(Protocol):
    """Somebody who remembers the last head of the log that they saw, and cosigns only one that it leads to.

    `signing/witnesses.py` implements it; `app` connects the two.
    """

    @property
    def key_id(self) -> str:
        """Return the name and the id of its key."""

    def cosign(self, head: Checkpoint, note: str, proof_from: Callable[[int], Sequence[bytes]]) -> str:
        """Return its line under the signed note of this head, in bounded time. Raise NotCosigned, Contradicted."""

    def verified(self, head: Checkpoint, lines: str) -> str:
        """Return the line that its key made for this head. Raise NotCosigned."""


@dataclass(frozen=True, slots=True)
class Log:
    """The audit log's public name, its current signers, and all keys that ever signed its head.

    Its witnesses are named as in the settings. Rounds in which they cosign begin `cosign_interval` apart.
    """

    origin: str = ""
    signers: Sequence[Signer] = ()
    keys: Sequence[LogKey] = ()
    witnesses: Mapping[str, Witness] = field(default_factory=dict)
    cosign_interval: timedelta = timedelta(minutes=5)


@dataclass(slots=True)
class Pulse:
    """The result of this process's last test write, shared by concurrent callers."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tried_at: datetime | None = None
    refused: Unavailable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All external dependencies of the workflow: database, AWS, people, policy and rules, clock and ids.

    `lease` is the worker's lease on its current work, if there could be another worker. `in_person` names the
    destinations that tell people in person. `public_url` is the base of links. `has_form` tells whether a pattern from
    the settings matches a whole text. `delivery_retention` is how long ended deliveries are kept. `signed_rules` are
    the file of rules and its signatures, if the settings name one. `limits` say what is an incident. `most_open` is how
    many requests one requester may have open; None: any number.
    """

    engine: Engine
    roots: Roots
    accounts: Accounts
    directory: Directory
    policy: Policy
    rules: Rules
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    has_form: Callable[[str, str], bool]
    lease: Lease | None = None
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    in_person: frozenset[str] = frozenset()
    trackers: Sequence[TicketSource] = ()
    public_url: str | None = None
    delivery_retention: timedelta = timedelta(days=90)
    log: Log = Log()
    signing: Signing = field(default_factory=Signing)
    signed_rules: SignedRules | None = None
    pulse: Pulse = field(default_factory=Pulse)
    limits: Limits = field(default_factory=Limits)
    most_open: int | None = None

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Begin a transaction that writes. Raise Conflict if another worker has taken the lease; Unavailable."""
        with begin(self.engine) as tx:
            if self.lease is not None:
                leases.check(tx, self.lease)
            yield tx

    def account(self, account_id: str) -> Account:
        """Return the account. Raise Invalid if it is not configured, Unavailable while that cannot be known."""
        account = self.accounts.get(account_id)
        if account is None:
            raise Invalid(Code.UNKNOWN_ACCOUNT)
        return account

    def placement(self, account_id: str) -> Placement:
        """Return what rules can match of an account, without waiting for AWS.

        Nothing is known of an unknown account, and nothing is looked up where there are no rules.
        """
        return Placement.of(self.accounts.known(account_id)) if self.rules else UNKNOWN

    def demands(self, account_id: str, name: OperationName, placement: Placement | None = None) -> tuple[Demand, ...]:
        """Return the demands of today's rules for this operation on this account, by its placement or that of now."""
        placement = self.placement(account_id) if placement is None else placement
        return tuple(rule.demand for rule in self.rules.matching(account_id, placement, name))

    def policy_for(self, account_id: str, name: OperationName, *filed: Demand) -> Policy:
        """Return today's policy for this operation on this account, with the demands of rules and those `filed`."""
        return self.policy.under([*filed, *self.demands(account_id, name)])

    def account_name(self, account_id: str) -> str:
        """Return the account's name, or its id if it has left the settings or its name cannot be known now."""
        try:
            account = self.accounts.get(account_id)
        except Unavailable:
            account = None
        return account.name if account else account_id

    @contextmanager
    def sign_in(self, filing: Filing, planned: Plan) -> Iterator[RootSession]:
        """Start the session in which a request acts on its account. No other session of the workflow may act.

        The session of a drill cannot. Where AWS makes it for one purpose, that purpose is to read.
        Raise Invalid, Unavailable.
        """
        account = self.account(filing.account_id)
        with self.roots.sign_in(account, planned.to_read if filing.drill else planned) as root:
            yield DrillSession(root) if filing.drill else root
