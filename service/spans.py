"""Spans: how long the parts of a call or of a worker's step took. Nobody records them unless `record_by` says who.

A span has a name and a few attributes of our own: a route's template, a status, a code. It never has a body, a header,
a query, a path, SQL, or the text of an exception.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple


class Span:
    """A span that nobody records."""

    def rename(self, name: str) -> None:
        """Give it another name, one of few."""

    def note(self, attributes: Mapping[str, str | int]) -> None:
        """Add attributes. No value may be of a caller's choice."""

    def fail(self, reason: str) -> None:
        """Say that what it spans has failed, and by which code or kind of exception."""


class Recorder(NamedTuple):
    """What records spans.

    `top` begins the span of a call or of a step: its name, and the `traceparent` that a caller sent, if it is to follow
    one. `within` begins one inside of the current span, if there is one. `trace_id` returns the current trace's id, 32
    hex digits.
    """

    top: Callable[[str, str | None], AbstractContextManager[Span]]
    within: Callable[[str], AbstractContextManager[Span]]
    trace_id: Callable[[], str | None]


_UNRECORDED = Span()
_recorder: list[Recorder] = []


@contextmanager
def record_by(recorder: Recorder) -> Iterator[None]:
    """Have the spans of this process recorded during this block."""
    _recorder[:] = [recorder]
    try:
        yield
    finally:
        _recorder.clear()


def top(name: str, traceparent: str | None = None) -> AbstractContextManager[Span]:
    """Begin the span of an HTTP call or of a worker's step. An exception that passes through fails it."""
    recorder = next(iter(_recorder), None)
    return nullcontext(_UNRECORDED) if recorder is None else recorder.top(name, traceparent)


def within(name: str) -> AbstractContextManager[Span]:
    """Begin a span of what belongs to the current call or step. Outside of both there is none."""
    recorder = next(iter(_recorder), None)
    return nullcontext(_UNRECORDED) if recorder is None else recorder.within(name)


def trace_id() -> str | None:
    """Return the id of the current trace, None if there is none."""
    recorder = next(iter(_recorder), None)
    return None if recorder is None else recorder.trace_id()
