"""Sends to a syslog server: over TLS (RFC 5425), or in plain TCP (RFC 6587) or UDP (RFC 5426) to this machine.

Syslog has no acknowledgement. So each message has a connection of its own, and counts as sent when the server has
ended that connection in good order: one that closes it with unread data resets it.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from service.outbound import guarded
from service.outbound.guarded import Unreachable
from service.outbound.kinds import Transport

_CONNECT_SECONDS = 5.0
_DEADLINE_SECONDS = 15.0


def client_tls(authorities: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """Return the client's side of TLS: paths of PEM files. Raise OSError, ssl.SSLError.

    `authorities` None means those that the service trusts elsewhere. `key` None means that it is in `certificate`.
    """
    tls = ssl.create_default_context(cafile=authorities) if authorities else httpx.create_ssl_context()
    if certificate is not None:
        # An encrypted key would ask for its password at the terminal.
        tls.load_cert_chain(certificate, key, password="")
    return tls


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogServer:
    """A server that takes messages. `tcp` and `udp` are for this very machine alone."""

    host: str
    port: int
    transport: Transport
    allowed_hosts: frozenset[str] = frozenset()
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context, repr=False)
    within: float = _DEADLINE_SECONDS

    def check(self) -> None:
        """Connect, with TLS, and send nothing. Raise Unreachable, Unsafe. UDP has no connection to try."""
        if self.transport != "udp":
            self._over_connection(b"")

    def send(self, message: bytes) -> None:
        """Send one message. Raise Unreachable, Unsafe. It may have arrived nevertheless."""
        if self.transport == "udp":
            self._over_udp(message)
        else:
            self._over_connection(b"%d %s" % (len(message), message))

    def _over_connection(self, frame: bytes) -> None:
        """Write the frame, end our side, and wait until the server has ended its own."""
        until = time.monotonic() + self.within
        with (
            guarded.connection(self.host, self.port, self.allowed_hosts, _CONNECT_SECONDS, self.within) as connected,
            _understood(),
        ):
            connected.settimeout(self.within)
            if self.transport == "tls":
                with self.tls.wrap_socket(connected, server_hostname=self.host) as secured:
                    secured.sendall(frame)
                    _end_tls(secured)
            else:
                connected.sendall(frame)
                _end(connected)
        # A connection that was cut here looks as if the server had ended it.
        if time.monotonic() >= until:
            raise Unreachable("not sent for sure: the time was up")

    def _over_udp(self, message: bytes) -> None:
        guarded.check_allowed(self.host, self.allowed_hosts)
        with _understood():
            family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as plain:
                plain.connect(address)
                plain.send(message)


def _end_tls(secured: ssl.SSLSocket) -> None:
    """End our side of TLS, and wait for the other side's end (RFC 5425, 4.4). Raise OSError, ssl.SSLError."""
    try:
        ended = secured.unwrap()
    except ssl.SSLEOFError:
        return  # in good order, but for TLS's own notice: rsyslog sends none
    _end(ended)


def _end(connected: socket.socket) -> None:
    """End our side, and wait for the other side's end. Raise OSError, also if there is more than an end."""
    connected.shutdown(socket.SHUT_WR)
    if connected.recv(1):
        raise OSError  # a syslog server says nothing


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise Unreachable("TLS failed: the server's certificate is not one that is trusted for this host") from None
    except ssl.SSLError:
        raise Unreachable("TLS failed; the server may not accept this service's certificate") from None
    except (OSError, ValueError) as error:
        raise Unreachable(f"not sent for sure: {type(error).__name__}") from None
