"""A host's clock that was ahead, and was set right: what it wrote contradicts the present, and is not acted upon."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from support.builders import DEACTIVATE
from support.house import House
from support.refusals import code_of

from service.db.engine import begin
from service.db.tables import decisions
from service.domain.actor import WORKER
from service.domain.errors import Code
from service.domain.request import OperationRequest, Verdict
from service.worker import run_pass
from service.workflow.decide import decide, withdraw
from service.workflow.people import reinstate, suspend
from service.workflow.read import show
from service.workflow.verify import verify

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def told(house: House, on: OperationRequest, by: str, action: str) -> Code | None:
    actions = show(house.ctx, house.actor(by), on.filing.request_id).actions
    return next(each.code for each in actions if each.name == action)


def reject(house: House, on: OperationRequest, by: str) -> OperationRequest:
    return decide(
        house.ctx, house.actor(by), on.filing.request_id, Verdict.REJECT, digest=on.digest, comment="No."
    ).request


def faults(house: House) -> list[str]:
    return [str(fault) for fault in verify(house.ctx, ())]


def tomorrow(house: House, **changes: object) -> OperationRequest:
    """What was filed and approved by a clock that was a day ahead, and is right again."""
    for person in ("alice", "bob", "carol", "dave"):
        house.token(person)
    house.clock.advance(DAY)
    approved = house.approved(DEACTIVATE, house.spare_key(), **changes)
    house.clock.advance(-DAY)
    return approved


def test_request_of_tomorrow_is_not_executed_and_is_named_by_the_check(house: House) -> None:
    request = tomorrow(house)

    assert (
        code_of(lambda: house.execute(request)) is told(house, request, "alice", "execute") is Code.CONTRADICTORY_TIMES
    )
    assert (house.now(request).status, house.aws.count("UpdateAccessKey")) == ("approved", 0)
    (fault,) = [fault for fault in faults(house) if "times" in fault]
    assert fault.startswith(f"request {request.filing.request_id}, times: expected each thing after what it follows")


def test_request_of_tomorrow_does_not_run_by_itself(house: House) -> None:
    request = tomorrow(house, run_on_approval=True)
    for _ in range(3):
        run_pass(house.ctx)
        house.clock.advance(timedelta(minutes=5))
    assert len([event for event in house.events(request) if "execution.denied" in event]) == 1
    assert (house.now(request).status, house.aws.count("UpdateAccessKey")) == ("approved", 0)


def test_request_of_tomorrow_is_not_approved_but_can_be_ended(house: House) -> None:
    house.clock.advance(DAY)
    pending, other = house.file(), house.file(account_id="444455556666")
    house.clock.advance(-DAY)
    house._tokens.clear()

    assert code_of(lambda: house.approve(pending, "bob")) is told(house, pending, "bob", "approve")
    assert told(house, pending, "bob", "approve") is Code.CONTRADICTORY_TIMES
    assert reject(house, pending, "bob").status == "rejected"
    assert withdraw(house.ctx, house.actor("alice"), other.filing.request_id).request.status == "withdrawn"


def test_clocks_of_two_hosts_may_be_half_a_minute_apart(house: House) -> None:
    house.actor("bob")
    request = house.file()
    house.clock.advance(-29 * SECOND)
    house.approve(request)
    assert house.execute(request)[0].status == "delivered"
    assert faults(house) == []


def test_vote_that_was_dated_before_the_filing_is_not_acted_upon(house: House) -> None:
    """The service's own role can do that."""
    request = house.approved()
    with begin(house.ctx.engine) as tx:
        tx.execute(update(decisions).where(decisions.c.person == "bob").values(decided_at=house.clock() - DAY))
    assert code_of(lambda: house.execute(request)) is Code.CONTRADICTORY_TIMES


# --- suspended by a clock that was ahead ---


def test_whose_votes_count_only_later_is_told_so_and_when(house: House) -> None:
    request = house.file()
    house.clock.advance(DAY)
    suspend(house.ctx, WORKER, "bob", "x")
    house.clock.advance(-DAY)
    reinstate(house.ctx, WORKER, "bob", "y")

    assert code_of(lambda: house.approve(request, "bob")) is told(house, request, "bob", "approve")
    assert told(house, request, "bob", "approve") is told(house, request, "bob", "reject") is Code.VOTE_NOT_COUNTED
    house.clock.advance(DAY)
    assert house.approve(request, "bob").decisions


def test_suspension_voids_a_vote_that_a_clock_ahead_has_dated_later(house: House) -> None:
    """Within what hosts may differ as well: without that, the vote would count again after the reinstatement."""
    request = house.file()
    house.clock.advance(10 * SECOND)
    house.approve(request, "bob", "carol")
    house.clock.advance(-5 * SECOND)
    suspend(house.ctx, WORKER, "bob", "x")
    reinstate(house.ctx, WORKER, "bob", "y")
    house.clock.advance(DAY / 24)
    assert code_of(lambda: house.execute(request)) is Code.QUORUM_LOST


@pytest.mark.parametrize("ahead", [timedelta(), DAY])
def test_sign_in_with_less_voids_a_vote_that_a_clock_ahead_has_dated_later(house: House, ahead: timedelta) -> None:
    request = house.file()
    house.clock.advance(ahead + 10 * SECOND)
    erin = house.by_provider("erin", "root-approvers", issued_at=house.clock() - ahead - 10 * SECOND)
    decide(house.ctx, erin, request.filing.request_id, Verdict.APPROVE, digest=request.digest, comment=None)
    voted_at = house.clock()
    house.clock.advance(-ahead)
    code_of(lambda: house.by_provider("erin", issued_at=house.clock()))
    house.clock.at = voted_at + 15 * SECOND
    assert house.approve(request, "bob").status == "pending"
