"""What comes in from trackers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """A ticket was closed or cancelled at `at`, or has left the name that requests have for it.

    `tickets` are all the ways in which a request may name it. `in_any_case` says that its product takes `OPS-7` and
    `ops-7` for one ticket: ASCII letters count alike in either case.
    """

    tickets: tuple[str, ...]
    at: datetime
    in_any_case: bool = False

    def is_named_by(self, ticket: str) -> bool:
        """Whether a request with this ticket is about it."""
        if not self.in_any_case:
            return ticket in self.tickets
        return ticket.isascii() and ticket.lower() in {each.lower() for each in self.tickets}


@dataclass(frozen=True, slots=True)
class Unrelated:
    """A message that withdraws nothing. `why` is for the log: one sentence of the service's own, without input."""

    why: str
