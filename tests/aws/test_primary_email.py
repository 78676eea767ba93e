"""Reading the root user's e-mail address as the organization."""

import pytest
from aws.asking import ACCOUNT, MANAGEMENT, OTHER, client
from botocore.exceptions import ClientError
from support.house import manager_of

from service.aws.primary_email import primary_email
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Partition
from service.domain.errors import Unavailable
from service.simulated_aws import Refuse, Rewritten, ServerError, SimulatedAws, Throttle

MEMBER = Account(account_id=ACCOUNT, name="x", organization="main")

pytestmark = pytest.mark.usefixtures("no_back_off")


@pytest.mark.parametrize("email", ["root@example.com", "a+b@example.com", "ключ@пример.рф", "half a page <html>"])
def test_an_address_is_read_as_it_is_lest_a_strange_one_pass_unnoticed(aws: SimulatedAws, email: str) -> None:
    aws.set_email(ACCOUNT, email)
    assert primary_email(manager_of(aws), MEMBER) == email


def test_where_the_right_is_missing_there_is_no_address(aws: SimulatedAws) -> None:
    aws.fault("GetPrimaryEmail", Refuse("AccessDenied"))
    assert primary_email(manager_of(aws), MEMBER) is None


@pytest.mark.parametrize(
    "fault",
    [
        ServerError(),
        Throttle(),
        Refuse("ResourceNotFoundException", 404),
        Rewritten(lambda answer: answer.replace(b"PrimaryEmail", b"SomethingElse")),
        Rewritten(lambda _: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nAccessDenied"),
        Rewritten(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
    ],
    ids=["500", "throttled", "not-found", "without-address", "foreign-403", "foreign-200"],
)
def test_any_other_answer_is_a_failure_and_no_missing_right(aws: SimulatedAws, fault: Refuse) -> None:
    aws.fault("GetPrimaryEmail", fault, times=10)
    with pytest.raises(Unavailable) as failed:
        primary_email(manager_of(aws), MEMBER)
    assert "e-mail address cannot be read" in failed.value.detail


@pytest.mark.parametrize(
    "account",
    [
        Account(account_id=ACCOUNT, name="x"),
        Account(account_id=ACCOUNT, name="x", organization="main", partition=Partition.GOV_CLOUD),
    ],
    ids=["stand-alone", "govcloud"],
)
def test_aws_is_asked_for_addresses_of_an_organization_only(aws: SimulatedAws, account: Account) -> None:
    roots = AwsRoots({}, {"main": AssumedRoot(manager_of(aws), "us-east-1")})
    assert roots.email(account) is None
    assert aws.calls == []


def test_the_address_of_the_management_account_is_read_by_the_call_that_tells_it(aws: SimulatedAws) -> None:
    aws.set_email(MANAGEMENT, "boss@example.com")
    account = Account(account_id=MANAGEMENT, name="x", organization="main", is_management=True)
    assert primary_email(manager_of(aws), account) == "boss@example.com"
    aws.fault("DescribeAccount", Refuse("AccessDenied"))
    assert primary_email(manager_of(aws), account) is None
    aws.fault("DescribeAccount", Rewritten(lambda answer: answer.replace(b"Email", b"Liame")))
    with pytest.raises(Unavailable):
        primary_email(manager_of(aws), account)


@pytest.mark.parametrize(
    ("account_id", "code", "status"),
    [(MANAGEMENT, "AccessDeniedException", 403), ("111111111111", "ResourceNotFoundException", 404)],
)
def test_the_simulated_aws_tells_no_address_of_the_manager_or_a_stranger(
    aws: SimulatedAws, account_id: str, code: str, status: int
) -> None:
    asking = client(aws, "account", aws.management_credential())
    with pytest.raises(ClientError) as refused:
        asking.get_primary_email(AccountId=account_id)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_the_simulated_aws_tells_addresses_to_administrators_only(aws: SimulatedAws) -> None:
    aws.set_email(OTHER, "root@example.com")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client(aws, "account", aws.root_credential(ACCOUNT)).get_primary_email(AccountId=OTHER)
