"""What SQL itself refuses about people, whoever sends it. On both engines."""

from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import NOON
from support.house import House

from service.db import people, schema
from service.db.engine import begin, read
from service.domain.actor import WORKER, Word
from service.workflow.people import suspend

LATER = NOON + timedelta(days=1)


def write(house: House, statement: str, **values: object) -> None:
    with begin(house.owner) as tx:
        tx.execute(text(statement), values)


def add(house: House, **changes: object) -> None:
    row: dict[str, Any] = {"subject": "e1", "name": "E", "groups": "[]"} | changes
    write(house, f"INSERT INTO people ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", **row)


@pytest.mark.parametrize(
    "row",
    [
        {"name": ""},
        {"subject": ""},
        {"issuer": "corp"},
        {"seen_at": NOON, "issuer": "corp"},
        {"suspended_at": NOON},
        {"suspended_at": LATER, "votes_since": NOON},
    ],
)
def test_nonsense_about_people_is_impossible(house: House, row: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        add(house, **row)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM people", "people are kept"),
        ("UPDATE people SET subject = 'e2'", "a person keeps the subject"),
        ("UPDATE people SET votes_since = NULL", "votes that are void stay so"),
        ("UPDATE people SET votes_since = :earlier", "votes that are void stay so"),
    ],
)
def test_people_are_kept_and_so_is_what_is_void(house: House, statement: str, why: str) -> None:
    add(house, votes_since=LATER)
    with pytest.raises(IntegrityError, match=why):
        write(house, statement, **({"earlier": NOON} if ":earlier" in statement else {}))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_replacing_somebody_is_refused(house: House) -> None:
    add(house)
    with pytest.raises(IntegrityError, match="people are kept"):
        write(house, "REPLACE INTO people SELECT * FROM people")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_emptying_the_table_is_refused(house: House) -> None:
    with pytest.raises(IntegrityError, match="people are kept"):
        write(house, "TRUNCATE people")


def test_word_of_before_is_kept_by_its_issuer(house: House) -> None:
    config = schema.config_for(house.owner)
    command.downgrade(config, "0007")
    add(house, issuer="corp", groups='["root-approvers"]', seen_at=NOON, proved_at=NOON)
    add(house, subject="e2")
    command.upgrade(config, "head")
    with read(house.ctx.engine) as tx:
        first, second = people.every(tx)
    assert first.words == {"corp": Word(frozenset({"root-approvers"}), NOON)}
    assert second.words == {}
    assert first.spelling == second.spelling == ""


def test_there_is_no_way_back_to_lower_case_once_somebody_has_capitals(house: House) -> None:
    add(house, subject="https://login.example.com#00uAbC", spelling=None)
    add(house, subject="E4711", spelling=None)
    with pytest.raises(CommandError, match="1 people are known by a subject with capitals"):
        command.downgrade(schema.config_for(house.owner), "0007")


def test_there_is_no_way_back_while_somebody_is_suspended(house: House) -> None:
    suspend(house.ctx, WORKER, "bob", "x")
    with pytest.raises(CommandError, match="1 people are suspended"):
        command.downgrade(schema.config_for(house.owner), "0002")
