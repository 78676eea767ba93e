"""The only calls that AWS sees.

`UserName` is never sent: any value would address an IAM user, and root is addressed by leaving it out (botocore's
service model and AWS documentation).
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from service.aws.errors import refused_or_in_doubt, unavailable
from service.aws.sources import Source
from service.domain.account import AccessKey, Account, RootCredentials
from service.domain.errors import Code, Unavailable
from service.domain.operation import CreatedKey, Done, InDoubt, Operation, OperationName, Outcome, Secret

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_sts import STSClient

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 5
_READ_SECONDS = 10
_ATTEMPTS = 3
_LONGEST_BACK_OFF_SECONDS = 20  # botocore's standard mode never waits longer between two tries

# A create has no idempotency token: sent twice it makes two keys and loses one secret.
_ONCE = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"total_max_attempts": 1, "mode": "standard"},
)
_REPEATABLE = _ONCE.merge(Config(retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"}))

# IAM is global and signs for one region per partition (AWS documentation, IAM endpoints).
_REGION = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1"}


class AwsRoots:
    """Signs in to accounts with the root credential of each one's source."""

    # After the claim come one read and one call; each may take all of its tries.
    call_budget = 2 * timedelta(
        seconds=_ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + (_ATTEMPTS - 1) * _LONGEST_BACK_OFF_SECONDS
    )

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        # At DEBUG botocore's parser logs the SecretAccessKey, whatever level the rest of the program wants.
        for name in ("botocore", "boto3", "urllib3"):
            logging.getLogger(name).setLevel(logging.INFO)

    @contextmanager
    def sign_in(self, account: Account) -> Iterator["AwsRootSession"]:
        """A session with one frozen credential, proved to be the root of this very account.

        Raises Unavailable: `account_unreachable`, or `root_not_proved` when somebody else's credential is configured,
        which would manage that user's own keys instead.
        """
        try:
            signer = _signer(self._sources[account.account_id], _REGION[account.partition])
            with closing(signer.sts()) as sts:
                identity = sts.get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error) from error
        if identity.get("Arn") != account.root_arn:
            raise Unavailable(
                Code.ROOT_NOT_PROVED,
                "The configured credential is not the root user of this account; nothing was done with it.",
            )
        with closing(signer.iam(_REPEATABLE)) as iam, closing(signer.iam(_ONCE)) as iam_once:
            yield AwsRootSession(iam, iam_once, signer.key_id)


def _signer(source: Source, region: str) -> "_Signer":
    """Raises Unavailable, or the Boto error that says more."""
    try:
        return _Signer(source, region)
    except (ClientError, BotoCoreError):
        raise
    except Exception as error:  # noqa: BLE001
        # The AWS edge: a profile may name any program, which may be missing, hang, or say anything at all.
        logger.warning("no root credential: %s", type(error).__name__)
        raise Unavailable(
            Code.ACCOUNT_UNREACHABLE, "The program that should give the account's root credential failed."
        ) from None


class _Signer:
    """Clients that all sign with one and the same credential, as the source had it at this moment."""

    def __init__(self, source: Source, region: str) -> None:
        self._session = source.session()
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        self.key_id = str(frozen.access_key)
        self._options = {
            "region_name": region,
            "endpoint_url": source.endpoint_url,
            "aws_access_key_id": frozen.access_key,
            "aws_secret_access_key": frozen.secret_key,
            "aws_session_token": frozen.token,
        }

    def sts(self) -> "STSClient":
        return self._session.client("sts", config=_REPEATABLE, **self._options)  # type: ignore[call-overload,no-any-return]

    def iam(self, config: Config) -> "IAMClient":
        return self._session.client("iam", config=config, **self._options)  # type: ignore[call-overload,no-any-return]


class AwsRootSession:
    """What the proved root user is asked and told. Made by `AwsRoots.sign_in` only."""

    def __init__(self, iam: "IAMClient", iam_once: "IAMClient", signer_key_id: str) -> None:
        self._iam = iam
        self._iam_once = iam_once
        self.signer_key_id = signer_key_id

    def access_keys(self) -> tuple[AccessKey, ...]:
        """Raises Unavailable."""
        try:
            listed = self._iam.list_access_keys()["AccessKeyMetadata"]
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error) from error
        return tuple(
            AccessKey(access_key_id=key["AccessKeyId"], status=key["Status"], created_at=_utc(key["CreateDate"]))
            for key in sorted(listed, key=lambda key: (key["CreateDate"], key["AccessKeyId"]))
        )

    def observe(self, now: datetime) -> RootCredentials:
        """Raises Unavailable."""
        keys = self.access_keys()
        try:
            used = tuple(self._with_last_use(key) for key in keys)
            summary = {str(name): value for name, value in self._iam.get_account_summary()["SummaryMap"].items()}
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error) from error
        return RootCredentials(
            observed_at=now,
            signer_key_id=self.signer_key_id,
            keys=used,
            mfa_enabled=_flag(summary, "AccountMFAEnabled"),
            password_present=_flag(summary, "AccountPasswordPresent"),
            signing_certificates_present=_flag(summary, "AccountSigningCertificatesPresent"),
        )

    def perform(self, operation: Operation) -> Outcome:
        """Make the call. Whatever goes wrong is a value; what cannot be understood is InDoubt."""
        try:
            return self._call(operation)
        except Exception as error:  # noqa: BLE001  # the AWS edge: an effect may have happened, so nothing may escape
            outcome = refused_or_in_doubt(error, signer_key_id=self.signer_key_id, sent_once=operation.is_create)
            if isinstance(outcome, InDoubt):
                # The type only: an exception's text may quote an answer, and an answer may hold a secret.
                logger.warning("AWS call %s in doubt after %s", operation.name, type(error).__name__)
            return outcome

    def _call(self, operation: Operation) -> Done:
        target = str(operation.access_key_id)
        match operation.name:
            case OperationName.CREATE_ACCESS_KEY:
                return self._create()
            case OperationName.DEACTIVATE_ACCESS_KEY:
                answer = self._iam.update_access_key(AccessKeyId=target, Status="Inactive")
            case OperationName.ACTIVATE_ACCESS_KEY:
                answer = self._iam.update_access_key(AccessKeyId=target, Status="Active")
            case OperationName.DELETE_ACCESS_KEY:
                answer = self._iam.delete_access_key(AccessKeyId=target)
            case _:
                assert_never(operation.name)
        return Done(signer_key_id=self.signer_key_id, aws_request_id=answer["ResponseMetadata"]["RequestId"])

    def _create(self) -> Done:
        answer = self._iam_once.create_access_key()
        key = answer["AccessKey"]
        return Done(
            signer_key_id=self.signer_key_id,
            aws_request_id=answer["ResponseMetadata"]["RequestId"],
            created=CreatedKey(key["AccessKeyId"], Secret(key["SecretAccessKey"]), _utc(key["CreateDate"])),
        )

    def _with_last_use(self, key: AccessKey) -> AccessKey:
        used = self._iam.get_access_key_last_used(AccessKeyId=key.access_key_id)["AccessKeyLastUsed"]
        last_used_at = used.get("LastUsedDate")
        return AccessKey(
            access_key_id=key.access_key_id,
            status=key.status,
            created_at=key.created_at,
            last_used_at=_utc(last_used_at) if last_used_at else None,
            last_used_service=used.get("ServiceName") if last_used_at else None,
        )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _flag(summary: Mapping[str, int], name: str) -> bool | None:
    value = summary.get(name)
    return None if value is None else value != 0
