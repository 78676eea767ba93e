"""Logs: one line per event, as JSON or for a console; never a token, a query string or a local variable."""

import base64
import binascii
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

from service import call_id, spans
from service.auth.api_tokens import PATTERN
from service.domain.text import plain

LogFormat = Literal["json", "console"]

# The characters of a JWT, with the padding that some add. A JWT can be wrapped: then line breaks stand between, as such
# or as JSON, Python and URLs write them. A run is read once and split, so the time is linear for any input.
_BREAK = r"(?:[\r\n]|\\++[rn]|%(?:25)*0[AaDd])(?:\s|\\++[rnt]|%(?:25)*0[AaDd])*+"
_BREAKS = re.compile(_BREAK, re.ASCII)
_LINE = r"(?:[\w.-]|={1,2}\.)+"
# It includes the break behind it: otherwise each `n` of many that are written `\n` would begin another run.
_RUN = re.compile(rf"({_LINE}(?:{_BREAK}{_LINE})*)((?:{_BREAK})?)", re.ASCII)
# The same characters in percent-encoding, also encoded again.
_ESCAPED = re.compile(r"%(?:25)*(2[DEde]|3[0-9Dd]|4[1-9A-Fa-f]|5[0-9AFaf]|6[1-9A-Fa-f]|7[0-9Aa])")
_ROUNDS = 3
# `{"alg":"RS256"}` has 20 characters of Base64; anything much shorter names no algorithm.
_SHORTEST_HEADER = 12
# Without a long part before or after a dot, or one of these, no run holds a JWT. Nearly every line is without. The dot
# comes first in the pattern, since a search for a literal is ten times as fast.
_LONG_PART = re.compile(rf"\.(?:(?<=[\w=-]{{{_SHORTEST_HEADER}}}\.)|(?=[\w=-]{{{_SHORTEST_HEADER}}}))", re.ASCII)
_PARTS_OF_BREAKS = ("\r", "\n", "\\r", "\\n", "%0", "%25")
# Every field that a line may have beside its text. Any other is dropped, whoever logs it.
FIELDS = frozenset(
    {
        *("account_id", "address", "call_id", "check", "code", "issuer", "method", "milliseconds", "path"),
        *("request_id", "source", "status", "step", "trace_id", "unlogged", "why"),
    }
)


class _Lines(logging.Formatter):
    """Writes a line without tokens, our own or a library's. Its fields are those of `extra={"fields": {…}}`.

    It does not look for AWS secrets. They never reach a log line; a test with a known secret proves that.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        line |= _fields_of(record)
        if record.exc_info:
            # The plain traceback: richer ones print local variables, and a local variable may be a secret.
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return redacted(self.written(line))

    def written(self, line: dict[str, object]) -> str:
        return json.dumps(line, default=str)


class _Text(_Lines):
    """Writes a line for a terminal, and what has lines of its own below it."""

    def written(self, line: dict[str, object]) -> str:
        when, level, event, logger = (str(line.pop(name)) for name in ("timestamp", "level", "event", "logger"))
        below = [str(line.pop(name)) for name in ("exception", "stack") if name in line]
        fields = [f"{name}={json.dumps(value, default=str)}" for name, value in line.items()]
        return "\n".join([" ".join([when, f"[{level}]", plain(redacted(event)), *fields, f"[{logger}]"]), *below])


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return the line's fields that are allowed, and those of the call or step."""
    given: dict[str, object] = getattr(record, "fields", {})
    return {name: value for name, value in given.items() if name in FIELDS} | _joining()


def _joining() -> dict[str, object]:
    """Return the ids of the call or the step, and of its trace if it has one."""
    ids = {"call_id": call_id.current(), "trace_id": spans.trace_id()}
    return {name: value for name, value in ids.items() if value is not None}


def redacted(text: str) -> str:
    """Return `text` without API tokens and JWTs.

    If percent-encoding hides one, the characters of tokens are decoded in the whole text. No character is decoded that
    could end a line or a string.
    """
    shown = plain = _without_tokens(text)
    if "%" not in shown:
        return shown  # as nearly every line
    for _ in range(_ROUNDS):
        plain = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), plain)
    found = _without_tokens(plain)
    return shown if found == plain else found


def _without_tokens(text: str) -> str:
    text = PATTERN.sub("[redacted]", text)
    return _RUN.sub(_shown, text) if _may_hold_a_jwt(text) else text


def _may_hold_a_jwt(text: str) -> bool:
    return _LONG_PART.search(text) is not None or any(part in text for part in _PARTS_OF_BREAKS)


def _shown(run: re.Match[str]) -> str:
    """Return what may be shown of a run of one or more lines: nothing of it, if any of it signs somebody in."""
    lines = _BREAKS.split(run[1])
    whole = "".join(lines)
    if PATTERN.search(whole) or any(map(_is_jwt, {whole, *lines})):
        return f"[redacted]{run[2]}"
    return run[0]


def _is_jwt(run: str) -> bool:
    """Return whether a part is a JSON object in Base64, as header and claims are.

    One such part is enough, because the other may be truncated or joined to the text before it.
    """
    return "." in run and any(len(part) >= _SHORTEST_HEADER and _is_object(part) for part in run.split("."))


def _is_object(part: str) -> bool:
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))), dict)
    except (binascii.Error, ValueError, RecursionError):
        return False


def configure(*, level: str, log_format: LogFormat) -> None:
    """Send the root logger's records to stderr. `level` is a name such as `INFO`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines() if log_format == "json" else _Text())
    # No line says which thread or process wrote it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # At DEBUG they log the headers of destinations and providers. `aws` silences AWS's SDK.
    for name in ("httpcore", "httpx"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # It logs a line at every check of the schema's version, so at every probe of /readyz.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
