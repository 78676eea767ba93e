"""A statement has one encoding, and says exactly what it is checked for."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.request import Verdict
from service.domain.statement import (
    LARGEST_BYTES,
    DecisionStatement,
    EnrolmentStatement,
    Expected,
    LogHead,
    NotAStatement,
    RegistrationStatement,
    StatementFault,
    faults,
    parse_decision,
    parse_enrolment,
    parse_registration,
)

_AT = datetime(2026, 11, 27, 10, 15, tzinfo=UTC)
_HEAD = LogHead(4711, "ab" * 32)
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJsaDYXQYruc6bilCYDIK4YSOeG+zmrRO2M9t03//7LH"
_DECISION = DecisionStatement(
    service="rootquorum.example.com/log",
    head=_HEAD,
    at=_AT,
    request_id="5f8a3c52-1c6b-4e0f-9d4b-0a1b2c3d4e5f",
    digest="cd" * 32,
    verdict=Verdict.APPROVE,
    person="dave",
)
_REGISTRATION = RegistrationStatement(service=_DECISION.service, head=_HEAD, at=_AT, person="dave", key=_KEY)
_ENROLMENT = EnrolmentStatement(service=_DECISION.service, head=_HEAD, at=_AT, endorser="ann", person="dave", key=_KEY)
_PARSERS: list[tuple[Any, Callable[[bytes], Any]]] = [
    (_DECISION, parse_decision),
    (_REGISTRATION, parse_registration),
    (_ENROLMENT, parse_enrolment),
]


def test_the_bytes_of_a_decision_are_these() -> None:
    assert _DECISION.bytes().decode() == (
        '{"at":"2026-11-27T10:15:00Z","decision":"approve","digest":"' + "cd" * 32 + '",'
        '"log":{"root":"' + "ab" * 32 + '","size":4711},"person":"dave",'
        '"request_id":"5f8a3c52-1c6b-4e0f-9d4b-0a1b2c3d4e5f",'
        '"service":"rootquorum.example.com/log","type":"rootquorum-decision/1"}'
    )


@pytest.mark.parametrize(("statement", "parse"), _PARSERS)
def test_a_statement_is_read_back(statement: Any, parse: Callable[[bytes], Any]) -> None:
    assert parse(statement.bytes()) == statement


@pytest.mark.parametrize(("statement", "parse"), _PARSERS)
def test_a_statement_of_another_type_is_refused(statement: Any, parse: Callable[[bytes], Any]) -> None:
    for other, _ in _PARSERS:
        if other is not statement:
            with pytest.raises(NotAStatement):
                parse(other.bytes())


@pytest.mark.parametrize(("statement", "parse"), _PARSERS)
def test_a_field_that_is_missing_or_too_many_is_refused(statement: Any, parse: Callable[[bytes], Any]) -> None:
    document = json.loads(statement.bytes())
    without = [{name: document[name] for name in document if name != left_out} for left_out in document]
    more = [{**document, name: document["at"]} for name in ("z", "head", "verdict", "endorser_")]
    shorter_log = [{**document, "log": {"size": 1}}, {**document, "log": {**document["log"], "z": 1}}]
    for changed in [*without, *more, *shorter_log]:
        with pytest.raises(NotAStatement):
            parse(_written(changed))


@pytest.mark.parametrize(("statement", "parse"), _PARSERS)
@pytest.mark.parametrize("value", [None, True, 0, 1.0, "", " ", [], {}, "x" * 2000, "\u202edave", "a\x00", ["approve"]])
def test_a_field_of_another_type_or_form_is_refused(
    statement: Any, parse: Callable[[bytes], Any], value: object
) -> None:
    document = json.loads(statement.bytes())
    for name in document:
        if name in {"person", "endorser"} and value == " ":
            continue  # a provider's subject may have a space
        with pytest.raises(NotAStatement):
            parse(_written({**document, name: value}))


def _written(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"person"', b' "person"'),
        (b"}", b"}\n"),
        (b'{"at"', b'\xef\xbb\xbf{"at"'),
        (b'"dave"', b'"d\\u0061ve"'),
        (b'"dave"', b'"mallory","person":"dave"'),
        (b"4711", b"4711.0"),
        (b"4711", b"4.711e3"),
        (b"4711", b"-4711"),
        (b"4711", b"true"),
        (b"4711", b"9007199254740992"),
        (b"4711", b"1" * 5000),
        (b"ab", b"AB"),
        (b"cdcd", b"CDcd"),
        (b"5f8a", b"5F8A"),
        (b"15:00Z", b"15:00.000000Z"),
        (b"15:00Z", b"15:00+00:00"),
        (b"2026-11-27T10:15:00Z", b"2026-11-27T11:15:00+01:00"),
        (b"2026-11-27T10:15:00Z", b"0001-01-01T00:00:00+01:00"),
        (b"T10", b" 10"),
        (b"approve", b"withdraw"),
        (b"decision/1", b"decision/2"),
        (b"dave", b"d\xffve"),
        (b"dave", b"d\\ud800ve"),
    ],
)
def test_bytes_that_another_reader_could_read_differently_are_refused(old: bytes, new: bytes) -> None:
    changed = _DECISION.bytes().replace(old, new)
    assert changed != _DECISION.bytes()
    with pytest.raises(NotAStatement):
        parse_decision(changed)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'"x"', b"[" * LARGEST_BYTES, b" " * LARGEST_BYTES, b"{}"])
def test_what_is_no_object_is_no_statement(data: bytes) -> None:
    for _, parse in _PARSERS:
        with pytest.raises(NotAStatement):
            parse(data)


def test_a_statement_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(NotAStatement, match="too long"):
        parse_decision(b"[" * (LARGEST_BYTES + 1))


@given(st.data())
def test_whatever_bytes_are_read_are_those_that_are_written(data: st.DataObject) -> None:
    original = _DECISION.bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = original[:at] + data.draw(st.binary(max_size=3)) + original[at + data.draw(st.integers(0, 2)) :]
    try:
        statement = parse_decision(changed)
    except NotAStatement:
        return
    assert statement.bytes() == changed


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), datetime(2026, 1, 1, microsecond=1, tzinfo=UTC), "2026"])  # noqa: DTZ001
def test_a_time_that_is_no_whole_second_of_utc_makes_no_statement(at: Any) -> None:
    with pytest.raises(NotAStatement, match="whole seconds"):
        replace(_DECISION, at=at)


def test_a_text_is_no_verdict() -> None:
    approve: Any = "approve"
    with pytest.raises(NotAStatement, match="approve"):
        replace(_DECISION, verdict=approve)


# --- what it must agree with ---

_EXPECTED = Expected(
    service=_DECISION.service,
    request_id=_DECISION.request_id,
    digest=_DECISION.digest,
    verdict=Verdict.APPROVE,
    person="dave",
    drill=False,
    oldest_size=4700,
    head_root=_HEAD.root,
    head_at=_AT - timedelta(minutes=1),
    recorded_at=_AT + timedelta(seconds=5),
)


def test_a_statement_that_says_all_of_it_agrees() -> None:
    assert faults(_DECISION, _EXPECTED) == ()


_ANOTHER: dict[StatementFault, DecisionStatement] = {
    StatementFault.ANOTHER_SERVICE: replace(_DECISION, service="test.example.com/log"),
    StatementFault.ANOTHER_REQUEST: replace(_DECISION, request_id=_DECISION.request_id.replace("5f", "6f")),
    StatementFault.ANOTHER_DIGEST: replace(_DECISION, digest="ce" * 32),
    StatementFault.ANOTHER_DECISION: replace(_DECISION, verdict=Verdict.REJECT),
    StatementFault.ANOTHER_PERSON: replace(_DECISION, person="Dave"),
    StatementFault.ANOTHER_PURPOSE: replace(_DECISION, drill=True),
    StatementFault.ANOTHER_LOG: replace(_DECISION, head=LogHead(4711, "ac" * 32)),
    StatementFault.TOO_OLD: replace(_DECISION, head=LogHead(4699, _HEAD.root)),
    StatementFault.WRONG_TIME: replace(_DECISION, at=_AT + timedelta(seconds=36)),
}


@pytest.mark.parametrize("fault", StatementFault)
def test_each_thing_that_differs_is_named_alone(fault: StatementFault) -> None:
    assert faults(_ANOTHER[fault], _EXPECTED) == (fault,)


def test_a_statement_ahead_of_the_log_is_one_of_another_log() -> None:
    assert faults(_DECISION, replace(_EXPECTED, head_root=None, head_at=None)) == (StatementFault.ANOTHER_LOG,)


@pytest.mark.parametrize(("seconds", "expected"), [(29, ()), (31, (StatementFault.WRONG_TIME,))])
def test_the_signers_time_may_precede_the_head_by_the_skew_of_clocks(
    seconds: int, expected: tuple[StatementFault, ...]
) -> None:
    head_at = _AT + timedelta(seconds=seconds, microseconds=999_999)
    assert faults(_DECISION, replace(_EXPECTED, head_at=head_at, recorded_at=head_at)) == expected
