"""Records spans with OpenTelemetry's SDK, and sends them by OTLP over HTTP. It is loaded only if that is wanted."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import call_id, spans
from service.aws import observed
from service.domain.errors import ServiceError
from service.spans import Recorder, Span

_NAME = "rootquorum"
# It takes no `tracestate`, which is any text of the caller's.
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def sent() -> Iterator[None]:
    """Record the spans of this process during this block, and send them. Its end waits for the last ones."""
    is_named = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if is_named else {SERVICE_NAME: _NAME})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        with recorded(provider):
            yield
    finally:
        provider.shutdown()


@contextmanager
def recorded(provider: TracerProvider) -> Iterator[None]:
    """Record the spans of this process by `provider` during this block, and one for each call to AWS."""
    recording = _Recording(provider.get_tracer(_NAME))
    observed.add_observer(recording.note_call)
    try:
        with spans.record_by(Recorder(recording.top, recording.within, _trace_id)):
            yield
    finally:
        observed.remove_observer(recording.note_call)


class _Recorded(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Mapping[str, str | int]) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(trace.StatusCode.ERROR)


class _Recording:
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def top(self, name: str, traceparent: str | None) -> Iterator[Span]:
        # Without a caller's, a trace of its own.
        parent = _PROPAGATOR.extract({} if traceparent is None else {"traceparent": traceparent}, Context())
        with self._begun(name, trace.SpanKind.SERVER, parent) as span:
            span.note({"rootquorum.call_id": call_id.current() or ""})
            yield span

    def within(self, name: str) -> AbstractContextManager[Span]:
        return nullcontext(Span()) if _trace_id() is None else self._begun(name, trace.SpanKind.CLIENT)

    @contextmanager
    def _begun(self, name: str, kind: trace.SpanKind, parent: Context | None = None) -> Iterator[Span]:
        # Neither exceptions nor their texts: these may quote what somebody sent.
        with self._tracer.start_as_current_span(
            name, parent, kind, record_exception=False, set_status_on_exception=False
        ) as span:
            recorded = _Recorded(span)
            try:
                yield recorded
            except BaseException as error:
                recorded.fail(error.code.value if isinstance(error, ServiceError) else type(error).__name__)
                raise

    def note_call(self, call: observed.Call) -> None:
        """Record a call to AWS that has just ended."""
        if _trace_id() is None:
            return
        now = time.time_ns()
        span = self._tracer.start_span(call.name, kind=trace.SpanKind.CLIENT, start_time=now - int(call.seconds * 1e9))
        if call.fault is not None:
            _Recorded(span).fail(call.fault)
        span.end(now)


def _trace_id() -> str | None:
    current = trace.get_current_span().get_span_context()
    return trace.format_trace_id(current.trace_id) if current.is_valid else None
