"""The simulated AWS's state, to read and to change directly, as if somebody else did it. Nothing here is a call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from service.simulated_aws.accounts import Accounts
from service.simulated_aws.keys import Credential
from service.simulated_aws.resources import Bucket, Queue
from service.simulated_aws.root import Account, AccountState


class State:
    """The state that tests compare with, and changes to it without a call.

    Every method raises KeyError for an unknown account or unit. Without a root user (`aws-cn`), adding any of its
    credentials raises LookupError. Where root cannot sign in (`aws-us-gov`), adding a password or an MFA device
    raises ValueError.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._lock = threading.RLock()  # guards all accounts, keys and calls
        self._accounts = accounts

    # --- credentials ---

    def root_credential(self, account_id: str) -> Credential:
        """Return the account's initial root key, whether or not it still exists.

        Raise LookupError for an account without one: a managing account that is not among the `account_ids`, and
        every account in China.
        """
        return self._accounts.root_credentials[account_id]

    def management_credential(self) -> Credential:
        """Return the key of the management account's IAM user. Raise LookupError without such an account."""
        if self._accounts.manager is None:
            message = "this AWS has no management account"
            raise LookupError(message)
        return self._accounts.manager

    def delegated_credential(self) -> Credential:
        """Return the key of the delegated administrator's IAM user. Raise LookupError without such an account."""
        if self._accounts.delegate is None:
            message = "this AWS has no delegated administrator"
            raise LookupError(message)
        return self._accounts.delegate

    # --- the truth ---

    def keys(self, account_id: str) -> dict[str, str]:
        """Return the root keys that exist, id -> "Active" or "Inactive"."""
        with self._lock:
            return self._accounts.by_id[account_id].root_key_statuses()

    def secrets(self, account_id: str) -> dict[str, str]:
        """Return the secrets of the root keys, id -> secret, so that tests can search for leaks."""
        with self._lock:
            return {
                key.access_key_id: key.secret_access_key for key in self._accounts.by_id[account_id].root.access_keys
            }

    def password(self, account_id: str) -> bool:
        """Return whether root has a password."""
        with self._lock:
            return self._accounts.by_id[account_id].root.password is not None

    def mfa_devices(self, account_id: str) -> list[str]:
        """Return the serial numbers of root's MFA devices, in the order in which they were added."""
        with self._lock:
            return list(self._accounts.by_id[account_id].root.mfa_devices)

    def signing_certificates(self, account_id: str) -> dict[str, str]:
        """Return root's signing certificates, id -> "Active" or "Inactive"."""
        with self._lock:
            certificates = self._accounts.by_id[account_id].root.signing_certificates
            return {certificate.id: certificate.status for certificate in certificates.values()}

    def email(self, account_id: str) -> str:
        """Return the address with which root signs in to the console."""
        with self._lock:
            return self._accounts.organization.emails.of(account_id)

    def bucket_policy(self, name: str) -> str | None:
        """Return a bucket's policy, None if it has none. Raise KeyError for an unknown bucket."""
        with self._lock:
            return self._accounts.resources.buckets[name].policy

    def queue_policy(self, arn: str) -> str | None:
        """Return a queue's policy, None if it has none. Raise KeyError for an unknown queue."""
        with self._lock:
            return self._accounts.resources.queues[arn].policy

    def policies(self, account_id: str) -> dict[str, str]:
        """Return the policies of the account's buckets and queues, by name or ARN."""
        with self._lock:
            resources = self._accounts.resources
            found: list[tuple[str, Bucket | Queue]] = [*resources.buckets.items(), *resources.queues.items()]
            return {
                name: each.policy for name, each in found if each.account_id == account_id and each.policy is not None
            }

    # --- changes by somebody else ---

    def set_email(self, account_id: str, email: str) -> None:
        """Change root's e-mail address, as its holder can in the console."""
        with self._lock:
            self._accounts.organization.emails.set(account_id, email)

    def create_root_key(self, account_id: str) -> Credential:
        with self._lock:
            return self._with_root(account_id).create_root_key()

    def delete_root_key(self, account_id: str, key_id: str) -> None:
        with self._lock:
            self._accounts.by_id[account_id].delete_root_key(key_id)

    def set_root_key_status(self, account_id: str, key_id: str, status: Literal["Active", "Inactive"]) -> None:
        with self._lock:
            self._accounts.by_id[account_id].set_root_key_status(key_id, status)

    def set_last_used(self, account_id: str, key_id: str, at: datetime) -> None:
        """Let IAM have used the key at this time, as a test with a clock of its own needs it."""
        with self._lock:
            self._accounts.by_id[account_id].mark_used(key_id, "iam", "us-east-1", at)

    def add_mfa_device(self, account_id: str, serial_number: str | None = None) -> str:
        """Enable one more MFA device for root and return its serial number, by default an unused ARN.

        Raise ValueError for a serial number that exists already.
        """
        with self._lock:
            return self._with_root(account_id).root.add_mfa_device(serial_number)

    def add_signing_certificate(self, account_id: str) -> str:
        """Add an active signing certificate to root and return its id."""
        with self._lock:
            return self._with_root(account_id).root.add_signing_certificate()

    def add_bucket(self, account_id: str, name: str, policy: str | None = None, *, region: str | None = None) -> None:
        """Add a bucket, by default in the partition's first region, or replace it."""
        with self._lock:
            owner = self._accounts.by_id[account_id].account_id
            self._accounts.resources.add_bucket(owner, name, region or self._accounts.partition.region, policy)

    def add_queue(self, account_id: str, name: str, policy: str | None = None, *, region: str | None = None) -> str:
        """Add a queue, by default in the partition's first region, or replace it. Return its ARN."""
        with self._lock:
            owner = self._accounts.by_id[account_id].account_id
            return self._accounts.resources.add_queue(owner, name, region or self._accounts.partition.region, policy)

    def delete_bucket(self, name: str) -> None:
        with self._lock:
            del self._accounts.resources.buckets[name]

    def set_bucket_policy(self, name: str, policy: str | None) -> None:
        with self._lock:
            self._accounts.resources.buckets[name].policy = policy

    def set_queue_policy(self, arn: str, policy: str | None) -> None:
        with self._lock:
            self._accounts.resources.queues[arn].policy = policy

    def set_summary(
        self,
        account_id: str,
        *,
        mfa: bool | None = None,
        password: bool | None = None,
        signing_certificates: bool | None = None,
    ) -> None:
        """Change the facts that GetAccountSummary reports; None leaves a fact unchanged.

        False removes all; True adds the default one if there is none.
        """
        with self._lock:
            root = self._with_root(account_id).root
            if mfa is not None:
                root.set_mfa(enabled=mfa)
            if password is not None and password is not (root.password is not None):
                root.set_password(present=password)
            if signing_certificates is not None:
                root.set_signing_certificates(present=signing_certificates)

    def set_account_state(self, account_id: str, state: AccountState) -> None:
        """Suspend, close or reinstate an account. Its keys work only while it is `ACTIVE`, which it is initially."""
        with self._lock:
            self._accounts.by_id[account_id].state = state

    def set_organization_features(self, features: Iterable[str]) -> None:
        """Enable exactly these of `RootCredentialsManagement` and `RootSessions`.

        Initially both are, but outside the partition `aws` none is, and AssumeRoot is refused in any case.
        """
        with self._lock:
            self._accounts.organization.features = frozenset(features)

    @property
    def organization_root(self) -> str:
        """The id of the organization's root, in which every account is initially."""
        return self._accounts.organization.root_id

    def add_unit(self, name: str, parent: str | None = None) -> str:
        """Add an organizational unit below another one, or below the root. Return its id."""
        with self._lock:
            organization = self._accounts.organization
            if parent is not None and parent != organization.root_id:
                parent = organization.units[parent].id
            return organization.add_unit(name, parent or organization.root_id)

    def move_account(self, account_id: str, unit: str) -> None:
        """Move an account into an organizational unit."""
        with self._lock:
            organization = self._accounts.organization
            organization.parents[self._accounts.by_id[account_id].account_id] = organization.units[unit].id

    def set_tags(self, account_id: str, tags: Mapping[str, str]) -> None:
        """Give an account exactly these tags. AWS would refuse some characters; here all are accepted."""
        with self._lock:
            self._accounts.organization.tags[self._accounts.by_id[account_id].account_id] = dict(tags)

    def expire_root_sessions(self) -> None:
        """Make all AssumeRoot sessions expire now."""
        with self._lock:
            self._accounts.keyring.expire_sessions()

    def _with_root(self, account_id: str) -> Account:
        if not self._accounts.partition.has_root:
            message = f"accounts of {self._accounts.partition.name} have no root user"
            raise LookupError(message)
        return self._accounts.by_id[account_id]
