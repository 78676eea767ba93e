"""The machine's OpenSSH, with which tests sign and verify. Run as a script it installs Debian's if there is none."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.products import debian

from service.cli.waiting import wait_until

_PROGRAM, _PACKAGE = "ssh-keygen", "openssh-client"


def find() -> str | None:
    return debian.find(_PROGRAM)


def _run(
    *arguments: str | Path, given: bytes = b"", program: str = _PROGRAM, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    found = debian.find(program)
    assert found is not None
    return subprocess.run([found, *arguments], input=given, capture_output=True, check=False, env=environment)


def generate(folder: Path, kind: str, *options: str) -> Path:
    """Make a key without a passphrase and return its file. The public key is beside it, in a file with `.pub`."""
    file = folder / f"{kind}{''.join(options)}"
    made = _run("-q", "-t", kind, *options, "-N", "", "-C", "a comment", "-f", file)
    assert made.returncode == 0, made.stderr
    return file


def sign(key: Path, message: bytes, namespace: str, *, environment: Mapping[str, str] | None = None) -> str:
    """Sign with a key in a file or, if that is the public key, with an agent that has it."""
    made = _run("-Y", "sign", "-q", "-n", namespace, "-f", key, given=message, environment=environment)
    assert made.returncode == 0, made.stderr
    return made.stdout.decode()


@contextmanager
def agent(key: Path) -> Iterator[Mapping[str, str]]:
    """Run an agent that has the key, and yield the environment in which OpenSSH finds it."""
    socket = f"{key}.agent"
    found = debian.find("ssh-agent")
    assert found is not None
    with subprocess.Popen([found, "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
        environment = os.environ | {"SSH_AUTH_SOCK": socket}
        try:
            wait_until(
                lambda: _run("-q", key, program="ssh-add", environment=environment).returncode == 0, what="agent"
            )
            yield environment
        finally:
            process.terminate()


def fingerprint(key: str) -> str:
    """Return the fingerprint of a public key."""
    return _run("-l", "-f", "/dev/stdin", given=key.encode()).stdout.decode().split()[1]


class Verifier:
    """`ssh-keygen -Y verify` with one allowed signer, `dave`."""

    def __init__(self, folder: Path, key: str) -> None:
        self._signers, self._signature = folder / "allowed_signers", folder / "signature"
        self._signers.write_text(f"dave {key}\n")

    def accepts(self, armored: str, message: bytes, namespace: str) -> bool:
        self._signature.write_text(armored)
        arguments = ("-Y", "verify", "-I", "dave", "-n", namespace, "-f", self._signers, "-s", self._signature)
        answer = _run(*arguments, given=message)
        assert answer.returncode in {0, 255}, answer
        is_good = answer.stdout.startswith(f'Good "{namespace}" signature for dave'.encode())
        assert is_good == (answer.returncode == 0), answer
        return is_good


if __name__ == "__main__":
    debian.ensure(_PROGRAM, _PACKAGE)
