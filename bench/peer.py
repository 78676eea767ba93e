"""Compares lifecycles with the peer: django-maker-checker 0.8 behind Django REST framework, under gunicorn.

    PYTHONPATH=tests python bench/peer.py [--json FILE]

Both are on PostgreSQL. The service files, gets two decisions, executes, and gets the receipt; AWS answers at once in
another process. In one variant the peer does the same work: two of three checkers decide, and it makes the same calls
to AWS, with clients that it keeps. In the other it does less: one checker decides, and the approved action does
nothing. The peer has one process, and then four; the service has one. The floor's rate, with kept clients, says how
many times the peer's rate is possible at all with the same libraries.
"""

import json
import os
import subprocess
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lifecycles import lifecycle
from measure import CONNECTIONS, QUICK, Call, Connection, Cost, Job, Row, Server, cheaper, finish, quicker
from sites import (
    APPROVERS,
    HERE,
    REQUESTER,
    InstantAws,
    Site,
    accounts_of,
    database,
    floor,
    instant_aws,
    running,
    served,
)

from service.cli.waiting import free_port

_VERSIONS = {
    "django-maker-checker": "0.8.0",
    "django": "5.2.19",
    "djangorestframework": "3.18.3",
    "gunicorn": "27.0.1",
    "psycopg[binary]": "3.3.9",
    "boto3": "1.44.5",
}
_PLACE = HERE.parent / ".venv" / f"django-maker-checker-{_VERSIONS['django-maker-checker']}"
ACCOUNTS, ROUNDS = (16, 2) if QUICK else (60, 7)
# Times as many as the peer, process for process, and one process against four.
GOALS = {1: 3.0, 4: 5.0}
VARIANTS = {"the same work": (2, "kept"), "one checker, no AWS": (1, "none")}


def install() -> None:
    """Install the peer into an environment of its own, once."""
    if not (_PLACE / "ready").exists():
        venv.create(_PLACE, with_pip=True, clear=True)
        wanted = [f"{name}=={number}" for name, number in _VERSIONS.items()]
        subprocess.run([_PLACE / "bin/pip", "install", "--quiet", *wanted], check=True)
        (_PLACE / "ready").touch()


@contextmanager
def peers(variant: str, aws: InstantAws) -> Iterator[Mapping[int, Site]]:
    """Serve the peer by one process and by four, on one database, and yield both."""
    checkers, mode = VARIANTS[variant]
    ports = {processes: free_port() for processes in GOALS}
    with database("PostgreSQL", migrated=False) as on:
        environment = {
            "DATABASE": on.url,
            "CHECKERS": str(checkers),
            "AWS": mode,
            "AWS_ENDPOINT": aws.endpoint_url,
            "PYTHONPATH": str(HERE),
        }
        made = subprocess.run(
            [_PLACE / "bin/python", "-c", "import peer_app; peer_app.main()"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        with (
            running(*_gunicorn(1, ports[1]), port=ports[1], environment=environment) as one,
            running(*_gunicorn(4, ports[4]), port=ports[4], environment=environment) as four,
        ):
            pids = {1: one, 4: four}
            yield {
                processes: Site(Server(ports[processes], pid, on.pid), json.loads(made.stdout), accounts_of(ACCOUNTS))
                for processes, pid in pids.items()
            }


def _gunicorn(processes: int, port: int) -> list[str | Path]:
    # One thread: django-fsm-2 unprotects a model's field for all threads while one of them refreshes a row (4.2.4). A
    # threaded worker keeps connections open, which gunicorn's default worker does not.
    options = ["--worker-class", "gthread", "--threads", "1", "--keep-alive", "60", "--log-level", "error"]
    bound = ["--workers", str(processes), "--bind", f"127.0.0.1:{port}"]
    return [_PLACE / "bin/gunicorn", *options, *bound, "peer_app:application"]


def peer_lifecycle(site: Site, number: int, checkers: int) -> Job:
    """Return the whole life of a request at the peer. The last decision executes it."""
    body = {"account_id": site.accounts[number].account_id, "justification": "Rotation, due this quarter."}

    def live(connection: Connection) -> None:
        request = connection.json(Call("POST", "/v1/requests", site.tokens[REQUESTER], body, status=201))
        path = f"/v1/requests/{request['id']}/decisions"
        for person in APPROVERS[:checkers]:
            decided = connection.json(Call("POST", path, site.tokens[person], {"decision": "approve"}))
        assert decided["status"] == "executed", decided

    return live


def rows() -> Iterator[Row]:
    install()
    accounts = accounts_of(ACCOUNTS)
    with (
        instant_aws() as aws,
        database("PostgreSQL", migrated=True) as own,
        database("PostgreSQL", migrated=False) as other,
        served(own, aws, accounts) as ours,
        floor(other, accounts, "kept", aws) as least,
    ):
        for variant, (checkers, _) in VARIANTS.items():
            with peers(variant, aws) as theirs:
                rounds = [
                    Round(_lives(ours), _lives(least), {each: _peers(theirs[each], each, checkers) for each in GOALS})
                    for _ in range(1 + ROUNDS)
                ][1:]  # the first warms up
            yield from _compared(variant, rounds)


@dataclass(frozen=True, slots=True)
class Round:
    """The cost of a lifecycle: ours, the floor's, and the peer's by the number of its processes."""

    ours: Cost
    floor: Cost
    peers: Mapping[int, Cost]


def _lives(site: Site) -> Cost:
    return site.server.run([lifecycle(site, number, reads=False) for number in range(len(site.accounts))])


def _peers(site: Site, processes: int, checkers: int) -> Cost:
    jobs = [peer_lifecycle(site, number, checkers) for number in range(len(site.accounts))]
    return site.server.run(jobs, connections=2 * CONNECTIONS if processes > 1 else CONNECTIONS)


def _compared(variant: str, rounds: list[Round]) -> Iterator[Row]:
    ours, least = [each.ours for each in rounds], [each.floor for each in rounds]
    for processes, goal in GOALS.items():
        peer = [each.peers[processes] for each in rounds]
        about = f"lifecycle, peer with {processes} {'process' if processes == 1 else 'processes'}, {variant}"
        rate = [each.per_second for each in peer]
        yield quicker(f"{about}: a second", [each.per_second for each in ours], rate, goal)
        yield quicker(f"{about}: the floor's a second", [each.per_second for each in least], rate, None)
        yield cheaper(f"{about}: CPU ms", [each.cpu_ms for each in ours], [each.cpu_ms for each in peer], None)
        own, theirs = ([each.database_ms for each in side] for side in (ours, peer))
        yield cheaper(f"{about}: CPU ms of PostgreSQL", own, theirs, None)


if __name__ == "__main__":
    finish(rows())
