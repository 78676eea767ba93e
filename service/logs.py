"""Logs: one line an event, JSON or for a console; never a token, never a local variable."""

import logging
import re
import sys
from typing import Literal

import structlog

from service.auth.api_tokens import PATTERN

LogFormat = Literal["json", "console"]

# API tokens; JWTs, whose header is a JSON object in Base64; and the code in the address to which a provider sends
# somebody back, which the access log has.
_CREDENTIAL = re.compile(rf"{PATTERN.pattern}|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=[?&]code=)[\w.~%+/=-]+", re.ASCII)


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """The last look at every line, our own or a library's: whatever signs somebody in must not be in it.

    AWS secrets are not looked for: they never come near a log line, which a test with a known secret proves.
    """

    def format(self, record: logging.LogRecord) -> str:
        return _CREDENTIAL.sub("[redacted]", super().format(record))


def configure(*, level: str, log_format: LogFormat) -> None:
    """Send the root logger's records and structlog's to stderr. `level` is a name such as `INFO`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # The plain traceback: richer ones print local variables, and a local variable may be a secret.
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Redacting(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Their DEBUG shows answers: AWS's, of which one holds the secret, and the headers of destinations and providers.
    for name in ("botocore", "boto3", "urllib3", "httpcore", "httpx"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # It announces itself at every look at the schema's version, so at every probe of /readyz.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
