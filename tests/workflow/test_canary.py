"""The secret is in one HTTP answer and in no other byte: not in the database, its log, a log line or an audit event,
and not in what others are told.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pyrage import decrypt, x25519
from sqlalchemy import MetaData, select
from support.builders import ACCOUNT, DELETE_PASSWORD, MEMBER, ROTATE
from support.destinations import SECRET, MemoryTracker, Siem, listening
from support.house import House
from support.metrics import scrape
from support.rotations import PLAN, Rotation

from service import logs
from service.api.key_files import FileName
from service.app.tracing import recorded
from service.db.engine import connect
from service.db.outbox import Wanted
from service.domain.outcome import CreatedKey, Secret
from service.notify.chat import Chat
from service.notify.tickets import Tickets
from service.notify.webhooks import Webhook, signer
from service.outbound.exchange import Recorder
from service.outbound.guarded import new_client
from service.simulated_aws import ConnectionLostAfter, ServerErrorAfter
from service.worker import run_pass
from service.workflow.deliver import list_deliveries, redeliver

COOKIE = "session=what-a-destination-sets"


def everything_in(database_url: str) -> str:
    """Every value of every row of every table, whatever the tables are."""
    engine = connect(database_url, connections=1)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(select(table))]
    engine.dispose()
    assert len(rows) > 10
    return repr(rows)


def files_under(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


@dataclass(frozen=True)
class Outside:
    """Whom a house tells, and all that they were told."""

    siem: Siem
    desk: MemoryTracker
    recorder: Recorder

    @property
    def everything(self) -> str:
        shown = [line for exchange in self.recorder.exchanges for line in exchange.lines(with_path=True)]
        return f"{self.siem.received} {self.desk.comments} {shown}"


@contextmanager
def telling(house: House) -> Iterator[Outside]:
    """A webhook and a chat, over HTTP, and a tracker."""
    with listening() as siem, Recorder(new_client(frozenset({"127.0.0.1"}))) as recorder:
        siem.headers = {"Set-Cookie": COOKIE}
        desk = MemoryTracker()
        destinations = {
            "siem": Webhook("siem", siem.url, (signer(SECRET),), recorder),
            "oncall": Chat(siem.url, recorder),
            "desk": Tickets(desk, re.compile("OPS-[0-9]+")),
        }
        house.change(destinations=destinations)
        yield Outside(siem, desk, recorder)


def tell_all(house: House) -> int:
    """How many deliveries there are, each sent, and then sent again."""
    found = list_deliveries(house.ctx, house.actor("oscar"), Wanted(), after=None, limit=100)
    for _ in found:
        run_pass(house.ctx)
    for delivery in found:
        redeliver(house.ctx, house.actor("oscar"), delivery.id)
    for _ in found:
        run_pass(house.ctx)
    found = list_deliveries(house.ctx, house.actor("oscar"), Wanted(), after=None, limit=100)
    assert {delivery.status for delivery in found} == {"delivered"}
    return len(found)


@contextmanager
def tracing() -> Iterator[InMemorySpanExporter]:
    """Record every span of this block."""
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with recorded(provider):
        yield exporter
    provider.shutdown()


def watched(house: House, exporter: InMemorySpanExporter) -> str:
    """Return the metrics and all spans."""
    found = exporter.get_finished_spans()
    assert len(found) > 20
    return scrape(house).text + "".join(span.to_json() for span in found)


@pytest.mark.parametrize("file", ["", *(f"/{name}" for name in FileName)])
def test_the_secret_is_in_the_answer_and_nowhere_else(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], file: str
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    try:
        with telling(house) as outside, tracing() as exporter:
            request_id = house.approved(recipient="rita", ticket="OPS-4711").filing.request_id
            answer = house.client("rita").post(f"/v1/requests/{request_id}/execution{file}")
            secret = _secret_of(house)
            others = [
                house.client("rita").post(f"/v1/requests/{request_id}/execution").text,
                house.client("rita").post(f"/v1/requests/{request_id}/execution/rootkey.csv").text,
                house.client("rita").get(f"/v1/requests/{request_id}").text,
                house.client("rita").post(f"/v1/requests/{request_id}/receipt").text,
                house.client("audrey").get("/v1/audit/events").text,
                house.client("audrey").get("/v1/audit/export").text,
                house.client("rita").get(f"/v1/requests/{request_id}/evidence").text,
                house.client("bob").get("/v1/requests").text,
                house.client("bob").get(f"/v1/accounts/{ACCOUNT}/root-credentials").text,
            ]
            sent = tell_all(house)
            others.append(watched(house, exporter))
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()

    assert answer.text.count(secret) == 1
    assert not [text for text in others if secret in text]
    assert '"level": "debug"' in logged.err
    assert secret not in logged.out + logged.err
    assert COOKIE not in logged.out + logged.err
    assert secret not in everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)
    told = [json.loads(body) for _, body in outside.siem.received]
    assert sent == 3 * 8
    assert len(told) == 2 * 2 * 8
    assert [body["type"] for body in told if "type" in body].count("execution.delivered") == 2
    assert len(outside.desk.comments) == 8
    assert secret not in outside.everything


def test_a_sealed_secret_is_nowhere_in_clear_not_even_in_the_answer(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    identity = x25519.Identity.generate()
    try:
        with telling(house) as outside, tracing() as exporter:
            request = house.approved(recipient="rita", ticket="OPS-4711", sealed_to=str(identity.to_public()))
            request_id, rita = request.filing.request_id, house.client("rita")
            answer = rita.post(f"/v1/requests/{request_id}/execution")
            secret = _secret_of(house)
            others = [
                answer.text,
                rita.post(f"/v1/requests/{request_id}/execution").text,
                rita.post(f"/v1/requests/{request_id}/execution/rootkey.csv").text,
                rita.get(f"/v1/requests/{request_id}").text,
                rita.post(
                    f"/v1/requests/{request_id}/receipt", json={"sealed_sha256": answer.json()["sealed_sha256"]}
                ).text,
                house.client("audrey").get("/v1/audit/export").text,
                rita.get(f"/v1/requests/{request_id}/evidence").text,
                house.client("bob").get("/v1/requests").text,
            ]
            tell_all(house)
            others.append(watched(house, exporter))
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()

    assert secret.encode() in decrypt(answer.json()["sealed"].encode(), [identity])
    assert house.now(request).status == "succeeded"
    assert not [text for text in others if secret in text]
    assert '"level": "debug"' in logged.err
    assert secret not in logged.out + logged.err
    assert secret not in everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)
    assert secret not in outside.everything
    # What was sealed is kept by nobody either.
    line = answer.json()["sealed"].splitlines()[3]
    assert line not in everything_in(database_url) + logged.out + logged.err + outside.everything


def test_the_secret_of_a_rotation_is_in_its_answer_and_nowhere_else_until_the_old_key_is_deleted(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    try:
        with telling(house) as outside, tracing() as exporter:
            old = house.signer
            request = house.approved(ROTATE, old, ticket="OPS-4711", rotation=PLAN)
            answer = house.client("alice").post(f"/v1/requests/{request.filing.request_id}/execution")
            secret = _secret_of(house)
            key = CreatedKey(answer.json()["access_key_id"], Secret(secret), house.clock())
            rotation = Rotation(house, request, old, key).receive().waited()
            run_pass(house.ctx)
            others = [
                house.client("alice").post(f"/v1/requests/{rotation.id}/execution").text,
                house.client("audrey").get("/v1/audit/export").text,
                house.client("alice").get(f"/v1/requests/{rotation.id}/evidence").text,
                watched(house, exporter),
            ]
            tell_all(house)
            others.append(outside.everything)
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()

    assert rotation.now().status == "succeeded"
    assert rotation.keys == (None, "Active")
    assert answer.text.count(secret) == 1
    assert not [text for text in others if secret in text]
    assert '"level": "debug"' in logged.err
    assert secret not in logged.out + logged.err
    assert secret not in everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)


@pytest.mark.parametrize("fault", [ConnectionLostAfter(), ServerErrorAfter()])
def test_a_secret_that_was_lost_is_nowhere_at_all(
    house: House, database_url: str, tmp_path: Path, fault: ConnectionLostAfter | ServerErrorAfter
) -> None:
    request_id = house.approved(recipient="rita").filing.request_id
    house.aws.fault("CreateAccessKey", fault)
    answer = house.client("rita").post(f"/v1/requests/{request_id}/execution")
    secret = _secret_of(house)
    assert answer.status_code == 202
    assert secret not in answer.text + everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)


def test_no_secret_or_token_of_a_session_is_written_anywhere(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    try:
        house.execute(house.approved(DELETE_PASSWORD, account_id=MEMBER))
        house.client("oscar").post(f"/v1/accounts/{MEMBER}/drift-check")
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()
    sessions = [held.signer for held in house.aws._accounts.keyring._held.values() if held.signer.session_token]
    assert len(sessions) >= 3
    written = logged.out + logged.err + everything_in(database_url)
    for session in sessions:
        for secret in (session.secret_access_key, str(session.session_token)):
            assert secret not in written
            assert secret.encode() not in files_under(tmp_path)


def _secret_of(house: House) -> str:
    (secret,) = (secret for key, secret in house.aws.secrets(ACCOUNT).items() if key != house.signer)
    return secret
