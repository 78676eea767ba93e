"""What PostgreSQL gives up is tried again where nothing was done, and never where that is not known."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, event, text
from support.products.postgres import Postgres

from service.db.engine import Tx, begin, connect, read, retried
from service.db.faults import Interrupted
from service.domain.errors import Unavailable

_LONG = 30


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    url = postgres.new_empty_database()
    engine = connect(url, connections=3)
    with begin(engine) as tx:
        tx.execute(text("CREATE TABLE numbers (id int PRIMARY KEY, n int)"))
        tx.execute(text("INSERT INTO numbers VALUES (1, 0), (2, 0)"))
    yield engine
    engine.dispose()
    postgres.drop(url)


def add_one(tx: Tx, number: int = 1) -> None:
    tx.execute(text("UPDATE numbers SET n = n + 1 WHERE id = :id"), {"id": number})


def numbers(engine: Engine) -> list[int]:
    with read(engine) as tx:
        return list(tx.execute(text("SELECT n FROM numbers ORDER BY id")).scalars())


def kill_the_session(engine: Engine, tx: Tx) -> None:
    pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with begin(engine) as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


def failing_once(engine: Engine, fail: Callable[[Tx], None]) -> tuple[Callable[[], None], list[int]]:
    """A function that adds one, but meets `fail` at first; and one entry for each time it was tried."""
    tries: list[int] = []

    @retried
    def function() -> None:
        with begin(engine) as tx:
            tries.append(1)
            add_one(tx)
            if len(tries) == 1:
                fail(tx)

    return function, tries


def test_a_session_that_is_gone_is_tried_again_on_another(engine: Engine) -> None:
    def lose(tx: Tx) -> None:
        kill_the_session(engine, tx)
        add_one(tx)

    function, tries = failing_once(engine, lose)
    function()
    assert (len(tries), numbers(engine)) == (2, [1, 0])


def test_a_session_that_was_gone_before_is_not_even_noticed(engine: Engine) -> None:
    with begin(engine) as tx, begin(engine) as other:
        pids = [transaction.execute(text("SELECT pg_backend_pid()")).scalar_one() for transaction in (tx, other)]
    with begin(engine) as tx:
        mine = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        others = [pid for pid in pids if pid != mine]
        assert tx.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": others[0]}).scalar_one()
    with begin(engine) as tx, begin(engine) as other:
        add_one(tx)
        add_one(other, 2)
    assert numbers(engine) == [1, 1]


def test_a_deadlock_is_tried_again_by_its_victim(engine: Engine) -> None:
    both_hold_one = threading.Barrier(2, timeout=_LONG)
    tries: list[int] = []

    @retried
    def function(first: int, second: int) -> None:
        with begin(engine) as tx:
            tries.append(first)
            add_one(tx, first)
            if tries.count(first) == 1:
                both_hold_one.wait()
            add_one(tx, second)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(function, 1, 2), pool.submit(function, 2, 1)]:
            done.result()
    assert (len(tries), numbers(engine)) == (3, [2, 2])


def test_a_serialization_failure_is_tried_again(engine: Engine) -> None:
    tries: list[int] = []

    @retried
    def function() -> None:
        with begin(engine) as tx:
            tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            tries.append(1)
            tx.execute(text("SELECT n FROM numbers")).all()
            if len(tries) == 1:
                with begin(engine) as quicker:
                    add_one(quicker)
            add_one(tx)

    function()
    assert (len(tries), numbers(engine)) == (2, [2, 0])


@pytest.mark.parametrize("done", [True, False])
def test_a_commit_whose_answer_is_lost_is_not_tried_again(engine: Engine, *, done: bool) -> None:
    def lose(connection: Connection) -> None:
        assert connection.connection.dbapi_connection is not None
        if done:
            connection.connection.dbapi_connection.commit()
        connection.connection.dbapi_connection.close()

    function, tries = failing_once(engine, lambda _: None)
    event.listen(engine, "commit", lose, once=True)
    with pytest.raises(Unavailable) as lost:
        function()
    assert not isinstance(lost.value, Interrupted)
    assert (len(tries), numbers(engine)) == (1, [int(done), 0])


def test_what_is_refused_for_another_reason_is_not_tried_again(engine: Engine) -> None:
    def wait_in_vain(tx: Tx) -> None:
        tx.execute(text("SET LOCAL statement_timeout = '10ms'"))
        tx.execute(text("SELECT pg_sleep(60)"))

    function, tries = failing_once(engine, wait_in_vain)
    with pytest.raises(Unavailable) as refused:
        function()
    assert not isinstance(refused.value, Interrupted)
    assert (len(tries), numbers(engine)) == (1, [0, 0])


def test_the_end_of_all_tries_is_unavailable() -> None:
    tries: list[int] = []

    @retried
    def function() -> None:
        tries.append(1)
        with begin(connect("postgresql://nobody@127.0.0.1:1/nothing", connections=1)):
            pass

    with pytest.raises(Interrupted):
        function()
    assert len(tries) == 4


_MODE = text("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")


def test_only_a_read_is_read_only(engine: Engine) -> None:
    """Each of these transactions is on the connection of the one before."""
    for transaction, mode in (
        (read, ("repeatable read", "on")),
        (begin, ("read committed", "off")),
        (read, ("repeatable read", "on")),
        (Engine.begin, ("read committed", "off")),
    ):
        with transaction(engine) as tx:
            assert tuple(tx.execute(_MODE).one()) == mode


def test_a_read_on_another_session_than_the_lost_one_is_read_only_too(engine: Engine) -> None:
    with begin(engine) as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = connect(engine.url.render_as_string(hide_password=False), connections=1)
    with begin(other) as tx:
        tx.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    other.dispose()
    with read(engine) as tx:
        assert tuple(tx.execute(_MODE).one()) == ("repeatable read", "on")


def test_every_transaction_has_its_limits(engine: Engine) -> None:
    query = text("SELECT name, setting FROM pg_settings WHERE name LIKE '%\\_timeout'")
    for transaction in (begin, read):
        with transaction(engine) as tx:
            limits = {row.name: int(row.setting) for row in tx.execute(query)}
        assert limits["statement_timeout"] == 30_000
        assert limits["idle_in_transaction_session_timeout"] < limits["lock_timeout"] < limits["statement_timeout"]


def test_of_several_hosts_the_one_that_answers_and_writes_is_taken(engine: Engine) -> None:
    url = engine.url
    ports = f"1,{url.port}"
    several = url.set(host=None, port=None).update_query_dict(
        {"host": "127.0.0.1,127.0.0.1", "port": ports, "target_session_attrs": "read-write"}
    )
    elsewhere = connect(several.render_as_string(hide_password=False), connections=1)
    with begin(elsewhere) as tx:
        add_one(tx)
    elsewhere.dispose()
    assert numbers(engine) == [1, 0]


def test_a_server_that_was_demoted_is_left(engine: Engine) -> None:
    """It only reads, but still answers; without this its connections would be used for ever."""
    with begin(engine) as tx:
        before = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with pytest.raises(Unavailable), begin(engine) as tx:
        tx.exec_driver_sql("SET TRANSACTION READ ONLY; UPDATE numbers SET n = n + 1")
    with begin(engine) as tx:
        assert tx.execute(text("SELECT pg_backend_pid()")).scalar_one() != before
