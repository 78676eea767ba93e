"""Compares the verification of the whole log with `hashlib.sha256` over the same bytes, and its memory with a tenth's.

    PYTHONPATH=tests python bench/verification.py [--json FILE]

Much of what `audit.py` measures for larger logs, as ratios: the check in the database, and the check of an export. The
second comparison is with the tree's hashes alone, one for each event and one for each node, in the plainest loop.
"""

import hashlib
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import cast

from audit import engines, grow, lives
from measure import QUICK, Row, cheaper, finish, grown
from sqlalchemy import Engine, update
from support.ledger import SIGNER

from service import verifier
from service.db import audit
from service.db.engine import begin, read
from service.db.schema import migrate
from service.db.tables import audit_head
from service.domain.merkle import EMPTY
from service.workflow.context import Context
from service.workflow.verify import verify

SIZE, ROUNDS = (20_000, 3) if QUICK else (200_000, 5)
GOAL, MEMORY_GOAL = 0.25, 1.1


def _check(engine: Engine) -> None:
    faults = list(verify(cast("Context", SimpleNamespace(engine=engine)), ()))
    assert not faults, faults[:3]


def _check_export(lines: Iterable[bytes]) -> None:
    with tempfile.TemporaryFile() as file:
        file.writelines(lines)
        file.seek(0)
        (last,) = verifier.check_export(file, [verifier.read_key(SIGNER.verifier_key)], [])
    assert isinstance(last, str), last


def _seconds(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def _peak(function: Callable[[], object]) -> float:
    """Return the largest memory during a call, in MiB."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


def _tree_hashes(lines: list[bytes]) -> None:
    for line in lines:
        hashlib.sha256(b"\0" + line).digest()
        hashlib.sha256(b"\1" + bytes(64)).digest()


def _compared(what: str, lines: list[bytes], check: Callable[[], object]) -> Iterator[Row]:
    whole = b"".join(lines)
    rounds = [
        (_seconds(check), _seconds(lambda: hashlib.sha256(whole).digest()), _seconds(lambda: _tree_hashes(lines)))
        for _ in range(ROUNDS)
    ]
    own, bare, tree = ([each[place] * 1000 for each in rounds] for place in range(3))
    about = f"verification, {what}, {len(lines):,} events: CPU ms"
    yield cheaper(f"{about}, other is sha256 of all bytes", own, bare, GOAL)
    yield cheaper(f"{about}, other is the tree's hashes", own, tree, None)


def rows() -> Iterator[Row]:
    few, many = list(lives(SIZE // 10)), list(lives(SIZE))
    yield from _compared("an export", many, lambda: _check_export(many))
    much, little = _peak(lambda: _check_export(many)), _peak(lambda: _check_export(few))
    yield grown("verification, an export: MiB, other is a tenth of the events", [much], [little], MEMORY_GOAL)
    with engines() as made:
        for kind, engine in made.items():
            yield from _in_the_database(kind, engine)


def _in_the_database(kind: str, engine: Engine) -> Iterator[Row]:
    migrate(engine)
    tenth = grow(engine, EMPTY, SIZE // 10)
    _count(engine, tenth.size)
    little = _peak(lambda: _check(engine))
    _count(engine, grow(engine, tenth, SIZE).size)
    much = _peak(lambda: _check(engine))
    with read(engine) as tx:
        lines = [row.content.encode() for row in audit.rows_between(tx, 0, SIZE)]
    yield from _compared(kind, lines, lambda: _check(engine))
    yield grown(f"verification, {kind}: MiB, other is a tenth of the events", [much], [little], MEMORY_GOAL)


def _count(engine: Engine, size: int) -> None:
    with begin(engine) as tx:
        tx.execute(update(audit_head).values(size=size))


if __name__ == "__main__":
    finish(rows())
