"""The only calls that an account's root user makes.

`UserName` is never sent: any value would address an IAM user, and root is addressed by leaving it out (botocore's
service model and AWS documentation).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_never

from service.aws.calls import LONGEST_CALL, ONCE, REPEATABLE
from service.aws.errors import refused_or_in_doubt
from service.aws.signer import REGION, AssumedRoot, Signer, proved_signer, translated
from service.aws.sources import Source
from service.domain.account import AccessKey, Account, Part, RootCredentials, SigningCertificate, SourceKind
from service.domain.capability import Plan
from service.domain.operation import CreatedKey, Done, InDoubt, Operation, OperationName, Outcome, Secret

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

logger = logging.getLogger(__name__)

# The narrowest of AWS's root task policies: for reading, and for each thing that an AssumeRoot session may do.
_READING = "IAMAuditRootUserCredentials"
_DELETING = "IAMDeleteRootUserCredentials"
_TASK = {OperationName.ALLOW_PASSWORD_RECOVERY: "IAMCreateRootUserPassword"}


class AwsRoots:
    """Signs in to accounts: `profiles` by account id, `organizations` by the name that an account gives."""

    # After the claim come two reads and one call; each may take all of its tries.
    call_budget = 3 * LONGEST_CALL

    def __init__(self, profiles: Mapping[str, Source], organizations: Mapping[str, AssumedRoot] | None = None) -> None:
        self._profiles = profiles
        self._organizations = organizations or {}
        # At DEBUG botocore's parser logs the SecretAccessKey, whatever level the rest of the program wants.
        for name in ("botocore", "boto3", "urllib3"):
            logging.getLogger(name).setLevel(logging.INFO)

    @contextmanager
    def sign_in(self, account: Account, plan: Plan) -> Iterator["AwsRootSession"]:
        """One credential to read with and, unless it is the same, one to act with, each proved to be this very root.

        Raises Unavailable: `account_unreachable`, or `root_not_proved`.
        """
        source = self._source(account, plan.source)
        reader = actor = proved_signer(account, source, _READING)
        if plan.operation is not None and plan.source is SourceKind.ASSUME_ROOT:
            actor = proved_signer(account, source, _TASK.get(plan.operation, _DELETING))
        with ExitStack() as stack:
            iam = stack.enter_context(closing(reader.iam(REPEATABLE)))
            acting = None
            if plan.operation is not None:
                acting = tuple(stack.enter_context(closing(actor.iam(config))) for config in (REPEATABLE, ONCE))
            yield AwsRootSession(
                iam,
                acting,
                signer_key_id=actor.key_id,
                own_key_id=None if plan.source is SourceKind.ASSUME_ROOT else reader.key_id,
                held_key_id=lambda: self._held_key_id(account),
            )

    def _source(self, account: Account, kind: SourceKind) -> Source | AssumedRoot:
        if kind is SourceKind.PROFILE:
            return self._profiles[account.account_id]
        return self._organizations[str(account.organization)]

    def _held_key_id(self, account: Account) -> str | None:
        """The root key that the profile holds, though a session signs. Raises Unavailable."""
        if not account.has_profile:
            return None
        with translated():
            return Signer.of(self._profiles[account.account_id], REGION[account.partition]).key_id


class AwsRootSession:
    """What the proved root user is asked and told. Made by `AwsRoots.sign_in` only."""

    def __init__(
        self,
        iam: "IAMClient",
        acting: "tuple[IAMClient, ...] | None",
        *,
        signer_key_id: str,
        own_key_id: str | None,
        held_key_id: Callable[[], str | None],
    ) -> None:
        self._iam = iam
        self._acting = acting
        self._held_key_id = held_key_id
        self._own_key_id = own_key_id
        self.signer_key_id = signer_key_id

    def observe(self, now: datetime, *parts: Part) -> RootCredentials:
        """The access keys with their statuses, and the parts. Raises Unavailable.

        What the summary says is not there is not asked for.
        """
        with translated():
            keys = [self._key(listed, with_use=Part.LAST_USE in parts) for listed in self._listed_keys()]
            summary = self._iam.get_account_summary()["SummaryMap"] if Part.SUMMARY in parts else {}
            mfa, certificates = (
                _flag(summary, name) for name in ("AccountMFAEnabled", "AccountSigningCertificatesPresent")
            )
            return RootCredentials(
                observed_at=now,
                signer_key_id=self._own_key_id or (self._held_key_id() if Part.SIGNER in parts else None),
                keys=tuple(keys),
                mfa_enabled=mfa,
                password_present=(
                    self._has_login_profile()
                    # The only one that tells at once, but not to a root access key (API reference of GetLoginProfile).
                    if Part.PASSWORD in parts and self._own_key_id is None
                    else _flag(summary, "AccountPasswordPresent")
                ),
                signing_certificates_present=certificates,
                mfa_devices=self._mfa_devices() if Part.MFA_DEVICES in parts and mfa is not False else None,
                signing_certificates=(
                    self._certificates() if Part.SIGNING_CERTIFICATES in parts and certificates is not False else None
                ),
            )

    def perform(self, operation: Operation) -> Outcome:
        """Make the call. Whatever goes wrong is a value; what cannot be understood is InDoubt."""
        if self._acting is None:
            raise RuntimeError("this session was made for reading")
        repeatable, once = self._acting
        try:
            return self._create(once) if operation.is_create else self._change(repeatable, operation)
        except Exception as error:  # noqa: BLE001  # the AWS edge: an effect may have happened, so nothing may escape
            outcome = refused_or_in_doubt(error, signer_key_id=self.signer_key_id, sent_once=operation.is_create)
            if isinstance(outcome, InDoubt):
                # The type only: an exception's text may quote an answer, and an answer may hold a secret.
                logger.warning("AWS call %s in doubt after %s", operation.name, type(error).__name__)
            return outcome

    def _create(self, iam: "IAMClient") -> Done:
        answer = iam.create_access_key()
        key = answer["AccessKey"]
        return Done(
            signer_key_id=self.signer_key_id,
            aws_request_id=answer["ResponseMetadata"]["RequestId"],
            created=CreatedKey(key["AccessKeyId"], Secret(key["SecretAccessKey"]), _utc(key["CreateDate"])),
        )

    def _change(self, iam: "IAMClient", operation: Operation) -> Done:
        target = str(operation.target)
        answer: Any
        match operation.name:
            case OperationName.DEACTIVATE_ACCESS_KEY:
                answer = iam.update_access_key(AccessKeyId=target, Status="Inactive")
            case OperationName.ACTIVATE_ACCESS_KEY:
                answer = iam.update_access_key(AccessKeyId=target, Status="Active")
            case OperationName.DELETE_ACCESS_KEY:
                answer = iam.delete_access_key(AccessKeyId=target)
            case OperationName.DELETE_LOGIN_PROFILE:
                answer = iam.delete_login_profile()
            case OperationName.ALLOW_PASSWORD_RECOVERY:
                # In an AssumeRoot session without a password: the owner of the e-mail address sets one (API reference).
                answer = iam.create_login_profile()
            case OperationName.DEACTIVATE_MFA_DEVICE:
                answer = iam.deactivate_mfa_device(SerialNumber=target)
            case OperationName.DELETE_SIGNING_CERTIFICATE:
                answer = iam.delete_signing_certificate(CertificateId=target)
            case OperationName.CREATE_ACCESS_KEY:
                raise RuntimeError("a create is sent once")
            case _:
                assert_never(operation.name)
        return Done(signer_key_id=self.signer_key_id, aws_request_id=answer["ResponseMetadata"]["RequestId"])

    def _listed_keys(self) -> list[Any]:
        listed = self._iam.list_access_keys()["AccessKeyMetadata"]
        return sorted(listed, key=lambda key: (key["CreateDate"], key["AccessKeyId"]))

    def _key(self, listed: Any, *, with_use: bool) -> AccessKey:
        key_id = listed["AccessKeyId"]
        used = self._iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"] if with_use else None
        last_used_at = used.get("LastUsedDate") if used else None
        return AccessKey(
            access_key_id=key_id,
            status=listed["Status"],
            created_at=_utc(listed["CreateDate"]),
            last_used_at=_utc(last_used_at) if last_used_at else None,
            last_used_service=used.get("ServiceName") if used and last_used_at else None,
        )

    def _has_login_profile(self) -> bool:
        try:
            self._iam.get_login_profile()
        except self._iam.exceptions.NoSuchEntityException:
            return False
        return True

    def _mfa_devices(self) -> tuple[str, ...]:
        return tuple(sorted(device["SerialNumber"] for device in self._iam.list_mfa_devices()["MFADevices"]))

    def _certificates(self) -> tuple[SigningCertificate, ...]:
        found = self._iam.list_signing_certificates()["Certificates"]
        return tuple(
            SigningCertificate(certificate["CertificateId"], certificate["Status"])
            for certificate in sorted(found, key=lambda certificate: certificate["CertificateId"])
        )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _flag(summary: Mapping[Any, int], name: str) -> bool | None:
    value = summary.get(name)
    return None if value is None else value != 0
