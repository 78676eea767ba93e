"""Tokens that stay on this machine: in the system's keyring or, where their owner said so, in a file of mode 0600.

For each profile a file in the state folder says where its token is. Only with the store `file` the token is in it.
A token that is good for decisions is not kept anywhere: `rootquorum login` sees to that.
"""

import base64
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from rootquorum_client import Secret
from service.client.files import folder, locked, replace
from service.client.profiles import Profile
from service.client.refused import Refused

_FORMAT = "rootquorum-token/1"
_SERVICE = "rootquorum"
# The backends of the package itself that encrypt. Others may write plain text, or forget.
_TRUSTED = tuple(f"keyring.backends.{name}." for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows"))
_EXTRA = "pip install 'rootquorum[keyring]'"


class Store(StrEnum):
    KEYRING = "keyring"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the token of a profile is. `expires_at` is None if nothing in the token says it."""

    store: Store
    expires_at: datetime | None

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class KeptTokens:
    """The tokens. `folder` is where the files are. Every call raises Refused with the reason; OSError."""

    folder: Path

    def probe(self, store: Store) -> None:
        """Write something to the store, read it and remove it. Raise Refused if a token could not be kept there."""
        tried, name = secrets.token_urlsafe(16), f"probe-{secrets.token_hex(8)}"
        if store is Store.KEYRING:
            with _keyring() as keyring:
                keyring.set_password(_SERVICE, name, tried)
                is_kept = keyring.get_password(_SERVICE, name) == tried
                keyring.delete_password(_SERVICE, name)
            if not is_kept:
                raise Refused("The keyring does not keep what is put into it.")
            return
        file = self._file(name)
        with locked(self.folder / "tokens"):
            replace(file, tried.encode())
            file.unlink()

    def keep(self, profile: Profile, token: Secret, store: Store) -> None:
        """Keep the token of a profile in place of the one before."""
        self.forget(profile)
        expires_at = _expiry(token.reveal())
        document = {
            "format": _FORMAT,
            "server": profile.server,
            "store": store,
            "expires_at": None if expires_at is None else expires_at.timestamp(),
        }
        if store is Store.KEYRING:
            with _keyring() as keyring:
                keyring.set_password(_SERVICE, _entry(profile), token.reveal())
        else:
            document["token"] = token.reveal()
        with locked(self.folder / "tokens"):
            replace(self._file(profile.name), json.dumps(document).encode())

    def about(self, profile: Profile) -> Kept | None:
        """Return where the token of this profile and server is; None if there is none."""
        found = self._read(profile)
        return None if found is None else found[0]

    def token(self, profile: Profile) -> str | None:
        """Return the token of this profile and server; None if there is none."""
        found = self._read(profile)
        if found is None:
            return None
        kept, document = found
        if kept.store is Store.FILE:
            return str(document["token"])
        with _keyring() as keyring:
            token = keyring.get_password(_SERVICE, _entry(profile))
        if token is None:
            raise Refused(f"The keyring has no token of the profile {profile.name} any more. Keep it again.")
        return str(token)

    def forget(self, profile: Profile) -> bool:
        """Remove the token of the profile, wherever it is. Return whether there was one."""
        found = self._read(profile, of_any_server=True)
        if found is None:
            return False
        kept, document = found
        if kept.store is Store.KEYRING:
            with _keyring() as keyring:
                entry = _entry(profile, str(document["server"]))
                if keyring.get_password(_SERVICE, entry) is not None:
                    keyring.delete_password(_SERVICE, entry)
        self._file(profile.name).unlink(missing_ok=True)
        return True

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, profile: Profile, *, of_any_server: bool = False) -> tuple[Kept, Mapping[str, Any]] | None:
        file = self._file(profile.name)
        try:
            with file.open("rb") as opened:
                found = os.fstat(opened.fileno())
                if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                    raise Refused(f"{file}: others may read it. Its mode has to be 0600. Revoke the token.")
                document = json.loads(opened.read())
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            document = None
        kept = _about(document)
        if kept is None:
            raise Refused(f"{file} is damaged. Remove it, and keep the token again.")
        # The token of one server is not for another, whatever the profile says now.
        return (kept, document) if of_any_server or document["server"] == profile.server else None


def usual() -> KeptTokens:
    """Return the tokens where they usually are."""
    return KeptTokens(folder("XDG_STATE_HOME", ".local/state") / "tokens")


def _entry(profile: Profile, server: str | None = None) -> str:
    return f"{profile.name} {server or profile.server}"


def _about(document: Any) -> Kept | None:
    """Return what a file says of its token; None if that cannot be so."""
    try:
        at, store = document["expires_at"], Store(document["store"])
        is_right = document["format"] == _FORMAT and isinstance(document["server"], str)
        if not is_right or (store is Store.FILE) != isinstance(document.get("token"), str):
            return None
        return Kept(store, None if at is None else datetime.fromtimestamp(at, UTC))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError):
        return None


@contextmanager
def _keyring() -> Iterator[Any]:
    """Provide the system's keyring. Raise Refused if there is none that encrypts, and for its own faults."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        raise Refused(f"The keyring needs more packages: {_EXTRA}. Or say --keep file.") from None
    try:
        found = keyring.get_keyring()
    except (ImportError, AttributeError, ValueError, TypeError, KeyringError):
        raise Refused("The keyring that your settings name cannot be loaded. Or say --keep file.") from None
    # Of several that the package chains, the first that is trusted.
    trusted = [each for each in getattr(found, "backends", [found]) if _is_trusted(each)]
    if not trusted:
        raise Refused("This system has no keyring that encrypts. Start or unlock one, or say --keep file.")
    faults: tuple[type[Exception], ...] = (KeyringError, RuntimeError, OSError, *_faults_of_libraries())
    try:
        yield trusted[0]
    except faults as error:
        raise Refused(f"The keyring does not work: {type(error).__name__}. Unlock it, or say --keep file.") from None


def _is_trusted(backend: object) -> bool:
    return f"{type(backend).__module__}.{type(backend).__qualname__}".startswith(_TRUSTED)


def _faults_of_libraries() -> tuple[type[Exception], ...]:
    """Return the exceptions of D-Bus that the package lets through. Without a module nothing raises its exceptions."""
    named = (("secretstorage.exceptions", "SecretStorageException"), ("jeepney.wrappers", "DBusErrorResponse"))
    return tuple(getattr(sys.modules[module], name) for module, name in named if module in sys.modules)


def _expiry(token: str) -> datetime | None:
    """Return when a JWT ends by its own word. It only spares a call; the service verifies the token."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None
