"""The hours of a rule, on days when clocks change and on days that are not every year's."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from service.domain.hours import Hours, are_open, next_opening

OFFICE = Hours(days=frozenset(range(5)), opens=time(9), closes=time(17), zone="Europe/Zurich")
NIGHT = Hours(days=frozenset({4}), opens=time(22), closes=time(6), zone="Europe/Zurich")  # Friday night


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-11-27T08:59:59+01:00", False),
        ("2026-11-27T09:00:00+01:00", True),
        ("2026-11-27T16:59:59+01:00", True),
        ("2026-11-27T17:00:00+01:00", False),
        ("2026-11-28T12:00:00+01:00", False),  # a Saturday
        ("2026-07-01T07:00:00+00:00", True),  # nine o'clock in summer
        ("2026-12-01T07:30:00+00:00", False),  # half past eight in winter
        ("2028-02-29T12:00:00+01:00", True),  # a Tuesday that is not every year's
    ],
)
def test_hours_go_by_the_clocks_of_the_zone(now: str, is_open: bool) -> None:  # noqa: FBT001  # a column of the table
    assert OFFICE.is_open(at(now)) is is_open


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-11-27T21:59:00+01:00", False),
        ("2026-11-27T22:00:00+01:00", True),
        ("2026-11-28T05:59:00+01:00", True),
        ("2026-11-28T06:00:00+01:00", False),
        ("2026-11-27T05:59:00+01:00", False),  # the night of Thursday
        ("2026-11-28T22:30:00+01:00", False),  # the night of Saturday
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(now: str, is_open: bool) -> None:  # noqa: FBT001
    assert NIGHT.is_open(at(now)) is is_open


def test_nothing_runs_on_an_excepted_date_nor_in_the_night_that_begins_on_it() -> None:
    eve, day = date(2026, 12, 24), date(2026, 12, 25)
    every_night = replace(NIGHT, days=frozenset(range(7)), zone="UTC", closed_on=frozenset({eve}))

    assert every_night.is_open(at("2026-12-24T03:00:00+00:00")) is False  # excepted itself
    assert every_night.is_open(at("2026-12-24T23:00:00+00:00")) is False
    assert every_night.is_open(at("2026-12-25T03:00:00+00:00")) is False
    assert every_night.is_open(at(f"{day}T23:00:00+00:00")) is True


def test_clocks_that_are_put_back_show_the_hour_twice_and_it_is_open_twice() -> None:
    hour = Hours(days=frozenset({6}), opens=time(2), closes=time(3), zone="Europe/Zurich")

    midnight = at("2026-10-25T00:00:00Z")

    opened = [minute for minute in range(0, 180, 30) if hour.is_open(midnight + timedelta(minutes=minute))]

    assert opened == [0, 30, 60, 90]


def test_an_hour_that_the_clocks_skip_is_not_open() -> None:
    hour = Hours(days=frozenset({6}), opens=time(2), closes=time(3), zone="Europe/Zurich")
    day = at("2026-03-29T00:00:00+01:00")

    assert not any(hour.is_open(day + timedelta(minutes=minute)) for minute in range(0, 23 * 60, 15))
    assert next_opening([hour], day) == at("2026-04-05T02:00:00+02:00")


def test_a_zone_whose_rules_have_changed_goes_by_those_of_the_day() -> None:
    """Mexico gave up summer time in 2022."""
    noon = Hours(days=frozenset(range(7)), opens=time(12), closes=time(13), zone="America/Mexico_City")

    assert noon.is_open(at("2022-07-01T17:30:00Z"))
    assert noon.is_open(at("2023-07-01T18:30:00Z"))
    assert not noon.is_open(at("2023-07-01T17:30:00Z"))


def test_an_unknown_zone_is_never_open() -> None:
    nowhere = Hours(days=frozenset(range(7)), opens=time(0), closes=time(0), zone="Nowhere/Land")

    assert not nowhere.is_open(at("2026-11-27T12:00:00Z"))
    assert next_opening([nowhere], at("2026-11-27T12:00:00Z")) is None


def test_hours_that_close_when_they_open_last_all_day() -> None:
    whole = Hours(days=frozenset({4}), opens=time(0), closes=time(0), zone="UTC")

    assert whole.is_open(at("2026-11-27T00:00:00Z"))
    assert whole.is_open(at("2026-11-27T23:59:59Z"))
    assert not whole.is_open(at("2026-11-28T00:00:00Z"))


def test_all_hours_have_to_be_open_at_once() -> None:
    late = Hours(days=frozenset(range(7)), opens=time(16), closes=time(20), zone="Europe/Zurich")
    saturday = at("2026-11-28T12:00:00+01:00")

    assert are_open([], saturday)
    assert not are_open([OFFICE, late], at("2026-11-27T12:00:00+01:00"))
    assert next_opening([OFFICE, late], saturday) == at("2026-11-30T16:00:00+01:00")
    assert next_opening([OFFICE, NIGHT], saturday) is None


def test_hours_survive_their_document() -> None:
    closed = replace(OFFICE, opens=time(8, 30), closed_on=frozenset({date(2026, 12, 24)}))

    assert Hours.from_document(closed.document()) == closed
