"""The same tests of a request's life, and of several workers, as on a PostgreSQL of one's own."""

from fleet.test_workers import *  # noqa: F403
from sqlalchemy import Connection, text
from support.house import House
from workflow.test_decide import *  # noqa: F403
from workflow.test_execute import *  # noqa: F403
from workflow.test_lifetime import *  # noqa: F403
from workflow.test_races import *  # noqa: F403
from workflow.test_reconcile import *  # noqa: F403
from workflow.test_rollback import *  # noqa: F403


def test_one_connection_goes_through_several_sessions(house: House) -> None:
    """If not, all of these tests would say nothing."""
    engine = house.ctx.engine
    with engine.connect() as connection, engine.connect() as other:
        with connection.begin():
            first = session_of(connection)
        with other.begin():
            assert session_of(other) == first
            with connection.begin():
                assert session_of(connection) != first


def session_of(connection: Connection) -> int:
    pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid
