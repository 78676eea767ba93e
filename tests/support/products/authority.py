"""A real time-stamp authority: `openssl ts` behind an HTTP server, with certificates made for the test."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.served import served

_DAY = timedelta(days=1)
_SETTINGS = """
[tsa]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = {digests}
"""


def key_and_root(name: str) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    key = generate_private_key(SECP256R1())
    root = _certificate(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return key, root.sign(key, SHA256())


def _certificate(
    subject: str, issuer: str, key: EllipticCurvePrivateKey, until: timedelta = _DAY
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]),
        public_key=key.public_key(),
        serial_number=int.from_bytes(subject.encode()),
        not_valid_before=now - 2 * _DAY,
        not_valid_after=now + until,
    )


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


@dataclass
class Authority:
    """The authority. `answer` may replace openssl's response."""

    folder: Path
    root_key: EllipticCurvePrivateKey
    root: x509.Certificate
    url: str = ""
    digests: str = "sha256"
    answer: Callable[[bytes], bytes] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    @classmethod
    def new(cls, folder: Path) -> "Authority":
        authority = cls(folder, *key_and_root("root"))
        authority.sign_in("tsa", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]))
        (folder / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
        return authority

    def sign_in(self, name: str, usage: x509.ExtendedKeyUsage, until: timedelta = _DAY) -> None:
        """Make a key with a certificate from the root, in files of that name."""
        key = generate_private_key(SECP256R1())
        made = _certificate(name, "root", key, until).add_extension(usage, critical=True).sign(self.root_key, SHA256())
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)

    def granted(self, question: bytes) -> bytes:
        """Return openssl's response."""
        (self.folder / "question").write_bytes(question)
        settings = self.folder / "settings"
        settings.write_text(_SETTINGS.format(folder=self.folder, digests=self.digests))
        reply = self.folder / "reply"
        files = ["-queryfile", str(self.folder / "question"), "-out", str(reply)]
        openssl("ts", "-reply", "-config", settings, "-section", "tsa", *files)
        return reply.read_bytes()

    def signed_by(self, name: str, question: bytes, *more: str | Path) -> bytes:
        """Return openssl's response, signed again by another key that openssl itself would refuse to stamp with."""
        said = self.folder / "said"
        openssl("ts", "-reply", "-in", self._kept(self.granted(question)), "-token_out", "-out", said)
        content = openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", said)
        who = ["-signer", self.folder / f"{name}.pem", "-inkey", self.folder / f"{name}.key", *more]
        kind = ["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-cades"]  # id-ct-TSTInfo, RFC 3161
        token = openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", *kind, *who, given=content)
        body = bytes.fromhex("3003020100") + token
        return b"\x30\x82" + len(body).to_bytes(2, "big") + body

    def _kept(self, reply: bytes) -> Path:
        file = self.folder / "kept"
        file.write_bytes(reply)
        return file

    def forged_beside(self, name: str) -> Path:
        """Make an unsigned certificate with the name and number of another, but with the usage that the other lacks."""
        key = generate_private_key(SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        made = _certificate(name, "root", key).add_extension(usage, critical=True).sign(key, SHA256())
        file = self.folder / "forged.pem"
        file.write_bytes(made.public_bytes(Encoding.PEM))
        return file


@contextmanager
def serving(authority: Authority) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked.append((self.headers["Content-Type"], question))
            body = (authority.answer or authority.granted)(question)
            self.send_response(authority.status)
            for name, value in authority.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
        yield
