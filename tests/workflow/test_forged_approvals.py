"""The forger's table: whoever can write every row, with the triggers gone, gets nothing executed without signatures.

Each forgery is tried at the execution itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from support.builders import OTHER_ACCOUNT
from support.house import House
from support.past_triggers import as_its_owner
from support.signers import PRESENT, VERIFIED, FileKey, Signer, ed25519_of
from support.signing import BOB, CAROL, DAVE, KEYS, SPARE, approve, begin_signing, counting, enrol, restart, signed

from service.db import audit, tree
from service.db.engine import begin, read
from service.db.tables import decisions, requests
from service.domain.actor import WORKER
from service.domain.canonical import Document
from service.domain.errors import Code, Conflict
from service.domain.event_table import KEY_ENDORSED, KEY_REGISTERED, KEY_REVOKED, EventName
from service.domain.events import Event
from service.domain.request import OperationRequest, Status, Verdict
from service.domain.roster import Reason, RevokedBy
from service.domain.statement import (
    DecisionStatement,
    EnrolmentStatement,
    LogHead,
    Namespace,
    RegistrationStatement,
    parse_decision,
)
from service.workflow.change import touch
from service.workflow.people import reinstate, suspend
from service.workflow.read import show
from service.workflow.signatures import Pair
from service.workflow.signing_keys import own_keys, revoke
from service.workflow.tell import tell
from service.workflow.verify import verify


@pytest.fixture
def robbed(house: House) -> House:
    """Bob and Carol are founders, Dave was endorsed, and the forger has everything but their keys."""
    begin_signing(house)
    enrol(house, "dave", None, "bob", "carol")
    return house


def voted(house: House, on: OperationRequest, person: str, pair: Pair | None) -> None:
    """Write somebody's approval into the rows, and that the request is approved."""
    statement, signature = pair or (None, None)
    now, filing = house.clock(), on.filing
    with as_its_owner(house) as tx:
        tx.execute(
            insert(decisions).values(
                request_id=filing.request_id,
                person=person,
                requester=filing.requester,
                recipient=filing.recipient,
                digest=on.digest,
                decision="approve",
                credential=house.actor(person).credential,
                decided_at=now,
                statement=statement,
                signature=signature,
            )
        )
        approved = {"status": "approved", "approved_at": now, "execute_by": now + filing.execution_window}
        tx.execute(update(requests).where(requests.c.id == filing.request_id).values(**approved))


def is_refused(house: House, on: OperationRequest) -> bool:
    with pytest.raises(Conflict) as refusal:
        house.execute(on)
    return refusal.value.code is Code.QUORUM_LOST


def counted(house: House, on: OperationRequest) -> int:
    shown = show(house.ctx, house.actor("alice"), on.filing.request_id)
    return shown.standing.approvals(shown.request)


def said(house: House, on: OperationRequest, who: str, signer: Signer | None = None, /, **changes: Any) -> Pair:
    """Sign a statement with these changes, as a person who was tricked would."""
    statement = replace(statement_of(house, on, who), **changes)
    return written(statement, signer or KEYS[who])


def written(statement: DecisionStatement, signer: Signer, namespace: Namespace = Namespace.DECISION) -> Pair:
    data = statement.bytes()
    return data.decode(), signer.sign(data, namespace)


def statement_of(house: House, on: OperationRequest, person: str) -> DecisionStatement:
    return parse_decision(signed(house, on, person)[0].encode())


def of_another_request(house: House, _on: OperationRequest) -> Pair:
    return signed(house, house.file(account_id=OTHER_ACCOUNT), "dave")


def with_an_old_head(house: House, on: OperationRequest) -> Pair:
    pair = signed(house, on, "dave")
    house.file(account_id=OTHER_ACCOUNT)
    house.clock.advance(timedelta(minutes=16))
    return pair


def from_before_a_suspension(house: House, on: OperationRequest) -> Pair:
    pair = signed(house, on, "dave")
    suspend(house.ctx, WORKER, "dave", "gone")
    reinstate(house.ctx, WORKER, "dave", "back")
    house.clock.advance(timedelta(seconds=1))
    return pair


def by_a_revoked_key(house: House, on: OperationRequest) -> Pair:
    pair = signed(house, on, "dave")
    [key] = own_keys(house.ctx, house.actor("dave")).keys
    revoke(house.ctx, house.actor("dave"), key.id, Reason.RETIRED, by=RevokedBy.PERSON)
    return pair


def signed_ahead(house: House, on: OperationRequest) -> Pair:
    head = statement_of(house, on, "dave").head
    return said(house, on, "dave", head=LogHead(head.size + 5, head.root))


def with_a_flipped_bit(house: House, on: OperationRequest) -> Pair:
    statement, signature = signed(house, on, "dave")
    place = len(signature) // 2
    return statement, signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]


def of_an_altered_statement(house: House, on: OperationRequest) -> Pair:
    statement, signature = signed(house, house.file(account_id=OTHER_ACCOUNT), "dave")
    theirs = parse_decision(statement.encode())
    return replace(theirs, request_id=on.filing.request_id, digest=on.digest).bytes().decode(), signature


FORGED: Mapping[str, Callable[[House, OperationRequest], Pair | None]] = {
    "without a signature": lambda _house, _on: None,
    "of another request": of_another_request,
    "of another person": lambda house, on: signed(house, on, "carol"),
    "in another person's name": lambda house, on: said(house, on, "carol", person="dave"),
    "of another digest": lambda house, on: said(house, on, "dave", digest="ab" * 32),
    "for another service": lambda house, on: said(house, on, "dave", service="test.example.com/log"),
    "for another log": lambda house, on: said(
        house, on, "dave", head=LogHead(statement_of(house, on, "dave").head.size, "ab" * 32)
    ),
    "of a rejection": lambda house, on: said(house, on, "dave", verdict=Verdict.REJECT),
    "with an old head": with_an_old_head,
    "signed ahead": signed_ahead,
    "from the future": lambda house, on: said(
        house, on, "dave", at=house.clock().replace(microsecond=0) + timedelta(hours=1)
    ),
    "from before a suspension": from_before_a_suspension,
    "by a revoked key": by_a_revoked_key,
    "with a flipped bit": with_a_flipped_bit,
    "of an altered statement": of_an_altered_statement,
    "with spaces in the statement": lambda house, on: (
        (statement := signed(house, on, "dave")[0].replace(":", ": ")),
        DAVE.sign(statement.encode(), Namespace.DECISION),
    ),
    "with text that is no UTF-8": lambda house, on: ("\\ud800", signed(house, on, "dave")[1]),
    "in another namespace": lambda house, on: written(statement_of(house, on, "dave"), DAVE, Namespace.ENROLMENT),
    "by a key of nobody": lambda house, on: said(house, on, "dave", SPARE),
    "without touch": lambda house, on: said(house, on, "dave", replace(DAVE, flags=0)),
    "without verification": lambda house, on: said(house, on, "dave", replace(DAVE, flags=PRESENT)),
    "on another site": lambda house, on: said(house, on, "dave", replace(DAVE, origin="https://evil.example.com")),
    "in a frame": lambda house, on: said(house, on, "dave", replace(DAVE, members=(("crossOrigin", True),))),
}


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("forged", FORGED)
def test_an_approval_in_the_rows_counts_for_nothing(robbed: House, forged: str) -> None:
    request = robbed.file()
    approve(robbed, request, "bob")
    voted(robbed, request, "dave", FORGED[forged](robbed, request))
    assert is_refused(robbed, request)
    place = f"request {request.filing.request_id}, decision of dave"
    assert any(str(found).startswith(place) for found in verify(robbed.ctx, ()))


def test_the_same_rows_with_a_good_signature_do_count(robbed: House) -> None:
    """So the forgeries above fail for what they are, and not for how they are written."""
    request = robbed.file()
    approve(robbed, request, "bob")
    voted(robbed, request, "dave", signed(robbed, request, "dave"))
    assert counted(robbed, request) == 2


@pytest.mark.parametrize("flags", [PRESENT | VERIFIED, PRESENT, VERIFIED, 0])
def test_a_key_of_a_terminal_s_authenticator_has_to_be_touched_and_verified(robbed: House, flags: int) -> None:
    request = robbed.file()
    approve(robbed, request, "bob")
    voted(robbed, request, "carol", said(robbed, request, "carol", replace(CAROL, flags=flags)))
    assert counted(robbed, request) == (2 if flags == PRESENT | VERIFIED else 1)


def test_nobody_who_took_the_signatures_away_is_believed(robbed: House) -> None:
    request = robbed.file()
    for person in ("bob", "carol"):
        approve(robbed, request, person)
    with as_its_owner(robbed) as tx:
        tx.execute(update(decisions).values(statement=None, signature=None))
    assert is_refused(robbed, request)


def test_a_filing_that_no_longer_asks_for_signatures_is_another_one(robbed: House) -> None:
    request = robbed.file()
    with as_its_owner(robbed) as tx:
        tx.execute(update(requests).values(signed_approvals=None))
    with pytest.raises(Conflict) as refusal:
        approve(robbed, robbed.now(request), "bob")
    assert refusal.value.code is Code.ALTERED


@pytest.mark.parametrize("ended", ["rejected", "withdrawn", "expired"])
def test_a_request_that_had_ended_is_not_executed_with_the_signatures_of_before(robbed: House, ended: str) -> None:
    """They are good. That somebody stopped the request is not signed, and in the log."""
    request = robbed.file()
    for person in ("bob", "carol"):
        approve(robbed, request, person)
    if ended == "rejected":
        robbed.client("dave").post(
            f"/v1/requests/{request.filing.request_id}/decisions",
            json={"decision": "reject", "digest": request.digest, "comment": "no"},
        )
    elif ended == "withdrawn":
        robbed.client("alice").post(f"/v1/requests/{request.filing.request_id}/withdrawal")
    else:
        robbed.clock.advance(request.filing.execution_window)
        touch(robbed.ctx, request.filing.request_id)
    assert robbed.now(request).status == ended
    with as_its_owner(robbed) as tx:
        tx.execute(delete(decisions).where(decisions.c.decision == "reject"))
        tx.execute(update(requests).values(status="approved", ended_at=None))
        if ended == "expired":
            now = robbed.clock()
            tx.execute(update(requests).values(approved_at=now, execute_by=now + request.filing.execution_window))
    assert counted(robbed, request) == 2
    with pytest.raises(Conflict) as refusal:
        robbed.execute(request)
    assert refusal.value.code is Code.ALTERED
    assert robbed.now(request).status is Status.APPROVED


# --- keys in the log ---


def put(house: House, event: EventName, /, **data: Any) -> None:
    """Append an event to the log, tree and all, as the service's own role can."""
    house.is_forged = True
    with begin(house.ctx.engine) as tx:
        audit.hold(tx)
        tell(house.ctx, tx, Event(event, data), actor=WORKER, at=house.clock())


def head_of(house: House) -> LogHead:
    with read(house.ctx.engine) as tx:
        frontier = tree.over(tx, audit.head(tx)).frontier
    return LogHead(frontier.size, frontier.root().hex())


def common(house: House) -> Any:
    return {"service": house.ctx.log.origin, "head": head_of(house), "at": house.clock().replace(microsecond=0)}


def registered(house: House, person: str, key: Signer, signer: Signer | None = None, **changes: Any) -> Document:
    statement = RegistrationStatement(**common(house) | {"person": person, "key": key.public.text} | changes)
    data = statement.bytes()
    return {
        "person": person,
        "name": "x",
        "key": key.public.text,
        "fingerprint": key.public.fingerprint,
        "statement": data.decode(),
        "signature": (signer or key).sign(data, Namespace.REGISTRATION),
    }


def endorsed(house: House, person: str, key: Signer, endorser: str, signer: Signer, **changes: Any) -> Document:
    namespace = changes.pop("namespace", Namespace.ENROLMENT)
    statement = EnrolmentStatement(
        **common(house) | {"person": person, "key": key.public.text, "endorser": endorser} | changes
    )
    data = statement.bytes()
    return {
        "person": person,
        "key": key.public.text,
        "endorser": endorser,
        "statement": data.decode(),
        "signature": signer.sign(data, namespace),
    }


def only_registered(house: House) -> None:
    put(house, KEY_REGISTERED, **registered(house, "dave", SPARE))


def endorsed_by_itself(house: House) -> None:
    only_registered(house)
    for endorser in ("bob", "carol"):
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, endorser, SPARE))


def endorsed_in_a_circle(house: House) -> None:
    other = FileKey(private=ed25519_of(b"other"))
    only_registered(house)
    put(house, KEY_REGISTERED, **registered(house, "mallory", other))
    for _ in range(2):
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "mallory", other))
        put(house, KEY_ENDORSED, **endorsed(house, "mallory", other, "dave", SPARE))


def endorsed_by_one_person_twice(house: House) -> None:
    only_registered(house)
    for _ in range(2):
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "bob", BOB))


def endorsed_by_a_revoked_key(house: House) -> None:
    [bob] = own_keys(house.ctx, house.actor("bob")).keys
    revoke(house.ctx, house.actor("oscar"), bob.id, Reason.COMPROMISED, by=RevokedBy.OPERATOR)
    only_registered(house)
    put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "bob", BOB))
    put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "carol", CAROL))


def endorsed_for_another_purpose(house: House) -> None:
    only_registered(house)
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, endorser, key, namespace=Namespace.DECISION))


def endorsements_of_another_key(house: House) -> None:
    only_registered(house)
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        made = endorsed(house, "dave", DAVE, endorser, key)
        put(house, KEY_ENDORSED, **{**made, "key": SPARE.public.text})


def endorsed_ahead(house: House) -> None:
    only_registered(house)
    head = head_of(house)
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        ahead = LogHead(head.size + 9, head.root)
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, endorser, key, head=ahead))


def endorsed_for_another_log(house: House) -> None:
    only_registered(house)
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        other = LogHead(head_of(house).size, "ab" * 32)
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, endorser, key, head=other))


def endorsed_without_touch(house: House) -> None:
    only_registered(house)
    put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "bob", BOB))
    put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, "carol", replace(CAROL, flags=0)))


def registered_by_another_key(house: House) -> None:
    put(house, KEY_REGISTERED, **registered(house, "dave", SPARE, BOB))
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        put(house, KEY_ENDORSED, **endorsed(house, "dave", SPARE, endorser, key))


def without_any_form(house: House) -> None:
    for name in (KEY_REGISTERED, KEY_ENDORSED, KEY_REVOKED):
        put(house, name)
        put(house, name, key="x", reason="retired", since="1", by="person")
        put(house, name, person=1, key=2, statement=[], signature={}, since="x", reason="y", by="z")


KEYS_PUT_IN: tuple[Callable[[House], None], ...] = (
    only_registered,
    endorsed_by_itself,
    endorsed_in_a_circle,
    endorsed_by_one_person_twice,
    endorsed_by_a_revoked_key,
    endorsed_for_another_purpose,
    endorsements_of_another_key,
    endorsed_ahead,
    endorsed_for_another_log,
    endorsed_without_touch,
    registered_by_another_key,
    without_any_form,
)


@pytest.mark.engines_by_turns
@pytest.mark.parametrize("put_in", KEYS_PUT_IN, ids=lambda put_in: put_in.__name__)
def test_a_key_in_the_log_does_not_count_for_being_there(robbed: House, put_in: Callable[[House], None]) -> None:
    put_in(robbed)
    request = robbed.file()
    approve(robbed, request, "carol")
    voted(robbed, request, "dave", said(robbed, request, "dave", SPARE))
    assert is_refused(robbed, request)


def test_the_same_events_with_two_good_endorsements_do_count(robbed: House) -> None:
    only_registered(robbed)
    for endorser, key in (("bob", BOB), ("carol", CAROL)):
        put(robbed, KEY_ENDORSED, **endorsed(robbed, "dave", SPARE, endorser, key))
    request = robbed.file()
    approve(robbed, request, "carol")
    voted(robbed, request, "dave", said(robbed, request, "dave", SPARE))
    assert counted(robbed, request) == 2


def test_a_key_that_another_person_claims_as_well_counts_for_neither(robbed: House) -> None:
    put(robbed, KEY_REGISTERED, **registered(robbed, "mallory", DAVE))
    assert counting(robbed) == {"bob", "carol"}


def test_what_was_signed_for_one_installation_proves_nothing_after_the_log_was_renamed(robbed: House) -> None:
    assert counting(robbed) == {"bob", "carol", "dave"}
    restart(robbed, log=replace(robbed.ctx.log, origin="another.example.com/log"))
    assert counting(robbed) == {"bob", "carol"}
