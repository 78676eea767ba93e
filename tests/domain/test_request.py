"""The life of a request: what may follow what, and what the digest holds fast."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from support.builders import (
    ACTIVATE,
    CREATE,
    NOON,
    OTHER_ACCOUNT,
    approved,
    decision,
    filing,
    key,
    observed,
    request,
    standing,
)

from service.domain.account import SourceKind
from service.domain.actor import ActorKind
from service.domain.demands import Demand, SignedApprovals
from service.domain.errors import Code, Conflict
from service.domain.events import EVENT_OF, between
from service.domain.filing import Filing
from service.domain.operation import TARGET_OF, Operation, OperationName
from service.domain.outcome import CreatedKey, Done, Drilled, InDoubt, Refused, Secret, of_aws
from service.domain.request import NEXT, TERMINAL, OperationRequest, Result, Status, Verdict
from service.domain.rotation_plan import RotationPlan
from service.domain.rules import Placement

_KEY = "AKIAEXAMPLE000000001"
_DONE = Done(signer_key_id="AKIASIGNER", aws_request_id="r-1")
_CREATED = replace(_DONE, created=CreatedKey(_KEY, Secret("s" * 40), NOON))
_REFUSED = Refused(code=of_aws("AccessDenied"), detail="no")
_IN_DOUBT = InDoubt(detail="lost")


def claimed(**about: Any) -> OperationRequest:
    return approved(request(**about)).claim(by="rita", source=SourceKind.PROFILE, known_key_ids=("B", "A"), now=NOON)


def test_every_transition_has_exactly_one_event() -> None:
    assert set(EVENT_OF) == {(before, after) for before in NEXT for after in NEXT[before]}


def test_every_status_is_in_the_table() -> None:
    assert set(NEXT) == set(Status)


@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("after", Status)
def test_only_the_table_says_what_may_follow(before: Status, after: Status) -> None:
    there = replace(request(), status=before)
    if after in NEXT[before]:
        assert there.become(after, NOON).status is after
    else:
        with pytest.raises(Conflict):
            there.become(after, NOON)


def test_two_approvals_approve() -> None:
    first = request().decide(decision(request(), "bob"), standing().has_quorum)
    assert first.status is Status.PENDING
    second = first.decide(decision(first, "carol"), standing().has_quorum)
    assert second.status is Status.APPROVED
    assert second.execute_by == NOON + timedelta(minutes=1, hours=8)


def test_a_rejection_ends_an_approved_request() -> None:
    rejected = approved().decide(decision(request(), "dave", Verdict.REJECT), standing().has_quorum)
    assert rejected.status is Status.REJECTED


def test_a_rejection_replaces_ones_own_approval() -> None:
    rejected = approved().decide(decision(request(), "bob", Verdict.REJECT), standing().has_quorum)
    assert [(made.person, made.verdict) for made in rejected.decisions] == [("carol", "approve"), ("bob", "reject")]


def test_a_claim_remembers_the_keys_that_were_there() -> None:
    assert claimed().known_key_ids == ("A", "B")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (_DONE, Status.SUCCEEDED),
        (_CREATED, Status.DELIVERED),
        (_REFUSED, Status.FAILED),
        (_IN_DOUBT, Status.IN_DOUBT),
    ],
)
def test_each_outcome_settles_in_its_own_status(outcome: Done | Refused | InDoubt, status: Status) -> None:
    assert claimed().settle(outcome, NOON).status is status


@pytest.mark.parametrize(
    ("operation", "status"), [(Operation(CREATE), Status.DELIVERED), (Operation(ACTIVATE, _KEY), Status.SUCCEEDED)]
)
def test_a_drill_settles_like_what_it_practises_without_a_key(operation: Operation, status: Status) -> None:
    drill = claimed(operation=operation, drill=True).settle(Drilled(), NOON)
    assert drill.result is not None
    assert (drill.status, drill.result.code, drill.result.access_key_id) == (status, "drilled", None)
    assert (drill.receipt_by is None, drill.expires_at) == (status is Status.SUCCEEDED, None)


def test_a_delivered_key_starts_the_receipt_clock() -> None:
    assert claimed().settle(_CREATED, NOON).receipt_by == NOON + timedelta(minutes=15)


def test_a_status_lasts_until_its_clock_ends_it() -> None:
    waiting, ready = request(), approved()
    handed_over = claimed().settle(_CREATED, NOON)
    with_lifetime = replace(handed_over, expires_at=NOON + timedelta(days=30))
    received = with_lifetime.receive(NOON)
    assert waiting.until == waiting.filing.approve_by
    assert ready.until == ready.execute_by
    assert handed_over.until == handed_over.receipt_by
    assert received.until == received.expires_at
    assert claimed().until is None
    assert handed_over.give_up(NOON).until is None
    assert received.deactivated(NOON).until is None
    assert waiting.withdraw(NOON).until is None


def test_a_request_runs_once() -> None:
    settled = claimed().settle(_DONE, NOON)
    with pytest.raises(Conflict) as refused:
        settled.check_can_become(Status.EXECUTING)
    assert refused.value.code is Code.ALREADY_EXECUTED


def test_a_receipt_succeeds_and_a_roll_back_ends() -> None:
    delivered = claimed().settle(_CREATED, NOON)
    assert delivered.receive(NOON).status is Status.SUCCEEDED
    assert delivered.roll_back(Result(code="c", detail="d"), NOON).status is Status.ROLLED_BACK


def test_terminal_requests_say_when_they_ended() -> None:
    assert {status for status in Status if replace(request(), status=status).status in TERMINAL} == TERMINAL
    assert request().withdraw(NOON).ended_at == NOON
    assert claimed().ended_at is None


@pytest.mark.parametrize("status", Status)
def test_only_pending_and_approved_requests_expire(status: Status) -> None:
    far_future = NOON + timedelta(days=1000)
    overdue = replace(request(), status=status, execute_by=NOON).is_overdue(far_future)
    assert overdue == (status in {Status.PENDING, Status.APPROVED})


def test_an_approved_request_without_a_clock_counts_as_overdue() -> None:
    assert replace(request(), status=Status.APPROVED, execute_by=None).is_overdue(NOON)


_CHANGED: dict[str, object] = {
    "request_id": "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b12",
    "account_id": OTHER_ACCOUNT,
    "operation": Operation(OperationName.DELETE_ACCESS_KEY, _KEY),
    "requester": "bob",
    "requester_kind": ActorKind.MACHINE,
    "recipient": "alice",
    "justification": "Something else altogether.",
    "ticket": None,
    "run_on_approval": True,
    "accept_lockout": True,
    "quorum": 3,
    "filed_at": NOON + timedelta(microseconds=1),
    "approve_by": NOON + timedelta(days=4),
    "execution_window": timedelta(hours=9),
    "receipt_window": timedelta(minutes=16),
    "rollback_grace": timedelta(hours=25),
    "lifetime": timedelta(days=30),
    "observed": observed(key(_KEY, "Inactive")),
    "demands": (Demand(rule="two teams", quorum=3),),
    "placement": Placement(name="production"),
    "signed_approvals": SignedApprovals.REQUIRED,
    "rules": "ab" * 32,
    "drill": True,
    "sealed_to": "age1another",
    "rotation": RotationPlan(),
}


@pytest.mark.parametrize("changed", [field.name for field in fields(Filing)])
def test_whatever_is_filed_is_in_the_digest(changed: str) -> None:
    # On a key operation, so that run_on_approval may be changed by itself; only a create has the other two.
    before = (
        filing()
        if changed in {"lifetime", "sealed_to"}
        else filing(operation=Operation(ACTIVATE, _KEY), placement=Placement())
    )
    after = replace(before, **{changed: _CHANGED[changed]})  # type: ignore[arg-type]  # a field of Filing
    assert OperationRequest.file(before).digest != OperationRequest.file(after).digest


def test_an_altered_filing_is_noticed() -> None:
    altered = replace(request(), filing=filing(recipient="mallory"))
    assert request().is_intact
    assert not altered.is_intact


def test_a_create_never_runs_by_itself() -> None:
    with pytest.raises(ValueError, match="secret"):
        filing(run_on_approval=True)


def test_only_a_new_key_has_a_lifetime() -> None:
    with pytest.raises(ValueError, match="lifetime"):
        filing(operation=Operation(ACTIVATE, _KEY), lifetime=timedelta(days=30))


def test_only_the_secret_of_a_new_key_is_sealed() -> None:
    with pytest.raises(ValueError, match="sealed"):
        filing(operation=Operation(ACTIVATE, _KEY), sealed_to="age1another")


def test_what_was_filed_before_there_were_lifetimes_and_devices_keeps_its_digest() -> None:
    """Recorded from the version before."""
    assert OperationRequest.file(filing()).digest == "38280b4345fdf5a339201d9651f8b01f5b6c1d75475c31955bcac78bf72121b2"


@pytest.mark.parametrize("name", OperationName)
def test_an_operation_names_its_target_where_it_has_one(name: OperationName) -> None:
    target = None if name in TARGET_OF else _KEY
    with pytest.raises(ValueError, match=TARGET_OF.get(name, "no target")):
        Operation(name, target)


def test_events_tell_the_decision_and_the_transition() -> None:
    before = request().decide(decision(request(), "bob"), standing().has_quorum)
    names = [event.name for event in between(before, approved())]
    assert names == ["decision.recorded", "request.approved"]


def test_no_event_holds_the_secret() -> None:
    delivered = claimed().settle(_CREATED, NOON)
    assert "ssss" not in repr(between(claimed(), delivered))
    assert "ssss" not in repr(delivered)
