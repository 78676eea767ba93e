"""Checks a request's ticket if the policy requires it: the ticket must exist and be in an allowed state.

It is an additional condition. A ticket in the right state approves nothing.
"""

from service.domain.errors import Code, Unavailable
from service.domain.policy import Policy, check_ticket, check_ticket_state
from service.workflow.context import Context


def check_at_filing(ctx: Context, policy: Policy, ticket: str | None) -> None:
    """Raise Invalid, Conflict, or Unavailable if the tracker is unreachable and the policy does not allow that."""
    check_ticket(policy, ticket, ctx.has_form)
    if ticket is not None and policy.ticket_check:
        _check_live(ctx, ticket)


def check_at_execution(ctx: Context, policy: Policy, ticket: str | None) -> None:
    """Check the ticket again before the execution. Raise Invalid, Conflict, Unavailable."""
    check_ticket(policy, ticket, ctx.has_form)
    if ticket is not None and policy.ticket_check_at_execution:
        _check_live(ctx, ticket)


def _check_live(ctx: Context, ticket: str) -> None:
    try:
        # Two trackers may have tickets of the same form; the ticket exists if one of them has it.
        found = (tracker.state_of(ticket) for tracker in ctx.trackers if tracker.names(ticket))
        state = next((state for state in found if state is not None), None)
    except Unavailable as away:
        if ctx.policy.ticket_unchecked and away.code is Code.TRACKER_UNREACHABLE:
            return
        raise
    check_ticket_state(ctx.policy, state)
