"""Measures a list's cost with 200,000 requests against 2,000, on both databases, as a ratio in one run.

Each time is the best of some rounds. 1.0 means that the number of requests does not matter.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from db.crowd import fill
from db.test_plans import LISTS
from sqlalchemy import Engine
from support.products.postgres import running_server

from service.db.engine import Tx, connect, read
from service.db.schema import migrate

FEW, MANY = 2_000, 200_000
ROUNDS, TIMES = 7, 20
MEASURED = ("all", "by requester", "for a reader", "overdue, but nothing is", "to run", "audit log")


@contextmanager
def filled(url: str, size: int) -> Iterator[Engine]:
    engine = connect(url, connections=1)
    migrate(engine)
    fill(engine, size)
    yield engine
    engine.dispose()


def seconds(engine: Engine, function: Callable[[Tx], object]) -> float:
    best = float("inf")
    with read(engine) as tx:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(TIMES):
                function(tx)
            best = min(best, (time.perf_counter() - start) / TIMES)
    return best


def compare(few: str, many: str) -> None:
    with filled(few, FEW) as small, filled(many, MANY) as large:
        print(small.dialect.name)
        for name in MEASURED:
            before, after = seconds(small, LISTS[name]), seconds(large, LISTS[name])
            print(f"  {name:28}{before * 1000:7.2f} ms {after * 1000:7.2f} ms   x {after / before:.2f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_server() as one, running_server() as other:
        compare(f"sqlite:///{Path(name)}/few.db", f"sqlite:///{Path(name)}/many.db")
        compare(one.url, other.url)


if __name__ == "__main__":
    main()
