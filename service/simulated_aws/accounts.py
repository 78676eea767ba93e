"""All accounts of the simulated AWS, and how it authorizes and performs one signed request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from werkzeug.wrappers import Response

from service.simulated_aws.actions import perform_iam, unknown_action, write_sts
from service.simulated_aws.answers import AwsError, json_answer
from service.simulated_aws.keys import Credential, Keyring, Signer, invalid_token
from service.simulated_aws.organization import Organization
from service.simulated_aws.partition import Partition
from service.simulated_aws.policy import is_allowed, is_denied, task_policies
from service.simulated_aws.resources import Resources
from service.simulated_aws.root import Account
from service.simulated_aws.sessions import find_target, read_grant, session_answer, target_account
from service.simulated_aws.wire import Incoming, check_addressed_here

_MANAGER = "root-access-manager"
_MANAGER_POLICY = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": [
            "sts:AssumeRoot",
            "iam:ListOrganizationsFeatures",
            "organizations:ListAccounts",
            "organizations:ListAccountsForParent",
            "organizations:ListOrganizationalUnitsForParent",
            "organizations:ListRoots",
            "organizations:ListTagsForResource",
            "organizations:DescribeAccount",
            "account:GetPrimaryEmail",
        ],
        "Resource": "*",
    },
}

# The parameters that name the account that a call asks about. AssumeRoot's may also be an ARN.
_ABOUT = {"DescribeAccount": "AccountId", "GetPrimaryEmail": "AccountId", "ListTagsForResource": "ResourceId"}

# Actions whose permission has another name (service authorization reference of S3).
_PERMISSIONS = {"ListBuckets": "ListAllMyBuckets"}

# By the IAM API reference, root may omit the UserName in these only in an AssumeRoot session.
_ROOT_NEEDS_SESSION = frozenset({"CreateLoginProfile", "DeactivateMFADevice", "DeleteLoginProfile", "GetLoginProfile"})


class Accounts:
    """The whole state of the simulated AWS. The caller holds its lock.

    Raises ValueError for an impossible set of accounts.
    """

    def __init__(
        self,
        account_ids: Sequence[str],
        management_account: str | None,
        delegated_administrator: str | None,
        names: Mapping[str, str],
        partition: Partition,
    ) -> None:
        everyone = dict.fromkeys(filter(None, (*account_ids, management_account, delegated_administrator)))
        _check(everyone, management_account, delegated_administrator, names)
        self.partition = partition
        self.page_size: int | None = None
        self.resources = Resources(partition)
        self.keyring = Keyring()
        self.by_id = {
            account_id: Account(
                account_id, names.get(account_id, f"account-{account_id[-4:]}"), partition, self.keyring
            )
            for account_id in everyone
        }
        self.organization = Organization(partition, self.by_id, management_account, delegated_administrator)
        with_root_key = dict.fromkeys(account_ids if partition.has_root else ())
        self.root_credentials = {
            account_id: self.by_id[account_id].create_root_key(at_once=True) for account_id in with_root_key
        }
        self.manager = self._create_manager(management_account)
        self.delegate = self._create_manager(delegated_administrator)

    def concerned(self, incoming: Incoming) -> frozenset[str]:
        """Return the accounts that a call concerns: the signer's, if known, and the one that it asks about."""
        signer = self.keyring.account_of(incoming.access_key_id)
        target = find_target(incoming) if incoming.action == "AssumeRoot" else None
        about = _ABOUT.get(incoming.action, "")
        return frozenset(filter(None, (signer, target, incoming.parameters.get(about))))

    def perform(self, incoming: Incoming) -> Response:
        """Authenticate, authorize and perform a request.

        Raise AwsError for every refusal of our own; moto's refusals come as an answer.
        """
        check_addressed_here(incoming, self.partition)
        signer = self.keyring.authenticate(incoming)
        account = self.by_id[signer.account_id]
        if account.state != "ACTIVE":
            raise invalid_token()
        account.mark_used(signer.access_key_id, incoming.service or "", incoming.region or "")
        self._authorize(incoming, signer, account)
        match incoming.service:
            case "organizations":
                return self._perform_organizations(incoming, signer)
            case "account":
                return self._answered(incoming, self.organization.emails.answer(incoming, signer))
            case "s3":
                return self.resources.perform_s3(incoming, signer, self.page_size)
            case "sqs":
                return self.resources.perform_sqs(incoming, signer)
            case "sts":
                return self._perform_sts(incoming, signer, account)
        asked = incoming.action == "ListOrganizationsFeatures"
        features = self.organization.enabled_features(signer) if asked else {}
        return perform_iam(incoming, account, signer, features, self.page_size)

    def _perform_organizations(self, incoming: Incoming, signer: Signer) -> Response:
        if incoming.action == "DescribeAccount":
            return json_answer(self.organization.describe(incoming, signer))
        return self._answered(incoming, self.organization.list_page(incoming, signer, self.page_size))

    def _answered(self, incoming: Incoming, answer: Mapping[str, object] | None) -> Response:
        if answer is None:
            raise unknown_action(incoming.action)
        return json_answer(answer)

    def _perform_sts(self, incoming: Incoming, signer: Signer, account: Account) -> Response:
        if incoming.action == "GetCallerIdentity":
            user = account.get_user(signer.user_name)
            identity = {"UserId": user.id, "Account": signer.account_id, "Arn": user.arn}
            return write_sts(incoming, signer, identity)
        if incoming.action == "AssumeRoot":
            grant = read_grant(incoming)
            self.organization.check_may_assume_root(grant, signer)
            session = self.by_id[grant.account_id].create_root_session(grant.task_policy, grant.lifetime)
            return write_sts(incoming, signer, session_answer(session))
        raise unknown_action(incoming.action)

    def _authorize(self, incoming: Incoming, signer: Signer, account: Account) -> None:
        """Raise AwsError AccessDenied (403) unless the signer may do this.

        GetCallerIdentity needs no permission, by the STS API reference.
        """
        if incoming.action == "GetCallerIdentity":
            return
        name = _PERMISSIONS.get(incoming.action, incoming.action)
        action, (resource, owner) = f"{incoming.service}:{name}", self._resource(incoming, signer, account)
        keys = {"aws:PrincipalArn": account.get_user(signer.user_name).arn, "aws:PrincipalAccount": signer.account_id}
        keys |= {} if owner is None else {"aws:ResourceAccount": owner}
        if signer.task_policy is not None:
            permitted = not is_denied(task_policies()[signer.task_policy], action, resource, keys)
        elif signer.is_root:
            permitted = incoming.action not in _ROOT_NEEDS_SESSION or bool(incoming.parameters.get("UserName"))
        else:
            permitted = is_allowed(account.policy_documents(signer.user_name), action, resource, keys)
        if not permitted:
            arn = account.get_user(signer.user_name).arn
            message = f"User: {arn} is not authorized to perform: {action} on resource: {resource}"
            raise AwsError("AccessDenied", message, 403)

    def _resource(self, incoming: Incoming, signer: Signer, account: Account) -> tuple[str, str | None]:
        """Return the resource's ARN, and the account that owns it, if it is there."""
        if incoming.service in {"s3", "sqs"}:
            return self.resources.named(incoming, signer)
        if incoming.service in {"account", "organizations"}:
            return "*", None
        return self._principal(incoming, signer, account), None

    def _principal(self, incoming: Incoming, signer: Signer, account: Account) -> str:
        """Return the ARN of the named user, the key's owner, AssumeRoot's target, else the signer."""
        prefix = f"arn:{self.partition.name}:iam::"
        if incoming.action == "AssumeRoot":
            return f"{prefix}{target_account(incoming)}:root"
        name = incoming.parameters.get("UserName")
        if incoming.action == "GetAccessKeyLastUsed":
            name = account.owner_of(incoming.parameters.get("AccessKeyId", ""))
        user = account.users.get(name or signer.user_name)
        return user.arn if user else f"{prefix}{account.account_id}:user/{name}"

    def _create_manager(self, account_id: str | None) -> Credential | None:
        if account_id is None:
            return None
        account = self.by_id[account_id]
        account.create_user(self.partition.region, _MANAGER)
        account.put_user_policy(_MANAGER, "assume-root", json.dumps(_MANAGER_POLICY))
        return account.create_credential(_MANAGER, at_once=True)


def _check(
    everyone: Mapping[str, object],
    management_account: str | None,
    delegated_administrator: str | None,
    names: Mapping[str, str],
) -> None:
    for account_id in everyone:
        if not re.fullmatch(r"\d{12}", account_id):
            message = f"not an AWS account id: {account_id!r}"
            raise ValueError(message)
    if delegated_administrator is not None and management_account in (None, delegated_administrator):
        message = "a delegated administrator is a member: it needs a management account beside it"
        raise ValueError(message)
    if unknown := names.keys() - everyone.keys():
        message = f"names for accounts that do not exist: {sorted(unknown)}"
        raise ValueError(message)
