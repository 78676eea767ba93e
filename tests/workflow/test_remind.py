"""Whoever can still approve is reminded; where too few are left, somebody hears of it before the clock runs out."""

from dataclasses import replace
from datetime import timedelta

from support.builders import DEACTIVATE
from support.destinations import Post
from support.house import House

from service.domain.actor import Role
from service.domain.request import OperationRequest
from service.worker import run_pass

REMINDERS = {"request.waiting", "request.stuck"}


def waits(house: House, **destinations: Post) -> OperationRequest:
    house.change(destinations=destinations)
    return house.file(DEACTIVATE, house.spare_key())


def after(house: House, on: OperationRequest, share: float) -> None:
    """Two passes at that share of the approval clock: one finds it out, one tells it."""
    house.clock.at = on.filing.filed_at + (on.filing.approve_by - on.filing.filed_at) * share
    for _ in range(4):
        run_pass(house.ctx)


def reminders(post: Post) -> list[tuple[str, object]]:
    return [
        (notice.event, notice.document["data"]["waiting"])  # type: ignore[index, call-overload]
        for notice in post.sent
        if notice.event in REMINDERS
    ]


def names(post: Post) -> list[str]:
    return [name for name, _ in reminders(post)]


def test_at_half_and_at_nine_tenths_of_the_clock_those_who_can_approve_are_reminded(house: House) -> None:
    post = Post()
    request = waits(house, post=post)
    after(house, request, 0.4)
    assert reminders(post) == []
    house.approve(request, "bob")
    for share in (0.5, 0.6, 0.8, 0.9, 0.95):
        after(house, request, share)
    assert names(post) == ["request.waiting"] * 2
    first, second = (about for _, about in reminders(post))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["reminder"], second["reminder"]) == (1, 2)
    assert first["missing"] == 1
    assert "Carol" in first["people"]
    assert not {"Alice", "Bob"} & set(first["people"])


def test_who_slept_through_the_first_reminder_is_sent_the_second_alone(house: House) -> None:
    post = Post()
    request = waits(house, post=post)
    after(house, request, 0.93)
    assert names(post) == ["request.waiting"]


def test_what_was_decided_reminds_nobody(house: House) -> None:
    post = Post()
    request = waits(house, post=post)
    house.approve(request, "bob", "carol")
    after(house, request, 0.01)
    assert names(post) == []


def test_an_escalation_hears_of_the_last_reminder_and_of_nothing_that_it_did_not_ask_for(house: House) -> None:
    post, boss = Post(), Post(only=frozenset())
    house.change(policy=replace(house.ctx.policy, escalate_to=frozenset({"boss"})))
    request = waits(house, post=post, boss=boss)
    after(house, request, 0.5)
    assert (names(post), boss.sent) == (["request.waiting"], [])
    after(house, request, 0.9)
    assert boss.events == ["request.waiting"]


def test_a_request_that_too_few_can_still_approve_says_so_once_and_again_after_it_was_not(house: House) -> None:
    post, boss = Post(), Post(only=frozenset())
    house.change(policy=replace(house.ctx.policy, escalate_to=frozenset({"boss"})))
    request = waits(house, post=post, boss=boss)
    everybody = replace(house.ctx.directory, grants={})
    house.change(directory=everybody)
    for approver in everybody.approvers_of(request.filing.account_id) - {"bob"}:
        house.without_role(approver, Role.APPROVER)
    nobody = house.ctx.directory
    for share in (0.1, 0.2):
        after(house, request, share)
    assert names(post) == names(boss) == ["request.stuck"]
    house.change(directory=everybody)
    after(house, request, 0.3)
    house.change(directory=nobody)
    after(house, request, 0.4)
    assert names(post) == ["request.stuck"] * 2


def test_a_look_is_no_change_that_anybody_has_to_know(house: House) -> None:
    request = waits(house)
    after(house, request, 0.1)
    now = house.now(request)
    assert now.version == request.version
    assert now.look_at == house.clock.at + timedelta(minutes=15)
    assert len(house.events(request)) == 1


def test_where_sign_ins_make_approvers_those_to_come_have_half_the_clock(house: House) -> None:
    post = Post()
    request = waits(house, post=post)
    for approver in house.ctx.directory.approvers_of(request.filing.account_id):
        house.without_role(approver, Role.APPROVER)
    after(house, request, 0.4)
    assert names(post) == []
    after(house, request, 0.5)
    assert names(post) == ["request.waiting", "request.stuck"]
