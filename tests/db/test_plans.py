"""Reads stay flat as tables grow: with 100,000 requests every list, and every look of the worker, is an index's.

No plan may scan a table or sort, and none may look at many more rows than it returns.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from db.crowd import REQUESTS, fill
from sqlalchemy import Connection, Engine, event
from support.builders import MEMBERS
from support.products.postgres import Postgres

from service.db import audit, backlog, decisions, expectations, outbox, people, requests, tokens, tree
from service.db.engine import Tx, connect, read
from service.db.outbox import Place, Wanted
from service.db.schema import migrate
from service.domain.delivery import DeliveryStatus
from service.domain.directory import Directory
from service.domain.operation import Operation, OperationName
from service.domain.request import Status
from service.domain.selection import Awaiting, Cursor, Reader, Selection

LIMIT = 51
# The filter may pass over some rows of the index, but not over more when there are more requests.
MOST_ROWS = 40 * LIMIT
MOST_SORTED = 5 * LIMIT
MOST_STEPS = 200 * MOST_ROWS
AT = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=REQUESTS // 2)
LATE = AT + timedelta(days=3650)
ACCOUNTS = frozenset({"000000000007", "000000000008", "000000000009"})
# What has more rows with every year. As SQLite says that it scans one.
GROWING = tuple(
    f"SCAN {table}"
    for table in (
        "requests",
        "decisions",
        "audit_events",
        "audit_nodes",
        "api_tokens",
        "drifts",
        "deliveries",
        "people",
        "person_groups",
    )
)
DELETION = Operation(OperationName.DELETE_ACCESS_KEY, "AKIA1")
PLACE = Place(REQUESTS // 2, "siem")
FAILED = Wanted(status=DeliveryStatus.FAILED)
CURSOR = Cursor(AT, f"{REQUESTS // 2:036}")


def page(*, after: Cursor | None = None, **wanted: Any) -> Callable[[Tx], object]:
    return lambda tx: requests.select_page(tx, Selection(**wanted), after=after, limit=LIMIT)


def awaiting(person: str) -> Awaiting:
    return Awaiting(person, Directory(dict(MEMBERS)), quorum=2, now=AT)


LISTS: dict[str, Callable[[Tx], object]] = {
    "all": page(),
    "by status": page(status=Status.REJECTED),
    "by a rare status": page(status=Status.EXECUTING),
    "by account": page(account_id="000000000007"),
    "by operation": page(operation=OperationName.CREATE_ACCESS_KEY),
    "by a rare operation": page(operation=OperationName.DEACTIVATE_MFA_DEVICE),
    "by requester": page(requester="busy"),
    "by a rare requester": page(requester="seldom"),
    "by recipient": page(recipient="other1"),
    "by a rare recipient": page(recipient="seldom"),
    "by ticket": page(ticket="OPS-1"),
    "by status and account": page(status=Status.PENDING, account_id="000000000000"),
    "for a reader": page(reader=Reader("seldom", frozenset())),
    "for a reader of accounts": page(reader=Reader("seldom", ACCOUNTS)),
    "for a reader who is nobody": page(reader=Reader("nobody", frozenset())),
    "for a reader by status": page(reader=Reader("busy", ACCOUNTS), status=Status.PENDING),
    "awaiting an approver": page(awaiting=awaiting("dave")),
    "awaiting a requester": page(awaiting=awaiting("seldom")),
    "awaiting a reader": page(awaiting=awaiting("seldom"), reader=Reader("seldom", ACCOUNTS)),
    "open with tickets": requests.open_with_tickets,
    "to look at": lambda tx: backlog.to_look_at(tx, AT, LIMIT),
    "old deliveries": lambda tx: outbox.is_old(tx, AT, ["siem"]),
    "overdue": lambda tx: backlog.overdue(tx, LATE, LIMIT),
    "overdue, but nothing is": lambda tx: backlog.overdue(tx, AT - timedelta(days=3650), LIMIT),
    "open votes": backlog.open_votes,
    "last vote": lambda tx: requests.last_vote(tx, "bob", AT),
    "to run": lambda tx: backlog.to_run(tx, LIMIT),
    "unconfirmed": lambda tx: backlog.unconfirmed(tx, LATE, LIMIT),
    "expiring": lambda tx: backlog.expiring(tx, LATE, timedelta(days=1), LIMIT),
    "taken away": lambda tx: backlog.is_taken_away(tx, "000000000002", LATE),
    "claimed": lambda tx: backlog.claimed_before(tx, Status.EXECUTING, LATE, LIMIT),
    "in doubt": lambda tx: backlog.claimed_before(tx, Status.IN_DOUBT, LATE, LIMIT),
    "open for the same": lambda tx: requests.open_for(tx, "000000000007", DELETION, drill=False),
    "an open drill of the same": lambda tx: requests.open_for(tx, "000000000007", DELETION, drill=True),
    "last drill": requests.last_drill,
    "last decisions": lambda tx: decisions.last_of(tx, ["bob", "carol"]),
    "acted on": lambda tx: requests.is_acted_on(tx, "000000000007"),
    "of an account since": lambda tx: requests.acted_on(tx, "000000000007", AT),
    "by idempotency key": lambda tx: requests.by_idempotency_key(tx, "seldom", "key7"),
    "audit log": lambda tx: audit.page(tx, after=REQUESTS // 2, limit=LIMIT),
    "audit log of a request": lambda tx: audit.page(tx, after=0, limit=LIMIT, request_id=CURSOR.request_id),
    "evidence of a request": lambda tx: audit.of_request(tx, CURSOR.request_id),
    "events of requests": lambda tx: audit.of_requests(tx, [CURSOR.request_id]),
    "the end of the log": audit.last,
    "events, to check them": lambda tx: audit.rows_between(tx, REQUESTS // 2, REQUESTS // 2 + LIMIT),
    "nodes, to check them": lambda tx: tree.rows_between(tx, REQUESTS // 2, REQUESTS // 2 + LIMIT),
    "the tree": lambda tx: tree.over(tx, REQUESTS - 1),
    "nodes of a proof": lambda tx: tree.over(tx, REQUESTS - 1).root(REQUESTS // 3),
    "nodes of no event": lambda tx: tree.strays(tx, REQUESTS, LIMIT),
    "the begin of the log": audit.first,
    "ids of requests": lambda tx: requests.ids(tx, after=CURSOR.request_id, limit=LIMIT),
    "requests, to check them": lambda tx: requests.by_ids(tx, [CURSOR.request_id]),
    "deliveries": lambda tx: outbox.page(tx, Wanted(), after=None, limit=LIMIT),
    "deliveries, from a cursor": lambda tx: outbox.page(tx, Wanted(), after=PLACE, limit=LIMIT),
    "deliveries by status": lambda tx: outbox.page(tx, FAILED, after=PLACE, limit=LIMIT),
    "deliveries by destination": lambda tx: outbox.page(tx, Wanted(destination="seldom"), after=PLACE, limit=LIMIT),
    "deliveries of a request": lambda tx: outbox.page(
        tx, Wanted(request_id=CURSOR.request_id), after=None, limit=LIMIT
    ),
    "deliveries that are new": lambda tx: outbox.due(tx, "siem", LATE, LIMIT, is_new=True),
    "deliveries that are due again": lambda tx: outbox.due(tx, "siem", LATE, LIMIT, is_new=False),
    "deliveries that follow": lambda tx: outbox.following(tx, "siem", [CURSOR.request_id, "0" * 36], LATE, LIMIT),
    "destinations that something is due for": lambda tx: outbox.destinations_due(tx, LATE),
    "open drift": expectations.open_findings,
    "open drift of an account": lambda tx: expectations.open_findings(tx, "000000000007"),
    "a token": lambda tx: tokens.with_owner(tx, "hash of bob"),
    "tokens of votes": lambda tx: tokens.some(tx, ["token-of-bob", "token-of-carol"]),
    "people of a request": lambda tx: people.concerned(
        tx,
        ["bob", "alice"],
        approvers=["carol"],
        groups={("corp", "approvers")},
        among=[{("corp", "requesters")}],
        limit=8,
    ),
}
LISTS |= {
    "all, from a cursor": page(after=CURSOR),
    "by requester, from a cursor": page(after=CURSOR, requester="seldom"),
    "for a reader, from a cursor": page(after=CURSOR, reader=Reader("seldom", ACCOUNTS)),
    "awaiting an approver, from a cursor": page(after=CURSOR, awaiting=awaiting("dave")),
}


def faults_on_postgresql(tx: Connection, statement: str, parameters: Any) -> Iterator[str]:
    """It may sort what is all returned, and what indexes have narrowed to less than it would then go through in order:
    what is unfinished, or what two of them have in common.
    """
    [[[explained]]] = tx.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).all()
    plan, examined = explained["Plan"], 0
    for node in _nodes(plan):
        kind, rows = node["Node Type"], node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        sorted_rows = sum(child["Actual Rows"] * child["Actual Loops"] for child in node.get("Plans", ()))
        if kind == "Seq Scan" and f"SCAN {node['Relation Name']}" in GROWING:
            yield f"scan of {node['Relation Name']}"
        if kind.endswith("Sort") and sorted_rows > max(MOST_SORTED, plan["Actual Rows"]):
            yield f"sort of {sorted_rows} rows by {', '.join(node['Sort Key'])}"
        if "Scan" in kind and "Plans" not in node:
            examined += rows * node["Actual Loops"]
    if examined > MOST_ROWS:
        yield f"{examined} rows examined"


def faults_on_sqlite(tx: Connection, statement: str, parameters: Any) -> Iterator[str]:
    """Going through a whole index looks the same as going through its beginning, so its steps are counted as well."""
    for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
        if (row.detail.startswith(GROWING) and "INDEX" not in row.detail) or "TEMP B-TREE" in row.detail:
            yield row.detail
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1000

    driver: sqlite3.Connection = tx.connection.dbapi_connection  # type: ignore[assignment]
    driver.set_progress_handler(count, 1000)
    tx.exec_driver_sql(statement, parameters).all()
    driver.set_progress_handler(None, 0)
    if steps > MOST_STEPS:
        yield f"{steps} steps"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """What is sent meanwhile."""
    sent: list[tuple[str, Any]] = []

    def keep(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith(("SELECT", "(SELECT", "WITH")) and "set_config" not in statement:
            sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_list_is_served_by_an_index(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All in one test: filling the database is what takes time."""
    if kind == "sqlite":
        engine = connect(f"sqlite:///{tmp_path}/crowd.db", connections=1)
    else:
        server: Postgres = request.getfixturevalue("postgres")
        engine = connect(server.new_empty_database(), connections=1)
    migrate(engine)
    fill(engine)
    explain = faults_on_sqlite if kind == "sqlite" else faults_on_postgresql
    faults: list[str] = []
    for name, function in LISTS.items():
        with read(engine) as tx, statements_of(engine) as sent:
            function(tx)
        with read(engine) as tx:
            faults += [f"{name}: {fault}" for query in sent for fault in explain(tx, *query)]
    engine.dispose()
    assert not faults, "\n".join(faults)
