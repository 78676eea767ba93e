"""`GET /v1/requests?awaiting=me`: whom a request waits for, at each point of its life."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from support.builders import ACCOUNT, BOTH, CREATE, DEACTIVATE, DELETE, MEMBERS, OTHER_ACCOUNT, grouped, rules
from support.house import House

from service.domain.actor import WORKER, Actor, Role
from service.domain.demands import Demand
from service.domain.errors import ServiceError
from service.domain.request import OperationRequest, Verdict
from service.domain.selection import Selection
from service.workflow.decide import confirm_receipt, decide, withdraw
from service.workflow.people import reinstate, suspend
from service.workflow.read import list_requests, show
from service.workflow.tokens import list_tokens, revoke_token

SEEDS = range(100 if os.environ.get("FUZZ") == "long" else 3)


def waiting(house: House) -> set[str]:
    """Everybody whose list holds a request."""
    lists = {subject: house.client(subject).get("/v1/requests?awaiting=me").json()["items"] for subject in MEMBERS}
    return {subject for subject, items in lists.items() if items}


def test_pending_request_awaits_approvers_who_have_not_decided(house: House) -> None:
    request = house.file(recipient="dave")
    house.approve(request, "bob")

    assert waiting(house) == {"carol"}  # bob has decided, dave would receive


def test_approved_create_awaits_its_recipient(house: House) -> None:
    house.approved(recipient="rita")
    assert waiting(house) == {"rita"}


def test_approved_operation_on_a_key_awaits_requester_and_recipient(house: House) -> None:
    house.approved(DEACTIVATE, house.spare_key(), recipient="rita")
    assert waiting(house) == {"alice", "rita"}


def test_what_runs_by_itself_awaits_nobody(house: House) -> None:
    house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    assert waiting(house) == set()


def test_outstanding_receipt_awaits_the_recipient(house: House) -> None:
    delivered, _ = house.execute(house.approved(recipient="rita"), by="rita")
    assert waiting(house) == {"rita"}
    house.client("rita").post(f"/v1/requests/{delivered.filing.request_id}/receipt")
    assert waiting(house) == set()


def test_overdue_request_awaits_nobody(house: House) -> None:
    house.file()
    house.clock.advance(timedelta(days=3))
    assert waiting(house) == set()


def test_an_approved_request_that_lost_a_vote_awaits_another_approver_and_nobody_else(house: House) -> None:
    approved = house.approved(recipient="rita")
    house.without_role("bob", Role.APPROVER)
    assert waiting(house) == {"dave"}
    house.approve(approved, "dave")
    assert waiting(house) == {"rita"}


# --- the list says what the actions of each request say ---


class Walk:
    """Random steps in the life of some requests on one account, and in the lives of the people around them."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.random = house, Random(seed)
        self.key = house.spare_key()
        self.filed: list[OperationRequest] = []
        self.steps: list[Callable[[], object]] = [
            *[self.file] * 5,
            *[self.vote] * 6,
            *[self.execute] * 2,
            self.reject,
            self.withdraw,
            self.confirm,
            self.lose_role,
            self.change_quorum,
            self.change_rules,
            self.change_groups,
            self.revoke,
            self.suspend,
            *[self.reinstate] * 3,
            self.wait,
        ]

    def step(self) -> None:
        with suppress(ServiceError):  # refused, as somebody may be who tries
            self.random.choice(self.steps)()

    def one(self) -> OperationRequest:
        return self.house.now(self.random.choice(self.filed or [self.file()]))

    def somebody(self, *people: str) -> str:
        return self.random.choice(people or ("bob", "carol", "dave"))

    def file(self) -> OperationRequest:
        recipient = self.somebody("alice", "rita", "dave")
        operation = self.random.choice((CREATE, DEACTIVATE, DELETE))
        if operation is CREATE:
            account = self.random.choice((ACCOUNT, OTHER_ACCOUNT, BOTH))
            made = self.house.file(recipient=recipient, account_id=account)
        else:
            by_itself = self.random.random() < 0.3
            made = self.house.file(operation, self.key, recipient=recipient, run_on_approval=by_itself)
        self.filed.append(made)
        return made

    def decide(self, verdict: Verdict) -> None:
        request = self.one()
        actor, comment = self.house.actor(self.somebody()), "It is not needed."
        decide(self.house.ctx, actor, request.filing.request_id, verdict, digest=request.digest, comment=comment)

    def vote(self) -> None:
        self.decide(Verdict.APPROVE)

    def reject(self) -> None:
        self.decide(Verdict.REJECT)

    def withdraw(self) -> None:
        withdraw(self.house.ctx, self.house.actor("alice"), self.one().filing.request_id)

    def execute(self) -> None:
        request = self.one()
        self.house.execute(request, by=request.filing.recipient)

    def confirm(self) -> None:
        request = self.one()
        confirm_receipt(self.house.ctx, self.house.actor(request.filing.recipient), request.filing.request_id)

    def lose_role(self) -> None:
        who, was = self.somebody(), self.house.ctx.directory
        if Role.APPROVER in was.members[who].roles:
            self.house.without_role(who, Role.APPROVER)
        else:
            members = {**was.members, who: replace(was.members[who], roles=MEMBERS[who].roles)}
            self.house.change(directory=replace(was, members=members))

    def change_quorum(self) -> None:
        self.house.change(policy=replace(self.house.ctx.policy, quorum=self.random.choice((2, 3))))

    def change_rules(self) -> None:
        demands = [
            Demand(rule="both teams", approvals={"security": 1, "platform": 1}),
            Demand(rule="two of security", approvals={"security": 2}),
            Demand(rule="three", quorum=3),
            Demand(rule="one of security", approvals={"security": 1}),
        ]
        chosen = self.random.sample(demands, self.random.choice((0, 0, 1, 2)))
        selects = self.random.choice(({}, {"accounts": frozenset({ACCOUNT})}, {"operations": frozenset({CREATE})}))
        self.house.change(rules=rules(*chosen, **selects))

    def change_groups(self) -> None:
        members = [" ".join(who for who in ("bob", "carol", "dave") if self.random.random() < 0.6) for _ in range(2)]
        self.house.change(directory=grouped(self.house.ctx.directory, security=members[0], platform=members[1]))

    def revoke(self) -> None:
        who = self.somebody()
        for token in list_tokens(self.house.ctx):
            if token.subject == who and token.revoked_at is None:
                revoke_token(self.house.ctx, WORKER, token.id)
        self.house.forget_token(who)

    def suspend(self) -> None:
        suspend(self.house.ctx, WORKER, self.somebody("alice", "bob", "carol", "rita"), "for now")

    def reinstate(self) -> None:
        reinstate(self.house.ctx, WORKER, self.somebody("alice", "bob", "carol", "rita"), "back again")

    def wait(self) -> None:
        self.house.clock.advance(timedelta(minutes=self.random.choice((1, 5, 20, 600))))

    def check(self) -> None:
        for subject in MEMBERS:
            try:
                actor = self.house.actor(subject)
            except ServiceError:
                continue  # suspended
            page = list_requests(self.house.ctx, actor, Selection(), awaiting_me=True, after=None, limit=200)
            listed = {request.filing.request_id for request in page.requests}
            for request in self.filed:
                self.compare(request, actor, is_listed=request.filing.request_id in listed)

    def compare(self, request: OperationRequest, actor: Actor, *, is_listed: bool) -> None:
        try:
            shown = show(self.house.ctx, actor, request.filing.request_id)
        except ServiceError:
            assert not is_listed  # not theirs to see
            return
        if shown.standing.lost_participant(shown.request) is None:  # else the list leaves it to the request's page
            forward = {"approve", "execute", "confirm_receipt"}
            assert is_listed is any(each.allowed and each.name in forward for each in shown.actions), shown


@pytest.mark.parametrize("seed", SEEDS)
def test_the_list_holds_just_the_requests_whose_actions_include_a_step_forward(house: House, seed: int) -> None:
    walk = Walk(house, seed)
    for _ in range(80):
        walk.step()
        walk.check()
    assert len(walk.filed) >= 3
