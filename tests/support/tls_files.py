"""Certificates of a service with TLS, and of its callers."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme


class TlsFiles:
    """A folder with an authority's certificate for the service, and one of another authority for callers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.theirs = trustme.CA(), trustme.CA()
        self.ours.cert_pem.write_to_path(folder / "ours.pem")
        self.theirs.cert_pem.write_to_path(folder / "callers.pem")
        self.issue()

    def issue(self, ends: datetime | None = None) -> None:
        """Write a new certificate of the service."""
        issued = self.ours.issue_cert("127.0.0.1", not_after=ends)
        (self.folder / "server.pem").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        (self.folder / "server.key").write_bytes(issued.private_key_pem.bytes())
        (self.folder / "server.key").chmod(0o600)

    @property
    def paths(self) -> tuple[str, str, str]:
        return tuple(str(self.folder / name) for name in ("server.pem", "server.key", "callers.pem"))  # type: ignore[return-value]  # three

    def caller(self, authority: trustme.CA | None = None) -> ssl.SSLContext:
        """Return a caller's side, with a certificate by this authority."""
        tls = ssl.create_default_context(cafile=self.folder / "ours.pem")
        if authority is not None:
            authority.issue_cert("caller.example.com").configure_cert(tls)
        return tls
