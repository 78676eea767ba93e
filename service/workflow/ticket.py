"""Looking at the ticket that a request names, where the policy wants it: there, and in a state that allows it.

It is one more condition. A ticket in the right state approves nothing.
"""

from service.domain.errors import Code, Unavailable
from service.domain.policy import check_ticket, check_ticket_state
from service.workflow.context import Context


def check_at_filing(ctx: Context, ticket: str | None) -> None:
    """Raises Invalid, Conflict, or Unavailable when the tracker is away and the policy does not admit that."""
    check_ticket(ctx.policy, ticket, ctx.has_form)
    if ticket is not None and ctx.policy.ticket_check:
        _check_live(ctx, ticket)


def check_at_execution(ctx: Context, ticket: str | None) -> None:
    """The same, once more. Raises Invalid, Conflict, Unavailable."""
    check_ticket(ctx.policy, ticket, ctx.has_form)
    if ticket is not None and ctx.policy.ticket_check_at_execution:
        _check_live(ctx, ticket)


def _check_live(ctx: Context, ticket: str) -> None:
    try:
        # Two may have tickets of one form: it is there when one of them knows it.
        found = (tracker.state_of(ticket) for tracker in ctx.trackers if tracker.names(ticket))
        state = next((state for state in found if state is not None), None)
    except Unavailable as away:
        if ctx.policy.ticket_unchecked and away.code is Code.TRACKER_UNREACHABLE:
            return
        raise
    check_ticket_state(ctx.policy, state)
