"""How long and how often a call may be tried."""

from datetime import timedelta

from botocore.config import Config

_CONNECT_SECONDS = 5
_READ_SECONDS = 10
_ATTEMPTS = 3
_LONGEST_BACK_OFF_SECONDS = 20  # botocore's standard mode, with jitter, never waits longer between two tries

# A create has no idempotency token: sent twice it makes two keys and loses one secret.
ONCE = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)
REPEATABLE = ONCE.merge(Config(retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"}))

# The longest that one call can take with all of its tries.
LONGEST_CALL = timedelta(
    seconds=_ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + (_ATTEMPTS - 1) * _LONGEST_BACK_OFF_SECONDS
)
