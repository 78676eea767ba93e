"""Measures what each call costs when there is much of something, against little of it, as ratios.

    PYTHONPATH=tests python bench/growth.py [--json FILE]

Much is 1,000,000 requests with 10,000,000 audit events, 10,000 open requests, 10,000 people whom a provider has proved,
10,000 people in the settings, 5,000 accounts with a profile each, or 5,000 accounts of an organization. Little is 1,000
requests, and ten or none of the others. `QUICK=1` fills a tenth of the requests and events, and leaves SQLite out.

A cost is processor time of the service and of PostgreSQL together. The rounds of much and of little alternate. A list
shows ten requests, which is a full page in both.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.crowd import fill
from measure import QUICK, Row, finish, grown
from sites import DATABASES, InstantAws, Site, accounts_of, database, instant_aws, served
from sqlalchemy import make_url, update
from stages import Round
from support.builders import filing
from support.products.postgres import as_owner

from service.db import people, requests
from service.db.engine import begin, connect
from service.db.tables import audit_head
from service.domain.account import Account
from service.domain.actor import Person, Word
from service.domain.operation import Operation, OperationName
from service.domain.request import OperationRequest

ROUNDS = 3 if QUICK else 7
LITTLE, MUCH = 1_000, 100_000 if QUICK else 1_000_000
EVENTS_EACH = 10
FEW, OPEN, PEOPLE, ACCOUNTS = 10, 10_000, 10_000, 5_000
APPROVERS = 12
GOAL = 1.25
_NOW = datetime.now(UTC)
_PROVIDER = """
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
person_claim = "sub"
grants = [{ group = "root-approvers", roles = ["approver"] }]
"""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of everything: little, unless said otherwise."""

    requests: int = LITTLE
    open: int = FEW
    proved: int = FEW
    named: int = 0
    accounts: int = FEW
    members: int = 0


GROWTHS = {
    f"{MUCH:,} requests": Amount(requests=MUCH),
    f"{OPEN:,} open requests": Amount(open=OPEN),
    f"{PEOPLE:,} people of a provider": Amount(proved=PEOPLE),
    f"{PEOPLE:,} people in the settings": Amount(named=PEOPLE),
    f"{ACCOUNTS:,} accounts with a profile": Amount(accounts=ACCOUNTS),
    f"{ACCOUNTS:,} accounts of an organization": Amount(members=ACCOUNTS),
}


def stock(url: str, amount: Amount) -> None:
    """Fill the database."""
    engine = connect(as_owner(make_url(url)), connections=1)
    fill(engine, amount.requests, EVENTS_EACH)
    with begin(engine) as tx:
        tx.execute(update(audit_head).values(size=amount.requests * EVENTS_EACH))
        for number in range(amount.open):
            requests.add(tx, _open_request(number), idempotency_key=None, idempotency_hash=None)
        for number in range(amount.proved):
            people.add(tx, _proved_person(number))
    engine.dispose()


def _open_request(number: int) -> OperationRequest:
    """Return a pending request from before the bench, for another key each."""
    filed_at = _NOW - timedelta(hours=1, milliseconds=number)
    return OperationRequest.file(
        filing(
            request_id=f"00000000-0000-4000-8000-{number:012}",
            operation=Operation(OperationName.DELETE_ACCESS_KEY, f"AKIA{number:016}"),
            requester="somebody",
            recipient="somebody",
            filed_at=filed_at,
            approve_by=filed_at + timedelta(days=3),
        )
    )


def _proved_person(number: int) -> Person:
    groups = frozenset({"root-approvers"} if number < APPROVERS else {"requesters"})
    return Person(
        subject=f"https://login.example.com#{number:05}",
        name=f"Person {number}",
        issuer="corp",
        groups=groups,
        seen_at=_NOW,
        proved_at=_NOW,
        words={"corp": Word(groups, _NOW)},
    )


@contextmanager
def grown_site(kind: str, amount: Amount, aws: InstantAws) -> Iterator[Site]:
    """Serve the service with that much of everything; calls are about the first accounts only."""
    named = {
        f"people.named{number:05}": {"name": f"Named {number}", "roles": ["requester"]}
        for number in range(amount.named)
    }
    accounts = accounts_of(amount.accounts)
    members = [
        Account(
            account_id=str(300_000_000_000 + number), name=f"member-{number}", has_profile=False, organization="main"
        )
        for number in range(amount.members)
    ]
    with database(kind, migrated=True) as on:
        stock(on.url, amount)
        with served(on, aws, [*accounts, *members], named, _PROVIDER) as site:
            yield Site(site.server, site.tokens, accounts[:FEW])


def rows() -> Iterator[Row]:
    for kind in DATABASES[:1] if QUICK else DATABASES:
        with instant_aws() as aws, grown_site(kind, Amount(), aws) as small:
            for growth, amount in GROWTHS.items():
                with grown_site(kind, amount, aws) as large:
                    rounds = [(_totals(large), _totals(small)) for _ in range(1 + ROUNDS)][1:]  # the first warms up
                for call in rounds[0][0]:
                    much, little = ([each[side][call] for each in rounds] for side in (0, 1))
                    yield grown(f"{call}, {kind}, {growth}: CPU ms", much, little, GOAL)


def _totals(site: Site) -> Mapping[str, float]:
    return {call: cost.cpu_ms + cost.database_ms for call, cost in Round(site, FEW).run().items()}


if __name__ == "__main__":
    finish(rows())
