"""Signing over HTTP: what is given to sign, what is taken, and every refusal."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from support.builders import ACCOUNT
from support.house import House
from support.products import openssh
from support.signers import FileKey, ed25519_of
from support.signing import BOB, CAROL, DAVE, SPARE, begin_signing, enrol, restart, signed

from service import verifier
from service.domain.roster import Reason, RevokedBy
from service.domain.statement import Namespace
from service.signing.sshsig import to_be_signed
from service.workflow.context import Log
from service.workflow.signing_keys import MOST_KEYS, revoke


@pytest.fixture
def house(either_house: House) -> House:
    return begin_signing(either_house)


def filed(house: House) -> str:
    return house.file().filing.request_id


def statement(house: House, person: str, request_id: str, **wanted: Any) -> dict[str, Any]:
    answer = house.client(person).get(f"/v1/requests/{request_id}/statement", params=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_statement_is_what_the_digest_covers_and_the_blob_what_a_key_signs(house: House) -> None:
    request = house.file()
    told = statement(house, "bob", request.filing.request_id)
    assert hashlib.sha256(told["filing"].encode()).hexdigest() == told["digest"] == request.digest
    assert base64.b64decode(told["blob"]) == to_be_signed(told["statement"].encode(), told["namespace"])
    said = json.loads(told["statement"])
    assert (said["person"], said["decision"], said["digest"], said["log"]) == (
        "bob",
        "approve",
        request.digest,
        told["head"],
    )
    assert [key["fingerprint"] for key in told["keys"]] == [BOB.public.fingerprint]


def test_whoever_kept_a_head_is_shown_that_the_log_has_only_grown(house: House) -> None:
    request_id = filed(house)
    kept = statement(house, "bob", request_id)["head"]
    house.client("audrey").get("/v1/audit/events")  # which is an event
    later = statement(house, "bob", request_id, size=kept["size"])
    proof = [base64.b64decode(part) for part in later["consistency"]]
    first, second = ((head["size"], bytes.fromhex(head["root"])) for head in (kept, later["head"]))
    verifier.check_consistency(first[0], second[0], first[1], second[1], proof)
    assert first[0] < second[0]


def test_a_size_that_the_log_does_not_have_is_refused(house: House) -> None:
    answer = house.client("bob").get(f"/v1/requests/{filed(house)}/statement", params={"size": 10_000})
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, ["query", "size"])


@pytest.mark.skipif(openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here")
def test_a_new_approver_enrols_and_approves_with_ssh_keygen(house: House, tmp_path: Path) -> None:
    """From the key to the executed request, over HTTP alone."""
    file = openssh.generate(tmp_path, "ed25519")
    dave, line = house.client("dave"), file.with_name(f"{file.name}.pub").read_text()
    told = dave.post("/v1/me/signing-keys/statement", json={"key": line}).json()
    body = {"name": "laptop", "statement": told["statement"]}
    body["signature"] = openssh.sign(file, told["statement"].encode(), told["namespace"])
    key = dave.post("/v1/me/signing-keys", json=body).json()
    assert (key["fingerprint"], key["counts"], key["fault"]) == (openssh.fingerprint(line), False, "not-endorsed")
    for person, signer in (("bob", BOB), ("carol", CAROL)):
        endorser, path = house.client(person), f"/v1/signing-keys/{key['id']}/endorsement"
        told = endorser.post(f"{path}/statement").json()
        assert told["key"]["words"] == key["words"]
        signature = signer.sign(told["statement"].encode(), told["namespace"])
        key = endorser.post(path, json={"statement": told["statement"], "signature": signature}).json()
    assert key["counts"]

    request_id = filed(house)
    for person in ("dave", "bob"):
        told = statement(house, person, request_id)
        message = told["statement"].encode()
        signature = (
            openssh.sign(file, message, told["namespace"]) if person == "dave" else BOB.sign(message, told["namespace"])
        )
        decision = {"decision": "approve", "digest": told["digest"], "statement": told["statement"]}
        answer = house.client(person).post(
            f"/v1/requests/{request_id}/decisions", json=decision | {"signature": signature}
        )
        assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "approved"
    assert [made["void_because"] for made in answer.json()["decisions"]] == [None, None]
    assert openssh.Verifier(tmp_path, line.rpartition(" ")[0]).accepts(
        answer.json()["decisions"][0]["signature"],
        answer.json()["decisions"][0]["statement"].encode(),
        Namespace.DECISION,
    )
    assert house.client("alice").post(f"/v1/requests/{request_id}/execution").status_code == 200


def test_a_passkey_enrols_by_what_the_browser_gives(house: House) -> None:
    spki = base64.b64encode(DAVE.spki).decode()
    told = house.client("dave").post("/v1/me/signing-keys/statement", json={"passkey": spki}).json()
    assert json.loads(told["statement"])["key"] == DAVE.public.text


def test_everybody_s_keys_are_told_with_their_endorsers(house: House) -> None:
    enrol(house, "dave", None, "bob")
    told = house.client("audrey").get("/v1/signing-keys").json()["items"]
    shown = [(key["person"]["subject"], key["counts"], [who["name"] for who in key["endorsers"]]) for key in told]
    assert shown == [("bob", True, []), ("carol", True, []), ("dave", False, ["Bob"])]
    assert {key["endorsements_needed"] for key in told} == {2}


def test_registering_endorsing_and_revoking_again_changes_nothing(house: House) -> None:
    key_id = enrol(house, "dave", None, "bob", "carol")

    def size() -> int:
        found: int = statement(house, "bob", request_id)["head"]["size"]
        return found

    request_id = filed(house)
    before = size()
    assert enrol(house, "dave", None, "bob", "carol") == key_id
    assert size() == before
    for _ in range(2):
        path = f"/v1/me/signing-keys/{key_id}/revocation"
        told = house.client("dave").post(path, json={"reason": "retired"}).json()
        assert (told["counts"], told["fault"], len(told["revocations"])) == (False, "revoked", 1)
    assert size() == before + 1
    told = (
        house.client("oscar")
        .post(f"/v1/signing-keys/{key_id}/revocation", json={"reason": "compromised", "since": 2})
        .json()
    )
    assert [(each["reason"], each["by"]) for each in told["revocations"]] == [
        ("retired", "person"),
        ("compromised", "operator"),
    ]


def test_a_person_cannot_fill_the_log_with_revocations(house: House) -> None:
    key_id = enrol(house, "dave")
    path = f"/v1/me/signing-keys/{key_id}/revocation"
    log = range(statement(house, "bob", filed(house))["head"]["size"], -1, -1)
    told = [house.client("dave").post(path, json={"reason": "compromised", "since": since}).json() for since in log]
    assert [len(each["revocations"]) for each in told[:6]] == [1, 2, 3, 4, 5, 5]


# --- refusals ---


def register(house: House, person: str, signer: Any = DAVE, *, of: str | None = None) -> Response:
    """Register a key of somebody, or with the statement of somebody else."""
    told = house.client(of or person).post("/v1/me/signing-keys/statement", json={"key": signer.public.text}).json()
    signature = signer.sign(told["statement"].encode(), told["namespace"])
    body = {"name": "laptop", "statement": told["statement"], "signature": signature}
    return house.client(person).post("/v1/me/signing-keys", json=body)


def endorse(house: House, person: str, key_id: str, signer: Any = BOB, *, of: str | None = None) -> Response:
    path = f"/v1/signing-keys/{key_id}/endorsement"
    told = house.client(of or person).post(f"{path}/statement").json()
    signature = signer.sign(told["statement"].encode(), told["namespace"])
    return house.client(person).post(path, json={"statement": told["statement"], "signature": signature})


def revoked(house: House) -> str:
    key_id = enrol(house, "dave")
    revoke(house.ctx, house.actor("dave"), key_id, Reason.RETIRED, by=RevokedBy.PERSON)
    return key_id


def too_many(house: House) -> Response:
    for number in range(MOST_KEYS):
        enrol(house, "dave", FileKey(private=ed25519_of(bytes([number]))))
    return register(house, "dave")


def decide(house: House, person: str, pair: tuple[str, str] | None, request_id: str, digest: str) -> Response:
    decision = {"decision": "approve", "digest": digest}
    decision |= {} if pair is None else {"statement": pair[0], "signature": pair[1]}
    return house.client(person).post(f"/v1/requests/{request_id}/decisions", json=decision)


def approval(house: House, person: str, of: str | None, signer: Any = None) -> Response:
    request = house.file()
    pair = None if of is None else signed(house, request, of, signer)
    return decide(house, person, pair, request.filing.request_id, request.digest)


def without_a_name(house: House) -> Response:
    restart(house, log=Log())
    return house.client("bob").post("/v1/me/signing-keys/statement", json={"key": SPARE.public.text})


def after_the_revocation(house: House) -> Response:
    revoked(house)
    return register(house, "dave")


def of_a_machine(house: House) -> Response:
    return house.client("robo").get("/v1/me/signing-keys")


REFUSED: dict[str, tuple[int, str, Callable[[House], Response]]] = {
    "no signature": (403, "signature_required", lambda house: approval(house, "bob", None)),
    "a key of nobody": (403, "key_not_endorsed", lambda house: approval(house, "bob", "bob", SPARE)),
    "another's statement": (422, "wrong_signature", lambda house: approval(house, "bob", "carol")),
    "a registration with another's statement": (
        422,
        "wrong_signature",
        lambda house: register(house, "dave", of="bob"),
    ),
    "an endorsement with another's statement": (
        422,
        "wrong_signature",
        lambda house: endorse(house, "bob", enrol(house, "dave"), of="carol"),
    ),
    "an endorsement by a key of nobody": (
        403,
        "key_not_endorsed",
        lambda house: endorse(house, "bob", enrol(house, "dave"), SPARE),
    ),
    "one's own key": (403, "self_endorsement", lambda house: endorse(house, "dave", enrol(house, "dave"), of="bob")),
    "another's key": (409, "key_taken", lambda house: register(house, "dave", BOB)),
    "a revoked key": (409, "key_revoked", after_the_revocation),
    "an endorsement of a revoked key": (
        409,
        "key_revoked",
        lambda house: house.client("bob").post(f"/v1/signing-keys/{revoked(house)}/endorsement/statement"),
    ),
    "too many keys": (409, "too_many_keys", too_many),
    "a key that is none": (
        422,
        "wrong_key",
        lambda house: house.client("bob").post("/v1/me/signing-keys/statement", json={"key": "ssh-dss AAAA"}),
    ),
    "a log without a name": (409, "log_without_name", without_a_name),
    "a requester": (403, "role_required", lambda house: register(house, "alice", of="bob")),
    "a machine": (403, "machine_may_not_decide", of_a_machine),
    "everybody's keys for a requester": (
        403,
        "role_required",
        lambda house: house.client("alice").get("/v1/signing-keys"),
    ),
    "a revocation by somebody else": (
        404,
        "not_found",
        lambda house: house.client("bob").post(
            f"/v1/me/signing-keys/{enrol(house, 'dave')}/revocation", json={"reason": "retired"}
        ),
    ),
    "a revocation by an approver": (
        403,
        "role_required",
        lambda house: house.client("bob").post(
            f"/v1/signing-keys/{enrol(house, 'dave')}/revocation", json={"reason": "retired"}
        ),
    ),
    "a revocation from a head to come": (
        422,
        "invalid_request",
        lambda house: house.client("oscar").post(
            f"/v1/signing-keys/{enrol(house, 'dave')}/revocation", json={"reason": "compromised", "since": 10_000}
        ),
    ),
    "a statement alone": (
        422,
        "invalid_request",
        lambda house: house.client("bob").post(
            f"/v1/requests/{filed(house)}/decisions",
            json={"decision": "approve", "digest": "0" * 64, "statement": "{}"},
        ),
    ),
    "two keys at once": (
        422,
        "invalid_request",
        lambda house: house.client("bob").post(
            "/v1/me/signing-keys/statement", json={"key": SPARE.public.text, "passkey": "A" * 100}
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_says_why(house: House, name: str) -> None:
    status, code, provoke = REFUSED[name]
    answer = provoke(house)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ACCOUNT not in answer.text


def test_without_a_fresh_sign_in_nobody_registers_or_endorses(house: House) -> None:
    key_id = enrol(house, "dave")
    restart(house, policy=replace(house.ctx.policy, decision_requires_auth_time=True))
    assert register(house, "dave", SPARE).json()["code"] == "sign_in_again"
    assert endorse(house, "bob", key_id).json()["code"] == "sign_in_again"
