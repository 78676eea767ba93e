"""What comes in from trackers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """A ticket was closed or cancelled. `tickets` are all the ways in which a request may have named it."""

    tickets: tuple[str, ...]
    at: datetime
