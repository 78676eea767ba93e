"""An AWS account and the observed state of its root credentials."""

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from service.domain.canonical import Document, Json, parse_timestamp, timestamp

ACTIVE = "Active"
INACTIVE = "Inactive"


# The key of the password among the facts about a root user. Keys, devices and certificates go by their ids.
PASSWORD = "root password"  # noqa: S105  # the name of a fact
PRESENT = "present"


class SourceKind(StrEnum):
    """The source of an account's root credential: a profile that holds it, or `sts:AssumeRoot`."""

    PROFILE = "profile"
    ASSUME_ROOT = "assume_root"


class Partition(StrEnum):
    AWS = "aws"
    GOV_CLOUD = "aws-us-gov"
    CHINA = "aws-cn"


class Part(StrEnum):
    """Something to read about a root user besides its access keys and their statuses. Each part costs calls.

    `SIGNER` is the key that the service itself holds. Finding it may mean running a profile's program.
    `RESOURCE_POLICY` is that of the bucket or queue for which a session was made; other sessions have none.
    """

    SUMMARY = "summary"
    SIGNER = "signer"
    LAST_USE = "last_use"
    PASSWORD = "password"  # noqa: S105  # the name of a part
    MFA_DEVICES = "mfa_devices"
    SIGNING_CERTIFICATES = "signing_certificates"
    EMAIL = "email"
    RESOURCE_POLICY = "resource_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A configured account. `account_id` is 12 digits.

    `state` comes from AWS Organizations, and is `ACTIVE` if it was not asked. `organization` names the settings' table
    through which sts:AssumeRoot reaches the account; None if it does not. `unlocks` says whether that organization's
    settings let the service delete the policies of buckets and queues.

    `units` are the ids of the organization's root (`r-…`) and of all organizational units (`ou-…`) above the account.
    `tags` are its tags, empty if it has none. Both come unchanged from AWS Organizations; None means that they are not
    known. A comparison counts `tags`, the hash does not.
    """

    account_id: str
    name: str
    partition: Partition = Partition.AWS
    has_profile: bool = True
    organization: str | None = None
    unlocks: bool = False
    is_management: bool = False
    state: str = "ACTIVE"
    units: frozenset[str] | None = None
    tags: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def sources(self) -> tuple[SourceKind, ...]:
        """Return the configured sources, the least powerful first."""
        found = {SourceKind.ASSUME_ROOT: self.organization is not None, SourceKind.PROFILE: self.has_profile}
        return tuple(source for source, is_there in found.items() if is_there)

    @property
    def root_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.account_id}:root"

    @property
    def has_readable_email(self) -> bool:
        """Return whether AWS can tell the root user's e-mail address: it tells that to the account's organization."""
        return self.organization is not None and self.partition is Partition.AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The result of reading one thing about an organization's accounts.

    `what` is `organizational units` or `tags`. It is known of `known` of the `accounts` that the service serves.
    `fault` says why not of all; None if it is. `permissions` are IAM's names of what the read needs.
    """

    what: str
    known: int
    accounts: int
    fault: str | None
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAccounts:
    """The accounts to take from an organization: those in `allow`, or all if it is empty, except those in `deny`."""

    allow: AbstractSet[str] = frozenset()
    deny: AbstractSet[str] = frozenset()

    def takes(self, account_id: str) -> bool:
        return account_id not in self.deny and (not self.allow or account_id in self.allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A root access key as AWS lists it.

    `status` is `Active`, `Inactive` or any other word of AWS's (its model has `Expired`).
    `last_used_at` lags, so None does not prove that the key is unused (AWS documentation of GetAccessKeyLastUsed).
    """

    access_key_id: str
    status: str
    created_at: datetime
    last_used_at: datetime | None = None
    last_used_service: str | None = None


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    certificate_id: str
    status: str


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The policy of a bucket or queue in `region`: its text as AWS has it, which may be anything; None without one."""

    region: str
    policy: str | None

    @property
    def policy_sha256(self) -> str | None:
        """Return the hex SHA-256 of the text in UTF-8. Return None without a policy."""
        return None if self.policy is None else hashlib.sha256(self.policy.encode()).hexdigest()

    def document(self) -> Document:
        return {"region": self.region, "policy": self.policy, "policy_sha256": self.policy_sha256}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ResourcePolicy":
        """Invert `document`. Raise KeyError, TypeError or ValueError for anything else."""
        found = cls(document["region"], document["policy"])
        if not isinstance(found.region, str) or not isinstance(found.policy, str | None):
            raise TypeError("a region and a policy are texts")
        if found.document() != document:
            raise ValueError("the hash is not that of the policy")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCredentials:
    """The credentials of an account's root user at `observed_at`. None means that AWS did not say, or was not asked.

    `signer_key_id` is the id of the root access key that the service holds and signs with. It is None if the service
    uses sts:AssumeRoot only. `mfa_devices` are serial numbers. `email` is the address with which root signs in to the
    console; it is None also where the service may not read it. `resource` is the bucket or queue of an operation on its
    policy; None for other operations, and if the account has no such bucket or queue.
    """

    observed_at: datetime
    signer_key_id: str | None
    keys: tuple[AccessKey, ...]
    mfa_enabled: bool | None = None
    password_present: bool | None = None
    signing_certificates_present: bool | None = None
    mfa_devices: tuple[str, ...] | None = None
    signing_certificates: tuple[SigningCertificate, ...] | None = None
    email: str | None = None
    resource: ResourcePolicy | None = None

    @property
    def statuses(self) -> dict[str, str]:
        """Map key id → status. Approval covers this, and it is compared again before the act."""
        return {key.access_key_id: key.status for key in self.keys}

    @property
    def active_key_ids(self) -> list[str]:
        return [key.access_key_id for key in self.keys if key.status == ACTIVE]

    def key(self, access_key_id: str) -> AccessKey | None:
        return next((key for key in self.keys if key.access_key_id == access_key_id), None)

    def is_held(self, key: AccessKey) -> bool:
        """Return whether somebody certainly holds the secret of `key`: it was used, or the service signs with it."""
        return key.last_used_at is not None or key.access_key_id == self.signer_key_id

    def document(self) -> Document:
        """Return the JSON form that is hashed and stored.

        It omits devices, certificates, an address and a resource that were not read. So requests filed before these
        fields keep their digest.
        """
        listed: dict[str, Json] = {} if self.email is None else {"email": self.email}
        if self.mfa_devices is not None:
            listed["mfa_devices"] = list(self.mfa_devices)
        if self.signing_certificates is not None:
            listed["signing_certificates"] = [
                {"certificate_id": certificate.certificate_id, "status": certificate.status}
                for certificate in self.signing_certificates
            ]
        if self.resource is not None:
            listed["resource"] = self.resource.document()
        return listed | {
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
    def from_document(cls, document: Mapping[str, Any]) -> "RootCredentials":
        """Invert `document`. Raise KeyError, TypeError or ValueError for anything else."""
        fields = dict(document)
        devices, certificates = fields.pop("mfa_devices", None), fields.pop("signing_certificates", None)
        resource = fields.pop("resource", None)
        return cls(
            observed_at=parse_timestamp(fields.pop("observed_at")),
            keys=tuple(_key(key) for key in fields.pop("keys")),
            mfa_devices=None if devices is None else tuple(devices),
            signing_certificates=None if certificates is None else tuple(SigningCertificate(**c) for c in certificates),
            resource=None if resource is None else ResourcePolicy.from_document(resource),
            **fields,  # named as in `document`; an unknown name is a TypeError
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
    """Describe what changed between two maps of id → status. Return None if nothing did."""
    changes = [f"{key} appeared ({found[key]})" for key in sorted(found.keys() - approved.keys())]
    changes += [f"{key} is gone" for key in sorted(approved.keys() - found.keys())]
    changes += [
        f"{key} went from {approved[key]} to {found[key]}"
        for key in sorted(approved.keys() & found.keys())
        if approved[key] != found[key]
    ]
    return "; ".join(changes) or None
