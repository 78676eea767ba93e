"""A row is believed only as far as the log tells the same, when a key is taken away or a doubt is settled."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from support.builders import ACCOUNT, CREATE, DEACTIVATE, DELETE
from support.house import House
from support.past_triggers import as_its_owner, contents, rewritten

from service.db.engine import begin
from service.db.tables import decisions, requests
from service.domain.outcome import CreatedKey
from service.domain.request import OperationRequest
from service.simulated_aws import ConnectionLostAfter, ConnectionLostBefore
from service.worker import run_pass
from service.workflow.decide import confirm_receipt
from service.workflow.verify import verify

LIFETIME, GRACE, RECEIPT = timedelta(days=30), timedelta(hours=24), timedelta(minutes=15)
MOMENT = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("no_back_off")


def received(house: House, **about: Any) -> tuple[OperationRequest, CreatedKey]:
    request, key = house.execute(house.approved(**about))
    assert key is not None
    return confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id).request, key


def write(house: House, on: OperationRequest, **values: Any) -> None:
    """As whoever has the service's own role in the database, with every trigger in place."""
    house.is_forged = True
    with begin(house.ctx.engine) as tx:
        tx.execute(update(requests).where(requests.c.id == on.filing.request_id).values(**values))


def passes(house: House, *times: timedelta) -> None:
    for time in times:
        house.clock.advance(time)
        run_pass(house.ctx)


def told(house: House, on: OperationRequest) -> list[tuple[str, str | None]]:
    found = [json.loads(content) for content in house.events(on)]
    return [(event["event"], event["data"].get("reason")) for event in found]


def faults(house: House, on: OperationRequest) -> list[str]:
    found = [str(fault) for fault in verify(house.ctx, ())]
    start = f"request {on.filing.request_id}, "
    return [fault.removeprefix(start).partition(":")[0] for fault in found if fault.startswith(start)]


def test_a_lifetime_ends_only_the_key_that_the_log_says_was_delivered(house: House) -> None:
    ending, first = received(house, lifetime=LIFETIME)
    house.execute(house.approved(DELETE, first.access_key_id, accept_lockout=True))
    _, victim = received(house)
    write(house, ending, result_access_key_id=victim.access_key_id)
    passes(house, LIFETIME, GRACE, GRACE)
    assert house.aws.keys(ACCOUNT)[victim.access_key_id] == "Active"
    reason = "The log tells otherwise of this request: result. The service changes nothing in AWS for it; tell the "
    assert [each for each in told(house, ending) if each[0] == "execution.denied"] == [
        ("execution.denied", f"{reason}operators.")
    ]
    assert not [name for name, _ in told(house, ending) if name.startswith("key.")]
    assert "result" in faults(house, ending)


def test_a_key_whose_row_was_put_right_again_ends_as_was_approved(house: House) -> None:
    ending, key = received(house, lifetime=LIFETIME)
    write(house, ending, result_access_key_id="AKIAFORGED0000000001")
    passes(house, LIFETIME)
    write(house, ending, result_access_key_id=key.access_key_id)
    passes(house, MOMENT, GRACE)
    assert key.access_key_id not in house.aws.keys(ACCOUNT)
    assert house.findings() == []


def test_a_roll_back_takes_only_the_key_that_the_log_says_was_delivered(house: House) -> None:
    request, key = house.execute(house.approved())
    assert key is not None
    house.aws.delete_root_key(ACCOUNT, key.access_key_id)
    victim = house.spare_key()
    write(house, request, result_access_key_id=victim)
    passes(house, RECEIPT, GRACE, GRACE)
    assert house.aws.keys(ACCOUNT)[victim] == "Active"
    assert house.now(request).status == "delivered"


@pytest.mark.parametrize(
    ("column", "by"),
    [
        ("expires_at", -timedelta(days=29)),
        ("deactivated_at", None),
        ("retired_at", None),
        ("claimed_at", -MOMENT),
        ("settled_at", -GRACE),
        ("known_key_ids", '["AKIAFORGED0000000001"]'),
        ("claimed_by", "bob"),
        ("receipt_by", -MOMENT),
        ("execute_by", MOMENT),
        ("result_detail", "It was agreed on."),
        ("aws_request_id", "another"),
    ],
)
def test_what_the_log_does_not_tell_is_found_and_takes_no_key_away(house: House, column: str, by: Any) -> None:
    request, key = received(house, lifetime=LIFETIME)
    moved = getattr(request, column) + by if isinstance(by, timedelta) else by or house.clock()
    with as_its_owner(house) as tx:
        tx.execute(update(requests).values(**{column: moved}))
    passes(house, timedelta(days=2), LIFETIME, GRACE)
    assert house.aws.keys(ACCOUNT)[key.access_key_id] == "Active"
    name = "result" if column in {"result_detail", "aws_request_id"} else column
    assert name in faults(house, request)


def test_a_finished_create_that_was_written_by_hand_deletes_nothing(house: House) -> None:
    """Whoever owns the database copies the shape of another request, and later deletes the row."""
    victim = house.spare_key()
    house.file(DEACTIVATE, victim)
    now = house.clock()
    ago = {days: now - timedelta(days=days) for days in range(10)}
    with as_its_owner(house) as tx:
        row = dict(tx.execute(select(requests)).mappings().one()) | {
            "id": "00000000-0000-4000-8000-000000000001",
            "status": "succeeded",
            "operation": CREATE,
            "target": "",
            "lifetime_seconds": 86400,
            **dict.fromkeys(("filed_at", "approved_at", "claimed_at", "settled_at"), ago[9]),
            **dict.fromkeys(("receipt_by", "received_at", "ended_at"), ago[9]),
            "execute_by": ago[8],
            "claimed_by": "alice",
            "known_key_ids": "[]",
            "expires_at": ago[3],
            "expiry_announced_at": ago[4],
            "deactivated_at": ago[2],
            "result_code": "done",
            "result_detail": "AWS did what was asked.",
            "result_access_key_id": victim,
        }
        tx.execute(insert(requests).values(**row))
    passes(house, MOMENT, MOMENT)
    assert house.aws.keys(ACCOUNT)[victim] == "Active"
    assert any("what was filed" in str(fault) for fault in verify(house.ctx, ()))


@pytest.mark.parametrize("made", [True, False])
def test_a_key_is_not_deleted_as_new_that_the_log_says_was_known(house: House, made: bool) -> None:  # noqa: FBT001
    house.aws.fault("CreateAccessKey", ConnectionLostAfter() if made else ConnectionLostBefore())
    request, _ = house.execute(house.approved())
    before = house.aws.keys(ACCOUNT)
    with as_its_owner(house) as tx:
        tx.execute(update(requests).values(known_key_ids='["AKIAFORGED0000000001"]'))
    passes(house, timedelta(minutes=6), MOMENT)
    assert (house.now(request).status, house.aws.keys(ACCOUNT)) == ("in_doubt", before)
    passes(house, timedelta(days=1))
    settled = house.now(request)
    assert settled.result is not None
    assert (settled.status, settled.result.code, house.aws.keys(ACCOUNT)) == ("failed", "unresolved", before)
    assert [name for name, _ in told(house, request)].count("execution.denied") == 1


def once_more(events: list[dict[str, Any]], name: str, **result: str) -> None:
    """The same event again, with another key: numbered and chained as the service does it."""
    event = next(event for event in events if event["event"] == name)
    data = event["data"] | {"result": event["data"]["result"] | result}
    mine = [each["seq"] for each in events if each["request_id"] == event["request_id"]]
    events.append(event | {"seq": len(events) + 1, "previous": mine[-1], "data": data})


@pytest.mark.parametrize("name", ["execution.delivered", "receipt.confirmed"])
def test_an_event_that_is_appended_gives_a_request_no_other_key(house: House, name: str) -> None:
    """Of events the service's own role can append any."""
    request, key = received(house, lifetime=LIFETIME)
    house.aws.delete_root_key(ACCOUNT, key.access_key_id)
    victim = house.spare_key()
    write(house, request, result_access_key_id=victim)
    with as_its_owner(house) as tx:
        events = contents(tx)
        once_more(events, name, access_key_id=victim)
        rewritten(tx, events)
    passes(house, LIFETIME, GRACE)
    assert house.aws.keys(ACCOUNT)[victim] == "Active"


@pytest.mark.parametrize(
    "forge", [lambda tx: tx.execute(delete(decisions).where(decisions.c.person == "bob")), lambda _: None]
)
def test_a_request_whose_votes_are_gone_takes_no_key_away(house: House, forge: Callable[[Any], object]) -> None:
    request, key = received(house, lifetime=LIFETIME)
    with as_its_owner(house) as tx:
        is_forged = forge(tx) is not None
    passes(house, LIFETIME)
    assert (house.aws.keys(ACCOUNT)[key.access_key_id] == "Active") is is_forged
    assert (house.now(request).deactivated_at is None) is is_forged
