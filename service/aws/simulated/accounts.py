"""All accounts of the simulated AWS, and how one signed request is judged and performed on them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from werkzeug.wrappers import Response

from service.aws.simulated.keys import Credential, Keyring, Signer
from service.aws.simulated.policy import is_allowed, is_denied, task_policies
from service.aws.simulated.root import Account, perform_iam, unknown_action, write_sts
from service.aws.simulated.sessions import Organization, session_answer, target_account
from service.aws.simulated.wire import AwsError, Incoming, check_addressed_here

_MANAGER = "root-access-manager"
_MANAGER_POLICY = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoot", "iam:ListOrganizationsFeatures"],
        "Resource": "*",
    },
}


class Accounts:
    """The whole state of the simulated AWS. The caller holds its lock."""

    def __init__(self, account_ids: Sequence[str], management_account: str | None) -> None:
        everyone = {*account_ids, *filter(None, [management_account])}
        self.keyring = Keyring()
        self.by_id = {account_id: Account(account_id, self.keyring) for account_id in everyone}
        self.organization = Organization(management_account, everyone - {management_account})
        self.root_credentials = {
            account_id: self.by_id[account_id].create_root_key(at_once=True) for account_id in set(account_ids)
        }
        self.manager = self._create_manager(management_account) if management_account else None

    def perform(self, incoming: Incoming) -> Response:
        """Authenticate, authorise and do.

        Raises AwsError for every refusal of our own; moto's come as an answer.
        """
        check_addressed_here(incoming)
        signer = self.keyring.authenticate(incoming)
        account = self.by_id[signer.account_id]
        account.mark_used(signer.access_key_id, incoming.service or "", incoming.region or "")
        self._authorize(incoming, signer, account)
        if incoming.service == "sts":
            return self._perform_sts(incoming, signer, account)
        features = []
        if incoming.action == "ListOrganizationsFeatures":
            features = self.organization.enabled_features(signer)
        return perform_iam(incoming, account, signer, features)

    def _perform_sts(self, incoming: Incoming, signer: Signer, account: Account) -> Response:
        if incoming.action == "GetCallerIdentity":
            user = account.get_user(signer.user_name)
            identity = {"UserId": user.id, "Account": signer.account_id, "Arn": user.arn}
            return write_sts(incoming, signer, identity)
        if incoming.action == "AssumeRoot":
            grant = self.organization.grant_root(incoming, signer)
            session = self.by_id[grant.account_id].create_root_session(grant.task_policy, grant.lifetime)
            return write_sts(incoming, signer, session_answer(session))
        raise unknown_action(incoming.action)

    def _authorize(self, incoming: Incoming, signer: Signer, account: Account) -> None:
        """Raise AwsError AccessDenied (403) unless the signer may do this.

        GetCallerIdentity needs no permission, by the STS API reference.
        """
        if incoming.action == "GetCallerIdentity":
            return
        action, resource = f"{incoming.service}:{incoming.action}", _resource(incoming, signer, account)
        if signer.task_policy is not None:
            permitted = not is_denied(task_policies()[signer.task_policy], action, resource)
        elif signer.is_root:
            permitted = True
        else:
            permitted = is_allowed(account.policy_documents(signer.user_name), action, resource)
        if not permitted:
            arn = account.get_user(signer.user_name).arn
            message = f"User: {arn} is not authorized to perform: {action} on resource: {resource}"
            raise AwsError("AccessDenied", message, 403)

    def _create_manager(self, account_id: str) -> Credential:
        account = self.by_id[account_id]
        account.create_user("us-east-1", _MANAGER)
        account.put_user_policy(_MANAGER, "assume-root", json.dumps(_MANAGER_POLICY))
        return account.create_credential(_MANAGER, at_once=True)


def _resource(incoming: Incoming, signer: Signer, account: Account) -> str:
    """Name what is acted on: the user named, the key's owner, the target of AssumeRoot, else the signer."""
    if incoming.action == "AssumeRoot":
        return f"arn:aws:iam::{target_account(incoming)}:root"
    name = incoming.parameters.get("UserName")
    if incoming.action == "GetAccessKeyLastUsed":
        name = account.owner_of(incoming.parameters.get("AccessKeyId", ""))
    user = account.users.get(name or signer.user_name)
    return user.arn if user else f"arn:aws:iam::{account.account_id}:user/{name}"
