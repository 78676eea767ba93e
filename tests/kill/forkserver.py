"""One warm process, that has imported the service once and forks a child per case.

It reads an order a line, as JSON, and answers each with a number: `folder` starts the service with the settings there
(`command` in place of serve, `environment` beside its own, `log` for what it says) and answers its pid, `wait` answers
how that pid ended. At the end of its input it kills whatever still runs.
"""

import json
import os
import signal
import sys
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import psycopg  # noqa: F401  # imported by the service only when it needs it
import uvicorn

import service.app.accounts
import service.cli.serve
import service.cli.worker  # noqa: F401  # as psycopg
from service import logs
from service.api.build import build
from service.app import compose
from service.aws.calls import ONCE
from service.aws.sources import FixedSource, client_of
from service.cli import app
from service.db import schema
from service.domain.incident import Limits
from service.settings import load
from service.worker import run_pass


def main() -> None:
    _warm_up()
    running: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
            running.discard(order["wait"])
        else:
            answer = _fork(order)
            running.add(answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in running:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _warm_up() -> None:
    """Read once what every start reads: the server's protocols, the migrations, the service models of AWS."""
    uvicorn.Config(build(None), log_config=None).load()
    schema.needed()
    session = FixedSource("AKIANOBODY", "nothing", "http://127.0.0.1:9").session()
    for name in ("iam", "sts"):
        with closing(client_of(session, name, region_name="us-east-1", config=ONCE)):
            pass


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_the_service(order)
    return pid


def _become_the_service(order: dict[str, Any]) -> NoReturn:
    """What `rootquorum serve` is or, with a time, one pass of the worker at that time."""
    code, folder = 1, Path(order["folder"])
    try:
        appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(folder / order.get("log", "service.log"), appended)
        for number, file in enumerate((nothing, log, log)):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ |= {"AWS_CONFIG_FILE": str(folder / "aws-config"), **order.get("environment", {})}
        if order.get("now") is None:
            # An exit that the command asks for is returned, not raised.
            code = app(order.get("command", ["serve"]), standalone_mode=False) or 0
        else:
            _work(datetime.fromisoformat(order["now"]))
            code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001  # a child must never return into the loop of its parent
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _work(now: datetime) -> None:
    settings = load()
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    with compose(settings) as ctx:
        # This time is the test's, so no other clock agrees with it.
        run_pass(replace(ctx, now=lambda: now, limits=Limits()))


if __name__ == "__main__":
    main()
