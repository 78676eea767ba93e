"""Whatever is done to the stored log, with all triggers off, is found and named. On both engines.

What is rewritten with every hash that goes with it can only be told by a head that was kept elsewhere.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update
from support.builders import ACCOUNTS, BOTH, CREATE, DEACTIVATE, OTHER_ACCOUNT, filing
from support.house import House
from support.ledger import ORIGIN
from support.past_triggers import as_its_owner, contents, rewritten
from support.signed_ledger import KEYS, STRANGERS, Draft, Story

from service.db import requests as db_requests
from service.db import tree
from service.db.engine import begin, read
from service.db.tables import audit_events, audit_head, audit_nodes, audit_tree, decisions, requests
from service.domain.account import Part
from service.domain.canonical import canonical
from service.domain.capability import plan
from service.domain.request import OperationRequest
from service.verifier import Finding, Trust
from service.workflow.verify import Anchor, verify

MOMENT, SECOND, MINUTE = timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)

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


@pytest.mark.parametrize("by", [-MOMENT, MOMENT])
def test_a_vote_was_made_at_the_very_time_of_its_event(log: House, by: timedelta) -> None:
    with begin(log.ctx.engine) as tx:
        tx.execute(update(decisions).where(decisions.c.person == "bob").values(decided_at=log.clock() + by))
    assert any("decision of bob, time: expected 2" in fault for fault in faults(log))


@pytest.mark.parametrize("by", [-MINUTE, -MOMENT, MOMENT, MINUTE])
def test_versions_that_asked_the_clock_twice_wrote_times_that_are_less_than_a_minute_apart(
    log: House, by: timedelta
) -> None:
    """Those that did not name the event before."""
    with as_its_owner(log) as tx:
        old = contents(tx)
        for event in old:
            event["data"].pop("policy", None)
            del event["previous"]
        rewritten(tx, old)
        tx.execute(update(decisions).where(decisions.c.person == "bob").values(decided_at=log.clock() + by))
    (*found, note) = sorted(faults(log), key=lambda fault: "of a version" in fault)
    assert "of a version that did not say which quorum" in note
    assert bool(found) is (abs(by) == MINUTE)


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


Events = list[dict[str, Any]]


def first(events: Events, name: str) -> dict[str, Any]:
    return next(event for event in events if event["event"] == name)


def without(*names: str) -> Callable[[Events], Events]:
    return lambda events: [event for event in events if event["event"] not in names]


def by_one_alone(events: Events) -> Events:
    """Bob's approval in the place of carol's."""
    bobs, carols = [event for event in events if event["event"] == "decision.recorded"][:2]
    return [bobs | {"seq": event["seq"]} if event is carols else event for event in events]


def by_the_requester(events: Events) -> Events:
    vote = first(events, "decision.recorded")
    of_alice = {"kind": "person", "subject": "alice", "credential": "oidc-1", "proof": None}
    data = vote["data"] | {"person": "alice", "credential": "oidc-1"}
    return [vote | {"actor": of_alice, "data": data} if event is vote else event for event in events]


def denied_by_one(events: Events) -> Events:
    vote = first(events, "decision.recorded")
    return [vote | {"data": vote["data"] | {"decision": "reject"}} if event is vote else event for event in events]


def before_its_filing(events: Events) -> Events:
    late = first(events, "execution.started")
    return [event | {"at": "2020-01-01T00:00:00.000000Z"} if event is late else event for event in events]


def of_something_else(events: Events) -> Events:
    started = first(events, "execution.started")
    data = started["data"] | {"digest": "0" * 64}
    return [started | {"data": data} if event is started else event for event in events]


def twice(events: Events) -> Events:
    return [*events, first(events, "execution.started")]


@pytest.mark.parametrize(
    ("forge", "named"),
    [
        (without("decision.recorded"), "no-quorum"),
        (by_one_alone, "no-quorum"),
        (by_the_requester, "own-approval"),
        (denied_by_one, "executed-against"),
        (without("request.filed"), "not-open"),
        (without("request.approved"), "wrong-step"),
        (without("execution.started"), "not-started"),
        (without("token.created"), "wrong-credential"),
        (twice, "not-open"),
        (before_its_filing, "time-contradicts"),
        (of_something_else, "wrong-digest"),
    ],
)
def test_a_log_that_tells_of_a_crime_is_no_good_log_however_well_it_is_hashed(
    log: House, forge: Callable[[Events], Events], named: str
) -> None:
    with as_its_owner(log) as tx:
        rewritten(tx, forge(contents(tx)))
    found = [fault for fault in faults(log) if fault.startswith(f"{named}: seq ")]
    assert found, faults(log)
    assert all(", request '" in fault for fault in found)


def approve(tx: Connection, request: OperationRequest, at: datetime, tokens: dict[str, str]) -> None:
    """Rows that say so, and no event."""
    filing = request.filing
    of_it = {"request_id": filing.request_id, "requester": filing.requester, "recipient": filing.recipient}
    for person, token in tokens.items():
        vote = {"person": person, "digest": request.digest, "decision": "approve", "credential": token}
        tx.execute(insert(decisions).values(**of_it, **vote, decided_at=at))
    approved = {"status": "approved", "approved_at": at, "execute_by": at + filing.execution_window}
    tx.execute(update(requests).where(requests.c.id == filing.request_id).values(**approved))


def test_an_execution_by_decisions_that_were_forged_and_deleted_is_found(log: House) -> None:
    """Nobody but bob ever approved, and no row says otherwise any more."""
    with read(log.ctx.engine) as tx:
        asked = next(
            each for each in db_requests.by_ids(tx, db_requests.ids(tx, after="", limit=9)) if each.status == "pending"
        )
    tokens = {"carol": log.actor("carol").credential}
    with as_its_owner(log) as tx:
        approve(tx, asked, log.clock(), tokens)
    executed, key = log.execute(asked)
    assert (executed.status, key is None) == ("delivered", False)
    with as_its_owner(log) as tx:
        tx.execute(
            delete(decisions).where(decisions.c.person == "carol", decisions.c.request_id == asked.filing.request_id)
        )
    of_row, of_log = (
        [fault for fault in faults(log) if fault.startswith("request ") is is_of_row] for is_of_row in (True, False)
    )
    assert [fault.partition(":")[0] for fault in of_log] == ["wrong-step", "no-quorum"]
    assert all(f"request '{asked.filing.request_id}'" in fault for fault in of_log)
    assert [fault.split(", ")[1].partition(":")[0] for fault in of_row] == ["execute_by", "approved_at"]


def test_an_execution_of_what_was_never_filed_and_is_in_no_row_any_more_is_found(log: House) -> None:
    """As many requests were filed as there are: nothing but the rules tells."""
    with log.ctx.roots.sign_in(ACCOUNTS[BOTH], plan(ACCOUNTS[BOTH], CREATE)) as root:
        observed = root.observe(log.clock(), *(set(Part) - {Part.SIGNER}))
    now = log.clock()
    forged = OperationRequest.file(
        filing(recipient="alice", account_id=BOTH, observed=observed, filed_at=now, approve_by=now + timedelta(days=1))
    )
    tokens = {person: log.actor(person).credential for person in ("bob", "carol")}
    with as_its_owner(log) as tx:
        db_requests.add(tx, forged, idempotency_key=None, idempotency_hash=None)
        approve(tx, forged, now, tokens)
    _, key = log.execute(forged)
    assert key is not None
    deleted(log, forged.filing.request_id)
    assert {fault.partition(":")[0] for fault in faults(log)} == {"not-open"}


def deleted(log: House, request_id: str) -> None:
    """With what refers to it left as it is."""
    statements = [
        f"DELETE FROM {table} WHERE {column} = '{request_id}'"
        for table, column in (("decisions", "request_id"), ("requests", "id"))
    ]
    if log.owner.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(log.owner.url.database))) as plain, plain:
            for statement in statements:
                plain.execute(statement)
        return
    with as_its_owner(log) as tx:
        for statement in statements:
            tx.execute(text(statement))


def test_what_could_not_be_judged_is_said_beside_the_faults(log: House) -> None:
    """Of a log from before its executions said which quorum was in force."""
    with as_its_owner(log) as tx:
        old = contents(tx)
        for event in old:
            event["data"].pop("policy", None)
            del event["previous"]
        rewritten(tx, old)
    (note,) = faults(log)
    assert note.startswith("1 executions are of a version that did not say which quorum was in force")


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
    log.is_forged = True  # nothing of it can be read at the end
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


def by_a_stranger(draft: Draft) -> None:
    draft.signer = STRANGERS


def over_another_log(draft: Draft) -> None:
    draft.said["log"]["root"] = "0" * 64


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (Story(), set()),
        (Story(change=by_a_stranger), {"unregistered", "no-quorum"}),
        (Story(change=over_another_log), {"another-log", "no-quorum"}),
        (Story(unsigned=("bob",)), {"unsigned", "no-quorum"}),
    ],
    ids=["good", "by a stranger", "over another log", "unsigned"],
)
def test_signed_approvals_in_the_database_are_judged_as_in_an_export(
    house: House, story: Story, expected: set[str]
) -> None:
    request_id = house.file().filing.request_id
    with as_its_owner(house) as tx:
        rewritten(tx, replace(story, request_id=request_id).told()[0].leaves)
    ctx = replace(house.ctx, log=replace(house.ctx.log, origin=ORIGIN))
    for trust in (None, Trust(signers=frozenset((person, signer.public.text) for person, signer in KEYS.items()))):
        found = {each.name for each in verify(ctx, [], trust=trust) if isinstance(each, Finding)}
        assert found == expected
