"""What can be asked of an account's root credentials, whether it can run, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn, assert_never

from service.domain.account import ACTIVE, INACTIVE, AccessKey, RootCredentials
from service.domain.errors import Code, Conflict

# AWS allows two access keys for the root user, and inactive ones count (AWS documentation, IAM quotas).
KEY_LIMIT = 2


class OperationName(StrEnum):
    CREATE_ACCESS_KEY = "create_access_key"
    DEACTIVATE_ACCESS_KEY = "deactivate_access_key"
    ACTIVATE_ACCESS_KEY = "activate_access_key"
    DELETE_ACCESS_KEY = "delete_access_key"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and, except for a create, the key it is done to. Raises ValueError when they do not fit."""

    name: OperationName
    access_key_id: str | None = None

    def __post_init__(self) -> None:
        if self.is_create == (self.access_key_id is not None):
            raise ValueError(f"{self.name} {'takes no' if self.is_create else 'needs an'} access_key_id")

    @property
    def is_create(self) -> bool:
        return self.name is OperationName.CREATE_ACCESS_KEY

    @property
    def wanted_status(self) -> str | None:
        """The status that the target has when this is done; None for a key that should be gone, or is new."""
        match self.name:
            case OperationName.DEACTIVATE_ACCESS_KEY:
                return INACTIVE
            case OperationName.ACTIVATE_ACCESS_KEY:
                return ACTIVE
            case OperationName.DELETE_ACCESS_KEY | OperationName.CREATE_ACCESS_KEY:
                return None
            case _:
                assert_never(self.name)


class Secret:
    """A secret that can be shown only on purpose: `reveal()`. It has no useful repr and cannot be pickled."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never serialized")


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new root access key: the only object that ever holds its secret."""

    access_key_id: str
    secret: Secret
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """AWS says that it is done."""

    signer_key_id: str
    aws_request_id: str | None
    created: CreatedKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Certain to have had no effect. `code` is stable, `detail` says it in words."""

    code: str
    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The call may or may not have had its effect: the answer was lost or is no answer."""

    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None


Outcome = Done | Refused | InDoubt


def check_can_run(
    operation: Operation, statuses: Mapping[str, str], *, signer_key_id: str, accept_lockout: bool
) -> None:
    """Raise Conflict with the reason why `operation` cannot run on an account whose root keys are `statuses`."""
    if operation.is_create:
        if len(statuses) >= KEY_LIMIT:
            raise Conflict(Code.KEY_LIMIT_REACHED, "The root user has two access keys already; AWS allows no third.")
        return
    target = str(operation.access_key_id)
    if target not in statuses:
        raise Conflict(Code.NO_SUCH_KEY, "The root user of this account has no such access key.")
    if operation.wanted_status is not None and statuses[target] == operation.wanted_status:
        raise Conflict(Code.ALREADY_IN_STATUS, f"The access key is {operation.wanted_status} already.")
    if operation.name is OperationName.ACTIVATE_ACCESS_KEY or accept_lockout:
        return
    if target == signer_key_id:
        raise Conflict(
            Code.SIGNING_KEY,
            "The service itself signs with this access key and would lock itself out of the account. "
            "Say accept_lockout if that is meant.",
        )
    if [key for key, status in statuses.items() if status == ACTIVE] == [target]:
        raise Conflict(
            Code.LAST_ACTIVE_KEY,
            "This is the root user's last active access key. Say accept_lockout if that is meant.",
        )


@dataclass(frozen=True, slots=True)
class Caution:
    """Something an approver should weigh. `code` is stable, `detail` is for reading."""

    code: str
    detail: str


# A key used this recently is probably in use; AWS's own figure lags by hours.
_RECENTLY = timedelta(days=90)


def warnings(operation: Operation, observed: RootCredentials, *, accept_lockout: bool) -> tuple[Caution, ...]:
    """What an approver should weigh, from the account as it was observed when the request was filed."""
    found: list[Caution] = []
    if operation.is_create:
        if observed.keys:
            found.append(Caution("keys_exist", f"The root user has {_count(len(observed.keys))} already."))
        if observed.mfa_enabled is False:
            found.append(Caution("no_mfa", "The root user has no MFA device."))
        return tuple(found)
    for key in observed.keys:
        if key.access_key_id == operation.access_key_id:
            found += _about_target(operation, key, observed)
    if accept_lockout:
        found.append(Caution("accepts_lockout", "The requester accepts that this may lock the service out."))
    return tuple(found)


def _about_target(operation: Operation, key: AccessKey, observed: RootCredentials) -> list[Caution]:
    found: list[Caution] = []
    if operation.name is OperationName.ACTIVATE_ACCESS_KEY:
        return found
    if key.last_used_at and observed.observed_at - key.last_used_at < _RECENTLY:
        ago = _ago(observed.observed_at - key.last_used_at)
        found.append(Caution("recently_used", f"This key was used {ago} before the request was filed."))
    if key.access_key_id == observed.signer_key_id:
        found.append(Caution("signing_key", "The service itself signs with this key."))
    if [other.access_key_id for other in observed.keys if other.status == ACTIVE] == [key.access_key_id]:
        found.append(Caution("last_active_key", "This is the root user's only active key."))
    if operation.name is OperationName.DELETE_ACCESS_KEY and key.status == ACTIVE:
        found.append(Caution("still_active", "This key is still active. AWS advises to deactivate it first."))
    return found


def _count(keys: int) -> str:
    return "one access key" if keys == 1 else f"{keys} access keys"


def _ago(age: timedelta) -> str:
    if age < timedelta(hours=1):
        return "less than an hour"
    if age < timedelta(days=2):
        return f"{age // timedelta(hours=1)} hours"
    return f"{age.days} days"
