"""Requests under rules: whom they wait for, what they keep, and what today's rules add."""

import json
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from support.builders import (
    ACCOUNT,
    ACCOUNTS,
    ALLOW_PASSWORD,
    BOTH,
    DEACTIVATE,
    GRANTS,
    NOON,
    OTHER_ACCOUNT,
    grouped,
    login,
    rules,
)
from support.house import House
from support.past_triggers import as_its_owner, contents
from support.refusals import code_of

from service.aws.organization import KnownAccounts
from service.db.engine import read
from service.domain.actor import Actor, ActorKind, Group, Member, Role
from service.domain.canonical import timestamp
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.errors import Code
from service.domain.hours import Hours
from service.domain.operation import Operation
from service.domain.policy import Policy, check_hours
from service.domain.reminder import LOOK_EVERY
from service.domain.request import OperationRequest, Status, Verdict
from service.domain.rules import Rules
from service.worker import run_pass
from service.workflow.announce import announce
from service.workflow.decide import decide
from service.workflow.read import show
from service.workflow.sign_in import sign_in

BOTH_TEAMS = Demand(rule="both teams", approvals={"security": 1, "platform": 1})


@pytest.fixture
def ruled(house: House) -> House:
    """Bob is of security, dave of platform, carol of neither; every request needs one of each."""
    house.change(directory=grouped(house.ctx.directory, security="bob", platform="dave"), rules=rules(BOTH_TEAMS))
    return house


def called(house: House, name: str, **placed: object) -> None:
    """The organization gives the account another name, other units or other tags."""
    account = replace(ACCOUNTS[ACCOUNT], name=name, **placed)  # type: ignore[arg-type]  # a test names fields of Account
    house.change(accounts=KnownAccounts(ACCOUNTS | {ACCOUNT: account}))


def test_one_of_each_team_approves_and_it_runs(ruled: House) -> None:
    request = ruled.file()

    assert ruled.approve(request, "bob").status is Status.PENDING
    assert ruled.approve(request, "dave").status is Status.APPROVED
    settled, created = ruled.execute(request)
    assert (settled.status, created is not None) == (Status.DELIVERED, True)


def test_whoever_is_in_no_group_that_is_missing_is_told_so_and_may_still_reject(ruled: House) -> None:
    request = ruled.file()

    carol = ruled.client("carol")
    shown = carol.get(f"/v1/requests/{request.filing.request_id}").json()

    told = {action["action"]: (action["allowed"], action["code"]) for action in shown["actions"]}
    assert (told["approve"], told["reject"]) == ((False, "not_needed"), (True, None))
    assert code_of(lambda: ruled.approve(request, "carol")) is Code.NOT_NEEDED
    assert carol.get("/v1/requests?awaiting=me").json()["items"] == []


def test_a_request_says_what_is_missing_and_who_could_give_it_to_its_requester_too(ruled: House) -> None:
    request = ruled.approve(ruled.file(), "bob")

    shown = ruled.client("alice").get(f"/v1/requests/{request.filing.request_id}").json()

    assert shown["quorum"] == {
        "needed": 2,
        "counted": 1,
        "missing": [{"groups": ["platform"], "count": 1}],
        "signed_approvals": "off",
        "rules": ["both teams"],
    }
    assert [(who["name"], who["groups"]) for who in shown["could_approve"]] == [("Dave", ["platform"])]
    assert [demand["rule"] for demand in shown["demands"]] == ["both teams"]
    lists = {who: ruled.client(who).get("/v1/requests?awaiting=me").json()["items"] for who in ("bob", "carol", "dave")}
    assert [who for who, items in lists.items() if items] == ["dave"]


def test_what_was_demanded_at_the_filing_is_demanded_when_the_rule_is_gone(ruled: House) -> None:
    request = ruled.file()
    ruled.change(rules=Rules())

    assert code_of(lambda: ruled.approve(request, "carol")) is Code.NOT_NEEDED
    assert ruled.approve(request, "bob", "dave").status is Status.APPROVED


def test_a_rule_of_today_counts_at_the_execution(house: House) -> None:
    request = house.approved()
    house.change(directory=grouped(house.ctx.directory, security="dave"), rules=rules(Demand(rule="new", quorum=3)))

    assert code_of(lambda: house.execute(request)) is Code.QUORUM_LOST
    house.approve(request, "dave")
    assert house.execute(request)[0].status is Status.DELIVERED


def test_whoever_has_left_the_group_does_not_count_for_it(ruled: House) -> None:
    request = ruled.approve(ruled.file(), "bob", "dave")
    ruled.change(directory=grouped(ruled.ctx.directory, security="carol", platform="dave"))

    assert code_of(lambda: ruled.execute(request)) is Code.QUORUM_LOST
    ruled.approve(request, "carol")
    assert ruled.execute(request)[0].status is Status.DELIVERED


def test_a_group_that_is_gone_from_the_settings_lets_nothing_run(ruled: House) -> None:
    request = ruled.approve(ruled.file(), "bob", "dave")
    ruled.change(directory=grouped(ruled.ctx.directory, platform="dave"), rules=Rules())

    assert code_of(lambda: ruled.execute(request)) is Code.QUORUM_LOST


def test_filing_refuses_what_nobody_could_approve(ruled: House) -> None:
    assert code_of(lambda: ruled.file(recipient="dave")) is Code.NO_QUORUM  # the only one of platform
    ruled.change(directory=replace(ruled.ctx.directory, grants={}))  # so that no sign-in can bring another approver
    ruled.change(rules=rules(Demand(rule="more than there are", quorum=4)))
    assert code_of(ruled.file) is Code.NO_QUORUM


def test_an_account_that_was_retagged_needs_a_new_request(house: House) -> None:
    strict = rules(Demand(rule="production", quorum=3), tags={"env": frozenset({"prod"})})
    house.change(rules=strict)
    called(house, "production", tags={"env": "prod"})
    request = house.approve(house.file(), "bob", "carol", "dave")
    called(house, "production", tags={"env": "dev"})

    assert code_of(lambda: house.execute(request)) is Code.ACCOUNT_MOVED
    called(house, "production", tags={"env": "prod", "owner": "somebody else"})
    assert house.execute(request)[0].status is Status.DELIVERED


def test_an_account_whose_tags_are_not_known_is_under_the_rule(house: House) -> None:
    house.change(rules=rules(Demand(rule="production", quorum=3), tags={"env": frozenset({"prod"})}))

    assert house.file().filing.quorum == 3


def test_lifetime_ticket_and_mfa_of_a_rule_are_demanded_at_the_filing(house: House) -> None:
    days = timedelta(days=7)
    house.aws.set_summary(ACCOUNT, mfa=False)
    house.change(rules=rules(Demand(rule="strict", max_lifetime=days, ticket_required=True, require_root_mfa=True)))

    assert code_of(house.file) is Code.LIFETIME_REQUIRED
    assert code_of(lambda: house.file(lifetime=days * 2)) is Code.LIFETIME_TOO_LONG
    assert code_of(lambda: house.file(lifetime=days)) is Code.TICKET_REQUIRED
    assert code_of(lambda: house.file(lifetime=days, ticket="OPS-1")) is Code.ROOT_MFA_REQUIRED
    house.aws.set_summary(ACCOUNT, mfa=True)
    assert house.file(lifetime=days, ticket="OPS-1").status is Status.PENDING


def test_an_approval_needs_a_comment_where_a_rule_demands_one(house: House) -> None:
    house.change(rules=rules(Demand(rule="say why", approval_comment=True)))
    request = house.file()
    bob, request_id = house.actor("bob"), request.filing.request_id

    assert code_of(lambda: house.approve(request, "bob")) is Code.COMMENT_REQUIRED
    decided = decide(house.ctx, bob, request_id, Verdict.APPROVE, digest=request.digest, comment="I called her.")
    assert decided.standing.approvals(decided.request) == 1


def test_an_approval_needs_the_method_of_each_rule(house: House) -> None:
    methods = {"a": "hwk", "b": "pwd"}
    house.change(rules=rules(*(Demand(rule=name, decision_amr=frozenset({amr})) for name, amr in methods.items())))
    request = house.file()

    def by(*amr: str) -> Code | None:
        return approving(house, request, house.by_provider("ines", "root-approvers", amr=amr))

    assert by("hwk") is Code.SIGN_IN_AGAIN
    assert by("pwd") is Code.SIGN_IN_AGAIN
    assert by("pwd", "hwk") is None


# --- hours ---


def hours(opens: datetime, closes: datetime) -> Hours:
    return Hours(days=frozenset(range(7)), opens=minute(opens), closes=minute(closes), zone="UTC")


def minute(at: datetime) -> time:
    return at.time().replace(second=0, microsecond=0)


def in_hours(house: House, after: timedelta, until: timedelta) -> Rules:
    """Return a rule with hours that open and close that long after now, every day."""
    return rules(Demand(rule="hours", hours=hours(house.clock() + after, house.clock() + until)))


HOUR = timedelta(hours=1)


def test_a_create_waits_for_its_hours(house: House) -> None:
    house.change(rules=in_hours(house, 2 * HOUR, 4 * HOUR))
    request, opens = house.approved(), (house.clock() + 2 * HOUR).replace(second=0, microsecond=0)

    shown = house.client("alice").get(f"/v1/requests/{request.filing.request_id}").json()
    (told,) = [action for action in shown["actions"] if action["action"] == "execute"]
    assert told["reason"] == Code.OUTSIDE_HOURS.sentence.format(again=f"is {timestamp(opens)}")
    assert code_of(lambda: house.execute(request)) is Code.OUTSIDE_HOURS
    assert house.client("alice").get("/v1/requests?awaiting=me").json()["items"] == []
    house.clock.advance(3 * HOUR)
    assert house.client("alice").get("/v1/requests?awaiting=me").json()["items"] != []
    assert house.execute(request)[0].status is Status.DELIVERED


def test_hours_of_the_filing_and_of_today_have_to_be_open(house: House) -> None:
    house.change(rules=in_hours(house, 2 * HOUR, 4 * HOUR))
    request = house.approved()
    house.change(rules=in_hours(house, 3 * HOUR, 5 * HOUR))

    house.clock.advance(2.5 * HOUR)
    assert code_of(lambda: house.execute(request)) is Code.OUTSIDE_HOURS
    house.clock.advance(2 * HOUR)
    assert code_of(lambda: house.execute(request)) is Code.OUTSIDE_HOURS


def test_a_deactivation_never_waits(house: House) -> None:
    house.change(rules=in_hours(house, HOUR, 2 * HOUR))
    request = house.approved(DEACTIVATE, house.spare_key())

    assert house.execute(request)[0].status is Status.SUCCEEDED


def test_password_recovery_waits_for_its_hours_too() -> None:
    closed = Policy(hours=(hours(NOON + HOUR, NOON + 2 * HOUR),))

    assert code_of(lambda: check_hours(closed, Operation(ALLOW_PASSWORD), NOON)) is Code.OUTSIDE_HOURS
    check_hours(closed, Operation(DEACTIVATE, "AKIAEXAMPLE000000001"), NOON)


# --- groups of a provider ---

_TEAMS = {
    "security": Group(provider_groups=frozenset({("corp", "security")})),
    "platform": Group(provider_groups=frozenset({("corp", "platform")})),
}


@pytest.fixture
def federated(house: House) -> House:
    """All approvers are a provider's, which says in which team each is."""
    house.change(directory=Directory(house.ctx.directory.members, GRANTS, _TEAMS), rules=rules(BOTH_TEAMS))
    return house


def approving(house: House, request: OperationRequest, by: Actor) -> Code | None:
    request_id, digest = request.filing.request_id, request.digest
    return code_of(lambda: decide(house.ctx, by, request_id, Verdict.APPROVE, digest=digest, comment=None))


def voting(house: House, request: OperationRequest, sub: str, *groups: str) -> Code | None:
    return approving(house, request, house.by_provider(sub, "root-approvers", *groups))


def test_a_providers_word_says_who_is_in_a_group(federated: House) -> None:
    request = federated.file()

    assert voting(federated, request, "paul") is Code.NOT_NEEDED
    assert voting(federated, request, "sara", "security") is None
    assert voting(federated, request, "saul", "security") is Code.NOT_NEEDED
    assert voting(federated, request, "pia", "platform") is None
    assert federated.now(request).status is Status.APPROVED


def test_whoever_loses_a_group_loses_their_vote_for_good(federated: House) -> None:
    request = federated.file()
    voting(federated, request, "sara", "security")
    federated.clock.advance(timedelta(minutes=2))
    federated.by_provider("sara", "root-approvers")
    federated.clock.advance(timedelta(minutes=2))
    federated.by_provider("sara", "root-approvers", "security")

    shown = show(federated.ctx, federated.actor("alice"), request.filing.request_id)

    assert [missing.groups for missing in shown.standing.missing(shown.request)] == [("platform",), ("security",)]


# --- reminders ---


def reminded(house: House, request: OperationRequest) -> dict[str, object]:
    house.clock.advance(timedelta(days=2))
    run_pass(house.ctx)
    events = [json.loads(content) for content in house.events(request)]
    data: dict[str, object] = next(event["data"] for event in events if event["event"] == "request.waiting")
    return data


def test_a_reminder_says_of_whom_approvals_are_missing(ruled: House) -> None:
    data = reminded(ruled, ruled.approve(ruled.file(), "bob"))

    assert (data["missing"], data["demands"], data["people"]) == (1, "1 of platform", ["Dave"])


def test_nobody_waits_for_who_is_away_but_their_vote_counts(ruled: House) -> None:
    request = ruled.file()
    members = dict(ruled.ctx.directory.members)
    members["dave"] = replace(members["dave"], away_until=ruled.clock() + timedelta(days=30))
    ruled.change(directory=replace(ruled.ctx.directory, members=members))

    assert reminded(ruled, request)["people"] == ["Bob"]
    names = [json.loads(content)["event"] for content in ruled.events(request)]
    assert "request.stuck" in names
    assert ruled.approve(request, "bob", "dave").status is Status.APPROVED


# --- what a database's writer can do ---


def test_demands_that_were_taken_from_a_row_are_noticed(ruled: House) -> None:
    request = ruled.file()
    with as_its_owner(ruled) as tx:
        tx.execute(text("UPDATE requests SET demands = '[]'"))
    ruled.change(rules=Rules())

    assert code_of(lambda: ruled.approve(request, "bob")) is Code.ALTERED


def test_nobody_changes_what_was_demanded(ruled: House) -> None:
    ruled.file()
    with pytest.raises(Exception, match="what was filed cannot be changed"), ruled.owner.begin() as tx:
        tx.execute(text("UPDATE requests SET demands = '[]'"))


# --- the rules in force are in the log ---


def test_a_process_with_other_rules_than_the_last_one_says_so(house: House) -> None:
    announce(house.ctx)
    announce(house.ctx)
    house.change(rules=rules(BOTH_TEAMS), policy=replace(house.ctx.policy, quorum=3))
    announce(house.ctx)

    with read(house.owner) as tx:
        told = [event["data"] for event in contents(tx) if event["event"] == "policy.changed"]

    assert [data["previous"] for data in told] == [None, told[0]["digest"]]
    assert told[1]["changes"] == [
        "policy.quorum: 2, then 3",
        "rules.both teams: new, approvals platform 1; security 1; rule both teams",
    ]


def test_an_execution_records_the_groups_by_which_it_was_judged(ruled: House) -> None:
    request = ruled.approve(ruled.file(), "bob", "dave")
    ruled.execute(request)

    started = next(json.loads(each) for each in ruled.events(request) if "execution.started" in each)

    assert started["data"]["groups"] == {"bob": ["security"], "dave": ["platform"]}
    assert started["data"]["policy"]["approvals"] == {"platform": 1, "security": 1}
    assert started["data"]["policy"]["rules"] == ["both teams"]


# --- what a hostile reader found ---


def test_a_vote_without_the_comment_that_a_rule_demands_since_does_not_count(house: House) -> None:
    request = house.approved()
    house.change(rules=rules(Demand(rule="say why", approval_comment=True)))

    assert code_of(lambda: house.execute(request)) is Code.QUORUM_LOST


def test_a_provider_whose_groups_give_no_role_says_who_is_in_a_group_of_rules(house: House) -> None:
    by_corp = {"security": Group(provider_groups=frozenset({("corp", "sec")}))}
    house.change(directory=Directory(house.ctx.directory.members, {}, by_corp))
    house.change(rules=rules(Demand(rule="security", approvals={"security": 1})))
    request, now = house.file(), house.clock()
    bob = sign_in(house.ctx, replace(login("bob", "sec", at=now), subject="bob"))

    assert approving(house, request, bob) is None
    assert house.now(request).decisions[0].person == "bob"


def test_a_request_of_an_account_that_has_moved_is_stuck_and_names_nobody(house: House) -> None:
    house.change(rules=rules(Demand(rule="production", quorum=3), tags={"env": frozenset({"prod"})}))
    called(house, "production", tags={"env": "prod"})
    request = house.file()
    called(house, "production", tags={"env": "dev"})

    assert reminded(house, request)["people"] == []
    assert "request.stuck" in [json.loads(content)["event"] for content in house.events(request)]
    shown = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    assert shown["could_approve"] == []
    assert house.client("bob").get("/v1/requests?awaiting=me").json()["items"] != []  # for somebody to reject it


def test_what_was_judged_at_the_filing_is_what_was_filed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody tags the account while AWS is asked. The filing keeps what it was judged by, and cannot go on."""
    house.change(rules=rules(Demand(rule="production", quorum=3), tags={"env": frozenset({"prod"})}))
    called(house, "production", tags={"env": "dev"})
    accounts = house.ctx.accounts
    roots = house.ctx.roots
    asked = roots.sign_in

    def tagged_meanwhile(*arguments: Any) -> Any:
        retagged = replace(ACCOUNTS[ACCOUNT], tags={"env": "prod"})
        monkeypatch.setattr(accounts, "_configured", ACCOUNTS | {ACCOUNT: retagged})
        return asked(*arguments)

    monkeypatch.setattr(roots, "sign_in", tagged_meanwhile)
    request = house.file()

    assert (request.filing.quorum, request.filing.demands) == (2, ())
    assert code_of(lambda: house.approve(request, "bob")) is Code.ACCOUNT_MOVED


def test_votes_that_suffice_again_name_those_who_could_vote_once_more(ruled: House) -> None:
    request = ruled.approve(ruled.file(), "bob")
    ruled.change(directory=grouped(ruled.ctx.directory, platform="dave"))
    ruled.approve(request, "dave")
    ruled.change(directory=grouped(ruled.ctx.directory, security="bob", platform="dave"))

    data = reminded(ruled, request)

    assert (data["missing"], data["demands"]) == (0, "one more vote, even a repeated one")
    assert data["people"] == ["Bob", "Carol", "Dave"]


def test_a_group_that_can_never_be_met_again_is_stuck_at_once(ruled: House) -> None:
    request = ruled.file()
    ruled.without_role("dave", Role.APPROVER)
    ruled.clock.advance(LOOK_EVERY)
    run_pass(ruled.ctx)

    assert "request.stuck" in [json.loads(content)["event"] for content in ruled.events(request)]


def test_some_of_each_missing_group_are_named_among_many(house: House) -> None:
    approver = frozenset({Role.APPROVER})
    many = {
        f"p{n:02}": Member(kind=ActorKind.PERSON, subject=f"p{n:02}", name=f"P{n:02}", roles=approver)
        for n in range(12)
    }
    zoe = Member(kind=ActorKind.PERSON, subject="zoe", name="Zoe", roles=approver)
    members = {**house.ctx.directory.members, **many, "zoe": zoe}
    directory = replace(house.ctx.directory, members=members)
    house.change(directory=grouped(directory, security="zoe", platform=" ".join(many)), rules=rules(BOTH_TEAMS))
    request = house.file()

    shown = house.client("alice").get(f"/v1/requests/{request.filing.request_id}").json()

    assert "Zoe" in [who["name"] for who in shown["could_approve"]]
    assert len(shown["could_approve"]) == 10


def test_approvers_are_warned_of_hours_that_begin_when_an_approval_has_expired(house: House) -> None:
    window = house.ctx.policy.execution_window
    house.change(rules=in_hours(house, window + HOUR, window + 2 * HOUR))
    request = house.file()

    shown = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()

    assert "closed_too_long" in [warning["code"] for warning in shown["warnings"]]


def test_a_row_with_demands_that_this_version_cannot_read_stops_that_request_alone(ruled: House) -> None:
    request, other = ruled.file(), ruled.file(DEACTIVATE, ruled.spare_key())
    with as_its_owner(ruled) as tx:
        of_later = '[{"rule":"both teams","of a later version":1}]'
        tx.execute(
            text("UPDATE requests SET demands = :demands WHERE id = :id"),
            {"demands": of_later, "id": request.filing.request_id},
        )

    assert code_of(lambda: ruled.approve(request, "bob")) is Code.ALTERED
    assert len(ruled.client("bob").get("/v1/requests").json()["items"]) == 2
    ruled.approve(other, "bob")


def test_a_list_under_rules_is_judged_in_chunks_however_small_its_pages_are(ruled: House) -> None:
    for account_id in (ACCOUNT, OTHER_ACCOUNT, BOTH):
        ruled.file(account_id=account_id)
    carol = ruled.client("carol")  # she is in no group, so none of them waits for her

    with ruled.statements() as sent:
        answer = carol.get("/v1/requests?awaiting=me&limit=1").json()

    assert (answer["items"], answer["next_cursor"]) == ([], None)
    assert len([statement for statement, _ in sent if not statement.startswith("BEGIN")]) <= 6
