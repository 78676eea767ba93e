"""A witness, written from C2SP's tlog-witness and tlog-cosignature. Go's tlog and note judge what it is shown."""

import base64
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.products.golang import Go, GoRefused
from support.served import served

from service.domain.cosigning import NotCosigned

_AT = 1679315147


class Witness:
    """A witness, written from C2SP's tlog-cosignature."""

    def __init__(self, name: str) -> None:
        self.name, self._key = name, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        public = b"\x04" + self._key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(f"{name}\n".encode() + public).digest()[:4]
        self.key = f"{name}+{self.id.hex()}+{b64encode(public).decode()}"

    def line(self, note: str, at: int = _AT) -> str:
        text = note.rpartition("\n\n")[0] + "\n"
        signature = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        return f"— {self.name} {b64encode(self.id + at.to_bytes(8) + signature).decode()}\n"


class Absent:
    """A witness that nobody reaches."""

    key_id = "witness.example/north+00000000"

    def cosign(self, *_: object) -> str:
        raise NotCosigned("it is away")

    def verified(self, _head: object, lines: str) -> str:
        return lines


@dataclass
class WitnessServer:
    """What the witness remembers of one log, and how it answers. `faults` replace its answers, one after another.

    `lost` of its next answers to what it cosigned are lost on their way. One with nothing but faults needs no Go.
    """

    witness: Witness
    go: Go | None
    log_key: str
    origin: str
    url: str = ""
    size: int = 0
    root: bytes = b""
    asked: list[str] = field(default_factory=list)
    faults: list[tuple[int, bytes]] = field(default_factory=list)
    lost: int = 0

    def answer(self, path: str, body: str) -> tuple[int, bytes]:
        self.asked.append(body.partition("\n")[0])
        if self.faults:
            return self.faults.pop(0)
        request, _, note = body.partition("\n\n")
        first, *proof = request.split("\n")
        origin, size, root = note.split("\n")[:3]
        if path != "/witness/add-checkpoint" or origin != self.origin:
            return 404, b""
        if not self._is_signed(note):
            return 403, b""
        old, new, hashes = int(first.removeprefix("old ")), int(size), [base64.b64decode(line) for line in proof]
        if old > new or first != f"old {old}":
            return 400, b""
        if old != self.size:
            return 409, f"{self.size}\n".encode()
        return self._proved(old, new, base64.b64decode(root), hashes, note)

    def _is_signed(self, note: str) -> bool:
        assert self.go is not None
        try:
            self.go.open(note.encode(), [self.log_key])
        except GoRefused:
            return False
        return True

    def _proved(self, old: int, new: int, root: bytes, hashes: list[bytes], note: str) -> tuple[int, bytes]:
        assert self.go is not None
        if old == new and root != self.root:
            return 422, b""
        if hashes if old in {0, new} else not self.go.takes_consistency(old, new, self.root, root, hashes):
            return 422, b""
        self.size, self.root = new, root
        return 200, (Witness("stranger.example/w").line(note) + self.witness.line(note)).encode()


@contextmanager
def running_witness(server: WitnessServer) -> Iterator[WitnessServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = server.answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())
            if status == 200 and server.lost:
                server.lost -= 1
                return
            self.send_response(status)
            self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as running:
        server.url = f"http://127.0.0.1:{running.server_port}/witness"
        yield server
