"""A real Roundup: an issue tracker, installed from PyPI, with its own database and web server.

Run as a script it installs what the tests start.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from service.cli.waiting import free_port, wait_until

_VERSION = "2.6.0"
_PLACE = Path(__file__).parents[3] / ".venv" / f"roundup-{_VERSION}"
USER, PASSWORD = "rootquorum", "a password of the tests"
_NOBODY = 65534
# Without PYTHONPATH, because this module has the same name as the package.
_ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}


def is_there() -> bool:
    return (_PLACE / "ready").exists()


def install() -> None:
    """Install it into a separate environment: its scripts are not part of the service's."""
    if not is_there():
        venv.create(_PLACE, with_pip=True, clear=True)
        subprocess.run([_PLACE / "bin/pip", "install", "--quiet", f"roundup=={_VERSION}"], check=True)
        (_PLACE / "ready").touch()


class RoundupServer:
    """A tracker in `home`, with issues numbered from 1. It can be stopped and started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/ops"
        self._http = httpx.Client(base_url=self.url, auth=(USER, PASSWORD), timeout=10, verify=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._admin("install", "classic", "sqlite")
        self._configure()
        self._admin("initialise", "of nobody but the tests")
        self._admin("create", "user", f"username={USER}", f"password={PASSWORD}", "roles=User", "address=r@example.com")
        if os.geteuid() == 0:  # the server refuses to run as root
            for path in (home, *home.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)

    def _admin(self, *command: str) -> None:
        done = subprocess.run(
            [_PLACE / "bin/roundup-admin", "-i", self._home, *command],
            check=False,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        assert done.returncode == 0, done.stdout

    def _configure(self) -> None:
        file = self._home / "config.ini"
        lines = {
            ("[main]", "password_pbkdf2_default_rounds"): "1000",  # of 250000, with each request anew
            ("[tracker]", "web"): f"{self.url}/",
            ("[mail]", "domain"): "example.com",
            ("[mail]", "host"): "localhost",
            ("[mail]", "debug"): str(self._home / "mail.txt"),  # mails are written there, and not sent
        }
        text = file.read_text().splitlines()
        for (section, name), value in lines.items():
            numbered = list(enumerate(text))[text.index(section) :]
            at = next(number for number, line in numbered if line.lstrip("#").startswith(f"{name} ="))
            text[at] = f"{name} = {value}"
        file.write_text("\n".join(text) + "\n")

    def start(self) -> None:
        who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [_PLACE / "bin/roundup-server", "-n", "127.0.0.1", "-p", str(self._port), f"ops={self._home}"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_ENVIRONMENT, **who
        )  # type: ignore[call-overload]
        wait_until(self._answers, what="Roundup to answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self._http.close()

    def new_issue(self) -> str:
        headers = {"X-Requested-With": "rest", "Origin": self.url.removesuffix("/ops"), "Referer": f"{self.url}/"}
        made = self._http.post("/rest/data/issue", json={"title": "A root key", "status": "1"}, headers=headers)
        return f"issue{made.json()['data']['id']}"

    def comments(self, issue: str) -> list[str]:
        """Return the texts of the issue's messages, oldest first."""
        found = self._get(f"/rest/data/{issue.replace('issue', 'issue/')}")["attributes"]["messages"]
        numbers = sorted(int(message["id"]) for message in found)
        return [self._get(f"/rest/data/msg/{number}/content")["data"] for number in numbers]

    def messages(self) -> int:
        """Return how many messages there are, on any issue or none."""
        return len(self._get("/rest/data/msg")["collection"])

    def page(self, issue: str) -> str:
        """Return the issue's page as a browser gets it."""
        return self._http.get(f"/{issue}").text

    def _get(self, path: str) -> Any:
        return self._http.get(path).json()["data"]

    def _answers(self) -> bool:
        try:
            return self._http.get("/rest/data/status").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running_roundup() -> Iterator[RoundupServer]:
    with TemporaryDirectory(prefix="rootquorum-roundup-") as name:
        home = Path(name) / "home"
        Path(name).chmod(0o755)
        roundup = RoundupServer(home)
        try:
            roundup.start()
            yield roundup
        finally:
            roundup.stop()
            roundup.close()


if __name__ == "__main__":
    install()
    sys.exit(0)
