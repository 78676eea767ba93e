"""What only whoever owns the database can do to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from factories import House
from sqlalchemy import Connection, text

from service.db.engine import begin


@contextmanager
def as_its_owner(house: House) -> Iterator[Connection]:
    """Whoever owns the database: nothing that the schema forbids is forbidden to them."""
    house.is_forged = True
    with begin(house.owner) as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for name in tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
                tx.execute(text(f"DROP TRIGGER {name}"))
        yield tx
