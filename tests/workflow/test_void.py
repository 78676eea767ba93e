"""A vote that the settings made void stays void when the settings are put back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update
from support.builders import ACCOUNT, DEACTIVATE, ISSUER, OTHER_ACCOUNT
from support.house import House
from support.past_triggers import as_its_owner
from support.refusals import code_of

from service.db import audit, people
from service.db.engine import read
from service.db.tables import decisions
from service.domain.actor import ActorKind, Grant, Role
from service.domain.directory import Directory
from service.domain.errors import Code
from service.domain.request import OperationRequest, Verdict
from service.worker import run_pass
from service.workflow.decide import decide, withdraw

SECOND = timedelta(seconds=1)


def without(house: House, subject: str) -> None:
    members = {name: who for name, who in house.ctx.directory.members.items() if name != subject}
    house.change(directory=replace(house.ctx.directory, members=members))


def limited(house: House, subject: str, *accounts: str) -> None:
    known = house.ctx.directory.members
    narrower = replace(known[subject], limits={Role.APPROVER: frozenset(accounts)})
    house.change(directory=replace(house.ctx.directory, members={**known, subject: narrower}))


def changes(house: House) -> list[tuple[str, str]]:
    """Who became what, as the log has it: `person.changed` with the subjects of the person and of who noticed."""
    with read(house.ctx.engine) as tx:
        events = [json.loads(content) for _, content in audit.page(tx, after=0, limit=1000)]
    return [(e["data"]["person"], e["actor"]["subject"]) for e in events if e["event"] == "person.changed"]


LOSSES: dict[str, Callable[[House], None]] = {
    "the name": lambda house: without(house, "bob"),
    "the role": lambda house: house.without_role("bob", Role.APPROVER),
    "the account": lambda house: limited(house, "bob", OTHER_ACCOUNT),
}
NOTICES: dict[str, Callable[[House, OperationRequest], object]] = {
    "the worker's pass": lambda house, _: run_pass(house.ctx),
    "an execution": lambda house, on: code_of(lambda: house.execute(on)),
    "an execution by somebody else": lambda house, on: code_of(lambda: house.execute(on, by="audrey")),
    "a decision": lambda house, on: code_of(lambda: house.approve(on, "carol")),
}


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize("loss", LOSSES)
def test_settings_that_are_put_back_do_not_bring_the_vote_back(house: House, loss: str, notice: str) -> None:
    directory, approved = house.ctx.directory, house.approved()
    LOSSES[loss](house)
    NOTICES[notice](house, approved)
    house.change(directory=directory)

    assert code_of(lambda: house.execute(approved)) is Code.QUORUM_LOST
    assert changes(house) == [("bob", "rootquorum")]

    house.clock.advance(SECOND)
    house.approve(approved, "bob")
    assert house.execute(approved)[0].status == "delivered"


def test_it_is_noticed_once(house: House) -> None:
    house.approved()
    without(house, "bob")
    for _ in range(3):
        run_pass(house.ctx)
        house.clock.advance(SECOND)
    assert changes(house) == [("bob", "rootquorum")]


def test_all_votes_of_the_person_become_void_as_by_a_sign_in_with_less(house: House) -> None:
    here = house.approve(house.file(), "bob")
    there = house.approve(house.file(account_id=OTHER_ACCOUNT), "bob")
    limited(house, "bob", ACCOUNT)
    run_pass(house.ctx)

    assert [house.approve(each, "carol").status for each in (here, there)] == ["pending", "pending"]
    house.clock.advance(SECOND)
    assert house.approve(here, "bob").status == "approved"


def test_grants_that_are_put_back_do_not_bring_the_vote_back(house: House) -> None:
    directory, request = house.ctx.directory, house.file()
    erin = house.by_provider("erin", "root-approvers")
    decide(house.ctx, erin, request.filing.request_id, Verdict.APPROVE, digest=request.digest, comment=None)
    house.change(directory=Directory(directory.members, {"corp": (Grant("auditors", frozenset({Role.AUDITOR})),)}))
    run_pass(house.ctx)
    house.change(directory=directory)

    assert house.approve(request, "bob").status == "pending"
    assert changes(house) == [(f"{ISSUER}#erin", "rootquorum")]


def test_losing_another_role_voids_nothing(house: House) -> None:
    approved = house.approved()
    house.without_role("bob", Role.REQUESTER)
    run_pass(house.ctx)
    assert (changes(house), house.execute(approved)[0].status) == ([], "delivered")


def test_votes_on_what_has_ended_are_left_alone(house: House) -> None:
    request = house.approve(house.file(), "bob")
    withdraw(house.ctx, house.actor("alice"), request.filing.request_id)
    without(house, "bob")
    run_pass(house.ctx)
    with read(house.ctx.engine) as tx:
        assert (changes(house), people.get(tx, "bob")) == ([], None)


def test_where_two_processes_have_other_settings_the_stricter_wins(house: House) -> None:
    """A rolling restart that adds an approver: what the old process has never heard of is cast anew."""
    new, old = house.ctx.directory, replace(house.ctx.directory, members=dict(house.ctx.directory.members))
    del old.members["bob"]  # type: ignore[attr-defined]  # a dict, made above
    request = house.approve(house.file(), "bob")
    house.change(directory=old)
    run_pass(house.ctx)
    run_pass(house.ctx)
    house.change(directory=new)
    house.clock.advance(SECOND)

    assert house.approve(request, "carol").status == "pending"
    assert house.approve(request, "bob").status == "approved"


def test_worker_voids_before_it_runs(house: House) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    without(house, "bob")
    run_pass(house.ctx)
    assert (house.now(request).status, changes(house)) == ("approved", [("bob", "rootquorum")])


def test_who_becomes_a_machine_stands_in_nobodys_way(house: House) -> None:
    """The settings alone say what a machine is, so it is in no directory of people."""
    request = house.approve(house.file(), "bob")
    members = dict(house.ctx.directory.members)
    members["bob"] = replace(members["bob"], kind=ActorKind.MACHINE, roles=frozenset({Role.REQUESTER}))
    house.change(directory=replace(house.ctx.directory, members=members))

    assert house.approve(request, "carol").status == "pending"
    assert house.approve(request, "dave").status == "approved"
    assert changes(house) == [("bob", "rootquorum")]


def test_vote_from_a_clock_that_is_years_ahead_stands_in_nobodys_way(house: House) -> None:
    request = house.approve(house.file(), "bob")
    with as_its_owner(house) as tx:
        tx.execute(update(decisions).values(decided_at=house.clock() + timedelta(days=4 * 366)))
    house.without_role("bob", Role.APPROVER)

    assert withdraw(house.ctx, house.actor("alice"), request.filing.request_id).request.status == "withdrawn"
    assert changes(house) == []


def test_stranger_makes_no_vote_void(house: House) -> None:
    request = house.approve(house.file(), "bob")
    without(house, "bob")
    assert code_of(lambda: house.execute(request, by="mallory")) is Code.NOT_FOUND
    assert changes(house) == []
