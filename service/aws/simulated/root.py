"""A root user inside moto's IAM, and the actions and checks around it that moto 5.2 lacks.

This stands on moto's private API, hence the pin to 5.2. Each account is an IAM backend that lives in this
object and not in moto's process-wide registry, so no state is shared between two simulations.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam.models import (
    AccessKey,
    AccessKeyLastUsed,
    AccountSummary,
    IAMBackend,
    User,
)
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse
from moto.sts.utils import random_session_token
from werkzeug.wrappers import Response

from service.aws.simulated.keys import ROOT_USER_NAME, Credential, Keyring, Signer
from service.aws.simulated.policy import Document
from service.aws.simulated.wire import AwsError, Incoming

_USER_NAME = re.compile(r"[\w+=,.@-]{1,128}")  # the pattern in the IAM API reference


class RootUser(User):
    """The account's root user; moto's user in all but its ARN and id."""

    def __init__(self, account_id: str) -> None:
        super().__init__(account_id, "us-east-1", ROOT_USER_NAME)
        self.id = account_id

    def is_created(self) -> bool:
        return True  # abstract in moto and for CloudFormation, which is not simulated

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:root"


class _RootSummary(AccountSummary):
    """GetAccountSummary with the root facts, that moto answers with 0 or leaves out."""

    def __init__(self, backend: Account) -> None:
        super().__init__(backend)
        self._account = backend

    @property
    def summary_map(self) -> dict[str, Any]:
        return super().summary_map | {
            "AccountAccessKeysPresent": int(bool(self._account.root.access_keys)),  # inactive ones count
            "AccountMFAEnabled": int(self._account.mfa),
            "AccountPasswordPresent": int(self._account.password),
            "AccountSigningCertificatesPresent": int(self._account.signing_certificates),
            "Users": len(self._account.users) - 1,  # root is not an IAM user
        }


class Account(IAMBackend):
    """One account's IAM, with its root user. Every change of a key is told to the keyring."""

    def __init__(self, account_id: str, keyring: Keyring) -> None:
        super().__init__("aws", account_id)
        self._keyring = keyring
        self.mfa = True
        self.password = True
        self.signing_certificates = False
        self.root = RootUser(account_id)
        self.users[ROOT_USER_NAME] = self.root
        self.account_summary = _RootSummary(self)

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
        """Create a key without a call; `at_once` spares it the propagation delay."""
        key = self.create_access_key(user_name)
        if at_once:
            self._keyring.add(self._signer(key), at_once=True)
        return Credential(key.access_key_id, key.secret_access_key)

    def mark_used(self, access_key_id: str, service: str, region: str) -> None:
        if access_key_id in self.access_keys:
            self.access_keys[access_key_id].last_used = AccessKeyLastUsed(utcnow(), service, region)

    def policy_documents(self, user_name: str) -> list[Document]:
        """Collect the user's inline and attached policies. Groups are not looked at."""
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
        """Return this account's keys only: moto looks through all accounts, so would leak between them."""
        return [key for user in self.users.values() for key in user.access_keys]

    def list_users(self, *args: Any, **kwargs: Any) -> list[User]:
        return [user for user in super().list_users(*args, **kwargs) if user is not self.root]

    def _signer(self, key: AccessKey) -> Signer:
        return Signer(self.account_id, str(key.user_name), key.access_key_id, key.secret_access_key)


class _Iam(IamResponse):
    """moto's IAM actions, done by a signer who has been authenticated already."""

    def __init__(self, account: Account, signer: Signer, features: list[str]) -> None:
        super().__init__()
        self._account = account
        self._signer = signer
        self._features = features

    @property
    def backend(self) -> Account:
        return self._account

    def get_current_account(self) -> str:
        # moto would trust an environment variable or a header before the signature.
        return self._signer.account_id

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        """Both are done before moto sees the request; moto knows neither root nor task policies."""

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Without a UserName the signer is meant: moto would take the owner of the *target* key."""
        value = super()._get_param(param_name, if_none)
        if param_name != "UserName":
            return value
        if value is None or value == "":
            return self._signer.user_name
        if not _USER_NAME.fullmatch(value):
            raise AwsError("ValidationError", "The specified value for userName is invalid.", 400)
        return value

    def update_access_key(self) -> ActionResult:
        if self._get_param("Status") not in ("Active", "Inactive"):
            message = "Value at 'status' failed to satisfy constraint: Member must satisfy enum value set"
            raise AwsError("ValidationError", f"1 validation error detected: {message}", 400)
        return super().update_access_key()

    def list_organizations_features(self) -> ActionResult:
        return ActionResult({"OrganizationId": "o-simulated00", "EnabledFeatures": self._features})


class _Sts(TokenResponse):
    """STS answers, written out by moto from botocore's model."""

    def __init__(self, signer: Signer, result: dict[str, Any]) -> None:
        super().__init__()
        self._signer = signer
        self._result = result

    def get_current_account(self) -> str:
        return self._signer.account_id

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        """Done before."""

    def get_caller_identity(self) -> ActionResult:
        return ActionResult(self._result)

    def assume_root(self) -> ActionResult:
        return ActionResult(self._result)


def perform_iam(incoming: Incoming, account: Account, signer: Signer, features: list[str]) -> Response:
    """Let moto do an IAM action as the signer. Raises AwsError InvalidAction for one it does not know."""
    return _perform(_Iam(account, signer, features), incoming)


def write_sts(incoming: Incoming, signer: Signer, result: dict[str, Any]) -> Response:
    """Write the result of GetCallerIdentity or AssumeRoot as AWS would."""
    return _perform(_Sts(signer, result), incoming)


def unknown_action(action: str) -> AwsError:
    """Build what the Query protocol answers to an Action it does not have."""
    return AwsError("InvalidAction", f"Could not find operation {action}", 400)


def _perform(responder: _Iam | _Sts, incoming: Incoming) -> Response:
    try:
        status, headers, body = responder._dispatch(incoming.request)  # noqa: SLF001  moto has no public entry
    except (OperationNotFoundError, NotImplementedError) as error:
        raise unknown_action(incoming.action) from error
    text = body if isinstance(body, str) else body.decode()
    # Captured answers of AWS to root have no UserName.
    text = text.replace(f"<UserName>{ROOT_USER_NAME}</UserName>", "")
    return Response(text, status=status, headers=headers, mimetype="text/xml")
