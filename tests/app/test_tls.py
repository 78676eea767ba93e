"""TLS on the service's own port, with certificates of callers for whoever wants it."""

import os
import signal
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from support.installation import commanded, serving
from support.tls_files import TlsFiles

from service.app.tls import read_again, tls_of
from service.cli.tls_examined import examined
from service.cli.waiting import free_port, wait_until
from service.settings import FaultySettings, Settings, load
from service.settings.server_tls import server_tls

_SETTINGS = """
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""
_NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles(tmp_path)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Return the client's side after a handshake, and a message to it. Raise ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    for side in (here, there, here, there):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    there.write(b"x")
    assert here.read(1) == b"x"
    return here


def serial(connection: ssl.SSLObject) -> object:
    found = connection.getpeercert()
    assert found is not None
    return found["serialNumber"]


def test_tls_is_of_version_1_2_or_newer(files: TlsFiles) -> None:
    certificate, key, _ = files.paths
    server, client = server_tls(certificate, key, None), files.caller()
    assert shaken(server, client).version() == "TLSv1.3"
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shaken(server, client).version() == "TLSv1.2"
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2


def test_with_an_authority_each_caller_needs_a_certificate_by_it(files: TlsFiles) -> None:
    server = server_tls(*files.paths)
    for authority, may in [(files.theirs, True), (files.ours, False), (None, False)]:
        client = files.caller(authority)
        if may:
            assert shaken(server, client).version() == "TLSv1.3"
        else:
            with pytest.raises(ssl.SSLError):
                shaken(server, client)


def test_no_session_can_be_resumed_without_the_check_of_the_callers_certificate(files: TlsFiles) -> None:
    server, client = server_tls(*files.paths), files.caller(files.theirs)
    session = shaken(server, client).session
    assert session is None or not session.has_ticket
    assert server.session_stats()["number"] == 0
    # Where OpenSSL would keep sessions, nobody gets in.
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shaken(server, client)


def test_a_renewed_certificate_and_other_authorities_are_taken_and_a_broken_one_is_not(files: TlsFiles) -> None:
    server, client = tls_of(files.paths), files.caller(files.theirs)
    first = serial(shaken(server, client))
    files.issue()
    assert serial(shaken(server, client)) == first
    read_again()()
    second = serial(shaken(server, client))
    assert second != first
    (files.folder / "server.key").write_text("no key")
    with pytest.raises(ssl.SSLError):
        read_again()
    assert serial(shaken(server, client)) == second
    files.issue()
    files.ours.cert_pem.write_to_path(files.folder / "callers.pem")
    read_again()()
    with pytest.raises(ssl.SSLError):
        shaken(server, client)
    assert shaken(server, files.caller(files.ours)).version()


def configured(folder: Path, **server: str) -> Settings:
    lines = "".join(f'{name} = "{value}"\n' for name, value in server.items())
    (folder / "rootquorum.toml").write_text(f"[server]\n{lines}{_SETTINGS}")
    return load(folder / "rootquorum.toml")


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ({"certificate_file": "server.pem"}, "server.certificate_file and key_file: they belong together."),
        ({"key_file": "server.key"}, "server.certificate_file and key_file: they belong together."),
        ({"client_ca_file": "callers.pem"}, "server.client_ca_file: certificate_file and key_file are missing."),
        ({"certificate_file": "server.pem", "key_file": "absent"}, "no PEM that belongs together"),
        ({"certificate_file": "server.pem", "key_file": "server.pem"}, "no PEM that belongs together"),
        ({"certificate_file": "ours.pem", "key_file": "server.key"}, "no PEM that belongs together"),
        ({"certificate_file": "server.pem", "key_file": "locked.key"}, "no PEM that belongs together"),
        (
            {"certificate_file": "server.pem", "key_file": "server.key", "client_ca_file": "server.key"},
            "server.client_ca_file cannot be read, or has no certificate in PEM.",
        ),
    ],
)
def test_files_that_give_no_tls_prevent_the_start(
    files: TlsFiles, monkeypatch: pytest.MonkeyPatch, server: dict[str, str], fault: str
) -> None:
    monkeypatch.chdir(files.folder)
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-in", "server.key", "-out", "locked.key", "-passout", "pass:x"],
        check=False,
        capture_output=True,
    )
    with pytest.raises(FaultySettings) as refused:
        configured(files.folder, **server)
    assert fault in str(refused.value)


def test_doctor_says_how_long_certificates_last_and_who_may_read_the_key(files: TlsFiles) -> None:
    paths = dict(zip(("certificate_file", "key_file", "client_ca_file"), files.paths, strict=True))
    files.issue(_NOW + timedelta(days=20))
    settings = configured(files.folder, **paths)
    certificate, authority, key = examined(settings, _NOW)
    assert certificate == ("server.certificate_file: it is valid for 20 days", None, "", False)
    assert authority[1:] == (None, "", False)
    assert key == ("server.key_file: mode 0600", None, "", False)
    assert next(examined(settings, _NOW + timedelta(days=10)))[3]  # a warning
    expired = next(examined(settings, _NOW + timedelta(days=23)))
    assert expired[1] == "A certificate in it has expired 3 days ago."
    (files.folder / "server.key").chmod(0o604)
    assert list(examined(settings, _NOW))[2][1] == "Everybody on this host may read it."
    assert list(examined(configured(files.folder), _NOW)) == []


def test_a_service_with_tls_serves_callers_with_certificates_alone_and_renews_its_own(files: TlsFiles) -> None:
    port, folder = free_port(), files.folder
    paths = dict(zip(("certificate_file", "key_file", "client_ca_file"), files.paths, strict=True))
    configured(folder, **paths)
    assert commanded(folder, "migrate").returncode == 0
    file = folder / "rootquorum.toml"
    file.write_text(file.read_text().replace("[server]\n", f"[server]\nport = {port}\nhsts = 3600\n"))
    file.chmod(0o600)
    url, known = f"https://127.0.0.1:{port}/livez", files.caller(files.theirs)

    def shown() -> str:
        with httpx.Client(verify=known) as client, client.stream("GET", url) as answer:
            return str(answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()["serialNumber"])

    with serving(folder, port, "--no-worker", tls=known) as process:
        assert httpx.get(url, verify=known).headers["Strict-Transport-Security"] == "max-age=3600"
        for stranger in (files.caller(), files.caller(files.ours)):
            with pytest.raises(httpx.TransportError):
                httpx.get(url, verify=stranger)
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http"), verify=False)
        before = shown()
        files.issue()
        os.kill(process.pid, signal.SIGHUP)
        wait_until(lambda: shown() != before, what="the new certificate")
    assert "Traceback" not in (folder / "service.log").read_text()
