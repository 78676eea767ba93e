"""Traces: who called what, for how long, and how it ended. Nothing that anybody sent is in them."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from support.builders import ACCOUNT, DEACTIVATE
from support.house import House
from support.served import served

from service import call_id, logs, spans
from service.app.traces import traced
from service.app.tracing import recorded
from service.db.engine import read
from service.domain.errors import Code, Conflict
from service.simulated_aws import Refuse
from service.worker import run_pass

_TRACE, _PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_SENT = {"traceparent": f"00-{_TRACE}-{_PARENT}-01"}
_ATTRIBUTES = {
    *("error.type", "http.request.method", "http.response.status_code", "http.route", "rootquorum.call_id"),
}


class Seen:
    """The spans that were recorded."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def take(self) -> list[ReadableSpan]:
        """Return those since the last time, in the order of their ends."""
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found

    def calls(self) -> list[ReadableSpan]:
        return [span for span in self.take() if "rootquorum.call_id" in attributes(span)]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


@pytest.fixture
def seen() -> Iterator[Seen]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with recorded(provider):
        yield Seen(exporter)
    provider.shutdown()


def test_a_call_is_a_span_by_its_template_with_its_transactions_and_calls_to_aws(house: House, seen: Seen) -> None:
    path = f"/v1/accounts/{ACCOUNT}/root-credentials"
    house.client("bob").get(f"{path}?secret=canary", headers={"X-Request-ID": "of-bob", "X-Canary": "canary"})
    *parts, call = seen.take()
    assert call.name == "GET /v1/accounts/{account_id}/root-credentials"
    assert attributes(call) == {
        "rootquorum.call_id": "of-bob",
        "http.request.method": "GET",
        "http.route": "/v1/accounts/{account_id}/root-credentials",
        "http.response.status_code": 200,
    }
    assert not [span for span in (*parts, call) if "canary" in span.to_json()]
    assert call.context is not None
    assert {"read transaction", "sts.GetCallerIdentity", "iam.ListAccessKeys"} <= {part.name for part in parts}
    assert {part.context.trace_id for part in parts if part.context} == {call.context.trace_id}
    assert all(part.parent is not None for part in parts)
    lengths = [(part.end_time or 0) - (part.start_time or 0) for part in [*parts, call]]
    assert all(0 < length <= lengths[-1] for length in lengths)


def test_an_execution_has_no_attributes_but_these(house: House, seen: Seen) -> None:
    request = house.approved(recipient="rita")
    seen.take()
    house.client("rita").post(f"/v1/requests/{request.filing.request_id}/execution")
    found = seen.take()
    assert "write transaction" in {span.name for span in found}
    assert "iam.CreateAccessKey" in {span.name for span in found}
    assert {name for span in found for name in attributes(span)} <= _ATTRIBUTES
    assert not [span for span in found if span.events or span.links or span.status.description]


def test_a_callers_trace_is_followed_and_named_in_the_log(
    sqlite_house: House, seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format="json")
    try:
        sqlite_house.client().get("/livez", headers=_SENT | {"tracestate": "vendor=canary"})
    finally:
        root.handlers, root.level = handlers, level
    [call] = seen.calls()
    assert call.parent is not None
    assert f"{call.parent.span_id:016x}" == _PARENT
    assert not call.parent.trace_state
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "GET /livez" in line]
    assert line["trace_id"] == _TRACE


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [*_SENT.items(), *_SENT.items()],  # a proxy may have followed the other one
        [("traceparent", "canary")],
        [("traceparent", f"00-{'0' * 32}-{_PARENT}-01")],
        [("traceparent", _SENT["traceparent"] + "\x1b[2J")],
    ],
    ids=["none", "two", "no", "zero", "escape"],
)
def test_without_one_good_traceparent_a_call_has_a_trace_of_its_own(
    sqlite_house: House, seen: Seen, headers: list[tuple[str, str]]
) -> None:
    sqlite_house.client().get("/livez", headers=headers)
    [call] = seen.calls()
    assert call.parent is None
    assert call.context is not None
    assert f"{call.context.trace_id:032x}" != _TRACE


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("HEAD", "/livez", "HEAD /livez"),
        ("GET", "/nowhere/canary", "GET"),
        ("CANARY", "/livez", "_OTHER /livez"),
        ("DELETE", "/v1/requests/canary", "DELETE /v1/requests/{request_id}"),
        ("GET", "/desk/requests/canary", "GET /desk/{path:path}"),
    ],
)
def test_no_span_has_a_name_of_the_callers_choice(
    sqlite_house: House, seen: Seen, method: str, path: str, name: str
) -> None:
    sqlite_house.client().request(method, path)
    [call] = seen.calls()
    assert call.name == name
    assert "canary" not in call.to_json().lower()


def test_what_fails_says_so_without_its_text(sqlite_house: House, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        with read(sqlite_house.ctx.engine) as tx:
            tx.execute(text("SELECT 'canary' FROM canary"))

    monkeypatch.setattr("service.api.deps.sign_in", crash)
    assert sqlite_house.client("bob").get("/v1/accounts").status_code == 503
    *transactions, call = seen.take()
    assert (call.status.is_ok, attributes(call)["error.type"]) == (False, "503")
    [failed] = [part for part in transactions if not part.status.is_ok]
    assert (failed.name, attributes(failed)["error.type"]) == ("read transaction", "OperationalError")
    assert not [part for part in [*transactions, call] if "canary" in part.to_json()]


def test_a_step_of_the_worker_is_a_span_and_a_refused_one_has_its_code(sqlite_house: House, seen: Seen) -> None:
    house = sqlite_house
    house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    house.aws.fault("GetCallerIdentity", Refuse("AccessDenied"))
    run_pass(house.ctx)
    steps = {span.name: span for span in seen.calls()}
    refused = steps["worker run"]
    assert attributes(refused)["error.type"] == Code.ACCOUNT_UNREACHABLE
    assert refused.parent is None


def test_nothing_is_recorded_outside_of_a_call_or_a_step(sqlite_house: House, seen: Seen) -> None:
    sqlite_house.file()
    assert seen.take() == []
    assert spans.trace_id() is None


def test_a_refusal_is_named_by_its_code(seen: Seen) -> None:
    with pytest.raises(Conflict), call_id.working("x"), spans.top("worker x"):
        raise Conflict(Code.NO_PASSWORD)
    [step] = seen.take()
    assert attributes(step)["error.type"] == Code.NO_PASSWORD


@contextmanager
def receiver() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Receive OTLP over HTTP. Yield the address, and what has come."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            message = ExportTraceServiceRequest()
            message.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(message)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}", received


@pytest.mark.parametrize("name", ["elsewhere", None])
def test_spans_arrive_where_opentelemetrys_variables_say(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    with receiver() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        if name is not None:
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        with traced():
            assert sqlite_house.client().get("/livez").status_code == 200
    [message] = received
    [resource] = message.resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert about["service.name"] == (name or "rootquorum")
    [scope] = resource.scope_spans
    assert [span.name for span in scope.spans] == ["GET /livez"]


_HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, ""),
        (_HERE | {"OTEL_SDK_DISABLED": "true"}, ""),
        (_HERE | {"OTEL_TRACES_EXPORTER": "none"}, ""),
        (_HERE | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf is supported"),
        (_HERE, "`tracing` is not installed"),
    ],
    ids=["nowhere", "disabled", "no exporter", "another protocol", "no extra"],
)
def test_without_a_receiver_or_the_extra_the_service_runs_without_traces(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variables: dict[str, str], said: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delitem(sys.modules, "service.app.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as if it were not installed
    with traced():
        assert spans.top("x").__enter__() is spans._UNRECORDED
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)
