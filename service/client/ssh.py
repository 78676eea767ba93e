"""Signs with OpenSSH's `ssh-keygen`, which knows keys in files, agents and authenticators."""

import shutil
import subprocess
from pathlib import Path

from service.client.refused import Refused
from service.domain.statement import Namespace
from service.signing.faults import BadSignature
from service.signing.public_keys import PublicKey, parse_public_key
from service.signing.sshsig import verify

_PROGRAM = "ssh-keygen"
_LARGEST_BYTES = 16 * 1024


def public_key(key: Path) -> PublicKey:
    """Return the public key of `key`, which is a `.pub` file, or a private key with or without one beside it.

    Without one, `ssh-keygen` derives it, and may ask for a passphrase. Raise Refused; OSError if there is no file.
    """
    beside = key.with_name(f"{key.name}.pub")
    if key.suffix == ".pub":
        line = _beginning(key)
    elif key.is_file() and beside.is_file():
        line = _beginning(beside)
    else:
        _beginning(key)  # its error names the file
        line = _run("-y", "-f", str(key), otherwise=f"{key} is no private key that ssh-keygen can read.")
    return parsed(" ".join(line.decode("utf-8", "replace").split()[:2]))


def parsed(line: str) -> PublicKey:
    """Read a public key without a comment. Raise Refused."""
    try:
        return parse_public_key(line)
    except BadSignature as error:
        raise Refused(f"The public key cannot be used. {error}") from None


def sign(key: Path, public: PublicKey, statement: str, namespace: Namespace) -> str:
    """Return the armored signature of a statement. Raise Refused, also if another key than `public` made it."""
    message = statement.encode()
    made = _run("-Y", "sign", "-n", namespace, "-f", str(key), given=message, otherwise="ssh-keygen did not sign.")
    armored = made.decode("ascii", "replace")
    try:
        proved = verify(armored, message, namespace)
    except BadSignature as error:
        raise Refused(f"The signature of ssh-keygen is no good. {error}") from None
    if proved.key != public:
        raise Refused("Another key signed than that of the .pub file. Nothing was sent.")
    return armored


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_LARGEST_BYTES)


def _run(*arguments: str, otherwise: str, given: bytes | None = None) -> bytes:
    """Run ssh-keygen. It asks for a passphrase, a PIN or a touch at the terminal, so its errors stay there."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise Refused("There is no ssh-keygen. It comes with OpenSSH.")
    done = subprocess.run([program, *arguments], input=given, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Refused(otherwise)
    return done.stdout
