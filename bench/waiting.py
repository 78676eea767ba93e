"""Measures how long others wait while one caller slows the service down: a hanging AWS, slow or large heads and bodies,
more calls than anybody needs, refusals.

The service runs as a separate process, on either database. Another caller reads `/v1/me` and `/v1/requests` at a steady
pace. A call's time starts when it was due, so every delay counts. CPU is that of the service, with the steady caller's
part. The table is Markdown; its ratios compare with the same calls on the quiet service, moments before. With the name
of a database, only that one is measured.
"""

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx
from kill.processes import furnish
from measure import cpu_seconds
from support.builders import ACCOUNT
from support.house import House
from support.installation import serving
from support.products.postgres import running_postgres

from service.db import audit
from service.db.engine import connect, read
from service.db.schema import migrate

SECONDS, CALLS_A_SECOND = 15, 20
READS, CONNECTIONS, HANDS = 30, 300, 8
# As much as the service accepts of a head, and more than it accepts of a body.
LARGE_HEAD, LARGE_BODY = 60 * 1024, 2 * 1024 * 1024
ASKED = ("/v1/me", "/v1/requests")
# The AWS calls that a live read of root credentials may make first.
AWS_CALLS = ("GetAccountSummary", "ListAccessKeys", "GetLoginProfile", "ListMFADevices", "ListSigningCertificates")
# A different client address from everybody else's.
ELSEWHERE = "127.0.0.2"
HEADINGS = ("database", "what goes on", "p50", "ratio", "p95", "ratio", "CPU", "ratio", "what came of it")


@dataclass(frozen=True)
class Site:
    """A served house, its port, and its process."""

    house: House
    port: int
    pid: int

    @asynccontextmanager
    async def client(self, subject: str, address: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {self.house.token(subject)}"}
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{self.port}"
        transport = httpx.AsyncHTTPTransport(local_address=address, limits=limits)
        async with httpx.AsyncClient(base_url=url, headers=headers, transport=transport, timeout=300) as client:
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
        with serving(folder, port) as process:
            yield Site(house, port, process.pid)


async def waited(site: Site) -> list[float]:
    """Return the seconds of each of bob's calls. All must be answered."""
    loop = asyncio.get_running_loop()

    async def one(client: httpx.AsyncClient, path: str, due: float) -> float:
        (await client.get(path)).raise_for_status()
        return loop.time() - due

    calls: list[asyncio.Task[float]] = []
    # From an address of their own: others may use up what theirs may ask.
    async with site.client("bob", "127.0.0.99") as client:
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
        statuses = Counter(f"got {response.status_code}" for response in await asyncio.gather(*reads))
    return seconds, f"of the reads {tally(statuses)}"


async def while_connections_are_held(site: Site, begun: bytes, each_second: bytes) -> tuple[list[float], str]:
    """Measure while one address holds many connections, each with a call whose rest never comes."""
    closed: Counter[str] = Counter()

    async def drip(sink: asyncio.StreamWriter) -> None:
        sink.write(begun)
        while each_second:
            await asyncio.sleep(1)
            sink.write(each_second)

    async def one() -> None:
        try:
            source, sink = await asyncio.open_connection("127.0.0.1", site.port, local_addr=(ELSEWHERE, 0))
            dripping = asyncio.create_task(drip(sink))
            try:
                answered = await source.read()
            finally:
                dripping.cancel()
                sink.close()
        except ConnectionError:
            answered = b""
        closed[f"got {int(answered.split()[1])}" if answered else "were closed"] += 1

    connections = [asyncio.create_task(one()) for _ in range(CONNECTIONS)]
    seconds = await waited(site)
    still_open = sum(not connection.done() for connection in connections)
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    return seconds, f"{still_open} open after {SECONDS} s; {tally(closed)}"


async def while_bodies_are_half_sent(site: Site) -> tuple[list[float], str]:
    head = (
        "POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
        f"Authorization: Bearer {site.house.token('mallory')}\r\n\r\n"
    )
    return await while_connections_are_held(site, head.encode() + b'{"account_id": "', b"")


async def while_heads_are_dripped(site: Site) -> tuple[list[float], str]:
    return await while_connections_are_held(site, b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"a")


async def while_somebody_repeats(
    site: Site, person: str, call: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]], address: str | None = None
) -> tuple[list[float], Counter[str]]:
    """Measure while a person makes the same call on some connections, each as soon as the last one is answered."""
    answered: Counter[str] = Counter()

    async def repeat(client: httpx.AsyncClient) -> None:
        while True:
            try:
                found = f"got {(await call(client)).status_code}"
            except httpx.TransportError:
                found = "were cut off"
            answered[found] += 1

    async with site.client(person, address) as client:
        hands = [asyncio.create_task(repeat(client)) for _ in range(HANDS)]
        seconds = await waited(site)
        so_far = Counter(answered)
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)
    return seconds, so_far


async def while_heads_are_large(site: Site) -> tuple[list[float], str]:
    headers = {"X-Large": "a" * LARGE_HEAD}
    seconds, answered = await while_somebody_repeats(
        site, "mallory", lambda client: client.get("/v1/me", headers=headers), ELSEWHERE
    )
    return seconds, f"of the calls {tally(answered)}"


async def while_bodies_are_large(site: Site) -> tuple[list[float], str]:
    body = b"a" * LARGE_BODY
    seconds, answered = await while_somebody_repeats(
        site, "mallory", lambda client: client.post("/v1/requests", content=body), ELSEWHERE
    )
    return seconds, f"of the calls {tally(answered)}"


async def while_one_person_asks_on_and_on(site: Site) -> tuple[list[float], str]:
    seconds, answered = await while_somebody_repeats(
        site, "mallory", lambda client: client.get("/v1/requests"), ELSEWHERE
    )
    return seconds, f"of the calls {tally(answered)}"


async def while_a_refusal_is_repeated(site: Site) -> tuple[list[float], str]:
    """Measure while the requester repeats an approval, which is refused."""
    request = site.house.file()
    path = f"/v1/requests/{request.filing.request_id}/decisions"
    body = {"decision": "approve", "digest": request.digest}
    before = site.events()
    seconds, answered = await while_somebody_repeats(site, "alice", lambda client: client.post(path, json=body))
    written = site.events() - before
    return seconds, f"{tally(answered)}; {written / SECONDS:.1f} audit events a second"


def tally(answered: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(answered.items())) or "none answered"


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


async def cost(site: Site, scenario: Callable[[Site], Awaitable[tuple[list[float], str]]]) -> tuple[list[float], str]:
    """Return p50 and p95 of what others wait, in ms, the service's CPU in ms a second, and what came of it."""
    before, began = cpu_seconds(site.pid), time.monotonic()
    seconds, came = await scenario(site)
    used, took = cpu_seconds(site.pid) - before, time.monotonic() - began
    return [median(seconds) * 1000, quantiles(seconds, n=20)[-1] * 1000, used * 1000 / took], came


async def nothing(site: Site) -> tuple[list[float], str]:
    return await waited(site), ""


async def measure(database: str, site: Site) -> None:
    await waited(site)  # warm up
    quiet, _ = await cost(site, nothing)
    for what, scenario in (
        ("nothing", nothing),
        (f"AWS hangs under {READS} reads of one person", while_aws_hangs),
        (f"{CONNECTIONS} heads that come a byte a second, of one address", while_heads_are_dripped),
        (f"{CONNECTIONS} half-sent bodies of one address", while_bodies_are_half_sent),
        (f"heads of {LARGE_HEAD >> 10} KiB on {HANDS} connections", while_heads_are_large),
        (f"bodies of {LARGE_BODY >> 20} MiB on {HANDS} connections", while_bodies_are_large),
        (f"one person asks on and on, on {HANDS} connections", while_one_person_asks_on_and_on),
        (f"one refusal, repeated on {HANDS} connections", while_a_refusal_is_repeated),
    ):
        found, came = await cost(site, scenario)
        cells = [
            cell
            for value, before, unit in zip(found, quiet, ("ms", "ms", "ms a second"), strict=True)
            for cell in (f"{value:.0f} {unit}", f"{value / before:.1f}")
        ]
        row(database, what, *cells, came)


def main() -> None:
    wanted = sys.argv[1:] or ["SQLite", "PostgreSQL"]
    row(*HEADINGS)
    row(*["---"] * len(HEADINGS))
    if "SQLite" in wanted:
        with tempfile.TemporaryDirectory() as name:
            url = f"sqlite:///{Path(name)}/bench.db"
            engine = connect(url, connections=1)
            migrate(engine)
            engine.dispose()
            with served(url) as site:
                asyncio.run(measure("SQLite", site))
    if "PostgreSQL" in wanted:
        with running_postgres() as postgres, served(postgres.new_database()) as site:
            asyncio.run(measure("PostgreSQL", site))


if __name__ == "__main__":
    main()
