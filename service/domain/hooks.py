"""Messages from trackers' hooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class BadSignature(ValueError):
    """The message is not from the expected sender, or its time is too far from now."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A ticket was closed, cancelled or deleted at `at`, or lost the key by which requests name it.

    `tickets` are all the ways in which a request may name it. `in_any_case` says that the product ignores the case of
    ASCII letters: `OPS-7` and `ops-7` are one ticket.
    """

    tickets: tuple[str, ...]
    at: datetime
    in_any_case: bool = False

    def is_named_by(self, ticket: str) -> bool:
        """Return whether `ticket` on a request names this one."""
        if not self.in_any_case:
            return ticket in self.tickets
        return ticket.isascii() and ticket.lower() in {each.lower() for each in self.tickets}


@dataclass(frozen=True, slots=True)
class Unrelated:
    """A message that withdraws nothing. `why` is one sentence for the log, without any input."""

    why: str


class Source(Protocol):
    """A sender of hooks: verifies and reads its messages."""

    def closed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Closed | Unrelated:
        """Return what the message says was closed. No signed content, however malformed, makes this fail.

        Names in `headers` may have any case, and may repeat. Raise BadSignature, also if a header that is read
        repeats.
        """
