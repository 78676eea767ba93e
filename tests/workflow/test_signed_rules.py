"""Signed rules: a version comes into force by a quorum of the one before, and nobody acts by any other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete
from support.builders import ACCOUNT
from support.house import House
from support.past_triggers import as_its_owner, contents, rewritten
from support.refusals import code_of
from support.rule_files import TEXT, following, signature, signed_by
from support.signers import PRESENT, FileKey, ed25519_of
from support.signing import BOB, CAROL, DAVE, SPARE, approve, counting, enrol, signed, vouch
from support.started import in_a_new_process, start, under

from service.db import audit
from service.db.engine import begin, connect
from service.db.tables import audit_events
from service.domain.actor import WORKER
from service.domain.errors import Code, Invalid, Unavailable
from service.domain.event_table import KEY_ENDORSED, RULES_SIGNED
from service.domain.events import Event
from service.domain.request import Status
from service.domain.roster import KeyFault
from service.domain.rule_file import SignedRules
from service.domain.statement import Namespace
from service.worker import run_pass
from service.workflow.announce import announce
from service.workflow.decide import confirm_receipt, withdraw
from service.workflow.rules_in_force import check_acceptable, check_current
from service.workflow.sign import endorsement_to_sign
from service.workflow.signing_keys import every_key
from service.workflow.tell import tell

_STRICTER = ('signed_approvals = "required"', 'quorum = 2\nsigned_approvals = "required"')


def refusal(house: House, rules: SignedRules | None) -> str:
    """Return why a process with these rules does not start."""
    with pytest.raises(Unavailable) as refused:
        announce(under(house, rules))
    assert refused.value.code is Code.RULES_NOT_IN_FORCE
    with pytest.raises(Unavailable):
        check_acceptable(under(house, rules))
    return refused.value.exact


@pytest.fixture
def ruled(house: House) -> House:
    start(house, signed_by(TEXT))
    return house


SECOND = following(TEXT, _STRICTER)


def test_the_first_version_is_in_force_because_it_is_seen_first(ruled: House) -> None:
    check_current(ruled.ctx)
    assert counting(ruled) == {"bob", "carol"}
    start(ruled, signed_by(TEXT))  # again, which records nothing
    with as_its_owner(ruled) as tx:
        assert [event["event"] for event in contents(tx)].count(RULES_SIGNED) == 1


def test_the_next_version_is_in_force_by_a_quorum_of_the_one_before(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    third = following(SECOND, ("quorum = 2", 'quorum = 2\nreceipt_window = "PT5M"'))
    start(ruled, signed_by(third, "bob", "carol"))
    with as_its_owner(ruled) as tx:
        told = [event["data"]["version"] for event in contents(tx) if event["event"] == RULES_SIGNED]
    assert told == [1, 2, 3]


def test_who_has_not_signed_yet_is_named_with_the_command(ruled: House) -> None:
    said = refusal(ruled, signed_by(SECOND, "bob"))
    assert "signed by bob; 1 more have to sign it, of carol: rootquorum rules sign rules.toml" in said
    assert "2 more have to sign it, of bob, carol" in refusal(ruled, signed_by(SECOND))


LOCKING: dict[str, tuple[tuple[str, str], ...]] = {
    "founders of other names, with the same keys": (("[founders.bob]", "[founders.robert]"),),
    "a quorum that did not sign": (("decision_requires", "quorum = 3\ndecision_requires"),),
}


@pytest.mark.parametrize("how", LOCKING)
def test_a_version_that_its_own_signers_could_not_follow_does_not_come_into_force(ruled: House, how: str) -> None:
    locking = following(TEXT, *LOCKING[how])
    assert "nobody could follow it" in refusal(ruled, signed_by(locking, "bob", "carol"))
    check_current(ruled.ctx)


def test_a_key_outlives_no_lifetime_because_its_approver_s_key_is_revoked_in_an_emergency(ruled: House) -> None:
    request = ruled.file(lifetime=timedelta(days=30))
    for person in ("bob", "carol"):
        approve(ruled, request, person)
    _, key = ruled.execute(request)
    assert key is not None
    confirm_receipt(ruled.ctx, ruled.actor("alice"), request.filing.request_id)
    ruled.change(signing=replace(ruled.ctx.signing, revoked=frozenset({CAROL.public.fingerprint})))
    for days in (30, 1, 1):
        ruled.clock.advance(timedelta(days=days))
        run_pass(ruled.ctx)
    assert key.access_key_id not in ruled.aws.keys(ACCOUNT)


EVE = FileKey(private=ed25519_of(b"eve"))
_EVES = following(TEXT, (f'keys = ["{BOB.public.text} bob@laptop"]', f'keys = ["{EVE.public.text}"]'))
_OTHER = following(TEXT, ('name = "Alice"', 'name = "Alicia"'))

FORGED: dict[str, tuple[Callable[[], SignedRules | None], str]] = {
    "unsigned": (lambda: signed_by(SECOND), "2 more"),
    "signed by one person": (lambda: signed_by(SECOND, "bob"), "1 more"),
    "signed twice with one key": (
        lambda: replace(signed_by(SECOND), signatures=(signature(SECOND, BOB), signature(SECOND, BOB) + "\n")),
        "1 more",
    ),
    "signed by a key that never counted": (lambda: signed_by(SECOND, "bob", EVE), "1 more"),
    "signed by its own founders": (lambda: signed_by(_EVES, EVE, "carol"), "1 more"),
    "with the signatures of another version": (
        lambda: replace(signed_by(SECOND), signatures=signed_by(_OTHER, "bob", "carol").signatures),
        "2 more",
    ),
    "with signatures for another purpose": (
        lambda: replace(
            signed_by(SECOND), signatures=tuple(signature(SECOND, key, Namespace.DECISION) for key in (BOB, CAROL))
        ),
        "2 more",
    ),
    "without touch": (lambda: signed_by(SECOND, "bob", replace(CAROL, flags=0)), "1 more"),
    "another first version": (lambda: signed_by(TEXT.replace("Alice", "Eve"), "bob", "carol"), "does not follow"),
    "that skips one": (lambda: signed_by(following(SECOND), "bob", "carol"), "does not follow"),
    "that follows another one": (
        lambda: signed_by(SECOND.replace(signed_by(SECOND).file.rules.previous or "", "ab" * 32), "bob", "carol"),
        "does not follow",
    ),
    "none": (lambda: None, "the settings have none"),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_process_does_not_start_with_rules(ruled: House, forged: str) -> None:
    made, said = FORGED[forged]
    assert said in refusal(ruled, made())
    check_current(ruled.ctx)  # the first version is in force as before


def test_a_signature_that_is_no_good_takes_nothing_from_the_others(ruled: House) -> None:
    good = signed_by(SECOND, "bob", "carol")
    start(ruled, replace(good, signatures=("no signature", *good.signatures)))


def test_rules_that_were_rolled_back_do_not_start(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    assert "version 2 came into force after it" in refusal(ruled, signed_by(TEXT, "bob", "carol"))


def test_of_two_next_versions_the_first_is_in_force(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    assert "does not follow version 2" in refusal(ruled, signed_by(_OTHER, "bob", "carol"))


def test_the_quorum_is_that_of_the_version_before(house: House) -> None:
    three = TEXT.replace("[policy]", "[policy]\nquorum = 3")
    start(house, signed_by(three))
    assert "1 more" in refusal(house, signed_by(following(three, ("quorum = 3", "quorum = 2")), "bob", "carol"))


def test_people_who_were_endorsed_sign_and_two_keys_of_one_are_one(ruled: House) -> None:
    enrol(ruled, "dave", None, "bob", "carol")
    assert "1 more" in refusal(ruled, signed_by(following(TEXT, _STRICTER), "dave"))
    start(ruled, signed_by(SECOND, "bob", "dave"))


def test_new_founders_count_from_their_version_on_and_former_ones_no_longer(ruled: House) -> None:
    # The new founder signs as well, since two of those who sign have to be able to sign the next version.
    assert "nobody could follow it" in refusal(ruled, signed_by(_EVES, "bob", "carol"))
    start(ruled, signed_by(_EVES, "bob", "carol", EVE))
    found = every_key(ruled.ctx, ruled.actor("carol")).keys
    assert {key.key.text for key in found if key.fault is None} == {EVE.public.text, CAROL.public.text}


# Bob is Robert from here on, with another key: one human. His second key was endorsed under his name of before.
_RENAMED = (
    ("[founders.bob]", "[founders.robert]"),
    ("[people.bob]", "[people.robert]"),
    (f"{BOB.public.text} bob@laptop", EVE.public.text),
)
_REVOKED = f'[[revoked_keys]]\nkey = "{SPARE.public.text}"\n'


@pytest.mark.parametrize("more", ["", 'reason = "compromised"\n'])
def test_a_key_that_the_rules_revoke_signs_nothing_any_more(ruled: House, more: str) -> None:
    enrol(ruled, "dave", None, "bob", "carol")
    enrol(ruled, "bob", SPARE, "carol", "dave")
    second = following(TEXT, *_RENAMED) + _REVOKED + more
    start(ruled, signed_by(second, "carol", "dave"))
    found = every_key(ruled.ctx, ruled.actor("carol")).keys
    assert [each.fault for each in found if each.key == SPARE.public] == [KeyFault.REVOKED]
    third = following(second, ('signed_approvals = "required"', 'signed_approvals = "off"'))
    assert "1 more" in refusal(ruled, signed_by(third, SPARE, EVE))
    # For good: a version that leaves it out does not take it back.
    third = following(second, (_REVOKED + more, ""))
    start(ruled, signed_by(third, EVE, "carol"))
    assert "1 more" in refusal(ruled, signed_by(following(third), SPARE, EVE))


def test_an_approval_by_a_key_that_the_rules_revoke_does_not_count(ruled: House) -> None:
    request = ruled.file()
    for person in ("bob", "carol"):
        approve(ruled, request, person)
    enrol(ruled, "dave", None, "bob", "carol")
    second = following(TEXT) + f'[[revoked_keys]]\nkey = "{BOB.public.text}"\n'
    start(ruled, signed_by(second, "carol", "dave"))
    assert counting(ruled) == {"carol", "dave"}
    assert code_of(lambda: ruled.execute(request)) is Code.QUORUM_LOST


def test_as_many_endorsements_are_said_to_be_needed_as_the_roster_asks_for(ruled: House) -> None:
    ruled.change(policy=replace(ruled.ctx.policy, quorum=3))  # of an emergency
    assert every_key(ruled.ctx, ruled.actor("carol")).needed == 2
    enrol(ruled, "dave", None, "bob", "carol")
    assert counting(ruled) == {"bob", "carol", "dave"}


# --- a process that runs while a newer version comes into force ---


def test_a_process_with_older_rules_files_decides_and_executes_nothing(ruled: House) -> None:
    request = ruled.file()
    for person in ("bob", "carol"):
        approve(ruled, request, person)
    pair = signed(ruled, request, "bob")
    announce(under(ruled, signed_by(SECOND, "bob", "carol")))
    assert code_of(lambda: approve(ruled, request, "bob", pair)) is Code.RULES_NOT_IN_FORCE
    assert code_of(lambda: ruled.execute(request)) is Code.RULES_NOT_IN_FORCE
    assert code_of(lambda: ruled.file(account_id="444455556666")) is Code.RULES_NOT_IN_FORCE
    assert ruled.now(request).status is Status.APPROVED
    answer = ruled.client().get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "rules_not_in_force")
    start(ruled, signed_by(SECOND, "bob", "carol"))
    assert ruled.client().get("/readyz").status_code == 200
    ruled.execute(request)


def test_its_worker_does_nothing(ruled: House) -> None:
    request = ruled.file()
    announce(under(ruled, signed_by(SECOND, "bob", "carol")))
    ruled.clock.advance(timedelta(days=30))
    assert code_of(lambda: run_pass(ruled.ctx)) is Code.RULES_NOT_IN_FORCE
    assert ruled.now(request).status is Status.PENDING


def test_a_process_without_rules_stops_when_another_brings_some_into_force(house: House) -> None:
    house.file()
    announce(under(house, signed_by(TEXT)))
    assert code_of(lambda: house.file(account_id="444455556666")) is Code.RULES_NOT_IN_FORCE


def test_a_process_that_has_just_looked_for_rules_sees_those_that_another_brings_into_force(house: House) -> None:
    """It remembers what it found, with the head of the log. The other one appends to the log."""
    first, second = house.file(), house.file(account_id="444455556666")
    withdraw(house.ctx, house.actor("alice"), first.filing.request_id)
    another = connect(house.ctx.engine.url.render_as_string(hide_password=False), connections=2)
    announce(replace(under(house, signed_by(TEXT)), engine=another))
    another.dispose()
    assert (
        code_of(lambda: confirm_receipt(house.ctx, house.actor("alice"), second.filing.request_id))
        is Code.RULES_NOT_IN_FORCE
    )


def test_rules_that_were_rolled_back_are_not_remembered(house: House) -> None:
    house.file()
    for is_kept in (False, True):
        with begin(house.ctx.engine) as tx:
            audit.hold(tx)
            assert audit.last_rules(tx) is None
            audit.append(tx, Event(RULES_SIGNED, {}), actor=WORKER, at=house.clock())
            assert audit.last_rules(tx) is not None
            if not is_kept:
                tx.rollback()
    house.is_forged = True
    with begin(house.ctx.engine) as tx:
        audit.hold(tx)
        assert audit.last_rules(tx) is not None


def test_a_process_whose_log_lost_its_rules_stops(ruled: House) -> None:
    with as_its_owner(ruled) as tx:
        tx.execute(delete(audit_events).where(audit_events.c.event == RULES_SIGNED))
    assert code_of(ruled.file) is Code.UNAVAILABLE
    assert code_of(lambda: announce(under(ruled, signed_by(TEXT.replace("Alice", "Eve"))))) is Code.UNAVAILABLE


# --- the forger, with write access to every table ---


def test_a_version_in_the_log_without_its_signatures_is_not_in_force(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    with as_its_owner(ruled) as tx:
        events = contents(tx)
        for event in events:
            if event["event"] == RULES_SIGNED and event["data"]["version"] == 2:
                event["data"]["signatures"] = []
        rewritten(tx, events)
    in_a_new_process(ruled)
    assert "2 more" in refusal(ruled, signed_by(SECOND))
    assert code_of(ruled.file) is Code.RULES_NOT_IN_FORCE


def test_a_version_that_was_swapped_in_the_log_is_not_in_force(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    evil = signed_by(SECOND.replace("Alice", "Eve"))
    with as_its_owner(ruled) as tx:
        events = contents(tx)
        for event in events:
            if event["event"] == RULES_SIGNED and event["data"]["version"] == 2:
                event["data"] |= {"text": evil.file.text, "digest": evil.file.rules.digest}
        rewritten(tx, events)
    in_a_new_process(ruled)
    assert "2 more" in refusal(ruled, evil)


def test_a_first_version_that_nobody_can_read_is_replaced_by_no_other(ruled: House) -> None:
    with as_its_owner(ruled) as tx:
        events = contents(tx)
        for event in events:
            if event["event"] == RULES_SIGNED:
                event["data"]["text"] = "version ="
        rewritten(tx, events)
    in_a_new_process(ruled)
    assert "can be read" in refusal(ruled, signed_by(TEXT))


def test_an_old_signature_is_not_made_good_by_rules_that_nobody_has_signed(ruled: House) -> None:
    """Carol's key endorsed Dave without verifying her. A version that no longer asks for it would let Dave sign it."""
    key_id = enrol(ruled, "dave")
    vouch(ruled, "bob", key_id)
    with pytest.raises(Invalid):
        vouch(ruled, "carol", key_id, replace(CAROL, flags=PRESENT))
    said, _ = endorsement_to_sign(ruled.ctx, ruled.actor("carol"), key_id)
    unverified = replace(CAROL, flags=PRESENT).sign(said.statement.encode(), Namespace.ENROLMENT)
    with begin(ruled.ctx.engine) as tx:
        audit.hold(tx)
        about = {"person": "dave", "key": DAVE.public.text, "endorser": "carol"}
        event = Event(KEY_ENDORSED, {**about, "statement": said.statement, "signature": unverified})
        tell(ruled.ctx, tx, event, actor=WORKER, at=ruled.clock())
    ruled.is_forged = True
    weaker = following(TEXT, ("[signing]", "[signing]\nuser_verified = false"))
    made = under(ruled, signed_by(weaker, "bob", "dave"))
    with pytest.raises(Unavailable) as refused:
        announce(replace(made, signing=made.signed_rules.file.signing if made.signed_rules else made.signing))
    assert "signed by bob; 1 more" in refused.value.exact
    # What is recorded once a quorum has signed them counts by them, and what was recorded before does not.
    made = under(ruled, signed_by(weaker, "bob", "carol"))
    start(ruled, made.signed_rules)
    assert counting(ruled) == {"bob", "carol"}


# --- an emergency ---


def test_a_key_that_the_settings_revoke_counts_for_nothing_at_once(ruled: House) -> None:
    enrol(ruled, "dave", None, "bob", "carol")
    stolen = frozenset({BOB.public.fingerprint})
    ruled.change(signing=replace(ruled.ctx.signing, revoked=stolen))
    assert counting(ruled) == {"carol"}
    stricter = under(ruled, signed_by(SECOND, "bob", "carol"))
    with pytest.raises(Unavailable) as refused:
        announce(replace(stricter, signing=replace(stricter.signing, revoked=stolen)))
    assert "signed by carol; 1 more" in refused.value.exact


def test_an_emergency_brings_back_no_older_rules(ruled: House) -> None:
    start(ruled, signed_by(SECOND, "bob", "carol"))
    revoked = frozenset({BOB.public.fingerprint, CAROL.public.fingerprint})
    ruled.change(signing=replace(ruled.ctx.signing, revoked=revoked))
    check_current(ruled.ctx)
    assert "came into force after it" in refusal(ruled, signed_by(TEXT))


# --- filings ---


def test_a_filing_names_the_rules_in_force(ruled: House) -> None:
    filing = ruled.file().filing
    assert filing.rules == filing.document()["rules"] == signed_by(TEXT).file.rules.digest


def test_without_signed_rules_a_filing_names_none(house: House) -> None:
    assert "rules" not in house.file().filing.document()
