"""Limits how many calls may wait for something slow at a time, so that others still get a thread."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Literal

from service.domain.errors import Code, TooMany

# Kinds of calls that wait for AWS, a tracker or a provider. Each has its own places, so reads cannot block executions.
Kind = Literal["read", "file", "execute", "sign_in"]
_SHARE = 4


class Places:
    """The places of this process.

    Each kind has a quarter of the API's threads. One person, or one address that signs in, gets at most half of these.
    """

    def __init__(self, threads: int = 20) -> None:
        self._in_all = max(1, threads // _SHARE)
        self._each = max(1, self._in_all // 2)
        self._taken: Counter[tuple[Kind, str]] = Counter()
        self._lock = Lock()

    @contextmanager
    def one(self, kind: Kind, subject: str) -> Iterator[None]:
        """Hold a place until the end of the block. Raise TooMany at once if none is free."""
        self._take(kind, subject)
        try:
            yield
        finally:
            with self._lock:
                self._taken[kind, subject] -= 1
                self._taken += Counter()  # drops subjects with none left

    def _take(self, kind: Kind, subject: str) -> None:
        with self._lock:
            held = sum(count for (of, _), count in self._taken.items() if of == kind)
            if held >= self._in_all or self._taken[kind, subject] >= self._each:
                raise TooMany(Code.TOO_MANY_WAITING)
            self._taken[kind, subject] += 1
