"""Which source can do which operation in which partition, and the reason if it cannot.

The table follows AWS. The five root task policies say what `sts:AssumeRoot` allows: none has CreateAccessKey or
UpdateAccessKey. IAM's API reference says what a root access key allows: login profile and MFA calls for root require
an AssumeRoot session. A root access key could delete the policy of a bucket or queue, and anything else there. The
service does that with AssumeRoot only, whose task policies allow nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.domain.account import Account, Partition, SourceKind
from service.domain.errors import Code, Conflict
from service.domain.operation import KINDS, ON_PASSWORD, ON_POLICIES, Operation, OperationName

_ON_KEYS = frozenset(
    {
        OperationName.CREATE_ACCESS_KEY,
        OperationName.ROTATE_ACCESS_KEY,
        OperationName.DEACTIVATE_ACCESS_KEY,
        OperationName.ACTIVATE_ACCESS_KEY,
        OperationName.DELETE_ACCESS_KEY,
    }
)
_NOT_OPTED_IN = "The organization's settings do not let the service unlock buckets and queues (unlock_resources)."
_NOTHING: frozenset[OperationName] = frozenset()

CAPABLE: Mapping[tuple[SourceKind, Partition], frozenset[OperationName]] = {
    (SourceKind.PROFILE, Partition.AWS): _ON_KEYS | {OperationName.DELETE_SIGNING_CERTIFICATE},
    # AWS does not document certificates of root users in GovCloud, so the service does not offer them.
    (SourceKind.PROFILE, Partition.GOV_CLOUD): _ON_KEYS,
    (SourceKind.PROFILE, Partition.CHINA): _NOTHING,
    (SourceKind.ASSUME_ROOT, Partition.AWS): frozenset(
        {
            OperationName.DELETE_ACCESS_KEY,
            OperationName.DELETE_LOGIN_PROFILE,
            OperationName.ALLOW_PASSWORD_RECOVERY,
            OperationName.DEACTIVATE_MFA_DEVICE,
            OperationName.DELETE_SIGNING_CERTIFICATE,
            OperationName.UNLOCK_S3_BUCKET_POLICY,
            OperationName.UNLOCK_SQS_QUEUE_POLICY,
        }
    ),
    (SourceKind.ASSUME_ROOT, Partition.GOV_CLOUD): _NOTHING,
    (SourceKind.ASSUME_ROOT, Partition.CHINA): _NOTHING,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The source that signs in, and the operation; None for reading only.

    `resource` names the bucket or queue whose policy is read.
    """

    source: SourceKind
    operation: OperationName | None = None
    resource: Operation | None = None

    @property
    def to_read(self) -> "Plan":
        """Return the plan to read the same, and to do nothing."""
        return replace(self, operation=None)

    @property
    def is_create(self) -> bool:
        return self.operation is not None and KINDS[self.operation].makes_key


def plan(account: Account, operation: OperationName | None = None) -> Plan:
    """Choose the least powerful source for reading, or for `operation`. Raise Conflict with what each one lacks."""
    reasons = []
    for source in account.sources:
        reason = (
            unreadable_because(account, source) if operation is None else incapable_because(account, source, operation)
        )
        if reason is None:
            return Plan(source, operation)
        reasons.append(reason)
    raise _incapable(account, reasons)


def plan_for(account: Account, operation: Operation) -> Plan:
    """Choose as `plan` does. Raise Conflict, and Invalid for a queue of another account."""
    found = plan(account, operation.name)
    operation.check_is_in(account)
    return replace(found, resource=operation) if operation.is_unlock else found


def _incapable(account: Account, reasons: list[str]) -> Conflict:
    given = reasons or [f"The account has no source in {account.partition}."]
    return Conflict(Code.NOT_CAPABLE, reasons=" ".join(dict.fromkeys(given)))


def unreadable_because(account: Account, source: SourceKind) -> str | None:
    """Explain why `source` can do nothing at all in `account`. Return None if it can at least read."""
    if account.partition is Partition.CHINA:
        return "AWS China has no root user."
    if account.state != "ACTIVE":
        return f"The account is {account.state}, and AWS lets nobody in."
    if source is SourceKind.PROFILE:
        return None
    if account.partition is Partition.GOV_CLOUD:
        return "AWS has no AssumeRoot for root credentials in GovCloud."
    if account.is_management:
        return "AssumeRoot reaches member accounts only; this is the management account."
    return None


def incapable_because(account: Account, source: SourceKind, operation: OperationName) -> str | None:
    """Explain why `source` cannot do `operation` in `account`. Return None if it can."""
    unreadable = unreadable_because(account, source)
    if unreadable is not None:
        return unreadable
    if operation in CAPABLE[source, account.partition]:
        return _NOT_OPTED_IN if operation in ON_POLICIES and not account.unlocks else None
    return _lacking(account, source, operation)


def _lacking(account: Account, source: SourceKind, operation: OperationName) -> str:
    """Explain an empty cell of the table."""
    if operation in ON_POLICIES:
        return (
            "The service unlocks buckets and queues through AssumeRoot only, into member accounts of the partition aws."
        )
    if account.partition is Partition.GOV_CLOUD:
        return "Root users in GovCloud have access keys, but no password and no MFA device."
    if source is SourceKind.ASSUME_ROOT:
        return "No AssumeRoot session may create or update access keys; a profile with a root access key can."
    if operation in ON_PASSWORD:
        return (
            "A root access key cannot touch the root password: only an AssumeRoot session into a member account can "
            "delete it or allow its recovery, and no API at all changes it. For a stand-alone or management account "
            "use the console."
        )
    return "A root access key cannot do this; only an AssumeRoot session into a member account can."


def is_readable(account: Account) -> bool:
    """Return whether any of the account's sources can at least read it."""
    return any(unreadable_because(account, source) is None for source in account.sources)
