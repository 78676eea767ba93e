"""How an execution ended, and the one object that holds a new key's secret."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, NoReturn

from service.domain.errors import Code


class ResultCode(StrEnum):
    """How an execution ended, by the service's own names. `docs/problems.md` explains each."""

    DONE = "done"
    # nothing was sent
    ACCOUNT_CHANGED = "account_changed"
    TOO_LATE = "too_late"
    UNREACHABLE = "unreachable"
    # what became of a call is not known, or was found out later
    IN_DOUBT = "in_doubt"
    NOT_CREATED = "not_created"
    SECRET_LOST = "secret_lost"  # noqa: S105  # the name of a result
    QUARANTINED = "quarantined"
    UNRESOLVED = "unresolved"
    NOT_DONE = "not_done"
    # a new key was deleted again
    UNCONFIRMED = "unconfirmed"
    EXPIRED = "expired"
    NOT_RECORDED = "not_recorded"
    SECRET_WITHHELD = "secret_withheld"  # noqa: S105  # the name of a result


# An error of AWS's: AWS may add to them at any time, so no enumeration can hold them.
AwsCode = NewType("AwsCode", str)


def of_aws(name: str) -> AwsCode:
    """Make the code of an AWS error, such as `aws_AccessDenied`, from the name that AWS gives it."""
    return AwsCode(f"aws_{name}")


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
    """Certain to have had no effect. `code` is stable, `detail` says it in words.

    A `Code` is a refusal that the last look at the account brought about, just before the call. `is_gone` says that
    AWS knows no such target.
    """

    code: ResultCode | Code | AwsCode
    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The call may or may not have had its effect: the answer was lost or is no answer."""

    detail: str
    signer_key_id: str | None = None
    aws_request_id: str | None = None


Outcome = Done | Refused | InDoubt
