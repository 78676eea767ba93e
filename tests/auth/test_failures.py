"""What an operator reads of sign-ins that failed: the name of the check, and not more lines than anybody reads."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from support.house import House
from support.issuer import Issuer
from support.logs import capture_logs

from service.api.sign_ins import FailedSignIns, SignIns
from service.auth.api_tokens import mint
from service.domain.actor import WORKER, ActorKind
from service.workflow.tokens import list_tokens, revoke_token

Lines = list[Any]


@pytest.fixture
def house(sqlite_house: House, issuer: Issuer, http: httpx.Client) -> House:
    sqlite_house.app.state.sign_ins = SignIns(issuer.verifier(http), failures=FailedSignIns(10_000))
    return sqlite_house


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as found:
        yield found


def try_(house: House, token: str, address: str = "192.0.2.1") -> int:
    client = TestClient(house.app, client=(address, 1), raise_server_exceptions=False)
    return client.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code


def of_failures(lines: Lines) -> list[tuple[str, str | None]]:
    return [(line["check"], line["issuer"]) for line in lines if line["event"] == "sign-in failed"]


def test_log_names_the_check_and_the_issuer_and_nothing_of_the_token(
    house: House, issuer: Issuer, lines: Lines
) -> None:
    tokens = [
        issuer.sign(issuer.claims(aud="CANARY")),
        issuer.sign(issuer.claims(sub="CANARY"), kid="CANARY"),
        issuer.sign(issuer.claims(), typ="CANARY"),
        "CANARY",
    ]
    for token in tokens:
        assert try_(house, token) in {401, 503}
    assert of_failures(lines) == [("audience", "corp"), ("unknown_key", "corp"), ("type", "corp"), ("opaque", None)]
    assert "CANARY" not in str(lines)
    assert not any(part in str(lines) for token in tokens for part in token.split("."))


def test_log_says_that_a_key_is_not_known_yet(house: House, issuer: Issuer, lines: Lines) -> None:
    assert [try_(house, issuer.sign(kid=kid)) for kid in ("a", "b")] == [401, 503]
    assert of_failures(lines) == [("unknown_key", "corp")] * 2


NOBODY: dict[str, dict[str, object]] = {
    "machine": {"client_id": "erin"},
    "person_absent": {"employee": None},
    "person_unreadable": {"employee": "CANARY "},
    "name": {"employee": "BOB"},
    "groups_absent": {"groups": None},
    "groups_elsewhere": {"groups": None, "hasgroups": True},
    "groups_unreadable": {"groups": '["CANARY"]'},
    "no_group": {"groups": ["CANARY"]},
}


@pytest.mark.parametrize("check", NOBODY)
def test_log_says_why_somebody_whose_token_is_good_is_nobody(
    house: House, issuer: Issuer, http: httpx.Client, lines: Lines, check: str
) -> None:
    verifier = issuer.verifier(http, person_claim=("employee",))
    house.app.state.sign_ins = SignIns(verifier, failures=FailedSignIns(per_minute=1))
    token = issuer.sign(issuer.claims(**{"employee": "E4711"} | NOBODY[check]))
    assert [try_(house, token) for _ in range(3)] == [403] * 3  # and never 429
    assert of_failures(lines) == [(check, "corp")] * 3
    assert "CANARY" not in str(lines)


def revoked(house: House) -> str:
    token = house.token("bob")
    (stored,) = list_tokens(house.ctx)
    revoke_token(house.ctx, WORKER, stored.id)
    return token


def ownerless(house: House) -> str:
    token = house.token("bob")
    members = {name: member for name, member in house.ctx.directory.members.items() if name != "bob"}
    house.change(directory=type(house.ctx.directory)(members))
    return token


API_TOKENS: dict[str, Callable[[House], str]] = {
    "malformed": lambda _: "rqp_" + "0" * 46,
    "unknown": lambda _: mint(ActorKind.PERSON).reveal(),
    "revoked": revoked,
    "owner": ownerless,
}


@pytest.mark.parametrize("check", API_TOKENS)
def test_log_says_what_is_wrong_with_an_api_token(house: House, lines: Lines, check: str) -> None:
    token = API_TOKENS[check](house)
    assert try_(house, token) == 401
    assert of_failures(lines) == [(check, None)]
    assert token not in str(lines)


def test_flood_of_bad_tokens_from_everywhere_is_no_flood_of_lines(house: House, lines: Lines) -> None:
    for n in range(100):
        try_(house, "x", address=f"192.0.2.{n}")
    assert of_failures(lines) == [("opaque", None)] * 10


def test_flood_hides_no_other_failure(house: House, issuer: Issuer, lines: Lines) -> None:
    for n in range(30):
        try_(house, "x", address=f"192.0.2.{n}")
    try_(house, issuer.sign(issuer.claims(aud="wiki")))
    assert of_failures(lines)[-1] == ("audience", "corp")


def test_address_that_failed_too_often_still_shows_why_others_behind_it_fail(
    house: House, issuer: Issuer, http: httpx.Client, lines: Lines
) -> None:
    house.app.state.sign_ins = SignIns(issuer.verifier(http), failures=FailedSignIns(per_minute=1))
    assert [try_(house, token) for token in ("x", issuer.sign(issuer.claims(aud="wiki")))] == [401, 429]
    assert of_failures(lines) == [("opaque", None), ("audience", "corp")]


def test_next_line_says_how_many_there_were_in_between(house: House, lines: Lines) -> None:
    seconds = 0.0
    house.app.state.sign_ins = SignIns(failures=FailedSignIns(10_000, lambda: seconds))
    for _ in range(25):
        try_(house, "x")
    seconds = 60.0
    try_(house, "x")
    failures = [line for line in lines if line["event"] == "sign-in failed"]
    assert [line["unlogged"] for line in failures] == [0] * 10 + [15]
