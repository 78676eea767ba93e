"""Which version of the schema the database has, which one this code needs, and the way there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, inspect, select

from service.db.engine import Tx, translated
from service.db.tables import supported_revisions
from service.domain.errors import Code, Unavailable

# Beside the package, in the repository and in an installed wheel alike.
_MIGRATIONS = Path(__file__).parents[2] / "migrations"


def needed() -> str:
    """The revision that this code was written for."""
    head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {_MIGRATIONS}")
    return head


def current(tx: Tx) -> str | None:
    """The revision that the database has; None for an empty one."""
    return MigrationContext.configure(tx).get_current_revision()


def supports(tx: Tx, revision: str) -> bool:
    """Whether code that was written for `revision` runs on what the database has: that very one, or a later one whose
    migration says so.
    """
    if current(tx) == revision:
        return True
    if not inspect(tx).has_table(supported_revisions.name):
        return False
    query = select(supported_revisions).where(supported_revisions.c.revision == revision)
    return tx.execute(query).first() is not None


def migrate(engine: Engine) -> None:
    """Bring the database up to the needed revision; safe to call when it is there already, or on its way by somebody
    else. One that is ahead, and that this code runs on, stays so. Raises Unavailable.
    """
    try:
        with translated():
            with engine.connect() as tx:
                is_ahead = current(tx) != needed() and supports(tx, needed())
            if not is_ahead:
                command.upgrade(config_for(engine), "head")
    except CommandError as error:
        raise Unavailable(Code.UNAVAILABLE, f"The database was not migrated: {error}") from error


def config_for(engine: Engine) -> Config:
    """What Alembic's commands need to work on `engine`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = engine
    return config
