"""Whatever the domain lets happen, in whatever order, breaks no rule of the verifier.

People, tokens and requests live as they like; what the domain refuses is tried and does not happen.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.builders import MEMBERS, NOON, filing, policy_of
from support.ledger import MemoryLog
from support.tampering import findings_in, told_of

from service import verifier
from service.domain.account import SourceKind
from service.domain.actor import WORKER, Actor, Directory, Person, Role
from service.domain.errors import ServiceError
from service.domain.event_table import (
    DECISION_DENIED,
    PERSON_REINSTATED,
    PERSON_SUSPENDED,
    TOKEN_CREATED,
    TOKEN_REVOKED,
)
from service.domain.events import Event, between, filed
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, InDoubt, Outcome, Refused, ResultCode, Secret
from service.domain.permissions import (
    Standing,
    check_may_approve,
    check_may_execute,
    check_may_receive,
    check_may_reject,
    check_may_withdraw,
)
from service.domain.request import TERMINAL, Decision, OperationRequest, Result, Status, Verdict

Choose = Callable[..., int]

_PEOPLE = ("alice", "bob", "carol", "dave", "rita", "robo")
_WAITS = (timedelta(seconds=1), timedelta(seconds=50), timedelta(minutes=20), timedelta(hours=7), timedelta(days=4))


class World:
    """All that the rules ask about, and the log that is written of it, as the workflow does."""

    def __init__(self) -> None:
        self.ledger, self.now = MemoryLog(), NOON
        self.quorum, self.made = 2, 0
        self.requests: list[OperationRequest] = []
        self.people: dict[str, Person] = {}
        self.owners: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        for subject in _PEOPLE:
            self.new_token(subject)

    def tell(self, event: Event, who: Actor, request: OperationRequest | None = None) -> None:
        request_id = None if request is None else request.filing.request_id
        policy = {"policy": {"quorum": self.quorum}} if event.name in {"request.filed", "execution.started"} else {}
        self.ledger.tell(event, who, request_id, at=self.now, **policy)

    def new_token(self, subject: str) -> None:
        self.made += 1
        token_id = self.tokens[subject] = f"token {self.made}"
        self.owners[token_id] = subject
        self.tell(Event(TOKEN_CREATED, {"token_id": token_id, "subject": subject}), self.actor("oscar"))

    def actor(self, subject: str) -> Actor:
        known = MEMBERS[subject]
        return Actor(
            kind=known.kind,
            subject=subject,
            name=known.name,
            roles=known.roles,
            credential=self.tokens.get(subject, "cli"),
        )

    def standing(self) -> Standing:
        directory = Directory(MEMBERS).joined(self.people.values())
        people = {token: owner for token, owner in self.owners.items() if owner != "robo"}
        return Standing(directory, people, policy_of(quorum=self.quorum), frozenset(self.owners))

    # What can happen, each with a number that chooses among whom or what it happens to.

    def waits(self, choose: Choose) -> None:
        self.now += _WAITS[min(choose(len(_WAITS)), choose(len(_WAITS)), choose(len(_WAITS)))]

    def files(self, choose: Choose) -> None:
        by = self.actor(("alice", "bob", "robo")[choose(3)])
        name = (OperationName.CREATE_ACCESS_KEY, OperationName.DELETE_ACCESS_KEY)[choose(2)]
        is_create = name is OperationName.CREATE_ACCESS_KEY
        made = filing(
            request_id=f"request {len(self.requests)}",
            operation=Operation(name, None if is_create else "AKIAEXAMPLE000000001"),
            requester=by.subject,
            requester_kind=by.kind,
            recipient=("rita", "alice")[choose(2)] if is_create or choose(2) else by.subject,
            run_on_approval=not is_create and bool(choose(2)),
            quorum=self.quorum,
            filed_at=self.now,
            approve_by=self.now + timedelta(days=3),
        )
        if self.is_signed_in(by):
            self.requests.append(OperationRequest.file(made))
            self.tell(filed(self.requests[-1]), by, self.requests[-1])

    def decides(self, choose: Choose) -> None:
        who = self.actor(_PEOPLE[choose(len(_PEOPLE)) if choose(4) == 0 else 1 + choose(3)])
        who = replace(who, roles=frozenset({Role.APPROVER}))
        verdict = Verdict.APPROVE if choose(20) else Verdict.REJECT
        check = check_may_approve if verdict is Verdict.APPROVE else check_may_reject

        def step(request: OperationRequest) -> OperationRequest:
            check(request, who, self.standing(), self.now)
            made = Decision(
                person=who.subject,
                verdict=verdict,
                digest=request.digest,
                comment="no",
                credential=who.credential,
                decided_at=self.now,
            )
            return request.decide(made, self.standing().has_quorum)

        self.change(choose, who, step)

    def approves(self, choose: Choose) -> None:
        """Often enough that something is executed."""
        for _ in range(4):
            self.decides(choose)

    def withdraws(self, choose: Choose) -> None:
        who = self.actor("alice")

        def step(request: OperationRequest) -> OperationRequest:
            check_may_withdraw(request, who, self.now)
            return request.withdraw(self.now)

        self.change(choose, who, step)

    def runs(self, choose: Choose) -> None:
        """Whoever would like to."""
        for who in (WORKER, *map(self.actor, ("rita", "alice", "bob", "robo")[choose(2) :])):

            def step(request: OperationRequest, who: Actor = who) -> OperationRequest:
                check_may_execute(request, who, self.standing(), self.now)
                return request.claim(by=who.subject, source=SourceKind.PROFILE, known_key_ids=(), now=self.now)

            self.change(choose, who, step)

    def settles(self, choose: Choose) -> None:
        key = CreatedKey("AKIAEXAMPLE000000009", Secret("s"), self.now)
        outcomes: tuple[Outcome, ...] = (
            Done(signer_key_id="A", aws_request_id=None),
            Done(signer_key_id="A", aws_request_id="r", created=key),
            Refused(code=ResultCode.NOT_DONE, detail="y"),
            InDoubt(detail="z"),
        )
        outcome = outcomes[choose(len(outcomes))]

        def step(request: OperationRequest) -> OperationRequest:
            return request if request.status is Status.DELIVERED else request.settle(outcome, self.now)

        for _ in range(3):
            self.change(choose, WORKER, step)

    def receives(self, choose: Choose) -> None:
        who = self.actor("rita")

        def step(request: OperationRequest) -> OperationRequest:
            check_may_receive(request, who)
            return request.receive(self.now)

        self.change(choose, who, step)

    def is_taken_back(self, choose: Choose) -> None:
        def step(request: OperationRequest) -> OperationRequest:
            if request.status is not Status.DELIVERED:
                return request
            if request.overdue_at is None and choose(2):
                return request.report_overdue(self.now)
            return request.roll_back(Result(code="unconfirmed", detail="Gone."), self.now)

        self.change(choose, WORKER, step)

    def is_announced(self, choose: Choose) -> None:
        """The end of a lifetime, also of a request that has ended."""
        self.change(choose, WORKER, lambda request: request.announce_expiry(self.now), among=Status.SUCCEEDED)

    def is_suspended(self, choose: Choose) -> None:
        if choose(3) == 0:
            self.mark(_PEOPLE[choose(5)], suspended=True)

    def is_reinstated(self, choose: Choose) -> None:
        for _ in range(3):
            self.mark(_PEOPLE[choose(5)], suspended=False)

    def is_revoked(self, choose: Choose) -> None:
        if choose(3):
            return
        token_id = sorted(self.owners)[choose(len(self.owners))]
        subject = self.owners.pop(token_id)
        self.tell(Event(TOKEN_REVOKED, {"token_id": token_id}), self.actor("oscar"))
        self.new_token(subject)

    def has_other_rules(self, choose: Choose) -> None:
        self.quorum = 2 + choose(2)

    def change(
        self,
        choose: Choose,
        who: Actor,
        step: Callable[[OperationRequest], OperationRequest],
        among: Status | None = None,
    ) -> None:
        """As `workflow.change`: overdue requests expire instead."""
        recent = [*enumerate(self.requests)][-40 if choose(4) == 0 else -3 :]
        found = [at for at, each in recent if among in {None, each.status}]
        if not found:
            return
        at = found[choose(len(found))]
        before = self.requests[at]
        by = WORKER if before.is_overdue(self.now) else who
        try:
            if by is not WORKER and not self.is_signed_in(who):
                return
            after = before.expire(self.now) if before.is_overdue(self.now) else step(before)
        except ServiceError as refusal:
            if choose(9) == 0:  # one of many tells as much
                self.tell(Event(DECISION_DENIED, {"code": refusal.code.value}), who, before)
            return
        self.requests[at] = after
        for event in between(before, after):
            self.tell(event, by, after)

    def is_signed_in(self, who: Actor) -> bool:
        known = self.people.get(who.subject)
        return who.credential in self.owners and (known is None or known.suspended_at is None)

    def mark(self, subject: str, *, suspended: bool) -> None:
        known = self.people.get(subject)
        if suspended is (known is not None and known.suspended_at is not None):
            return
        known = known or Person(subject=subject, name=subject)
        marked = replace(
            known, suspended_at=self.now if suspended else None, votes_since=known.void_until(self.now, None)
        )
        self.people[subject] = marked
        name = PERSON_SUSPENDED if suspended else PERSON_REINSTATED
        self.tell(Event(name, {"person": subject, "reason": "x"}), self.actor("oscar"))


_HAPPENINGS = (
    World.waits,
    World.files,
    World.approves,
    World.approves,
    World.approves,
    World.decides,
    World.withdraws,
    World.runs,
    World.runs,
    World.runs,
    World.settles,
    World.settles,
    World.receives,
    World.is_taken_back,
    World.is_announced,
    World.is_suspended,
    World.is_reinstated,
    World.is_revoked,
    World.has_other_rules,
)


def lived(seed: int) -> World:
    """Many happenings by chance."""
    chance, world = random.Random(seed), World()
    for _ in range(150):
        chance.choice(_HAPPENINGS)(world, chance.randrange)
    return world


_WORLDS = [lived(seed) for seed in range(50)]


@pytest.mark.parametrize("seed", range(len(_WORLDS)))
def test_what_the_domain_lets_happen_breaks_no_rule(seed: int) -> None:
    world = _WORLDS[seed]
    assert [each for each in told_of(b"".join(world.ledger.export())) if isinstance(each, verifier.Finding)] == []
    for request in world.requests:
        assert findings_in(world.ledger.evidence(request.filing.request_id)) == set()


@pytest.mark.parametrize("seed", range(len(_WORLDS)))
def test_of_what_has_ended_nothing_is_remembered(seed: int) -> None:
    replay = verifier.Replay(is_log=True)
    for leaf in _WORLDS[seed].ledger.leaves:
        assert not [each for each in replay.take(leaf) if isinstance(each, verifier.Finding)]
    still = {each.filing.request_id for each in _WORLDS[seed].requests if each.status not in TERMINAL}
    assert replay.open.keys() == still


def test_everything_that_can_happen_did() -> None:
    happened = {leaf["event"] for world in _WORLDS for leaf in world.ledger.leaves}
    assert happened >= {*verifier.LIFE, "request.filed", "decision.recorded", "decision.denied", "key.expiring"}
    assert happened >= {"person.suspended", "person.reinstated", "token.revoked"}


def _approvals(leaves: list[dict[str, Any]], request_id: str) -> list[int]:
    return [at for at, leaf in enumerate(leaves) if leaf["request_id"] == request_id and "decision" in leaf["data"]]


@pytest.mark.parametrize("seed", range(len(_WORLDS)))
def test_no_execution_stands_when_its_approvals_are_taken_out(seed: int) -> None:
    """Written anew without them, with all hashes and numbers that go with it."""
    leaves = _WORLDS[seed].ledger.leaves
    for started in [leaf for leaf in leaves if leaf["event"] == "execution.started"]:
        votes = _approvals(leaves, started["request_id"])
        forged = MemoryLog()
        for leaf in (leaf for at, leaf in enumerate(leaves) if at not in votes):
            forged.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
        named = [str(each) for each in told_of(b"".join(forged.export())) if isinstance(each, verifier.Finding)]
        assert any(each.startswith("no-quorum: ") and repr(started["request_id"]) in each for each in named)
