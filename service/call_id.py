"""The id of what this thread or task is doing: answering one HTTP call, or one step of the worker.

It joins the lines of the log, the answer to the caller, and CloudTrail. It decides nothing.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Safe in a log, in a header and in a user agent. Without `_` and `.`, it can be neither an API token nor a JWT.
LONGEST = 64
_FORM = re.compile(rf"[A-Za-z0-9-]{{1,{LONGEST}}}", re.ASCII)
_current: ContextVar[str | None] = ContextVar("call_id", default=None)


def current() -> str | None:
    """Return the id, or None outside of a call and of a step."""
    return _current.get()


@contextmanager
def working(given: str | None = None) -> Iterator[str]:
    """Work under the id that the caller gave if it has the form, else under a new one of 32 hex digits."""
    chosen = given if given is not None and _FORM.fullmatch(given) else secrets.token_hex(16)
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
