"""A syslog server that would get events in clear, or a certificate that cannot be used, prevents the start."""

from pathlib import Path

import pytest
import trustme
from test_settings import GOOD, faults, read

from service.app.destinations import destinations
from service.notify.syslog import Syslog

SOC = '[syslogs.soc]\nhost = "syslog.example.com"\n'
HERE = '[notify]\nallowed_hosts = ["127.0.0.1"]\n[syslogs.soc]\nhost = "127.0.0.1"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = trustme.CA().issue_cert("client.example.com")
    own.private_key_and_cert_chain_pem.write_to_path("own.pem")
    own.cert_chain_pems[0].write_to_path("certificate.pem")
    own.private_key_pem.write_to_path("key.pem")
    Path("empty.pem").write_text("")


@pytest.mark.parametrize(
    ("text", "port"), [(SOC, 6514), (f'{HERE}transport = "tcp"', 601), (f'{HERE}transport = "udp"', 514)]
)
def test_it_needs_little(text: str, port: int) -> None:
    destination = destinations(read(f'{GOOD}[server]\npublic_url = "https://rootquorum.example.com"\n{text}'))["soc"]
    assert isinstance(destination, Syslog)
    assert (destination.server.port, destination.hostname) == (port, "rootquorum.example.com")


@pytest.mark.parametrize(
    "files",
    ['certificate_file = "own.pem"', 'certificate_file = "certificate.pem"\nkey_file = "key.pem"\nca_file = "own.pem"'],
)
def test_its_own_certificate_is_in_one_file_or_in_two(files: str) -> None:
    assert read(GOOD + SOC + files).syslogs["soc"].transport == "tls"


UNREADABLE = "syslogs.soc: ca_file, certificate_file or key_file cannot be read, or is no PEM of its kind."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f'{SOC}ca_file = "/nowhere"', UNREADABLE),
        (f'{SOC}ca_file = "empty.pem"', UNREADABLE),
        (f'{SOC}certificate_file = "certificate.pem"', UNREADABLE),
        (f'{SOC}certificate_file = "own.pem"\nkey_file = "empty.pem"', UNREADABLE),
        (f'{SOC}key_file = "key.pem"', "syslogs.soc.key_file: certificate_file is missing."),
        (
            f'{SOC}transport = "tcp"',
            "syslogs.soc.transport: only tls leaves this machine; name it in notify.allowed_hosts for others.",
        ),
        (f'{HERE}transport = "udp"\nca_file = "own.pem"', "syslogs.soc: certificates are for the transport tls alone."),
        (
            '[syslogs.soc]\nhost = "10.0.0.1"',
            (
                "syslogs.soc.host: the host is an address that is not public. "
                "If it is meant, add it to notify.allowed_hosts."
            ),
        ),
        (
            f'{SOC}[webhooks.soc]\nurl = "https://x.example.com"\nsecrets = ["whsec_{"c" * 32}"]',
            "syslogs.soc: another destination has the same name.",
        ),
    ],
)
def test_a_fault_is_said(text: str, fault: str) -> None:
    assert faults(GOOD + text) == [fault]


@pytest.mark.parametrize("host", ["10.0.0.1", "syslog.example.com"])
def test_no_other_machine_gets_events_in_clear_even_if_it_is_allowed(host: str) -> None:
    text = f'[notify]\nallowed_hosts = ["{host}"]\n[syslogs.soc]\nhost = "{host}"\ntransport = "udp"'
    assert faults(GOOD + text) == [
        "syslogs.soc.transport: only tls leaves this machine; name it in notify.allowed_hosts for others."
    ]
