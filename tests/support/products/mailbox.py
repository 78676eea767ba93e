"""A real mail server, aiosmtpd, that keeps what it accepts. It takes STARTTLS, TLS or neither, and sign-ins."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from service.cli.waiting import free_port
from service.outbound.kinds import Security
from service.outbound.smtp import MailServer

USER, PASSWORD = "rootquorum", "a password of ours"
_AUTHORITY = trustme.CA()


@dataclass
class Mailbox:
    """The server's side. `answers` maps an address to its reply to RCPT; `after_data` replies to a whole message."""

    security: Security
    port: int = field(default_factory=free_port)
    answers: dict[str, str] = field(default_factory=dict)
    after_data: Callable[[Envelope], str] = lambda _: "250 taken"
    accepted: list[tuple[str, EmailMessage]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    sign_ins: list[tuple[str, str]] = field(default_factory=list)

    @property
    def client(self) -> MailServer:
        """Return the service's view of it, which trusts the tests' authority alone."""
        trusting = ssl.create_default_context()
        _AUTHORITY.configure_trust(trusting)
        return MailServer(
            host="127.0.0.1",
            port=self.port,
            security=self.security,
            name="rootquorum.example",
            user=None if self.security == "none" else USER,
            password="" if self.security == "none" else PASSWORD,
            allowed_hosts=frozenset({"127.0.0.1"}),
            tls=trusting,
        )

    @property
    def recipients(self) -> list[str]:
        """Return for whom it has accepted something, repeats included."""
        return sorted(address for address, _ in self.accepted)

    def subjects(self, address: str) -> list[str]:
        """Return the subjects of the mails of one address, in the order of their arrival."""
        return [mail["Subject"].strip() for to, mail in self.accepted if to == address]

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.tried.append(address)
        answer = self.answers.get(address, "250 good")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        answer = self.after_data(envelope)
        if answer.startswith("250"):
            mail = BytesParser(EmailMessage, policy=POLICY).parsebytes(envelope.content)
            self.accepted += [(address, mail) for address in envelope.rcpt_tos]
        return answer

    def signed_in(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object) -> AuthResult:
        user, password = (getattr(given, name).decode() for name in ("login", "password"))
        self.sign_ins.append((user, password))
        return AuthResult(success=(user, password) == (USER, PASSWORD), handled=False)


def trusted_in(folder: Path) -> Path:
    """Write the authority's certificate into a file, for SSL_CERT_FILE."""
    file = folder / "authority.pem"
    _AUTHORITY.cert_pem.write_to_path(str(file))
    return file


@contextmanager
def running_mailbox(security: Security = "starttls", *, host: str = "127.0.0.1") -> Iterator[Mailbox]:
    """Run it with a certificate for `host`."""
    mailbox, tls = Mailbox(security), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _AUTHORITY.issue_cert(host).configure_cert(tls)
    ways: dict[Security, dict[str, Any]] = {
        "starttls": {"tls_context": tls, "require_starttls": True, "auth_required": True},
        # It does not know that there is TLS around it.
        "tls": {"ssl_context": tls, "auth_require_tls": False},
        "none": {},
    }
    sign_in: dict[str, Any] = {} if security == "none" else {"authenticator": mailbox.signed_in}
    controller = Controller(mailbox, "127.0.0.1", mailbox.port, **ways[security], **sign_in)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
