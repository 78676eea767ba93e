"""Timeouts and retries of calls to AWS."""

from datetime import timedelta
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from service import call_id

_CONNECT_SECONDS = 5
# For the whole answer: `punctual`.
_READ_SECONDS = 10
_ATTEMPTS = 3
_PATIENT_ATTEMPTS = 5
_LONGEST_BACK_OFF_SECONDS = 20  # the longest wait between two tries in botocore's standard mode, which has jitter

# A create has no idempotency token. Sent twice, it makes two keys, and one secret is lost.
ONCE = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)
REPEATABLE = ONCE.merge(Config(retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"}))
# For thousands of reads in a row, which AWS may throttle. Nobody waits for a single one.
PATIENT = ONCE.merge(Config(retries={"total_max_attempts": _PATIENT_ATTEMPTS, "mode": "standard"}))

# The longest time that one call can take, including retries. `PATIENT` is no part of an execution.
LONGEST_CALL = timedelta(
    seconds=_ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + (_ATTEMPTS - 1) * _LONGEST_BACK_OFF_SECONDS
)


def name_call(**event: Any) -> None:
    """Add the id of the call or step to the user agent, where CloudTrail shows it. AWS's signature leaves that out."""
    request: AWSPreparedRequest = event["request"]
    current, agent = call_id.current(), cast("bytes | None", request.headers.get("User-Agent"))
    if current is not None and agent is not None:
        request.headers["User-Agent"] = agent + f" rootquorum/{current}".encode()  # type: ignore[assignment]
