"""Measures how long others wait while one caller slows the service down: a hanging AWS, half-sent bodies, refusals.

The service runs as a separate process, on either database. Another caller reads `/v1/me` and `/v1/requests` at a steady
pace. A call's time starts when it was due, so every delay counts. The table is Markdown; its ratios compare with the
same calls on the idle service, moments before.
"""

import asyncio
import os
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from kill.processes import furnish
from support.builders import ACCOUNT
from support.house import House
from support.installation import serving
from support.products.postgres import running_postgres

from service.db import audit
from service.db.engine import connect, read
from service.db.schema import migrate

SECONDS, CALLS_A_SECOND = 15, 20
READS, BODIES, HANDS = 30, 300, 8
ASKED = ("/v1/me", "/v1/requests")
# The AWS calls that a live read of root credentials may make first.
AWS_CALLS = ("GetAccountSummary", "ListAccessKeys", "GetLoginProfile", "ListMFADevices", "ListSigningCertificates")
# A different client address from everybody else's.
ELSEWHERE = "127.0.0.2"
HEADINGS = ("database", "what goes on", "p50", "ratio", "worst", "ratio", "what came of it")


@dataclass(frozen=True)
class Site:
    """A served house, and its port."""

    house: House
    port: int

    @asynccontextmanager
    async def client(self, subject: str) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {self.house.token(subject)}"}
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{self.port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=300) as client:
            yield client

    def events(self) -> int:
        with read(self.house.owner) as tx:
            return audit.last(tx)


@contextmanager
def served(database_url: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name, House.on(database_url) as house:
        folder = Path(name)
        os.environ["AWS_CONFIG_FILE"] = str(folder / "aws-config")
        port = httpx.URL(furnish(folder, database_url, house.aws, drift_checks=False)).port or 0
        with serving(folder, port):
            yield Site(house, port)


async def waited(site: Site) -> list[float]:
    """Return the seconds of each of bob's calls. All must be answered."""
    loop = asyncio.get_running_loop()

    async def one(client: httpx.AsyncClient, path: str, due: float) -> float:
        (await client.get(path)).raise_for_status()
        return loop.time() - due

    calls: list[asyncio.Task[float]] = []
    async with site.client("bob") as client:
        start = loop.time()
        for number in range(SECONDS * CALLS_A_SECOND):
            due = start + number / CALLS_A_SECOND
            await asyncio.sleep(due - loop.time())
            calls.append(asyncio.create_task(one(client, ASKED[number % len(ASKED)], due)))
        return list(await asyncio.gather(*calls))


async def while_aws_hangs(site: Site) -> tuple[list[float], str]:
    """Measure while a caller without a role reads root credentials many times, and AWS does not answer."""
    reached, answer = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        answer.wait()

    for action in AWS_CALLS:
        site.house.aws.on(action, hang, times=10 * READS)
    async with site.client("mallory") as client:
        path = f"/v1/accounts/{ACCOUNT}/root-credentials"
        reads = [asyncio.create_task(client.get(path)) for _ in range(READS)]
        assert await asyncio.to_thread(reached.wait, 30)
        seconds = await waited(site)
        answer.set()
        statuses = Counter(response.status_code for response in await asyncio.gather(*reads))
    return seconds, f"of the reads {tally(statuses)}"


async def while_bodies_are_half_sent(site: Site) -> tuple[list[float], str]:
    """Measure while one address holds many connections, each with a body whose rest never comes."""
    head = (
        "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
        f"Authorization: Bearer {site.house.token('mallory')}\r\n\r\n"
    )
    statuses: Counter[int] = Counter()

    async def one() -> None:
        source, sink = await asyncio.open_connection("127.0.0.1", site.port, local_addr=(ELSEWHERE, 0))
        try:
            sink.write(head.encode() + b'{"account_id": "')
            answered = await source.read()
            statuses[int(answered.split()[1])] += 1
        finally:
            sink.close()

    connections = [asyncio.create_task(one()) for _ in range(BODIES)]
    seconds = await waited(site)
    still_open = sum(not connection.done() for connection in connections)
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    return seconds, f"{still_open} open after {SECONDS} s; {tally(statuses)}"


async def while_a_refusal_is_repeated(site: Site) -> tuple[list[float], str]:
    """Measure while the requester repeats an approval, which is refused, on some connections."""
    request = site.house.file()
    path = f"/v1/requests/{request.filing.request_id}/decisions"
    statuses: Counter[int] = Counter()

    async def repeat(client: httpx.AsyncClient) -> None:
        while True:
            answer = await client.post(path, json={"decision": "approve", "digest": request.digest})
            statuses[answer.status_code] += 1

    before = site.events()
    async with site.client("alice") as client:
        hands = [asyncio.create_task(repeat(client)) for _ in range(HANDS)]
        seconds = await waited(site)
        answered, written = statuses.total(), site.events() - before
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)
    assert set(statuses) == {403}, statuses
    return seconds, f"{answered / SECONDS:.0f} refusals and {written / SECONDS:.1f} audit events a second"


def tally(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} got {status}" for status, count in sorted(statuses.items())) or "none answered"


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


async def measure(database: str, site: Site) -> None:
    await waited(site)  # warm up
    quiet = await waited(site)
    row(database, "nothing", f"{median(quiet) * 1000:.0f} ms", "1", f"{max(quiet) * 1000:.0f} ms", "1", "")
    for what, scenario in (
        (f"AWS hangs under {READS} reads of one person", while_aws_hangs),
        (f"{BODIES} half-sent bodies of one address", while_bodies_are_half_sent),
        (f"one refusal, repeated on {HANDS} connections", while_a_refusal_is_repeated),
    ):
        seconds, came = await scenario(site)
        row(
            database,
            what,
            f"{median(seconds) * 1000:.0f} ms",
            f"{median(seconds) / median(quiet):.1f}",
            f"{max(seconds) * 1000:.0f} ms",
            f"{max(seconds) / max(quiet):.1f}",
            came,
        )


def main() -> None:
    row(*HEADINGS)
    row(*["---"] * len(HEADINGS))
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{Path(name)}/bench.db"
        engine = connect(url, connections=1)
        migrate(engine)
        engine.dispose()
        with served(url) as site:
            asyncio.run(measure("SQLite", site))
    with running_postgres() as postgres, served(postgres.new_database()) as site:
        asyncio.run(measure("PostgreSQL", site))


if __name__ == "__main__":
    main()
