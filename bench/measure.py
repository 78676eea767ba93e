"""Measures calls: the processor time of a server, and what callers wait; and prints and records the results.

Processor time is the steadier figure: a shared machine takes time from everybody, but it does not count as theirs.
"""

import json
import os
import platform
import socket
import subprocess
import threading
import time
from argparse import ArgumentParser
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

# Fewer rounds and rows.
QUICK = bool(os.environ.get("QUICK"))
CONNECTIONS = 4
_TICKS_A_SECOND = 100  # of /proc/PID/stat, on every Linux that Python runs on
_CPUCLOCK_SCHED = 2
_VERSIONS = ("fastapi", "starlette", "uvicorn", "pydantic", "SQLAlchemy", "psycopg", "boto3")


@dataclass(frozen=True, slots=True)
class Call:
    """A call with a bearer token, which must be answered with `status`."""

    method: str
    path: str
    token: str
    body: object = None
    status: int = 200

    def encoded(self) -> bytes:
        body = b"" if self.body is None else json.dumps(self.body).encode()
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Connection:
    """A keep-alive connection. It costs the caller far less than the cheapest server needs; httpx costs as much.

    `seconds` has the time of each call.
    """

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def close(self) -> None:
        self._socket.close()

    def call(self, call: Call) -> bytes:
        """Return the body of the answer."""
        sent = call.encoded()
        began = time.perf_counter()
        self._socket.sendall(sent)
        head = self._until(b"\r\n\r\n").lower()
        body = self._exactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        self.seconds.append(time.perf_counter() - began)
        assert int(head[9:12]) == call.status, (call.method, call.path, head[:12], body)
        return body

    def json(self, call: Call) -> Any:
        return json.loads(self.call(call))

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        found, _, self._received = self._received.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _more(self) -> None:
        received = self._socket.recv(1 << 16)
        assert received, "the server closed the connection"
        self._received += received


# What one caller does on a connection, from the first call to the last.
Job = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job costs: milliseconds of the server's processor and of its database's, median wait, jobs a second."""

    cpu_ms: float
    database_ms: float
    p50_ms: float
    per_second: float


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its threads, and of all its children, also those that have ended."""
    ended = sum(map(int, _stat(pid)[13:15])) / _TICKS_A_SECOND
    # The clock that clock_getcpuclockid(3) returns: the sum of utime and stime, but in nanoseconds and not in ticks.
    own = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    return own + ended + sum(_cpu_seconds_or_none(child) for child in _children(pid))


def _cpu_seconds_or_none(child: int) -> float:
    try:
        return cpu_seconds(child)
    except OSError:  # it has just ended, as PostgreSQL's own workers do
        return 0.0


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a port, and its database: the process ids of both. An embedded database has no process."""

    port: int
    pid: int
    database_pid: int | None

    def run(self, jobs: Iterable[Job], connections: int = CONNECTIONS) -> Cost:
        """Do all jobs, some at the same time on a connection each, and return the cost per job.

        `p50_ms` is of calls; it is of jobs too where each job is one call.
        """
        waiting = deque(jobs)
        count, failures = len(waiting), list[BaseException]()

        def work(connection: Connection) -> None:
            try:
                while not failures:
                    waiting.popleft()(connection)
            except IndexError:
                return
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
                failures.append(error)

        with ExitStack() as stack:
            opened = [Connection(self.port) for _ in range(connections)]
            for connection in opened:
                stack.callback(connection.close)
            threads = [threading.Thread(target=work, args=(connection,)) for connection in opened]
            before, began = self._used(), time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds, after = time.perf_counter() - began, self._used()
        if failures:
            raise failures[0]
        waited = [each for connection in opened for each in connection.seconds]
        cpu, database = ((now - then) / count * 1000 for now, then in zip(after, before, strict=True))
        return Cost(cpu, database, median(waited) * 1000, count / seconds)

    def calls(self, calls: Iterable[Call]) -> Cost:
        """Make all calls. Return the cost per call."""
        return self.run([_job(call) for call in calls])

    def _used(self) -> tuple[float, float]:
        return cpu_seconds(self.pid), 0.0 if self.database_pid is None else cpu_seconds(self.database_pid)


def _job(call: Call) -> Job:
    return lambda connection: void(connection.call(call))


def void(_answer: object) -> None:
    """Forget an answer."""


TABLE = "| what | ours | other | ratio | rounds | goal | reached |\n" + "| --- " * 7 + "|"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: one figure of ours and of what it is compared with, round by round, and the goal.

    `ratio` is the median of the rounds' ratios; 1 means as good, more means better, unless `at_most`.
    """

    name: str
    ours: Sequence[float]
    other: Sequence[float]
    ratios: Sequence[float]
    goal: float | None = None
    at_most: bool = False

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def reached(self) -> str:
        if self.goal is None:
            return ""
        return "yes" if (self.ratio <= self.goal if self.at_most else self.ratio >= self.goal) else "no"

    def cells(self) -> str:
        """Return a row of `TABLE`. Figures are medians; the ratio has its smallest and its largest round."""
        goal = "" if self.goal is None else f"{'<=' if self.at_most else '>='} {self.goal}"
        return (
            f"| {self.name} | {median(self.ours):.3g} | {median(self.other):.3g} | {self.ratio:.2f} "
            f"| {min(self.ratios):.2f} to {max(self.ratios):.2f} | {goal} | {self.reached} |"
        )


def cheaper(name: str, ours: Sequence[float], other: Sequence[float], goal: float | None) -> Row:
    """Compare costs: the ratio is what the other costs to what ours costs."""
    return Row(name, ours, other, [theirs / own for own, theirs in zip(ours, other, strict=True)], goal)


def quicker(name: str, ours: Sequence[float], other: Sequence[float], goal: float | None) -> Row:
    """Compare rates: the ratio is how many ours does to how many the other does."""
    return Row(name, ours, other, [own / theirs for own, theirs in zip(ours, other, strict=True)], goal)


def grown(name: str, large: Sequence[float], small: Sequence[float], goal: float) -> Row:
    """Compare costs of ours with more and with few rows: the ratio is to stay below the goal."""
    return Row(name, large, small, [much / few for much, few in zip(large, small, strict=True)], goal, at_most=True)


def record(rows: Iterable[Row], file: Path) -> None:
    """Write the rows as JSON, with all rounds, the time, the commit and the versions."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": done.stdout.strip(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
        "rows": [asdict(row) | {"ratio": row.ratio, "reached": row.reached} for row in rows],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n")


def finish(rows: Iterable[Row]) -> None:
    """Print the rows as they come, and write them to the file after `--json`, if there is one, even after a failure."""
    parser = ArgumentParser()
    parser.add_argument("--json", type=Path)
    file = parser.parse_args().json
    print(TABLE, flush=True)
    done: list[Row] = []
    try:
        for row in rows:
            done.append(row)
            print(row.cells(), flush=True)
    finally:
        if file is not None:
            record(done, file)
