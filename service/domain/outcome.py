"""How an execution ended, and the one object that holds a new key's secret."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, NoReturn

from service.domain.errors import Code


class ResultCode(StrEnum):
    """How an execution ended, by the service's own names. `docs/problems.md` explains each."""

    DONE = "done"
    # a drill: no call is ever sent
    DRILLED = "drilled"
    # no call was sent
    ACCOUNT_CHANGED = "account_changed"
    TOO_LATE = "too_late"
    UNREACHABLE = "unreachable"
    # the effect of a call is unknown, or was found out later
    IN_DOUBT = "in_doubt"
    NOT_CREATED = "not_created"
    SECRET_LOST = "secret_lost"  # noqa: S105  # the name of a result
    QUARANTINED = "quarantined"
    UNRESOLVED = "unresolved"
    NOT_DONE = "not_done"
    # a rotation, after its receipt
    ROTATED = "rotated"
    NOT_CUT_OVER = "not_cut_over"
    OLD_KEY_USED = "old_key_used"
    ROTATION_REJECTED = "rotation_rejected"
    ROTATION_WITHDRAWN = "rotation_withdrawn"
    # a new key was deleted again
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"
    NOT_RECORDED = "not_recorded"
    NOT_SEALED = "not_sealed"
    SECRET_WITHHELD = "secret_withheld"  # noqa: S105  # the name of a result


# An error code of AWS. AWS may add codes at any time, so this is not an enumeration.
AwsCode = NewType("AwsCode", str)


def of_aws(name: str) -> AwsCode:
    """Make the code of an AWS error, such as `aws_AccessDenied`, from AWS's name for it."""
    return AwsCode(f"aws_{name}")


class Secret:
    """A secret that only `reveal()` shows. It has no useful repr and cannot be pickled."""

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


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A new root access key whose secret is sealed to its recipient's own key: `content` is an armored file of age."""

    access_key_id: str
    content: str
    created_at: datetime

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file. age does not authenticate its sender, so the receipt names this."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """AWS confirmed that the operation is done."""

    signer_key_id: str
    aws_request_id: str | None
    created: CreatedKey | SealedKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The call certainly had no effect. `code` is stable, `detail` says it in words.

    `code` is a `Code` if the last read of the account, just before the call, led to a refusal. `is_gone` says that AWS
    knows no such target.
    """

    code: ResultCode | Code | AwsCode
    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The call may or may not have had its effect: the answer was lost or is not one of AWS's."""

    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A drill has come to its call, and none was sent. So there is no key, no secret, and no request id of AWS."""

    signer_key_id: str | None = None


Outcome = Done | Drilled | Refused | InDoubt
