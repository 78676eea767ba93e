"""A service that is served, with founders, and people who run commands against it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
from support.at_terminal import answering
from support.installation import commanded, serving
from support.products import openssh

from service.cli.waiting import free_port

ACCOUNT, ORIGIN = "111122223333", "rootquorum.example.com/log"
FOUNDERS = ("ann", "ben", "cid")
PEOPLE = {"alice": "requester", **dict.fromkeys((*FOUNDERS, "dave"), "approver"), "olga": "operator"}


@dataclass(frozen=True)
class Installation:
    """A service, and for each of its people a token, a key and a state folder."""

    url: str
    folder: Path

    def token(self, person: str) -> str:
        return (self.folder / f"{person}.token").read_text().strip()

    def key(self, person: str) -> Path:
        return self.folder / person / "ed25519"

    def fingerprint(self, person: str) -> str:
        return openssh.fingerprint(self.key(person).with_suffix(".pub").read_text())

    def call(self, person: str, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token(person)}"}
        answer = httpx.request(method, self.url + path, json=body or None, headers=headers, verify=False)
        assert answer.is_success, answer.text
        return answer.json()

    def file(self, **more: Any) -> Any:
        body = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": "Due this quarter."}
        return self.call("alice", "POST", "/v1/requests", **body | more)

    def approved(self, **more: Any) -> Any:
        """File a request, and have it approved without signatures."""
        request = self.file(**more)
        for person in ("ann", "ben"):
            path = f"/v1/requests/{request['id']}/decisions"
            self.call(person, "POST", path, decision="approve", digest=request["digest"])
        return request

    def withdraw(self, request: Any) -> None:
        self.call("alice", "POST", f"/v1/requests/{request['id']}/withdrawal")

    def environment(self, person: str, url: str | None = None) -> dict[str, str]:
        return {
            "ROOTQUORUM_URL": url or self.url,
            "ROOTQUORUM_TOKEN": self.token(person),
            "XDG_STATE_HOME": str(self.folder / person),
            "HOME": str(self.folder / person),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "COLUMNS": "400",
        }

    def state(self, person: str) -> Path:
        return self.folder / person / "rootquorum" / "heads.json"

    def run(
        self, person: str, *arguments: str, answer: str = "yes", url: str | None = None, **environment: str
    ) -> "Ran":
        with answering(answer) as at:
            done = commanded(self.folder, *arguments, **self.environment(person, url) | environment)
        return Ran(done.returncode, done.stdout, done.stderr, at.seen)

    def approve(self, person: str, request: Any, *more: str, **options: str) -> "Ran":
        return self.run(person, "approve", request["id"], "--key", str(self.key(person)), *more, **options)

    @property
    def signings(self) -> int:
        """Count how often ssh-keygen was asked to sign."""
        log = self.folder / "signings"
        return len(log.read_text().splitlines()) if log.exists() else 0


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    error: str
    seen: str


@contextmanager
def installation(
    folder: Path,
    *,
    database: str | None = None,
    accounts: Sequence[str] = (ACCOUNT,),
    signed_approvals: str = "required",
) -> Iterator[Installation]:
    """Serve, with a key and a token for everybody; on a SQLite file of its own, or on an empty `database`."""
    port = free_port()
    found = prepared(folder, port, database=database, accounts=accounts, signed_approvals=signed_approvals)
    with serving(folder, port):
        yield found


def prepared(
    folder: Path,
    port: int,
    *,
    database: str | None = None,
    accounts: Sequence[str] = (ACCOUNT,),
    signed_approvals: str = "required",
    signing: str = "",
    rules_file: bool = False,
    run: Callable[..., CompletedProcess[str]] = commanded,
    tokens: Sequence[str] = tuple(PEOPLE),
) -> Installation:
    """Make all of it but the process. With `rules_file`, the rules stand in a file of their own, to be signed.

    `run` runs the commands of the operator, who makes tokens for the people in `tokens`.
    """
    found = Installation(f"http://127.0.0.1:{port}", folder)
    for person in PEOPLE:
        (folder / person).mkdir()
        openssh.generate(folder / person, "ed25519")
    founders = "".join(
        f'[founders.{person}]\nkeys = ["{found.key(person).with_suffix(".pub").read_text().strip()}"]\n'
        for person in FOUNDERS
    )
    known = "".join(f'[accounts.{account}]\nname = "production"\n' for account in accounts)
    people = "".join(f'[people.{name}]\nname = "{name.upper()}"\nroles = ["{role}"]\n' for name, role in PEOPLE.items())
    machinery = (
        f'[database]\nurl = "{database or f"sqlite:///{folder}/rootquorum.db"}"\n[aws]\nsimulated = true\n'
        f'[audit]\norigin = "{ORIGIN}"\n[audit.keys.log]\nkey_file = "log.pem"\n{known}'
    )
    rules = (
        f'[policy]\ndecision_requires_auth_time = false\nsigned_approvals = "{signed_approvals}"\n'
        f"{signing}{people}{founders}"
    )
    if rules_file:
        (folder / "rules.toml").write_text(f"version = 1\n{rules}")
        rules = '[signing]\nrules_file = "rules.toml"\n'
    (folder / "rootquorum.toml").write_text(machinery + rules)
    (folder / "log.key").write_text(run(folder, "audit", "key", "log.pem").stdout)
    assert run(folder, "migrate").returncode == 0
    for person in tokens:
        (folder / f"{person}.token").write_text(run(folder, "token", "create", person).stdout)
    # Tells when somebody is about to sign.
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "ssh-keygen"
    wrapper.write_text(f'#!/bin/sh\n[ "$2" = sign ] && echo "$@" >> {folder}/signings\nexec {openssh.find()} "$@"\n')
    wrapper.chmod(0o755)
    return found
