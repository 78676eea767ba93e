"""Changes that only the owner of the database can make."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update
from support.house import House

from service.db import tree
from service.db.engine import begin
from service.db.tables import audit_events, audit_head, audit_nodes, audit_tree
from service.domain.canonical import canonical
from service.domain.merkle import EMPTY, leaf_hash


@contextmanager
def as_its_owner(house: House) -> Iterator[Connection]:
    """Connect as the owner of the database, with the schema's protections off."""
    house.is_forged = True
    with begin(house.owner) as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for name in tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
                tx.execute(text(f"DROP TRIGGER {name}"))
        yield tx


def contents(tx: Connection) -> list[dict[str, Any]]:
    return [
        json.loads(row) for row in tx.execute(select(audit_events.c.content).order_by(audit_events.c.seq)).scalars()
    ]


def rewritten(tx: Connection, events: list[dict[str, Any]]) -> None:
    """Rewrite the whole log, with all its hashes."""
    known = {row.seq: row for row in tx.execute(select(audit_events))}
    for table in (audit_nodes, audit_events):
        tx.execute(delete(table))
    grown = EMPTY
    for seq, event in enumerate(events, 1):
        content = canonical(event | {"seq": seq}).decode()
        row = {"at": known[1].at, **known.get(event["seq"], known[1])._mapping, "seq": seq}
        said = {"event": event["event"], "request_id": event["request_id"], "content": content}
        tx.execute(insert(audit_events).values(**row | said))
        grown, nodes = grown.append(leaf_hash(content.encode()))
        for node, found in nodes.items():
            row = {"seq": tree.seq_of(node), "level": node.level, "hash": found.hex()}
            tx.execute(insert(audit_nodes).values(**row))
    tx.execute(update(audit_head).values(size=len(events)))
    tx.execute(update(audit_tree).values(size=grown.size, root=grown.root().hex()))


def rewrite(house: House) -> None:
    """Change the first event, and make the rest of the log fit."""
    with as_its_owner(house) as tx:
        events = contents(tx)
        events[0]["at"] = "2020-01-01T00:00:00.000000Z"
        rewritten(tx, events)


def cut(house: House) -> None:
    """Take the last event away."""
    with as_its_owner(house) as tx:
        rewritten(tx, contents(tx)[:-1])
