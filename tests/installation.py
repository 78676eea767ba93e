"""The service as it is installed: a folder with settings, and processes in it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.cli.waiting import wait_until


def rootquorum(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ROOTQUORUM_"))}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=folder,
        env=clean | {"AWS_EC2_METADATA_DISABLED": "true"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def serving(folder: Path, port: int, *options: str, code: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`rootquorum serve` with the settings in `folder`; `code` is another checkout's, if it is to be that."""
    environment = os.environ | {"ROOTQUORUM_SERVER__PORT": str(port)}
    if code is not None:
        environment["PYTHONPATH"] = str(code)
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", *options], cwd=folder, env=environment, stderr=log
        )
    try:
        wait_until(lambda: is_ready(port, process), what="the service")
        yield process
    finally:
        process.kill()
        process.wait()


def is_ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the service stopped"
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.TransportError:
        return False
