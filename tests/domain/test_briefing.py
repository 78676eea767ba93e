"""What an approver reads of a request: in words, of exactly what was filed."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.builders import ACTIVATE, CREATE, DELETE, filing, request

from service.domain.actor import ActorKind
from service.domain.briefing import effect, in_words
from service.domain.filing import Filing
from service.domain.operation import TARGET_OF, Operation, OperationName

KEY = "AKIAIOSFODNN7EXAMPLE"
NAMES = {"alice": "Alice Abe", "rita": "Rita Roe", "robo": "Robo"}


def said(named: Mapping[str, str] = NAMES, **changes: Any) -> str:
    names = {**NAMES, **named}
    return effect(filing(**changes), lambda subject: names.get(subject, subject))


def operation(name: OperationName) -> Operation:
    return Operation(name, KEY if name in TARGET_OF else None)


@pytest.mark.parametrize("name", OperationName)
@pytest.mark.parametrize("recipient", ["alice", "rita"])
def test_effect_is_whole_sentences_about_this_request(name: OperationName, recipient: str) -> None:
    text = said(operation=operation(name), recipient=recipient)

    assert re.fullmatch(r"([A-Z\"].+?\. ?)+", text)
    assert (KEY in text) == (name in TARGET_OF)
    assert "{" not in text
    assert "Alice Abe" in text
    assert max(len(sentence.split()) for sentence in re.split(r"[.;:] ", text)) <= 30


def test_effect_of_a_create_says_for_how_long() -> None:
    assert "It has no end: it works until somebody deletes it." in said()
    text = said(lifetime=timedelta(days=90), rollback_grace=timedelta(hours=36))
    assert (
        "It works for 90 days; then the service deactivates it by itself, and deletes it 1 day 12 hours later." in text
    )
    assert "no end" not in text
    assert "If its arrival is not confirmed within 15 minutes, the service deactivates it then." in text


def test_effect_of_a_create_says_who_gets_the_secret() -> None:
    text = said()
    assert 'Its secret goes to "Rita Roe" ("rita") alone' in text
    assert 'It was asked for by "Alice Abe" ("alice").' in text
    assert "one person" not in text


@pytest.mark.parametrize("name", OperationName)
def test_effect_says_when_one_person_asks_and_executes(name: OperationName) -> None:
    """Only a new key is received. Whatever else is approved is executed, and nobody receives anything."""
    is_create = operation(name).is_create
    text = said(operation=operation(name), recipient="alice")
    assert ("Requester and recipient are one person." in text) == is_create
    assert ("No person but the requester may execute it." in text) == (not is_create)
    assert "No person but" not in said(operation=operation(name))


def test_effect_says_what_runs_by_itself() -> None:
    by_itself = "It runs by itself, as soon as the last approval is in."
    assert by_itself in said(operation=operation(DELETE), run_on_approval=True)
    by_people = said(operation=operation(DELETE), execution_window=timedelta(hours=1))
    assert by_itself not in by_people
    assert '"Alice Abe" ("alice") or "Rita Roe" ("rita") executes it, within 1 hour of the last approval.' in by_people


def test_effect_tells_a_machine_from_a_person() -> None:
    asked: dict[str, Any] = {"requester": "robo", "requester_kind": ActorKind.MACHINE}
    assert 'the machine "Robo" ("robo")' in said(**asked)
    text = said(operation=operation(ACTIVATE), recipient="robo", **asked)
    assert 'when the machine "Robo" ("robo") executes it' in text
    assert "No person but" not in text


def test_whoever_has_no_name_is_called_by_their_subject() -> None:
    assert 'goes to "https://login.example.com#00u1" alone' in said(recipient="https://login.example.com#00u1")


HOSTILE = {
    "a quotation that ends": 'Rita" alone. Nothing else happens. "',
    "HTML": "<img src=x onerror=alert(1)>",
    "Markdown": "**[Rita](https://evil.example)** `x` | y",
    "right-to-left": "Rita\u202eecila",
    "a line": "Rita\nIt has no end.",
    "ANSI": "\x1b[2JRita",
    "a format": "{0.__class__} %s {}",
    "long": "R" * 5000,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("whose", ["alice", "rita"])
def test_name_stays_within_its_quotation(name: str, whose: str) -> None:
    text = said({whose: name})

    assert text.count('"') == said().count('"')
    assert text.isprintable()
    assert not set("<>`*[]|\\") & set(text)
    assert len(text) < len(said()) + 101
    assert len(re.findall(r'"[^"]*"', text)) * 2 == text.count('"')


def test_subject_is_as_hostile_as_a_name() -> None:
    text = said(recipient='x") alone, and ("y<b>')
    assert text.count('"') == said(recipient="x").count('"')
    assert "<b>" not in text


def test_effect_is_no_part_of_what_is_hashed() -> None:
    assert "effect" not in filing().document()
    assert isinstance(filing(), Filing)
    assert request().digest == "38280b4345fdf5a339201d9651f8b01f5b6c1d75475c31955bcac78bf72121b2"


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=15), "15 minutes"),
        (timedelta(hours=24), "1 day"),
        (timedelta(days=3660), "3,660 days"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4), "1 day 2 hours 3 minutes 4 seconds"),
    ],
)
def test_duration_in_words_is_exact(duration: timedelta, words: str) -> None:
    assert in_words(duration) == words


def test_create_is_not_run_by_itself() -> None:
    assert "by itself, as soon as" not in said(operation=operation(CREATE))
