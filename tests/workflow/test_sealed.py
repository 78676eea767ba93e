"""A secret that is sealed to its recipient's key: nobody else reads it, and nobody replaces it unnoticed."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pyrage import decrypt, x25519
from sqlalchemy import text
from support.builders import ACCOUNT, DELETE, OTHER_ACCOUNT, policy_of
from support.house import House
from support.signers import FileKey, ed25519_of
from support.signing import BOB, begin_signing, enrol

from service.db.engine import begin
from service.domain.demands import Demand, SignedApprovals
from service.domain.errors import Code, ServiceError, Unavailable
from service.domain.policy import SealedDelivery
from service.domain.request import OperationRequest
from service.domain.rules import Rule, Rules
from service.sealing import NotARecipient, seal

RITA = x25519.Identity.generate()
TO_RITA = str(RITA.to_public())
RITAS_SSH_KEY = FileKey(private=ed25519_of(b"rita"))
SEAL = "service.workflow.seal.seal"
REQUIRED = policy_of(sealed_delivery=SealedDelivery.REQUIRED)


def approved(house: House) -> OperationRequest:
    return house.approved(recipient="rita", sealed_to=TO_RITA)


def opened(sealed: str) -> Any:
    return json.loads(decrypt(sealed.encode(), [RITA]))


def test_only_the_holder_of_the_key_reads_the_secret(house: House) -> None:
    request = approved(house)
    answer = house.client("rita").post(f"/v1/requests/{request.filing.request_id}/execution")
    given = answer.json()
    secret = house.aws.secrets(ACCOUNT)[given["access_key_id"]]
    inside = opened(given["sealed"])
    assert secret not in answer.text
    assert inside["secret_access_key"] == secret
    assert (inside["request_id"], inside["account_id"]) == (request.filing.request_id, ACCOUNT)
    assert given["sealed_sha256"] == hashlib.sha256(given["sealed"].encode()).hexdigest()


def test_the_delivery_and_the_receipt_name_the_sealed_file(house: House) -> None:
    request = approved(house)
    path = f"/v1/requests/{request.filing.request_id}"
    sha256 = house.client("rita").post(f"{path}/execution").json()["sealed_sha256"]
    received = house.client("rita").post(f"{path}/receipt", json={"sealed_sha256": sha256})
    assert (received.status_code, received.json()["result"]["sealed_sha256"]) == (200, sha256)
    said = [json.loads(event) for event in house.events(request)]
    named = {event["event"]: event["data"]["result"]["sealed_sha256"] for event in said if "result" in event["data"]}
    assert named == {"execution.delivered": sha256, "receipt.confirmed": sha256}


@pytest.mark.parametrize("body", [None, {}, {"sealed_sha256": "0" * 64}], ids=["none", "empty", "another"])
def test_a_receipt_that_does_not_name_what_was_delivered_is_refused(sqlite_house: House, body: object) -> None:
    request = approved(sqlite_house)
    path, rita = f"/v1/requests/{request.filing.request_id}", sqlite_house.client("rita")
    sha256 = rita.post(f"{path}/execution").json()["sealed_sha256"]
    wrong = rita.post(f"{path}/receipt", json=body)
    assert wrong.json()["code"] == ("invalid_request" if body == {} else "wrong_sealed_digest")
    assert sqlite_house.now(request).status == "delivered"
    assert rita.post(f"{path}/receipt", json={"sealed_sha256": sha256}).json()["status"] == "succeeded"
    again = rita.post(f"{path}/receipt", json=body)
    assert again.status_code == wrong.status_code


def test_a_receipt_cannot_name_a_sealed_file_where_nothing_was_sealed(sqlite_house: House) -> None:
    request = sqlite_house.approved(recipient="rita")
    path, rita = f"/v1/requests/{request.filing.request_id}", sqlite_house.client("rita")
    rita.post(f"{path}/execution")
    assert rita.post(f"{path}/receipt", json={"sealed_sha256": "0" * 64}).json()["code"] == "wrong_sealed_digest"
    assert rita.post(f"{path}/receipt").json()["status"] == "succeeded"


@pytest.mark.parametrize("file", ["rootkey.csv", "credentials.csv", "profile.ini"])
def test_no_file_has_in_clear_what_is_to_be_sealed(sqlite_house: House, file: str) -> None:
    request = approved(sqlite_house)
    refused = sqlite_house.client("rita").post(f"/v1/requests/{request.filing.request_id}/execution/{file}")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_file")
    assert sqlite_house.now(request).status == "approved"


def test_a_comment_behind_an_ssh_key_is_not_filed(sqlite_house: House) -> None:
    key = RITAS_SSH_KEY.public.text
    filed = sqlite_house.file(recipient="rita", sealed_to=f"{key}  rita@laptop\n")
    assert filed.filing.sealed_to == key


def test_what_nothing_can_be_sealed_to_is_refused_before_anybody_is_asked(sqlite_house: House) -> None:
    refused = sqlite_house.client("alice").post(
        "/v1/requests",
        json={
            "operation": "create_access_key",
            "account_id": ACCOUNT,
            "justification": "A key that is typed wrongly.",
            "sealed_to": TO_RITA[:-1],
        },
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_sealed_to")
    assert TO_RITA[:-1] not in refused.text


def test_only_a_new_key_is_sealed(sqlite_house: House) -> None:
    refused = sqlite_house.client("alice").post(
        "/v1/requests",
        json={
            "operation": "delete_access_key",
            "account_id": ACCOUNT,
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "justification": "It has no secret.",
            "sealed_to": TO_RITA,
        },
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_an_idempotency_key_is_good_for_one_key_to_seal_to(sqlite_house: House) -> None:
    draft = sqlite_house.draft(sealed_to=TO_RITA)
    assert draft.hash != replace(draft, sealed_to=None).hash
    assert replace(draft, sealed_to=None).hash == sqlite_house.draft().hash


def test_policy_can_demand_that_new_secrets_are_sealed(sqlite_house: House) -> None:
    before = sqlite_house.approved(recipient="rita")
    sqlite_house.change(policy=REQUIRED)
    assert _refusal(lambda: sqlite_house.file(recipient="rita")) is Code.SEALED_DELIVERY_REQUIRED
    # What was approved under milder rules is judged by today's.
    assert _refusal(lambda: sqlite_house.execute(before, by="rita")) is Code.SEALED_DELIVERY_REQUIRED
    assert "execution.denied" in "".join(sqlite_house.events(before))
    assert sqlite_house.aws.count("CreateAccessKey") == 0


def test_policy_demands_nothing_of_what_makes_no_key(sqlite_house: House) -> None:
    sqlite_house.change(policy=REQUIRED)
    filed = sqlite_house.file(DELETE, sqlite_house.signer, accept_lockout=True)
    assert filed.filing.sealed_to is None


def test_a_rule_can_demand_it_for_some_accounts(sqlite_house: House) -> None:
    sealed = Demand(rule="production", sealed_delivery=True)
    sqlite_house.change(rules=Rules((Rule(demand=sealed, accounts=frozenset({ACCOUNT})),)))
    assert _refusal(lambda: sqlite_house.file(recipient="rita")) is Code.SEALED_DELIVERY_REQUIRED
    filed = sqlite_house.file(recipient="rita", sealed_to=TO_RITA)
    assert filed.filing.document()["demands"] == [{"rule": "production", "sealed_delivery": True}]
    assert sqlite_house.file(account_id=OTHER_ACCOUNT, recipient="rita").filing.sealed_to is None


def test_a_key_swapped_after_the_approval_is_noticed(house: House) -> None:
    request = approved(house)
    mallory = str(x25519.Identity.generate().to_public())
    house.is_forged = True
    with begin(house.owner) as tx:
        _without_trigger(tx)
        tx.execute(text("UPDATE requests SET terms = :terms"), {"terms": json.dumps({"sealed_to": mallory})})
    assert _refusal(lambda: house.executed(request, by="rita")) is Code.ALTERED
    assert house.aws.count("CreateAccessKey") == 0


def test_a_request_that_lost_the_key_to_seal_to_is_not_executed_in_clear(house: House) -> None:
    request = approved(house)
    house.is_forged = True
    with begin(house.owner) as tx:
        _without_trigger(tx)
        tx.execute(text("UPDATE requests SET terms = NULL"))
    assert _refusal(lambda: house.executed(request, by="rita")) is Code.ALTERED


def _without_trigger(tx: Any) -> None:
    on = " ON requests" if tx.engine.dialect.name == "postgresql" else ""
    tx.execute(text(f"DROP TRIGGER requests_terms_once{on}"))


def test_approvers_see_the_fingerprint(sqlite_house: House) -> None:
    key = RITAS_SSH_KEY.public.text
    request = sqlite_house.file(recipient="rita", sealed_to=key)
    shown = sqlite_house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    fingerprint = shown["sealed_to"]["fingerprint"]
    assert shown["sealed_to"]["key"] == key
    assert fingerprint.startswith("SHA256:")
    assert f"only the holder of the key {fingerprint} can read it" in shown["effect"]


def test_approvers_are_warned_of_a_key_that_is_not_known_as_the_recipients(sqlite_house: House) -> None:
    house = begin_signing(sqlite_house, SignedApprovals.OFF)
    davids = FileKey(private=ed25519_of(b"dave"))
    enrol(house, "dave", davids, "bob", "carol")
    keys = {TO_RITA: ["sealed_to_unknown"], BOB.public.text: ["sealed_to_another"], davids.public.text: []}
    for key, codes in keys.items():
        request = house.file(recipient="dave", sealed_to=key)
        shown = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
        assert [each["code"] for each in shown["warnings"] if each["code"].startswith("sealed_to")] == codes
        house.client("alice").post(f"/v1/requests/{request.filing.request_id}/withdrawal")


def test_without_registered_keys_every_key_is_unknown(sqlite_house: House) -> None:
    request = sqlite_house.file(recipient="rita", sealed_to=TO_RITA)
    shown = sqlite_house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    assert "sealed_to_unknown" in [each["code"] for each in shown["warnings"]]


def test_a_key_that_cannot_be_sealed_to_any_more_costs_nothing(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = approved(sqlite_house)
    monkeypatch.setattr(SEAL, _refusing)
    assert _refusal(lambda: sqlite_house.executed(request, by="rita")) is Code.WRONG_SEALED_TO
    assert sqlite_house.now(request).status == "approved"
    assert sqlite_house.aws.count("CreateAccessKey") == 0


@pytest.mark.parametrize("fault", [NotARecipient("It broke."), MemoryError(), KeyboardInterrupt()], ids=repr)
def test_a_new_key_that_cannot_be_sealed_is_deleted_and_never_shown(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    request = approved(house)
    with _sealing_fails_after_the_create(house, monkeypatch, fault), pytest.raises(BaseException) as raised:  # noqa: PT011  # each of them
        house.executed(request, by="rita")
    assert raised.value is fault or (isinstance(raised.value, Unavailable) and raised.value.code is Code.NOT_RECORDED)
    ended = house.now(request)
    assert (ended.status, ended.result and ended.result.code) == ("failed", "not_sealed")
    assert house.aws.keys(ACCOUNT) == {house.signer: "Active"}


@contextmanager
def _sealing_fails_after_the_create(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> Iterator[None]:
    def failing(sealed_to: str, content: bytes) -> str:
        if house.aws.count("CreateAccessKey"):
            raise fault
        return seal(sealed_to, content)

    with monkeypatch.context() as patched:
        patched.setattr(SEAL, failing)
        yield


def _refusing(_sealed_to: str, _content: bytes) -> str:
    raise NotARecipient("It is not taken any more.")


def _refusal(act: Callable[[], object]) -> Code:
    with pytest.raises(ServiceError) as refused:
        act()
    return refused.value.code
