"""Runs `rootquorum execute` again and again, each time in a child that kills itself one step later.

A step is the answer with the secret, and then the end of whatever leaves the process: each half of a write, each fsync,
the new name, the command, and the receipt. Reads an order a line, as JSON:
`arguments` of the command and the `step` to die at. Answers each with how the child ended: -9 if it died there, and its
exit code if there is no such step any more.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rootquorum_client.client
import service.cli.execute  # noqa: F401  # once, for all children
from rootquorum_client.transport import Transport
from service.cli import app


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(order["arguments"], order["step"])
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(arguments: list[str], fatal: int) -> None:
    os.dup2(2, 1)  # stdout is for the answers
    steps = 0
    is_answered = False

    def step() -> None:
        nonlocal steps
        steps += is_answered
        if steps == fatal and is_answered:
            os.kill(os.getpid(), signal.SIGKILL)

    def deadly(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def dying(*given: Any, **options: Any) -> Any:
            result = real(*given, **options)
            step()
            return result

        setattr(owner, name, dying)

    write = os.pwrite

    def half(number: int, content: bytes, offset: int) -> int:
        return write(number, content if offset else content[: len(content) // 2], offset)

    os.pwrite = half  # type: ignore[assignment]
    for name in ("pwrite", "ftruncate", "fsync"):
        deadly(os, name)
    deadly(Path, "replace")
    deadly(subprocess, "run")
    real_execute = rootquorum_client.client.Client.execute

    def execute(*given: Any) -> Any:
        nonlocal is_answered
        found = real_execute(*given)
        is_answered = True
        step()
        return found

    rootquorum_client.client.Client.execute = execute  # type: ignore[assignment, method-assign]
    deadly(Transport, "send")
    app(arguments)


if __name__ == "__main__":
    main()
