"""Lists that come in pages: all of them are read, and no list is followed for ever."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.answers import on_body
from support.builders import ACCOUNT, MANAGEMENT, MEMBER, NOON
from support.house import manager_of, source_of

from service.aws.organization import KnownAccounts, Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Part, RootCredentials, SourceKind
from service.domain.capability import Plan
from service.domain.errors import Unavailable
from service.simulated_aws import Rewritten, SimulatedAws

_MEMBER = Account(account_id=MEMBER, name="member", has_profile=False, organization="main")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, MEMBER], management_account=MANAGEMENT) as aws:
        aws.create_root_key(MEMBER)
        for _ in range(2):
            aws.add_mfa_device(MEMBER)
            aws.add_signing_certificate(MEMBER)
        yield aws


def observed(aws: SimulatedAws) -> RootCredentials:
    roots = AwsRoots({ACCOUNT: source_of(aws, ACCOUNT)}, {"main": AssumedRoot(manager_of(aws), "us-east-1")})
    with roots.sign_in(_MEMBER, Plan(SourceKind.ASSUME_ROOT)) as root:
        return root.observe(NOON, Part.MFA_DEVICES, Part.SIGNING_CERTIFICATES)


@pytest.mark.parametrize("page_size", [1, 2, None])
def test_what_stands_on_later_pages_is_there_too(aws: SimulatedAws, page_size: int | None) -> None:
    aws.page_size = page_size
    found = observed(aws)
    assert found.statuses == aws.keys(MEMBER)
    assert found.mfa_devices == tuple(sorted(aws.mfa_devices(MEMBER)))
    assert {each.certificate_id: each.status for each in found.signing_certificates or ()} == aws.signing_certificates(
        MEMBER
    )
    pages = {1: (2, 3, 2), 2: (1, 2, 1), None: (1, 1, 1)}[page_size]
    calls = ("ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
    assert tuple(aws.count(call) for call in calls) == pages


@pytest.mark.parametrize("call", ["ListAccessKeys", "ListMFADevices", "ListSigningCertificates"])
@pytest.mark.parametrize("marker", ["0", "", None])
def test_a_list_that_does_not_go_on_where_it_says_is_an_account_out_of_reach(
    aws: SimulatedAws, call: str, marker: str | None
) -> None:
    aws.page_size = 1
    said = "" if marker is None else f"<Marker>{marker}</Marker>"
    aws.fault(call, Rewritten(on_body(lambda body: body.replace("<Marker>1</Marker>", said))), times=1000)
    with pytest.raises(Unavailable) as refused:
        observed(aws)
    assert call in refused.value.exact
    assert aws.count(call) <= 3


def test_a_list_without_an_end_is_given_up(aws: SimulatedAws) -> None:
    numbers = itertools.count(10)

    def endless(body: str) -> str:
        more = f"<IsTruncated>true</IsTruncated><Marker>{next(numbers)}</Marker>"
        return body.replace("<IsTruncated>false</IsTruncated>", more)

    aws.fault("ListMFADevices", Rewritten(on_body(endless)), times=10_000)
    with pytest.raises(Unavailable) as refused:
        observed(aws)
    assert "ListMFADevices: The answer was none that AWS gives: Marker" in refused.value.exact
    assert aws.count("ListMFADevices") == 100


def test_one_key_on_two_pages_is_an_account_out_of_reach(aws: SimulatedAws) -> None:
    """Two keys that are one would count as the two that AWS allows."""
    ids = sorted(aws.keys(MEMBER))
    aws.fault("ListAccessKeys", Rewritten(on_body(lambda body: body.replace(ids[0], ids[1]))))
    with pytest.raises(Unavailable) as refused:
        observed(aws)
    assert "AccessKeyId" in refused.value.exact


def test_an_organization_that_goes_round_in_circles_is_given_up(aws: SimulatedAws) -> None:
    tokens = itertools.cycle(["from-0", "from-1"])
    circle = on_body(lambda _: f'{{"Accounts": [], "NextToken": "{next(tokens)}"}}')
    aws.fault("ListAccounts", Rewritten(circle), times=100_000)
    known = KnownAccounts({}, {"main": Organization("main", manager_of(aws), Listing(refresh=timedelta(hours=1)))})
    with pytest.raises(Unavailable) as refused:
        known.every()
    assert "ListAccounts: The answer was none that AWS gives: NextToken" in refused.value.exact
    assert aws.count("ListAccounts") == 3
