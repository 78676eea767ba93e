"""All calls that the service makes as an account's root user: those to IAM here, others in `locked_resources`.

The calls to IAM never send `UserName`: any value would address an IAM user. Omitting it addresses root (botocore's
service model and AWS documentation).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from botocore.exceptions import ClientError

from service.aws.answers import (
    CERTIFICATE_ID,
    KEY_ID,
    OPAQUE,
    SERIAL_NUMBER,
    SERVICE,
    WORD,
    NotOfAws,
    every_page,
    member,
    text,
    time,
)
from service.aws.calls import LONGEST_CALL, ONCE, REPEATABLE
from service.aws.errors import GONE, asked, certain_no, refused_or_in_doubt, request_id
from service.aws.locked_resources import LockedResource, locked_resource
from service.aws.observed import clock_ahead
from service.aws.primary_email import primary_email
from service.aws.signer import REGION, UNREAD, AssumedRoot, Signer, about_account, proved_signer
from service.aws.sources import Source
from service.domain.account import (
    AccessKey,
    Account,
    Part,
    ResourcePolicy,
    RootCredentials,
    SigningCertificate,
    SourceKind,
)
from service.domain.capability import Plan
from service.domain.errors import Code, Unavailable
from service.domain.operation import KINDS, Operation, OperationName
from service.domain.outcome import CreatedKey, Done, InDoubt, Outcome, Refused, Secret

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

logger = logging.getLogger(__name__)

# The narrowest of AWS's root task policies for reading. `KINDS` has those for acting.
_READING = "IAMAuditRootUserCredentials"
# The only flags in the summary; all other entries are counts (API reference of GetAccountSummary). AWS added the later
# one years after the others, so it may be missing, and no decision depends on it.
_FLAGS = ("AccountAccessKeysPresent", "AccountMFAEnabled", "AccountSigningCertificatesPresent")
_LATER_FLAGS = frozenset({"AccountPasswordPresent"})
_NEVER_USED = "N/A"


class AwsRoots:
    """Signs in to accounts. `profiles` are by account id, `organizations` by `Account.organization`."""

    # After the claim, the reads may use two thirds of this, and the one call the last third.
    call_budget = 3 * LONGEST_CALL

    def __init__(
        self,
        profiles: Mapping[str, Source],
        organizations: Mapping[str, AssumedRoot] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock_tolerance: timedelta | None = None,
    ) -> None:
        self._profiles = profiles
        self._organizations = organizations or {}
        self._now = now
        self._clock_tolerance = clock_tolerance

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """Return by how much AWS's clock is ahead of `now`, to a second; None if AWS has not answered lately."""
        return clock_ahead(now)

    @contextmanager
    def sign_in(self, account: Account, plan: Plan) -> Iterator["AwsRootSession"]:
        """Sign in with a credential for reading and, if it differs, one for acting. Each is proved to be this root.

        Raise Unavailable: `account_unreachable`, `root_not_proved`, or `clock_wrong` if it is for acting and AWS's
        answer has another time. Whatever acts does so because of a time: of an approval, a receipt or a lifetime.
        """
        source = self._source(account, plan.source)
        about = about_account(account, source)
        reader = actor = proved_signer(account, source, _READING)
        # No session for reading credentials reaches the policy of a resource.
        name = plan.operation if plan.resource is None else plan.resource.name
        if name is not None and plan.source is SourceKind.ASSUME_ROOT:
            actor = proved_signer(account, source, KINDS[name].task_policy or _READING)
        if plan.operation is not None:
            self._check_clock(about)
        with ExitStack() as stack:
            with asked(UNREAD, about=about):
                iam = stack.enter_context(closing(reader.iam(REPEATABLE)))
                acting = None
                if plan.operation is not None:
                    again = iam if actor is reader else stack.enter_context(closing(actor.iam(REPEATABLE)))
                    acting = again, stack.enter_context(closing(actor.iam(ONCE)))
                resource = None
                if plan.resource is not None:
                    found = locked_resource(actor, plan.resource, account, about)
                    resource = stack.enter_context(closing(found))
            yield AwsRootSession(
                iam,
                acting,
                resource,
                about=about,
                now=self._now,
                signer_key_id=actor.key_id,
                own_key_id=None if plan.source is SourceKind.ASSUME_ROOT else reader.key_id,
                is_listed=reader.is_long_term,
                held_key_id=lambda: self._held_key_id(account),
                email=lambda: self.email(account),
            )

    def email(self, account: Account) -> str | None:
        """Return the root user's e-mail address. It is read as the organization, not as root.

        Return None if the account has no organization, or AWS denies it. Raise Unavailable.
        """
        if not account.has_readable_email:
            return None
        return primary_email(self._organizations[str(account.organization)].source, account)

    def _check_clock(self, about: str) -> None:
        ahead = self.clock_ahead(self._now())
        if self._clock_tolerance is not None and ahead is not None and abs(ahead) > self._clock_tolerance:
            raise Unavailable(Code.CLOCK_WRONG, cause=f"AWS's clock is {ahead} ahead of this host's.", about=about)

    def _source(self, account: Account, kind: SourceKind) -> Source | AssumedRoot:
        if kind is SourceKind.PROFILE:
            return self._profiles[account.account_id]
        return self._organizations[str(account.organization)]

    def _held_key_id(self, account: Account) -> str | None:
        """Return the root key id of the profile, also where an AssumeRoot session signs. Raise Unavailable."""
        if not account.has_profile:
            return None
        source = self._profiles[account.account_id]
        with asked(UNREAD, about=about_account(account, source)):
            return Signer.of(source, REGION[account.partition]).checked_key_id()


class AwsRootSession:
    """Calls as a proved root user. Only `AwsRoots.sign_in` makes one."""

    def __init__(
        self,
        iam: "IAMClient",
        acting: "tuple[IAMClient, ...] | None",
        resource: LockedResource | None,
        *,
        about: str,
        now: Callable[[], datetime],
        signer_key_id: str,
        own_key_id: str | None,
        is_listed: bool,
        held_key_id: Callable[[], str | None],
        email: Callable[[], str | None],
    ) -> None:
        self._iam = iam
        self._acting = acting
        self._resource = resource
        self._found: ResourcePolicy | None = None
        self._about = about
        self._now = now
        self._held_key_id = held_key_id
        self._email = email
        self._own_key_id = own_key_id
        self._listed_key_id = own_key_id if is_listed else None
        self.signer_key_id = signer_key_id

    def observe(self, now: datetime, *parts: Part) -> RootCredentials:
        """Read the access keys with their statuses, and `parts`. Raise Unavailable.

        It does not list what the summary says is absent.
        """
        keys = tuple(self._key(listed, with_use=Part.LAST_USE in parts) for listed in self._listed_keys())
        flags = self._flags() if Part.SUMMARY in parts else {}
        mfa, certificates = flags.get("AccountMFAEnabled"), flags.get("AccountSigningCertificatesPresent")
        return RootCredentials(
            observed_at=now,
            signer_key_id=self._own_key_id or (self._held_key_id() if Part.SIGNER in parts else None),
            keys=keys,
            mfa_enabled=mfa,
            password_present=(
                self._has_login_profile()
                # Only this call is up to date, but a root access key cannot make it (API reference of GetLoginProfile).
                if Part.PASSWORD in parts and self._own_key_id is None
                else flags.get("AccountPasswordPresent")
            ),
            signing_certificates_present=certificates,
            mfa_devices=self._mfa_devices() if Part.MFA_DEVICES in parts and mfa is not False else None,
            signing_certificates=(
                self._certificates() if Part.SIGNING_CERTIFICATES in parts and certificates is not False else None
            ),
            email=self._known_email() if Part.EMAIL in parts else None,
            resource=self._policy() if Part.RESOURCE_POLICY in parts else None,
        )

    def observe_twice(self, now: datetime, *parts: Part) -> RootCredentials:
        """Observe twice. Raise Unavailable if the two differ, or if a list is empty but the summary counts an item.

        Otherwise an item that an incomplete answer lost would pass for deleted.
        """
        first, found = self.observe(now, *parts), self.observe(now, *parts)
        if _there(first) != _there(found):
            raise Unavailable(Code.ACCOUNT_UNREACHABLE, f"{UNREAD} AWS gave two different answers.", about=self._about)
        lists = {
            "AccountAccessKeysPresent": found.keys,
            "AccountMFAEnabled": found.mfa_devices,
            "AccountSigningCertificatesPresent": found.signing_certificates,
        }
        empty = [flag for flag, listed in lists.items() if listed == ()]
        flags = self._flags() if empty else {}
        for flag in empty:
            if flags[flag]:
                said = f"{UNREAD} AWS lists nothing where its summary counts something."
                raise Unavailable(Code.ACCOUNT_UNREACHABLE, said, cause=f"{said} ({flag})", about=self._about)
        return found

    def perform(self, operation: Operation) -> Outcome:
        """Make the call. Failures are returned, not raised. An answer that cannot be understood is InDoubt."""
        if self._acting is None:
            raise RuntimeError("this session was made for reading")
        repeatable, once = self._acting
        try:
            if operation.is_create:
                return self._create(once)
            return self._unlock(operation) if operation.is_unlock else self._change(repeatable, operation)
        except Exception as error:  # noqa: BLE001  # the AWS edge: an effect may have happened, so nothing may escape
            sent_once = operation.is_create or operation.is_unlock
            outcome = refused_or_in_doubt(error, signer_key_id=self.signer_key_id, sent_once=sent_once)
            if isinstance(outcome, InDoubt):
                # Log the type only: an exception's text may quote an answer, which may hold a secret.
                logger.warning("%s: %s in doubt after %s", self._about, operation.name, type(error).__name__)
            return outcome

    def _create(self, iam: "IAMClient") -> Done:
        """Create a key. Only its id and its secret are required: nothing else that is missing may lose a good key."""
        answer: Any = iam.create_access_key()
        key = member(answer, "AccessKey")
        created_at = self._now()
        with suppress(NotOfAws):
            created_at = time(key, "CreateDate")
        created = CreatedKey(text(key, "AccessKeyId", KEY_ID), Secret(text(key, "SecretAccessKey", OPAQUE)), created_at)
        return Done(signer_key_id=self.signer_key_id, aws_request_id=request_id(answer), created=created)

    def _unlock(self, operation: Operation) -> Done | Refused:
        """Delete a policy with one call. A second one could delete another policy, which nobody approved."""
        if self._resource is None:
            raise RuntimeError("this session was made without a resource")
        found = self._found or self._policy()
        if found is None:
            missing = operation.kind.absent
            return Refused(code=missing, detail=missing.sentence, signer_key_id=self.signer_key_id)
        return Done(signer_key_id=self.signer_key_id, aws_request_id=self._resource.unlock(found))

    def _policy(self) -> ResourcePolicy | None:
        """Read the policy of the resource. Return None without a resource, or if it does not exist."""
        self._found = None if self._resource is None else self._resource.read()
        return self._found

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
                # An AssumeRoot session sends no password. The owner of the e-mail address sets one (API reference).
                answer = iam.create_login_profile()
            case OperationName.DEACTIVATE_MFA_DEVICE:
                answer = iam.deactivate_mfa_device(SerialNumber=target)
            case OperationName.DELETE_SIGNING_CERTIFICATE:
                answer = iam.delete_signing_certificate(CertificateId=target)
            case (
                OperationName.CREATE_ACCESS_KEY
                | OperationName.ROTATE_ACCESS_KEY
                | OperationName.UNLOCK_S3_BUCKET_POLICY
                | OperationName.UNLOCK_SQS_QUEUE_POLICY
            ):
                raise RuntimeError("this is sent once")
            case _:
                assert_never(operation.name)
        # Only the request id shows that such an answer is AWS's, and not a foreign page with status 200.
        if (its_id := request_id(answer)) is None:
            raise NotOfAws("RequestId")
        return Done(signer_key_id=self.signer_key_id, aws_request_id=its_id)

    def _asked(self, call: str) -> AbstractContextManager[None]:
        return asked(UNREAD, call, about=self._about, is_root=True)

    def _listed_keys(self) -> list[AccessKey]:
        with self._asked("ListAccessKeys"):
            found = [
                AccessKey(
                    access_key_id=text(listed, "AccessKeyId", KEY_ID),
                    status=text(listed, "Status", WORD),
                    created_at=time(listed, "CreateDate"),
                )
                for listed in every_page(self._iam.list_access_keys, "AccessKeyMetadata")
            ]
            ids = {key.access_key_id for key in found}
            if len(ids) < len(found):
                raise NotOfAws("AccessKeyId")
            # The signing key is an access key of this root user, so a list without it is incomplete.
            if self._listed_key_id is not None and self._listed_key_id not in ids:
                raise NotOfAws("AccessKeyMetadata")
        return sorted(found, key=lambda key: (key.created_at, key.access_key_id))

    def _key(self, listed: AccessKey, *, with_use: bool) -> AccessKey:
        if not with_use:
            return listed
        with self._asked("GetAccessKeyLastUsed"):
            answer: Any = self._iam.get_access_key_last_used(AccessKeyId=listed.access_key_id)
            used = member(answer, "AccessKeyLastUsed")
            named = [text(used, name, SERVICE) for name in ("ServiceName", "Region")]
            if "LastUsedDate" in used:
                return replace(listed, last_used_at=time(used, "LastUsedDate"), last_used_service=named[0])
            # Never used, or not since AWS tracks use: both names are then `N/A` (API reference of AccessKeyLastUsed).
            if named != [_NEVER_USED, _NEVER_USED]:
                raise NotOfAws("LastUsedDate")
            return listed

    def _flags(self) -> dict[str, bool]:
        """Return the summary's flags: 1 for present, 0 for absent. The summary also has counts and quotas."""
        with self._asked("GetAccountSummary"):
            answer: Any = self._iam.get_account_summary()
            found = member(answer, "SummaryMap")
            wanted = {name: found.get(name) for name in (*_FLAGS, *(_LATER_FLAGS & found.keys()))}
            for name, value in wanted.items():
                if value not in (0, 1):
                    raise NotOfAws(name)
            return {name: value == 1 for name, value in wanted.items()}

    def _has_login_profile(self) -> bool:
        with self._asked("GetLoginProfile"):
            try:
                answer: Any = self._iam.get_login_profile()
            except ClientError as error:
                if certain_no(error) != GONE:
                    raise
                return False
            time(member(answer, "LoginProfile"), "CreateDate")
            return True

    def _known_email(self) -> str | None:
        """Return the address; None if it cannot be read now. The credentials can be judged without it."""
        try:
            return self._email()
        except Unavailable as failure:
            logger.warning("%s", failure.exact)
            return None

    def _mfa_devices(self) -> tuple[str, ...]:
        with self._asked("ListMFADevices"):
            found = every_page(self._iam.list_mfa_devices, "MFADevices")
            return tuple(sorted(text(device, "SerialNumber", SERIAL_NUMBER) for device in found))

    def _certificates(self) -> tuple[SigningCertificate, ...]:
        with self._asked("ListSigningCertificates"):
            found = (
                SigningCertificate(text(listed, "CertificateId", CERTIFICATE_ID), text(listed, "Status", WORD))
                for listed in every_page(self._iam.list_signing_certificates, "Certificates")
            )
            return tuple(sorted(found, key=lambda certificate: certificate.certificate_id))


def _there(found: RootCredentials) -> RootCredentials:
    """Drop the time and service of last uses, which may change between two reads. Keep whether a key was used."""
    used = {key: found.observed_at if key.last_used_at else None for key in found.keys}
    return replace(found, keys=tuple(replace(key, last_used_at=at, last_used_service=None) for key, at in used.items()))
