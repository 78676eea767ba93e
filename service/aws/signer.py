"""One credential, proved to be an account's root."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from service.aws.calls import REPEATABLE
from service.aws.errors import unavailable
from service.aws.sources import Source, own_credential
from service.domain.account import Account, Partition
from service.domain.errors import Code, Unavailable

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_kms import KMSClient
    from types_boto3_organizations import OrganizationsClient
    from types_boto3_s3 import S3Client
    from types_boto3_sts import STSClient

logger = logging.getLogger(__name__)

# IAM is global and signs for one region per partition (AWS documentation, IAM endpoints).
REGION = {Partition.AWS: "us-east-1", Partition.GOV_CLOUD: "us-gov-west-1"}

# The longest that AWS allows (API reference of AssumeRoot), and longer than any execution takes.
_SESSION_SECONDS = 900


class Signer:
    """Clients that all sign with one and the same credential, as the source had it at this moment."""

    def __init__(
        self, session: boto3.Session, credential: ReadOnlyCredentials, *, region: str, endpoint_url: str | None
    ) -> None:
        self.session = session
        self.key_id = str(credential.access_key)
        self._options = {
            "region_name": region,
            "endpoint_url": endpoint_url,
            "aws_access_key_id": credential.access_key,
            "aws_secret_access_key": credential.secret_key,
            "aws_session_token": credential.token,
        }

    @classmethod
    def of(cls, source: Source, region: str) -> "Signer":
        """Raises Unavailable, or the Boto error that says more."""
        try:
            session = source.session()
            credential = own_credential(session)
        except (ClientError, BotoCoreError):
            raise
        except Exception as error:  # noqa: BLE001
            # The AWS edge: a profile may name any program, which may be missing, hang, or say anything at all.
            logger.warning("no credential: %s", type(error).__name__)
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, "The program that should give the credential failed.") from None
        return cls(session, credential, region=region, endpoint_url=source.endpoint_url)

    def sts(self) -> "STSClient":
        return self.session.client("sts", config=REPEATABLE, **self._options)  # type: ignore[call-overload,no-any-return]

    def iam(self, config: Config) -> "IAMClient":
        return self.session.client("iam", config=config, **self._options)  # type: ignore[call-overload,no-any-return]

    def organizations(self) -> "OrganizationsClient":
        return self.session.client("organizations", config=REPEATABLE, **self._options)  # type: ignore[call-overload,no-any-return]

    def kms(self) -> "KMSClient":
        return self.session.client("kms", config=REPEATABLE, **self._options)  # type: ignore[call-overload,no-any-return]

    def s3(self) -> "S3Client":
        return self.session.client("s3", config=REPEATABLE, **self._options)  # type: ignore[call-overload,no-any-return]


class AssumedRoot:
    """`sts:AssumeRoot` from a profile in the management account, or in the delegated administrator's for IAM."""

    def __init__(self, source: Source, region: str) -> None:
        self._source = source
        self._region = region

    def signer(self, account: Account, task: str) -> Signer:
        """A session of the member account's root, for one task policy.

        By the regional endpoint: the global one does not know AssumeRoot (API reference). Raises Unavailable,
        ClientError or BotoCoreError.
        """
        manager = Signer.of(self._source, self._region)
        with closing(manager.sts()) as sts:
            given = sts.assume_root(
                TargetPrincipal=account.account_id,
                TaskPolicyArn={"arn": f"arn:aws:iam::aws:policy/root-task/{task}"},
                DurationSeconds=_SESSION_SECONDS,
            )["Credentials"]
        credential = ReadOnlyCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], None)
        region = REGION[account.partition]
        return Signer(manager.session, credential, region=region, endpoint_url=self._source.endpoint_url)


def proved_signer(account: Account, source: Source | AssumedRoot, task: str) -> Signer:
    """Whoever `source` gives for `account`, proved to be its root.

    Raises Unavailable: `account_unreachable`, or `root_not_proved` when somebody else's credential is configured,
    which would manage that user's own keys instead.
    """
    with translated():
        if isinstance(source, AssumedRoot):
            found = source.signer(account, task)
        else:
            found = Signer.of(source, REGION[account.partition])
        with closing(found.sts()) as sts:
            identity = sts.get_caller_identity()
    if identity.get("Arn") != account.root_arn:
        raise Unavailable(
            Code.ROOT_NOT_PROVED,
            "The configured credential is not the root user of this account; nothing was done with it.",
        )
    return found


@contextmanager
def translated(what: str = "The account's root credentials cannot be read now.") -> Iterator[None]:
    """Raise Unavailable for a read that AWS refused, or did not answer."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise unavailable(error, what) from error
