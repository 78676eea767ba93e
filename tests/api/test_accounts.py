"""What is said of an account: what can be done there, by which source, and what is expected."""

from dataclasses import replace
from datetime import timedelta

from support.builders import ACCOUNT, ACCOUNTS, BOTH, MEMBER, OTHER_ACCOUNT, rules
from support.house import House

from service.aws.organization import KnownAccounts
from service.domain.account import Partition
from service.domain.demands import Demand


def capabilities(house: House, account_id: str) -> dict[str, str | None]:
    """Operation → source that would do it."""
    shown = house.client("mallory").get(f"/v1/accounts/{account_id}").json()
    assert all((item["reason"] is None) == item["possible"] for item in shown["capabilities"])
    return {item["operation"]: item["source"] for item in shown["capabilities"]}


def test_each_operation_names_the_source_that_would_do_it(house: House) -> None:
    assert capabilities(house, BOTH) == {
        "create_access_key": "profile",
        "rotate_access_key": "profile",
        "deactivate_access_key": "profile",
        "activate_access_key": "profile",
        "delete_access_key": "assume_root",
        "delete_login_profile": "assume_root",
        "allow_password_recovery": "assume_root",
        "deactivate_mfa_device": "assume_root",
        "delete_signing_certificate": "assume_root",
        "unlock_s3_bucket_policy": "assume_root",
        "unlock_sqs_queue_policy": "assume_root",
    }
    assert capabilities(house, ACCOUNT)["delete_login_profile"] is None
    assert capabilities(house, MEMBER)["create_access_key"] is None
    assert house.aws.calls == []


def needs(house: House, operation: str) -> dict[str, object]:
    shown = house.client("mallory").get(f"/v1/accounts/{ACCOUNT}").json()
    found: dict[str, object] = next(each["needs"] for each in shown["capabilities"] if each["operation"] == operation)
    return found


def test_each_operation_says_what_policy_and_rules_demand_of_a_request_in_this_account(house: House) -> None:
    plain = {"quorum": 2, "ticket_required": False, "lifetime_required": False, "max_lifetime": None}
    assert needs(house, "create_access_key") == needs(house, "delete_access_key") == plain

    demand = Demand(rule="three", quorum=3, ticket_required=True, max_lifetime=timedelta(days=90))
    house.change(rules=rules(demand))

    ruled = {"quorum": 3, "ticket_required": True}
    of_create = ruled | {"lifetime_required": True, "max_lifetime": "P90D"}
    assert needs(house, "create_access_key") == of_create
    assert needs(house, "delete_access_key") == plain | ruled


def test_an_account_in_china_can_do_nothing_and_says_why(house: House) -> None:
    account = replace(ACCOUNTS[ACCOUNT], partition=Partition.CHINA)
    house.change(accounts=KnownAccounts({ACCOUNT: account}))
    shown = house.client("alice").get(f"/v1/accounts/{ACCOUNT}").json()
    assert {item["reason"] for item in shown["capabilities"]} == {"AWS China has no root user."}
    answer = house.client("alice").get(f"/v1/accounts/{ACCOUNT}/root-credentials")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_capable")


def test_what_is_expected_of_an_account_is_shown_after_the_first_look(house: House) -> None:
    path = f"/v1/accounts/{ACCOUNT}"
    assert house.client("alice").get(path).json()["expected"] is None
    look = house.client("oscar").post(f"{path}/drift-check").json()
    assert look["adopted"]
    shown = house.client("alice").get(path).json()["expected"]
    assert shown == look["expected"]
    assert shown["keys"] == [{"access_key_id": house.signer, "status": "Active", "origin": "adopted"}]


def test_accounts_are_listed_with_their_sources(house: House) -> None:
    listed = {item["account_id"]: item["sources"] for item in house.client("alice").get("/v1/accounts").json()}
    assert listed == {
        ACCOUNT: ["profile"],
        OTHER_ACCOUNT: ["profile"],
        MEMBER: ["assume_root"],
        BOTH: ["assume_root", "profile"],
    }


def test_units_and_tags_are_shown_as_they_are_known(house: House) -> None:
    units, tags = frozenset({"r-ab12", "ou-ab12-00000001"}), {"\u00e9nv\u202e": "pr\u0000od\n", "a": ""}
    described = replace(ACCOUNTS[ACCOUNT], units=units, tags=tags)
    house.change(accounts=KnownAccounts({ACCOUNT: described, MEMBER: replace(ACCOUNTS[MEMBER], units=frozenset())}))
    alice = house.client("alice")
    for shown in (alice.get(f"/v1/accounts/{ACCOUNT}").json(), alice.get("/v1/accounts").json()[0]):
        assert (shown["organizational_units"], shown["tags"]) == (sorted(units), tags)
    unknown = alice.get(f"/v1/accounts/{MEMBER}").json()
    assert (unknown["organizational_units"], unknown["tags"]) == ([], None)
