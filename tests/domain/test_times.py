"""Times that cannot all be true, one pair after the other."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import NOON, approved, decision, filing, request

from service.domain.account import SourceKind
from service.domain.outcome import Done
from service.domain.policy import CLOCK_SKEW
from service.domain.request import OperationRequest
from service.domain.times import contradiction

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
LATER = NOON + timedelta(days=1)


def lived() -> OperationRequest:
    """Filed at noon, approved a minute later, run at one o'clock."""
    claimed = approved().claim(by="rita", source=SourceKind.PROFILE, known_key_ids=(), now=NOON + HOUR)
    return claimed.settle(Done(signer_key_id="AKIA", aws_request_id=None), NOON + HOUR)


def test_times_of_a_life_do_not_contradict_each_other() -> None:
    for each in (request(), approved(), lived()):
        assert contradiction(each, LATER) is None


WRONG = {
    "filed tomorrow": (request(filed_at=LATER + HOUR, approve_by=LATER + 2 * HOUR), "to come"),
    "decided tomorrow": (
        approved(replace(request(), decisions=(decision(request(), "dave", decided_at=LATER + HOUR),))),
        "to come",
    ),
    "decided before it was filed": (
        replace(request(), decisions=(decision(request(), "bob", decided_at=NOON - HOUR),)),
        "a decision",
    ),
    "decided too late": (
        replace(request(approve_by=NOON + HOUR), decisions=(decision(request(), "bob", decided_at=NOON + 2 * HOUR),)),
        "the last time to approve it",
    ),
    "approved before it was filed": (replace(approved(), approved_at=NOON - HOUR), "the approval"),
    "approved too late": (
        replace(approved(), filing=filing(approve_by=NOON - HOUR)),
        "the last time to approve it",
    ),
    "more time to run it than was filed": (
        replace(approved(), execute_by=NOON + 9 * HOUR),
        "the end of the execution window",
    ),
    "claimed before it was approved": (replace(lived(), approved_at=NOON + 2 * HOUR), "the claim"),
    "decided after the claim": (
        replace(lived(), decisions=(decision(request(), "bob", decided_at=NOON + 2 * HOUR),)),
        "the claim",
    ),
    "claimed too late": (replace(lived(), execute_by=NOON + HOUR / 2), "the last time to run it"),
    "settled before the claim": (replace(lived(), settled_at=NOON), "the settlement"),
    "received before it was made": (replace(lived(), received_at=NOON), "the receipt"),
    "ended before it was made": (replace(lived(), ended_at=NOON), "the end"),
}


@pytest.mark.parametrize("what", WRONG)
def test_contradiction_is_named(what: str) -> None:
    wrong, named = WRONG[what]
    said = contradiction(wrong, LATER)
    assert said is not None
    assert f", {named} at " in said or said.endswith(f"which is still {named}")


def test_clocks_may_be_half_a_minute_apart() -> None:
    assert contradiction(request(), NOON - CLOCK_SKEW) is None
    assert contradiction(request(), NOON - CLOCK_SKEW - SECOND) is not None
