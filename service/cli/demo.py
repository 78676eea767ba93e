"""`rootquorum demo`: the main workflow over HTTP, step by step."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import boto3
import httpx
import typer
from botocore.config import Config
from rich.console import Console
from rich.json import JSON
from rich.rule import Rule
from rich.table import Table

from service import verifier
from service.app import compose
from service.auth.api_tokens import fingerprint, mint
from service.cli.audit import new_key
from service.cli.try_it import stay
from service.cli.waiting import free_port, wait_until
from service.domain.actor import WORKER
from service.domain.outcome import Secret
from service.settings import load
from service.workflow.tokens import create_token

_ACCOUNT = "111122223333"
_ORIGIN = "rootquorum.example.com/demo"
_SETTINGS = """
[database]
url = "sqlite:///{folder}/rootquorum.db"
[server]
port = {port}
[worker]
interval = "PT0.5S"
[log]
level = "DEBUG"
[aws]
simulated = true
simulated_port = {aws_port}
[policy]
decision_requires_auth_time = false
[accounts.{account}]
name = "production"
[accounts.444455556666]
name = "staging"
[audit]
origin = "{origin}"
[audit.keys.demo]
key_file = "{folder}/log.pem"
[people.carol]
name = "Carol Castro"
roles = ["requester", "approver"]
[people.dave]
name = "Dave Dogan"
roles = ["requester", "approver"]
[people.erin]
name = "Erin Eze"
roles = ["approver"]
[people.frank]
name = "Frank Fuchs"
roles = ["auditor", "operator"]
"""

console = Console(highlight=False)


class DemoFailed(Exception):
    """A step of the demo had another outcome than expected."""


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with tokens and requests to try.")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port; by default a free one.")] = None,
) -> None:
    """Run the main workflow, as four people would, against a simulated AWS."""
    if not run_demo(keep=keep, port=port):
        raise typer.Exit(1)


def run_demo(*, keep: bool, port: int | None = None) -> bool:
    """Run the demo and return whether every check passed. With `keep` the service stays up until interrupted.

    `port` None takes a free one.
    """
    with tempfile.TemporaryDirectory(prefix="rootquorum-demo-") as name:
        folder = Path(name)
        port, aws_port = port or free_port(), free_port()
        config = folder / "rootquorum.toml"
        config.write_text(
            _SETTINGS.format(folder=folder, port=port, aws_port=aws_port, account=_ACCOUNT, origin=_ORIGIN)
        )
        log_key = new_key(folder / "log.pem", _ORIGIN)
        url = f"http://127.0.0.1:{port}"
        log = folder / "service.log"
        try:
            with _service(config, log, url):
                tokens = _make_tokens(config)
                _Demo(url, f"http://127.0.0.1:{aws_port}", folder, tokens, log_key).run()
                if keep:
                    with httpx.Client(base_url=url, timeout=60) as http:
                        stay(console, http, tokens)
        except (DemoFailed, TimeoutError, httpx.HTTPError) as error:
            console.print(f"The demo failed: {error}", style="bold red", markup=False)
            console.print(log.read_text()[-4000:], markup=False)
            return False
    return True


@contextmanager
def _service(config: Path, log: Path, url: str) -> Iterator[None]:
    """Run the real service in its own process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROOTQUORUM_")}
    command = [sys.executable, "-m", "service", "--config", str(config), "serve", "--migrate"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _is_ready(url, process), what="the service")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise DemoFailed("the service stopped at start-up")
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def _make_tokens(config: Path) -> dict[str, Secret]:
    """Create a token for everybody, as `rootquorum token create` does."""
    settings = load(config)
    tokens: dict[str, Secret] = {}
    with compose(settings, with_aws=False) as ctx:
        for subject, member in ctx.directory.members.items():
            tokens[subject] = mint(member.kind)
            create_token(ctx, WORKER, subject, str(fingerprint(tokens[subject].reveal())), timedelta(days=1))
    return tokens


class _Demo:
    """The steps in order. Each prints what it shows, does it over HTTP, and checks the answer."""

    def __init__(self, url: str, aws_url: str, folder: Path, tokens: dict[str, Secret], log_key: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._aws_url = aws_url
        self._folder = folder
        self._tokens = tokens
        self._log_key = log_key
        self._step = 0

    def run(self) -> None:
        console.print(Rule("Rootquorum: two people in front of the root user's keys"))
        console.print("The AWS is simulated; the service, its SQLite database and every HTTP call below are real.")
        created = self._file_create()
        self._approve_twice(created)
        key = self._execute_create(created)
        self._prove(key)
        self._execute_again(created)
        self._search(key)
        self._receive(created)
        self._deactivate(key["access_key_id"])
        self._delete(key["access_key_id"])
        self._audit()
        console.print(Rule("Done: everything above was checked"))

    def _file_create(self) -> dict[str, Any]:
        self._say("Carol files a request for a new root access key. The service reads the account first.")
        body = {
            "operation": "create_access_key",
            "account_id": _ACCOUNT,
            "justification": "The break-glass key is replaced every quarter.",
            "ticket": "OPS-4711",
        }
        request = self._call("carol", "POST", "/v1/requests", body, expect=201)
        self._show(request, "id", "status", "account", "warnings", "quorum", "digest")
        self._say("Carol is an approver too, but cannot approve her own request.")
        self._decide("carol", request, expect=403)
        return request

    def _approve_twice(self, request: dict[str, Any]) -> None:
        for person, status in (("dave", "pending"), ("erin", "approved")):
            self._say(f"{person.capitalize()} reads the request, and approves exactly what its digest covers.")
            read = self._call(person, "GET", f"/v1/requests/{request['id']}")
            after = self._decide(person, read)
            self._show(after, "status", "quorum")
            self._check(after["status"] == status, f"the request is {status}")

    def _execute_create(self, request: dict[str, Any]) -> dict[str, Any]:
        self._say("Carol, the recipient, executes it. This answer is the only place where the secret ever appears.")
        key = self._call("carol", "POST", f"/v1/requests/{request['id']}/execution")
        shown = {**key, "secret_access_key": f"{key['secret_access_key'][:4]}… (hidden here)"}
        console.print(JSON.from_data(shown))
        return key

    def _prove(self, key: dict[str, Any]) -> None:
        self._say("The new key works: a call signed with it asks AWS who the caller is.")
        sts = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=self._aws_url,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        arn = sts.get_caller_identity()["Arn"]
        console.print(f"sts:GetCallerIdentity → {arn}", style="green", markup=False)
        self._check(arn == f"arn:aws:iam::{_ACCOUNT}:root", "it is the root user")

    def _execute_again(self, request: dict[str, Any]) -> None:
        self._say("A request runs once: the second execution is refused.")
        self._show(self._call("carol", "POST", f"/v1/requests/{request['id']}/execution", expect=409), "code", "detail")

    def _search(self, key: dict[str, Any]) -> None:
        self._say("We search for the secret in every byte that the service wrote; its log level is DEBUG.")
        secret = key["secret_access_key"].encode()
        table = Table("file", "bytes", "secret found")
        for file in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            table.add_row(file.name, str(len(content)), str(content.count(secret)))
            self._check(secret not in content, f"{file.name} does not hold the secret")
        console.print(table)

    def _receive(self, request: dict[str, Any]) -> None:
        self._say("Carol confirms that the secret arrived.")
        self._show(self._call("carol", "POST", f"/v1/requests/{request['id']}/receipt"), "status")

    def _deactivate(self, key_id: str) -> None:
        self._say("The key has leaked: Carol asks for its deactivation, to run automatically once approved.")
        request = self._file("deactivate_access_key", key_id, "Somebody has published the key.", run=True)
        self._decide("dave", request)
        self._decide("erin", request)
        path = f"/v1/requests/{request['id']}"
        wait_until(lambda: self._get("carol", path)["status"] == "succeeded", what="the worker")
        self._show(self._call("carol", "GET", path), "status", "result")

    def _delete(self, key_id: str) -> None:
        self._say("It is inactive and nobody misses it: Carol asks for its deletion, and executes it herself.")
        request = self._file("delete_access_key", key_id, "Inactive since it leaked; nobody misses it.", run=False)
        self._decide("dave", request)
        self._decide("erin", request)
        done = self._call("carol", "POST", f"/v1/requests/{request['id']}/execution")
        self._show(done, "status", "result")
        state = self._call("carol", "GET", f"/v1/accounts/{_ACCOUNT}/root-credentials")
        keys = [key["access_key_id"] for key in state["root_credentials"]["keys"]]
        self._check(key_id not in keys, "the key is gone")

    def _audit(self) -> None:
        self._say("Frank, an auditor, reads what happened.")
        table = Table("seq", "at", "event", "by", "request")
        for event in self._call("frank", "GET", "/v1/audit/events?limit=500")["items"]:
            row = (event["at"][11:19], event["event"], event["actor"]["subject"], (event["request_id"] or "")[:8])
            table.add_row(str(event["seq"]), *row)
        console.print(table)
        self._say("He exports the log, and checks it with only that file and the log's public key.")
        export = self._folder / "export.jsonl"
        export.write_bytes(self._send("frank", "GET", "/v1/audit/export", None).content)
        self._check(verifier.main(["--key", self._log_key, str(export)]) == 0, "the log is good")
        self._say("One word of the past is changed, and the same check detects it.")
        export.write_bytes(export.read_bytes().replace(b"every quarter", b"every fortnight"))
        self._check(verifier.main(["--key", self._log_key, str(export)]) == 1, "the change is found")

    def _file(self, operation: str, key_id: str, why: str, *, run: bool) -> dict[str, Any]:
        body = {
            "operation": operation,
            "account_id": _ACCOUNT,
            "access_key_id": key_id,
            "justification": why,
            "run_on_approval": run,
        }
        request = self._call("carol", "POST", "/v1/requests", body, expect=201)
        self._show(request, "status", "access_key", "warnings")
        return request

    def _decide(self, person: str, request: dict[str, Any], *, expect: int = 200) -> dict[str, Any]:
        body = {"decision": "approve", "digest": request["digest"]}
        answer = self._call(person, "POST", f"/v1/requests/{request['id']}/decisions", body, expect=expect)
        if expect != httpx.codes.OK:
            self._show(answer, "code", "detail")
        return answer

    def _call(
        self, person: str, method: str, path: str, body: dict[str, Any] | None = None, *, expect: int = 200
    ) -> dict[str, Any]:
        answer = self._send(person, method, path, body)
        line = f"{person:>6}: {method} {path} → {answer.status_code}"
        console.print(line, style="cyan", markup=False)
        self._check(answer.status_code == expect, f"the answer is {expect}")
        result: dict[str, Any] = answer.json()
        return result

    def _get(self, person: str, path: str) -> dict[str, Any]:
        """Make a call that is not printed: one of many while waiting."""
        result: dict[str, Any] = self._send(person, "GET", path, None).json()
        return result

    def _send(self, person: str, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._tokens[person].reveal()}"}
        return self._http.request(method, path, json=body, headers=headers)

    def _say(self, sentence: str) -> None:
        self._step += 1
        console.print(f"\n{self._step}. {sentence}", style="bold", markup=False)

    @staticmethod
    def _show(document: dict[str, Any], *names: str) -> None:
        console.print(JSON.from_data({name: document[name] for name in names}))

    @staticmethod
    def _check(holds: bool, claim: str) -> None:  # noqa: FBT001  # what is checked
        if not holds:
            raise DemoFailed(f"not true: {claim}")
