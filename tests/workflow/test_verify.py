"""Whatever is done to the stored log, with all triggers off, is found and named. On both engines.

What is rewritten with every hash that goes with it can only be told by a head that was kept elsewhere.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import BOTH, DEACTIVATE, OTHER_ACCOUNT, House
from past_triggers import as_its_owner
from sqlalchemy import Connection, delete, insert, select, text, update

from service.db import tree
from service.db.engine import begin, read
from service.db.tables import audit_events, audit_head, audit_nodes, audit_tree, decisions, requests
from service.domain.canonical import canonical
from service.domain.merkle import EMPTY, leaf_hash
from service.workflow.verify import Anchor, verify

SECOND = timedelta(seconds=1)

Tampering = Callable[[Connection], None]


@pytest.fixture
def log(house: House) -> House:
    return lived(house)


def lived(house: House) -> House:
    """A house in which something has happened: a whole request, and one that waits."""
    house.execute(house.approved(DEACTIVATE, house.spare_key()))
    house.approve(house.file(account_id=OTHER_ACCOUNT), "bob")
    return house


def faults(house: House, *anchors: Anchor) -> list[str]:
    return [str(fault) for fault in verify(house.ctx, anchors)]


def head(house: House) -> Anchor:
    with read(house.ctx.engine) as tx:
        size, root = tree.head(tx)
    return Anchor(size, bytes.fromhex(root), "the ticket OPS-1")


def contents(tx: Connection) -> list[dict[str, Any]]:
    return [
        json.loads(row) for row in tx.execute(select(audit_events.c.content).order_by(audit_events.c.seq)).scalars()
    ]


def rewritten(tx: Connection, events: list[dict[str, Any]]) -> None:
    """All of it anew, with every hash that goes with it."""
    known = {row.seq: row for row in tx.execute(select(audit_events))}
    for table in (audit_nodes, audit_events):
        tx.execute(delete(table))
    grown = EMPTY
    for seq, event in enumerate(events, 1):
        content = canonical(event | {"seq": seq}).decode()
        row = {"at": known[1].at, **known.get(event["seq"], known[1])._mapping, "seq": seq}
        tx.execute(insert(audit_events).values(**row | {"content": content}))
        grown, nodes = grown.append(leaf_hash(content.encode()))
        for node, found in nodes.items():
            row = {"seq": tree.seq_of(node), "level": node.level, "hash": found.hex()}
            tx.execute(insert(audit_nodes).values(**row))
    tx.execute(update(audit_head).values(size=len(events)))
    tx.execute(update(audit_tree).values(size=grown.size, root=grown.root().hex()))


def changed(seq: int, **values: Any) -> Tampering:
    return run(update(audit_events).where(audit_events.c.seq == seq).values(**values))


def said(seq: int, name: str, value: Any) -> Tampering:
    """One field of the content itself, still in canonical form."""

    def tamper(tx: Connection) -> None:
        event = contents(tx)[seq - 1]
        changed(seq, content=canonical(event | {name: value}).decode())(tx)

    return tamper


def swapped(tx: Connection) -> None:
    second, third = contents(tx)[1:3]
    changed(2, content=canonical(third | {"seq": 2}).decode())(tx)
    changed(3, content=canonical(second | {"seq": 3}).decode())(tx)


def inserted(tx: Connection) -> None:
    first = tx.execute(select(audit_events).where(audit_events.c.seq == 1)).one()
    size = len(contents(tx))
    content = canonical(contents(tx)[0] | {"seq": size + 1}).decode()
    tx.execute(insert(audit_events).values(**dict(first._mapping) | {"seq": size + 1, "content": content}))


def cut(tx: Connection) -> None:
    """The last event, and the head that counts it."""
    size = len(contents(tx))
    tx.execute(delete(audit_nodes).where(audit_nodes.c.seq == size))
    tx.execute(delete(audit_events).where(audit_events.c.seq == size))
    tx.execute(update(audit_head).values(size=size - 1))


def run(statement: Any) -> Tampering:
    def tamper(tx: Connection) -> None:
        tx.execute(statement)

    return tamper


TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "content is no JSON": (changed(3, content="{"), "sequence number 3: expected canonical JSON"),
    "content is not canonical": (changed(3, content='{ "seq":3}'), "sequence number 3: expected an object in"),
    "number in the content": (said(3, "seq", 4), "sequence number 3, column seq: expected 4"),
    "time": (said(3, "at", "2020-01-01T00:00:00.000000Z"), "sequence number 3, column at"),
    "event": (said(3, "event", "request.rejected"), "sequence number 3, column event"),
    "request": (said(4, "request_id", None), "sequence number 4, column request_id"),
    "actor": (said(3, "actor", {}), "node of level 2 that ends with sequence number 4"),
    "previous": (said(4, "previous", None), "node of level 1 that ends with sequence number 4"),
    "data": (said(2, "data", {}), "node of level 1 that ends with sequence number 2"),
    "the last event's data": (said(10, "data", {"x": 1}), "the tree at"),
    "column of the time": (run(text("UPDATE audit_events SET at = '2020-01-01 00:00:00' WHERE seq = 3")), "column at"),
    "column of the event": (changed(3, event="request.rejected"), "sequence number 3, column event"),
    "column of the request": (changed(4, request_id=None), "sequence number 4, column request_id"),
    "deletion": (run(delete(audit_events).where(audit_events.c.seq == 3)), "sequence number 3: expected an event"),
    "deletion of the first": (run(delete(audit_events).where(audit_events.c.seq == 1)), "sequence number 1: expected"),
    "swap": (swapped, "node of level 1 that ends with sequence number 2"),
    "insertion": (inserted, "the log's head: expected"),
    "end cut": (cut, "the tree: expected"),
    "head": (run(update(audit_head).values(size=1)), "the log's head: expected"),
    "node": (
        run(update(audit_nodes).where(audit_nodes.c.seq == 2).values(hash="0" * 64)),
        "ends with sequence number 2",
    ),
    "node gone": (run(delete(audit_nodes).where(audit_nodes.c.seq == 2)), "found none"),
    "root": (run(update(audit_tree).values(root="0" * 64)), "the tree at"),
    "size": (run(update(audit_tree).values(size=1)), "the tree: expected"),
    "node too many": (
        run(insert(audit_nodes).values(seq=64, level=1, hash="0" * 64)),
        "ends with sequence number 64",
    ),
}


def test_what_nobody_touched_has_no_fault(log: House) -> None:
    assert faults(log, head(log)) == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_named(log: House, name: str) -> None:
    tamper, named = TAMPERINGS[name]
    with as_its_owner(log) as tx:
        tamper(tx)
    found = faults(log)
    assert any(named in fault for fault in found), found


def without_the_last(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return events[:-1]


def with_another_name(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [events[0] | {"data": events[0]["data"] | {"who": "somebody else"}}, *events[1:]]


@pytest.mark.parametrize("change", [without_the_last, with_another_name])
def test_a_log_rewritten_with_all_its_hashes_is_told_by_an_anchor(
    log: House, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    anchor = head(log)
    with as_its_owner(log) as tx:
        rewritten(tx, change(contents(tx)))
    assert not [fault for fault in faults(log) if not fault.startswith("request ")]
    assert any("the ticket OPS-1" in fault for fault in faults(log, anchor))


def test_a_fork_after_a_restored_backup_is_told_by_an_anchor(log: House) -> None:
    with as_its_owner(log) as tx:
        backup = contents(tx)
    after = log.file(account_id=BOTH)
    anchor = head(log)
    with as_its_owner(log) as tx:
        rewritten(tx, backup)
        tx.execute(delete(requests).where(requests.c.id == after.filing.request_id))
    log.file(account_id=BOTH)
    assert faults(log) == []
    assert any(f"sequence numbers 1 to {anchor.size}" in fault for fault in faults(log, anchor))


def test_a_row_that_says_what_the_log_does_not_is_found(log: House) -> None:
    with as_its_owner(log) as tx:
        tx.execute(update(requests).where(requests.c.status == "pending").values(justification="Another."))
        tx.execute(update(decisions).where(decisions.c.person == "bob").values(comment="Forged."))
    found = faults(log)
    assert any("what was filed" in fault for fault in found)
    assert any("decision of bob" in fault for fault in found)


def test_an_approval_that_nobody_made_is_found(log: House) -> None:
    with as_its_owner(log) as tx:
        made = tx.execute(
            select(decisions)
            .join(requests, requests.c.id == decisions.c.request_id)
            .where(requests.c.status == "pending")
        ).one()
        tx.execute(insert(decisions).values(**dict(made._mapping) | {"person": "carol"}))
    assert any("decision of carol: expected None" in fault for fault in faults(log))


def test_a_vote_that_was_given_another_time_is_found(log: House) -> None:
    """The service's own role can do that, and one of before a suspension would count again."""
    with begin(log.ctx.engine) as tx:
        tx.execute(update(decisions).where(decisions.c.person == "bob").values(decided_at=log.clock() + SECOND))
    assert any("decision of bob, time: expected 2" in fault for fault in faults(log))


def test_a_status_that_no_event_has_led_to_is_found(log: House) -> None:
    with as_its_owner(log) as tx:
        now = log.clock()
        values = {"status": "approved", "approved_at": now, "execute_by": now}
        tx.execute(update(requests).where(requests.c.status == "pending").values(**values))
    assert any("status: expected pending" in fault for fault in faults(log))


def test_a_row_that_is_in_no_leaf_is_found(log: House) -> None:
    with as_its_owner(log) as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("ALTER TABLE audit_events DROP CONSTRAINT ck_audit_events_seq"))
        else:
            tx.execute(text("PRAGMA ignore_check_constraints = ON"))
        row = dict(tx.execute(select(audit_events).where(audit_events.c.event == "decision.recorded")).first()._mapping)  # type: ignore[union-attr]
        tx.execute(insert(audit_events).values(**row | {"seq": -4}))
    assert any("numbered from 1, found one with number -4" in fault for fault in faults(log))


def test_a_request_that_is_missing_is_found(log: House) -> None:
    with as_its_owner(log) as tx:
        if tx.dialect.name == "sqlite":
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))
        tx.execute(update(audit_events).values(request_id=None))
        tx.execute(delete(decisions))
        tx.execute(delete(requests))
    assert any(fault.startswith("the requests: expected 2") for fault in faults(log))


def test_progress_is_told_up_to_the_last_event(log: House) -> None:
    told: list[tuple[int, int]] = []
    assert not list(verify(log.ctx, (), lambda done, every: told.append((done, every))))
    assert told == [(head(log).size, head(log).size)]


GARBAGE = {
    "UPDATE audit_events SET at = 'garbage' WHERE seq = 3": "the log: expected rows that can be read",
    "UPDATE audit_events SET content = x'ff' WHERE seq = 3": "sequence number 3: expected canonical JSON",
    "UPDATE audit_tree SET root = x'ff'": "the tree at 11 events",
    "UPDATE audit_events SET content = CAST(x'ff' AS TEXT) WHERE seq = 3": "the log: expected rows that can be read",
    "DELETE FROM audit_head": "the log: expected rows that can be read",
    "DELETE FROM audit_tree": "the log: expected rows that can be read",
    "UPDATE requests SET status = 'bogus'": ": expected rows that can be read",
    "UPDATE requests SET observed = '{'": ": expected rows that can be read",
    "UPDATE decisions SET decision = 'bogus'": ": expected rows that can be read",
    "UPDATE decisions SET decided_at = 'x'": ": expected rows that can be read",
}


@pytest.mark.parametrize("statement", GARBAGE)
def test_a_row_that_cannot_be_read_is_found(sqlite_house: House, statement: str) -> None:
    """SQLite keeps whatever it is given."""
    log = lived(sqlite_house)
    with as_its_owner(log) as tx:
        tx.execute(text("PRAGMA ignore_check_constraints = ON"))
        tx.execute(text(statement))
    assert any(GARBAGE[statement] in fault for fault in faults(log)), faults(log)


def test_a_file_that_is_damaged_is_found(sqlite_house: House) -> None:
    log = lived(sqlite_house)
    file = Path(str(log.ctx.engine.url.database))
    with as_its_owner(log) as tx:
        root: int = tx.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'audit_events'")).scalar_one()
        size: int = tx.execute(text("PRAGMA page_size")).scalar_one()
    log.ctx.engine.dispose()
    log.owner.dispose()  # with the last connection goes the write-ahead log, into the file
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\xff" * size)
    assert any("the log: expected rows that can be read" in fault for fault in faults(log))


def test_a_row_that_cannot_be_read_hides_no_other(log: House) -> None:
    """On PostgreSQL it is a time that Python has no word for; the service's own role can write it."""
    with as_its_owner(log) as tx:
        time = {"sqlite": "x", "postgresql": "infinity"}[tx.dialect.name]
        tx.execute(text(f"UPDATE audit_events SET at = '{time}' WHERE seq = 3"))
        tx.execute(text(f"UPDATE decisions SET decided_at = '{time}' WHERE person = 'carol'"))
        tx.execute(update(requests).where(requests.c.status == "pending").values(justification="Another."))
    of_log, *of_requests = sorted(faults(log), key=lambda fault: fault.startswith("request "))
    assert of_log.startswith("the log: expected rows that can be read")
    assert len([fault for fault in of_requests if "rows that can be read" in fault]) == 1
    assert len([fault for fault in of_requests if "what was filed" in fault]) == 1


def test_what_a_row_says_is_shown_so_that_no_terminal_obeys_it(log: House) -> None:
    with as_its_owner(log) as tx:
        tx.execute(update(audit_nodes).where(audit_nodes.c.seq == 2).values(hash="\x1b[8m\u202e".ljust(64, "0")))
    (fault,) = faults(log)
    assert fault.isprintable()
