"""`sslmode=verify-full` in database.url: the server has to be the one that was meant, or nothing is said to it."""

import os
import pwd
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from sqlalchemy import make_url, text
from support.products.postgres import running_server

from service.db.engine import begin, connect, read
from service.domain.errors import Unavailable


@dataclass(frozen=True)
class TlsServer:
    """A PostgreSQL with a certificate for the name localhost, which nobody reaches without TLS."""

    url: str
    authority: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with running_server() as found:
        url, data = found.url, found.data
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(data / "server.key"))
        issued.cert_chain_pems[0].write_to_path(str(data / "server.crt"))
        (data / "server.key").chmod(0o600)
        (data / "pg_hba.conf").write_text("hostssl all all all trust\nhost all all all reject\n")
        if os.geteuid() == 0:
            for file in ("server.key", "server.crt", "pg_hba.conf"):
                os.chown(data / file, pwd.getpwnam("nobody").pw_uid, -1)
        engine = connect(url, connections=1)
        with closing(engine.raw_connection()) as connection:
            for statement in ("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"):
                connection.cursor().execute(statement)
        engine.dispose()
        yield TlsServer(url, folder / "authority.pem")


def verifying(server: TlsServer, *, host: str, authority: Path) -> str:
    """The URL as the documents say it."""
    wanted = {"sslmode": "verify-full", "sslrootcert": str(authority)}
    return make_url(server.url).set(host=host).update_query_dict(wanted).render_as_string(hide_password=False)


def test_the_server_that_was_meant_is_spoken_to_by_tls(server: TlsServer) -> None:
    engine = connect(verifying(server, host="localhost", authority=server.authority), connections=1)
    with read(engine) as tx:
        assert tx.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar_one() is True
    engine.dispose()


def test_another_name_than_the_certificates_is_refused(server: TlsServer) -> None:
    assert is_refused(verifying(server, host="127.0.0.1", authority=server.authority))


def test_a_certificate_of_another_authority_is_refused(server: TlsServer, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
    assert is_refused(verifying(server, host="localhost", authority=tmp_path / "another.pem"))


def is_refused(url: str) -> bool:
    engine = connect(url, connections=1)
    try:
        with begin(engine):
            return False
    except Unavailable as refusal:
        return "certificate" in str(refusal.__cause__)
    finally:
        engine.dispose()
