"""Compares whole lifecycles with the floor: filing, two decisions, execution, receipt, with ten reads after each.

    PYTHONPATH=tests python bench/lifecycles.py [--json FILE]

AWS answers at once in another process, to both. The floor makes the same calls to it: once with clients that it keeps,
and once with new clients for each filing and execution. The service keeps clients without a credential and without a
connection, and takes its credential from the profile each time, because that may have been rotated. The goal is judged
by the harder of the two. `QUICK=1` leaves SQLite out.
"""

from collections.abc import Iterator

from measure import QUICK, Call, Connection, Cost, Job, Row, cheaper, cpu_seconds, finish, quicker
from sites import APPROVERS, DATABASES, InstantAws, Site, accounts_of, database, floor, instant_aws, served
from stages import decision, filing, step

ACCOUNTS, ROUNDS = (12, 2) if QUICK else (40, 7)
GOAL = 0.6
# After each write: reads of the request, a page, what waits for an approver, and who they are.
_PAGES = ("/v1/requests?limit=50", "/v1/requests?limit=50&awaiting=me", "/v1/me")
_ONE_REQUEST = 7
FLOORS = {"kept": "the floor keeps its clients", "new": "the floor makes clients for each sign-in"}


def lifecycle(site: Site, number: int, *, reads: bool = True) -> Job:
    """Return the whole life of a request for an account, with its reads or without."""

    def live(connection: Connection) -> None:
        request = connection.json(filing(site, number))
        if reads:
            _read(site, connection, request["id"])
        for call in (
            *(decision(site, request, person) for person in APPROVERS),
            *(step(site, request, what) for what in ("execution", "receipt")),
        ):
            connection.call(call)
            if reads:
                _read(site, connection, request["id"])

    return live


def _read(site: Site, connection: Connection, request_id: str) -> None:
    for path in (*[f"/v1/requests/{request_id}"] * _ONE_REQUEST, *_PAGES):
        connection.call(Call("GET", path, site.tokens[APPROVERS[0]]))


def round_of(site: Site, aws: InstantAws) -> tuple[Cost, float]:
    """Return the cost of a lifecycle, and the milliseconds of processor time that AWS takes for it."""
    before = cpu_seconds(aws.pid)
    cost = site.server.run([lifecycle(site, number) for number in range(len(site.accounts))])
    return cost, (cpu_seconds(aws.pid) - before) / len(site.accounts) * 1000


def rows() -> Iterator[Row]:
    accounts = accounts_of(ACCOUNTS)
    for kind in DATABASES[:1] if QUICK else DATABASES:
        with (
            database(kind, migrated=True) as own,
            database(kind, migrated=False) as one,
            database(kind, migrated=False) as other,
            instant_aws() as aws,
            served(own, aws, accounts) as ours,
            floor(one, accounts, "kept", aws) as kept,
            floor(other, accounts, "new", aws) as new,
        ):
            rounds = [[round_of(site, aws) for site in (ours, kept, new)] for _ in range(1 + ROUNDS)][1:]
        yield from _compared(kind, rounds)


def _compared(kind: str, rounds: list[list[tuple[Cost, float]]]) -> Iterator[Row]:
    ours = [each[0][0] for each in rounds]
    for place, (mode, meaning) in enumerate(FLOORS.items(), start=1):
        floor = [each[place][0] for each in rounds]
        goal = GOAL if mode == "kept" else None
        about = f"lifecycle with 50 reads, {kind}, {meaning}"
        yield cheaper(f"{about}: CPU ms", [each.cpu_ms for each in ours], [each.cpu_ms for each in floor], goal)
        yield quicker(
            f"{about}: a second", [each.per_second for each in ours], [each.per_second for each in floor], goal
        )
    own, floors = ([each[place][1] for each in rounds] for place in (0, 1))
    yield cheaper(f"lifecycle with 50 reads, {kind}: CPU ms of AWS", own, floors, None)


if __name__ == "__main__":
    finish(rows())
