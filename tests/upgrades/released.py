"""The data that releases have left behind, one SQLite file and one dump of PostgreSQL for each schema.

Run as a script it writes those of the present schema, with the code of this time: `make release-data`, once for each
release. What a release has written is never written anew.
"""

import lzma
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import Engine, make_url, select, text
from support.house import House
from support.products.postgres import Postgres, as_owner, running_server
from upgrades.history import HISTORY_ACCOUNTS, live

from service.db import schema, tables
from service.db.engine import begin, connect, read
from service.db.schema import migrate
from service.domain.operation import OperationName
from service.domain.request import Status

DATA = Path(__file__).with_name("data")
REVISIONS = sorted({file.name.partition(".")[0] for file in DATA.glob("*.xz")})


def sqlite_file(revision: str) -> Path:
    return DATA / f"{revision}.sqlite.xz"


def postgres_dump(revision: str) -> Path:
    return DATA / f"{revision}.postgresql.sql.xz"


def restore_sqlite(revision: str, place: Path) -> str:
    """Write the file to `place`, and return the URL of the database."""
    place.write_bytes(lzma.decompress(sqlite_file(revision).read_bytes()))
    return f"sqlite:///{place}"


def restore_postgres(revision: str, url: str) -> None:
    """Fill an empty database, whose owner has this URL."""
    with psycopg.connect(make_url(url).render_as_string(hide_password=False)) as connection:
        connection.execute(lzma.decompress(postgres_dump(revision).read_bytes()))


def missing_in(engine: Engine) -> set[str]:
    """Return the statuses, operations and tables of today that these data have nothing of."""
    status, operation = tables.requests.c.status, tables.requests.c.operation
    with read(engine) as tx:
        found = {*tx.execute(select(status)).scalars(), *tx.execute(select(operation)).scalars()}
        found |= {table.name for table in tables.metadata.sorted_tables if tx.execute(select(table).limit(1)).first()}
    return {*Status, *OperationName, *tables.metadata.tables} - found


def write() -> None:
    revision = schema.needed()
    if revision in REVISIONS:
        sys.exit(f"There are data of {revision} already.")
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory() as name:
        _fill(f"sqlite:///{name}/rootquorum.db", small := Path(name) / "small.db")
        sqlite_file(revision).write_bytes(lzma.compress(small.read_bytes(), preset=9))
    with running_server() as server:
        _fill(url := as_owner(make_url(Postgres(server.url).new_database())))
        postgres_dump(revision).write_bytes(lzma.compress(server.dump(url).encode(), preset=9))


def _fill(url: str, small: Path | None = None) -> None:
    engine = connect(url, connections=1)
    migrate(engine)
    with House.on(url, accounts=HISTORY_ACCOUNTS) as house:
        live(house)
    with begin(engine) as tx:
        tx.execute(text("UPDATE leases SET holder = 'example 1'"))  # the name of this machine
    assert missing_in(engine) == set()
    if small is not None:
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql(f"VACUUM INTO '{small}'")
    engine.dispose()


if __name__ == "__main__":
    write()
