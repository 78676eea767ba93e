"""The report on a drill, and the approvers' signs of life."""

from datetime import timedelta
from typing import Any

import pytest
from support.builders import ACCOUNT, DEACTIVATE
from support.house import House
from support.signing import KEYS, approve, begin_signing

from service.domain.request import Verdict
from service.workflow.decide import confirm_receipt, decide


def got(house: House, path: str, by: str = "oscar") -> Any:
    answer = house.client(by).get(f"/v1/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_report_says_who_answered_how_fast_and_by_which_means_and_who_did_not(house: House) -> None:
    drill = house.file(recipient="rita", drill=True)
    house.clock.advance(timedelta(minutes=5))
    house.approve(drill, "carol")
    house.clock.advance(timedelta(minutes=5))
    ann = house.by_provider("ann", "root-approvers", amr=("pwd", "hwk"))
    decide(house.ctx, ann, drill.filing.request_id, Verdict.APPROVE, digest=drill.digest, comment=None)
    house.clock.advance(timedelta(seconds=30))
    house.execute(drill, by="rita")
    house.clock.advance(timedelta(seconds=10))
    confirm_receipt(house.ctx, house.actor("rita"), drill.filing.request_id)

    report = got(house, f"requests/{drill.filing.request_id}/drill")
    found = {each["name"]: (each["after_seconds"], each["methods"], each["key"]) for each in report["people"]}
    assert list(found.items()) == [
        ("Carol", (300, None, None)),
        ("Ann", (600, ["pwd", "hwk"], None)),
        ("Bob", (None, None, None)),
        ("Dave", (None, None, None)),
    ]
    passed = [report[f"{step}_after_seconds"] for step in ("approved", "executed", "confirmed")]
    assert (report["status"], passed) == ("succeeded", [600, 30, 10])


def test_the_report_names_the_key_that_signed(house: House) -> None:
    drill = begin_signing(house).file(drill=True)
    approve(house, drill, "bob")
    people = got(house, f"requests/{drill.filing.request_id}/drill")["people"]
    assert {each["subject"]: each["key"] for each in people} == {
        "bob": KEYS["bob"].public.fingerprint,
        "carol": None,
    }


def test_a_rejection_is_an_answer(house: House) -> None:
    drill = house.file(drill=True)
    decide(house.ctx, house.actor("bob"), drill.filing.request_id, Verdict.REJECT, digest=drill.digest, comment="No.")
    [bob, *_] = got(house, f"requests/{drill.filing.request_id}/drill", "audrey")["people"]
    assert (bob["subject"], bob["decision"]) == ("bob", "reject")


def test_there_is_no_report_on_a_real_request(house: House) -> None:
    answer = house.client("oscar").get(f"/v1/requests/{house.file().filing.request_id}/drill")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("by", "status"), [("alice", 403), ("bob", 403), ("mallory", 404)])
def test_only_operators_and_auditors_have_the_report(house: House, by: str, status: int) -> None:
    drill = house.file(drill=True)
    answer = house.client(by).get(f"/v1/requests/{drill.filing.request_id}/drill")
    assert answer.status_code == status


def test_approvers_are_listed_by_their_last_sign_of_life(house: House) -> None:
    house.by_provider("ann", "root-approvers")
    house.clock.advance(timedelta(minutes=1))
    house.approve(house.file(DEACTIVATE, house.signer, accept_lockout=True), "carol")
    house.clock.advance(timedelta(minutes=1))
    drill = house.file(drill=True)
    house.approve(drill, "bob")
    house.approve(drill, "carol")

    found = got(house, "approvers")["items"]
    assert [each["name"] for each in found] == ["Dave", "Ann", "Bob", "Carol"]
    dave, ann, bob, _ = found
    assert (dave["proved_at"], ann["decision"], bob["seen_at"]) == (None, None, None)
    assert ann["proved_at"] == ann["seen_at"] is not None
    assert bob["decision"] == {
        "request_id": drill.filing.request_id,
        "drill": True,
        "decided_at": bob["proved_at"],
        "signed": False,
    }
    assert house.client("bob").get("/v1/approvers").status_code == 403


def test_a_drill_is_marked_wherever_the_api_shows_it(house: House) -> None:
    alice = house.client("alice")
    body = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": "Drill of this quarter."}
    for drill in (True, False):
        asked = body | {"drill": drill}
        previewed, filed = alice.post("/v1/previews", json=asked).json(), alice.post("/v1/requests", json=asked).json()
        [listed] = [each for each in alice.get("/v1/requests").json()["items"] if each["id"] == filed["id"]]
        read = alice.get(f"/v1/requests/{filed['id']}").json()
        for shown in (previewed, filed, listed, read):
            assert (shown["drill"], shown["effect"].startswith("DRILL: nothing changes in AWS")) == (drill, drill)


def test_a_drill_of_a_create_answers_without_anything_like_a_secret_and_gives_no_file(house: House) -> None:
    path = f"/v1/requests/{house.approved(drill=True).filing.request_id}"
    alice = house.client("alice")
    into_file = alice.post(f"{path}/execution/rootkey.csv")
    assert (into_file.status_code, into_file.json()["code"]) == (409, "no_file")
    executed = alice.post(f"{path}/execution")
    assert executed.status_code == 200
    assert (executed.json()["status"], executed.json()["result"]["code"]) == ("delivered", "drilled")
    assert "secret_access_key" not in executed.text
    assert alice.post(f"{path}/receipt").json()["status"] == "succeeded"
