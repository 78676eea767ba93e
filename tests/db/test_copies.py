"""What a test leaves in its copy of the template does not reach the next test."""

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError
from support.house import House
from support.products.postgres import Postgres, as_owner

from service.db.engine import connect


def owner(url: str) -> Engine:
    return connect(as_owner(make_url(url)), connections=1)


def rows(url: str) -> dict[str, object]:
    engine = owner(url)
    with engine.connect() as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        found = {table: connection.scalar(text(f"SELECT json_agg(t)::text FROM {table} t")) for table in tables}
    engine.dispose()
    return found


def test_the_next_test_gets_the_copy_with_the_rows_of_the_template(postgres: Postgres) -> None:
    fresh = postgres.new_database()
    url = postgres.new_database()
    with House.on(url) as house:
        house.approved()
        postgres.drop(url)
    assert postgres.new_database() == url
    assert rows(url) == rows(fresh)
    for each in (url, fresh):
        postgres.drop(each)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE people ADD more text",
        "DROP TRIGGER {trigger} ON audit_events",
        "TRUNCATE leases",
        "GRANT DELETE ON requests TO PUBLIC",
        'ALTER DATABASE "{name}" SET default_transaction_read_only = on',
        'ALTER DATABASE "{name}" CONNECTION LIMIT 3',
        "CREATE SCHEMA another",
    ],
)
def test_a_copy_that_a_test_has_changed_is_no_other_tests(postgres: Postgres, change: str) -> None:
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    engine = owner(url)
    with engine.begin() as connection:
        found = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_events'::regclass AND NOT tgisinternal LIMIT 1"
        connection.execute(text(change.format(name=name, trigger=connection.scalar(text(found)))))
    engine.dispose()
    postgres.drop(url)
    after = postgres.new_database()
    assert after != url
    postgres.drop(after)


def test_a_session_that_a_test_left_open_ends(postgres: Postgres) -> None:
    url = postgres.new_database()
    engine = owner(url)
    with engine.connect() as connection:
        postgres.drop(url)
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT 1"))
    engine.dispose()
