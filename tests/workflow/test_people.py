"""People whom a provider proves: what its newest word on them does to their votes, and what an operator does."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import ACCOUNT, DEACTIVATE, GRANTS, ISSUER, MEMBERS, OTHER_ACCOUNT, login, policy_of
from support.house import House
from support.refusals import code_of

from service.db import audit, people
from service.db.engine import read
from service.domain.actor import WORKER, Actor, ActorKind, Grant, Role
from service.domain.directory import Directory
from service.domain.errors import Code, Forbidden
from service.domain.proof import Unsaid
from service.domain.request import OperationRequest, Verdict
from service.domain.selection import Listed, Selection
from service.workflow.audit import read_events
from service.workflow.decide import decide
from service.workflow.drift import check_drift_now, open_drift
from service.workflow.file import file
from service.workflow.people import everybody, reinstate, suspend
from service.workflow.read import list_requests, show
from service.workflow.sign_in import sign_in

MINUTE = timedelta(minutes=1)
ERIN, FAY = f"{ISSUER}#erin", f"{ISSUER}#fay"


def approve(house: House, by: Actor, on: OperationRequest) -> OperationRequest:
    return decide(house.ctx, by, on.filing.request_id, Verdict.APPROVE, digest=on.digest, comment=None).request


def approved_by_erin_and_bob(house: House) -> OperationRequest:
    return house.approve(approve(house, house.by_provider("erin", "root-approvers"), house.file()), "bob")


def events(house: House) -> list[dict[str, object]]:
    with read(house.ctx.engine) as tx:
        return [json.loads(content) for _, content in audit.page(tx, after=0, limit=1000)]


# --- who is known ---


def test_groups_make_roles(house: House) -> None:
    assert house.by_provider("erin", "root-approvers", "requesters", "football").roles == {
        Role.APPROVER,
        Role.REQUESTER,
    }


def test_subject_is_issuer_and_subject_so_that_nobody_is_taken_for_another(house: House) -> None:
    assert house.by_provider("bob", "requesters").subject == f"{ISSUER}#bob" != "bob"


def test_only_groups_that_mean_something_are_kept(house: House) -> None:
    house.by_provider("erin", "root-approvers", "football")
    _, seen = everybody(house.ctx)
    assert seen[ERIN].groups == {"root-approvers"}


def test_without_a_role_nobody_is_let_in_and_is_told_why(house: House) -> None:
    with pytest.raises(Forbidden, match="none of your groups has a role"):
        house.by_provider("erin", "football")


def test_nobody_is_kept_who_never_had_a_role(house: House) -> None:
    for stranger in ("erin", "fay"):
        assert code_of(lambda: house.by_provider(stranger, "football")) is Code.NO_ROLE  # noqa: B023  # called at once
    assert everybody(house.ctx)[1] == {}
    assert events(house) == []


def test_machine_that_the_settings_do_not_name_is_nobody(house: House) -> None:
    machine = replace(login("erin", "root-approvers", at=house.clock()), machine_by="its subject is its client")
    assert code_of(lambda: sign_in(house.ctx, machine)) is Code.NO_ROLE


def test_machine_of_the_settings_signs_in_by_the_subject_of_its_tokens(house: House) -> None:
    robo = replace(MEMBERS["robo"], login=("corp", "robot-client"))
    house.change(directory=replace(house.ctx.directory, members=MEMBERS | {"robo": robo}))

    signed_in = house.by_provider("robot-client", "root-approvers")

    assert (signed_in.subject, signed_in.kind, signed_in.roles) == (
        "robo",
        ActorKind.MACHINE,
        frozenset({Role.REQUESTER}),
    )
    request = file(house.ctx, signed_in, house.draft(recipient="rita")).request
    assert code_of(lambda: approve(house, signed_in, request)) is Code.MACHINE_MAY_NOT_DECIDE


@pytest.mark.parametrize("subject", ["robo", "Robo", "rootquorum", "RootQuorum", "Bob", "x" * 256, *Unsaid])
def test_nobody_signs_in_with_a_name_that_is_not_theirs_to_have(house: House, subject: str | Unsaid) -> None:
    other = replace(login("erin", "root-approvers", at=house.clock()), subject=subject)
    assert code_of(lambda: sign_in(house.ctx, other)) is Code.NO_ROLE


def test_whom_the_settings_name_has_the_settings_roles_whatever_the_groups(house: House) -> None:
    carol = replace(login("x", "auditors", at=house.clock()), subject="carol")
    assert sign_in(house.ctx, carol).roles == {Role.APPROVER}


def test_one_human_with_an_api_token_and_a_login_has_one_vote(house: House) -> None:
    request = house.approve(house.file(), "carol")
    carol = sign_in(house.ctx, replace(login("x", at=house.clock()), subject="carol"))
    approve(house, carol, request)
    assert [decision.person for decision in house.now(request).decisions] == ["carol"]
    assert house.now(request).status == "pending"


def test_one_human_with_two_logins_has_one_vote(house: House) -> None:
    request = house.file()
    first, second = (
        sign_in(house.ctx, replace(login(sub, "root-approvers", at=house.clock()), subject="e4711"))
        for sub in ("erin", "erin.admin")
    )
    approve(house, first, request)
    approve(house, second, request)
    assert [decision.person for decision in house.now(request).decisions] == ["e4711"]
    assert house.now(request).status == "pending"


def test_requester_with_two_logins_does_not_approve_their_own(house: House) -> None:
    directory = replace(house.ctx.directory, members=dict(MEMBERS))
    house.change(directory=directory)
    request = house.file(by="bob")
    bob = sign_in(house.ctx, replace(login("x", at=house.clock()), subject="bob"))
    assert code_of(lambda: approve(house, bob, request)) is Code.SELF_APPROVAL


def test_being_seen_is_written_once_a_minute_and_audited_when_it_is_news(house: House) -> None:
    at = house.clock()
    for _ in range(3):
        house.by_provider("erin", "root-approvers", issued_at=at)
    assert [event["event"] for event in events(house)] == ["person.seen"]
    house.clock.advance(MINUTE)
    house.by_provider("erin", "root-approvers", issued_at=at)

    _, seen = everybody(house.ctx)
    assert seen[ERIN].seen_at == house.clock()
    assert [event["event"] for event in events(house)] == ["person.seen"]


# --- what proved a decision ---


def test_what_proved_a_decision_is_in_the_audit_log(house: House) -> None:
    erin = house.by_provider("erin", "root-approvers", jti="t-1", acr="gold", amr=("pwd", "otp"))
    request = approve(house, erin, house.file())

    decided = json.loads(house.events(request)[-1])
    assert decided["event"] == "decision.recorded"
    proof = decided["actor"]["proof"]
    assert (proof["issuer"], proof["subject"], proof["jti"]) == (ISSUER, "erin", "t-1")
    assert (proof["acr"], proof["amr"]) == ("gold", ["pwd", "otp"])
    assert proof["auth_time"] == proof["issued_at"]
    assert decided["data"]["credential"] == decided["actor"]["credential"] == request.decisions[0].credential


def fresh(house: House, **rules: object) -> None:
    house.change(policy=policy_of(decision_requires_auth_time=True, **rules))


def test_decision_takes_a_fresh_sign_in(house: House) -> None:
    fresh(house)
    request, erin = house.file(), house.by_provider("erin", "root-approvers")
    house.clock.advance(15 * MINUTE)
    assert approve(house, erin, request).decisions

    house.clock.advance(MINUTE)
    fay = house.by_provider("fay", "root-approvers", auth_time=house.clock() - 16 * MINUTE)
    assert code_of(lambda: approve(house, fay, request)) is Code.SIGN_IN_AGAIN
    assert json.loads(house.events(request)[-1])["event"] == "decision.denied"


def test_rejection_is_a_decision_as_well(house: House) -> None:
    fresh(house)
    request = house.file()
    stale = house.by_provider("erin", "root-approvers", auth_time=house.clock() - 16 * MINUTE)
    reject = lambda: decide(  # noqa: E731
        house.ctx, stale, request.filing.request_id, Verdict.REJECT, digest=request.digest, comment="No."
    )
    assert code_of(reject) is Code.SIGN_IN_AGAIN


def test_sign_in_of_the_future_is_no_fresh_one(house: House) -> None:
    fresh(house)
    ahead = house.by_provider("erin", "root-approvers", auth_time=house.clock() + MINUTE)
    request = house.file()
    assert code_of(lambda: approve(house, ahead, request)) is Code.SIGN_IN_AGAIN


def test_without_auth_time_nobody_decides_unless_the_settings_say_so(house: House) -> None:
    fresh(house)
    request = house.file()
    erin = house.by_provider("erin", "root-approvers", auth_time=None)
    assert code_of(lambda: approve(house, erin, request)) is Code.SIGN_IN_AGAIN
    assert code_of(lambda: approve(house, house.actor("bob"), request)) is Code.SIGN_IN_AGAIN

    house.change(policy=policy_of())

    assert approve(house, erin, request).decisions


def test_where_no_auth_time_is_asked_for_the_token_itself_is_not_old(house: House) -> None:
    request = house.file()
    old = house.by_provider("erin", "root-approvers", auth_time=None, issued_at=house.clock() - 16 * MINUTE)
    assert code_of(lambda: approve(house, old, request)) is Code.SIGN_IN_AGAIN


@pytest.mark.parametrize(
    ("acr", "amr", "enough"),
    [("gold", (), True), (None, ("pwd", "hwk"), True), ("silver", ("pwd",), False), ("hwk", ("gold",), False)],
)
def test_decision_takes_one_of_the_named_acr_or_amr(
    house: House, acr: str | None, amr: tuple[str, ...], *, enough: bool
) -> None:
    fresh(house, decision_acr=frozenset({"gold"}), decision_amr=frozenset({"hwk"}))
    request = house.file()
    erin = house.by_provider("erin", "root-approvers", acr=acr, amr=amr)
    assert code_of(lambda: approve(house, erin, request)) is (None if enough else Code.SIGN_IN_AGAIN)


def test_page_says_that_one_has_to_sign_in_again(house: House) -> None:
    fresh(house)
    request, stale = house.file(), house.by_provider("erin", "root-approvers", auth_time=house.clock() - 16 * MINUTE)
    actions = {action.name: action for action in show(house.ctx, stale, request.filing.request_id).actions}
    assert (actions["approve"].allowed, actions["approve"].code) == (False, Code.SIGN_IN_AGAIN)


# --- votes of those who are approvers no longer ---


def executing(house: House, on: OperationRequest) -> Code | None:
    return code_of(lambda: house.execute(on))


def test_sign_in_without_the_role_voids_the_vote(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    house.clock.advance(MINUTE)
    assert code_of(lambda: house.by_provider("erin")) is Code.NO_ROLE

    assert executing(house, request) is Code.QUORUM_LOST
    changed = events(house)[-2]
    assert (changed["event"], changed["data"]["roles"]) == ("person.changed", [])  # type: ignore[index]


def test_void_vote_stays_void_when_the_role_comes_back_and_can_be_cast_anew(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    for groups in ((), ("root-approvers",)):
        house.clock.advance(MINUTE)
        code_of(lambda groups=groups: house.by_provider("erin", *groups))  # type: ignore[misc]
    assert executing(house, request) is Code.QUORUM_LOST

    house.clock.advance(MINUTE)
    approve(house, house.by_provider("erin", "root-approvers"), request)

    assert executing(house, request) is None


def test_losing_the_role_for_other_accounts_voids_as_well(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    house.clock.advance(MINUTE)
    house.by_provider("erin", "production-approvers")
    assert executing(house, request) is Code.QUORUM_LOST


def test_losing_another_role_voids_nothing(house: House) -> None:
    erin = house.by_provider("erin", "root-approvers", "requesters")
    request = house.approve(approve(house, erin, house.file()), "bob")
    house.clock.advance(MINUTE)
    house.by_provider("erin", "root-approvers")
    assert executing(house, request) is None


def test_older_token_does_not_give_a_lost_role_back(house: House) -> None:
    before = house.clock()
    house.by_provider("erin", "root-approvers")
    house.clock.advance(MINUTE)
    code_of(lambda: house.by_provider("erin"))

    kept = login("erin", "root-approvers", at=before)

    assert code_of(lambda: sign_in(house.ctx, kept)) is Code.NO_ROLE


def test_group_that_means_nothing_any_more_voids_the_vote(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    house.change(directory=Directory(MEMBERS, {}))
    assert executing(house, request) is Code.QUORUM_LOST


def test_suspension_voids_and_bars_at_once(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    suspend(house.ctx, WORKER, ERIN, "Left this morning.")

    assert executing(house, request) is Code.QUORUM_LOST
    assert code_of(lambda: house.by_provider("erin", "root-approvers")) is Code.SUSPENDED
    assert events(house)[-2]["data"] == {"person": ERIN, "reason": "Left this morning."}


def test_suspension_is_for_people_with_api_tokens_as_well(house: House) -> None:
    request = house.approved()
    suspend(house.ctx, WORKER, "bob", "Lost the laptop.")

    assert executing(house, request) is Code.QUORUM_LOST
    assert code_of(lambda: house.actor("bob")) is Code.SUSPENDED


def test_reinstated_they_sign_in_but_their_votes_stay_void(house: House) -> None:
    request = house.approved()
    suspend(house.ctx, WORKER, "bob", "Lost the laptop.")
    house.clock.advance(MINUTE)
    reinstate(house.ctx, WORKER, "bob", "Found it.")

    assert executing(house, request) is Code.QUORUM_LOST
    house.clock.advance(MINUTE)
    approve(house, house.actor("bob"), request)
    assert executing(house, request) is None


@pytest.mark.parametrize("who", ["alice", "rita"])
def test_nothing_runs_for_the_suspended(house: House, who: str) -> None:
    request = house.approved(DEACTIVATE, house.spare_key(), recipient="rita")
    suspend(house.ctx, WORKER, who, "Why did they ask?")
    other = "rita" if who == "alice" else "alice"
    assert code_of(lambda: house.execute(request, by=other)) is Code.PARTICIPANT_SUSPENDED


@pytest.mark.parametrize(("subject", "code"), [("robo", Code.NOT_FOUND), ("nobody", Code.NOT_FOUND)])
def test_only_people_who_are_known_can_be_suspended(house: House, subject: str, code: Code) -> None:
    assert code_of(lambda: suspend(house.ctx, WORKER, subject, "x")) is code


def test_who_left_the_settings_can_be_suspended_so_that_their_token_never_works_again(house: House) -> None:
    house.token("bob")
    house.change(directory=Directory({name: member for name, member in MEMBERS.items() if name != "bob"}, GRANTS))
    assert everybody(house.ctx)[0].everybody["bob"].roles == frozenset()
    assert code_of(lambda: reinstate(house.ctx, WORKER, "bob", "x")) is Code.WRONG_STATUS
    suspend(house.ctx, WORKER, "bob", "Left.")
    assert code_of(lambda: suspend(house.ctx, WORKER, "bob", "x")) is Code.WRONG_STATUS

    house.change(directory=Directory(MEMBERS, GRANTS))
    assert code_of(lambda: house.actor("bob")) is Code.SUSPENDED


def test_a_machine_with_tokens_that_left_the_settings_is_no_person(house: House) -> None:
    house.token("robo")
    house.change(directory=Directory({name: member for name, member in MEMBERS.items() if name != "robo"}, GRANTS))
    assert "robo" not in everybody(house.ctx)[0].everybody
    assert code_of(lambda: suspend(house.ctx, WORKER, "robo", "x")) is Code.NOT_FOUND


def test_nobody_is_suspended_twice_or_reinstated_for_nothing(house: House) -> None:
    assert code_of(lambda: reinstate(house.ctx, WORKER, "bob", "x")) is Code.WRONG_STATUS
    suspend(house.ctx, WORKER, "bob", "x")
    assert code_of(lambda: suspend(house.ctx, WORKER, "bob", "x")) is Code.WRONG_STATUS


# --- roles that are limited to accounts ---


def test_approver_of_production_only(house: House) -> None:
    erin = house.by_provider("erin", "production-approvers")
    here, elsewhere = house.file(), house.file(account_id=OTHER_ACCOUNT)

    assert approve(house, erin, here).decisions
    assert code_of(lambda: approve(house, erin, elsewhere)) is Code.NOT_FOUND
    assert visible(house, erin) == ids(here)
    assert visible(house, house.by_provider("fay", "production-approvers"), awaiting_me=True) == ids(here)


def visible(house: House, actor: Actor, *, awaiting_me: bool = False) -> list[str]:
    page = list_requests(house.ctx, actor, Selection(), awaiting_me=awaiting_me, after=None, limit=100)
    return ids(*page.requests)


def ids(*on: OperationRequest | Listed) -> list[str]:
    return [request.filing.request_id for request in on]


def test_what_waits_for_an_approver_knows_void_votes(house: House) -> None:
    request = approved_by_erin_and_bob(house)
    fay = house.by_provider("fay", "root-approvers")
    assert visible(house, fay, awaiting_me=True) == []

    suspend(house.ctx, WORKER, ERIN, "x")

    assert visible(house, fay, awaiting_me=True) == ids(request)


def limited(house: House, *roles: Role) -> Actor:
    """Somebody who holds the roles for production only."""
    grant = Grant("production-staff", frozenset(roles), frozenset({ACCOUNT}))
    directory = house.ctx.directory
    house.change(directory=replace(directory, grants={"corp": (*directory.grants["corp"], grant)}))
    return house.by_provider("stan", "production-staff")


def test_requester_of_production_only(house: House) -> None:
    stan = limited(house, Role.REQUESTER)

    assert file(house.ctx, stan, house.draft()).request.filing.account_id == ACCOUNT
    assert code_of(lambda: file(house.ctx, stan, house.draft(account_id=OTHER_ACCOUNT))) is Code.ROLE_REQUIRED


def test_operator_of_production_only(house: House) -> None:
    stan = limited(house, Role.OPERATOR)

    assert check_drift_now(house.ctx, stan, ACCOUNT).adopted
    assert code_of(lambda: check_drift_now(house.ctx, stan, OTHER_ACCOUNT)) is Code.ROLE_REQUIRED
    assert open_drift(house.ctx, stan, ACCOUNT).findings == ()
    assert code_of(lambda: open_drift(house.ctx, stan, OTHER_ACCOUNT)) is Code.ROLE_REQUIRED
    assert code_of(lambda: open_drift(house.ctx, stan, None)) is Code.ROLE_REQUIRED


def test_log_of_all_accounts_is_for_an_auditor_of_all_accounts(house: House) -> None:
    stan = limited(house, Role.AUDITOR)
    house.file(account_id=OTHER_ACCOUNT)
    mine = house.file()

    assert visible(house, stan) == ids(mine)
    with pytest.raises(Forbidden, match="for all accounts"):
        read_events(house.ctx, stan, after=0, limit=1, request_id=mine.filing.request_id)


def test_two_first_sign_ins_of_one_person_at_once_make_one_person(house: House) -> None:
    together = threading.Barrier(8)

    def sign_in(number: int) -> Actor:
        together.wait()
        return house.by_provider("erin", "root-approvers", jti=f"t-{number}")

    with ThreadPoolExecutor(8) as pool:
        assert {actor.subject for actor in pool.map(sign_in, range(8))} == {ERIN}
    with read(house.ctx.engine) as tx:
        assert [person.subject for person in people.every(tx)] == [ERIN]
    assert [event["event"] for event in events(house)].count("person.seen") == 1


def test_list_of_what_waits_bears_thousands_of_approvers(house: House) -> None:
    crowd = {f"a{number}": replace(MEMBERS["bob"], subject=f"a{number}") for number in range(3000)}
    house.change(directory=replace(house.ctx.directory, members=MEMBERS | crowd))
    request = house.file()

    assert visible(house, house.actor("bob"), awaiting_me=True) == ids(request)


# --- a quorum that has still to sign in ---


def test_filing_warns_while_too_few_approvers_have_been_seen(house: House) -> None:
    nobody = {name: member for name, member in MEMBERS.items() if Role.APPROVER not in member.roles}
    house.change(directory=replace(house.ctx.directory, members=nobody))
    filed = house.client("alice").post(
        "/v1/requests",
        json={"operation": "create_access_key", "account_id": ACCOUNT, "justification": "Rotation of the old key."},
    )
    assert filed.status_code == 201
    assert "few_approvers" in [warning["code"] for warning in filed.json()["warnings"]]

    for sub in ("erin", "fay"):
        house.by_provider(sub, "root-approvers")

    shown = house.client("alice").get(filed.headers["location"]).json()
    assert "few_approvers" not in [warning["code"] for warning in shown["warnings"]]


def test_filing_is_refused_where_the_settings_name_all_approvers_and_they_are_too_few(house: House) -> None:
    few = {name: member for name, member in MEMBERS.items() if name not in {"carol", "dave"}}
    house.change(directory=Directory(few))
    assert code_of(house.file) is Code.NO_QUORUM


def test_approvers_of_other_accounts_and_suspended_ones_make_no_quorum(house: House) -> None:
    """However many stand before them in the settings."""
    only_elsewhere = {Role.APPROVER: frozenset({OTHER_ACCOUNT})}
    others = [replace(MEMBERS["bob"], subject=f"a{number}", limits=only_elsewhere) for number in range(20)]
    house.change(directory=Directory({other.subject: other for other in others} | MEMBERS))
    for approver in ("bob", "carol"):
        suspend(house.ctx, WORKER, approver, "Gone.")
    assert code_of(house.file) is Code.NO_QUORUM
