"""What the log's own routes answer is what an outsider, who trusts nothing of the service, finds good."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text, update
from support.builders import BOTH, DEACTIVATE, LOG, ORIGIN, SIGNER
from support.house import House
from support.past_triggers import as_its_owner

from service import verifier
from service.db import audit, tree
from service.db.engine import begin
from service.db.tables import audit_tree
from service.domain.request import OperationRequest, Verdict
from service.signing.ed25519 import Ed25519Signer
from service.verifier import root_from_inclusion
from service.workflow.context import Log
from service.workflow.decide import decide


def checked(tmp_path: Path, content: str | bytes, *more: str) -> int:
    """By the auditor's own file."""
    file = tmp_path / "checked"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return verifier.main(["--key", SIGNER.verifier_key, *more, str(file)])


def head_of(note: str) -> verifier.Head:
    return verifier.open_checkpoint(note, [verifier.read_key(SIGNER.verifier_key)], "the note")


def lived(house: House) -> OperationRequest:
    return house.execute(house.approved(DEACTIVATE, house.spare_key()))[0]


def read_log(house: House) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = house.client("audrey").get("/v1/audit/events").json()["items"]
    return items


def test_a_checkpoint_is_good_by_the_auditors_own_file(house: House, tmp_path: Path) -> None:
    lived(house)
    answer = house.client("mallory").get("/v1/audit/checkpoint")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    assert checked(tmp_path, answer.text) == 0


def test_an_export_is_good_and_is_all_of_the_log(house: House, tmp_path: Path) -> None:
    lived(house)
    answer = house.client("audrey").get("/v1/audit/export")
    assert checked(tmp_path, answer.content) == 0
    *events, end = map(json.loads, answer.text.splitlines())
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert head_of(end["checkpoint"]).size == len(events)
    assert events[-1]["event"] == "log.read"


@pytest.mark.parametrize("reader", ["alice", "bob", "audrey"])
def test_evidence_is_good_for_those_who_took_part_and_for_auditors(house: House, tmp_path: Path, reader: str) -> None:
    request = lived(house)
    answer = house.client(reader).get(f"/v1/requests/{request.filing.request_id}/evidence")
    assert checked(tmp_path, answer.content) == 0
    told = answer.json()
    assert told["digest"] == request.digest
    assert told["request"] == request.filing.document()
    assert [decision["person"] for decision in told["decisions"]] == ["bob", "carol"]
    assert told["outcome"]["status"] == "succeeded"
    assert told["outcome"]["result"]["aws_request_id"]
    assert told["policy"]["executed"]["quorum"] == 2


def test_evidence_holds_how_and_when_each_person_was_proved(house: House) -> None:
    began, looked = house.clock(), count()
    house.change(now=lambda: began + timedelta(milliseconds=next(looked)))
    request = house.file()
    house.approve(request, "bob")
    dora = house.by_provider("dora", "root-approvers")
    decide(house.ctx, dora, request.filing.request_id, Verdict.APPROVE, digest=request.digest, comment=None)
    told = house.client("alice").get(f"/v1/requests/{request.filing.request_id}/evidence").json()
    by_token, by_provider = told["decisions"]
    shown = house.client("alice").get(f"/v1/requests/{request.filing.request_id}").json()
    assert [each["decided_at"] for each in shown["decisions"]] == [each["decided_at"] for each in told["decisions"]]
    assert by_token["proof"] is None
    assert by_provider["proof"]["subject"] == "dora"


def test_others_get_no_evidence(house: House) -> None:
    path = f"/v1/requests/{house.file().filing.request_id}/evidence"
    assert house.client("mallory").get(path).json()["code"] == "not_found"
    assert house.client("dave").get(path).json()["code"] == "role_required"


def test_a_proof_of_inclusion_leads_to_the_signed_root(house: House) -> None:
    lived(house)
    signed = head_of(house.client("alice").get("/v1/audit/checkpoint").text)
    for seq in range(1, signed.size + 1):
        proof = house.client("alice").get(f"/v1/audit/proofs/inclusion?seq={seq}&size={signed.size}").json()
        parts = [b64decode(part) for part in proof["proof"]]
        assert root_from_inclusion(seq - 1, signed.size, b64decode(proof["leaf_hash"]), parts) == signed.root
        assert b64decode(proof["root"]) == signed.root


def test_a_proof_of_consistency_leads_from_one_checkpoint_to_the_next(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.file()
    anchor, proof = tmp_path / "anchor", tmp_path / "proof"
    anchor.write_text(house.client("alice").get("/v1/audit/checkpoint").text)
    first = head_of(anchor.read_text())
    read_log(house)
    proof.write_text(house.client("alice").get(f"/v1/audit/proofs/consistency?first={first.size}").text)
    following = house.client("alice").get("/v1/audit/checkpoint").text
    assert checked(tmp_path, following, "--anchor", str(anchor), "--consistency", str(proof)) == 0
    assert "not compared" not in capsys.readouterr().out
    forked = f"{first.size}:{b64encode(first.root[::-1]).decode()}"
    assert checked(tmp_path, following, "--head", forked, "--consistency", str(proof)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "inclusion?seq=0",
        "inclusion?seq=1000",
        "inclusion?seq=2&size=1",
        "inclusion?seq=1&size=1000",
        "inclusion?size=1",
        "consistency?first=0",
        "consistency?first=2&second=1",
        "consistency?first=1&second=1000",
        f"consistency?first={2**53}",
    ],
)
def test_what_the_log_does_not_have_is_not_proved(house: House, query: str) -> None:
    house.file()
    assert house.client("alice").get(f"/v1/audit/proofs/{query}").json()["code"] == "invalid_request"


def test_while_keys_change_a_checkpoint_has_two_signatures_and_either_is_enough(house: House, tmp_path: Path) -> None:
    following = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    house.change(log=Log(ORIGIN, (SIGNER, following), LOG.keys))
    house.file()
    note = house.client("alice").get("/v1/audit/checkpoint").text
    keys = [verifier.read_key(each.verifier_key) for each in (SIGNER, following)]
    assert verifier.open_note(note, keys, "the note")[1] == keys
    assert checked(tmp_path, note) == 0
    (tmp_path / "note").write_text(note)
    assert verifier.main(["--key", following.verifier_key, str(tmp_path / "note")]) == 0


def test_nothing_that_can_be_changed_is_signed(house: House, tmp_path: Path) -> None:
    """The service's own role can write this row; a head is made of what that role cannot change."""
    alice, audrey = house.client("alice"), house.client("audrey")
    with begin(house.ctx.engine) as tx:
        size, root = audit.head(tx), tree.over(tx, audit.head(tx)).frontier.root()
        tx.execute(update(audit_tree).values(size=2**62, root="ab" * 32))
    head = f"{size}:{b64encode(root).decode()}"
    assert checked(tmp_path, alice.get("/v1/audit/checkpoint").text, "--head", head) == 0
    assert checked(tmp_path, audrey.get("/v1/audit/export").text, "--head", head) == 0


def test_of_a_log_with_a_hole_nothing_is_shown_that_needs_a_proof(house: House) -> None:
    request, path = house.file(), "/v1/audit/proofs"
    house.file(account_id=BOTH)
    with as_its_owner(house) as tx:
        tx.execute(text("DELETE FROM audit_events WHERE seq = 1"))
        tx.execute(text("DELETE FROM audit_nodes"))
    for asked in (
        "/v1/audit/checkpoint",
        f"{path}/inclusion?seq=2",
        f"{path}/consistency?first=1",
        f"/v1/requests/{request.filing.request_id}/evidence",
    ):
        assert house.client("alice").get(asked).json()["code"] == "unavailable", asked


def test_what_an_earlier_version_filed_has_evidence(house: House, tmp_path: Path) -> None:
    path = f"/v1/requests/{house.file().filing.request_id}/evidence"
    with as_its_owner(house) as tx:
        tx.execute(text("DELETE FROM audit_nodes"))
    assert checked(tmp_path, house.client("alice").get(path).text) == 0


def test_keys_are_listed_for_everybody_who_is_signed_in(house: House) -> None:
    listed = house.client("mallory").get("/v1/audit/keys").json()
    assert listed == {"origin": ORIGIN, "keys": [{"key": SIGNER.verifier_key, "since": None, "until": None}]}


def test_reading_the_log_is_in_the_log_once_an_hour_and_before_it_is_shown(house: House) -> None:
    assert [event["event"] for event in read_log(house)][-1] == "log.read"
    read_log(house)
    house.client("audrey").get("/v1/audit/export")
    reads = [event for event in read_log(house) if event["event"] == "log.read"]
    assert [(event["actor"]["subject"], event["data"]["what"]) for event in reads] == [
        ("audrey", "events"),
        ("audrey", "export"),
    ]


def test_whoever_took_part_reads_the_own_evidence_without_an_event(house: House) -> None:
    request = house.file()
    for reader in ("alice", "audrey"):
        house.client(reader).get(f"/v1/requests/{request.filing.request_id}/evidence")
    reads = [event["actor"]["subject"] for event in read_log(house) if event["data"].get("what") == "evidence"]
    assert reads == ["audrey"]


def test_a_log_that_cannot_be_told_of_a_reading_is_not_read(house: House) -> None:
    house.file()
    house.token("audrey")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.workflow.audit.tell", _fail)
        answer = house.client("audrey").get("/v1/audit/events")
    assert answer.status_code == 500
    assert "request.filed" not in answer.text


def _fail(*_: object, **__: object) -> None:
    raise OSError("disk full")
