"""How an execution ended, and the one object that holds a new key's secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn


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
