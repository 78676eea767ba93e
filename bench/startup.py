"""Measures start-up, memory and idle CPU: `rootquorum serve` against `bench/bare.py`, and two short commands.

Every round runs each of them once, in turn, so that a busy machine is equally unfair to all. CPU is user and system
time; it is steadier than wall time. The first round is thrown away: it compiles bytecode, as an installation does once.
`serve` and the bare process are ready when GET /readyz answers 200. Memory is that of the process a second later.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

from support.products.postgres import running_postgres

from service.db import expectations
from service.db.engine import begin, connect
from service.db.schema import migrate
from service.domain.drift import Expectation

QUICK = bool(os.environ.get("QUICK"))
ROUNDS, IDLE_SECONDS = (3, 10) if QUICK else (9, 30)
ACCOUNTS = 1000
SETTLE_SECONDS, LOOK_AGAIN_SECONDS, PATIENCE_SECONDS = 5.0, 0.01, 60
SCRAPE_SECONDS = 15.0
BARE = Path(__file__).with_name("bare.py")
SERVICE = (sys.executable, "-m", "service")
TICK = os.sysconf("SC_CLK_TCK")

Sample = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """One row of the table. `goal` is the largest good value; None if there is none."""

    name: str
    value: float
    unit: str
    spread: tuple[float, float]
    goal: float | None = None

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


@dataclass(frozen=True)
class Site:
    """A folder with settings for one database, migrated."""

    name: str
    folder: Path
    url: str
    bare_url: str
    more: dict[str, str] = field(default_factory=dict)

    def environment(self, port: int = 0) -> dict[str, str]:
        # What runs here may keep the bytecode that it compiles.
        ours = ("ROOTQUORUM_", "AWS_", "PYTHONDONTWRITEBYTECODE")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return clean | {"ROOTQUORUM_SERVER__PORT": str(port)} | self.more


def furnish(name: str, folder: Path, url: str, bare_url: str, *, accounts: int) -> Site:
    """Write settings with so many accounts, each of which has just passed its drift check, so that nothing is due."""
    folder.mkdir()
    ids = [str(100_000_000_000 + number) for number in range(accounts)]
    people = "".join(f'[people.{each}]\nname = "{each}"\nroles = ["approver"]\n' for each in ("bob", "carol"))
    (folder / "rootquorum.toml").write_text(
        f'[database]\nurl = "{url}"\n[policy]\ndecision_requires_auth_time = false\n{people}'
        + "".join(f'[accounts.{each}]\nname = "a{each}"\nprofile = "p{each}"\n' for each in ids)
    )
    engine = connect(url, connections=1)
    if url.startswith("sqlite"):
        migrate(engine)
    with begin(engine) as tx:
        for each in ids:
            expectations.add(tx, Expectation(account_id=each, checked_at=datetime.now(UTC), keys={}, mfa_enabled=True))
    engine.dispose()
    return Site(name, folder, url, bare_url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(pid: int) -> tuple[float, float]:
    """Return the resident and the proportional size in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(size.split()[0]) / 1024 for name, _, size in (line.partition(":") for line in lines)}
    return sizes["Rss"], sizes["Pss"]


@contextmanager
def ready(command: tuple[str, ...], site: Site, port: int) -> Iterator[tuple[int, Sample]]:
    """Run a server until the end of the block. Yield its pid, and what it took until it was ready."""
    began = time.perf_counter()
    log = site.folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=site.folder, env=site.environment(port), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE_SECONDS:
                raise RuntimeError(log.read_text())
            time.sleep(LOOK_AGAIN_SECONDS)
        yield process.pid, {"wall": time.perf_counter() - began, "cpu": cpu_of(process.pid)}
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).close()
    except (URLError, ConnectionError):
        return False
    return True


def started(command: Callable[[int], tuple[str, ...]], site: Site) -> Sample:
    port = free_port()
    with ready(command(port), site, port) as (pid, sample):
        time.sleep(1)
        rss, pss = memory_of(pid)
        return sample | {"rss": rss, "pss": pss}


def ran(site: Site, *arguments: str) -> Sample:
    """Run a command to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run((*SERVICE, *arguments), cwd=site.folder, env=site.environment(), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - began, "cpu": cpu}


def idle(site: Site, command: tuple[str, ...], *, is_scraped: bool = False) -> float:
    """Return the share of a core, in percent, that an idle process takes. Its watch runs.

    If `is_scraped`, Prometheus's part is played: its metrics are read every fifteen seconds, as it does by default.
    """
    port, metrics = free_port(), free_port()
    site = replace(site, more={"ROOTQUORUM_METRICS__PORT": str(metrics)}) if is_scraped else site
    with ready(command, site, port) as (pid, _):
        time.sleep(SETTLE_SECONDS)
        before, began = cpu_of(pid), time.perf_counter()
        while (left := began + IDLE_SECONDS - time.perf_counter()) > 0:
            if is_scraped:
                urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10).read()
            time.sleep(min(left, SCRAPE_SECONDS))
        return 100 * (cpu_of(pid) - before) / (time.perf_counter() - began)


def figures(site: Site, large: Site) -> Iterator[Figure]:
    """Measure everything on one database. `large` has the settings with many accounts."""
    timed: dict[str, Callable[[], Sample]] = {
        "bare": lambda: started(lambda port: (sys.executable, str(BARE), site.bare_url, str(port)), site),
        "serve": lambda: started(lambda _: (*SERVICE, "serve"), site),
        "--help": lambda: ran(site, "--help"),
        "token create": lambda: ran(site, "token", "create", "bob"),
    }
    rounds = [{name: measure() for name, measure in timed.items()} for _ in range(ROUNDS + 1)][1:]

    def figure(name: str, part: str, unit: str, goal: float | None = None) -> Figure:
        values = [each[name][part] for each in rounds]
        return Figure(f"{site.name}: {name}, {part}", median(values), unit, (min(values), max(values)), goal)

    def ratio(part: str, goal: float | None) -> Figure:
        values = [each["serve"][part] / each["bare"][part] for each in rounds]
        return Figure(f"{site.name}: serve / bare, {part}", median(values), "x", (min(values), max(values)), goal)

    for name in ("bare", "serve"):
        for part, unit in (("wall", "s"), ("cpu", "s"), ("rss", "MiB"), ("pss", "MiB")):
            yield figure(name, part, unit)
    for part, goal in (("wall", None), ("cpu", 1.3), ("rss", 1.3), ("pss", None)):
        yield ratio(part, goal)
    for name in ("--help", "token create"):
        yield figure(name, "wall", "s")
        yield figure(name, "cpu", "s", 0.5)
    for what, is_scraped in (("idle", False), ("idle and scraped", True)):
        share = idle(large, (*SERVICE, "serve"), is_scraped=is_scraped)
        yield Figure(f"{site.name}: serve {what}, {ACCOUNTS} accounts, cpu", share, "%", (share, share), 0.5)


def table(found: list[Figure]) -> Iterator[str]:
    yield "| what | median | spread | goal | reached |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for each in found:
        low, high = each.spread
        goal = "" if each.goal is None else f"{each.goal:g} {each.unit}"
        reached = {None: "", True: "yes", False: "no"}[each.reached]
        yield f"| {each.name} | {each.value:.2f} {each.unit} | {low:.2f} to {high:.2f} | {goal} | {reached} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="rootquorum-startup-") as name, running_postgres() as server:
        folder = Path(name)
        lite = f"sqlite:///{folder}"
        new = server.new_database
        sites = [
            [
                furnish(
                    "SQLite",
                    folder / f"sqlite-{accounts}",
                    f"{lite}/sqlite-{accounts}/rootquorum.db",
                    f"{lite}/bare.db",
                    accounts=accounts,
                )
                for accounts in (3, ACCOUNTS)
            ],
            [
                furnish(
                    "PostgreSQL",
                    folder / f"postgresql-{accounts}",
                    new(),
                    server.new_empty_database(),
                    accounts=accounts,
                )
                for accounts in (3, ACCOUNTS)
            ],
        ]
        for small, large in sites:
            found += figures(small, large)
    print("\n".join(table(found)))
    if options.json:
        records = [asdict(each) | {"reached": each.reached} for each in found]
        options.json.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
