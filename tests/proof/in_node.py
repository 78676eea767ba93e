"""The desk's proof modules, run by Node.js: one process for many calls."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.products.nodejs import NODE

import service

_DESK = Path(service.__file__).parent / "desk"
PROOF, EVIDENCE = _DESK / "files/proof", _DESK / "evidence"
_CALLS = Path(__file__).with_name("calls.mjs")


class Refused(Exception):
    """A module refused. The text is the fault's code."""


class Proofs:
    """Calls functions of the modules. Bytes go to Uint8Array and back, sets to Set."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, module: str, function: str, *values: Any) -> Any:
        """Return what the function returns. Raise Refused if it throws a Fault or a RangeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([module, function, *values], default=_hex) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "Node.js ended; its standard error says why"
        answer = json.loads(line, object_hook=_bytes)
        if "fault" in answer:
            raise Refused(answer["fault"])
        return answer["value"]

    def fault(self, module: str, function: str, *values: Any) -> str | None:
        """Return the code of the refusal, None if there is none."""
        try:
            self.call(module, function, *values)
        except Refused as refused:
            return str(refused)
        return None


@contextmanager
def running() -> Iterator[Proofs]:
    command = [str(NODE), "--no-warnings", str(_CALLS), str(PROOF), str(EVIDENCE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield Proofs(process)
        assert process.stdin is not None
        process.stdin.close()


def _hex(value: object) -> object:
    if isinstance(value, set | frozenset):
        return {"set": sorted(value)}
    assert isinstance(value, bytes)
    return {"bytes": value.hex()}


def _bytes(value: dict[str, Any]) -> Any:
    if value.keys() == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return set(value["set"]) if value.keys() == {"set"} else value
