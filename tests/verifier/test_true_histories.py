"""Whatever the domain lets happen, in whatever order, breaks no rule of the verifier.

People, tokens and requests live as they like; what the domain refuses is tried and does not happen.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.builders import MEMBERS, NOON, filing, policy_of
from support.ledger import MemoryLog
from support.tampering import findings_in, told_of

from service import verifier
from service.domain.account import SourceKind
from service.domain.actor import WORKER, Actor, Person, Role
from service.domain.directory import Directory
from service.domain.errors import ServiceError
from service.domain.event_table import (
    CUT_OVER_RELEASED,
    DECISION_DENIED,
    KEY_DEACTIVATED,
    KEY_RETIRED,
    OLD_KEY_DEACTIVATED,
    PERSON_REINSTATED,
    PERSON_SUSPENDED,
    TOKEN_CREATED,
    TOKEN_REVOKED,
)
from service.domain.events import Event, between, filed, taken_away
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, InDoubt, Outcome, Refused, ResultCode, Secret
from service.domain.permissions import (
    check_may_approve,
    check_may_execute,
    check_may_receive,
    check_may_reject,
    check_may_release,
    check_may_withdraw,
)
from service.domain.request import TERMINAL, Decision, OperationRequest, Result, Status, Verdict
from service.domain.rotation_plan import RotationPlan
from service.domain.standing import Standing

Choose = Callable[..., int]
# What a request has become, and what is told of it besides.
Changed = tuple[OperationRequest, tuple[Event, ...]]

_PEOPLE = ("alice", "bob", "carol", "dave", "rita", "robo")
_FILED = (OperationName.CREATE_ACCESS_KEY, OperationName.DELETE_ACCESS_KEY, OperationName.ROTATE_ACCESS_KEY)
_HOUR = timedelta(hours=1)
_PLAN = RotationPlan(unused_for=8 * _HOUR, cut_over_within=48 * _HOUR, deletion_wait=_HOUR)
_WAITS = (timedelta(seconds=1), timedelta(seconds=50), timedelta(minutes=20), timedelta(hours=7), timedelta(days=4))


def has_key(request: OperationRequest) -> bool:
    """Whether the worker may still have to do something about a key that was delivered."""
    is_delivered = request.result is not None and request.result.access_key_id is not None
    return is_delivered and request.retired_at is None and request.status is not Status.ROLLED_BACK


def is_rotating(request: OperationRequest) -> bool:
    return request.status is Status.ROTATING


def everything(_: OperationRequest) -> bool:
    return True


def is_approved(request: OperationRequest) -> bool:
    return request.status is Status.APPROVED


def is_executing(request: OperationRequest) -> bool:
    return request.status in {Status.EXECUTING, Status.IN_DOUBT}


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
        name = _FILED[choose(len(_FILED))]
        is_create, is_rotation = name is not _FILED[1], name is OperationName.ROTATE_ACCESS_KEY
        made = filing(
            request_id=f"request {len(self.requests)}",
            operation=Operation(name, None if name is _FILED[0] else "AKIAEXAMPLE000000001"),
            rotation=_PLAN if is_rotation else None,
            requester=by.subject,
            requester_kind=by.kind,
            recipient=("rita", "alice")[choose(2)] if is_create or choose(2) else by.subject,
            run_on_approval=not is_create and bool(choose(2)),
            quorum=self.quorum,
            lifetime=(None, timedelta(minutes=30), timedelta(days=5))[choose(3)] if is_create else None,
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

            self.change(choose, who, step, is_approved if choose(4) else everything)

    def settles(self, choose: Choose) -> None:
        number = choose(4)

        def step(request: OperationRequest) -> OperationRequest:
            key = CreatedKey(f"the key of {request.filing.request_id}", Secret("s"), self.now)
            is_create = request.filing.operation.is_create
            if request.status is Status.DELIVERED or (request.status is Status.IN_DOUBT and is_create and number < 2):
                return request
            outcomes: tuple[Outcome, ...] = (
                Done(signer_key_id="A", aws_request_id=None, created=key if is_create else None),
                Done(signer_key_id="A", aws_request_id="r", created=key if is_create else None),
                Refused(code=ResultCode.NOT_DONE, detail="y"),
                InDoubt(detail="z"),
            )
            return request.settle(outcomes[number], self.now)

        for _ in range(3):
            self.change(choose, WORKER, step, is_executing if choose(4) else everything)

    def receives(self, choose: Choose) -> None:
        for who in map(self.actor, ("rita", "alice")):

            def step(request: OperationRequest, who: Actor = who) -> OperationRequest:
                check_may_receive(request, who)
                return request.receive(self.now)

            self.change(choose, who, step, has_key if choose(4) else everything)

    def is_released(self, choose: Choose) -> None:
        for who in map(self.actor, ("rita", "alice")):

            def step(request: OperationRequest, who: Actor = who) -> Changed:
                check_may_release(request, who, self.standing(), self.now)
                said = Event(CUT_OVER_RELEASED, {"access_key_id": request.filing.operation.target})
                return (request, ()) if request.released_at else (request.release(self.now), (said,))

            self.change(choose, who, step, is_rotating if choose(4) else everything)

    def rotates(self, choose: Choose) -> None:
        """The worker goes on with rotations; it may be too late, or the account may have changed."""
        for _ in range(8 if any(map(is_rotating, self.requests)) else 0):
            self.change(choose, WORKER, partial(self.is_rotated, choose(30)), is_rotating)
            self.now += _HOUR / 2

    def is_rotated(self, happens: int, request: OperationRequest) -> Changed:
        assert request.result is not None
        assert request.received_at is not None
        assert request.cut_over_by is not None
        is_late = request.cut_over_at is None and self.now >= request.cut_over_by
        if request.stopped_at is not None or is_late or happens == 0:
            is_no = any(made.verdict is Verdict.REJECT for made in request.decisions)
            by_people = ResultCode.ROTATION_REJECTED if is_no else ResultCode.ROTATION_WITHDRAWN
            code = ResultCode.NOT_CUT_OVER if request.stopped_at is None else by_people
            return request.stop(replace(request.result, code=code, aws_request_id=None), self.now), ()
        is_due = request.released_at is not None or self.now >= request.received_at + _PLAN.unused_for
        if request.cut_over_at is None:
            done = Done(signer_key_id="A", aws_request_id="r" if happens > 1 else None)
            told = taken_away(OLD_KEY_DEACTIVATED, str(request.filing.operation.target), done)
            return (request.cut_over(self.now), (told,)) if is_due else (request, ())
        if request.delete_old_at is None or self.now < request.delete_old_at:
            return request, ()
        gone = Result(code="rotated", detail="y", access_key_id=request.result.access_key_id, aws_request_id="r")
        return request.rotated(gone, self.now), ()

    def is_taken_back(self, choose: Choose) -> None:
        """The worker goes on with what is due; the key may be in use, or gone."""
        happens = choose(4)
        for _ in range(3):
            self.change(choose, WORKER, partial(self.goes_on, happens), has_key)

    def goes_on(self, happens: int, request: OperationRequest) -> Changed:
        by_receipt = request.status is Status.DELIVERED and request.overdue_at is None
        ends = [end for end in (request.expires_at, request.receipt_by if by_receipt else None) if end is not None]
        if not has_key(request) or not ends or self.now < min(ends):
            return request, ()
        by_receipt = by_receipt and min(ends) == request.receipt_by
        if by_receipt and happens == 0:
            return request.report_overdue(self.now), ()
        if by_receipt and request.unconfirmed_at is None and happens > 1:
            return request.give_up(self.now), ()
        return self.takes_away(request, is_there=happens > 1)

    def takes_away(self, request: OperationRequest, *, is_there: bool) -> Changed:
        done = Done(signer_key_id="A", aws_request_id="r" if is_there else None)
        assert request.result is not None
        key_id = str(request.result.access_key_id)
        if is_there and request.deactivated_at is None:
            return request.deactivated(self.now), (taken_away(KEY_DEACTIVATED, key_id, done),)
        if is_there and (request.delete_at is None or self.now < request.delete_at):
            return request, ()
        if request.status is Status.DELIVERED:
            gone = replace(request.result, code="unconfirmed", aws_request_id=done.aws_request_id)
            return request.roll_back(gone, self.now), ()
        return request.retire(self.now), (taken_away(KEY_RETIRED, key_id, done),)

    def outlives(self, choose: Choose) -> None:
        """Nothing happens for days but what becomes of a key, if there is one."""
        for _ in range(4 if any(map(has_key, self.requests)) and choose(2) else 0):
            self.now += timedelta(days=2)
            self.is_announced(choose)
            self.is_taken_back(choose)

    def is_announced(self, choose: Choose) -> None:
        """The end of a lifetime, also of a request that has ended."""

        def step(request: OperationRequest) -> OperationRequest:
            is_due = request.expires_at is not None and request.expiry_announced_at is None and has_key(request)
            return request.announce_expiry(self.now) if is_due else request

        for _ in range(2):
            self.change(choose, WORKER, step)

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
        step: Callable[[OperationRequest], OperationRequest | Changed],
        among: Callable[[OperationRequest], bool] = everything,
    ) -> None:
        """As `workflow.change`: overdue requests expire instead."""
        recent = [(at, each) for at, each in enumerate(self.requests) if among(each)][-40 if choose(4) == 0 else -3 :]
        if not recent:
            return
        at, _ = recent[choose(len(recent))]
        before = self.requests[at]
        by = WORKER if before.is_overdue(self.now) else who
        try:
            if by is not WORKER and not self.is_signed_in(who):
                return
            stepped = before.expire(self.now) if before.is_overdue(self.now) else step(before)
        except ServiceError as refusal:
            if choose(9) == 0:  # one of many tells as much
                self.tell(Event(DECISION_DENIED, {"code": refusal.code.value}), who, before)
            return
        after, more = stepped if isinstance(stepped, tuple) else (stepped, ())
        self.requests[at] = after
        for event in (*between(before, after), *more):
            self.tell(event, by, after)

    def is_signed_in(self, who: Actor) -> bool:
        known = self.people.get(who.subject)
        return who.credential in self.owners and (known is None or known.suspended_at is None)

    def mark(self, subject: str, *, suspended: bool) -> None:
        known = self.people.get(subject)
        if suspended is (known is not None and known.suspended_at is not None):
            return
        known = known or Person(subject=subject, name=subject)
        votes = [vote for each in self.requests for vote in each.decisions if each.status not in TERMINAL]
        last = max((vote.decided_at for vote in votes if vote.person == subject), default=None)
        void_until = known.void_until(self.now, last if last is not None and last >= self.now else None)
        marked = replace(known, suspended_at=self.now if suspended else None, votes_since=void_until)
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
    World.receives,
    World.is_released,
    World.rotates,
    World.is_taken_back,
    World.outlives,
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


_SEEDS = range(50)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """Their tests only read them."""
    return [lived(seed) for seed in _SEEDS]


@pytest.mark.parametrize("seed", _SEEDS)
def test_what_the_domain_lets_happen_breaks_no_rule(worlds: list[World], seed: int) -> None:
    world = worlds[seed]
    assert [each for each in told_of(b"".join(world.ledger.export())) if isinstance(each, verifier.Finding)] == []
    for request in world.requests:
        assert findings_in(world.ledger.evidence(request.filing.request_id)) == set()


@pytest.mark.parametrize("seed", _SEEDS)
def test_of_what_has_ended_nothing_is_remembered(worlds: list[World], seed: int) -> None:
    replay = verifier.Replay(is_log=True)
    for leaf in worlds[seed].ledger.leaves:
        assert not [each for each in replay.take(leaf) if isinstance(each, verifier.Finding)]
    still = {each.filing.request_id for each in worlds[seed].requests if not is_over(each)}
    assert replay.open.keys() == still


def is_over(request: OperationRequest) -> bool:
    return request.status in TERMINAL and (request.expires_at is None or not has_key(request))


def test_everything_that_can_happen_did(worlds: list[World]) -> None:
    happened = {leaf["event"] for world in worlds for leaf in world.ledger.leaves}
    assert happened >= {*verifier.LIFE, "request.filed", "decision.recorded", "decision.denied"}
    assert happened >= {*verifier._OF_KEYS} - {"key.expiry_failed"}
    assert happened >= {*verifier._OF_ROTATIONS} - {"rotation.waiting"}
    assert happened >= {"person.suspended", "person.reinstated", "token.revoked"}


def _approvals(leaves: list[dict[str, Any]], request_id: str) -> list[int]:
    return [at for at, leaf in enumerate(leaves) if leaf["request_id"] == request_id and "decision" in leaf["data"]]


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_execution_stands_when_its_approvals_are_taken_out(worlds: list[World], seed: int) -> None:
    """Written anew without them, with all hashes and numbers that go with it."""
    leaves = worlds[seed].ledger.leaves
    for started in [leaf for leaf in leaves if leaf["event"] == "execution.started"]:
        votes = _approvals(leaves, started["request_id"])
        forged = MemoryLog()
        for leaf in (leaf for at, leaf in enumerate(leaves) if at not in votes):
            forged.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
        named = [str(each) for each in told_of(b"".join(forged.export())) if isinstance(each, verifier.Finding)]
        assert any(each.startswith("no-quorum: ") and repr(started["request_id"]) in each for each in named)
