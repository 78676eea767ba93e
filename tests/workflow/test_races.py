"""Real threads and real connections on both engines: what happens at the same moment still happens once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from unittest.mock import patch

from support.builders import DEACTIVATE, DELETE, OTHER_ACCOUNT
from support.house import House

from service.cli.waiting import wait_until
from service.db import audit, requests
from service.db.engine import begin, read
from service.domain.actor import WORKER
from service.domain.errors import Code, ServiceError
from service.domain.event_table import EventName
from service.domain.events import Event
from service.domain.outcome import CreatedKey
from service.domain.request import Verdict
from service.worker import run_pass
from service.workflow.decide import decide, withdraw
from service.workflow.file import file
from service.workflow.read import show

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T | Code]:
    """Start all calls at one moment; what each returned, or the code with which it was refused."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Code:
        gate.wait()
        try:
            return call()
        except ServiceError as error:
            return error.code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def deciding(house: House, request_id: str, digest: str, person: str) -> Callable[[], object]:
    who = house.actor(person)
    return lambda: decide(house.ctx, who, request_id, Verdict.APPROVE, digest=digest, comment=None)


def test_simultaneous_pairs_of_approvals_all_end_approved_with_two_decisions(house: House) -> None:
    """Without the row lock each of a pair sees one vote, and the request stays pending for ever."""
    for round_ in range(30):
        filed = house.file()
        request_id, digest = filed.filing.request_id, filed.digest
        at_once(deciding(house, request_id, digest, "bob"), deciding(house, request_id, digest, "carol"))
        shown = show(house.ctx, house.actor("audrey"), request_id).request
        assert (round_, shown.status, len(shown.decisions)) == (round_, "approved", 2)
        withdraw(house.ctx, house.actor("alice"), request_id)


def test_simultaneous_second_approvals_make_exactly_two_decisions(house: House) -> None:
    for round_ in range(30):
        filed = house.file()
        request_id, digest = filed.filing.request_id, filed.digest
        house.approve(filed, "bob")
        at_once(deciding(house, request_id, digest, "carol"), deciding(house, request_id, digest, "dave"))
        shown = show(house.ctx, house.actor("audrey"), request_id).request
        assert (round_, shown.status, len(shown.decisions)) == (round_, "approved", 2)
        withdraw(house.ctx, house.actor("alice"), request_id)


def test_one_person_deciding_twice_at_once_has_one_vote(house: House) -> None:
    filed = house.file()
    twice = [deciding(house, filed.filing.request_id, filed.digest, "bob")] * 8
    outcomes = at_once(*twice)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Code)]
    assert len(show(house.ctx, house.actor("audrey"), filed.filing.request_id).request.decisions) == 1
    assert [json.loads(content)["event"] for content in house.events(filed)] == ["request.filed", "decision.recorded"]


def test_one_person_deciding_both_ways_at_once_has_one_vote(house: House) -> None:
    filed = house.file()
    request_id, bob = filed.filing.request_id, house.actor("bob")
    ways = [
        lambda verdict=verdict: decide(house.ctx, bob, request_id, verdict, digest=filed.digest, comment="no")
        for verdict in [*Verdict] * 4
    ]
    at_once(*ways)
    (decision,) = house.now(filed).decisions
    assert (house.now(filed).status, decision.verdict) == ("rejected", Verdict.REJECT)
    assert len(house.events(filed)) <= 5  # the filing, at most one decision of each, the end, and one refusal


def test_simultaneous_executions_make_one_key_and_one_secret(house: House) -> None:
    approved = house.approved(recipient="rita")
    house.actor("rita")
    outcomes = at_once(*[lambda: house.execute(approved, by="rita")[1]] * 20)
    keys = [outcome for outcome in outcomes if isinstance(outcome, CreatedKey)]
    assert len(keys) == 1
    assert house.aws.count("CreateAccessKey") == 1
    assert outcomes.count(Code.ALREADY_EXECUTED) == 19


def test_workers_that_overlap_run_a_request_once(house: House) -> None:
    approved = house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    at_once(*[lambda: run_pass(house.ctx)] * 4)
    assert house.aws.count("UpdateAccessKey") == 1
    assert show(house.ctx, house.actor("audrey"), approved.filing.request_id).request.status == "succeeded"


def test_the_same_thing_filed_at_once_is_filed_once(house: House) -> None:
    house.actor("alice")
    outcomes = at_once(*[house.file] * 6)
    assert outcomes.count(Code.DUPLICATE_REQUEST) == 5


def test_the_same_idempotency_key_at_once_files_one_request(house: House) -> None:
    alice = house.actor("alice")
    draft = house.draft(account_id=OTHER_ACCOUNT)
    outcomes = at_once(*[lambda: file(house.ctx, alice, draft, idempotency_key="k").request.filing.request_id] * 6)
    assert len(set(outcomes)) == 1


def test_the_audit_sequence_has_no_gap_and_no_fork(house: House) -> None:
    def append(number: int) -> Callable[[], int]:
        def call() -> int:
            with begin(house.ctx.engine) as tx:
                event = Event(EventName("test.happened"), {"number": number})
                return audit.append(tx, event, actor=WORKER, at=house.clock())[0].seq

        return call

    numbers = at_once(*[append(number) for number in range(20)])
    with read(house.ctx.engine) as tx:
        events = audit.page(tx, after=0, limit=100)
    assert sorted(number for number in numbers if isinstance(number, int)) == list(range(1, 21))
    assert [seq for seq, _ in events] == list(range(1, 21))
    assert all(json.loads(content)["seq"] == seq for seq, content in events)


def test_a_settlement_without_a_key_and_a_claim_of_the_same_account_do_not_wait_for_each_other(
    postgres_house: House,
) -> None:
    """The claim holds the log and waits for an index that the settlement has changed, or not at all."""
    house = postgres_house
    key = house.spare_key()
    first, second = house.approved(DEACTIVATE, key), house.approved(DELETE, key)
    waiting, claims = threading.Event(), list[object]()

    def claim() -> None:
        waiting.wait(10)
        claims.extend(at_once(lambda: house.execute(second)))

    def save(*args: Any) -> None:
        save_really(*args)
        if args[2].filing.request_id == first.filing.request_id and args[2].settled_at is not None:
            waiting.set()
            wait_until(lambda: bool(claims) or house.is_blocked(), what="the claim, or its wait")

    save_really = requests.save
    other = threading.Thread(target=claim)
    other.start()
    with patch.object(requests, "save", save):
        assert house.execute(first)[0].status == "succeeded"
    other.join()
    assert len(claims) == 1
