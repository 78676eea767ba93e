"""What can be seen and changed of the simulated AWS by hand, as by somebody else: none of it is a call."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Literal

from service.simulated_aws.accounts import Accounts
from service.simulated_aws.keys import Credential
from service.simulated_aws.root import Account, AccountState


class State:
    """The truths that tests compare with, and the changes that happen without a call.

    An account that does not exist is a KeyError everywhere. Where there is no root user (`aws-cn`) nothing of
    root's can be added: LookupError. Where it cannot sign in (`aws-us-gov`) it gets no password and no MFA
    device: ValueError.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._lock = threading.RLock()  # around all that reads or changes accounts, keys and calls
        self._accounts = accounts

    # --- credentials ---

    def root_credential(self, account_id: str) -> Credential:
        """Return the root key the account began with, whether or not it still exists.

        Raises LookupError for an account that began without: a managing account that is not among the
        `account_ids`, and every account in China.
        """
        return self._accounts.root_credentials[account_id]

    def management_credential(self) -> Credential:
        """Return the key of the management account's IAM user. Raises LookupError without such an account."""
        if self._accounts.manager is None:
            message = "this AWS has no management account"
            raise LookupError(message)
        return self._accounts.manager

    def delegated_credential(self) -> Credential:
        """Return the key of the delegated administrator's IAM user. Raises LookupError without such an account."""
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
        """Return what AWS alone knows, id -> secret of the root keys: whoever looks for a leak has to know it."""
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

    # --- changes by somebody else ---

    def create_root_key(self, account_id: str) -> Credential:
        with self._lock:
            return self._with_root(account_id).create_root_key()

    def delete_root_key(self, account_id: str, key_id: str) -> None:
        with self._lock:
            self._accounts.by_id[account_id].delete_root_key(key_id)

    def set_root_key_status(self, account_id: str, key_id: str, status: Literal["Active", "Inactive"]) -> None:
        with self._lock:
            self._accounts.by_id[account_id].set_root_key_status(key_id, status)

    def add_mfa_device(self, account_id: str, serial_number: str | None = None) -> str:
        """Enable one more MFA device for root and return its serial number, by default an ARN that is free.

        Raises ValueError for a serial number that is there already.
        """
        with self._lock:
            return self._with_root(account_id).root.add_mfa_device(serial_number)

    def add_signing_certificate(self, account_id: str) -> str:
        """Add an active signing certificate to root and return its id."""
        with self._lock:
            return self._with_root(account_id).root.add_signing_certificate()

    def set_summary(
        self,
        account_id: str,
        *,
        mfa: bool | None = None,
        password: bool | None = None,
        signing_certificates: bool | None = None,
    ) -> None:
        """Make true what GetAccountSummary shall answer; None leaves a fact as it is.

        False removes all there are; True adds the usual one where there is none.
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
        """Suspend, close or reinstate an account: none of its keys works unless it is `ACTIVE`; at first it is."""
        with self._lock:
            self._accounts.by_id[account_id].state = state

    def set_organization_features(self, features: Iterable[str]) -> None:
        """Enable exactly these of `RootCredentialsManagement` and `RootSessions`.

        At first both are, but none outside the partition `aws`, where AssumeRoot is refused in any case.
        """
        with self._lock:
            self._accounts.organization.features = frozenset(features)

    def expire_root_sessions(self) -> None:
        """End all AssumeRoot sessions now, as if their time had passed."""
        with self._lock:
            self._accounts.keyring.expire_sessions()

    def _with_root(self, account_id: str) -> Account:
        if not self._accounts.partition.has_root:
            message = f"accounts of {self._accounts.partition.name} have no root user"
            raise LookupError(message)
        return self._accounts.by_id[account_id]
