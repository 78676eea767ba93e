"""SMTP to a server from the settings: over TLS, in bounded time, by the address rules of `guarded`.

No message contains what the server said, only its codes. Source of the codes: RFC 5321, section 4.2.
"""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import httpx

from service.outbound import guarded
from service.outbound.guarded import Unreachable
from service.outbound.kinds import Security

_CONNECT_SECONDS = 5.0
# For each answer. A server may look for malware before it accepts a message.
_TIMEOUT_SECONDS = 10.0
# For a whole session after that: TLS, sign-in, and all messages.
_DEADLINE_SECONDS = 15.0
_LARGEST_ANSWERS_BYTES = 64 * 1024

_READY = 220
_PERMANENT = 500
# Permanent, but about us and not about a recipient: a bad sequence of commands, and a sign-in that is required.
_ABOUT_US = frozenset({503, 530})


class Rejected(Exception):
    """The server refuses this message or this recipient for good, so a retry is useless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server that accepts mail from us. `security` `none` is for this very machine alone.

    `name` is how we introduce ourselves: a domain of ours.
    """

    host: str
    port: int
    security: Security
    name: str
    user: str | None = None
    password: str = field(default="", repr=False)
    allowed_hosts: frozenset[str] = frozenset()
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context, repr=False)
    within: float = _DEADLINE_SECONDS

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Connect and sign in, for the messages of one block. Raise Unreachable, Unsafe.

        The connection is cut when the time is up, however slowly the server speaks.
        """
        with guarded.connection(self.host, self.port, self.allowed_hosts, _CONNECT_SECONDS, self.within) as connected:
            with _understood():
                smtp = self._opened(connected)
            with closing(smtp):
                yield Session(smtp)
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    smtp.quit()

    def check(self) -> None:
        """Connect and sign in, and send nothing. Raise Unreachable, Unsafe."""
        with self.session():
            pass

    def _opened(self, connected: socket.socket) -> "_Smtp":
        connected.settimeout(_TIMEOUT_SECONDS)
        if self.security == "tls":
            connected = self.tls.wrap_socket(connected, server_hostname=self.host)
        smtp = _Smtp(connected, self.host, self.name)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(smtp.close)
            code, _ = smtp.getreply()
            if code != _READY:
                raise smtplib.SMTPConnectError(code, "")
            if self.security == "starttls":
                smtp.starttls(context=self.tls)  # raises if the server has none, and forgets what it said before
            smtp.ehlo_or_helo_if_needed()
            if self.user is not None:
                smtp.login(self.user, self.password)
            on_failure.pop_all()
        return smtp


@dataclass(frozen=True, slots=True)
class Session:
    """A connection that can take messages. `send` may close it."""

    _smtp: "_Smtp"

    @property
    def is_open(self) -> bool:
        return self._smtp.sock is not None

    def send(self, sender: str, recipient: str, content: bytes) -> None:
        """Hand over a message, with lines that end in CRLF, for one recipient. The addresses are checked, and ASCII.

        Raise Rejected; Unreachable if it was not accepted, or may not have been.
        """
        try:
            with _understood():
                self._smtp.sendmail(sender, [recipient], content)
        except (Rejected, Unreachable):
            # A refusal of DATA leaves the transaction open.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                if self.is_open:
                    self._smtp.rset()
            raise


class _Smtp(smtplib.SMTP):
    """The standard library's client on a connection that we made, with bounded answers."""

    def __init__(self, connected: socket.socket, host: str, name: str) -> None:
        super().__init__(local_hostname=name)
        self.sock: socket.socket | None = connected
        self._host = host  # whose certificate STARTTLS asks for

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock)
        return super().getreply()


class _Bounded:
    """The lines of answers on one connection, up to a limit for all of them."""

    def __init__(self, connected: socket.socket) -> None:
        self._file = connected.makefile("rb")
        self._left = _LARGEST_ANSWERS_BYTES

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError
        return line

    def close(self) -> None:
        self._file.close()


@contextmanager
def _understood() -> Iterator[None]:
    """Translate the client's errors. Their texts are the server's, and are not kept."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        [(code, _)] = error.recipients.values()
        raise _refusal(code, "the recipient") from None
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, "the message") from None
    except smtplib.SMTPAuthenticationError as error:
        raise Unreachable(f"answered {error.smtp_code}: it does not accept our user and password") from None
    except smtplib.SMTPNotSupportedError:
        raise Unreachable("it does not offer what the settings require: STARTTLS, or a sign-in") from None
    except smtplib.SMTPServerDisconnected:
        raise Unreachable("no complete answer: the connection ended") from None
    except smtplib.SMTPResponseException as error:
        raise Unreachable(f"answered {error.smtp_code}") from None
    except ssl.SSLError:
        raise Unreachable(
            "no complete answer: TLS failed; its certificate may not be one that is trusted here"
        ) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Unreachable(f"no complete answer: {type(error).__name__}") from None


def _refusal(code: int, what: str) -> Rejected | Unreachable:
    if code >= _PERMANENT and code not in _ABOUT_US:
        return Rejected(f"answered {code}: it refuses {what} for good")
    return Unreachable(f"answered {code}")
