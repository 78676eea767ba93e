"""Approvals that their approvers sign: what counts, at the decision and at the execution."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import OTHER_ACCOUNT, SIGNER, policy_of, rules
from support.house import House
from support.refusals import code_of
from support.signing import DAVE, SIGNING, SPARE, approve, begin_signing, counting, enrol, restart, signed, vouch

from service import verifier
from service.domain.actor import WORKER
from service.domain.demands import Demand, SignedApprovals
from service.domain.errors import Code
from service.domain.request import Status, Verdict
from service.domain.roster import Reason, RevokedBy
from service.signing import proofs
from service.workflow.decide import decide
from service.workflow.people import reinstate, suspend
from service.workflow.read import show
from service.workflow.signing_keys import own_keys, revoke
from service.workflow.verify import verify

REQUIRED, ENROLLED, OFF = SignedApprovals.REQUIRED, SignedApprovals.ENROLLED, SignedApprovals.OFF


@pytest.fixture
def signing(house: House) -> House:
    return begin_signing(house)


def test_two_founders_sign_and_it_runs(signing: House) -> None:
    request = signing.file()
    assert approve(signing, request, "bob").status is Status.PENDING
    assert approve(signing, request, "carol").status is Status.APPROVED
    settled, created = signing.execute(request)
    assert (settled.status, created is not None) == (Status.DELIVERED, True)


def test_a_third_person_counts_once_a_quorum_has_endorsed_the_key(signing: House) -> None:
    request = signing.file()
    assert code_of(lambda: approve(signing, request, "dave")) is Code.SIGNATURE_REQUIRED
    key_id = enrol(signing, "dave", None, "bob")
    assert code_of(lambda: approve(signing, request, "dave")) is Code.KEY_NOT_ENDORSED
    vouch(signing, "carol", key_id)
    assert counting(signing) == {"bob", "carol", "dave"}
    approve(signing, request, "dave")
    assert approve(signing, request, "bob").status is Status.APPROVED


def test_an_approval_without_a_signature_is_refused_and_so_is_one_with_another_key(signing: House) -> None:
    request = signing.file()
    assert code_of(lambda: signing.approve(request, "bob")) is Code.SIGNATURE_REQUIRED
    assert code_of(lambda: approve(signing, request, "bob", by=SPARE)) is Code.KEY_NOT_ENDORSED


def test_a_rejection_need_not_be_signed(signing: House) -> None:
    request = signing.file()
    rejected = decide(
        signing.ctx,
        signing.actor("dave"),
        request.filing.request_id,
        Verdict.REJECT,
        digest=request.digest,
        comment="no",
    )
    assert rejected.request.status is Status.REJECTED


def test_actions_say_why_somebody_cannot_approve(signing: House) -> None:
    request = signing.file()

    def told(person: str) -> tuple[bool, str | None]:
        actions = show(signing.ctx, signing.actor(person), request.filing.request_id).actions
        [approval] = [action for action in actions if action.name == "approve"]
        return approval.allowed, approval.code

    assert (told("bob"), told("dave")) == ((True, None), (False, Code.SIGNATURE_REQUIRED))
    enrol(signing, "dave")
    assert told("dave") == (False, Code.KEY_NOT_ENDORSED)


def test_a_request_waits_only_for_those_who_can_sign(signing: House) -> None:
    request = signing.file()
    listed = signing.client("dave").get("/v1/requests?awaiting=me").json()["items"]
    shown = signing.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    assert (listed, [who["subject"] for who in shown["could_approve"]]) == ([], ["bob", "carol"])
    assert len(signing.client("bob").get("/v1/requests?awaiting=me").json()["items"]) == 1


def test_the_same_approval_signed_again_changes_nothing(signing: House) -> None:
    request = signing.file()
    once = approve(signing, request, "bob")
    signing.clock.advance(timedelta(seconds=2))
    again = approve(signing, request, "bob")
    assert again == once


# --- levels ---


def test_with_enrolled_whoever_has_a_key_must_sign_and_nobody_else(house: House) -> None:
    request = begin_signing(house, ENROLLED).file()
    assert code_of(lambda: house.approve(request, "bob")) is Code.SIGNATURE_REQUIRED
    enrol(house, "dave")
    house.approve(request, "dave")  # nobody has endorsed the key yet
    assert approve(house, request, "bob").status is Status.APPROVED


def test_with_enrolled_an_approval_from_before_the_key_counted_is_void(house: House) -> None:
    request = begin_signing(house, ENROLLED).file()
    key_id = enrol(house, "dave")
    house.approve(request, "dave")
    for endorser in ("bob", "carol"):
        vouch(house, endorser, key_id)
    approve(house, request, "bob")
    assert house.now(request).status is Status.PENDING
    assert approve(house, request, "dave").status is Status.APPROVED


def test_with_enrolled_a_revoked_key_does_not_release_its_person_from_signing(house: House) -> None:
    request = begin_signing(house, ENROLLED).file()
    key_id = enrol(house, "dave", None, "bob", "carol")
    revoke(house.ctx, house.actor("oscar"), key_id, Reason.RETIRED, by=RevokedBy.OPERATOR)
    assert code_of(lambda: house.approve(request, "dave")) is Code.KEY_NOT_ENDORSED


def test_with_enrolled_a_revoked_endorser_does_not_release_others_from_signing(house: House) -> None:
    """Otherwise whoever has a session of one founder could have unsigned approvals of others counted."""
    begin_signing(house, ENROLLED)
    enrol(house, "dave", None, "bob", "carol")
    request = house.file()
    [bobs] = own_keys(house.ctx, house.actor("bob")).keys
    revoke(house.ctx, house.actor("bob"), bobs.id, Reason.COMPROMISED, by=RevokedBy.PERSON)

    assert counting(house) == {"carol"}
    assert code_of(lambda: house.approve(request, "dave")) is Code.KEY_NOT_ENDORSED
    assert code_of(lambda: house.approve(request, "bob")) is Code.KEY_NOT_ENDORSED


def test_what_was_filed_as_signed_stays_so_and_stricter_today_wins(house: House) -> None:
    strict = begin_signing(house, REQUIRED).file()
    restart(house, policy=policy_of())
    assert code_of(lambda: house.approve(strict, "bob")) is Code.SIGNATURE_REQUIRED
    house.execute(approve(house, approve(house, strict, "bob"), "carol"))
    lax = house.approved(account_id=OTHER_ACCOUNT)
    begin_signing(house, REQUIRED)
    assert code_of(lambda: house.execute(lax)) is Code.QUORUM_LOST


def test_a_rule_may_demand_signatures(house: House) -> None:
    begin_signing(house, OFF)
    restart(house, rules=rules(Demand(rule="signed", signed_approvals=REQUIRED)))
    request = house.file()
    assert code_of(lambda: house.approve(request, "bob")) is Code.SIGNATURE_REQUIRED
    assert request.filing.signed_approvals is REQUIRED


def test_a_request_without_signatures_keeps_its_digest(house: House) -> None:
    assert "signed_approvals" not in house.file().filing.document()


def test_where_nothing_has_to_be_signed_a_signature_that_is_given_has_to_be_good(house: House) -> None:
    request = begin_signing(house, OFF).file()
    pair = signed(house, request, "bob")
    assert code_of(lambda: approve(house, request, "bob", (pair[0], signed(house, request, "carol")[1]))) is (
        Code.WRONG_SIGNATURE
    )
    assert approve(house, request, "bob", pair).decisions[0].statement == pair[0]
    assert house.approve(request, "dave").status is Status.APPROVED


# --- what happens after a signature ---


def test_an_approval_counts_only_as_long_as_its_key(signing: House) -> None:
    key_id = enrol(signing, "dave", None, "bob", "carol")
    request = signing.file()
    approve(signing, request, "dave")
    approve(signing, request, "bob")
    revoke(signing.ctx, signing.actor("dave"), key_id, Reason.RETIRED, by=RevokedBy.PERSON)
    assert code_of(lambda: signing.execute(request)) is Code.QUORUM_LOST
    shown = show(signing.ctx, signing.actor("alice"), request.filing.request_id)
    [dave] = [made for made in shown.request.decisions if made.person == "dave"]
    assert shown.standing.void_because(shown.request, dave) == "The key that signed it was revoked."
    assert approve(signing, request, "carol").status is Status.APPROVED
    assert signing.execute(request)[0].status is Status.DELIVERED


def test_a_compromised_endorser_takes_the_keys_that_it_endorsed_along(signing: House) -> None:
    enrol(signing, "dave", None, "bob", "carol")
    [bob] = own_keys(signing.ctx, signing.actor("bob")).keys
    revoke(signing.ctx, signing.actor("oscar"), bob.id, Reason.COMPROMISED, by=RevokedBy.OPERATOR)
    assert counting(signing) == {"carol"}


def test_a_retired_endorser_does_not(signing: House) -> None:
    enrol(signing, "dave", None, "bob", "carol")
    [bob] = own_keys(signing.ctx, signing.actor("bob")).keys
    revoke(signing.ctx, signing.actor("bob"), bob.id, Reason.RETIRED, by=RevokedBy.PERSON)
    assert counting(signing) == {"carol", "dave"}


def test_a_suspension_voids_what_was_signed_before_it(signing: House) -> None:
    request = signing.file()
    pair = signed(signing, request, "bob")
    suspend(signing.ctx, WORKER, "bob", "gone")
    reinstate(signing.ctx, WORKER, "bob", "back")
    signing.clock.advance(timedelta(seconds=1))
    assert code_of(lambda: approve(signing, request, "bob", pair)) is Code.WRONG_SIGNATURE
    approve(signing, request, "bob")


def test_a_statement_is_good_for_as_long_as_a_sign_in(signing: House) -> None:
    request = signing.file()
    pair = signed(signing, request, "bob")
    signing.file(account_id=OTHER_ACCOUNT)  # the log grows
    signing.clock.advance(signing.ctx.policy.decision_max_auth_age + timedelta(seconds=1))
    assert code_of(lambda: approve(signing, request, "bob", pair)) is Code.STATEMENT_TOO_OLD
    approve(signing, request, "bob")


def test_a_stricter_setting_for_hardware_voids_approvals_by_files_and_leaves_endorsements(signing: House) -> None:
    enrol(signing, "dave", None, "bob", "carol")
    request = signing.file()
    approve(signing, request, "bob")
    restart(signing, signing=replace(signing.ctx.signing, only_hardware=True))
    approve(signing, request, "dave")
    assert signing.now(request).status is Status.PENDING
    assert approve(signing, request, "carol").status is Status.APPROVED
    assert DAVE.public.kind.is_hardware


# --- what is kept ---


def test_a_row_is_proved_once_and_again_under_other_settings(signing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(signing, "dave", None, "bob")
    counting(signing)
    proved = list[str]()

    def noting(said: str) -> Callable[..., object]:
        real = getattr(proofs, said)

        def prove(*given: object, **more: object) -> object:
            proved.append(said)
            return real(*given, **more)

        return prove

    for said in ("registration", "endorsement"):
        monkeypatch.setattr(proofs, said, noting(said))
    counting(signing)
    assert proved == []
    restart(signing, signing=replace(signing.ctx.signing, user_verified=False))
    counting(signing)
    assert proved == ["registration", "endorsement"]


# --- evidence ---


def test_evidence_of_signed_approvals_has_the_keys_that_made_them_and_those_of_their_endorsers(signing: House) -> None:
    enrol(signing, "dave", None, "bob", "carol")
    enrol(signing, "bob", SPARE)  # which concerns nobody
    request = signing.file()
    for person in ("dave", "bob"):
        approve(signing, request, person)
    told = signing.client("alice").get(f"/v1/requests/{request.filing.request_id}/evidence").json()
    leaves = [json.loads(leaf["leaf"]) for leaf in told["signing"]]
    assert told["format"] == "rootquorum-evidence/2"
    assert [made["person"] for made in told["decisions"] if made["statement"]] == ["dave", "bob"]
    assert [leaf["event"] for leaf in leaves] == [
        "policy.changed",
        "signing_key.registered",
        "signing_key.endorsed",
        "signing_key.endorsed",
    ]
    assert leaves[0]["data"]["rulebook"]["signing"]["founders"].keys() == {"bob", "carol"}
    named = [json.loads(each["statement"])["log"]["size"] for each in told["decisions"]]
    assert {*named} <= {head["size"] for head in told["heads"]}


def test_evidence_and_export_are_good_for_whoever_knows_the_founders(signing: House, tmp_path: Path) -> None:
    enrol(signing, "dave", None, "bob", "carol")
    request = signing.file()
    for person in ("dave", "bob"):
        approve(signing, request, person)
    signing.execute(request)
    signing.client("alice").post(f"/v1/requests/{request.filing.request_id}/receipt")
    files = [tmp_path / "evidence.json", tmp_path / "export.jsonl"]
    paths = (f"/v1/requests/{request.filing.request_id}/evidence", "/v1/audit/export")
    for file, path in zip(files, paths, strict=True):
        file.write_bytes(signing.client("audrey").get(path).content)
    trust = verifier.Trust(founders=SIGNING.founders, all_signed=True)
    kept = verifier.read_kept((), (), trust)
    assert verifier.report(files, [], verifier.read_keys([SIGNER.verifier_key]), kept, None) == 0
    assert [found for found in verify(signing.ctx, ()) if not isinstance(found, str)] == []


def test_evidence_without_signatures_keeps_its_format(house: House) -> None:
    request = house.approved()
    told = house.client("alice").get(f"/v1/requests/{request.filing.request_id}/evidence").json()
    assert told["format"] == "rootquorum-evidence/1"
    assert not told.keys() & {"signing", "heads"}
