"""Debian programs that tests run, and their installation if the machine allows it.

Run as a script it installs the packages in its arguments: `jq`, or `dbus-send=dbus-bin` where the program is called
otherwise than its package.
"""

import os
import shutil
import subprocess
import sys

_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def find(program: str) -> str | None:
    return shutil.which(program, path=_PLACES)


def ensure(program: str, package: str) -> None:
    """Install the package if the program is missing. If that fails, print that its tests will be skipped."""
    if find(program) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quietly = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", *command], env=quietly, check=False)
    if find(program) is None:
        sys.stderr.write(f"No {program}, and nobody to install Debian's: the tests that need it will be skipped.\n")


if __name__ == "__main__":
    for named in sys.argv[1:]:
        wanted, _, package = named.partition("=")
        ensure(wanted, package or wanted)
