"""Opens the sealed secret of a new key for `rootquorum execute`, with a private key that is only read.

Whether it opens is tried before the execution, since the answer comes once. Nothing of a private key is written.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pyrage import DecryptError, IdentityError, decrypt, passphrase, ssh, x25519

from rootquorum_client import CreatedKey, SealedKey, WrongAnswer
from rootquorum_client.models import created_key
from service.cli.keeping import NotKept, Unusable
from service.cli.remotely import asking
from service.sealing import NotARecipient, seal

Identity: TypeAlias = ssh.Identity | x25519.Identity
Open: TypeAlias = Callable[[SealedKey], CreatedKey]

_LARGEST_BYTES = 64 * 1024
_SECRET = "AGE-SECRET-KEY-1"  # noqa: S105  # how age's own private keys begin
_SEALED_FILE = (b"-----BEGIN AGE ENCRYPTED FILE-----", b"age-encryption.org/v1")
_DEFAULTS = {"ssh-ed25519": "id_ed25519", "ssh-rsa": "id_rsa"}


def opener(sealed_to: str, file: Path | None) -> Open:
    """Return what opens a secret that is sealed to this key, or raises NotKept. Raise Unusable for another private key.

    Without `file`, it is the key of that kind in `~/.ssh`. A key with a passphrase asks for it at the terminal.
    """
    where = (file or _usual(sealed_to)).expanduser()
    identities = _identities(where)
    try:
        decrypt(seal(sealed_to, b"probe").encode(), identities)
    except NotARecipient as fault:
        raise Unusable(f"The request names a key that nothing can be sealed to. {fault}") from None
    except DecryptError:
        raise Unusable(f"{where} is not the key that the secret is sealed to.") from None
    return lambda key: _opened(key, identities)


def _usual(sealed_to: str) -> Path:
    name = _DEFAULTS.get(sealed_to.partition(" ")[0])
    if name is None:
        raise Unusable("The secret is sealed to a key of age. Name the file of its identity: --identity.")
    found = Path("~/.ssh").expanduser() / name
    if not found.is_file():
        raise Unusable(f"The secret is sealed to an SSH key, and there is no {found}. Name yours: --identity.")
    return found


def _identities(file: Path) -> list[Identity]:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}.") from None
    if len(content) > _LARGEST_BYTES:
        raise Unusable(f"{file} is no private key.")
    if content.startswith(_SEALED_FILE):
        content = _with_passphrase(file, content)
    text = content.decode("utf-8", "replace")
    ages = [line.strip() for line in text.splitlines() if line.strip().startswith(_SECRET)]
    try:
        return [x25519.Identity.from_str(line) for line in ages] or [_ssh(file, content)]
    except IdentityError:
        raise Unusable(f"{file} is no private key that age takes.") from None


def _with_passphrase(file: Path, content: bytes) -> bytes:
    """Open the file of an age identity that is itself sealed with a passphrase."""
    try:
        opened: bytes = passphrase.decrypt(content, _asked(file))
    except DecryptError as error:
        # age refuses by its own estimate of this machine, before it tries the passphrase. pyrage has no class for it.
        if "Excessive work" in str(error):
            raise Unusable(f"{file} would take too long to open on this machine, by age's estimate.") from None
        raise _wrong_passphrase(file) from None
    return opened


def _ssh(file: Path, content: bytes) -> ssh.Identity:
    key = _private_key(file, content, None)
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise Unusable(f"{file} is no private key of the kind ssh-ed25519 or ssh-rsa, nor an age identity.")
    return ssh.Identity.from_buffer(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _private_key(file: Path, content: bytes, secret: bytes | None) -> object:
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in content else load_pem_private_key
    try:
        return load(content, secret)
    except TypeError:  # it has a passphrase, and none was given
        if secret is None:
            return _private_key(file, content, _asked(file).encode())
        return None
    except UnsupportedAlgorithm:
        raise Unusable(f"{file} is encrypted in a way that is not known here.") from None
    except ValueError:
        if secret is not None:
            raise _wrong_passphrase(file) from None
        return None


def _wrong_passphrase(file: Path) -> Unusable:
    return Unusable(f"{file} does not open with that passphrase.")


def _asked(file: Path) -> str:
    """Ask for a passphrase at the terminal: stdin may have the token, and stdout gets the key."""
    with asking() as question:
        return question.secret(f"Passphrase of {file}: ")


def _opened(key: SealedKey, identities: list[Identity]) -> CreatedKey:
    """Open it. What is inside has to be about the same key and request: age does not say who sealed it."""
    try:
        inside = json.loads(decrypt(key.sealed.encode(), identities))
        found = created_key({**inside, "receipt_by": None if key.receipt_by is None else key.receipt_by.isoformat()})
    except (DecryptError, ValueError, TypeError, WrongAnswer):
        raise NotKept("What arrived is not what the service seals.") from None
    if any(getattr(found, name) != getattr(key, name) for name in ("access_key_id", "account_id", "request_id")):
        raise NotKept("What arrived is about another key or another request.")
    return found
