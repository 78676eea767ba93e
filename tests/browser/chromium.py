"""The Chromium that the tests drive: the machine's own, else Playwright's. As a script it installs one if need be.

Nearly all of them drive its headless shell, where there is one. It has the same engine and takes three fifths of the
processor time, but it keeps no profile.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from support.products import debian

NONE_FOUND = (
    "No Chromium: neither in PATH nor one of Playwright's. `make browser` installs one: as root with apt-get, "
    "else as `playwright install chromium` does."
)
_SHELL = "chromium-headless-shell"


def shell() -> str | None:
    """Return the path of the headless shell, else of the whole browser."""
    return shutil.which(_SHELL) or find()


def find() -> str | None:
    """Return the path of the whole browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) and _runs(found):
            return found
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _runs(program: str) -> bool:
    """Ubuntu's package is a script that only says where a Chromium could be had."""
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


def flags() -> list[str]:
    """Root has no sandbox. Containers have a small /dev/shm."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def install() -> None:
    """With what this machine has; whether that worked, `find` tells."""
    for package in ("chromium", _SHELL):  # one by one, since not every release has both
        debian.install(package)
    if not find():
        # The libraries that it needs come by apt-get too.
        with_libraries = ["--with-deps"] if debian.can_install() else []
        subprocess.run([sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"], check=False)


def main() -> None:
    if not find():
        install()
    # The tests in the browser fail without one; the others are worth running all the same.
    if not find():
        sys.stderr.write(f"{NONE_FOUND}\n")


if __name__ == "__main__":
    main()
