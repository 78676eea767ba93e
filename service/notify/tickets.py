"""A tracker as a destination: a comment per event on the request's ticket, and changes of the ticket's state."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from service.domain.delivery import Answer, Attempt, Notice
from service.domain.errors import Code, Unavailable
from service.notify.message import Message, message
from service.notify.rest import NotFound, Refused
from service.outbound.guarded import Unreachable, Unsafe

# How far a tracker's clock may be behind ours.
_SKEW = timedelta(hours=1)


class Tracker(Protocol):
    """One tracker. `ticket` has matched the destination's pattern.

    Every method raises NotFound if there is no such ticket, Refused, Unreachable and Unsafe.
    """

    def check(self) -> None:
        """Check the address and the credential with a call that changes nothing."""

    def has_comment(self, ticket: str, marker: str, since: datetime) -> bool:
        """Return whether the ticket has a comment with `marker`. It cannot be older than `since`."""

    def comment(self, ticket: str, message: Message) -> None:
        """Add a comment to the ticket: the message, escaped, with its marker."""

    def state(self, ticket: str) -> str:
        """Return the name of the ticket's state, as the product's pages show it."""

    def move(self, ticket: str, state: str) -> None:
        """Move the ticket to another state in one step. Raise Refused if the product has no such step."""


@dataclass(frozen=True, slots=True)
class Tickets:
    """A tracker as a destination. A retry does not comment twice: it first searches comments for the delivery's id.

    `pattern` matches the keys of the product's tickets. If `only` is set, it selects this tracker's tickets among them.
    `states` maps an event to the state that it moves a ticket to.
    """

    tracker: Tracker = field(repr=False)
    pattern: re.Pattern[str]
    states: Mapping[str, str] = field(default_factory=dict)
    events: frozenset[str] | None = None
    only: Callable[[str], bool] | None = None

    def wants(self, event: str, ticket: str | None) -> bool:
        return (self.events is None or event in self.events) and ticket is not None and self.names(ticket)

    def names(self, ticket: str) -> bool:
        """Return whether `ticket` is one of this tracker's, judging by its key."""
        is_ours = self.only is None or self.only(ticket)
        return is_ours and self.pattern.fullmatch(ticket) is not None

    def check(self) -> None:
        """Check that the tracker accepts our credential. Raise Refused, Unreachable, Unsafe."""
        with _understood():
            self.tracker.check()

    def state_of(self, ticket: str) -> str | None:
        """Return the name of the ticket's state; None if there is no such ticket. Raise Unavailable."""
        try:
            with _understood():
                return self.tracker.state(ticket)
        except NotFound:
            return None
        except (Refused, Unreachable, Unsafe):
            raise Unavailable(Code.TRACKER_UNREACHABLE) from None

    def deliver(self, notice: Notice) -> Attempt:
        try:
            with _understood():
                return Attempt(Answer.DELIVERED, self._deliver(notice))
        except NotFound as error:
            return Attempt(Answer.REFUSED, f"there is no such ticket: {error}")
        except Refused as error:
            return Attempt(Answer.REFUSED, str(error))
        except (Unreachable, Unsafe) as error:
            return Attempt(Answer.AGAIN, str(error))

    def _deliver(self, notice: Notice) -> str:
        ticket, to_write = notice.ticket, message(notice)
        if ticket is None:
            raise Refused("the event names no ticket")
        done, since = "it was there already", datetime.fromisoformat(str(notice.document["timestamp"])) - _SKEW
        if not self.tracker.has_comment(ticket, to_write.marker, since):
            self.tracker.comment(ticket, to_write)
            done = "commented"
        # On a repeat, somebody working on the ticket, or a later event, may have moved it on. Leave its state alone.
        state = None if notice.is_repeat else self.states.get(notice.event)
        if state is not None and self.tracker.state(ticket) != state:
            self.tracker.move(ticket, state)
            done += ", and moved the ticket"
        return done


@contextmanager
def _understood() -> Iterator[None]:
    """Treat an answer with JSON of another form as Unreachable, so that no answer can stop the worker."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Unreachable("the answer has a form that is not known") from None
