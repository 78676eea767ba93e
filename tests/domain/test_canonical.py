"""The canonical form is RFC 8785's, byte for byte."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOON

from service.domain.canonical import Json, canonical, parse_timestamp, timestamp

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT
_NAMES = st.text(st.characters(max_codepoint=127))
_DOCUMENTS = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner), max_leaves=20)


@given(_DOCUMENTS)
def test_canonical_form_is_that_of_rfc8785(document: Json) -> None:
    assert canonical(document) == rfc8785.dumps(document)


@pytest.mark.parametrize("document", [1.5, {"a": 0.1}, {"a": [0.1]}, b"bytes", {"when": NOON}])
def test_what_has_no_canonical_form_is_refused(document: Json) -> None:
    with pytest.raises(TypeError):
        canonical(document)


@pytest.mark.parametrize(
    "document", [2**53, {"a": 2**53}, {"ä": 1}, {"ä": "x"}, {"a": [{"ä": 1}]}, {1: "x"}, "\ud800", {"a": "\ud800"}]
)
def test_what_another_reader_could_read_differently_is_refused(document: Json) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # UnicodeEncodeError is one as well
        canonical(document)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_timestamps_sort_as_time_does(one: datetime, other: datetime) -> None:
    assert (timestamp(one) < timestamp(other)) == (one < other)


@given(st.datetimes(timezones=st.just(UTC)))
def test_timestamps_read_back(at: datetime) -> None:
    assert parse_timestamp(timestamp(at)) == at


def test_timestamps_are_in_utc() -> None:
    assert timestamp(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T12:00:00.000000Z"


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        timestamp(NOON.replace(tzinfo=None))
