"""Kept tokens: only for their owner, only for their server, and in plain text only where that was said."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import keyring
import pytest
from keyring.errors import KeyringLocked

from rootquorum_client import Secret
from service.client.kept_tokens import KeptTokens, Store
from service.client.profiles import Profile
from service.client.refused import Refused

HERE = Profile(name="here", server="https://rootquorum.example.com")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> KeptTokens:
    return KeptTokens(tmp_path / "tokens")


def test_a_file_is_only_for_its_owner(tokens: KeptTokens) -> None:
    tokens.probe(Store.FILE)
    tokens.keep(HERE, Secret("rqp_x"), Store.FILE)
    assert tokens.token(HERE) == "rqp_x"
    assert {file.stat().st_mode & 0o777 for file in tokens.folder.iterdir()} == {0o600}
    assert tokens.folder.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in tokens.folder.iterdir()} == {"here.json", "tokens.lock"}


def test_a_token_is_for_the_server_that_it_was_kept_for(tokens: KeptTokens) -> None:
    tokens.keep(HERE, Secret("rqp_x"), Store.FILE)
    moved = replace(HERE, server="https://evil.example.com")
    assert tokens.token(moved) is None
    assert tokens.about(moved) is None
    assert tokens.token(replace(HERE, name="there")) is None


def test_a_token_is_forgotten_wherever_the_profile_leads_now(tokens: KeptTokens) -> None:
    tokens.keep(HERE, Secret("rqp_x"), Store.FILE)
    assert tokens.forget(replace(HERE, server="https://elsewhere.example.com"))
    assert not tokens.forget(HERE)
    assert tokens.token(HERE) is None


def test_a_token_replaces_the_one_before(tokens: KeptTokens) -> None:
    for text in ("rqp_x", "rqp_y"):
        tokens.keep(HERE, Secret(text), Store.FILE)
    assert tokens.token(HERE) == "rqp_y"
    assert not any(b"rqp_x" in file.read_bytes() for file in tokens.folder.iterdir())


def test_a_jwt_says_when_it_ends(tokens: KeptTokens) -> None:
    text = jwt.encode({"exp": int(NOW.timestamp())}, "a key for the tests, long enough")
    tokens.keep(HERE, Secret(text), Store.FILE)
    kept = tokens.about(HERE)
    assert kept is not None
    assert [kept.is_over(NOW + timedelta(seconds=each)) for each in (-1, 0)] == [False, True]


@pytest.mark.parametrize(
    "text", ["rqp_x", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.eyJleHAiOiJ4In0.c", "a.eyJleHAiOjFlOTl9.c"]
)
def test_what_says_nothing_of_its_end_is_not_over(tokens: KeptTokens, text: str) -> None:
    tokens.keep(HERE, Secret(text), Store.FILE)
    kept = tokens.about(HERE)
    assert kept is not None
    assert not kept.is_over(NOW)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tokens: KeptTokens, mode: int) -> None:
    tokens.keep(HERE, Secret("rqp_x"), Store.FILE)
    (tokens.folder / "here.json").chmod(mode)
    with pytest.raises(Refused, match="Revoke the token"):
        tokens.token(HERE)


@pytest.mark.parametrize(
    "changed",
    [
        b"",
        b"[]",
        b"[" * 9000,
        {"format": "x"},
        {"store": "nowhere"},
        {"store": "keyring"},
        {"token": None},
        {"expires_at": "x"},
        {"expires_at": 1e99},
        {"server": 1},
    ],
)
def test_a_damaged_file_is_one_sentence(tokens: KeptTokens, changed: bytes | dict[str, object]) -> None:
    tokens.keep(HERE, Secret("rqp_x"), Store.FILE)
    file = tokens.folder / "here.json"
    document = json.loads(file.read_text())
    file.write_bytes(changed if isinstance(changed, bytes) else json.dumps(document | changed).encode())
    with pytest.raises(Refused, match="damaged"):
        tokens.token(HERE)


def test_a_store_that_cannot_be_written_is_found_by_the_probe(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("no folder")
    with pytest.raises(OSError, match="tokens"):
        KeptTokens(tmp_path / "tokens").probe(Store.FILE)


class PlainTextKeyring:
    """A backend of somebody else, as `keyrings.alt` has one."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pytest.fail(f"{service} {username} {len(password)} was written in plain text")

    def get_password(self, service: str, username: str) -> str | None:
        pytest.fail(f"{service} {username} was asked for")

    delete_password = get_password


class LockedKeyring(PlainTextKeyring):
    """A backend of the package itself, whose owner does not unlock it."""

    __module__ = "keyring.backends.SecretService"

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(f"{service} {username} {len(password)}")


def _calls(tokens: KeptTokens) -> list[Callable[[], object]]:
    return [lambda: tokens.probe(Store.KEYRING), lambda: tokens.keep(HERE, Secret("rqp_x"), Store.KEYRING)]


@pytest.mark.parametrize("module", [__name__, "keyring.backends.null", "keyring.backends.fail", "keyring.backends"])
def test_a_keyring_that_does_not_encrypt_is_none(
    tokens: KeptTokens, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(PlainTextKeyring, "__module__", module)
    monkeypatch.setattr(keyring, "get_keyring", PlainTextKeyring)
    for call in _calls(tokens):
        with pytest.raises(Refused, match="no keyring that encrypts"):
            call()
    assert not tokens.folder.exists()


def test_a_keyring_that_is_locked_is_one_sentence(tokens: KeptTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", LockedKeyring)
    for call in _calls(tokens):
        with pytest.raises(
            Refused, match=r"^The keyring does not work: KeyringLocked\. Unlock it, or say --keep file\.$"
        ):
            call()
    assert not tokens.folder.exists()
