"""The owner of the tables can change every column. What judges signatures relies on contents that the tree proves."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from support import rotations
from support.builders import ACCOUNT, ACCOUNTS, OTHER_ACCOUNT, ROTATE
from support.house import House
from support.past_triggers import as_its_owner, contents, rewritten
from support.refusals import code_of
from support.signing import approve, begin_signing, counting, enrol, restart, signed
from support.started import in_a_new_process

from service.db import audit, proved_log, tree
from service.db.engine import begin, read
from service.db.faults import Interrupted
from service.db.proved_log import read_log
from service.db.tables import audit_events, audit_head, audit_tree, decisions, people, requests
from service.domain.account import Part
from service.domain.actor import WORKER
from service.domain.canonical import Json, canonical
from service.domain.capability import plan
from service.domain.demands import SignedApprovals
from service.domain.errors import Code, Unavailable
from service.domain.event_table import LOG_READ, REQUEST_WAITING
from service.domain.events import Event
from service.domain.merkle import leaf_hash
from service.domain.operation import OperationName
from service.domain.outcome import CreatedKey
from service.domain.policy import Policy
from service.domain.request import OperationRequest, Status, Verdict
from service.domain.roster import Reason, RevokedBy
from service.worker import run_pass
from service.workflow.announce import announce
from service.workflow.decide import confirm_receipt, decide, withdraw
from service.workflow.people import reinstate, suspend
from service.workflow.signing_keys import own_keys, revoke
from service.workflow.take_away import take_away

LIFETIME, GRACE = timedelta(days=30), timedelta(hours=24)


@pytest.fixture
def signing(house: House) -> House:
    """Bob and Carol are founders, and Dave was endorsed."""
    begin_signing(house)
    enrol(house, "dave", None, "bob", "carol")
    return house


def in_the_same_process(house: House) -> House:
    return house


PROCESSES = pytest.mark.parametrize("process", [in_a_new_process, in_the_same_process])
Process = Callable[[House], House]


def revoked(house: House) -> None:
    [key] = own_keys(house.ctx, house.actor("dave")).keys
    revoke(house.ctx, house.actor("dave"), key.id, Reason.COMPROMISED, by=RevokedBy.PERSON)


# --- events that somebody hides ---


@PROCESSES
def test_a_revocation_under_another_name_is_one_by_its_content(signing: House, process: Process) -> None:
    revoked(signing)
    with as_its_owner(signing) as tx:
        tx.execute(update(audit_events).where(audit_events.c.event == "signing_key.revoked").values(event="log.read"))
    assert counting(process(signing)) == {"bob", "carol"}


def test_a_suspension_under_another_name_is_one_by_its_content(signing: House) -> None:
    request = signing.file()
    pair = signed(signing, request, "dave")
    suspend(signing.ctx, WORKER, "dave", "gone")
    reinstate(signing.ctx, WORKER, "dave", "back")
    with as_its_owner(signing) as tx:
        tx.execute(update(audit_events).where(audit_events.c.event == "person.suspended").values(event="log.read"))
    assert code_of(lambda: approve(in_a_new_process(signing), request, "dave", pair)) is Code.WRONG_SIGNATURE


@PROCESSES
def test_an_event_that_is_taken_out_stops_all_that_is_signed(signing: House, process: Process) -> None:
    revoked(signing)
    with as_its_owner(signing) as tx:
        tx.execute(delete(audit_events).where(audit_events.c.event == "signing_key.revoked"))
    assert code_of(lambda: counting(process(signing))) is Code.UNAVAILABLE


@PROCESSES
def test_a_changed_content_stops_all_that_is_signed(signing: House, process: Process) -> None:
    revoked(signing)
    with as_its_owner(signing) as tx:
        said = audit_events.c.content
        tx.execute(update(audit_events).values(content=func.replace(said, '"compromised"', '"retired"')))
        tx.execute(update(audit_tree).values(root="00" * 32))
    assert code_of(lambda: counting(process(signing))) is Code.UNAVAILABLE


def test_events_change_their_places_only_for_whoever_has_not_read_them(signing: House) -> None:
    """With all hashes written anew, that is another log; a head that somebody kept tells."""
    revoked(signing)
    assert counting(signing) == {"bob", "carol"}
    with as_its_owner(signing) as tx:
        told = contents(tx)
        rewritten(tx, [event for event in told if event["event"] != "signing_key.revoked"])
    assert code_of(lambda: counting(signing)) is Code.UNAVAILABLE
    assert "dave" in counting(in_a_new_process(signing))


def test_a_log_that_was_cut_off_is_not_the_one_that_was_read(signing: House) -> None:
    size = len(contents_of(signing))
    revoked(signing)
    counting(signing)
    with as_its_owner(signing) as tx:
        rewritten(tx, contents(tx)[:size])
    assert code_of(lambda: counting(signing)) is Code.UNAVAILABLE


@PROCESSES
@pytest.mark.parametrize("how", ["deleted", "renamed", "of another request"])
def test_a_rejection_stays_whatever_becomes_of_its_event(signing: House, process: Process, how: str) -> None:
    request = signing.file()
    for person in ("bob", "carol"):
        approve(signing, request, person)
    reject(signing, request)
    with as_its_owner(signing) as tx:
        told = audit_events.c.request_id == request.filing.request_id
        after = tx.execute(
            select(func.max(audit_events.c.seq)).where(told, audit_events.c.event == "request.approved")
        ).scalar_one()
        later = (told, audit_events.c.seq > after)
        if how == "deleted":
            tx.execute(delete(audit_events).where(*later))
        elif how == "renamed":
            tx.execute(update(audit_events).where(*later).values(event="execution.denied"))
        else:
            tx.execute(update(audit_events).where(*later).values(request_id=None))
        tx.execute(delete(decisions).where(decisions.c.decision == "reject"))
        tx.execute(update(requests).values(status="approved", ended_at=None))
    assert code_of(lambda: process(signing).execute(request)) in {Code.ALTERED, Code.UNAVAILABLE}
    assert signing.aws.keys(ACCOUNT).keys() == {signing.signer}


def test_a_request_that_has_ended_lives_no_second_time(signing: House) -> None:
    request = signing.file()
    for person in ("bob", "carol"):
        approve(signing, request, person)
    approved = told_of(signing, request)
    signing.client("alice").post(f"/v1/requests/{request.filing.request_id}/withdrawal")
    with as_its_owner(signing) as tx:
        mine = audit_events.c.request_id == request.filing.request_id
        tx.execute(update(audit_events).where(mine).values(request_id=None, event="log.read"))
        again = contents(tx) + [event | {"previous": None} for event in approved]
        rewritten(tx, [event | {"seq": seq} for seq, event in enumerate(again, 1)])
        tx.execute(update(requests).values(status="approved", ended_at=None))
    assert code_of(lambda: signing.execute(request)) is Code.ALTERED


def told_of(house: House, request: OperationRequest) -> list[dict[str, object]]:
    return [json.loads(content) for content in house.events(request)]


@pytest.mark.parametrize("what", ["a rejection", "a revocation"])
def test_what_this_process_wrote_cannot_be_cut_off(signing: House, what: str) -> None:
    request = signing.file()
    for person in ("bob", "carol"):
        approve(signing, request, person)
    size = len(contents_of(signing))
    if what == "a rejection":
        reject(signing, request)
    else:
        revoked(signing)
    with as_its_owner(signing) as tx:
        rewritten(tx, contents(tx)[:size])
        tx.execute(delete(decisions).where(decisions.c.decision == "reject"))
        tx.execute(update(requests).values(status="approved", ended_at=None))
    assert code_of(lambda: counting(signing)) is Code.UNAVAILABLE
    assert code_of(lambda: signing.execute(request)) is Code.UNAVAILABLE


def reject(house: House, request: OperationRequest) -> int:
    answer = house.client("dave").post(
        f"/v1/requests/{request.filing.request_id}/decisions",
        json={"decision": "reject", "digest": request.digest, "comment": "no"},
    )
    return int(answer.status_code)


def test_while_the_log_is_refused_people_can_stop_requests_and_the_process_is_not_ready(signing: House) -> None:
    first, second = signing.file(), signing.file(account_id=OTHER_ACCOUNT)
    counting(signing)
    with as_its_owner(signing) as tx:
        rewritten(tx, contents(tx)[:-1])
    assert signing.client("bob").get("/readyz").status_code == 503
    assert reject(signing, first) == 200
    assert signing.client("alice").post(f"/v1/requests/{second.filing.request_id}/withdrawal").status_code == 200


def test_a_reader_whose_snapshot_is_older_than_the_memory_is_asked_to_begin_again(signing: House) -> None:
    with read(signing.ctx.engine) as tx:
        tx.execute(select(func.count()).select_from(requests))
        other = threading.Thread(target=lambda: (signing.file(), counting(signing)))
        other.start()
        other.join()
        with pytest.raises(Interrupted):
            read_log(tx)
    assert counting(signing) == {"bob", "carol", "dave"}


def test_a_slower_reader_does_not_put_the_memory_back(signing: House) -> None:
    with read(signing.ctx.engine) as tx:
        before = read_log(tx)
    signing.file(account_id=OTHER_ACCOUNT)
    counting(signing)
    kept = proved_log._KNOWN[signing.ctx.engine]
    proved_log._remember(signing.ctx.engine, before)
    assert proved_log._KNOWN[signing.ctx.engine] is kept


def test_a_suspended_person_s_signature_counts_for_nothing_until_the_log_has_a_reinstatement(signing: House) -> None:
    request = signing.file()
    suspend(signing.ctx, WORKER, "dave", "gone")
    with as_its_owner(signing) as tx:
        tx.execute(update(people).values(suspended_at=None))
    assert code_of(lambda: approve(signing, request, "dave")) is Code.WRONG_SIGNATURE
    with as_its_owner(signing) as tx:
        tx.execute(update(people).values(suspended_at=signing.clock()))
    reinstate(signing.ctx, WORKER, "dave", "back")
    signing.clock.advance(timedelta(seconds=1))
    assert code_of(lambda: approve(signing, request, "dave")) is None


def test_what_was_read_in_a_transaction_that_is_rolled_back_is_not_kept(signing: House) -> None:
    class Lost(Exception):
        pass

    with suppress(Lost), begin(signing.ctx.engine) as tx:
        audit.hold(tx)
        audit.append(tx, Event(LOG_READ, {"what": "events"}), actor=WORKER, at=signing.clock())
        read_log(tx)
        raise Lost
    assert counting(signing) == {"bob", "carol", "dave"}


def test_a_process_reads_each_event_once(signing: House) -> None:
    def rows() -> int:
        with read(signing.ctx.engine) as tx:
            before = read_log(tx).frontier.size
        signing.file(account_id=OTHER_ACCOUNT)
        with signing.statements() as sent, read(signing.ctx.engine) as tx:
            after = read_log(tx).frontier.size
        assert sum("audit_events" in statement for statement, _ in sent) == 1
        return after - before

    assert 0 < rows() < 10


# --- times that somebody moves ---


def test_an_old_statement_is_not_made_fresh_by_changing_the_time_of_the_next_event(signing: House) -> None:
    request = signing.file()
    pair = signed(signing, request, "bob")
    after = len(contents_of(signing)) + 1
    signing.file(account_id=OTHER_ACCOUNT)
    signing.clock.advance(timedelta(minutes=16))
    assert code_of(lambda: approve(signing, request, "bob", pair)) is Code.STATEMENT_TOO_OLD
    [event] = [event for event in contents_of(signing) if event["seq"] == after]
    with as_its_owner(signing) as tx:
        later = json.dumps(event | {"at": "2999-01-01T00:00:00.000000Z"})
        tx.execute(update(audit_events).where(audit_events.c.seq == after).values(content=later))
    assert code_of(lambda: approve(signing, request, "bob", pair)) is Code.UNAVAILABLE


def test_an_event_from_the_future_keeps_no_statement_fresh(signing: House) -> None:
    request = signing.file()
    pair = signed(signing, request, "bob")
    planted(signing, "log.read", at="2999-01-01T00:00:00.000000Z")
    signing.clock.advance(timedelta(hours=20))
    assert code_of(lambda: approve(signing, request, "bob", pair)) is Code.STATEMENT_TOO_OLD


# --- events that the service did not write ---


def planted(house: House, name: str, **said: Json) -> None:
    """Append an event with its tree, as the service's role can."""
    placed(house, name, lambda seq: canonical({"event": name, "request_id": None, "seq": seq} | said).decode())


def placed(house: House, name: str, content: Callable[[int], str]) -> None:
    house.is_forged = True
    with begin(house.ctx.engine) as tx:
        audit.hold(tx)
        head, seq = tree.head(tx), audit.head(tx) + 1
        text = content(seq)
        tx.execute(update(audit_head).values(size=seq))
        tx.execute(insert(audit_events).values(seq=seq, at=house.clock(), event=name, content=text))
        tree.grow(tx, seq - 1, [leaf_hash(text.encode())], head)


@pytest.mark.parametrize("name", ["log.read", "policy.changed", "signing_key.revoked", "signing_key.registered"])
def test_garbage_in_the_log_stops_nobody(signing: House, name: str) -> None:
    request = signing.file()
    placed(signing, name, lambda seq: f'{{garbage,"event":"{name}","request_id":null,"seq":{seq}}}')
    over_it = canonical({"log": {"size": len(rows(signing))}}).decode()
    planted(signing, "signing_key.registered", at="2026-01-01T00:00:00.000000Z", data={"statement": over_it})
    in_a_new_process(restart(signing))
    for person in ("bob", "carol"):
        approve(signing, request, person)
    assert signing.execute(request)[0].status is Status.DELIVERED
    told = signing.client("alice").get(f"/v1/requests/{request.filing.request_id}/evidence")
    assert told.status_code == 200


def rows(house: House) -> list[str]:
    with read(house.owner) as tx:
        return [*tx.execute(select(audit_events.c.content)).scalars()]


def contents_of(house: House) -> list[dict[str, object]]:
    with read(house.owner) as tx:
        return contents(tx)


# --- keys that are taken away ---


def delivered(house: House, *signers: str) -> tuple[OperationRequest, CreatedKey]:
    """Create a key that ends by itself. Without signers, as a version does that asks for no signature."""
    request = house.file(lifetime=LIFETIME)
    for person in signers:
        approve(house, request, person)
    if not signers:
        house.approve(request)
    _, key = house.execute(request)
    assert key is not None
    return confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id).request, key


def ends(house: House, request: OperationRequest, key: CreatedKey) -> bool:
    """Return whether the worker ends the key's life."""
    for time in (LIFETIME, GRACE, GRACE):
        house.clock.advance(time)
        run_pass(house.ctx)
    assert (house.now(request).retired_at is not None) is (key.access_key_id not in house.aws.keys(ACCOUNT))
    return house.now(request).retired_at is not None


def policy(house: House, level: SignedApprovals) -> Policy:
    fields = {name: getattr(house.ctx.policy, name) for name in Policy.__dataclass_fields__}
    return Policy(**fields | {"signed_approvals": level})


def test_a_whole_story_without_signatures_takes_no_key_away(signing: House) -> None:
    """Whoever writes it has the service's role in the database, and another program than the service."""
    required = signing.ctx.policy
    signing.change(policy=policy(signing, SignedApprovals.OFF))
    request, key = delivered(signing)
    signing.change(policy=required)
    signing.is_forged = True
    assert not ends(signing, request, key)
    denied = [json.loads(each)["data"] for each in signing.events(request) if "execution.denied" in each]
    assert [each["code"] for each in denied] == ["altered"]
    assert "signed approvals" in denied[0]["reason"]


def test_a_story_of_which_only_the_filing_is_true_takes_no_key_away(house: House) -> None:
    announce(house.ctx)
    request = house.file(lifetime=LIFETIME)
    begin_signing(house)
    required = house.ctx.policy
    house.change(policy=policy(house, SignedApprovals.OFF))
    house.approve(request)
    _, key = house.execute(request)
    assert key is not None
    request = confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id).request
    house.change(policy=required)
    house.is_forged = True
    assert not ends(house, request, key)


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_rotation_without_signatures_that_somebody_stopped_takes_no_key_away(
    signing: House,
    is_confirmed: bool,  # noqa: FBT001
) -> None:
    """Whoever writes the story writes the stop as well. A stop leaves a new key, which may still be taken away."""
    required = signing.ctx.policy
    signing.change(policy=policy(signing, SignedApprovals.OFF))
    rotation = rotations.delivered(signing, lifetime=LIFETIME)
    if is_confirmed:
        rotation.receive()
    withdraw(signing.ctx, signing.actor("alice"), rotation.id)
    signing.change(policy=required)
    signing.is_forged = True
    for time in (LIFETIME, GRACE, GRACE):
        rotation.after(time)
    assert rotation.keys == ("Active", "Active")


def test_an_approver_who_stops_a_rotation_has_still_approved_what_is_taken_back(signing: House) -> None:
    """Their rejection stands in the row in place of their approval. The log has both."""
    request = signing.file(ROTATE, signing.signer, rotation=rotations.PLAN)
    for person in ("bob", "carol"):
        approve(signing, request, person)
    _, key = signing.execute(request)
    assert key is not None
    decide(
        signing.ctx,
        signing.actor("bob"),
        request.filing.request_id,
        Verdict.REJECT,
        digest=request.digest,
        comment="No",
    )
    for time in (signing.ctx.policy.receipt_window, GRACE, GRACE):
        signing.clock.advance(time)
        run_pass(signing.ctx)
    assert signing.now(request).status is Status.ROLLED_BACK
    assert key.access_key_id not in signing.aws.keys(ACCOUNT)


def test_a_key_from_another_time_is_not_the_one_that_was_made(signing: House) -> None:
    request, key = delivered(signing, "bob", "carol")
    later = replace(request, claimed_at=signing.clock() + timedelta(hours=1))
    planned = plan(ACCOUNTS[ACCOUNT], OperationName.DEACTIVATE_ACCESS_KEY)
    with signing.ctx.sign_in(request.filing, planned) as root:
        found = root.observe_twice(signing.clock(), Part.SIGNER).key(key.access_key_id)
        assert found is not None
        assert code_of(lambda: take_away(signing.ctx, root, later, found)) is Code.ALTERED
    assert signing.aws.keys(ACCOUNT)[key.access_key_id] == "Active"


def test_only_the_steps_of_a_request_say_what_it_made(signing: House) -> None:
    request, key = delivered(signing, "bob", "carol")
    signing.aws.delete_root_key(ACCOUNT, key.access_key_id)
    victim = signing.spare_key()
    with as_its_owner(signing) as tx:
        tx.execute(update(requests).values(result_access_key_id=victim))
    result = signing.now(request).result
    assert result is not None
    with begin(signing.ctx.engine) as tx:
        waiting = Event(REQUEST_WAITING, {"result": result.document})
        audit.append(tx, waiting, actor=WORKER, at=signing.clock(), request_id=request.filing.request_id)
    for time in (LIFETIME, GRACE, GRACE):
        signing.clock.advance(time)
        run_pass(signing.ctx)
    assert signing.aws.keys(ACCOUNT)[victim] == "Active"


def test_a_key_whose_approvers_retired_theirs_since_ends_as_was_approved(signing: House) -> None:
    request, key = delivered(signing, "bob", "dave")
    revoked(signing)
    assert ends(signing, request, key)


def test_a_key_from_before_approvals_had_to_be_signed_ends_as_was_approved(house: House) -> None:
    announce(house.ctx)
    request, key = delivered(house)
    begin_signing(house)
    assert ends(house, request, key)


@pytest.mark.parametrize("hidden", ["receipt.confirmed", "decision.recorded"])
def test_a_key_of_which_the_log_hides_an_event_is_left_alone(signing: House, hidden: str) -> None:
    request, key = delivered(signing, "bob", "carol")
    with as_its_owner(signing) as tx:
        tx.execute(update(audit_events).where(audit_events.c.event == hidden).values(request_id=None))
    assert not ends(signing, request, key)


def test_a_service_that_asks_for_no_signature_reads_no_log(house: House) -> None:
    request = house.approved()
    assert house.execute(request)[0].status is Status.DELIVERED
    assert house.ctx.engine not in proved_log._KNOWN


def test_a_damaged_event_that_is_none_of_ours_hides_nothing_and_stops_nothing(signing: House) -> None:
    with as_its_owner(signing) as tx:
        told = contents(tx)
        rewritten(tx, [*told, {"seq": 0, "event": "signing_key.revoked", "request_id": None, "zone": "after the tail"}])
    assert counting(in_a_new_process(restart(signing))) == {"bob", "carol", "dave"}


def test_a_gap_at_the_end_of_the_tree_is_noticed(signing: House) -> None:
    with as_its_owner(signing) as tx:
        tx.execute(update(audit_tree).values(size=audit_tree.c.size + 1))
    with pytest.raises(Unavailable), read(signing.ctx.engine) as tx:
        read_log(tx)
