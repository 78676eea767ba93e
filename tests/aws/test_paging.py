"""Lists that come in pages: all of them are read, and no list is followed for ever."""

import itertools
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.answers import Change, on_body, saying
from support.builders import ACCOUNT, MANAGEMENT, MEMBER, NOON
from support.house import manager_of, source_of

from service.aws.organization import KnownAccounts, Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Part, RootCredentials
from service.domain.capability import Plan
from service.domain.errors import Unavailable
from service.simulated_aws import Rewritten, SimulatedAws

_LISTS = ("ListAccessKeys", "ListMFADevices", "ListSigningCertificates")
_OWN = Account(account_id=ACCOUNT, name="production")
_MEMBER = Account(account_id=MEMBER, name="member", has_profile=False, organization="main")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, MEMBER], management_account=MANAGEMENT) as aws:
        aws.create_root_key(MEMBER)
        for _ in range(2):
            aws.add_mfa_device(MEMBER)
            aws.add_signing_certificate(MEMBER)
        yield aws


def observed(aws: SimulatedAws, account: Account = _MEMBER, *, twice: bool = False) -> RootCredentials:
    roots = AwsRoots({ACCOUNT: source_of(aws, ACCOUNT)}, {"main": AssumedRoot(manager_of(aws), "us-east-1")})
    with roots.sign_in(account, Plan(account.sources[0])) as root:
        look = root.observe_twice if twice else root.observe
        return look(NOON, Part.MFA_DEVICES, Part.SIGNING_CERTIFICATES)


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
    assert tuple(aws.count(call) for call in _LISTS) == pages


_TRUNCATED = re.compile("<IsTruncated>.*?</IsTruncated>")


@pytest.mark.parametrize("call", _LISTS)
@pytest.mark.parametrize("said", ["", *(f"<IsTruncated>{word}</IsTruncated>" for word in ("", "True", "1", " true"))])
@pytest.mark.parametrize("marker", ["<Marker>1</Marker>", ""])
def test_a_page_that_does_not_say_whether_it_is_the_last_is_an_account_out_of_reach(
    aws: SimulatedAws, call: str, said: str, marker: str
) -> None:
    aws.page_size = 1
    unsaid = on_body(lambda body: _TRUNCATED.sub(said, body).replace("<Marker>1</Marker>", marker))
    aws.fault(call, Rewritten(unsaid), times=9)
    with pytest.raises(Unavailable) as refused:
        observed(aws)
    assert f"{call}: The answer was none that AWS gives: IsTruncated is missing" in refused.value.exact
    assert aws.count(call) == 1


@pytest.mark.parametrize("call", _LISTS)
def test_a_last_page_with_a_marker_is_an_account_out_of_reach(aws: SimulatedAws, call: str) -> None:
    aws.page_size = 1
    aws.fault(call, Rewritten(saying("IsTruncated", "false")), times=9)
    with pytest.raises(Unavailable) as refused:
        observed(aws)
    assert f"{call}: The answer was none that AWS gives: Marker" in refused.value.exact


def without_members(name: str, *ids: str) -> Change:
    """A well-formed list without those, or without any."""

    def kept(list_: re.Match[str]) -> str:
        found = re.findall(r"<member>.*?</member>", list_[0], flags=re.DOTALL)
        return f"<{name}>{''.join(each for each in found if ids and not any(id_ in each for id_ in ids))}</{name}>"

    return on_body(lambda body: re.sub(f"<{name}>.*</{name}>", kept, body, flags=re.DOTALL))


def test_a_list_without_the_key_that_signs_is_an_account_out_of_reach(aws: SimulatedAws) -> None:
    aws.create_root_key(ACCOUNT)
    signer = aws.root_credential(ACCOUNT).access_key_id
    aws.fault("ListAccessKeys", Rewritten(without_members("AccessKeyMetadata", signer)))
    with pytest.raises(Unavailable) as refused:
        observed(aws, _OWN)
    assert "ListAccessKeys: The answer was none that AWS gives: AccessKeyMetadata is missing" in refused.value.exact


_EMPTY = (
    ("ListAccessKeys", "AccessKeyMetadata", "AccountAccessKeysPresent"),
    ("ListMFADevices", "MFADevices", "AccountMFAEnabled"),
    ("ListSigningCertificates", "Certificates", "AccountSigningCertificatesPresent"),
)


@pytest.mark.parametrize(("call", "name", "flag"), _EMPTY)
def test_two_empty_looks_are_not_believed_against_the_summary(
    aws: SimulatedAws, call: str, name: str, flag: str
) -> None:
    aws.fault(call, Rewritten(without_members(name)), times=9)
    with pytest.raises(Unavailable) as refused:
        observed(aws, twice=True)
    assert f"AWS lists nothing where its summary counts something. ({flag})" in refused.value.exact


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("call", "name"), [each[:2] for each in _EMPTY])
def test_two_looks_that_differ_are_not_believed(aws: SimulatedAws, call: str, name: str, which: int) -> None:
    lost = (sorted(aws.keys(MEMBER)), list(aws.mfa_devices(MEMBER)), list(aws.signing_certificates(MEMBER)))
    looks = iter([which == 0, which == 1])

    def one_is_lost(real: bytes) -> bytes:
        return without_members(name, lost[_LISTS.index(call)][-1])(real) if next(looks) else real

    aws.fault(call, Rewritten(one_is_lost), times=2)
    with pytest.raises(Unavailable, match="two different answers"):
        observed(aws, twice=True)


def test_what_is_really_gone_is_believed(aws: SimulatedAws) -> None:
    for key_id in aws.keys(MEMBER):
        aws.delete_root_key(MEMBER, key_id)
    aws.set_summary(MEMBER, mfa=False, signing_certificates=False)
    found = observed(aws, twice=True)
    assert (found.keys, found.mfa_devices, found.signing_certificates) == ((), (), ())


@pytest.mark.parametrize("call", _LISTS)
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


def test_a_listing_whose_next_token_was_lost_is_refused_without_the_management_account() -> None:
    """It is always there, and every ARN names it."""
    members = [f"1111{number:08}" for number in range(25)]
    with SimulatedAws(members, management_account=MANAGEMENT) as aws:
        cut = on_body(lambda body: re.sub(r', "NextToken": "[^"]*"', "", body))
        aws.fault("ListAccounts", Rewritten(cut))
        known = KnownAccounts({}, {"main": Organization("main", manager_of(aws), Listing(refresh=timedelta(hours=1)))})
        with pytest.raises(Unavailable) as refused:
            known.every()
        assert "ListAccounts: The answer was none that AWS gives: Accounts" in refused.value.exact
        assert aws.count("ListAccounts") == 1
