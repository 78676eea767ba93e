"""A bearer token in, a person or a machine out, or 401: with the roles of today."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from support.house import House

from service.auth.api_tokens import fingerprint, mint
from service.domain.actor import WORKER, ActorKind, Role
from service.domain.directory import Directory
from service.workflow.tokens import list_tokens, revoke_token

FOREVER = timedelta(days=90)


def status(house: House, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = house.client().get("/v1/me", headers=headers)
    assert answer.headers.get("www-authenticate", "").startswith("Bearer") == (answer.status_code == 401)
    return answer.status_code


def test_token_signs_its_owner_in(house: House) -> None:
    assert house.client("bob").get("/v1/me").json() == {
        "subject": "bob",
        "name": "Bob",
        "kind": "person",
        "roles": ["approver", "requester"],
        "can_decide": True,
    }


def test_machine_signs_in_as_a_machine(house: House) -> None:
    assert house.client("robo").get("/v1/me").json()["kind"] == "machine"


def test_scheme_is_bearer_in_any_case(house: House) -> None:
    token = house.token("bob")
    assert [status(house, f"{scheme} {token}") for scheme in ("Bearer", "bearer", "BEARER")] == [200, 200, 200]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer garbage", "Bearer rqp_", "Basic Ym9iOmJvYg==", f"Bearer rqp_{'0' * 46}"],
)
def test_what_is_no_token_signs_nobody_in(house: House, authorization: str | None) -> None:
    assert status(house, authorization) == 401


def test_bare_token_or_another_scheme_signs_nobody_in(house: House) -> None:
    token = house.token("bob")
    assert [status(house, other) for other in (token, f"Token {token}", f"Basic {token}")] == [401, 401, 401]


def test_wrong_checksum_signs_nobody_in(house: House) -> None:
    token = house.token("bob")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert status(house, f"Bearer {wrong}") == 401


@pytest.mark.parametrize("cut", [1, 6, 7, 20])
def test_truncated_token_signs_nobody_in(house: House, cut: int) -> None:
    assert status(house, f"Bearer {house.token('bob')[:-cut]}") == 401


def test_token_one_character_off_is_refused_before_any_database_is_asked(house: House) -> None:
    """Its checksum is wrong, wherever it is off."""
    token = house.token("bob")
    with house.statements() as sent:
        for position in range(4, len(token)):
            other = "x" if token[position] != "x" else "y"
            assert status(house, f"Bearer {token[:position]}{other}{token[position + 1 :]}") in {401, 429}
    assert sent == []


def test_database_compares_hashes_so_that_its_time_tells_nothing_of_a_token(house: House) -> None:
    token = house.token("bob")
    with house.statements() as sent:
        assert status(house, f"Bearer {token}") == 200
    assert str(fingerprint(token)) in repr(sent)
    assert token[4:14] not in repr(sent)


def test_well_formed_token_that_nobody_made_signs_nobody_in(house: House) -> None:
    assert status(house, f"Bearer {mint(ActorKind.PERSON).reveal()}") == 401


def test_unknown_revoked_and_expired_look_alike(house: House) -> None:
    tokens = ["garbage", mint(ActorKind.PERSON).reveal()]
    tokens.append(house.new_token("bob", timedelta(hours=1)))
    house.clock.advance(timedelta(hours=2))

    headers = [{"Authorization": f"Bearer {token}", "X-Request-ID": "the-same"} for token in tokens]
    answers = [house.client().get("/v1/me", headers=each) for each in headers]

    assert len({answer.text for answer in answers}) == 1


def test_token_ends_at_the_second_of_its_expiry(either_house: House) -> None:
    token = either_house.new_token("bob", timedelta(hours=1))
    either_house.clock.advance(timedelta(minutes=59, seconds=59))
    assert status(either_house, f"Bearer {token}") == 200

    either_house.clock.advance(timedelta(seconds=1))

    assert status(either_house, f"Bearer {token}") == 401


def test_revoked_token_signs_nobody_in(either_house: House) -> None:
    token = either_house.token("bob")
    (stored,) = list_tokens(either_house.ctx)

    revoke_token(either_house.ctx, WORKER, stored.id)

    assert status(either_house, f"Bearer {token}") == 401


def test_other_tokens_of_the_same_person_stay_good(house: House) -> None:
    revoked, kept = house.new_token("bob"), house.new_token("bob")
    first = next(stored for stored in list_tokens(house.ctx))
    revoke_token(house.ctx, WORKER, first.id)

    assert sorted(status(house, f"Bearer {token}") for token in (revoked, kept)) == [200, 401]


def test_owner_who_left_the_settings_is_nobody(house: House) -> None:
    token = house.token("bob")
    members = {subject: member for subject, member in house.ctx.directory.members.items() if subject != "bob"}

    house.change(directory=Directory(members))

    assert status(house, f"Bearer {token}") == 401


def test_token_of_a_person_is_not_good_for_a_machine_of_the_same_name(house: House) -> None:
    token = house.token("bob")
    members = dict(house.ctx.directory.members)
    members["bob"] = replace(members["bob"], kind=ActorKind.MACHINE)

    house.change(directory=Directory(members))

    assert status(house, f"Bearer {token}") == 401


def test_roles_are_those_of_today(house: House) -> None:
    audrey = house.client("audrey")
    assert audrey.get("/v1/audit/events").status_code == 200

    house.without_role("audrey", Role.AUDITOR)

    assert audrey.get("/v1/me").json()["roles"] == []
    assert audrey.get("/v1/audit/events").status_code == 403


def test_approver_of_yesterday_cannot_approve(house: House) -> None:
    request = house.file(recipient="bob")
    house.token("bob")
    house.without_role("bob", Role.APPROVER)

    path = f"/v1/requests/{request.filing.request_id}/decisions"
    answer = house.client("bob").post(path, json={"decision": "approve", "digest": request.digest})

    assert (answer.status_code, answer.json()["code"]) == (403, "role_required")


def test_machine_cannot_decide_whatever_its_roles_say(house: House) -> None:
    members = dict(house.ctx.directory.members)
    members["robo"] = replace(members["robo"], roles=frozenset(Role))
    house.change(directory=Directory(members))
    request = house.file()

    path = f"/v1/requests/{request.filing.request_id}/decisions"
    answer = house.client("robo").post(path, json={"decision": "approve", "digest": request.digest})

    assert (answer.status_code, answer.json()["code"]) == (403, "machine_may_not_decide")


EVERYBODY_MAY = {"/livez", "/readyz"}


def test_everything_under_v1_asks_who_is_there(house: House) -> None:
    described = house.client().get("/openapi.json").json()["paths"]
    asked = {
        (path, house.client().request(method, re.sub(r"{.*?}", "0", path)).status_code)
        for path, operations in described.items()
        for method in operations
    }

    assert {path for path, answered in asked if answered == 401} == {path for path in described if path[:3] == "/v1"}
    assert {path for path, answered in asked if answered == 200} == EVERYBODY_MAY & described.keys()
