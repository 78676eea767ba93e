"""AWS Organizations at the simulated AWS: its lists, the states of accounts, and who administers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from aws.asking import ACCOUNT, AUDIT, MANAGEMENT, OTHER, caller_arn, client, refusal, root_session
from botocore.exceptions import ConnectionClosedError

from service.simulated_aws import (
    AccountState,
    ConnectionLostBefore,
    Credential,
    Delay,
    Fault,
    Refuse,
    ServerError,
    ServerErrorAfter,
    SimulatedAws,
    Throttle,
)


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    """OTHER is the delegated administrator."""
    with SimulatedAws(
        [ACCOUNT, OTHER], management_account=MANAGEMENT, delegated_administrator=OTHER, names={ACCOUNT: "production"}
    ) as simulated:
        yield simulated


@pytest.fixture
def organizations(aws: SimulatedAws) -> Any:
    return client(aws, "organizations", aws.management_credential())


def large(members: int) -> SimulatedAws:
    return SimulatedAws([f"{number:012}" for number in range(1, members + 1)], management_account=MANAGEMENT)


def listed(organizations: Any) -> list[dict[str, Any]]:
    pages = organizations.get_paginator("list_accounts").paginate()
    return [account for page in pages for account in page["Accounts"]]


# --- listing ---


def test_account_is_listed_with_all_that_aws_tells(organizations: Any) -> None:
    (account,) = (a for a in listed(organizations) if a["Id"] == ACCOUNT)
    assert abs(account.pop("JoinedTimestamp") - datetime.now(UTC)) < timedelta(minutes=1)
    assert account == {
        "Id": ACCOUNT,
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-simulated00/{ACCOUNT}",
        "Email": f"account-{ACCOUNT}@example.com",
        "Name": "production",
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "JoinedMethod": "CREATED",
    }


def test_all_accounts_are_listed_with_the_managing_one(organizations: Any) -> None:
    names = {account["Id"]: account["Name"] for account in listed(organizations)}
    assert names == {ACCOUNT: "production", OTHER: "account-6666", MANAGEMENT: "account-7777"}


def test_pages_have_twenty_accounts_and_an_empty_one_is_between_them() -> None:
    with large(members=44) as aws:
        organizations = client(aws, "organizations", aws.management_credential())
        pages = [page["Accounts"] for page in organizations.get_paginator("list_accounts").paginate()]
        assert [len(page) for page in pages] == [20, 0, 20, 5]
        assert len({account["Id"] for page in pages for account in page}) == 45
        assert aws.count("ListAccounts") == 4


def test_page_is_as_small_as_asked(organizations: Any) -> None:
    first = organizations.list_accounts(MaxResults=1)
    empty = organizations.list_accounts(MaxResults=1, NextToken=first["NextToken"])
    second = organizations.list_accounts(MaxResults=1, NextToken=empty["NextToken"])
    assert [len(page["Accounts"]) for page in (first, empty, second)] == [1, 0, 1]


def test_what_fits_one_page_has_no_next_token(organizations: Any) -> None:
    assert "NextToken" not in organizations.list_accounts()


@pytest.mark.parametrize("arguments", [{"MaxResults": 21}, {"NextToken": "invented"}])
def test_bad_page_is_refused(organizations: Any, arguments: dict[str, Any]) -> None:
    assert refusal(partial(organizations.list_accounts, **arguments)) == ("InvalidInputException", 400)


# --- units and tags ---


def test_root_holds_units_and_the_accounts_beside_them(aws: SimulatedAws, organizations: Any) -> None:
    (root,) = organizations.list_roots()["Roots"]
    assert (root["Id"], root["Arn"]) == (
        aws.organization_root,
        f"arn:aws:organizations::{MANAGEMENT}:root/o-simulated00/{aws.organization_root}",
    )
    outer = aws.add_unit("outer")
    inner = aws.add_unit("inner", outer)
    aws.move_account(ACCOUNT, inner)
    (unit,) = organizations.list_organizational_units_for_parent(ParentId=root["Id"])["OrganizationalUnits"]
    assert unit == {
        "Id": outer,
        "Name": "outer",
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:ou/o-simulated00/{outer}",
    }
    members = {
        parent: [each["Id"] for each in organizations.list_accounts_for_parent(ParentId=parent)["Accounts"]]
        for parent in (root["Id"], outer, inner)
    }
    assert members == {root["Id"]: [OTHER, MANAGEMENT], outer: [], inner: [ACCOUNT]}


def test_tags_are_listed_as_they_were_set(aws: SimulatedAws, organizations: Any) -> None:
    aws.set_tags(ACCOUNT, {"env": "prod", "café": ""})
    tags = organizations.list_tags_for_resource(ResourceId=ACCOUNT)["Tags"]
    assert tags == [{"Key": "env", "Value": "prod"}, {"Key": "café", "Value": ""}]
    assert organizations.list_tags_for_resource(ResourceId=OTHER)["Tags"] == []


@pytest.mark.parametrize("name", ["list_roots", "list_organizational_units_for_parent", "list_accounts_for_parent"])
def test_every_list_has_pages_with_an_empty_one_between_them(aws: SimulatedAws, organizations: Any, name: str) -> None:
    for number in range(3):
        aws.add_unit(f"unit {number}")
    aws.page_size = 1
    arguments = {} if name == "list_roots" else {"ParentId": aws.organization_root}
    pages = [len(page[_ITEMS[name]]) for page in organizations.get_paginator(name).paginate(**arguments)]
    assert pages == ([1] if name == "list_roots" else [1, 0, 1, 1])


_ITEMS = {
    "list_roots": "Roots",
    "list_organizational_units_for_parent": "OrganizationalUnits",
    "list_accounts_for_parent": "Accounts",
}


def test_tags_have_pages_too(aws: SimulatedAws, organizations: Any) -> None:
    aws.set_tags(ACCOUNT, {"a": "1", "b": "2"})
    aws.page_size = 1
    pages = organizations.get_paginator("list_tags_for_resource").paginate(ResourceId=ACCOUNT)
    assert [[tag["Key"] for tag in page["Tags"]] for page in pages] == [["a"], [], ["b"]]


def test_unknown_parents_and_targets_are_refused(organizations: Any) -> None:
    for call in (organizations.list_accounts_for_parent, organizations.list_organizational_units_for_parent):
        assert refusal(partial(call, ParentId="ou-sim0-99999999")) == ("ParentNotFoundException", 400)
    unknown = partial(organizations.list_tags_for_resource, ResourceId="999999999999")
    assert refusal(unknown) == ("TargetNotFoundException", 400)


def test_a_fault_of_an_account_meets_only_the_call_for_its_tags(aws: SimulatedAws, organizations: Any) -> None:
    aws.fault("ListTagsForResource", Throttle(), account_id=ACCOUNT)
    assert organizations.list_tags_for_resource(ResourceId=OTHER)["Tags"] == []
    throttled = partial(organizations.list_tags_for_resource, ResourceId=ACCOUNT)
    assert refusal(throttled) == ("TooManyRequestsException", 400)


def test_unknown_accounts_and_units_are_key_errors(aws: SimulatedAws) -> None:
    unit = aws.add_unit("unit")
    for change in (
        partial(aws.move_account, ACCOUNT, "ou-sim0-99999999"),
        partial(aws.move_account, "999999999999", unit),
        partial(aws.set_tags, "999999999999", {}),
        partial(aws.add_unit, "inner", "ou-sim0-99999999"),
    ):
        with pytest.raises(KeyError):
            change()


@pytest.mark.parametrize("account_id", [ACCOUNT, OTHER])
def test_root_may_not_read_units_or_tags(aws: SimulatedAws, account_id: str) -> None:
    root = client(aws, "organizations", aws.root_credential(account_id))
    assert refusal(root.list_roots) == ("AccessDeniedException", 400)
    assert refusal(partial(root.list_tags_for_resource, ResourceId=account_id)) == ("AccessDeniedException", 400)


# --- who may ---


def test_delegated_administrator_may_list_ask_and_assume(aws: SimulatedAws) -> None:
    credential = aws.delegated_credential()
    assert caller_arn(aws, credential) == f"arn:aws:iam::{OTHER}:user/root-access-manager"
    assert len(listed(client(aws, "organizations", credential))) == 3
    assert client(aws, "iam", credential).list_organizations_features()["EnabledFeatures"]
    iam = root_session(aws, client(aws, "sts", credential), AUDIT)("iam")
    assert len(iam.list_access_keys()["AccessKeyMetadata"]) == 1


def test_delegated_administrator_may_not_assume_the_managing_accounts_root(aws: SimulatedAws) -> None:
    sts = client(aws, "sts", aws.delegated_credential())
    assert refusal(partial(root_session, aws, sts, AUDIT, MANAGEMENT)) == ("AccessDenied", 403)


@pytest.mark.parametrize("account_id", [ACCOUNT, OTHER])
def test_root_may_not_list(aws: SimulatedAws, account_id: str) -> None:
    root = client(aws, "organizations", aws.root_credential(account_id))
    assert refusal(root.list_accounts) == ("AccessDeniedException", 400)


def test_root_session_may_not_list(aws: SimulatedAws) -> None:
    session = root_session(aws, client(aws, "sts", aws.management_credential()), AUDIT)
    assert refusal(session("organizations").list_accounts) == ("AccessDeniedException", 400)


def test_iam_user_of_the_managing_account_needs_the_permission(aws: SimulatedAws, organizations: Any) -> None:
    user = aws._accounts.by_id[MANAGEMENT]
    user.create_user("us-east-1", "alice")
    alice = client(aws, "organizations", user.create_credential("alice"))
    assert refusal(alice.list_accounts) == ("AccessDeniedException", 400)
    user.put_user_policy(
        "alice",
        "list",
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "organizations:List*", "Resource": "*"}}',
    )
    assert listed(alice) == listed(organizations)


def test_without_an_organization_nothing_is_listed() -> None:
    with SimulatedAws([ACCOUNT]) as aws:
        root = client(aws, "organizations", aws.root_credential(ACCOUNT))
        assert refusal(root.list_accounts) == ("AWSOrganizationsNotInUseException", 400)


def test_without_the_accounts_their_credentials_are_a_lookup_error() -> None:
    aws = SimulatedAws([ACCOUNT])
    for credential in (aws.management_credential, aws.delegated_credential):
        with pytest.raises(LookupError, match="this AWS has no"):
            credential()


@pytest.mark.parametrize(
    "arguments",
    [
        {"delegated_administrator": OTHER},
        {"management_account": OTHER, "delegated_administrator": OTHER},
        {"names": {OTHER: "elsewhere"}},
    ],
)
def test_impossible_organizations_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"delegated administrator|do not exist"):
        SimulatedAws([ACCOUNT], **arguments)


# --- the JSON protocol ---


def test_unknown_key_is_refused_in_the_words_of_a_json_service(aws: SimulatedAws) -> None:
    stranger = client(aws, "organizations", Credential("AKIAAAAAAAAAAAAAAAAA", "x" * 40))
    assert refusal(stranger.list_accounts) == ("UnrecognizedClientException", 400)


def test_wrong_secret_is_refused_in_the_words_of_a_json_service(aws: SimulatedAws) -> None:
    forged = Credential(aws.management_credential().access_key_id, "x" * 40)
    organizations = client(aws, "organizations", forged)
    assert refusal(organizations.list_accounts) == ("InvalidSignatureException", 400)


def test_of_organizations_only_lists_are_simulated(aws: SimulatedAws) -> None:
    root = client(aws, "organizations", aws.root_credential(ACCOUNT))
    assert refusal(root.describe_organization) == ("UnknownOperationException", 400)


def test_error_has_its_code_in_the_body_and_in_the_header(aws: SimulatedAws, organizations: Any) -> None:
    answers: list[Any] = []
    organizations.meta.events.register(
        "after-call.organizations.ListAccounts", lambda http_response, **_: answers.append(http_response)
    )
    aws.fault("ListAccounts", Throttle())
    refusal(organizations.list_accounts)
    (answer,) = answers
    assert answer.headers["x-amzn-ErrorType"] == "TooManyRequestsException"
    assert b'"__type": "TooManyRequestsException"' in answer.content


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Throttle(), ("TooManyRequestsException", 400)),
        (ServerError(), ("ServiceException", 500)),
        (ServerErrorAfter(), ("ServiceException", 500)),
        (ServerError(503), ("ServiceUnavailable", 503)),
        (Refuse("AccessDenied"), ("AccessDenied", 403)),
    ],
)
def test_listing_meets_faults(aws: SimulatedAws, organizations: Any, fault: Fault, error: tuple[str, int]) -> None:
    aws.fault("ListAccounts", fault, account_id=MANAGEMENT)
    assert refusal(organizations.list_accounts) == error
    assert listed(organizations)


def test_listing_meets_delays_lost_connections_and_hooks(aws: SimulatedAws, organizations: Any) -> None:
    arrived: list[str] = []
    aws.on("ListAccounts", lambda: arrived.append("hook"))
    aws.fault("ListAccounts", Delay(0.01))
    assert listed(organizations)
    aws.fault("ListAccounts", ConnectionLostBefore())
    with pytest.raises(ConnectionClosedError):
        organizations.list_accounts()
    assert arrived == ["hook"]


def test_listing_is_on_record_with_its_parameters(aws: SimulatedAws, organizations: Any) -> None:
    organizations.list_accounts(MaxResults=2)
    (call,) = aws.calls
    assert (call.action, call.account_id, call.parameters) == ("ListAccounts", MANAGEMENT, {"MaxResults": "2"})


# --- states ---

NOT_ACTIVE: list[AccountState] = ["SUSPENDED", "PENDING_CLOSURE", "CLOSED"]


@pytest.mark.parametrize(
    ("state", "status"),
    [("SUSPENDED", "SUSPENDED"), ("PENDING_CLOSURE", "PENDING_CLOSURE"), ("CLOSED", "SUSPENDED")],
)
def test_state_is_listed_and_the_older_status_beside_it(
    aws: SimulatedAws, organizations: Any, state: AccountState, status: str
) -> None:
    aws.set_account_state(ACCOUNT, state)
    states = {account["Id"]: (account["State"], account["Status"]) for account in listed(organizations)}
    assert states == {ACCOUNT: (state, status), OTHER: ("ACTIVE", "ACTIVE"), MANAGEMENT: ("ACTIVE", "ACTIVE")}


@pytest.mark.parametrize("state", NOT_ACTIVE)
def test_root_of_an_account_that_is_not_active_cannot_be_assumed(aws: SimulatedAws, state: AccountState) -> None:
    sts = client(aws, "sts", aws.management_credential())
    aws.set_account_state(ACCOUNT, state)
    assert refusal(partial(root_session, aws, sts, AUDIT)) == ("AccessDenied", 403)
    aws.set_account_state(ACCOUNT, "ACTIVE")
    root_session(aws, sts, AUDIT)


@pytest.mark.parametrize("state", NOT_ACTIVE)
def test_keys_of_an_account_that_is_not_active_do_not_work(aws: SimulatedAws, state: AccountState) -> None:
    session = root_session(aws, client(aws, "sts", aws.management_credential()), AUDIT)
    aws.set_account_state(ACCOUNT, state)
    refused = ("InvalidClientTokenId", 403)
    assert refusal(partial(caller_arn, aws, aws.root_credential(ACCOUNT))) == refused
    assert refusal(session("iam").list_access_keys) == refused
    aws.set_account_state(ACCOUNT, "ACTIVE")
    assert caller_arn(aws, aws.root_credential(ACCOUNT))
