"""Counts events of the last minute, in this process."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

_MINUTE = 60.0
# When this many subjects are remembered, those without an event in the last minute are forgotten.
_MANY = 1000


class Window:
    """At most `most` events of one subject in any minute."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._at: dict[str, deque[float]] = {}
        self._forget_at = _MANY
        self._lock = Lock()

    def left(self, subject: str) -> int:
        """Return how many more events of the subject are possible now."""
        with self._lock:
            return self._most - len(self._recent(subject))

    def hit(self, subject: str) -> bool:
        """Count an event. Return False, and count nothing, if it would be one too many."""
        with self._lock:
            recent = self._recent(subject)
            if len(recent) >= self._most:
                return False
            recent.append(self._monotonic())
            self._at[subject] = recent
            if len(self._at) > self._forget_at:
                self._at = {each: at for each, at in self._at.items() if at[-1] > self._monotonic() - _MINUTE}
                self._forget_at = max(_MANY, 2 * len(self._at))
            return True

    def _recent(self, subject: str) -> deque[float]:
        found, since = self._at.get(subject, deque()), self._monotonic() - _MINUTE
        while found and found[0] <= since:
            found.popleft()
        return found
