"""The service as it is installed: a folder with settings, and processes in it."""

import os
import pkgutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import httpx
import typer.main
from typer.testing import CliRunner

import service.cli
from service.cli import app
from service.cli.waiting import wait_until

PROGRAM = (sys.executable, "-m", "service")

# A command that is imported when it runs exempts everything from garbage collection, also what earlier tests left.
for module in pkgutil.iter_modules(service.cli.__path__):
    import_module(f"service.cli.{module.name}")


def rootquorum(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def commanded(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, for tests that need no separate one."""
    return piped(b"", folder, *arguments, **environment)


def piped(stdin: bytes, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with `stdin` as its standard input."""
    umask = os.umask(0)
    try:
        with chdir(folder), patch.dict(os.environ, _environment() | environment, clear=True):
            done = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
    finally:
        os.umask(umask)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def every_command(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command and every group of them, loaded, with its path."""
    command = command or typer.main.get_command(app)
    command = command.load() if hasattr(command, "load") else command
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, (*path, name))


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ROOTQUORUM_"))}
    return clean | {"AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def running(
    folder: Path,
    *command: str,
    log: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it in `folder`. Kill it at the end with all that it has started, if any of them still runs.

    A service that lives on would work on the database of the next test.
    """
    with (
        (folder / log).open("ab") as stderr,
        subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdout=stdout, stderr=stderr, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def working(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `rootquorum worker`."""
    with running(folder, *PROGRAM, "worker", log="worker.log") as process:
        yield process


@contextmanager
def serving(
    folder: Path,
    port: int,
    *options: str,
    code: Path | None = None,
    program: Sequence[str] = PROGRAM,
    tls: ssl.SSLContext | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `rootquorum serve` with the settings in `folder`.

    `code` is another checkout to run instead, `program` another installation. `tls` is a caller's side, if it has TLS.
    """
    environment = {"ROOTQUORUM_SERVER__PORT": str(port)}
    if code is not None:
        environment["PYTHONPATH"] = str(code)
    with running(folder, *program, "serve", *options, log="service.log", environment=environment) as process:
        wait_until(lambda: is_ready(port, process, tls), what="the service")
        yield process


def is_ready(port: int, process: subprocess.Popen[bytes], tls: ssl.SSLContext | None = None) -> bool:
    assert process.poll() is None, "the service stopped"
    try:
        # Without TLS, loading certificates would only take long.
        return httpx.get(f"{'https' if tls else 'http'}://127.0.0.1:{port}/readyz", verify=tls or False).is_success
    except httpx.TransportError:
        return False
