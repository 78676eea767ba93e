"""Debian's rsyslog, with TLS by GnuTLS.

Run as a script it unpacks Debian's packages into `.venv`, if the machine has none. Nothing is installed, and no service
is started.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from support.products import debian

from service.cli.waiting import free_port, wait_until

_PACKAGES = ("rsyslog", "rsyslog-gnutls", "libestr0", "libfastjson4", "liblognorm5")
_UNPACKED = Path(sys.prefix) / "rsyslog"
NAME = "syslog.example.com"


def find() -> str | None:
    """Return the path of `rsyslogd`, if its TLS is there too."""
    unpacked = _UNPACKED / "usr" / "sbin" / "rsyslogd"
    for program, root in ((debian.find("rsyslogd"), Path("/")), (str(unpacked), _UNPACKED)):
        if program and Path(program).is_file() and any(_modules(root)):
            return program
    return None


def _modules(root: Path) -> list[Path]:
    return [file.parent for file in root.glob("usr/lib/*/rsyslog/lmnsd_gtls.so")]


def ensure() -> None:
    """Unpack the packages if they are missing. If that fails, print that their tests will be skipped."""
    if find() is None:
        debian.unpack_into(_UNPACKED, *_PACKAGES)
    if find() is None:
        sys.stderr.write("No rsyslog, and no Debian to get it from: the tests that need it will be skipped.\n")


@dataclass(frozen=True)
class Running:
    """A server. `records` is what it understood: one line for each message, its fields between tabs."""

    port: int
    authority: trustme.CA
    records: Path

    def received(self) -> list[list[str]]:
        return [line.split("\t") for line in self.records.read_text().splitlines()] if self.records.exists() else []


@contextmanager
def running_rsyslog(folder: Path, *, asks_for_certificate: bool = False, is_tls: bool = True) -> Iterator[Running]:
    """Run on the loopback. `asks_for_certificate`: it takes messages only from `client.example.com`."""
    port, authority = free_port(), trustme.CA()
    certificate = authority.issue_cert(NAME, "127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    mode = 'StreamDriver.AuthMode="x509/name" PermittedPeer=["client.example.com"]'
    tls = f'StreamDriver.Name="gtls" StreamDriver.Mode="1" {mode}' if asks_for_certificate else _ANONYMOUS
    server = Running(port, authority, folder / "records")
    (folder / "rsyslog.conf").write_text(
        f'global(workDirectory="{folder}" defaultNetstreamDriverCAFile="{folder}/authority.pem"\n'
        f' defaultNetstreamDriverCertFile="{folder}/certificate.pem"\n'
        f' defaultNetstreamDriverKeyFile="{folder}/key.pem")\n'
        f'module(load="imtcp" {tls if is_tls else ""})\n'
        'template(name="understood" type="string" string="'
        "%pri%\\t%timereported:::date-rfc3339%\\t%hostname%\\t%app-name%\\t%procid%\\t%msgid%\\t"
        '%structured-data%\\t%msg%\\n")\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}")\n'
        f'action(type="omfile" file="{server.records}" template="understood")\n'
    )
    program = str(find())
    environment = os.environ | _unpacked(Path(program))
    command = [program, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _listens(server, process), what="rsyslog")
        yield server
    finally:
        process.terminate()
        process.wait()


_ANONYMOUS = 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'


def _unpacked(program: Path) -> dict[str, str]:
    if not program.is_relative_to(_UNPACKED):
        return {}
    [modules] = _modules(_UNPACKED)
    return {"LD_LIBRARY_PATH": str(modules.parent), "RSYSLOG_MODDIR": str(modules)}


def _listens(server: Running, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "rsyslog stopped"
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    ensure()
