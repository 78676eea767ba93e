"""A tracker as a destination: one comment per event on the ticket that the request names, and its state at the end."""

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
    """One product. `ticket` has matched the destination's pattern.

    Everything raises NotFound for a ticket that is not there, Refused, Unreachable and Unsafe.
    """

    def check(self) -> None:
        """Ask who we are, which changes nothing: whether the address and the credential are good."""

    def has_comment(self, ticket: str, marker: str, since: datetime) -> bool:
        """Whether a comment with `marker` in it is there, which cannot be older than `since`."""

    def comment(self, ticket: str, message: Message) -> None:
        """Write it below the ticket, escaped, with the marker."""

    def state(self, ticket: str) -> str:
        """The name of its state, as the product's own pages show it."""

    def move(self, ticket: str, state: str) -> None:
        """Bring it into another state, in one step. Raises Refused when the product knows no such step from here."""


@dataclass(frozen=True, slots=True)
class Tickets:
    """A destination. Whoever is asked twice comments once: the delivery's id in the comment is looked for first.

    Of the tickets that look like its product's it has those of which `only` is true.

    `states` are those that a ticket is brought into, by the event that does.
    """

    tracker: Tracker = field(repr=False)
    pattern: re.Pattern[str]
    states: Mapping[str, str] = field(default_factory=dict)
    events: frozenset[str] | None = None
    only: Callable[[str], bool] | None = None

    def wants(self, event: str, ticket: str | None) -> bool:
        return (self.events is None or event in self.events) and ticket is not None and self.names(ticket)

    def names(self, ticket: str) -> bool:
        """Whether it is a ticket of this tracker, as far as its key tells."""
        is_ours = self.only is None or self.only(ticket)
        return is_ours and self.pattern.fullmatch(ticket) is not None

    def check(self) -> None:
        """Whether its tracker knows us. Raises Refused, Unreachable, Unsafe."""
        with _understood():
            self.tracker.check()

    def state_of(self, ticket: str) -> str | None:
        """The name of its state; None for one that is not there. Raises Unavailable."""
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
        # Once it or a later one was taken, whoever works on the ticket has brought it further, or later events have.
        state = None if notice.is_repeat else self.states.get(notice.event)
        if state is not None and self.tracker.state(ticket) != state:
            self.tracker.move(ticket, state)
            done += ", and moved the ticket"
        return done


@contextmanager
def _understood() -> Iterator[None]:
    """Whoever answers with JSON of another form is as good as away: nothing that it says may stop the worker."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Unreachable("the answer has a form that is not known") from None
