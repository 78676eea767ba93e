"""A second witness for logs (C2SP `tlog-witness`), with its state in memory.

It was written from the specification at commit 5ba5ee830903e91240fc6f9f3a7a9293d49e69c9 of C2SP/C2SP, before the
service's code was read: tlog-witness, tlog-cosignature, tlog-checkpoint and signed-note. Consistency proofs are
verified by RFC 9162, section 2.1.4.2. Logs sign with Ed25519 (type 01), the witness with cosignature/v1 (type 04).
"""

import base64
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NOTE, COSIGNATURE, MAX_BODY, MAX_PROOF = b"\x01", b"\x04", 256 * 1024, 63


class Refusal(Exception):
    """A status, a body, and its content type if need be; a ValueError answers 400."""


def unbase64(text: str, size: int | None = None) -> bytes:
    raw = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(raw).decode() != text or (size is not None and len(raw) != size):
        raise ValueError("not canonical base64 of the right length")
    return raw


def decimal(text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise ValueError("not a tree size")
    return int(text)


def key_id(name: str, material: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]


def parse_vkey(vkey: str) -> tuple[tuple[str, bytes], Ed25519PublicKey]:
    name, hexid, encoded = vkey.split("+", 2)
    raw = unbase64(encoded, 33)
    if raw[:1] != NOTE or key_id(name, raw).hex() != hexid:
        raise ValueError(f"not an Ed25519 note vkey: {vkey}")
    return (name, bytes.fromhex(hexid)), Ed25519PublicKey.from_public_bytes(raw[1:])


@dataclass
class Checkpoint:
    text: str  # the note's text, with its final newline
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[tuple[str, bytes], bytes, str]]  # (name, key ID), signature, line


def parse_checkpoint(note: str) -> Checkpoint:
    head, blank, tail = note.rpartition("\n\n")  # the last empty line parts them
    if any(c < " " and c != "\n" for c in note) or not blank or not tail.endswith("\n"):
        raise ValueError("not a signed note")
    lines, signatures = head.split("\n"), []
    if len(lines) < 3 or not all(lines):
        raise ValueError("a checkpoint has three or more lines, none of them empty")
    for line in tail[:-1].split("\n"):
        dash, name, encoded = parts if len(parts := line.split(" ")) == 3 else ("", "", "")
        if dash != "—" or not re.fullmatch(r"[^\s+]+", name) or len(raw := unbase64(encoded)) < 5:
            raise ValueError("malformed signature line")
        signatures.append(((name, raw[:4]), raw[4:], line + "\n"))
    return Checkpoint(head + "\n", lines[0], decimal(lines[1]), unbase64(lines[2], 32), signatures)


def parse_request(body: bytes) -> tuple[int, list[bytes], Checkpoint]:
    head, blank, note = body.decode("utf-8").partition("\n\n")
    first, *proof = head.split("\n")
    if not blank or not first.startswith("old ") or len(proof) > MAX_PROOF:
        raise ValueError("no old size line, or more than 63 proof lines")
    return decimal(first[4:]), [unbase64(p, 32) for p in proof], parse_checkpoint(note)


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def consistent(first: int, second: int, old: bytes, new: bytes, proof: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2, for 0 < first < second."""
    if not proof:
        return False
    fr, *path = [old, *proof] if first & (first - 1) == 0 else proof
    sr, fn, sn = fr, first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    for c in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == old and sr == new and sn == 0


@dataclass
class Witness:
    name: str
    key: Ed25519PrivateKey
    logs: dict[str, list[str]]  # origin -> the vkeys trusted for it
    latest: dict[str, tuple[int, bytes, str]] = field(default_factory=dict)  # size, root, note
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        material = COSIGNATURE + self.key.public_key().public_bytes_raw()
        self.id = key_id(self.name, material)
        self.keys = {o: dict(map(parse_vkey, vkeys)) for o, vkeys in self.logs.items()}
        self.vkey = f"{self.name}+{self.id.hex()}+{base64.b64encode(material).decode()}"

    def cosign(self, text: str) -> str:
        now = int(time.time())
        signature = self.key.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        encoded = base64.b64encode(self.id + now.to_bytes(8, "big") + signature)
        return f"— {self.name} {encoded.decode()}\n"

    def log_lines(self, note: Checkpoint) -> str:
        """The signature lines of the keys trusted for the origin, each of them verified."""
        keys, good = self.keys[note.origin], ""
        for ident, signature, line in note.signatures:
            if ident in keys:  # the others MUST be ignored
                keys[ident].verify(signature, note.text.encode())
                good += line
        return good

    def add_checkpoint(self, body: bytes) -> str:
        old, proof, new = parse_request(body)
        if new.origin not in self.keys:
            raise Refusal(404, "unknown origin\n")
        if not (lines := self.log_lines(new)):
            raise Refusal(403, "no signature of a trusted key\n")
        if old > new.size:
            raise ValueError("the old size is above the checkpoint's")
        with self.lock:  # the checks and the update are one step
            size, root, _ = self.latest.get(new.origin, (0, hashlib.sha256(b"").digest(), ""))
            if old != size:
                raise Refusal(409, f"{size}\n", "text/x.tlog.size")
            if (old == new.size and new.root != root) or (old in (0, new.size) and proof):
                raise Refusal(422, "another root at that size, or a proof where none belongs\n")
            if 0 < old < new.size and not consistent(old, new.size, root, new.root, proof):
                raise Refusal(422, "the consistency proof does not verify\n")
            line = self.cosign(new.text)
            self.latest[new.origin] = (new.size, new.root, f"{new.text}\n{lines}{line}")
        return line


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # with keep-alive
    witness: Witness

    def answer(self, status: int, body: str, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > MAX_BODY:
            self.close_connection = True  # its body stays unread
            return self.answer(413 if length else 411, "no length, or too large\n")
        body = self.rfile.read(int(length))
        if self.path != "/add-checkpoint":
            return self.answer(404, "no such path\n")
        try:
            self.answer(200, self.witness.add_checkpoint(body))
        except Refusal as refusal:
            self.answer(*refusal.args)
        except InvalidSignature:
            self.answer(403, "a trusted key's signature does not verify\n")
        except ValueError as error:  # of UTF-8 and base64 too
            self.answer(400, f"{error}\n")

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:  # <origin hash>/checkpoint, for monitors
        logs = {hashlib.sha256(each.encode()).hexdigest(): each for each in list(self.witness.latest)}
        found = {f"/{digest}/checkpoint": self.witness.latest[each][2] for digest, each in logs.items()}
        self.answer(200 if self.path in found else 404, found.get(self.path, "nothing\n"))


def serve(witness: Witness, port: int = 0) -> ThreadingHTTPServer:
    bound = type("Bound", (Handler,), {"witness": witness})
    server = ThreadingHTTPServer(("127.0.0.1", port), bound)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
