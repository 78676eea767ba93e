"""A ticket is one more condition, where the policy says so: there, of the right form, and in the right state."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support.builders import DEACTIVATE
from support.house import House

from service.domain.errors import Code, Invalid, ServiceError, Unavailable
from service.domain.event_table import EXECUTION_DENIED
from service.domain.request import Status
from service.workflow.file import file


@dataclass
class StateTracker:
    """A tracker. A state that is None is no answer at all."""

    states: dict[str, str | None] = field(default_factory=lambda: {"OPS-1": "Open", "OPS-2": "Done", "OPS-3": None})

    def names(self, ticket: str) -> bool:
        return ticket.startswith("OPS-")

    def state_of(self, ticket: str) -> str | None:
        if ticket in self.states and self.states[ticket] is None:
            raise Unavailable(Code.TRACKER_UNREACHABLE, "away")
        return self.states.get(ticket)


def ruled(house: House, **rules: Any) -> StateTracker:
    desk = StateTracker()
    house.change(policy=replace(house.ctx.policy, **rules), trackers=[desk])
    return desk


def refusal(house: House, ticket: str | None) -> Code | None:
    try:
        house.file(DEACTIVATE, house.spare_key(), ticket=ticket)
    except ServiceError as refused:
        return refused.code
    return None


def test_of_two_trackers_with_tickets_of_one_form_either_may_know_it(house: House) -> None:
    ruled(house, ticket_check=True)
    house.change(trackers=[StateTracker(states={}), StateTracker()])
    assert refusal(house, "OPS-1") is None


@pytest.mark.parametrize(
    ("rules", "ticket", "code"),
    [
        ({}, None, None),
        ({}, "anything", None),
        ({"ticket_required": True}, None, Code.TICKET_REQUIRED),
        ({"ticket_required": True}, "anything", None),
        ({"ticket_pattern": "OPS-[0-9]+"}, "OPS-12", None),
        ({"ticket_pattern": "OPS-[0-9]+"}, None, None),
        ({"ticket_pattern": "OPS-[0-9]+"}, "OPS-12 x", Code.UNKNOWN_TICKET),
        ({"ticket_check": True}, None, None),
        ({"ticket_check": True}, "OPS-1", None),
        ({"ticket_check": True}, "OPS-2", None),
        ({"ticket_check": True}, "OPS-4", Code.UNKNOWN_TICKET),
        ({"ticket_check": True}, "WEB-1", Code.UNKNOWN_TICKET),
        ({"ticket_check": True, "ticket_states": frozenset({"Open"})}, "OPS-1", None),
        ({"ticket_check": True, "ticket_states": frozenset({"Open"})}, "OPS-2", Code.TICKET_STATE),
        ({"ticket_check": True}, "OPS-3", Code.TRACKER_UNREACHABLE),
        ({"ticket_check": True, "ticket_unchecked": True}, "OPS-3", None),
        ({"ticket_check": True, "ticket_unchecked": True}, "OPS-4", Code.UNKNOWN_TICKET),
    ],
)
def test_what_the_rules_demand_of_a_ticket(
    house: House, rules: dict[str, Any], ticket: str | None, code: Code | None
) -> None:
    ruled(house, **rules)
    assert refusal(house, ticket) is code


def test_a_ticket_that_was_closed_meanwhile_stops_the_execution_where_the_rules_say_so(house: House) -> None:
    desk = ruled(house, ticket_check_at_execution=True, ticket_states=frozenset({"Open"}))
    request = house.approved(DEACTIVATE, house.spare_key(), ticket="OPS-1")
    desk.states["OPS-1"] = "Done"
    with pytest.raises(ServiceError) as refused:
        house.execute(request)
    assert refused.value.code is Code.TICKET_STATE
    assert EXECUTION_DENIED in house.events(request)[-1]
    desk.states["OPS-1"] = None
    with pytest.raises(Unavailable):
        house.execute(request)
    desk.states["OPS-1"] = "Open"
    assert house.execute(request)[0].status is Status.SUCCEEDED


def test_a_ticket_in_the_right_state_approves_nothing(house: House) -> None:
    ruled(house, ticket_check=True, ticket_check_at_execution=True)
    request = house.file(DEACTIVATE, house.spare_key(), ticket="OPS-1")
    with pytest.raises(ServiceError) as refused:
        house.execute(request)
    assert refused.value.code is Code.WRONG_STATUS


def test_what_was_filed_is_answered_again_whatever_its_ticket_has_become(house: House) -> None:
    desk = ruled(house, ticket_check=True)
    draft = house.draft(DEACTIVATE, house.spare_key(), ticket="OPS-1")
    alice = house.actor("alice")
    first = file(house.ctx, alice, draft, idempotency_key="1").request
    del desk.states["OPS-1"]
    assert file(house.ctx, alice, draft, idempotency_key="1").request == first
    with pytest.raises(Invalid):
        file(house.ctx, alice, draft, idempotency_key="2")
