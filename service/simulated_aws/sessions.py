"""`sts:AssumeRoot`: its parameters, and the shape of the root session in the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.simulated_aws.answers import AwsError
from service.simulated_aws.keys import Signer
from service.simulated_aws.policy import TASK_POLICY_PREFIX, task_policies
from service.simulated_aws.wire import Incoming

_LONGEST_SESSION = 900  # seconds; the AssumeRoot API reference
_TARGET = re.compile(r"(?:arn:aws[\w-]*:iam::)?(\d{12})(?::root)?")


@dataclass(frozen=True)
class Grant:
    """A requested root session."""

    account_id: str
    task_policy: str
    lifetime: timedelta


def read_grant(incoming: Incoming) -> Grant:
    """Read the parameters of AssumeRoot. Raise AwsError ValidationError."""
    task_policy = incoming.parameters.get("TaskPolicyArn.arn", "")
    if not task_policy.startswith(TASK_POLICY_PREFIX) or task_policy not in task_policies():
        raise _invalid("taskPolicyArn")
    duration = incoming.parameters.get("DurationSeconds", str(_LONGEST_SESSION))
    if not duration.isdecimal() or not 0 < int(duration) <= _LONGEST_SESSION:
        raise _invalid("durationSeconds")
    return Grant(target_account(incoming), task_policy, timedelta(seconds=int(duration)))


def target_account(incoming: Incoming) -> str:
    """Read the account from TargetPrincipal, an account id or a root ARN. Raise AwsError ValidationError."""
    account_id = find_target(incoming)
    if account_id is None:
        raise _invalid("targetPrincipal")
    return account_id


def find_target(incoming: Incoming) -> str | None:
    match = _TARGET.fullmatch(incoming.parameters.get("TargetPrincipal", ""))
    return match.group(1) if match else None


def session_answer(session: Signer) -> dict[str, Any]:
    """Return a session in the form of the AssumeRoot answer."""
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": session.expires_at,
        },
        "SourceIdentity": None,
    }


def _invalid(parameter: str) -> AwsError:
    message = f"1 validation error detected: Value at '{parameter}' failed to satisfy constraint"
    return AwsError("ValidationError", message, 400)
