"""Subjects are compared as they stand. Who is known in lower case from before 0008 stays one person."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import login, member
from support.house import House
from support.refusals import code_of

from service.db import audit
from service.db.engine import begin, read
from service.domain.actor import WORKER, Actor, Role
from service.domain.errors import Code, Forbidden
from service.domain.request import OperationRequest, Verdict
from service.workflow.decide import decide
from service.workflow.file import file
from service.workflow.people import everybody, suspend
from service.workflow.sign_in import sign_in as actor_of

MINUTE = timedelta(minutes=1)


def by_claim(house: House, spelled: str, *groups: str) -> Actor:
    """Somebody with this value of `person_claim`, which is no address."""
    house.clock.advance(MINUTE)
    formerly = spelled.lower() if spelled != spelled.lower() else None
    shown = login("x", *(groups or ("root-approvers",)), at=house.clock())
    return actor_of(house.ctx, replace(shown, subject=spelled, formerly=formerly))


def known_before_0008(house: House, subject: str, *groups: str) -> None:
    """As the version before adds somebody, or as the migration leaves them."""
    row = {"subject": subject, "at": house.clock(), "groups": json.dumps(groups or ["root-approvers"])}
    statement = (
        "INSERT INTO people (subject, name, issuer, groups, seen_at, proved_at) "
        "VALUES (:subject, 'Ann', 'corp', :groups, :at, :at)"
    )
    with begin(house.owner) as tx:
        tx.execute(text(statement), row)


def approve(house: House, by: Actor, on: OperationRequest) -> OperationRequest:
    return decide(house.ctx, by, on.filing.request_id, Verdict.APPROVE, digest=on.digest, comment=None).request


def vote_before_0008(house: House, subject: str, on: OperationRequest) -> None:
    approve(house, signed_in_before_0008(house, subject), on)


def signed_in_before_0008(house: House, subject: str) -> Actor:
    known, proof = everybody(house.ctx)[0].everybody[subject], login(subject, at=house.clock()).proof
    return Actor(
        kind=known.kind, subject=subject, name="Ann", roles=known.roles, credential=proof.credential, proof=proof
    )


def test_two_people_whose_subjects_differ_by_case_are_two(house: House) -> None:
    request = house.file()
    for spelled in ("00uAbC", "00uaBC"):
        assert by_claim(house, spelled).subject == spelled
        approve(house, by_claim(house, spelled), request)
    house.execute(request)


def test_suspending_one_leaves_the_other(house: House) -> None:
    for spelled in ("00uAbC", "00uaBC"):
        by_claim(house, spelled)
    suspend(house.ctx, WORKER, "00uAbC", "x")
    assert code_of(lambda: by_claim(house, "00uAbC")) is Code.SUSPENDED
    assert by_claim(house, "00uaBC").roles == {Role.APPROVER}


@pytest.mark.parametrize("spelled", ["BOB", "Bob", "ROBO"])
def test_nobody_is_let_in_whose_name_differs_from_one_of_the_settings_by_case(house: House, spelled: str) -> None:
    """They could be the same human, who would vote by an API token and by this sign-in."""
    with pytest.raises(Forbidden, match="only by case"):
        by_claim(house, spelled)


def test_name_of_the_settings_is_matched_as_it_stands(house: House) -> None:
    named = {"E4711": member("E4711", Role.AUDITOR)}
    house.change(directory=replace(house.ctx.directory, members=named))
    assert by_claim(house, "E4711").roles == {Role.AUDITOR}
    assert code_of(lambda: by_claim(house, "e4711")) is Code.NO_ROLE


# --- an upgrade ---


def test_who_was_known_in_lower_case_stays_who_they_are(house: House) -> None:
    known_before_0008(house, "e4711")
    assert [by_claim(house, "E4711").subject for _ in range(2)] == ["e4711", "e4711"]
    assert "E4711" not in everybody(house.ctx)[0].members


def test_vote_of_before_counts_on_and_cannot_be_cast_twice(house: House) -> None:
    known_before_0008(house, "e4711")
    request = house.file()
    vote_before_0008(house, "e4711", request)

    ann = by_claim(house, "E4711")

    approve(house, ann, request)  # the same again, which is no second vote
    assert len(house.now(request).decisions) == 1
    house.execute(house.approve(request, "bob"))


def test_vote_of_before_is_void_when_the_role_is_lost(house: House) -> None:
    known_before_0008(house, "e4711")
    request = house.file()
    vote_before_0008(house, "e4711", request)
    house.approve(request, "bob")

    assert code_of(lambda: by_claim(house, "E4711", "football")) is Code.NO_ROLE

    assert code_of(lambda: house.execute(request)) is Code.QUORUM_LOST


def test_requester_of_before_does_not_approve_their_own(house: House) -> None:
    known_before_0008(house, "e4711", "requesters", "root-approvers")
    request = file(house.ctx, signed_in_before_0008(house, "e4711"), house.draft()).request
    assert code_of(lambda: approve(house, by_claim(house, "E4711"), request)) is Code.SELF_APPROVAL


def test_who_was_suspended_before_stays_so_in_any_spelling(house: House) -> None:
    known_before_0008(house, "e4711")
    suspend(house.ctx, WORKER, "e4711", "x")
    for spelled in ("E4711", "e4711"):
        assert code_of(lambda spelled=spelled: by_claim(house, spelled)) is Code.SUSPENDED  # type: ignore[misc]


@pytest.mark.parametrize(("first", "second"), [("00uAbC", "00uaBC"), ("00uAbC", "00uabc"), ("00uabc", "00uAbC")])
def test_of_two_spellings_the_first_is_who_was_known_and_the_other_is_refused(
    house: House, first: str, second: str
) -> None:
    """Whether they are one human or two, nobody can tell: they were one person until now."""
    known_before_0008(house, "00uabc")
    assert by_claim(house, first).subject == "00uabc"
    with pytest.raises(Forbidden, match="An operator has to resolve this"):
        by_claim(house, second)


def test_person_of_the_settings_who_was_known_in_lower_case_stays_named(house: House) -> None:
    known_before_0008(house, "bob")
    assert by_claim(house, "BOB").roles == {Role.APPROVER, Role.REQUESTER}


def test_two_spellings_at_once_are_not_both_let_in(house: House) -> None:
    known_before_0008(house, "00uabc")
    together = threading.Barrier(6)

    def sign_in(spelled: str) -> Code | None:
        together.wait()
        return code_of(lambda: by_claim(house, spelled))

    with ThreadPoolExecutor(6) as pool:
        spelled = ["00uAbC", "00uaBC"] * 3
        refused = {one for one, code in zip(spelled, pool.map(sign_in, spelled), strict=True) if code is Code.NO_ROLE}
    assert len(refused) == 1


def test_first_spelling_is_told(house: House) -> None:
    known_before_0008(house, "e4711")
    by_claim(house, "E4711")
    with read(house.ctx.engine) as tx:
        told: list[dict[str, Any]] = [json.loads(content) for _, content in audit.page(tx, after=0, limit=10)]
    assert [(event["event"], event["data"]["person"]) for event in told] == [("person.changed", "e4711")]


@pytest.mark.parametrize("spelling", ["'E4711'", "NULL", "''"])
def test_spelling_once_known_stays(house: House, spelling: str) -> None:
    known_before_0008(house, "e4711")
    by_claim(house, "e4711")
    with pytest.raises(IntegrityError, match="a person keeps the spelling"), begin(house.owner) as tx:
        tx.execute(text(f"UPDATE people SET spelling = {spelling}"))


def test_new_person_has_no_other_spelling(house: House) -> None:
    by_claim(house, "e4711")
    assert by_claim(house, "E4711").subject == "E4711"
    with pytest.raises(IntegrityError, match="a person keeps the spelling"), begin(house.owner) as tx:
        tx.execute(text("UPDATE people SET spelling = ''"))
