"""Compares each call of the service with the floor (`floor_app.py`): processor time, and median wait of four callers.

    PYTHONPATH=tests python bench/floor.py [--json FILE]

AWS answers at once in another process; the floor does not ask it, so filings and executions have no goal. The rounds of
both alternate on one machine, and each ratio is of two rounds that follow each other. A list has 50 requests.
"""

from collections.abc import Iterator

from measure import QUICK, Cost, Row, cheaper, finish
from sites import DATABASES, accounts_of, database, floor, instant_aws, served
from stages import Round

ACCOUNTS = 50
ROUNDS = 2 if QUICK else 7
WRITES, READS = 0.5, 0.8
GOALS = {"decision": WRITES, "withdrawal": WRITES, "receipt": WRITES} | dict.fromkeys(
    ("read one", "list", "awaiting=me", "GET /v1/me"), READS
)


def rows() -> Iterator[Row]:
    for kind in DATABASES:
        accounts = accounts_of(ACCOUNTS)
        with (
            database(kind, migrated=True) as own,
            database(kind, migrated=False) as other,
            instant_aws() as aws,
            served(own, aws, accounts) as ours,
            floor(other, accounts) as theirs,
        ):
            rounds = [(Round(ours, ACCOUNTS).run(), Round(theirs, ACCOUNTS).run()) for _ in range(1 + ROUNDS)][
                1:
            ]  # the first warms up
        yield from _compared(kind, rounds)


def _compared(kind: str, rounds: list[tuple[dict[str, Cost], dict[str, Cost]]]) -> Iterator[Row]:
    for name in rounds[0][0]:
        ours, floor = [each[name] for each, _ in rounds], [each[name] for _, each in rounds]
        goal = GOALS.get(name)
        about = f"{name}, {kind}"
        yield cheaper(f"{about}: CPU ms", [each.cpu_ms for each in ours], [each.cpu_ms for each in floor], goal)
        yield cheaper(f"{about}: p50 ms", [each.p50_ms for each in ours], [each.p50_ms for each in floor], goal)
        if kind == "PostgreSQL":
            own, other = ([each.database_ms for each in side] for side in (ours, floor))
            yield cheaper(f"{about}: CPU ms of PostgreSQL", own, other, None)


if __name__ == "__main__":
    finish(rows())
