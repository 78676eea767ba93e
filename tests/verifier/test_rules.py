"""What the service wrote and signed itself, and should not have done, is found: in evidence of it, and in the log."""

import copy
import functools
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.builders import NOON
from support.ledger import (
    NEW_KEY,
    OLD_KEY,
    PLAN,
    PROOF,
    SIGNED_IN,
    Leaf,
    MemoryLog,
    by,
    drilled,
    events_of,
    executed,
    executed_otherwise,
    retired,
    rotated,
    stopped,
    taken_back,
)
from support.tampering import fields, findings, findings_in, told_of

from service import verifier
from service.domain.actor import WORKER
from service.domain.canonical import canonical, parse_timestamp, timestamp
from service.domain.event_table import EventName
from service.domain.events import EVENT_OF, Event
from service.domain.request import NEXT, TERMINAL

Change = Callable[[list[Leaf]], None]

_DIFFERS = {f"{part}-differs" for part in ("request", "digest", "decisions", "policy", "outcome")}


def first(leaves: list[Leaf], event: str) -> Leaf:
    return next(leaf for leaf in leaves if leaf["event"] == event)


def vote_of(leaves: list[Leaf], person: str) -> Leaf:
    return next(leaf for leaf in leaves if leaf["data"].get("person") == person and leaf["data"].get("decision"))


def vote(whom: str, **changed: Any) -> Change:
    """Somebody's decision is another, or another's: then made with a sign-in of theirs. So is what follows on it."""

    def change(leaves: list[Leaf]) -> None:
        leaf, approved = vote_of(leaves, whom), first(leaves, "request.approved")
        as_before = approved["actor"] == leaf["actor"]
        leaf["data"] |= changed | ({"credential": SIGNED_IN["credential"]} if "person" in changed else {})
        leaf["actor"] |= {"subject": leaf["data"]["person"], "credential": leaf["data"]["credential"]}
        leaf["actor"] |= {"proof": PROOF} if "person" in changed else {}
        approved["actor"] = {**leaf["actor"]} if as_before else approved["actor"]

    return change


def without(*events: str) -> Change:
    def change(leaves: list[Leaf]) -> None:
        leaves[:] = [leaf for leaf in leaves if leaf["event"] not in events]

    return change


def data(event: str, **changed: Any) -> Change:
    return lambda leaves: first(leaves, event)["data"].update(changed)


def acted(event: str, **changed: Any) -> Change:
    return lambda leaves: first(leaves, event)["actor"].update(changed)


def filed(**changed: Any) -> Change:
    """Filed like this, with all digests that go with it; None for what is left out."""

    def change(leaves: list[Leaf]) -> None:
        filing = first(leaves, "request.filed")["data"]["filing"]
        for name, value in changed.items():
            filing[name] = value
            if value is None:
                del filing[name]
        digest = hashlib.sha256(canonical(filing)).hexdigest()
        for leaf in leaves:
            if "digest" in leaf["data"]:
                leaf["data"]["digest"] = digest

    return change


def from_then(event: str, by: timedelta) -> Change:
    """That event and all after it were later, or earlier."""
    return lambda leaves: _later(leaves, first(leaves, event), by)


def _later(leaves: list[Leaf], start: Leaf, by: timedelta) -> None:
    for leaf in leaves[leaves.index(start) :]:
        leaf["at"] = timestamp(NOON + by)
        if leaf["event"] == "request.approved":
            leaf["data"]["execute_by"] = timestamp(NOON + by + timedelta(hours=8))


def again(event: str, behind: str) -> Change:
    def change(leaves: list[Leaf]) -> None:
        leaves.insert(leaves.index(first(leaves, behind)) + 1, copied(first(leaves, event)))

    return change


def copied(leaf: Leaf, **changed: Any) -> Leaf:
    return {**leaf, "data": {**leaf["data"]}, "actor": {**leaf["actor"]}} | changed


def both(*changes: Change) -> Change:
    def change(leaves: list[Leaf]) -> None:
        for each in changes:
            each(leaves)

    return change


def first_starts(leaves: list[Leaf]) -> None:
    start = first(leaves, "execution.started")
    leaves.remove(start)
    leaves.insert(3, start)


def changes_mind(leaves: list[Leaf]) -> None:
    leaves.insert(5, copied(vote_of(leaves, "bob")))
    leaves[5]["data"]["decision"] = "reject"


def and_back(leaves: list[Leaf]) -> None:
    leaves.insert(6, copied(vote_of(leaves, "bob")))


def late_vote(leaves: list[Leaf]) -> None:
    """All that follows on carol's is as late."""
    _later(leaves, vote_of(leaves, "carol"), timedelta(days=4))


def delivered(receiver: str) -> Change:
    """The execution made a key, and somebody confirms that it arrived."""

    def change(leaves: list[Leaf]) -> None:
        filed(operation="create_access_key")(leaves)
        done = first(leaves, "execution.succeeded")
        done["event"], done["data"]["status"] = "execution.delivered", "delivered"
        done["data"]["result"]["access_key_id"] = NEW_KEY
        receipt = copied(done, event="receipt.confirmed", actor={"kind": "person", "subject": receiver} | SIGNED_IN)
        receipt["data"]["status"] = "succeeded"
        leaves.insert(leaves.index(done) + 1, receipt)

    return change


def ended(event: str, status: str, who: str) -> Change:
    """Before it was executed, by somebody."""

    def change(leaves: list[Leaf]) -> None:
        without("execution.started")(leaves)
        end = first(leaves, "execution.succeeded")
        end.update(event=event, actor={"kind": "person", "subject": who, "credential": f"token-of-{who}"})
        end["data"] |= {"status": status, "result": None}

    return change


def signed_in(**policy: Any) -> Change:
    """The execution took a fresh sign-in by the policy in force, and had one."""
    demanded = {"execution_sign_in": "all", "decision_requires_auth_time": True, "decision_max_auth_age": 900}
    return both(
        acted("execution.started", **SIGNED_IN), data("execution.started", policy={"quorum": 2} | demanded | policy)
    )


_BY_THE_WORKER = {"kind": "service", "subject": "rootquorum", "credential": "worker"}
_HOUR = timedelta(hours=1)

# What is found in evidence and in the log alike.
BROKEN: Mapping[str, tuple[Change, set[str]]] = {
    "one person approves twice": (vote("carol", person="bob"), {"no-quorum"}),
    "the requester approves": (vote("carol", person="alice"), {"own-approval", "no-quorum"}),
    "the recipient approves": (vote("carol", person="rita"), {"own-approval", "no-quorum"}),
    "something else is approved": (vote("carol", digest="0" * 64), {"wrong-digest", "no-quorum"}),
    "nobody approves": (without("decision.recorded"), {"no-quorum"}),
    "nobody approves, nor does it look so": (
        without("decision.recorded", "request.approved"),
        {"no-quorum", "wrong-step"},
    ),
    "one approves, and one rejects": (vote("carol", decision="reject"), {"executed-against", "no-quorum"}),
    "one approves, and then rejects": (changes_mind, {"executed-against", "no-quorum"}),
    "one rejects, and then approves": (both(changes_mind, and_back), {"executed-against"}),
    "a machine approves": (acted("decision.recorded", kind="machine"), {"not-own-decision", "no-quorum"}),
    "somebody approves for another": (
        both(
            data("decision.recorded", credential=SIGNED_IN["credential"]),
            acted("decision.recorded", subject="dave", **SIGNED_IN),
        ),
        {"not-own-decision", "no-quorum"},
    ),
    "a decision by another token": (acted("decision.recorded", **SIGNED_IN), {"not-own-decision", "no-quorum"}),
    "a decision of nobody": (vote("carol", person=None), {"not-own-decision", "no-quorum"}),
    "a decision of a list": (vote("carol", person=["bob"]), {"not-own-decision", "no-quorum"}),
    "a quorum of one": (
        both(filed(quorum=1), data("execution.started", policy={"quorum": 1}), vote("carol", person="bob")),
        {"no-quorum", "wrong-quorum"},
    ),
    "a quorum below that in force when it was filed": (filed(quorum=1), {"wrong-quorum"}),
    "filed under no quorum": (data("request.filed", policy={"quorum": "2"}), {"wrong-quorum"}),
    "a quorum of three": (filed(quorum=3), {"no-quorum"}),
    "a quorum of three in force": (data("execution.started", policy={"quorum": 3}), {"no-quorum"}),
    "no quorum in force": (data("execution.started", policy=None), {"no-policy"}),
    "a quorum in force that is none": (data("execution.started", policy={"quorum": True}), {"no-policy"}),
    "another filing": (
        lambda leaves: first(leaves, "request.filed")["data"]["filing"].update(account_id="4"),
        {"wrong-digest", "no-quorum"},
    ),
    "another execution": (data("execution.started", digest="0" * 64), {"wrong-digest"}),
    "a result of something else": (data("execution.succeeded", digest=None), {"wrong-digest"}),
    "executed while it runs": (again("execution.started", "execution.started"), {"executed-twice"}),
    "executed after its end": (again("execution.started", "execution.succeeded"), {"not-open"}),
    "ended twice": (again("execution.succeeded", "execution.succeeded"), {"not-open"}),
    "a result without an execution": (without("execution.started"), {"not-started"}),
    "an execution before the approvals": (
        both(acted("execution.started", **SIGNED_IN), first_starts),
        {"wrong-step", "no-quorum"},
    ),
    "an execution that nobody said was approved": (without("request.approved"), {"wrong-step"}),
    "an approval after the execution": (again("decision.recorded", "execution.started"), {"wrong-step"}),
    "an approval after the end": (again("decision.recorded", "execution.succeeded"), {"not-open"}),
    "approved twice": (again("request.approved", "request.approved"), {"wrong-step"}),
    "another status than the event's": (data("request.approved", status="executing"), {"wrong-step"}),
    "a status on the way": (
        both(again("request.approved", "execution.started"), lambda leaves: leaves[10].update(event="something.new")),
        {"wrong-step"},
    ),
    "another than the recipient takes the secret": (
        both(delivered("rita"), acted("execution.started", subject="alice", credential="token-of-alice")),
        {"wrong-actor"},
    ),
    "the worker takes the secret": (
        both(delivered("rita"), filed(run_on_approval=True), acted("execution.started", **_BY_THE_WORKER)),
        {"wrong-actor"},
    ),
    "the worker was not asked": (acted("execution.started", **_BY_THE_WORKER), {"wrong-actor"}),
    "somebody executes": (
        acted("execution.started", subject="bob", credential="token-of-bob"),
        {"wrong-actor"},
    ),
    "filed in another's name": (acted("request.filed", subject="bob", **SIGNED_IN), {"wrong-actor"}),
    "filed by a machine of that name": (acted("request.filed", kind="machine"), {"wrong-actor"}),
    "another confirms the receipt": (delivered("bob"), {"wrong-actor"}),
    "filed at another time": (filed(filed_at=timestamp(NOON - _HOUR)), {"time-contradicts"}),
    "executed before it was filed": (from_then("execution.started", -_HOUR), {"time-contradicts"}),
    "approved before it was filed": (
        lambda leaves: vote_of(leaves, "bob").update(at=timestamp(NOON - _HOUR)),
        {"time-contradicts"},
    ),
    "approved too late": (late_vote, {"too-late", "no-quorum"}),
    "executed too late": (from_then("execution.started", 9 * _HOUR), {"too-late"}),
    "filed twice": (again("request.filed", "request.filed"), {"filed-twice"}),
    "filed again": (again("request.filed", "request.approved"), {"filed-twice"}),
    "a filing without a quorum": (filed(quorum=None), {"not-filed", "not-open"}),
    "a filing with half a quorum": (filed(quorum="2"), {"not-filed", "not-open"}),
    "a filing without an end": (filed(approve_by="never"), {"not-filed", "not-open"}),
    "the filing of another": (filed(id="another"), {"not-filed", "not-open"}),
    "approved by nobody who decided": (acted("request.approved", subject="dave"), {"wrong-actor"}),
    "approved with another token": (acted("request.approved", credential="token-of-bob"), {"wrong-actor"}),
    "rejected by nobody": (
        both(
            without("decision.recorded", "request.approved", "execution.started"),
            lambda leaves: first(leaves, "execution.succeeded").update(event="request.rejected"),
            data("request.rejected", status="rejected", result=None),
        ),
        {"wrong-actor"},
    ),
    "settled by another than executed it": (
        acted("execution.succeeded", kind="person", subject="alice", credential="token-of-alice"),
        {"wrong-actor"},
    ),
    "withdrawn by another": (ended("request.withdrawn", "withdrawn", "bob"), {"wrong-actor"}),
    "expired by somebody": (ended("request.expired", "expired", "alice"), {"wrong-actor"}),
    "another end of the time to execute": (
        data("request.approved", execute_by=timestamp(NOON + timedelta(days=9))),
        {"wrong-clock"},
    ),
    "no end of the time to execute": (data("request.approved", execute_by=None), {"wrong-clock"}),
    "a lifetime of what makes no key": (data("execution.succeeded", expires_at=timestamp(NOON)), {"wrong-clock"}),
    "keys that are no list": (data("execution.started", known_key_ids="AKIA"), {"wrong-result"}),
    "a result before the execution": (data("execution.started", result={"code": "done"}), {"wrong-result"}),
    "an execution without a result": (data("execution.succeeded", result=None), {"wrong-result"}),
    "a key of what makes none": (data("execution.succeeded", result={"access_key_id": NEW_KEY}), {"wrong-result"}),
    "a create that delivers nothing": (filed(operation="create_access_key"), {"wrong-step"}),
    "a delivery of what makes no key": (both(delivered("rita"), filed(operation="delete_access_key")), {"wrong-step"}),
    "a sign-in that proves nothing": (
        acted("execution.started", credential=SIGNED_IN["credential"]),
        {"wrong-credential"},
    ),
    "a sign-in that is another's": (
        acted("execution.started", **SIGNED_IN | {"proof": PROOF | {"subject": "00u2"}}),
        {"wrong-credential"},
    ),
    "a token with a proof": (acted("execution.started", proof=PROOF), {"wrong-credential"}),
    "approved with another proof": (acted("request.approved", proof=PROOF), {"wrong-actor"}),
    "settled by what only looks like the service": (acted("execution.succeeded", credential="x"), {"wrong-actor"}),
    "executed by what only looks like the service": (
        both(filed(run_on_approval=True), acted("execution.started", **_BY_THE_WORKER | {"proof": PROOF})),
        {"wrong-credential"},
    ),
    "a vote by a sign-in that proves nothing": (
        both(vote("bob", credential="oidc-1"), acted("decision.recorded", credential="oidc-1", proof=None)),
        {"wrong-credential", "no-quorum"},
    ),
    "a sign-in that is too old": (both(signed_in(), from_then("execution.started", _HOUR)), {"stale-sign-in"}),
    "a sign-in that is too weak": (signed_in(decision_amr=["hwk"]), {"stale-sign-in"}),
    "a sign-in of another class": (signed_in(decision_acr=["gold"]), {"stale-sign-in"}),
    "a token where a sign-in is demanded": (
        both(signed_in(), acted("execution.started", credential="token-of-rita", proof=None)),
        {"stale-sign-in"},
    ),
}


def evidence_of(ledger: MemoryLog, request_id: str) -> Any:
    """What the document says beside the events is another test's."""
    return executed()[0].evidence(request_id) | {"events": events_of(ledger, request_id), "checkpoint": ledger.note()}


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_that_the_service_broke_is_found_in_evidence_and_in_the_log(name: str) -> None:
    change, names = BROKEN[name]
    ledger, request_id = executed_otherwise(change)
    assert findings_in(evidence_of(ledger, request_id)) - _DIFFERS == names
    assert findings(b"".join(ledger.export())) == names


@pytest.mark.parametrize(
    "change",
    [
        delivered("rita"),
        both(filed(run_on_approval=True), acted("execution.started", **_BY_THE_WORKER)),
        acted("execution.started", subject="alice", credential="token-of-alice"),
        acted("execution.succeeded", kind="person", subject="rita", credential="token-of-rita"),
        acted("execution.started", **SIGNED_IN),
        signed_in(),
        signed_in(decision_amr=["otp", "hwk"]),
        ended("request.withdrawn", "withdrawn", "alice"),
        from_then("execution.succeeded", timedelta(days=99)),
        from_then("execution.started", timedelta(seconds=-30)),
        data("execution.started", policy={"quorum": 1}),
        without("execution.succeeded"),
        without("execution.succeeded", "execution.started"),
    ],
)
def test_what_keeps_to_the_rules_has_no_finding(change: Change) -> None:
    ledger, request_id = executed_otherwise(change)
    assert findings_in(evidence_of(ledger, request_id)) <= _DIFFERS
    assert findings(b"".join(ledger.export())) == set()


def moved(event: str, by: timedelta) -> Change:
    """That event was at another time, and all others were when they were."""

    def change(leaves: list[Leaf]) -> None:
        leaf = first(leaves, event)
        leaf["at"] = timestamp(parse_timestamp(leaf["at"]) + by)

    return change


def result(event: str, **changed: Any) -> Change:
    return lambda leaves: first(leaves, event)["data"]["result"].update(changed)


def all_results(**changed: Any) -> Change:
    def change(leaves: list[Leaf]) -> None:
        for leaf in leaves:
            leaf["data"].get("result", {}).update(changed)

    return change


_DAY = timedelta(days=1)
_VICTIM = "AKIAVICTIM0000000001"

# What may become of a key that was delivered: confirmed and retired, or taken back.
BROKEN_LIVES: Mapping[str, tuple[Callable[[], tuple[MemoryLog, str]], Change, set[str]]] = {
    "delivered a key that was known": (retired, data("execution.started", known_key_ids=[NEW_KEY]), {"wrong-result"}),
    "delivered no key": (taken_back, result("execution.delivered", access_key_id=None), {"wrong-result", "wrong-key"}),
    "the receipt is of another key": (retired, result("receipt.confirmed", access_key_id=_VICTIM), {"wrong-result"}),
    "the receipt tells another story": (retired, result("receipt.confirmed", signer_key_id="x"), {"wrong-result"}),
    "the receipt comes after it was given up": (
        taken_back,
        both(
            lambda leaves: leaves.remove(first(leaves, "key.deactivated")),
            lambda leaves: first(leaves, "key.rolled_back").update(event="receipt.confirmed"),
            acted("receipt.confirmed", kind="person", subject="rita", credential="token-of-rita"),
            lambda leaves: first(leaves, "receipt.confirmed")["data"].update(
                status="succeeded", result=first(leaves, "execution.delivered")["data"]["result"]
            ),
        ),
        {"wrong-step"},
    ),
    "a sealed secret of which no file is named": (retired, filed(sealed_to="age1x"), {"wrong-result"}),
    "a sealed file of a secret that was to be in clear": (
        retired,
        all_results(sealed_sha256="ab" * 32),
        {"wrong-result"},
    ),
    "a sealed file that is no digest": (
        retired,
        both(filed(sealed_to="age1x"), all_results(sealed_sha256="AB" * 32)),
        {"wrong-result"},
    ),
    "the receipt is of another sealed file": (
        retired,
        both(
            filed(sealed_to="age1x"),
            all_results(sealed_sha256="ab" * 32),
            result("receipt.confirmed", sealed_sha256="cd" * 32),
        ),
        {"wrong-result"},
    ),
    "sealed to what is no key": (retired, filed(sealed_to=1), {"not-filed", "wrong-result"}),
    "another key is deactivated": (retired, data("key.deactivated", access_key_id=_VICTIM), {"wrong-key"}),
    "another key is retired": (retired, data("key.retired", access_key_id=_VICTIM), {"wrong-key"}),
    "no key is retired": (retired, lambda leaves: first(leaves, "key.retired").update(data={}), {"wrong-key"}),
    "another key is taken back": (taken_back, result("key.rolled_back", access_key_id=_VICTIM), {"wrong-result"}),
    "a lifetime that was not filed": (
        retired,
        data("execution.delivered", expires_at=timestamp(NOON + _DAY)),
        {"wrong-clock"},
    ),
    "a key without the lifetime that was filed": (
        retired,
        lambda leaves: first(leaves, "execution.delivered")["data"].pop("expires_at"),
        {"wrong-clock", "not-open"},
    ),
    "a lifetime of a key that was asked for without": (
        taken_back,
        data("execution.delivered", expires_at=timestamp(NOON + _DAY)),
        {"wrong-clock"},
    ),
    "a lifetime that was shortened": (
        retired,
        data("key.expiring", expires_at=timestamp(NOON + _DAY)),
        {"wrong-clock"},
    ),
    "announced as something else": (retired, data("key.expiring", digest="0" * 64), {"wrong-digest"}),
    "announced as not confirmed": (retired, data("key.expiring", status="delivered"), {"wrong-step"}),
    "deactivated too early": (retired, moved("key.deactivated", -2 * _DAY), {"too-early", "time-contradicts"}),
    "retired within the grace": (retired, moved("key.retired", -_HOUR), {"too-early"}),
    "retired without a deactivation": (retired, without("key.deactivated"), {"too-early"}),
    "deactivated twice": (retired, again("key.deactivated", "key.deactivated"), {"wrong-step"}),
    "retired twice": (retired, again("key.retired", "key.retired"), {"not-open"}),
    "retired before it was confirmed": (retired, without("receipt.confirmed", "key.expiring"), {"wrong-step"}),
    "retired by somebody": (
        retired,
        acted("key.retired", kind="person", subject="rita", credential="token-of-rita"),
        {"wrong-actor"},
    ),
    "deactivated by somebody": (
        retired,
        acted("key.deactivated", kind="person", subject="rita", credential="token-of-rita"),
        {"wrong-actor"},
    ),
    "taken back by somebody": (
        taken_back,
        acted("key.rolled_back", kind="person", subject="rita", credential="token-of-rita"),
        {"wrong-actor"},
    ),
    "given up too early": (taken_back, moved("receipt.given_up", -timedelta(minutes=14)), {"too-early"}),
    "deactivated without giving up": (taken_back, without("receipt.given_up"), {"too-early"}),
    "taken back within the grace": (taken_back, moved("key.rolled_back", -_HOUR), {"too-early"}),
    "taken back without a deactivation": (taken_back, without("key.deactivated"), {"too-early"}),
    "taken back, and then retired": (
        taken_back,
        lambda leaves: leaves.append(copied(first(leaves, "key.deactivated"), event="key.retired")),
        {"not-open"},
    ),
    "a drill that is not filed as one": (
        drilled,
        filed(drill=None),
        {"wrong-mark", "wrong-result", "wrong-clock"},
    ),
    "a real request that says that it is a drill": (
        retired,
        data("decision.recorded", drill=True),
        {"wrong-mark"},
    ),
    "a drill whose event does not say so": (
        drilled,
        lambda leaves: first(leaves, "execution.delivered")["data"].pop("drill"),
        {"wrong-mark"},
    ),
    "a drill that made a key": (
        drilled,
        both(result("execution.delivered", access_key_id=NEW_KEY), result("receipt.confirmed", access_key_id=NEW_KEY)),
        {"wrong-result"},
    ),
    "a drill that is said to be done": (
        drilled,
        both(result("execution.delivered", code="done"), result("receipt.confirmed", code="done")),
        {"wrong-result"},
    ),
    "a drill to which AWS answered": (
        drilled,
        both(result("execution.delivered", aws_request_id="r-1"), result("receipt.confirmed", aws_request_id="r-1")),
        {"wrong-result"},
    ),
    "a real request that was only drilled": (
        executed,
        result("execution.succeeded", code="drilled"),
        {"wrong-result"},
    ),
    "a drill for which a key is deactivated": (
        drilled,
        lambda leaves: leaves.insert(
            leaves.index(first(leaves, "receipt.confirmed")),
            copied(
                first(leaves, "execution.delivered"),
                event="key.deactivated",
                actor=_BY_THE_WORKER | {"proof": None},
                data={"access_key_id": None, "drill": True},
            ),
        ),
        {"wrong-step", "too-early"},
    ),
    "the old key ends before anybody said so": (rotated, without("cut_over.released"), {"too-early"}),
    "an approver says that the old key may end": (
        rotated,
        acted("cut_over.released", kind="person", subject="bob", credential="token-of-bob"),
        {"wrong-actor"},
    ),
    "somebody speaks of another key": (rotated, data("cut_over.released", access_key_id=_VICTIM), {"wrong-key"}),
    "another key ends in a rotation": (rotated, data("old_key.deactivated", access_key_id=_VICTIM), {"wrong-key"}),
    "somebody ends the old key": (
        rotated,
        acted("old_key.deactivated", kind="person", subject="rita", credential="token-of-rita"),
        {"wrong-actor"},
    ),
    "the old key ends before the receipt": (rotated, without("receipt.confirmed"), {"wrong-step", "too-early"}),
    "the old key ends twice": (rotated, again("old_key.deactivated", "old_key.deactivated"), {"wrong-step"}),
    "the old key ends after the deadline": (
        rotated,
        both(moved("old_key.deactivated", 40 * _DAY), moved("old_key.deleted", 40 * _DAY)),
        {"too-late"},
    ),
    "the old key is deleted within the wait": (rotated, moved("old_key.deleted", -_HOUR), {"too-early"}),
    "the old key is deleted while it is active": (rotated, without("old_key.deactivated"), {"too-early"}),
    "somebody deletes the old key": (
        rotated,
        acted("old_key.deleted", kind="person", subject="rita", credential="token-of-rita"),
        {"wrong-actor"},
    ),
    "a rotation ends with another key": (rotated, result("old_key.deleted", access_key_id=_VICTIM), {"wrong-result"}),
    "a rotation without a plan": (
        rotated,
        filed(rotation=None),
        {"not-filed", "wrong-step", "not-open"},
    ),
    "a rotation that never waits": (
        rotated,
        filed(rotation={**PLAN.document(), "deletion_wait_seconds": 0}),
        {"not-filed", "wrong-step", "not-open"},
    ),
    "the receipt of a rotation ends it": (rotated, data("receipt.confirmed", status="succeeded"), {"wrong-step"}),
    "an approver stopped it, and nobody said so": (stopped, without("rotation.stopping"), {"wrong-step"}),
    "somebody stops what they did not reject": (
        stopped,
        acted("rotation.stopping", kind="person", subject="carol", credential="token-of-carol"),
        {"wrong-actor"},
    ),
    "the old key ends after the stop": (
        stopped,
        lambda leaves: leaves.insert(
            leaves.index(first(leaves, "rotation.stopped")),
            copied(
                first(leaves, "rotation.stopped"),
                event="old_key.deactivated",
                at=timestamp(NOON + 8 * _DAY),
                data={"access_key_id": OLD_KEY, "signer_key_id": NEW_KEY, "aws_request_id": "r-9"},
            ),
        ),
        {"wrong-step", "time-contradicts"},
    ),
    "a key of what makes none is deactivated": (
        executed,
        lambda leaves: leaves.insert(
            leaves.index(first(leaves, "execution.succeeded")),
            copied(first(leaves, "execution.succeeded"), event="key.deactivated", data={"access_key_id": _VICTIM}),
        ),
        {"wrong-step"},
    ),
}


@pytest.mark.parametrize("name", BROKEN_LIVES)
def test_what_must_not_become_of_a_key_is_found_in_evidence_and_in_the_log(name: str) -> None:
    story, change, names = BROKEN_LIVES[name]
    ledger, request_id = executed_otherwise(change, story)
    assert findings(b"".join(ledger.export())) == names
    told = story()[0].evidence(request_id) | {"events": events_of(ledger, request_id), "checkpoint": ledger.note()}
    assert findings_in(told) - _DIFFERS == names


def gone_already(event: str) -> Change:
    """Somebody else had deleted the key."""
    return both(
        without("key.deactivated"),
        data(event, aws_request_id=None) if event == "key.retired" else result(event, aws_request_id=None),
    )


@pytest.mark.parametrize(
    ("story", "change"),
    [
        (drilled, lambda _: None),
        (retired, lambda _: None),
        (taken_back, lambda _: None),
        (rotated, lambda _: None),
        (stopped, lambda _: None),
        (
            rotated,
            both(
                without("cut_over.released"), moved("old_key.deactivated", 7 * _DAY), moved("old_key.deleted", 7 * _DAY)
            ),
        ),
        (retired, gone_already("key.retired")),
        (taken_back, gone_already("key.rolled_back")),
        (retired, without("key.expiring")),
        (retired, both(moved("key.deactivated", _DAY), moved("key.retired", _DAY))),
        (retired, moved("key.retired", -timedelta(seconds=50))),
        (
            taken_back,
            both(
                without("receipt.given_up", "key.deactivated"),
                result("key.rolled_back", code="not_recorded"),
                moved("key.rolled_back", -_DAY),
            ),
        ),
    ],
)
def test_what_was_approved_with_a_key_has_no_finding(
    story: Callable[[], tuple[MemoryLog, str]], change: Change
) -> None:
    ledger, request_id = executed_otherwise(change, story)
    assert findings(b"".join(ledger.export())) == set()
    told = story()[0].evidence(request_id) | {"events": events_of(ledger, request_id), "checkpoint": ledger.note()}
    assert findings_in(told) <= _DIFFERS


@pytest.mark.parametrize("name", verifier._OF_KEYS)
def test_what_becomes_of_a_key_that_no_request_delivered_is_found(name: str) -> None:
    """Forged, executed, deleted: a row made by hand had the worker do it."""
    ledger, _ = executed()
    ledger.tell(Event(EventName(name), {"access_key_id": _VICTIM}), WORKER, "never filed")
    assert findings(b"".join(ledger.export())) == {"not-open"}


def test_a_key_is_remembered_until_its_lifetime_has_ended() -> None:
    replay = verifier.Replay(is_log=True)
    open_after = []
    for leaf in retired()[0].leaves:
        assert not list(replay.take(leaf))
        open_after.append((leaf["event"], len(replay.open)))
    assert open_after[-4:] == [
        ("receipt.confirmed", 1),
        ("key.expiring", 1),
        ("key.deactivated", 1),
        ("key.retired", 0),
    ]


def test_an_execution_of_an_older_version_is_judged_by_the_filed_quorum_and_noted() -> None:
    ledger, request_id = executed_otherwise(lambda leaves: first(leaves, "execution.started")["data"].pop("policy"))
    assert findings_in(evidence_of(ledger, request_id)) <= _DIFFERS
    told = [str(each) for each in told_of(b"".join(ledger.export()))]
    assert any("judged by the quorum that was filed" in each for each in told)
    assert findings(b"".join(ledger.export())) == set()


def test_a_finding_says_which_request_which_number_and_what_is_wrong() -> None:
    ledger, request_id = executed_otherwise(without("decision.recorded"))
    (_, started, *_) = told_of(b"".join(ledger.export()))
    number = next(leaf["seq"] for leaf in ledger.leaves if leaf["event"] == "execution.started")
    assert str(started) == (
        f"no-quorum: seq {number}, request '{request_id}': expected 2 others who approved this digest, found []"
    )


def others(event: str, behind: str, minutes: float = 0, **said: Any) -> Change:
    """An event of people or tokens, right behind the first or, of a person, the last that is named so."""

    def change(leaves: list[Leaf]) -> None:
        at = leaves.index(vote_of(leaves, behind) if behind in {"bob", "carol"} else first(leaves, behind))
        actor = {"kind": "person", "subject": "oscar", "credential": "cli", "proof": None}
        when = timestamp(NOON + timedelta(minutes=minutes))
        leaves.insert(at + 1, {"at": when, "event": event, "request_id": None, "actor": actor, "data": said})

    return change


_RUNS_AFTER_AN_HOUR = from_then("execution.started", _HOUR)
_VOTES_AFTER_AN_HOUR = from_then("decision.recorded", _HOUR)


def without_token(person: str) -> Change:
    def change(leaves: list[Leaf]) -> None:
        leaves[:] = [leaf for leaf in leaves if leaf["data"].get("token_id") != f"token-of-{person}"]

    return change


_ANYTHING: tuple[Any, ...] = (None, "x", 7, [], {}, "2020-01-01T00:00:00.000000Z", "\ud800", True)


@pytest.mark.parametrize("story", [executed, retired, taken_back])
def test_whatever_stands_in_a_field_is_judged(story: Callable[[], tuple[MemoryLog, str]]) -> None:
    leaves = story()[0].leaves
    for number, leaf in enumerate(leaves):
        for path in fields(leaf):
            for value in _ANYTHING:
                changed = copy.deepcopy(leaf)
                functools.reduce(lambda inner, name: inner[name], path[:-1], changed)[path[-1]] = value
                replay = verifier.Replay(is_log=True)
                for each in (*leaves[:number], changed, *leaves[number + 1 :]):
                    assert all(isinstance(told, verifier.Finding | str) for told in replay.take(each))


# What only the log can tell, since it has the events of others as well.
BROKEN_IN_THE_LOG: Mapping[str, tuple[Change, set[str]]] = {
    "forged, executed, deleted": (without("request.filed", "decision.recorded", "request.approved"), {"not-open"}),
    "never filed": (without("request.filed"), {"not-open"}),
    "a suspension as if it were about a request": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("person.suspended", "carol", 1, person="bob"),
            lambda leaves: first(leaves, "person.suspended").update(
                request_id=first(leaves, "request.filed")["request_id"]
            ),
        ),
        {"wrong-request", "no-quorum"},
    ),
    "a revocation as if it were about a request": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("token.revoked", "carol", 1, token_id="token-of-bob"),
            lambda leaves: first(leaves, "token.revoked").update(request_id="another"),
        ),
        {"wrong-request", "no-quorum"},
    ),
    "filed and executed by a service that there is not": (
        both(
            filed(requester="ghost", requester_kind="service", recipient="ghost"),
            acted("request.filed", kind="service", subject="ghost"),
            acted("execution.started", kind="service", subject="ghost"),
        ),
        {"wrong-credential"},
    ),
    "of no request": (
        lambda leaves: first(leaves, "execution.started").update(request_id=None),
        {"not-open", "not-started"},
    ),
    "a voter's token that nobody made": (without_token("bob"), {"wrong-credential", "no-quorum"}),
    "an executor's token that nobody made": (without_token("rita"), {"wrong-credential"}),
    "a requester's token that nobody made": (without_token("alice"), {"wrong-credential"}),
    "a vote by another's token": (both(vote("carol", credential="token-of-bob")), {"wrong-credential", "no-quorum"}),
    "a token that is made for two": (
        both(
            without_token("bob"),
            others("token.created", "token.created", token_id="token-of-alice", subject="bob"),
            vote("bob", credential="token-of-alice"),
        ),
        {"wrong-credential", "no-quorum"},
    ),
    "a vote by a revoked token": (
        both(
            _VOTES_AFTER_AN_HOUR,
            others("token.revoked", "request.filed", token_id="token-of-bob"),
            lambda leaves: leaves.insert(0, leaves.pop(3)),
        ),
        {"wrong-credential", "no-quorum"},
    ),
    "a vote whose token is revoked": (
        both(_RUNS_AFTER_AN_HOUR, others("token.revoked", "carol", token_id="token-of-bob")),
        {"no-quorum"},
    ),
    "a vote of somebody suspended": (
        both(_RUNS_AFTER_AN_HOUR, others("person.suspended", "carol", 1, person="bob")),
        {"no-quorum"},
    ),
    "a vote of before a suspension": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("person.reinstated", "carol", 2, person="bob"),
            others("person.suspended", "carol", 1, person="bob"),
        ),
        {"no-quorum"},
    ),
    "a vote of before a suspension that ended a moment before": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("person.suspended", "carol", 59.5, person="bob"),
            others("person.reinstated", "carol", 59, person="bob"),
            others("person.suspended", "carol", 1, person="bob"),
        ),
        {"no-quorum"},
    ),
    "a vote by a token that is revoked again": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("token.revoked", "carol", 59.5, token_id="token-of-bob"),
            others("token.revoked", "carol", 1, token_id="token-of-bob"),
        ),
        {"no-quorum"},
    ),
    "the requester is suspended again": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("person.suspended", "carol", 59.5, person="alice"),
            others("person.suspended", "carol", 1, person="alice"),
        ),
        {"suspended"},
    ),
    "a vote that a clock ahead dated after a suspension": (
        both(
            _RUNS_AFTER_AN_HOUR,
            lambda leaves: vote_of(leaves, "carol").update(at=timestamp(NOON + timedelta(seconds=50))),
            others("person.reinstated", "carol", 0.7, person="carol"),
            others("person.suspended", "carol", 0.6, person="carol"),
        ),
        {"no-quorum"},
    ),
    "a vote while suspended": (
        both(_VOTES_AFTER_AN_HOUR, others("person.suspended", "request.filed", person="bob")),
        {"suspended", "no-quorum"},
    ),
    "a vote of before the role was lost": (
        both(
            _RUNS_AFTER_AN_HOUR,
            others("person.changed", "carol", 1, person="bob", votes_since=timestamp(NOON + timedelta(minutes=1))),
        ),
        {"no-quorum"},
    ),
    "the requester is suspended": (
        both(_RUNS_AFTER_AN_HOUR, others("person.suspended", "carol", 1, person="alice")),
        {"suspended"},
    ),
    "the recipient is suspended": (
        both(_RUNS_AFTER_AN_HOUR, others("person.suspended", "carol", 1, person="rita")),
        {"suspended"},
    ),
}


@pytest.mark.parametrize("name", BROKEN_IN_THE_LOG)
def test_a_rule_that_only_the_log_shows_to_be_broken_is_found(name: str) -> None:
    change, names = BROKEN_IN_THE_LOG[name]
    ledger, _ = executed_otherwise(change)
    assert findings(b"".join(ledger.export())) == names


@pytest.mark.parametrize(
    "change",
    [
        both(
            _VOTES_AFTER_AN_HOUR,
            others("person.reinstated", "request.filed", 2, person="bob"),
            others("person.suspended", "request.filed", 1, person="bob"),
        ),
        both(_RUNS_AFTER_AN_HOUR, others("person.suspended", "carol", 1, person="dave")),
        both(_RUNS_AFTER_AN_HOUR, others("person.changed", "carol", 1, person="bob", votes_since=None)),
        both(_RUNS_AFTER_AN_HOUR, others("person.changed", "carol", 1, person="bob", votes_since=timestamp(NOON))),
        both(_RUNS_AFTER_AN_HOUR, others("person.suspended", "execution.started", 90, person="bob")),
    ],
)
def test_votes_that_count_by_the_log_have_no_finding(change: Change) -> None:
    ledger, _ = executed_otherwise(change)
    assert findings(b"".join(ledger.export())) == set()


@pytest.mark.parametrize(
    "change",
    [
        others("token.revoked", "request.approved", token_id="token-of-bob"),
        others("person.suspended", "request.approved", 0.5, person="bob"),
        others("person.suspended", "request.approved", person="bob"),
    ],
)
def test_what_voids_a_vote_within_a_minute_may_have_been_at_work_with_the_execution(change: Change) -> None:
    """Nothing locks a person's row while an execution is claimed; but it is said."""
    ledger, request_id = executed_otherwise(change)
    note, _ = told_of(b"".join(ledger.export()))
    assert isinstance(note, str)
    assert note.startswith(f"seq 10, request '{request_id}': the approvals of ['bob'] became void within a minute of")


def test_a_request_of_whose_events_one_names_another_before_it_is_found() -> None:
    ledger = MemoryLog()
    for leaf in executed()[0].leaves:
        wrong = {"previous": 1} if leaf["event"] == "execution.started" else {}
        ledger.append(**{name: value for name, value in leaf.items() if name != "previous"} | wrong)
    assert findings(b"".join(ledger.export())) == {"left-out"}


def test_an_id_that_is_filed_again_after_its_end_is_found() -> None:
    ledger, request_id = executed()
    ledger.append(**copied(first(ledger.leaves, "request.filed"), seq=12, previous=10))
    assert findings(b"".join(ledger.export())) == {"filed-twice"}
    assert findings_in(evidence_of(ledger, request_id)) - _DIFFERS == set()


@pytest.mark.parametrize(
    "changed",
    [
        {"at": "yesterday"},
        {"at": "2026-02-30T00:00:00.000000Z"},
        {"actor": None},
        {"data": []},
        {"request_id": 5},
        {"event": None},
    ],
)
def test_what_is_no_event_is_found_and_nothing_is_judged_that_it_may_have_changed(changed: Leaf) -> None:
    ledger, _ = executed_otherwise(lambda leaves: leaves[2].update(changed))
    finding, note, _ = told_of(b"".join(ledger.export()))
    assert str(finding).startswith("not-an-event: seq 3: ")
    assert note == "1 requests were not judged: their filing, or another event of theirs, is not here"


def without_policy(leaves: list[Leaf]) -> None:
    for leaf in leaves:
        leaf["data"].pop("policy", None)


def test_a_log_from_before_events_said_the_policy_is_judged_by_what_was_filed() -> None:
    def old(change: Change) -> list[verifier.Finding | str]:
        ledger = MemoryLog(names_previous=False)
        for leaf in executed_otherwise(both(change, without_policy))[0].leaves:
            ledger.append(**{name: value for name, value in leaf.items() if name != "previous"})
        return told_of(b"".join(ledger.export()))

    note, _ = old(lambda _: None)
    assert str(note).startswith("1 executions are of a version that did not say which quorum was in force: judged by")
    assert {each.name for each in old(filed(quorum=3)) if isinstance(each, verifier.Finding)} == {"no-quorum"}


@pytest.mark.parametrize("size", range(1, 12))
def test_a_log_that_begins_in_the_middle_says_what_it_cannot_judge(size: int) -> None:
    """And no finding accuses anybody because of what is not there."""
    export = executed()[0].export()
    told = told_of(b"".join(export[size:]))
    named = {each.name for each in told if isinstance(each, verifier.Finding)}
    assert named <= {"sequence-broken", "wrong-size", "another-kind", "not-a-note"}
    judged = [each for each in told if str(each).endswith("is not here")]
    assert len(judged) == (1 if 2 <= size <= 9 else 0)


def test_what_comes_after_a_gap_is_judged_again_once_it_is_filed() -> None:
    ledger, _ = executed()
    again = executed_otherwise(both(without("decision.recorded"), filed(id="another")))[0]
    for leaf in again.leaves:
        ledger.append(**{**leaf, "seq": len(ledger.leaves) + 1, "request_id": leaf["request_id"] and "another"})
    export = ledger.export()
    told = [str(each) for each in told_of(b"".join(export[:3] + export[4:]))]
    assert any(each.startswith("no-quorum: seq ") and "'another'" in each for each in told)
    assert "1 requests were not judged: their filing, or another event of theirs, is not here" in told


def test_nothing_is_remembered_of_requests_that_have_ended() -> None:
    replay = verifier.Replay(is_log=True)
    leaves = [leaf for leaf in executed()[0].leaves if leaf["event"] != "token.created"]
    tokens = [leaf for leaf in executed()[0].leaves if leaf["event"] == "token.created"]
    told = [each for token in tokens for each in replay.take(token)]
    for number in range(100):
        for at, leaf in enumerate(leaves):
            renamed = copied(leaf, request_id=f"request {number}", previous=at or None, seq=at + 1)
            if at == 0:
                renamed["data"]["filing"] = renamed["data"]["filing"] | {"id": f"request {number}"}
                digest = hashlib.sha256(canonical(renamed["data"]["filing"])).hexdigest()
            renamed["data"]["digest"] = digest
            told += replay.take(renamed)
            assert len(replay.open) == (at < len(leaves) - 1)
    assert told == []


def test_every_end_is_an_end_to_the_rules_as_well() -> None:
    """The table of the rules is that of the domain."""
    steps = {(before, name, reached) for name, (reached, every) in verifier.LIFE.items() for before in every}
    steps.add(("delivered", "receipt.confirmed", verifier._ROTATING))
    assert steps == {(before.value, name, after.value) for (before, after), name in EVENT_OF.items()}
    ends = {verifier.LIFE[name][0] for name in verifier.ENDS}
    assert ends == {status.value for status in TERMINAL} == {str(status) for status in NEXT if not NEXT[status]}


def test_an_event_that_the_rules_do_not_know_is_no_finding() -> None:
    ledger, request_id = executed()
    ledger.tell(Event(EventName("something.new"), {"person": ["x"], "token_id": {}, "status": "?"}), by("oscar"))
    ledger.tell(Event(EventName("something.new"), {"status": "?"}), WORKER, request_id)
    assert findings(b"".join(ledger.export())) == set()


def test_a_sealed_delivery_whose_receipt_names_the_file_is_in_order() -> None:
    change = both(filed(sealed_to="age1x"), all_results(sealed_sha256="ab" * 32))
    ledger, _ = executed_otherwise(change, retired)
    assert findings(b"".join(ledger.export())) == set()


def test_what_makes_no_key_is_not_sealed() -> None:
    ledger, _ = executed_otherwise(filed(sealed_to="age1x"))
    assert findings(b"".join(ledger.export())) == {"not-filed"}
