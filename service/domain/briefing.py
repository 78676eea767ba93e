"""What an approver is told beyond what was filed: what will happen, and what to weigh."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from service.domain.account import ACTIVE, AccessKey, RootCredentials
from service.domain.operation import Operation, OperationName

EFFECT: Mapping[OperationName, str] = {
    OperationName.CREATE_ACCESS_KEY: (
        "The root user gets a new access key that can do anything in the account. The recipient alone gets its secret."
    ),
    OperationName.DEACTIVATE_ACCESS_KEY: (
        "Whatever uses this root access key stops working, until the key is activated again."
    ),
    OperationName.ACTIVATE_ACCESS_KEY: "Whoever holds the secret of this root access key can use it again.",
    OperationName.DELETE_ACCESS_KEY: "This root access key stops working for good. It cannot be brought back.",
    OperationName.DELETE_LOGIN_PROFILE: (
        "The root user's password is deleted. Nobody can sign in to the console as root, or recover the password, "
        "until password recovery is allowed again."
    ),
    OperationName.ALLOW_PASSWORD_RECOVERY: (
        "The root user may have a password again: whoever reads the mail of the account's root e-mail address can set "
        "one by the console's password recovery, and then sign in as root."
    ),
    OperationName.DEACTIVATE_MFA_DEVICE: (
        "The root user signs in without this MFA device from now on. Without another one the password alone is enough."
    ),
    OperationName.DELETE_SIGNING_CERTIFICATE: (
        "Requests signed with this X.509 certificate of the root user are refused for good."
    ),
}


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
    match operation.name:
        case OperationName.CREATE_ACCESS_KEY:
            if observed.keys:
                found.append(Caution("keys_exist", f"The root user has {_count(len(observed.keys))} already."))
            found += _about_mfa(observed)
        case OperationName.ALLOW_PASSWORD_RECOVERY:
            found += _about_mfa(observed)
        case OperationName.DEACTIVATE_MFA_DEVICE if observed.mfa_devices == (operation.target,):
            found.append(Caution("last_mfa_device", "This is the root user's only MFA device."))
    for key in observed.keys:
        if key.access_key_id == operation.key_id:
            found += _about_target(operation, key, observed)
    if accept_lockout:
        found.append(Caution("accepts_lockout", "The requester accepts that this may lock the service out."))
    return tuple(found)


def _about_mfa(observed: RootCredentials) -> list[Caution]:
    return [Caution("no_mfa", "The root user has no MFA device.")] if observed.mfa_enabled is False else []


def _about_target(operation: Operation, key: AccessKey, observed: RootCredentials) -> list[Caution]:
    found: list[Caution] = []
    if operation.name is OperationName.ACTIVATE_ACCESS_KEY:
        return found
    if key.last_used_at and observed.observed_at - key.last_used_at < _RECENTLY:
        ago = _ago(observed.observed_at - key.last_used_at)
        found.append(Caution("recently_used", f"This key was used {ago} before the request was filed."))
    if key.access_key_id == observed.signer_key_id:
        found.append(Caution("signing_key", "The service itself signs with this key."))
    if observed.active_key_ids == [key.access_key_id]:
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
