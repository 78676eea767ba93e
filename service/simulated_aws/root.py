"""A root user inside moto's IAM, which has none, with its keys, password, MFA devices and certificates.

This uses moto's private API, hence the pin to 5.2. Each account is an IAM backend that is held by this object
and not by moto's process-wide registry, so two simulations share no state.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from moto.core.utils import utcnow
from moto.iam.models import (
    AccessKey,
    AccessKeyLastUsed,
    AccountSummary,
    IAMBackend,
    ManagedPolicy,
    SigningCertificate,
    User,
)
from moto.iam.utils import random_resource_id
from moto.sts.utils import random_session_token

from service.simulated_aws.keys import ROOT_USER_NAME, Credential, Keyring, Signer
from service.simulated_aws.partition import Partition
from service.simulated_aws.policy import Document

AccountState = Literal["ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"]
_SOME_PASSWORD = "a password that nobody knows"  # noqa: S105  moto needs one; AWS never shows root's


class RootUser(User):
    """The account's root user: moto's user except for ARN and id."""

    def __init__(self, account_id: str, partition: Partition) -> None:
        super().__init__(account_id, partition.region, ROOT_USER_NAME)
        self.id = account_id
        self.password_created_at = self.create_date
        self._partition = partition

    def is_created(self) -> bool:
        return True  # abstract in moto and for CloudFormation, which is not simulated

    @property
    def arn(self) -> str:
        return f"arn:{self._partition.name}:iam::{self.account_id}:root"

    def set_password(self, *, present: bool) -> None:
        """Set or remove the password. Raise ValueError in a partition whose root users have none."""
        if present:
            self._check_has_sign_in()
            self.password_created_at = utcnow()
        self.password = _SOME_PASSWORD if present else None

    def set_mfa(self, *, enabled: bool) -> None:
        """Enable the default device if there is none, or remove all. Raise ValueError if root users have none."""
        if not enabled:
            self.mfa_devices.clear()
        elif not self.mfa_devices:
            self.add_mfa_device(None)

    def add_mfa_device(self, serial_number: str | None) -> str:
        """Enable a device. Raise ValueError if root users have none, or the serial number exists already."""
        self._check_has_sign_in()
        prefix = f"arn:{self._partition.name}:iam::{self.account_id}:mfa/root-account-mfa-device"
        free = (s for n in range(1, len(self.mfa_devices) + 2) if (s := _numbered(prefix, n)) not in self.mfa_devices)
        serial_number = serial_number or next(free)
        if serial_number in self.mfa_devices:
            message = f"the root user has this MFA device already: {serial_number}"
            raise ValueError(message)
        self.enable_mfa_device(serial_number, "", "")
        return serial_number

    def set_signing_certificates(self, *, present: bool) -> None:
        if not present:
            self.signing_certificates.clear()
        elif not self.signing_certificates:
            self.add_signing_certificate()

    def add_signing_certificate(self) -> str:
        """Add a placeholder certificate and return its id. AWS does not inspect stored certificates either."""
        certificate_id = random_resource_id(size=32).upper()
        body = "-----BEGIN CERTIFICATE-----\nsimulated\n-----END CERTIFICATE-----"
        self.signing_certificates[certificate_id] = SigningCertificate(certificate_id, self.name, body)
        return certificate_id

    def _check_has_sign_in(self) -> None:
        if not self._partition.has_sign_in:
            message = f"root users of {self._partition.name} have neither password nor MFA devices"
            raise ValueError(message)


def _numbered(prefix: str, number: int) -> str:
    return prefix if number == 1 else f"{prefix}-{number}"


class _RootSummary(AccountSummary):
    """GetAccountSummary with the facts about root, which moto reports as 0 or omits."""

    def __init__(self, backend: Account) -> None:
        super().__init__(backend)
        self._account = backend

    @property
    def summary_map(self) -> dict[str, Any]:
        root = self._account.root
        return super().summary_map | {
            "AccountAccessKeysPresent": int(bool(root.access_keys)),  # inactive ones count
            "AccountMFAEnabled": int(bool(root.mfa_devices)),
            "AccountPasswordPresent": int(bool(root.password)),
            "AccountSigningCertificatesPresent": int(bool(root.signing_certificates)),
            "Users": len(self._account.users) - 1,  # root is not an IAM user
        }


class Account(IAMBackend):
    """One account's IAM, with its root user. Every change of a key is passed to the keyring."""

    def __init__(self, account_id: str, name: str, partition: Partition, keyring: Keyring) -> None:
        super().__init__(partition.name, account_id)
        self._keyring = keyring
        self.name = name
        self.state: AccountState = "ACTIVE"
        self.created_at = datetime.now(UTC)
        self.root = RootUser(account_id, partition)
        if partition.has_sign_in:
            self.root.set_password(present=True)
            self.root.set_mfa(enabled=True)
        self.users[ROOT_USER_NAME] = self.root
        self.account_summary = _RootSummary(self)

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        """Return none, as no user here has one. moto would parse all of AWS's if an environment variable said so."""
        return []

    def root_key_statuses(self) -> dict[str, str]:
        return {key.access_key_id: key.status for key in self.root.access_keys}

    def create_root_key(self, *, at_once: bool = False) -> Credential:
        return self.create_credential(ROOT_USER_NAME, at_once=at_once)

    def delete_root_key(self, access_key_id: str) -> None:
        self.delete_access_key(access_key_id, ROOT_USER_NAME)

    def set_root_key_status(self, access_key_id: str, status: str) -> None:
        self.update_access_key(ROOT_USER_NAME, access_key_id, status)

    def create_root_session(self, task_policy: str, lifetime: timedelta) -> Signer:
        key = self.create_temp_access_key()
        session = replace(
            self._signer(key),
            user_name=ROOT_USER_NAME,
            session_token=random_session_token(),
            task_policy=task_policy,
            expires_at=datetime.now(UTC) + lifetime,
        )
        self._keyring.add(session, at_once=True)
        return session

    def owner_of(self, access_key_id: str) -> str | None:
        owned = (u.name for u in self.users.values() if u.has_access_key(access_key_id))
        return next(owned, None)

    def create_credential(self, user_name: str, *, at_once: bool = False) -> Credential:
        """Create a key without a call; `at_once` skips the propagation delay."""
        key = self.create_access_key(user_name)
        if at_once:
            self._keyring.add(self._signer(key), at_once=True)
        return Credential(key.access_key_id, key.secret_access_key)

    def mark_used(self, access_key_id: str, service: str, region: str, at: datetime | None = None) -> None:
        if access_key_id in self.access_keys:
            self.access_keys[access_key_id].last_used = AccessKeyLastUsed(at or utcnow(), service, region)

    def policy_documents(self, user_name: str) -> list[Document]:
        """Return the user's inline and attached policies, without those of groups."""
        user = self.get_user(user_name)
        attached = [
            version.document
            for policy in user.managed_policies.values()
            for version in policy.versions
            if version.is_default
        ]
        return [json.loads(document) for document in (*user.policies.values(), *attached)]

    def create_access_key(self, user_name: str, prefix: str = "AKIA", status: str = "Active") -> AccessKey:
        key = super().create_access_key(user_name, prefix, status)
        self._keyring.add(self._signer(key))
        return key

    def update_access_key(self, user_name: str, access_key_id: str, status: str | None = None) -> AccessKey:
        key = super().update_access_key(user_name, access_key_id, status)
        self._keyring.change(access_key_id, works=key.status == "Active")
        return key

    def delete_access_key(self, access_key_id: str, user_name: str) -> None:
        super().delete_access_key(access_key_id, user_name)
        self._keyring.change(access_key_id, works=False)

    def get_all_access_keys_for_all_users(self) -> list[AccessKey]:
        """Return this account's keys only. moto would search all accounts, and so leak between them."""
        return [key for user in self.users.values() for key in user.access_keys]

    def list_users(self, *args: Any, **kwargs: Any) -> list[User]:
        return [user for user in super().list_users(*args, **kwargs) if user is not self.root]

    def create_login_profile(self, user_name: str, password: str | None) -> User:
        """Create a login profile. AWS sets no password for root; the owner of the e-mail address chooses one."""
        user = super().create_login_profile(user_name, password or _SOME_PASSWORD)
        if user is self.root:
            self.root.set_password(present=True)
        return user

    def _signer(self, key: AccessKey) -> Signer:
        return Signer(self.account_id, str(key.user_name), key.access_key_id, key.secret_access_key)
