"""The tree over the audit log grows in the transaction of each event, without a gap or a fork. On both engines."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from support.house import House
from support.past_triggers import as_its_owner

from service.db import audit, tree
from service.db.engine import begin, read
from service.db.tables import audit_events, audit_head, audit_nodes, audit_tree
from service.domain.actor import WORKER
from service.domain.errors import Unavailable
from service.domain.event_table import EventName
from service.domain.events import Event
from service.domain.merkle import (
    EMPTY,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
)
from service.verifier import check_consistency, root_from_inclusion


def append(house: House, number: int = 0) -> bytes:
    """One event more; the root after it."""
    with begin(house.ctx.engine) as tx:
        event = Event(EventName("test.happened"), {"number": number})
        return audit.append(tx, event, actor=WORKER, at=house.clock())[0].root


def contents(house: House) -> list[str]:
    with read(house.ctx.engine) as tx:
        return [content for _, content in audit.page(tx, after=0, limit=10_000)]


def over(leaves: list[str]) -> Frontier:
    grown = EMPTY
    for leaf in leaves:
        grown, _ = grown.append(leaf_hash(leaf.encode()))
    return grown


def test_the_root_after_each_event_is_that_of_all_leaves_so_far(house: House) -> None:
    roots = [append(house, number) for number in range(20)]
    leaves = contents(house)
    assert roots == [over(leaves[: number + 1]).root() for number in range(20)]


def test_every_proof_is_made_of_what_is_stored(house: House) -> None:
    roots = [append(house, number) for number in range(13)]
    leaves = contents(house)
    with read(house.ctx.engine) as tx:
        hashes = tree.over(tx, 13).hashes
        for size in range(1, 14):
            for index in range(size):
                proof = inclusion_proof(index, size, hashes)
                leaf = leaf_hash(leaves[index].encode())
                assert root_from_inclusion(index, size, leaf, proof) == roots[size - 1]
            for first in range(1, size + 1):
                proof = consistency_proof(first, size, hashes)
                check_consistency(first, size, roots[first - 1], roots[size - 1], proof)


def test_an_event_is_about_one_more_row(house: House) -> None:
    for number in range(64):
        append(house, number)
    with read(house.ctx.engine) as tx:
        assert len(tx.execute(select(audit_nodes)).all()) == 63


def test_twenty_threads_leave_no_gap_and_no_fork(house: House) -> None:
    with ThreadPoolExecutor(20) as threads:
        roots = list(threads.map(lambda number: append(house, number), range(200)))
    leaves = contents(house)
    assert [json.loads(leaf)["seq"] for leaf in leaves] == list(range(1, 201))
    assert {json.loads(leaf)["data"]["number"] for leaf in leaves} == set(range(200))
    assert len(set(roots)) == 200
    with read(house.ctx.engine) as tx:
        assert tree.over(tx, 200).frontier == over(leaves)
        assert tree.head(tx) == (200, over(leaves).root().hex())


def append_as_before(house: House, seq: int) -> None:
    """As an earlier version of the service, which knew of no tree."""
    house.is_forged = True
    row = {"seq": seq, "at": house.clock(), "event": "test.happened", "request_id": None, "content": f'{{"seq":{seq}}}'}
    with begin(house.ctx.engine) as tx:
        tx.execute(audit_head.update().values(size=audit_head.c.size + 1))
        tx.execute(audit_events.insert().values(**row))


@pytest.mark.parametrize("ours", range(4))
def test_what_an_earlier_version_appended_is_in_the_tree(house: House, ours: int) -> None:
    for number in range(ours):
        append(house, number)
    for seq in range(ours + 1, 10):
        append_as_before(house, seq)
        whole = over(contents(house))
        with read(house.ctx.engine) as tx:
            tree_now = tree.over(tx, seq)
            proof = inclusion_proof(0, seq, tree_now.hashes)
        assert tree_now.frontier == whole
        assert root_from_inclusion(0, seq, leaf_hash(contents(house)[0].encode()), proof) == whole.root()
    assert append(house) == over(contents(house)).root()
    with read(house.ctx.engine) as tx:
        assert len(tx.execute(select(audit_nodes)).all()) == 8


def test_a_log_with_a_row_too_few_has_no_tree(house: House) -> None:
    for number in range(6):
        append(house, number)
    with as_its_owner(house) as tx:
        tx.execute(audit_nodes.delete().where(audit_nodes.c.seq == 2))
    with read(house.ctx.engine) as tx:
        assert tree.over(tx, 6).frontier.size == 6
        with pytest.raises(Unavailable, match="does not match its events"):
            inclusion_proof(2, 6, tree.over(tx, 6).hashes)
        with pytest.raises(Unavailable, match="does not match its events"):
            tree.over(tx, 7)


@pytest.mark.parametrize("seq", [2, 4, 8])
def test_nothing_is_made_of_a_node_that_somebody_stored_before_its_time(house: House, seq: int) -> None:
    append(house)
    with as_its_owner(house) as tx:
        tx.execute(audit_nodes.insert().values(seq=seq, level=1, hash="0" * 64))
    for size in range(2, seq):
        assert append(house) == over(contents(house)).root()
        with read(house.ctx.engine) as tx:
            assert tree.over(tx, size).frontier == over(contents(house))
    with pytest.raises(Unavailable, match="does not match its events"):
        append(house)
    assert len(contents(house)) == seq - 1


@pytest.mark.parametrize(
    "node",
    [
        {"seq": 2, "level": 1, "hash": "0" * 64},  # another hash than that of the leaves below
        {"seq": 4, "level": 2, "hash": "0" * 64},  # than that of the nodes below
        {"seq": 4, "level": 1, "hash": leaf_hash(b"").hex()},  # before the leaves below are all there
        {"seq": 3, "level": 1, "hash": "0" * 64},  # at no node's place
        {"seq": 2, "level": 63, "hash": "0" * 64},
        {"seq": 2, "level": 1, "hash": "x" * 64},
    ],
)
def test_the_services_own_role_stores_no_node_but_the_hash_of_what_is_below(
    postgres_house: House, node: dict[str, object]
) -> None:
    """As while an older version appends, which stores none: what that leaves out is anybody's who may write."""
    for seq in range(1, 4):
        append_as_before(postgres_house, seq)
    with pytest.raises(IntegrityError), begin(postgres_house.ctx.engine) as tx:
        tx.execute(audit_nodes.insert().values(**node))


def test_a_temporary_table_hides_nothing_from_the_check_of_a_node(postgres_house: House) -> None:
    for seq in (1, 2):
        append_as_before(postgres_house, seq)
    forged = node_hash(leaf_hash(b"forged"), leaf_hash(b"forged")).hex()
    with begin(postgres_house.ctx.engine) as tx:
        tx.execute(text("CREATE TEMPORARY TABLE audit_events AS SELECT seq, 'forged' AS content FROM audit_events"))
        with pytest.raises(IntegrityError, match="what is below"):
            tx.execute(text(f"INSERT INTO public.audit_nodes VALUES (2, 1, '{forged}')"))


def test_an_event_that_is_rolled_back_leaves_nothing_in_the_tree(house: House) -> None:
    append(house)
    with suppress(ZeroDivisionError), begin(house.ctx.engine) as tx:
        audit.append(tx, Event(EventName("test.happened")), actor=WORKER, at=house.clock())
        raise ZeroDivisionError
    append(house)
    assert len(contents(house)) == 2
    with read(house.ctx.engine) as tx:
        assert tree.over(tx, 2).frontier == over(contents(house))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_nodes SET hash = hash",
        "DELETE FROM audit_nodes",
        "UPDATE audit_tree SET size = size",
        "UPDATE audit_tree SET size = size - 1",
        "DELETE FROM audit_tree",
    ],
)
def test_the_tree_only_grows(house: House, statement: str) -> None:
    for number in range(4):
        append(house, number)
    with pytest.raises(Exception, match=r"append-only|grows|stays"), begin(house.owner) as tx:
        tx.execute(text(statement))


def test_each_event_of_a_request_names_the_one_before(house: House) -> None:
    request = house.approved()
    append(house)
    events = [json.loads(content) for content in house.events(house.execute(request, by="alice")[0])]
    assert [event["previous"] for event in events] == [None, *(event["seq"] for event in events[:-1])]


def test_an_event_that_is_of_no_request_names_none(house: House) -> None:
    append(house)
    assert json.loads(contents(house)[0])["previous"] is None


def test_filing_and_execution_say_the_policy_in_force(house: House) -> None:
    request = house.approved()
    house.change(policy=replace(house.ctx.policy, receipt_window=timedelta(minutes=5)))
    events = [json.loads(content) for content in house.events(house.execute(request)[0])]
    said = {event["event"]: event["data"]["policy"]["receipt_window"] for event in events if "policy" in event["data"]}
    assert said == {"request.filed": 900, "execution.started": 300}


def test_reads_are_marked_once_an_hour(house: House) -> None:
    hour = house.clock().replace(minute=0, second=0, microsecond=0)
    later = hour.replace(year=hour.year + 1)

    def mark(what: str, at: datetime) -> bool:
        with begin(house.ctx.engine) as tx:
            return audit.mark_read(tx, "audrey", what, at)

    assert mark("events", hour)
    assert not mark("events", hour)
    assert mark("export", hour)
    assert mark("events", later)
    assert not mark("events", later)
    assert mark("events", hour)  # of a clock that had jumped


def test_of_many_that_read_at_once_one_is_first(house: House) -> None:
    hour = house.clock().replace(minute=0, second=0, microsecond=0)

    def mark(_: int) -> bool:
        with begin(house.ctx.engine) as tx:
            return audit.mark_read(tx, "audrey", "events", hour)

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(mark, range(30))) == 1


def test_the_tree_is_one_row(house: House) -> None:
    append(house)
    with read(house.ctx.engine) as tx:
        assert len(tx.execute(select(audit_tree)).all()) == 1
