"""Measures the cost of checking the audit log: the whole log, an export, and one proof, for different sizes.

    PYTHONPATH=tests python bench/audit.py 1000 100000 1000000

The check takes linear time and constant memory, a proof logarithmic time. Compare the ratios of a run, not its seconds.
"""

import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Engine, insert, update
from support.ledger import SIGNER, executed
from support.products.postgres import running_postgres

from service import verifier
from service.db import tree
from service.db.engine import begin, connect, read
from service.db.schema import migrate
from service.db.tables import audit_events, audit_head, audit_nodes, audit_tree
from service.domain.actor import WORKER
from service.domain.canonical import canonical, parse_timestamp, sha256
from service.domain.checkpoint import Checkpoint
from service.domain.event_table import EventName
from service.domain.events import Event, record
from service.domain.merkle import EMPTY, Frontier, consistency_proof, inclusion_proof, leaf_hash
from service.signing.notes import sign_note
from service.workflow.context import Context
from service.workflow.verify import verify

_AT = parse_timestamp("2026-01-01T00:00:00.000000Z")
_BATCH = 5000


def grow(engine: Engine, grown: Frontier, size: int) -> Frontier:
    """Extend the log to `size` events like `db/audit.py`, but many per transaction."""
    while grown.size < size:
        events: list[dict[str, Any]] = []
        nodes: list[dict[str, Any]] = []
        for seq in range(grown.size + 1, min(grown.size + _BATCH, size) + 1):
            event = Event(EventName("bench.happened"), {"number": seq, "said": "x" * 200})
            content = canonical(
                record(event, seq=seq, at=_AT, actor=WORKER, request_id=None, previous=None, call_id=None)
            ).decode()
            grown, completed = grown.append(leaf_hash(content.encode()))
            events.append({"seq": seq, "at": _AT, "event": event.name, "request_id": None, "content": content})
            nodes += [
                {"seq": tree.seq_of(node), "level": node.level, "hash": found.hex()}
                for node, found in completed.items()
            ]
        with begin(engine) as tx:
            tx.execute(insert(audit_events), events)
            tx.execute(insert(audit_nodes), nodes)
            tx.execute(update(audit_tree).values(size=grown.size, root=grown.root().hex()))
    return grown


def measure(engine: Engine, size: int) -> tuple[float, float, float]:
    """Return the seconds of the check, its peak memory in MiB, and the milliseconds of a pair of proofs."""
    ctx = cast("Context", SimpleNamespace(engine=engine))
    tracemalloc.start()
    began = time.perf_counter()
    faults = list(verify(ctx, ()))
    seconds = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert not faults, faults[:3]
    began = time.perf_counter()
    with read(engine) as tx:
        for number in range(1, 51):
            now = tree.over(tx, size)
            inclusion_proof(size * number // 51, size, now.hashes)
            consistency_proof(max(1, size * number // 51), size, now.hashes)
    return seconds, peak, (time.perf_counter() - began) / 50 * 1000


@contextmanager
def engines() -> Iterator[dict[str, Engine]]:
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        made = {
            "SQLite": connect(f"sqlite:///{Path(folder)}/bench.db", connections=1),
            "PostgreSQL": connect(postgres.new_empty_database(), connections=1),
        }
        yield made
        for engine in made.values():
            engine.dispose()


def lives(size: int) -> Iterator[bytes]:
    """Yield an export of at least `size` events: complete requests, each filed, approved and executed."""
    ledger, _ = executed()
    made, mine = 0, [leaf for leaf in ledger.leaves if leaf["request_id"]]
    grown = verifier.Tree()
    for leaf in ledger.leaves:
        if not leaf["request_id"]:
            made += 1
            yield _line(grown, leaf | {"seq": made})
    while made < size:
        filed, request_id = made + 1, f"request {made}"
        filing = mine[0]["data"]["filing"] | {"id": request_id}
        digest = sha256(filing)
        for leaf in mine:
            made += 1
            data = leaf["data"] | {"digest": digest} | ({"filing": filing} if made == filed else {})
            before = None if made == filed else made - 1
            yield _line(grown, leaf | {"seq": made, "request_id": request_id, "previous": before, "data": data})
    note = sign_note(Checkpoint(SIGNER.name, grown.size, grown.root()).text(), [SIGNER])
    yield canonical({"checkpoint": note}) + b"\n"


def _line(grown: verifier.Tree, leaf: dict[str, Any]) -> bytes:
    grown.append(canonical(leaf))
    return canonical(leaf) + b"\n"


def measure_export(size: int) -> tuple[float, float]:
    """Return the seconds of checking an export, and the peak memory in MiB."""
    with tempfile.TemporaryFile() as file:
        file.writelines(lives(size))
        file.seek(0)
        tracemalloc.start()
        began = time.perf_counter()
        (last,) = verifier.check_export(file, [verifier.read_key(SIGNER.verifier_key)], [])
        seconds = time.perf_counter() - began
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    assert isinstance(last, str), last
    return seconds, peak


def main(sizes: list[int]) -> None:
    first_export = None
    for size in sizes:
        seconds, peak = measure_export(size)
        first_export = first_export or (seconds / size, peak)
        print(
            f"    export  {size:>9,} events: check {seconds:7.2f} s, an event {seconds / size / first_export[0]:.2f} "
            f"times the first's; memory {peak:6.1f} MiB, {peak / first_export[1]:.2f} times"
        )
    with engines() as made:
        for kind, engine in made.items():
            migrate(engine)
            grown, first = EMPTY, None
            for size in sizes:
                grown = grow(engine, grown, size)
                with begin(engine) as tx:
                    tx.execute(update(audit_head).values(size=size))
                seconds, peak, proof = measure(engine, size)
                first = first or (seconds / size, peak, proof)
                print(
                    f"{kind:>10}  {size:>9,} events: check {seconds:7.2f} s, an event {seconds / size / first[0]:.2f} "
                    f"times the first's; memory {peak:6.1f} MiB, {peak / first[1]:.2f} times; "
                    f"two proofs {proof:6.2f} ms, {proof / first[2]:.2f} times"
                )
    print(f"largest resident size of all: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1_000, 100_000])
