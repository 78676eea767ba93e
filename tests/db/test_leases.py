"""A lease is one holder's until it is released or its time is over; who lost it can tell."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from support.products.postgres import Postgres

from service.db import leases
from service.db.engine import begin, connect
from service.db.leases import Lease
from service.domain.errors import Conflict

LENGTH = timedelta(minutes=1)
OVER = timedelta(seconds=-1)


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    url = postgres.new_database()
    engine = connect(url, connections=4)
    yield engine
    engine.dispose()
    postgres.drop(url)


def take(engine: Engine, *names: str, by: str = "one", length: timedelta = LENGTH, limit: int = 9) -> list[Lease]:
    with begin(engine) as tx:
        return leases.take(tx, names, by, length, limit=limit)


def check(engine: Engine, lease: Lease) -> None:
    with begin(engine) as tx:
        leases.check(tx, lease)


def test_what_one_holds_nobody_else_takes(engine: Engine) -> None:
    assert [lease.name for lease in take(engine, "a", "b")] == ["a", "b"]
    assert [lease.name for lease in take(engine, "a", "b", "c", by="two")] == ["c"]


def test_no_more_than_wanted_are_taken_and_the_first_ones(engine: Engine) -> None:
    assert [lease.name for lease in take(engine, "c", "a", "b", limit=2)] == ["c", "a"]
    assert [lease.name for lease in take(engine, "c", "a", "b", by="two")] == ["b"]


def test_what_is_released_is_free_at_once(engine: Engine) -> None:
    held = take(engine, "a")
    with begin(engine) as tx:
        leases.release(tx, held)
    assert take(engine, "a", by="two") == [Lease("a", held[0].fence + 1)]


def test_a_lease_whose_time_is_over_is_good_until_somebody_takes_it(engine: Engine) -> None:
    [first] = take(engine, "a", length=OVER)
    check(engine, first)
    [second] = take(engine, "a", by="two")
    check(engine, second)
    with pytest.raises(Conflict):
        check(engine, first)


def test_a_renewed_lease_is_not_free_and_a_lost_one_is_not_renewed(engine: Engine) -> None:
    kept, lost = take(engine, "kept", "lost", length=OVER)
    [taken] = take(engine, "lost", by="two", length=OVER)
    with begin(engine) as tx:
        leases.renew(tx, [kept, lost], LENGTH)
    assert take(engine, "kept", "lost", by="three") == [Lease("lost", taken.fence + 1)]


def test_a_released_lease_is_not_renewed(engine: Engine) -> None:
    """By a thread that did not know yet that another has released it."""
    held = take(engine, "a")
    with begin(engine) as tx:
        leases.release(tx, held)
        leases.renew(tx, held, LENGTH)
    assert len(take(engine, "a", by="two")) == 1


def test_a_lost_lease_is_not_released(engine: Engine) -> None:
    lost = take(engine, "a", length=OVER)
    take(engine, "a", by="two")
    with begin(engine) as tx:
        leases.release(tx, lost)
    assert take(engine, "a", by="three") == []


def test_whom_others_are_just_taking_is_not_waited_for(engine: Engine) -> None:
    take(engine, "a", "b", length=OVER)
    with begin(engine) as tx:
        leases.take(tx, ["a"], "one", LENGTH, limit=1)
        assert [lease.name for lease in take(engine, "a", "b", by="two")] == ["b"]


def test_nobody_takes_it_between_the_check_and_the_commit(engine: Engine) -> None:
    [mine] = take(engine, "a", length=OVER)
    with begin(engine) as tx:
        leases.check(tx, mine)
        assert take(engine, "a", by="two") == []
    assert len(take(engine, "a", by="two")) == 1


def test_the_time_is_the_databases(engine: Engine) -> None:
    take(engine, "a")
    with begin(engine) as tx:
        ahead = tx.execute(text("SELECT until - now() FROM leases")).scalar_one()
    assert timedelta(0) < ahead <= LENGTH
