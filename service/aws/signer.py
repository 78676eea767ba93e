"""Signing with one credential, which is proved to be an account's root."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.session import Session

from service.aws.answers import ARN, KEY_ID, OPAQUE, member, text
from service.aws.calls import REPEATABLE
from service.aws.errors import asked
from service.aws.kept_clients import Making, lend, making_of
from service.aws.sources import NO_CREDENTIAL, Source, client_of, own_credential
from service.domain.account import Account, Partition
from service.domain.errors import Code, Unavailable

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient
    from types_boto3_kms import KMSClient
    from types_boto3_organizations import OrganizationsClient
    from types_boto3_s3 import S3Client
    from types_boto3_sts import STSClient

# IAM is global: calls are signed for one region per partition (AWS documentation, IAM endpoints).
REGION = {Partition.AWS: "us-east-1", Partition.GOV_CLOUD: "us-gov-west-1"}

# The maximum of AWS (API reference of AssumeRoot). It is longer than any execution takes.
_SESSION_SECONDS = 900

UNREAD = Code.ACCOUNT_UNREACHABLE.sentence


class Signer:
    """Clients that all sign with the same credential, which the source has at this moment."""

    def __init__(self, source: Source, session: Session, credential: ReadOnlyCredentials, region: str) -> None:
        self.session = session
        self.key_id = str(credential.access_key)
        self.is_long_term = not credential.token  # an access key, which AWS lists, not a session
        self._source = source
        self._credential = credential
        self._region = region

    @classmethod
    def of(cls, source: Source, region: str) -> "Signer":
        """Take the credential from the source. Raise Unavailable."""
        try:
            session = source.session()
            credential = own_credential(session)
        except Exception as error:  # noqa: BLE001
            # The AWS edge: a profile may lead to any program or server, and botocore may raise anything.
            said, exactly = source.explain(error)
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, said, cause=exactly) from None
        return cls(source, session, credential, region)

    def checked_key_id(self) -> str:
        """Return the key's id, safe to show and store. Raise Unavailable if it may be a misplaced secret."""
        if not KEY_ID.fullmatch(self.key_id):
            exactly = f"The key id of {self._source.name} does not have AWS's form."
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, NO_CREDENTIAL, cause=exactly)
        return self.key_id

    def sts(self) -> "STSClient":
        return self._lent("sts", REPEATABLE)  # type: ignore[no-any-return]

    def iam(self, config: Config) -> "IAMClient":
        return self._lent("iam", config)  # type: ignore[no-any-return]

    def organizations(self, config: Config = REPEATABLE) -> "OrganizationsClient":
        return self._client("organizations", config)  # type: ignore[no-any-return]

    def account(self) -> Any:
        return self._client("account")

    def kms(self) -> "KMSClient":
        return self._client("kms")  # type: ignore[no-any-return]

    def s3(self) -> "S3Client":
        return self._client("s3")  # type: ignore[no-any-return]

    def resource_client(self, service: str, region: str, config: Config) -> Any:
        """Make a client of S3 or SQS in the region of a resource. Raise Unavailable."""
        return self._client(service, config, region)

    def _client(self, service: str, config: Config = REPEATABLE, region: str | None = None) -> Any:
        """Make a client. Raise Unavailable: the profile's endpoints, proxies or certificates may be invalid."""
        with self._usable():
            return client_of(
                self.session,
                service,
                config=config,
                region_name=region or self._region,
                endpoint_url=self._source.endpoint_url,
                aws_access_key_id=self._credential.access_key,
                aws_secret_access_key=self._credential.secret_key,
                aws_session_token=self._credential.token,
            )

    def _lent(self, service: str, config: Config) -> Any:
        """Take a kept client of a service that every sign-in asks. Raise Unavailable, as `_client` does."""
        with self._usable():
            return lend(
                self._making,
                self._credential,
                service,
                region=self._region,
                endpoint_url=self._source.endpoint_url,
                config=config,
            )

    @cached_property
    def _making(self) -> Making:
        return making_of(self.session)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # the AWS edge
            exactly = f"An option of {self._source.name} cannot be used ({type(error).__name__})."
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, NO_CREDENTIAL, cause=exactly) from None


class AssumedRoot:
    """`sts:AssumeRoot` with a profile of the management account, or of the delegated administrator for IAM."""

    def __init__(self, source: Source, region: str) -> None:
        self.source = source
        self._region = region

    @property
    def name(self) -> str:
        return f"AssumeRoot with {self.source.name}"

    def signer(self, account: Account, task: str) -> Signer:
        """Open a session as the member account's root, for one task policy. Raise Unavailable.

        It uses the regional endpoint: the global one has no AssumeRoot (API reference).
        """
        with asked(UNREAD, "AssumeRoot", about=about_account(account, self)), ExitStack() as stack:
            manager = Signer.of(self.source, self._region)
            sts = stack.enter_context(closing(manager.sts()))
            given = member(
                sts.assume_root(
                    TargetPrincipal=account.account_id,
                    TaskPolicyArn={"arn": f"arn:aws:iam::aws:policy/root-task/{task}"},
                    DurationSeconds=_SESSION_SECONDS,
                ),
                "Credentials",
            )
            credential = ReadOnlyCredentials(
                text(given, "AccessKeyId", KEY_ID),
                text(given, "SecretAccessKey", OPAQUE),
                text(given, "SessionToken", OPAQUE),
                None,
            )
        return Signer(self.source, manager.session, credential, REGION[account.partition])


def about_account(account: Account, source: Source | AssumedRoot) -> str:
    """Describe for the operator whose credentials are used, and from which source."""
    return f"account {account.account_id} by {source.name}"


def proved_signer(account: Account, source: Source | AssumedRoot, task: str) -> Signer:
    """Return a signer from `source`, proved to be the root of `account`.

    Raise Unavailable: `account_unreachable`, or `root_not_proved` if the configured credential is another user's. Calls
    with that one would manage the other user's keys.
    """
    about = about_account(account, source)
    if isinstance(source, AssumedRoot):
        found = source.signer(account, task)
    else:
        with asked(UNREAD, about=about):
            found = Signer.of(source, REGION[account.partition])
    with asked(UNREAD, "GetCallerIdentity", about=about), closing(found.sts()) as sts:
        found.checked_key_id()
        arn = text(sts.get_caller_identity(), "Arn", ARN)
    if arn != account.root_arn:
        raise Unavailable(Code.ROOT_NOT_PROVED, about=about)
    return found
