"""The file of profiles: what a person wrote there stays, and what others could have written there is refused."""

import json
from pathlib import Path

import pytest

from service.client.profiles import Profile, Profiles, is_name
from service.client.refused import Refused

PRODUCTION = Profile(name="production", server="https://rootquorum.example.com")
STAGING = Profile(
    name="staging",
    server="http://127.0.0.1:8080",
    issuer="https://login.example.com",
    client_id='an "odd" \\ one',
    port=8765,
    scope="openid groups",
    id_token=True,
)


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "config" / "profiles.toml")


def test_what_is_added_is_found(profiles: Profiles) -> None:
    assert profiles.every() == []
    for profile in (STAGING, PRODUCTION):
        profiles.add(profile)
    assert profiles.every() == [PRODUCTION, STAGING]
    assert profiles.find("staging") == STAGING
    assert profiles.find("Staging") is None
    assert profiles.file.stat().st_mode & 0o777 == 0o600


def test_a_profile_is_not_replaced(profiles: Profiles) -> None:
    profiles.add(PRODUCTION)
    with pytest.raises(Refused, match="already"):
        profiles.add(Profile(name="production", server="https://evil.example.com"))
    assert profiles.every() == [PRODUCTION]


def test_what_else_is_in_the_file_stays_byte_for_byte(profiles: Profiles) -> None:
    profiles.file.parent.mkdir()
    before = (
        '# Mine.\r\n[production] # ours\nserver = "https://a.example.com"\n\n# Theirs.\n[ other ]\nserver="https://b"\n'
    )
    profiles.file.write_bytes(before.encode())
    profiles.add(STAGING)
    assert profiles.file.read_bytes().startswith(before.encode())
    profiles.remove("staging")
    profiles.remove("production")
    assert profiles.file.read_bytes().decode().startswith("# Mine.\r\n[ other ]")
    profiles.remove("other")
    assert profiles.every() == []


@pytest.mark.parametrize(
    "content",
    ['a = { server = "https://a" }\n', 'a.server = "https://a"\n', "[b]\nserver = '''\n[a]\n'''\n[a]\nserver = 'c'\n"],
)
def test_what_is_written_in_another_way_is_left_to_its_owner(profiles: Profiles, content: str) -> None:
    profiles.file.parent.mkdir()
    profiles.file.write_text(content)
    with pytest.raises(Refused):
        profiles.remove("a")
    assert profiles.file.read_text() == content


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"production",
        b"a = 1\n",
        b"[a]\n",
        b"[a]\nserver = 1\n",
        b'[a]\nserver = "https://a"\ntoken = "rqp_"\n',
        b'[a]\nserver = "https://a"\nport = true\n',
        b'[a]\nserver = "https://a"\nport = 70000\n',
        b'[a]\nserver = "https://a"\nissuer = "https://b"\n',
        b'[a]\nserver = "https://\\u001b"\n',
        b'["a b"]\nserver = "https://a"\n',
        b"[a]\nserver = " + b"[" * 5000,
    ],
)
def test_a_damaged_file_is_one_sentence(profiles: Profiles, content: bytes) -> None:
    profiles.file.parent.mkdir()
    profiles.file.write_bytes(content)
    with pytest.raises(Refused) as refused:
        profiles.every()
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_to_which_others_may_write_is_refused(profiles: Profiles, mode: int) -> None:
    profiles.add(PRODUCTION)
    profiles.file.chmod(mode)
    for call in (profiles.every, lambda: profiles.add(STAGING), lambda: profiles.remove("production")):
        with pytest.raises(Refused, match="only you"):
            call()


@pytest.mark.parametrize(
    ("name", "server", "issuer"),
    [
        ("https://a", "https://a", None),
        ("a.b", "https://a", None),
        ("", "https://a", None),
        ("a" * 41, "https://a", None),
        ("a", "http://example.com", None),
        ("a", "ftp://example.com", None),
        ("a", "https://user@example.com", None),
        ("a", "https://example.com", "http://login.example.com"),
    ],
)
def test_no_profile_leads_a_token_astray(profiles: Profiles, name: str, server: str, issuer: str | None) -> None:
    with pytest.raises(Refused):
        profiles.add(Profile(name=name, server=server, issuer=issuer, client_id=issuer and "x"))
    assert not profiles.file.exists()


def test_no_url_is_a_name() -> None:
    assert not any(map(is_name, ("https://a", "http://127.0.0.1:1", "localhost:80", "//a", "a/b", "a.example.com")))


def test_a_link_stays_one(profiles: Profiles, tmp_path: Path) -> None:
    profiles.file.parent.mkdir()
    (tmp_path / "elsewhere.toml").write_text("")
    profiles.file.symlink_to(tmp_path / "elsewhere.toml")
    profiles.add(PRODUCTION)
    assert profiles.file.is_symlink()
    assert json.dumps(PRODUCTION.server) in (tmp_path / "elsewhere.toml").read_text()
