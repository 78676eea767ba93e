"""An AWS account and the observed state of its root credentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.canonical import Document, parse_timestamp, timestamp

ACTIVE = "Active"
INACTIVE = "Inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A configured account. `account_id` is 12 digits; `partition` is `aws` or `aws-us-gov`."""

    account_id: str
    name: str
    partition: str = "aws"

    @property
    def root_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.account_id}:root"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A root access key as AWS lists it.

    `status` is `Active`, `Inactive` or whatever else AWS may say (`Expired` exists in its model).
    `last_used_at` lags and is no proof of non-use (AWS documentation of GetAccessKeyLastUsed).
    """

    access_key_id: str
    status: str
    created_at: datetime
    last_used_at: datetime | None = None
    last_used_service: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCredentials:
    """What an account's root user had at `observed_at`. None means that AWS did not say.

    `signer_key_id` is the key the service itself signed with, in the clear since it is an id, not a secret.
    """

    observed_at: datetime
    signer_key_id: str
    keys: tuple[AccessKey, ...]
    mfa_enabled: bool | None
    password_present: bool | None
    signing_certificates_present: bool | None

    @property
    def statuses(self) -> dict[str, str]:
        """Key id → status: what was approved and is compared again before the act."""
        return {key.access_key_id: key.status for key in self.keys}

    def is_held(self, key: AccessKey) -> bool:
        """Whether somebody is known to hold the secret of `key`: it was used, or the service signs with it."""
        return key.last_used_at is not None or key.access_key_id == self.signer_key_id

    def document(self) -> Document:
        """The JSON form that goes into the digest and into the database."""
        return {
            "observed_at": timestamp(self.observed_at),
            "signer_key_id": self.signer_key_id,
            "keys": [
                {
                    "access_key_id": key.access_key_id,
                    "status": key.status,
                    "created_at": timestamp(key.created_at),
                    "last_used_at": timestamp(key.last_used_at) if key.last_used_at else None,
                    "last_used_service": key.last_used_service,
                }
                for key in self.keys
            ],
            "mfa_enabled": self.mfa_enabled,
            "password_present": self.password_present,
            "signing_certificates_present": self.signing_certificates_present,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "RootCredentials":
        """The inverse of `document`. Raises KeyError, TypeError or ValueError for anything else."""
        fields = dict(document)
        keys = fields.pop("keys")
        observed_at = fields.pop("observed_at")
        if not isinstance(keys, list):
            raise TypeError("keys is a list")
        return cls(
            observed_at=parse_timestamp(str(observed_at)),
            keys=tuple(_key(key) for key in keys),
            **fields,  # type: ignore[arg-type]  # the names are those of `document`; a stranger is a TypeError
        )


def _key(document: dict[str, str | None]) -> AccessKey:
    last_used_at = document["last_used_at"]
    return AccessKey(
        access_key_id=str(document["access_key_id"]),
        status=str(document["status"]),
        created_at=parse_timestamp(str(document["created_at"])),
        last_used_at=parse_timestamp(last_used_at) if last_used_at else None,
        last_used_service=document["last_used_service"],
    )


def difference(approved: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """What changed between two key → status pictures, in words; None when nothing did."""
    changes = [f"{key} appeared ({found[key]})" for key in sorted(found.keys() - approved.keys())]
    changes += [f"{key} is gone" for key in sorted(approved.keys() - found.keys())]
    changes += [
        f"{key} went from {approved[key]} to {found[key]}"
        for key in sorted(approved.keys() & found.keys())
        if approved[key] != found[key]
    ]
    return "; ".join(changes) or None
