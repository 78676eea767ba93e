"""The operations on an account's root credentials, and whether one can run."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from service.domain.account import ACTIVE, INACTIVE, PASSWORD, PRESENT, Part, RootCredentials
from service.domain.canonical import Document
from service.domain.errors import Code, Conflict

# AWS allows two access keys for the root user, and inactive ones count (AWS documentation, IAM quotas).
KEY_LIMIT = 2


class OperationName(StrEnum):
    CREATE_ACCESS_KEY = "create_access_key"
    DEACTIVATE_ACCESS_KEY = "deactivate_access_key"
    ACTIVATE_ACCESS_KEY = "activate_access_key"
    DELETE_ACCESS_KEY = "delete_access_key"
    DELETE_LOGIN_PROFILE = "delete_login_profile"
    ALLOW_PASSWORD_RECOVERY = "allow_password_recovery"  # noqa: S105  # the name of an operation
    DEACTIVATE_MFA_DEVICE = "deactivate_mfa_device"
    DELETE_SIGNING_CERTIFICATE = "delete_signing_certificate"


ON_PASSWORD = frozenset({OperationName.DELETE_LOGIN_PROFILE, OperationName.ALLOW_PASSWORD_RECOVERY})

# What an operation is done to: how its id is called. The others are done to the root user as such.
TARGET_OF: Mapping[OperationName, str] = {
    OperationName.DEACTIVATE_ACCESS_KEY: "access_key_id",
    OperationName.ACTIVATE_ACCESS_KEY: "access_key_id",
    OperationName.DELETE_ACCESS_KEY: "access_key_id",
    OperationName.DEACTIVATE_MFA_DEVICE: "serial_number",
    OperationName.DELETE_SIGNING_CERTIFICATE: "certificate_id",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation and what it is done to, where that has an id. Raises ValueError when they do not fit."""

    name: OperationName
    target: str | None = None

    def __post_init__(self) -> None:
        if (self.name in TARGET_OF) != (self.target is not None):
            raise ValueError(f"{self.name} needs {TARGET_OF.get(self.name, 'no target')}")

    @property
    def is_create(self) -> bool:
        return self.name is OperationName.CREATE_ACCESS_KEY

    @property
    def key_id(self) -> str | None:
        """The access key that this is done to, if it is done to one."""
        return self.target if TARGET_OF.get(self.name) == "access_key_id" else None

    @property
    def wanted(self) -> str | None:
        """What the target is when this is done; None for what should be gone, or for a key that is new."""
        match self.name:
            case OperationName.DEACTIVATE_ACCESS_KEY:
                return INACTIVE
            case OperationName.ACTIVATE_ACCESS_KEY:
                return ACTIVE
            case OperationName.ALLOW_PASSWORD_RECOVERY:
                return PRESENT
            case (
                OperationName.CREATE_ACCESS_KEY
                | OperationName.DELETE_ACCESS_KEY
                | OperationName.DELETE_LOGIN_PROFILE
                | OperationName.DEACTIVATE_MFA_DEVICE
                | OperationName.DELETE_SIGNING_CERTIFICATE
            ):
                return None
            case _:
                assert_never(self.name)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What has to be read, besides the access keys, to judge it."""
        match self.name:
            case OperationName.CREATE_ACCESS_KEY:
                return (Part.SUMMARY,)
            case OperationName.DELETE_LOGIN_PROFILE:
                return (Part.PASSWORD,)
            case OperationName.ALLOW_PASSWORD_RECOVERY:
                return (Part.PASSWORD, Part.SUMMARY)
            case OperationName.DEACTIVATE_MFA_DEVICE:
                return (Part.MFA_DEVICES,)
            case OperationName.DELETE_SIGNING_CERTIFICATE:
                return (Part.SIGNING_CERTIFICATES,)
            case (
                OperationName.DEACTIVATE_ACCESS_KEY
                | OperationName.ACTIVATE_ACCESS_KEY
                | OperationName.DELETE_ACCESS_KEY
            ):
                return (Part.SIGNER,)
            case _:
                assert_never(self.name)

    def state_in(self, facts: Mapping[str, str]) -> str | None:
        """What the target is among `facts`; None when it is not there."""
        return facts.get(_fact(self.name, self.target))

    def document(self) -> Document:
        """The part of the digest that says what is done to what."""
        named = {TARGET_OF[self.name]: self.target} if self.name in TARGET_OF else {}
        return {"operation": self.name.value, "access_key_id": None} | named


def _fact(name: OperationName, target: str | None) -> str:
    """What a target is called among the facts: each kind by its own name, so that no id is taken for another's."""
    match TARGET_OF.get(name):
        case "access_key_id":
            return str(target)
        case "serial_number":
            return f"MFA device {target}"
        case "certificate_id":
            return f"signing certificate {target}"
        case _:
            return PASSWORD


def facts(operation: Operation, state: RootCredentials) -> dict[str, str]:
    """What `operation` is judged by, and approved on: name → status of every access key, and of its kind of target."""
    name, found = operation.name, state.statuses
    match name:
        case OperationName.DELETE_LOGIN_PROFILE | OperationName.ALLOW_PASSWORD_RECOVERY if state.password_present:
            found[PASSWORD] = PRESENT
        case OperationName.DEACTIVATE_MFA_DEVICE:
            found |= {_fact(name, device): "enabled" for device in state.mfa_devices or ()}
        case OperationName.DELETE_SIGNING_CERTIFICATE:
            listed = state.signing_certificates or ()
            found |= {_fact(name, certificate.certificate_id): certificate.status for certificate in listed}
    return found


_NOT_THERE: Mapping[OperationName, tuple[Code, str]] = {
    OperationName.DEACTIVATE_ACCESS_KEY: (Code.NO_SUCH_KEY, "The root user of this account has no such access key."),
    OperationName.ACTIVATE_ACCESS_KEY: (Code.NO_SUCH_KEY, "The root user of this account has no such access key."),
    OperationName.DELETE_ACCESS_KEY: (Code.NO_SUCH_KEY, "The root user of this account has no such access key."),
    OperationName.DELETE_LOGIN_PROFILE: (Code.NO_PASSWORD, "The root user has no password."),
    OperationName.DEACTIVATE_MFA_DEVICE: (Code.NO_SUCH_MFA_DEVICE, "The root user has no such MFA device."),
    OperationName.DELETE_SIGNING_CERTIFICATE: (
        Code.NO_SUCH_CERTIFICATE,
        "The root user has no such signing certificate.",
    ),
}


def check_can_run(operation: Operation, state: RootCredentials, *, accept_lockout: bool) -> None:
    """Raise Conflict with the reason why `operation` cannot run on a root user whose credentials are `state`."""
    if operation.is_create:
        if len(state.keys) >= KEY_LIMIT:
            raise Conflict(Code.KEY_LIMIT_REACHED, "The root user has two access keys already; AWS allows no third.")
        return
    found = operation.state_in(facts(operation, state))
    if found is None and operation.name in _NOT_THERE:
        raise Conflict(*_NOT_THERE[operation.name])
    if found is not None and found == operation.wanted:
        if operation.name is OperationName.ALLOW_PASSWORD_RECOVERY:
            raise Conflict(Code.PASSWORD_EXISTS, "The root user has a password already, which can be recovered.")
        raise Conflict(Code.ALREADY_IN_STATUS, f"The access key is {found} already.")
    if operation.name in {OperationName.DEACTIVATE_ACCESS_KEY, OperationName.DELETE_ACCESS_KEY} and not accept_lockout:
        _check_no_lockout(operation, state)


def _check_no_lockout(operation: Operation, state: RootCredentials) -> None:
    if operation.target == state.signer_key_id:
        raise Conflict(
            Code.SIGNING_KEY,
            "The service itself signs with this access key and would lock itself out of the account. "
            "Say accept_lockout if that is meant.",
        )
    # Where the service holds no key it needs none: to be rid of the last one is what AWS advises.
    if state.signer_key_id is not None and state.active_key_ids == [operation.target]:
        raise Conflict(
            Code.LAST_ACTIVE_KEY,
            "This is the root user's last active access key. Say accept_lockout if that is meant.",
        )
