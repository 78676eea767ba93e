"""Debian programs that tests run, and their installation if the machine allows it.

Run as a script it installs the packages in its arguments: `jq`, or `dbus-send=dbus-bin` where the program is called
otherwise than its package.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_UNPACKED = Path(sys.prefix) / "debian"
_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def find(program: str) -> str | None:
    return shutil.which(program, path=_PLACES)


def ensure(program: str, package: str) -> None:
    """Install the package if the program is missing. If that fails, print that its tests will be skipped."""
    if find(program) is None:
        install(package)
    if find(program) is None:
        sys.stderr.write(f"No {program}, and nobody to install Debian's: the tests that need it will be skipped.\n")


def install(package: str) -> None:
    """Install the package, if this machine can."""
    if not can_install():
        return
    quietly = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", package]):
        subprocess.run(["apt-get", *command], env=quietly, check=False)


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def find_unpacked(program: str) -> str | None:
    """Return the machine's program, else the one that `unpack` has put into `.venv`."""
    ours = [_UNPACKED / folder / program for folder in ("usr/bin", "usr/sbin")]
    return find(program) or next((str(path) for path in ours if path.is_file()), None)


def unpacked_libraries() -> str:
    """Return the folder with the libraries that `unpack` has put into `.venv`."""
    return str(next((_UNPACKED / "usr" / "lib").glob("*-linux-gnu"), _UNPACKED))


def unpack(program: str, *packages: str) -> None:
    """Unpack the packages into `.venv` if the program is missing. Nothing is installed, and no service is started.

    If that fails, print that the program's tests will be skipped.
    """
    if find_unpacked(program) is None:
        unpack_into(_UNPACKED, *packages)
    if find_unpacked(program) is None:
        sys.stderr.write(f"No {program}, and no Debian to get it from: the tests that need it will be skipped.\n")


def unpack_into(root: Path, *packages: str) -> None:
    """Unpack the packages below `root`, if the machine can get them."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, check=False)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=False)


if __name__ == "__main__":
    for named in sys.argv[1:]:
        wanted, _, package = named.partition("=")
        ensure(wanted, package or wanted)
