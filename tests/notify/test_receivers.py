"""The receivers of webhooks in the documents take what the service sends, once, and nothing else."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import httpx
import pytest
from support.destinations import NOTICE, SECRET
from support.products import golang, nodejs

from service.cli.waiting import free_port
from service.domain.delivery import Answer, Notice
from service.notify.webhooks import Webhook, signer
from service.outbound.guarded import new_client

_PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
_SAID = "execution.succeeded 0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2\n"
_OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
_TEST = replace(NOTICE, id="7b1f", event="notify.test", document={"type": "notify.test", "timestamp": "", "data": {}})

pytestmark = pytest.mark.skipif(
    not golang.is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)


@dataclass(frozen=True)
class Receiver:
    url: str
    said: IO[str]

    def deliver(self, *secrets: str, notice: Notice = NOTICE, now: timedelta = timedelta()) -> Answer:
        client = new_client(frozenset({"127.0.0.1"}))
        signers = tuple(map(signer, secrets))
        return Webhook("mine", self.url, signers, client, now=lambda: datetime.now(UTC) + now).deliver(notice).answer


@pytest.fixture(params=["python", "javascript", "go"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Write the program as the page has it, except for that in Go, which is built already."""
    if request.param == "go":
        return [str(golang.RECEIVER)]
    [source] = re.findall(rf"^```{request.param}\n(.*?)^```$", _PAGE, flags=re.DOTALL | re.MULTILINE)
    program = tmp_path / "receiver"
    program.write_text(source)
    return [sys.executable if request.param == "python" else str(nodejs.NODE), str(program)]


@contextmanager
def receiving(command: list[str], folder: Path, secrets: str = SECRET) -> Iterator[Receiver]:
    port = free_port()
    environment = {"WEBHOOK_SECRETS": secrets, "PORT": str(port)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "listening\n"
            yield Receiver(f"http://127.0.0.1:{port}/", process.stdout)
        finally:
            process.kill()


def test_receiver_handles_each_event_once_also_after_a_restart(command: list[str], tmp_path: Path) -> None:
    with receiving(command, tmp_path) as receiver:
        assert [receiver.deliver(SECRET) for _ in range(2)] == [Answer.DELIVERED] * 2
        assert receiver.deliver(SECRET, notice=_TEST) is Answer.DELIVERED
        assert [receiver.said.readline() for _ in range(2)] == [_SAID, "notify.test -\n"]
    with receiving(command, tmp_path) as receiver:
        assert receiver.deliver(SECRET) is Answer.DELIVERED
        assert receiver.deliver(SECRET, notice=replace(_TEST, id="8c2a")) is Answer.DELIVERED
        assert receiver.said.readline() == "notify.test -\n"  # and nothing before it


def test_receiver_takes_the_old_and_the_new_secret(command: list[str], tmp_path: Path) -> None:
    with receiving(command, tmp_path, f"{_OTHER} {SECRET}") as receiver:
        assert receiver.deliver(SECRET) is Answer.DELIVERED
        assert receiver.deliver(_OTHER, notice=_TEST) is Answer.DELIVERED
        assert [receiver.said.readline() for _ in range(2)] == [_SAID, "notify.test -\n"]


def test_receiver_refuses_what_the_service_did_not_sign_now(command: list[str], tmp_path: Path) -> None:
    with receiving(command, tmp_path) as receiver:
        assert receiver.deliver(_OTHER) is Answer.AGAIN
        for minutes in (6, -6):
            assert receiver.deliver(SECRET, now=timedelta(minutes=minutes)) is Answer.AGAIN
        for headers in ({}, {"webhook-id": "a", "webhook-timestamp": "9" * 5000, "webhook-signature": "v1,é"}):
            sent = httpx.Headers(headers, encoding="utf-8")
            assert httpx.post(receiver.url, content=b"{}", headers=sent).status_code == httpx.codes.UNAUTHORIZED
        assert httpx.post(receiver.url, content=b" " * 1_000_000).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
        assert httpx.get(receiver.url).is_error
        assert receiver.deliver(SECRET, notice=_TEST) is Answer.DELIVERED
        assert receiver.said.readline() == "notify.test -\n"  # and nothing before it


@pytest.mark.parametrize("secrets", ["", "whsec_", "whsec_c2hvcnQ=", f"{SECRET} whsec_"])
def test_receiver_does_not_start_with_a_secret_that_anybody_could_guess(
    command: list[str], secrets: str, tmp_path: Path
) -> None:
    environment = {"WEBHOOK_SECRETS": secrets, "PORT": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "24 bytes" in done.stderr
