"""The capability table, cell by cell: what it says can be done is done by the simulated AWS, and nothing else is.

AssumeRoot sessions are judged there by the documents of AWS's task policies, not by a copy of the table.
"""

from collections.abc import Callable
from itertools import product

import pytest
from support.builders import ACCOUNT, MANAGEMENT
from support.house import manager_of, source_of

from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Partition, SourceKind
from service.domain.capability import CAPABLE, Plan, incapable_because
from service.domain.errors import Unavailable
from service.domain.operation import KINDS, ON_POLICIES, TARGET_OF, Operation, OperationName
from service.domain.outcome import Done, Refused
from service.simulated_aws import Refuse, SimulatedAws

_CELLS = list(product(SourceKind, Partition, OperationName))


def test_an_operation_has_a_task_policy_where_an_assume_root_session_can_do_it() -> None:
    with_policy = {name for name, kind in KINDS.items() if kind.task_policy is not None}
    assert with_policy == CAPABLE[SourceKind.ASSUME_ROOT, Partition.AWS]


def account_in(partition: Partition) -> Account:
    return Account(account_id=ACCOUNT, name="x", partition=partition, organization="main", unlocks=True)


def target_for(aws: SimulatedAws, name: OperationName) -> str | None:
    """Something that the operation could be done to, as its API wants it."""
    if name not in TARGET_OF:
        if name is OperationName.ALLOW_PASSWORD_RECOVERY and aws.password(ACCOUNT):
            aws.set_summary(ACCOUNT, password=False)
        return None
    if name is OperationName.UNLOCK_S3_BUCKET_POLICY:
        aws.add_bucket(ACCOUNT, "locked", "{}")
        return "locked"
    if name is OperationName.UNLOCK_SQS_QUEUE_POLICY:
        return aws.add_queue(ACCOUNT, "locked", "{}")
    if name is OperationName.ROTATE_ACCESS_KEY:  # it needs a place for the new key
        return aws.root_credential(ACCOUNT).access_key_id
    key = aws.create_root_key(ACCOUNT).access_key_id
    if name is OperationName.ACTIVATE_ACCESS_KEY:
        aws.set_root_key_status(ACCOUNT, key, "Inactive")
    found: dict[str, Callable[[], str]] = {
        "access_key_id": lambda: key,
        "serial_number": lambda: next(iter(aws.mfa_devices(ACCOUNT)), "arn:aws-us-gov:iam::1:mfa/none"),
        "certificate_id": lambda: aws.add_signing_certificate(ACCOUNT),
    }
    return found[TARGET_OF[name]]()


def attempt(aws: SimulatedAws, source: SourceKind, account: Account, name: OperationName) -> bool:
    """Whether AWS does it, asked by just this source, whatever the table says."""
    profiles = {} if source is SourceKind.ASSUME_ROOT else {ACCOUNT: source_of(aws, ACCOUNT)}
    roots = AwsRoots(profiles, {"main": AssumedRoot(manager_of(aws), "us-east-1")})
    resource = Operation(name, target_for(aws, name)) if name in ON_POLICIES else None
    try:
        with roots.sign_in(account, Plan(source, name, resource)) as root:
            outcome = root.perform(resource or Operation(name, target_for(aws, name)))
    except Unavailable:
        return False
    assert isinstance(outcome, Done | Refused)
    return isinstance(outcome, Done)


# A root access key can do anything to a bucket or a queue. The service unlocks them by AssumeRoot only.
_NOT_BY_A_KEY = set(product([SourceKind.PROFILE], ON_POLICIES))


@pytest.mark.parametrize(("source", "name"), sorted(set(product(SourceKind, OperationName)) - _NOT_BY_A_KEY))
def test_in_aws_the_table_is_what_aws_does(source: SourceKind, name: OperationName) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT) as aws:
        assert attempt(aws, source, account_in(Partition.AWS), name) == (name in CAPABLE[source, Partition.AWS])


# Nothing is documented about signing certificates of GovCloud's root users: the table says no, whatever is simulated.
@pytest.mark.parametrize(
    "name", [n for n in OperationName if n not in {OperationName.DELETE_SIGNING_CERTIFICATE, *ON_POLICIES}]
)
def test_in_gov_cloud_a_root_key_does_what_the_table_says(name: OperationName) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT, partition="aws-us-gov") as aws:
        done = attempt(aws, SourceKind.PROFILE, account_in(Partition.GOV_CLOUD), name)
    assert done == (name in CAPABLE[SourceKind.PROFILE, Partition.GOV_CLOUD])


@pytest.mark.parametrize("partition", [Partition.GOV_CLOUD, Partition.CHINA])
@pytest.mark.parametrize("name", OperationName)
def test_outside_aws_assume_root_does_nothing(partition: Partition, name: OperationName) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT, partition=partition.value) as aws:
        assert not attempt(aws, SourceKind.ASSUME_ROOT, account_in(partition), name)
    assert CAPABLE[SourceKind.ASSUME_ROOT, partition] == set()


def test_in_china_there_is_no_root_key_to_sign_with() -> None:
    with SimulatedAws([ACCOUNT], partition="aws-cn") as aws, pytest.raises(LookupError):
        aws.root_credential(ACCOUNT)
    assert CAPABLE[SourceKind.PROFILE, Partition.CHINA] == set()


def test_the_management_account_is_out_of_the_reach_of_assume_root() -> None:
    management = Account(account_id=MANAGEMENT, name="x", organization="main", is_management=True, has_profile=False)
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT) as aws:
        roots = AwsRoots({}, {"main": AssumedRoot(manager_of(aws), "us-east-1")})
        with pytest.raises(Unavailable), roots.sign_in(management, Plan(SourceKind.ASSUME_ROOT)):
            pass
    name = OperationName.DELETE_ACCESS_KEY
    assert "management account" in str(incapable_because(management, SourceKind.ASSUME_ROOT, name))


@pytest.mark.parametrize(("source", "partition", "name"), _CELLS)
def test_whatever_cannot_be_done_has_a_reason_and_whatever_can_has_none(
    source: SourceKind, partition: Partition, name: OperationName
) -> None:
    reason = incapable_because(account_in(partition), source, name)
    assert (reason is None) == (name in CAPABLE[source, partition])


def test_the_table_has_every_cell() -> None:
    assert set(CAPABLE) == set(product(SourceKind, Partition))


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "CLOSED"])
def test_a_closed_account_lets_nobody_in(state: str) -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT) as aws:
        aws.set_account_state(ACCOUNT, state)  # type: ignore[arg-type]  # one of its names
        for source in SourceKind:
            assert not attempt(aws, source, account_in(Partition.AWS), OperationName.DELETE_ACCESS_KEY)


def test_a_refusal_by_a_service_control_policy_is_not_taken_for_done() -> None:
    with SimulatedAws([ACCOUNT], management_account=MANAGEMENT) as aws:
        aws.fault("DeleteAccessKey", Refuse("AccessDenied"))
        name = OperationName.DELETE_ACCESS_KEY
        assert not attempt(aws, SourceKind.ASSUME_ROOT, account_in(Partition.AWS), name)
