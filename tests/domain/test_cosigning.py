"""Witnesses are asked in rounds, so that they cosign the same heads."""

from datetime import UTC, datetime, timedelta

import pytest

from service.domain.cosigning import Cosigned, size_due

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)
NEVER = Cosigned(0, None, NOW)


def at(size: int, ago: timedelta) -> Cosigned:
    return Cosigned(size, NOW - ago, None)


YOUNG, OLD, TO_COME = INTERVAL - timedelta(seconds=1), INTERVAL, timedelta(hours=-1)


@pytest.mark.parametrize(
    ("log", "own", "other", "due"),
    [
        # Nobody has cosigned anything.
        (7, NEVER, NEVER, 7),
        (0, NEVER, NEVER, None),
        # The round is young: only its own head is asked for.
        (9, NEVER, at(7, YOUNG), 7),
        (9, at(5, OLD), at(7, YOUNG), 7),
        (9, at(7, YOUNG), NEVER, None),
        (9, at(7, YOUNG), at(5, OLD), None),
        # The round is over: the next begins if the log has grown.
        (9, at(7, OLD), at(7, YOUNG), 9),
        (9, NEVER, at(7, OLD), 9),
        (7, at(7, OLD), NEVER, None),
        (7, NEVER, at(7, OLD), 7),
        # A time that is still to come proves nothing.
        (9, at(7, TO_COME), NEVER, 9),
        # A log that was cut has no such head to ask for.
        (6, NEVER, at(7, YOUNG), None),
        (6, at(7, OLD), NEVER, None),
    ],
)
def test_a_round_asks_each_witness_for_the_same_head(log: int, own: Cosigned, other: Cosigned, due: int | None) -> None:
    assert size_due(log, {"own": own, "other": other}, "own", NOW, INTERVAL) == due


def test_a_witness_that_never_cosigned_is_waited_for_since_it_is_watched() -> None:
    begun, watched = NOW - timedelta(days=9), NOW - timedelta(hours=1)
    assert Cosigned(0, None, begun).waits_since(watched) == watched
    assert Cosigned(3, begun, begun).waits_since(watched) == begun
    assert Cosigned(3, begun, None).waits_since(watched) is None
