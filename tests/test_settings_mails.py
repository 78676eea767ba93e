"""A mail server that would get a password or a mail without TLS, or a mail without a link, refuses to start."""

from pathlib import Path

import pytest
from test_settings import GOOD, faults, read

SERVER = '[server]\npublic_url = "https://rootquorum.example.com"\n'
OFFICE = '[mails.office]\nsender = "rootquorum@example.com"\n'
AWAY = f'{OFFICE}host = "mail.example.com"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_needs_little() -> None:
    (mail,) = read(GOOD + SERVER + AWAY).mails.values()
    assert (mail.security, mail.port, mail.secret()) == ("starttls", None, "")


def test_its_password_is_in_a_file_or_a_variable_and_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("password").write_text("a-secret\n")
    user = 'user = "rootquorum"\n'
    settings = read(f'{GOOD}{SERVER}{AWAY}{user}password_file = "password"')
    monkeypatch.setenv("ROOTQUORUM_MAILS__OFFICE__PASSWORD", "another-secret")
    other = read(GOOD + SERVER + AWAY + user)
    assert (settings.mails["office"].secret(), other.mails["office"].secret()) == ("a-secret", "another-secret")
    assert "another-secret" not in repr(other)


def test_a_person_has_an_address() -> None:
    settings = read(GOOD.replace('name = "Bob"', 'name = "Bob"\nemail = "bob@example.com"'))
    member = settings.directory().members["bob"]
    assert member.email == "bob@example.com"
    assert "bob@example.com" not in repr(member)


@pytest.mark.parametrize(
    "address", ["bob", "Bob <bob@example.com>", "bob@example.com\\nBcc: x@evil.example", "b\u00f6b@example.com", ""]
)
def test_an_address_is_one_address_and_is_not_shown(address: str) -> None:
    [fault] = faults(GOOD.replace('name = "Bob"', f'name = "Bob"\nemail = "{address}"'))
    assert fault == "people.bob.email: it has to be a mail address in ASCII, without a name."
    [fault] = faults(f'{GOOD}{SERVER}[mails.office]\nhost = "mail.example.com"\nsender = "{address}"')
    assert fault == "mails.office.sender: it has to be a mail address in ASCII, without a name."


ONLY_HERE = "mails.office.security: none is only for this very machine, named in notify.allowed_hosts."


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.1", "127.0.0.1.evil.example"])
def test_no_other_machine_gets_a_mail_without_tls_even_if_it_is_allowed(host: str) -> None:
    allowed = f'[notify]\nallowed_hosts = ["{host}"]\n'
    assert faults(f'{GOOD}{SERVER}{allowed}{OFFICE}host = "{host}"\nsecurity = "none"') == [ONLY_HERE]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_tls_if_it_is_allowed_by_name(host: str) -> None:
    mail = f'{OFFICE}host = "{host}"\nsecurity = "none"\n'
    read(f'{GOOD}{SERVER}{mail}[notify]\nallowed_hosts = ["{host}"]')
    assert ONLY_HERE in faults(GOOD + SERVER + mail)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "0x7f.1", "::1", "169.254.169.254"])
def test_a_host_inside_has_to_be_allowed(host: str) -> None:
    [fault] = faults(f'{GOOD}{SERVER}{OFFICE}host = "{host}"')
    assert fault.startswith("mails.office.host: the host is ")


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('user = "rootquorum"', "mails.office: it needs both a user and a password, or neither."),
        ('password = "a-secret"', "mails.office: it needs both a user and a password, or neither."),
        ('user = "x"\npassword = "p\u00e4ss"', "mails.office.password: it must be printable ASCII."),
        ('user = "x"\npassword_file = "/nowhere"', "mails.office.password_file: it cannot be read."),
        ('events = ["drift.found"]', "people are told in person only of these: "),
        (
            "[chats.office]\nurl = 'https://x.example.com'",
            "mails.office: a webhook, a chat or a tracker has the same name.",
        ),
    ],
)
def test_what_cannot_work_is_said(more: str, fault: str) -> None:
    [found] = faults(f"{GOOD}{SERVER}{AWAY}{more}")
    assert fault in found
    assert "a-secret" not in found


def test_a_mail_without_a_link_is_of_no_use() -> None:
    assert faults(GOOD + AWAY) == ["mails.office: server.public_url is missing; a mail has little more than its link."]


def test_nobody_escalates_to_a_mail_server_for_it_tells_each_person_their_own() -> None:
    [fault] = faults(f'{GOOD}{SERVER}{AWAY}[policy]\nescalate_to = ["office"]')
    assert fault.startswith("policy.escalate_to: one of them is no webhook, chat or syslog")
