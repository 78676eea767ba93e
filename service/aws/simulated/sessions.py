"""`sts:AssumeRoot`: how the management account gets a short root session in a member account."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.aws.simulated.keys import Signer
from service.aws.simulated.policy import TASK_POLICY_PREFIX, task_policies
from service.aws.simulated.wire import AwsError, Incoming

ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
ROOT_SESSIONS = "RootSessions"
_LONGEST_SESSION = 900  # seconds; the AssumeRoot API reference
_TARGET = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?")


@dataclass(frozen=True)
class Grant:
    """A root session that may be made."""

    account_id: str
    task_policy: str
    lifetime: timedelta


@dataclass
class Organization:
    """Which account manages which, and which of AWS's centralized root access features are enabled."""

    management_account: str | None
    members: Collection[str]
    features: frozenset[str] = frozenset({ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS})

    def enabled_features(self, signer: Signer) -> list[str]:
        """Answer ListOrganizationsFeatures.

        Raises AwsError, by the API reference: OrganizationNotFoundException,
        AccountNotManagementOrDelegatedAdministratorException.
        """
        if self.management_account is None:
            raise AwsError("OrganizationNotFoundException", "The account is in no organization.", 400)
        if signer.account_id != self.management_account:
            code = "AccountNotManagementOrDelegatedAdministratorException"
            raise AwsError(code, "Only the management account may ask.", 400)
        return sorted(self.features)

    def grant_root(self, incoming: Incoming, signer: Signer) -> Grant:
        """Judge AssumeRoot; whether the caller's own policy allows the call has been judged before.

        Raises AwsError: ValidationError for a bad parameter; AccessDenied for a caller that is root or not
        of the management account, a target that is no member, a feature that is not enabled.
        """
        grant = _parameters(incoming)
        needed = ROOT_CREDENTIALS_MANAGEMENT if "/IAM" in grant.task_policy else ROOT_SESSIONS
        permitted = (
            not signer.is_root
            and signer.account_id == self.management_account
            and grant.account_id in self.members
            and needed in self.features
        )
        if not permitted:
            message = f"Access denied to sts:AssumeRoot on resource: arn:aws:iam::{grant.account_id}:root"
            raise AwsError("AccessDenied", message, 403)
        return grant


def session_answer(session: Signer) -> dict[str, Any]:
    """Shape a session as the AssumeRoot answer."""
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": session.expires_at,
        },
        "SourceIdentity": None,
    }


def target_account(incoming: Incoming) -> str:
    """Read the account from TargetPrincipal, an account id or a root ARN. Raises AwsError ValidationError."""
    match = _TARGET.fullmatch(incoming.parameters.get("TargetPrincipal", ""))
    if match is None:
        raise _invalid("targetPrincipal")
    return match.group(1)


def _parameters(incoming: Incoming) -> Grant:
    task_policy = incoming.parameters.get("TaskPolicyArn.arn", "")
    if not task_policy.startswith(TASK_POLICY_PREFIX) or task_policy not in task_policies():
        raise _invalid("taskPolicyArn")
    duration = incoming.parameters.get("DurationSeconds", str(_LONGEST_SESSION))
    if not duration.isdecimal() or not 0 < int(duration) <= _LONGEST_SESSION:
        raise _invalid("durationSeconds")
    return Grant(target_account(incoming), task_policy, timedelta(seconds=int(duration)))


def _invalid(parameter: str) -> AwsError:
    message = f"1 validation error detected: Value at '{parameter}' failed to satisfy constraint"
    return AwsError("ValidationError", message, 400)
