"""What each provider says of somebody's groups: only what is said takes a role, and each provider speaks for itself."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from support.builders import ACCOUNT, GRANTS, MEMBERS, login
from support.house import House
from support.refusals import code_of

from service.db import audit, people
from service.db.engine import begin, read
from service.domain.actor import WORKER, Actor, Grant, Person, Role
from service.domain.errors import Code, Forbidden
from service.domain.proof import Login, Unsaid
from service.domain.request import OperationRequest, Verdict
from service.workflow.decide import decide
from service.workflow.people import everybody, reinstate, suspend
from service.workflow.sign_in import sign_in as actor_of

MINUTE = timedelta(minutes=1)
ERIN = "e4711"


@pytest.fixture
def house(house: House) -> House:
    """Erin has a login at "corp" and one at "hr", which both give roles, and one at "wiki", which gives none."""
    grants = {
        "corp": GRANTS["corp"],
        "hr": (
            Grant("payroll", frozenset({Role.APPROVER})),
            Grant("payroll-production", frozenset({Role.APPROVER}), frozenset({ACCOUNT})),
        ),
        "wiki": (),
    }
    house.change(directory=replace(house.ctx.directory, grants=grants))
    return house


def at(house: House, issuer: str, *groups: str, **changes: Any) -> Login:
    """Erin's token of an issuer, as it is now."""
    token = login(f"erin-at-{issuer}", *groups, at=house.clock())
    return replace(token, **{"issuer": issuer, "subject": ERIN, "name": "Erin"} | changes)


def sign_in(house: House, issuer: str, *groups: str, **changes: Any) -> Actor:
    house.clock.advance(MINUTE)
    return actor_of(house.ctx, at(house, issuer, *groups, **changes))


def approve(house: House, by: Actor, on: OperationRequest) -> OperationRequest:
    return decide(house.ctx, by, on.filing.request_id, Verdict.APPROVE, digest=on.digest, comment=None).request


def approved_by(house: House, erin: Actor) -> OperationRequest:
    return house.approve(approve(house, erin, house.file()), "bob")


def is_quorum_lost(house: House, on: OperationRequest) -> bool:
    return code_of(lambda: house.execute(on)) is Code.QUORUM_LOST


def stored(house: House) -> Person:
    with read(house.ctx.engine) as tx:
        found = people.get(tx, ERIN)
    assert found is not None
    return found


def events(house: House) -> list[dict[str, Any]]:
    with read(house.ctx.engine) as tx:
        return [json.loads(content) for _, content in audit.page(tx, after=0, limit=1000)]


# --- nothing said, nothing taken ---


@pytest.mark.parametrize(
    ("unsaid", "detail"),
    [
        (Unsaid.ABSENT, "has no groups"),
        (Unsaid.ELSEWHERE, "only a reference to your groups"),
        (Unsaid.UNREADABLE, "not a list of names"),
    ],
)
def test_token_that_does_not_say_the_groups_is_refused_and_changes_nothing(
    house: House, unsaid: Unsaid, detail: str
) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    before, told = stored(house), events(house)

    with pytest.raises(Forbidden, match=detail):
        sign_in(house, "corp", groups=unsaid)

    assert (stored(house), events(house)) == (before, told)
    assert not is_quorum_lost(house, request)


def test_token_that_does_not_say_the_groups_does_not_make_an_older_one_old(house: House) -> None:
    sign_in(house, "corp", "root-approvers")
    earlier = at(house, "corp", "root-approvers")
    assert code_of(lambda: sign_in(house, "corp", groups=Unsaid.ABSENT)) is Code.NO_ROLE
    assert actor_of(house.ctx, earlier).roles == {Role.APPROVER}


def test_list_that_lacks_the_group_takes_the_role_and_the_votes(house: House) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    assert code_of(lambda: sign_in(house, "corp", "football")) is Code.NO_ROLE
    assert is_quorum_lost(house, request)


def test_whom_the_settings_name_needs_no_groups(house: House) -> None:
    carol = replace(at(house, "corp"), subject="carol", groups=Unsaid.ABSENT)
    for _ in range(2):
        assert actor_of(house.ctx, carol).roles == {Role.APPROVER}
        house.clock.advance(MINUTE)


def test_suspended_stay_so_whatever_their_token_does_not_say(house: House) -> None:
    sign_in(house, "corp", "root-approvers")
    suspend(house.ctx, WORKER, ERIN, "Left.")
    assert code_of(lambda: sign_in(house, "corp", groups=Unsaid.ABSENT)) is Code.SUSPENDED
    assert code_of(lambda: sign_in(house, "wiki")) is Code.SUSPENDED


# --- each provider for itself ---


def test_issuer_that_gives_no_roles_takes_none(house: House) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    before = stored(house)

    with pytest.raises(Forbidden, match="give no role to groups of your provider"):
        sign_in(house, "wiki", "football")

    assert stored(house) == before
    assert not is_quorum_lost(house, request)


def test_first_word_of_another_issuer_takes_nothing(house: House) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    assert code_of(lambda: sign_in(house, "hr", "football")) is Code.NO_ROLE
    assert not is_quorum_lost(house, request)
    assert everybody(house.ctx)[0].all_approvers >= {ERIN}


def test_token_gives_no_more_than_its_own_issuer_does(house: House) -> None:
    assert sign_in(house, "corp", "root-approvers", "requesters").roles == {Role.APPROVER, Role.REQUESTER}
    by_hr = sign_in(house, "hr", "payroll-production", "root-approvers")
    assert by_hr.roles == {Role.APPROVER}
    assert by_hr.limits == {Role.APPROVER: frozenset({ACCOUNT})}


def test_vote_counts_while_any_issuer_gives_the_role(house: House) -> None:
    """What was approved by a login at one counts on, whatever is signed in with afterwards."""
    sign_in(house, "corp", "requesters")
    request = approved_by(house, sign_in(house, "hr", "payroll"))
    sign_in(house, "corp", "requesters")
    assert not is_quorum_lost(house, request)


@pytest.mark.parametrize("first", ["corp", "hr"])
def test_role_that_one_issuer_takes_voids_the_votes_though_another_gives_it(house: House, first: str) -> None:
    groups = {"corp": "root-approvers", "hr": "payroll"}
    for issuer in ("corp", "hr"):
        sign_in(house, issuer, groups[issuer])
    request = approved_by(house, sign_in(house, first, groups[first]))

    assert code_of(lambda: sign_in(house, first, "football")) is Code.NO_ROLE
    assert is_quorum_lost(house, request)

    other = "hr" if first == "corp" else "corp"
    house.clock.advance(MINUTE)
    approve(house, sign_in(house, other, groups[other]), request)
    assert not is_quorum_lost(house, request)


def test_role_for_fewer_accounts_by_one_issuer_voids_though_another_gives_it_for_all(house: House) -> None:
    sign_in(house, "corp", "root-approvers")
    request = approved_by(house, sign_in(house, "hr", "payroll"))
    sign_in(house, "hr", "payroll-production")
    assert is_quorum_lost(house, request)


def test_role_that_no_issuer_gives_any_more_is_gone(house: House) -> None:
    for issuer, group in (("corp", "root-approvers"), ("hr", "payroll")):
        sign_in(house, issuer, group)
    for issuer in ("corp", "hr"):
        assert everybody(house.ctx)[0].all_approvers >= {ERIN}
        code_of(lambda issuer=issuer: sign_in(house, issuer, "football"))  # type: ignore[misc]
    assert ERIN not in everybody(house.ctx)[0].all_approvers


def test_older_token_is_older_than_those_of_its_own_issuer_alone(house: House) -> None:
    sign_in(house, "corp", "requesters")
    house.clock.advance(MINUTE)
    earlier = at(house, "hr", "payroll")
    sign_in(house, "corp", "requesters")

    assert actor_of(house.ctx, earlier).roles == {Role.APPROVER}
    assert everybody(house.ctx)[0].all_approvers >= {ERIN}
    assert stored(house).issuer == "corp"  # whose word is the newest


def test_issuer_that_left_the_settings_gives_nothing(house: House) -> None:
    request = approved_by(house, sign_in(house, "hr", "payroll"))
    house.change(directory=replace(house.ctx.directory, grants=GRANTS))
    assert is_quorum_lost(house, request)


def test_signing_in_by_turns_at_two_issuers_is_told_once(house: House) -> None:
    for _ in range(3):
        sign_in(house, "corp", "root-approvers")
        sign_in(house, "hr", "payroll")
    told = [(event["event"], event["data"]["issuer"], event["data"]["groups"]) for event in events(house)]
    assert told == [("person.seen", "corp", ["root-approvers"]), ("person.changed", "hr", ["payroll"])]


def test_reinstated_before_they_were_ever_seen_they_sign_in(house: House) -> None:
    suspend(house.ctx, WORKER, "carol", "Why not.")
    reinstate(house.ctx, WORKER, "carol", "Why.")
    for issuer in ("wiki", "corp"):
        assert actor_of(house.ctx, replace(at(house, issuer), subject="carol")).roles == {Role.APPROVER}


# --- beside the version before ---


def by_the_version_before(house: House, issuer: str, groups: str) -> None:
    """It knows one word of each person, and says nothing of the other columns."""
    house.clock.advance(MINUTE)
    values = {"issuer": issuer, "groups": json.dumps([groups] if groups else []), "at": house.clock()}
    statement = "UPDATE people SET issuer = :issuer, groups = :groups, seen_at = :at, proved_at = :at"
    with begin(house.owner) as tx:
        tx.execute(text(statement), values)


def test_role_that_the_version_before_has_seen_lost_is_lost(house: House) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    by_the_version_before(house, "corp", "")
    assert is_quorum_lost(house, request)


def test_word_that_the_version_before_writes_down_leaves_those_of_other_issuers(house: House) -> None:
    request = approved_by(house, sign_in(house, "corp", "root-approvers"))
    by_the_version_before(house, "hr", "")
    assert not is_quorum_lost(house, request)


def test_everybody_of_the_settings_is_as_before(house: House) -> None:
    assert everybody(house.ctx)[0].members == MEMBERS
