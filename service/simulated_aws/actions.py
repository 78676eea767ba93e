"""What IAM and STS do and answer: moto's actions, performed for a signer who is already authorized."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, cast

from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse
from werkzeug.wrappers import Response

from service.simulated_aws.answers import AwsError
from service.simulated_aws.keys import ROOT_USER_NAME, Signer
from service.simulated_aws.root import Account
from service.simulated_aws.wire import Incoming

_USER_NAME = re.compile(r"[\w+=,.@-]{1,128}")  # the pattern in the IAM API reference
_CLIENT_ERROR = 400
_USUAL_PAGE, _LARGEST_PAGE = 100, 1000  # MaxItems in botocore's model


class _Iam(IamResponse):
    """moto's IAM actions, with what they lack."""

    def __init__(
        self, account: Account, signer: Signer, features: Mapping[str, Any], page_size: int | None = None
    ) -> None:
        super().__init__()
        self._page_size = page_size
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
        """Do nothing: both are done before moto sees the request. moto knows neither root nor task policies."""

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a parameter. UserName defaults to the signer; moto would take the owner of the *target* key."""
        value = super()._get_param(param_name, if_none)
        if param_name != "UserName":
            return value
        if value is None or value == "":
            return self._signer.user_name
        if not _USER_NAME.fullmatch(value):
            raise AwsError("ValidationError", "The specified value for userName is invalid.", 400)
        return value

    def update_access_key(self) -> ActionResult:
        self._check_status()
        return super().update_access_key()

    def update_signing_certificate(self) -> ActionResult:
        self._check_status()
        return super().update_signing_certificate()

    def create_login_profile(self) -> ActionResult:
        """Create a login profile. By the IAM API reference, Password must be omitted in an AssumeRoot session only."""
        in_session = self._signer.task_policy is not None
        if in_session is (self._get_param("Password") is not None):
            needed = "must be omitted in an AssumeRoot session" if in_session else "is required"
            raise AwsError("ValidationError", f"The parameter password {needed}.", 400)
        return self._dated(super().create_login_profile())

    def get_login_profile(self) -> ActionResult:
        return self._dated(super().get_login_profile())

    def list_access_keys(self) -> ActionResult:
        return self._page(super().list_access_keys(), "AccessKeyMetadata")

    def list_mfa_devices(self) -> ActionResult:
        return self._page(super().list_mfa_devices(), "MFADevices")

    def list_signing_certificates(self) -> ActionResult:
        return self._page(super().list_signing_certificates(), "Certificates")

    def _page(self, answer: ActionResult, name: str) -> ActionResult:
        """Return one page of `MaxItems` or fewer, as AWS may do. The marker is the position where it ends."""
        result = cast("dict[str, Any]", answer.result)
        wanted, marker = self._get_param("MaxItems", _USUAL_PAGE), self._get_param("Marker", "0")
        if not str(wanted).isdecimal() or not 0 < int(wanted) <= _LARGEST_PAGE or not str(marker).isdecimal():
            raise AwsError("ValidationError", "1 validation error detected: Value at 'maxItems' or 'marker'.", 400)
        start, size = int(marker), min(int(wanted), self._page_size or _LARGEST_PAGE)
        found = list(result[name])
        result |= {name: found[start : start + size], "IsTruncated": start + size < len(found)}
        if result["IsTruncated"]:
            result["Marker"] = str(start + size)
        return ActionResult(result)

    def list_organizations_features(self) -> ActionResult:
        return ActionResult(self._features)

    def _check_status(self) -> None:
        if self._get_param("Status") not in ("Active", "Inactive"):
            message = "Value at 'status' failed to satisfy constraint: Member must satisfy enum value set"
            raise AwsError("ValidationError", f"1 validation error detected: {message}", 400)

    def _dated(self, answer: ActionResult) -> ActionResult:
        """Give root's login profile the date of its password; moto takes the date of the user."""
        profile = cast("dict[str, Any]", answer.result)["LoginProfile"]
        if profile["UserName"] == ROOT_USER_NAME:
            profile["CreateDate"] = self._account.root.password_created_at
        return answer


class _Sts(TokenResponse):
    """STS answers, serialized by moto from botocore's model."""

    def __init__(self, signer: Signer, result: Mapping[str, Any]) -> None:
        super().__init__()
        self._signer = signer
        self._result = result

    def get_current_account(self) -> str:
        return self._signer.account_id

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        """Do nothing: both are already done."""

    def get_caller_identity(self) -> ActionResult:
        return ActionResult(self._result)

    def assume_root(self) -> ActionResult:
        return ActionResult(self._result)


def perform_iam(
    incoming: Incoming, account: Account, signer: Signer, features: Mapping[str, Any], page_size: int | None
) -> Response:
    """Let moto perform an IAM action as the signer. Raise AwsError InvalidAction for an unknown one."""
    return _perform(_Iam(account, signer, features, page_size), incoming)


def write_sts(incoming: Incoming, signer: Signer, result: Mapping[str, Any]) -> Response:
    """Write the result of GetCallerIdentity or AssumeRoot as AWS would."""
    return _perform(_Sts(signer, result), incoming)


def unknown_action(action: str) -> AwsError:
    """Build a service's answer to an unknown action."""
    return AwsError("InvalidAction", f"Could not find operation {action}", 400)


def _perform(responder: _Iam | _Sts, incoming: Incoming) -> Response:
    try:
        status, headers, body = responder._dispatch(incoming.request)  # noqa: SLF001  moto has no public entry
    except (OperationNotFoundError, NotImplementedError) as error:
        raise unknown_action(incoming.action) from error
    text = body if isinstance(body, str) else body.decode()
    # moto's request ids do not look like those of AWS.
    request_id = str(uuid.uuid4())
    text = re.sub(r"<RequestId>\w*</RequestId>", f"<RequestId>{request_id}</RequestId>", text)
    headers = {name: value for name, value in headers.items() if name.lower() != "x-amzn-requestid"}
    headers["x-amzn-RequestId"] = request_id
    # In recorded answers of AWS to root, there is no UserName.
    text = text.replace(f"<UserName>{ROOT_USER_NAME}</UserName>", "")
    if status >= _CLIENT_ERROR:
        text = text.replace(ROOT_USER_NAME, "root")
    return Response(text, status=status, headers=headers, mimetype="text/xml")
