"""The operations on an account's root credentials, and the check whether one can run."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from service.domain.account import ACTIVE, INACTIVE, PASSWORD, PRESENT, Account, Part, RootCredentials
from service.domain.canonical import Document
from service.domain.errors import Code, Conflict, Invalid

# AWS allows two access keys for the root user, and inactive ones count (AWS documentation, IAM quotas).
KEY_LIMIT = 2
_PARTS_OF_ARN = 6  # arn:partition:sqs:region:account:name


class OperationName(StrEnum):
    CREATE_ACCESS_KEY = "create_access_key"
    ROTATE_ACCESS_KEY = "rotate_access_key"
    DEACTIVATE_ACCESS_KEY = "deactivate_access_key"
    ACTIVATE_ACCESS_KEY = "activate_access_key"
    DELETE_ACCESS_KEY = "delete_access_key"
    DELETE_LOGIN_PROFILE = "delete_login_profile"
    ALLOW_PASSWORD_RECOVERY = "allow_password_recovery"  # noqa: S105  # the name of an operation
    DEACTIVATE_MFA_DEVICE = "deactivate_mfa_device"
    DELETE_SIGNING_CERTIFICATE = "delete_signing_certificate"
    UNLOCK_S3_BUCKET_POLICY = "unlock_s3_bucket_policy"
    UNLOCK_SQS_QUEUE_POLICY = "unlock_sqs_queue_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The properties of one operation. `capability.py` says which source can do it."""

    # For approvers, in whole sentences; `{}` is the target.
    effect: str
    # The API's name of the target's id; None if the operation is on the root user as such.
    target: str | None = None
    # The target's key among an account's facts, so that an id is not taken for one of another kind.
    fact: str = "{}"
    # The target's status afterwards; None if it is deleted, and for a new key.
    wanted: str | None = None
    # The parts that must be read to judge the operation, besides the access keys.
    reads: tuple[Part, ...] = (Part.SIGNER,)
    # The refusal if the target does not exist, and the one if its status is already as wanted.
    missing: Code | None = None
    present: Code = Code.ALREADY_IN_STATUS
    # The refusal if the bucket or queue whose policy is the target does not exist.
    absent: Code = Code.NO_SUCH_BUCKET
    # The narrowest root task policy of AWS that allows it in an AssumeRoot session; None if none does.
    task_policy: str | None = None
    lets_somebody_in: bool = False
    may_lock_out: bool = False
    # Whether its one call makes a new access key.
    makes_key: bool = False


_DELETING = "IAMDeleteRootUserCredentials"


def _on_policy(of: str, **more: Any) -> Kind:
    effect = f"The policy of the {of} {{}} is deleted. What it denies is possible again, and what it allows ends. "
    kept = "The audit log keeps its text."
    return Kind(effect=effect + kept, reads=(Part.RESOURCE_POLICY,), missing=Code.NO_POLICY, **more)


_on_key = partial(Kind, target="access_key_id", missing=Code.NO_SUCH_KEY)

KINDS: Mapping[OperationName, Kind] = {
    OperationName.CREATE_ACCESS_KEY: Kind(
        effect="The root user gets a new access key that can do anything in the account.",
        reads=(Part.SUMMARY,),
        lets_somebody_in=True,
        makes_key=True,
    ),
    OperationName.ROTATE_ACCESS_KEY: _on_key(
        effect="Once its users have moved, the root access key {} stops working for good. The root user gets a new "
        "one in its place, which can do anything in the account.",
        wanted=INACTIVE,
        reads=(Part.SIGNER, Part.SUMMARY),
        lets_somebody_in=True,
        makes_key=True,
    ),
    OperationName.DEACTIVATE_ACCESS_KEY: _on_key(
        effect="Whatever uses the root access key {} stops working, until the key is activated again.",
        wanted=INACTIVE,
        may_lock_out=True,
    ),
    OperationName.ACTIVATE_ACCESS_KEY: _on_key(
        effect="Whoever holds the secret of the root access key {} can use it again.", wanted=ACTIVE
    ),
    OperationName.DELETE_ACCESS_KEY: _on_key(
        effect="The root access key {} stops working for good. It cannot be brought back.",
        task_policy=_DELETING,
        may_lock_out=True,
    ),
    OperationName.DELETE_LOGIN_PROFILE: Kind(
        effect="The root user's password is deleted. Nobody can sign in to the console as root, or recover the "
        "password, until password recovery is allowed again.",
        fact=PASSWORD,
        reads=(Part.PASSWORD,),
        missing=Code.NO_PASSWORD,
        task_policy=_DELETING,
    ),
    OperationName.ALLOW_PASSWORD_RECOVERY: Kind(
        effect="The root user may have a password again. Whoever reads the mail of the account's root e-mail address "
        "can set one by the console's password recovery, and then sign in as root.",
        fact=PASSWORD,
        wanted=PRESENT,
        reads=(Part.PASSWORD, Part.SUMMARY),
        present=Code.PASSWORD_EXISTS,
        task_policy="IAMCreateRootUserPassword",
        lets_somebody_in=True,
    ),
    OperationName.DEACTIVATE_MFA_DEVICE: Kind(
        effect="The root user signs in without the MFA device {} from now on. Without another one the password alone "
        "is enough.",
        target="serial_number",
        fact="MFA device {}",
        reads=(Part.MFA_DEVICES,),
        missing=Code.NO_SUCH_MFA_DEVICE,
        task_policy=_DELETING,
    ),
    OperationName.DELETE_SIGNING_CERTIFICATE: Kind(
        effect="Requests signed with the X.509 certificate {} of the root user are refused for good.",
        target="certificate_id",
        fact="signing certificate {}",
        reads=(Part.SIGNING_CERTIFICATES,),
        missing=Code.NO_SUCH_CERTIFICATE,
        task_policy=_DELETING,
    ),
    OperationName.UNLOCK_S3_BUCKET_POLICY: _on_policy(
        "S3 bucket",
        target="bucket",
        fact="policy of the bucket {}",
        absent=Code.NO_SUCH_BUCKET,
        task_policy="S3UnlockBucketPolicy",
    ),
    OperationName.UNLOCK_SQS_QUEUE_POLICY: _on_policy(
        "SQS queue",
        target="queue_arn",
        fact="policy of the queue {}",
        absent=Code.NO_SUCH_QUEUE,
        task_policy="SQSUnlockQueuePolicy",
    ),
}

ON_POLICIES = frozenset(name for name, kind in KINDS.items() if Part.RESOURCE_POLICY in kind.reads)
ON_PASSWORD = frozenset(name for name, kind in KINDS.items() if kind.fact == PASSWORD)
TARGET_OF: Mapping[OperationName, str] = {name: kind.target for name, kind in KINDS.items() if kind.target is not None}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and the id of its target, if any. Raise ValueError if they do not fit."""

    name: OperationName
    target: str | None = None

    def __post_init__(self) -> None:
        if (self.kind.target is None) != (self.target is None):
            raise ValueError(f"{self.name} needs {self.kind.target or 'no target'}")

    @property
    def is_create(self) -> bool:
        """Return whether its one call makes a new key. Whatever follows a delivery follows that of a rotation too."""
        return self.kind.makes_key

    @property
    def is_rotation(self) -> bool:
        return self.name is OperationName.ROTATE_ACCESS_KEY

    @property
    def is_unlock(self) -> bool:
        """Return whether it deletes the policy of a bucket or queue."""
        return self.name in ON_POLICIES

    @property
    def key_id(self) -> str | None:
        """Return the target if it is an access key, else None."""
        return self.target if self.kind.target == "access_key_id" else None

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def state_in(self, facts: Mapping[str, str]) -> str | None:
        """Return the target's status in `facts`; None if it is absent."""
        return facts.get(self.kind.fact.format(self.target))

    def check_is_in(self, account: Account) -> None:
        """Raise Invalid if it names a queue of another account or partition."""
        if self.name is OperationName.UNLOCK_SQS_QUEUE_POLICY:
            arn = str(self.target).split(":")
            if len(arn) != _PARTS_OF_ARN or (arn[1], arn[4]) != (account.partition, account.account_id):
                raise Invalid(Code.QUEUE_ELSEWHERE)

    def document(self) -> Document:
        """Return the part of the digest's document with the operation and its target."""
        named = {} if self.kind.target is None else {self.kind.target: self.target}
        return {"operation": self.name.value, "access_key_id": None} | named


def facts(operation: Operation, state: RootCredentials) -> dict[str, str]:
    """Map fact → status for all access keys and possible targets. `operation` is judged and approved on these.

    The status of a policy is its SHA-256.
    """
    found, kind = state.statuses, operation.kind
    if kind.fact == PASSWORD and state.password_present:
        found[PASSWORD] = PRESENT
    if Part.MFA_DEVICES in kind.reads:
        found |= {kind.fact.format(device): "enabled" for device in state.mfa_devices or ()}
    if Part.SIGNING_CERTIFICATES in kind.reads:
        found |= {kind.fact.format(each.certificate_id): each.status for each in state.signing_certificates or ()}
    if operation.is_unlock and state.resource is not None and state.resource.policy_sha256 is not None:
        found[kind.fact.format(operation.target)] = state.resource.policy_sha256
        found[f"region of {operation.target}"] = state.resource.region
    return found


def check_can_run(operation: Operation, state: RootCredentials, *, accept_lockout: bool) -> None:
    """Raise Conflict with the reason why `operation` cannot run on a root user whose credentials are `state`."""
    kind, found = operation.kind, operation.state_in(facts(operation, state))
    if operation.is_unlock and state.resource is None:
        raise Conflict(kind.absent)
    if found is None and kind.missing is not None:
        raise Conflict(kind.missing)
    if found is not None and found == kind.wanted:
        raise Conflict(kind.present, status=found)
    if kind.makes_key and len(state.keys) >= KEY_LIMIT:
        raise Conflict(Code.KEY_LIMIT_REACHED)
    if kind.may_lock_out and not accept_lockout:
        _check_no_lockout(operation, state)


def _check_no_lockout(operation: Operation, state: RootCredentials) -> None:
    if operation.target == state.signer_key_id:
        raise Conflict(Code.SIGNING_KEY)
    # A service that holds no key needs none. AWS advises deleting even the last one.
    if state.signer_key_id is not None and state.active_key_ids == [operation.target]:
        raise Conflict(Code.LAST_ACTIVE_KEY)
