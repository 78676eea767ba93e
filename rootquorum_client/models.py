"""What the service answers, as values. Names and types are those of openapi/openapi.json; a test compares them.

Other members of an answer are passed over, so that a newer service can be asked. `document` is the whole answer. Values
of enumerations are str, for the same reason: compare them with those that are known here.
"""

import hashlib
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from rootquorum_client.errors import WrongAnswer
from rootquorum_client.secret import Secret

_Model = TypeVar("_Model")
Document = Mapping[str, Any]


class Operation(StrEnum):
    CREATE_ACCESS_KEY = "create_access_key"
    ROTATE_ACCESS_KEY = "rotate_access_key"
    DEACTIVATE_ACCESS_KEY = "deactivate_access_key"
    ACTIVATE_ACCESS_KEY = "activate_access_key"
    DELETE_ACCESS_KEY = "delete_access_key"
    DELETE_LOGIN_PROFILE = "delete_login_profile"
    ALLOW_PASSWORD_RECOVERY = "allow_password_recovery"  # noqa: S105  # the name of an operation
    DEACTIVATE_MFA_DEVICE = "deactivate_mfa_device"
    DELETE_SIGNING_CERTIFICATE = "delete_signing_certificate"
    UNLOCK_S3_BUCKET_POLICY = "unlock_s3_bucket_policy"
    UNLOCK_SQS_QUEUE_POLICY = "unlock_sqs_queue_policy"


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    ROTATING = "rotating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"


# docs/life-of-a-request.md
FINAL = frozenset(
    {
        Status.SUCCEEDED,
        Status.FAILED,
        Status.REJECTED,
        Status.WITHDRAWN,
        Status.EXPIRED,
        Status.ROLLED_BACK,
        Status.STOPPED,
    }
)


@dataclass(frozen=True, slots=True)
class Actor:
    subject: str
    name: str


@dataclass(frozen=True, slots=True)
class Requester:
    subject: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Me:
    subject: str
    name: str
    kind: str
    roles: tuple[str, ...]
    can_decide: bool
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ConfiguredAccount:
    account_id: str
    name: str
    partition: str
    state: str
    is_management: bool
    sources: tuple[str, ...]
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether an operation can run on an account. `reason` says why not."""

    operation: str
    possible: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class AccountDetail:
    account_id: str
    name: str
    partition: str
    state: str
    is_management: bool
    sources: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A root access key. AWS's `last_used_at` lags by hours, and None does not prove that the key is unused."""

    access_key_id: str
    status: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_service: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate_id: str
    status: str


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The policy of a bucket or queue, which others wrote: it may be any text."""

    region: str
    policy: str | None
    policy_sha256: str | None


@dataclass(frozen=True, slots=True)
class RootCredentials:
    """The root credentials of an account at a moment. None: AWS did not say."""

    observed_at: datetime
    keys: tuple[AccessKey, ...]
    signer_key_id: str | None
    mfa_enabled: bool | None
    mfa_devices: tuple[str, ...] | None
    password_present: bool | None
    signing_certificates: tuple[Certificate, ...] | None
    email: str | None
    resource: ResourcePolicy | None
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Caution:
    """What an approver should weigh."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The deadlines of a request, and when each step was."""

    filed_at: datetime
    approve_by: datetime
    approved_at: datetime | None
    execute_by: datetime | None
    executed_at: datetime | None
    settled_at: datetime | None
    receipt_by: datetime | None
    received_at: datetime | None
    deactivated_at: datetime | None
    lifetime: str | None
    expires_at: datetime | None
    retired_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """The plan of a rotation, with ISO 8601 durations, and where it stands."""

    unused_for: str
    cut_over_within: str
    deletion_wait: str
    cut_over_by: datetime | None
    released_at: datetime | None
    cut_over_at: datetime | None
    delete_old_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand of a rule: how many people of each group have to approve. `document` has the others."""

    rule: str
    approvals: Mapping[str, int]
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """How many approvals are missing, of people of any of these groups; of anybody if there is none."""

    groups: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Quorum:
    needed: int
    counted: int
    missing: tuple[Missing, ...]
    signed_approvals: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PossibleApprover:
    subject: str
    name: str
    groups: tuple[str, ...]
    away_until: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A vote. It counts unless `void_because` says why not."""

    person: Actor
    decision: str
    digest: str
    comment: str | None
    decided_at: datetime
    signature: str | None
    void_because: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """How the execution ended. `code` is stable (docs/problems.md)."""

    code: str
    detail: str
    access_key_id: str | None
    sealed_sha256: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """What you may do now, or the `code` and `reason` of the refusal."""

    action: str
    allowed: bool
    code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """A request as lists have it."""

    id: str
    status: str
    operation: str
    effect: str
    drill: bool
    account: Account
    target: str | None
    warnings: tuple[Caution, ...]
    requester: Requester
    recipient: Actor
    justification: str
    ticket: str | None
    run_on_approval: bool
    filed_at: datetime
    approve_by: datetime
    execute_by: datetime | None
    digest: str
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SealedTo:
    """The recipient's key to which the secret is sealed: an age recipient, or an SSH public key without a comment."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request as you see it. `digest` is what a decision is about."""

    id: str
    status: str
    operation: str
    effect: str
    drill: bool
    account: Account
    target: str | None
    access_key: AccessKey | None
    warnings: tuple[Caution, ...]
    requester: Requester
    recipient: Actor
    sealed_to: SealedTo | None
    justification: str
    ticket: str | None
    run_on_approval: bool
    accept_lockout: bool
    observed: RootCredentials
    clocks: Clocks
    rotation: Rotation | None
    demands: tuple[Demand, ...]
    quorum: Quorum
    could_approve: tuple[PossibleApprover, ...]
    decisions: tuple[Decision, ...]
    executed_by: Actor | None
    result: Result | None
    digest: str
    actions: tuple[Action, ...]
    document: Document = field(repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the status stays as it is."""
        return self.status in FINAL

    def action(self, name: str) -> Action | None:
        """Return what the service says of an action, such as `execute`."""
        return next((each for each in self.actions if each.action == name), None)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key with its secret, which no other answer ever has."""

    access_key_id: str
    secret_access_key: Secret
    created_at: datetime
    account_id: str
    request_id: str
    receipt_by: datetime | None


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A new key whose secret is sealed to the recipient's own key: `sealed` is an armored file of age.

    Opened, it is JSON with the members of `CreatedKey`, without `receipt_by`. The receipt names `sha256`.
    """

    access_key_id: str
    sealed: str
    created_at: datetime
    account_id: str
    request_id: str
    receipt_by: datetime | None

    @property
    def sha256(self) -> str:
        """Return the hex SHA-256 of the file as it arrived. age does not say who sealed it; the service compares."""
        return hashlib.sha256(self.sealed.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class DrillAnswer:
    """Somebody who was asked to decide on a drill. None: they have not answered, or have not signed."""

    subject: str
    name: str
    decision: str | None
    decided_at: datetime | None
    after_seconds: int | None
    methods: tuple[str, ...] | None
    key: str | None


@dataclass(frozen=True, slots=True)
class DrillReport:
    """Who answered a drill, how fast and by which means, and who did not."""

    request_id: str
    status: str
    filed_at: datetime
    approved_after_seconds: int | None
    executed_after_seconds: int | None
    confirmed_after_seconds: int | None
    people: tuple[DrillAnswer, ...]
    document: Document = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LastDecision:
    """Somebody's last decision on any request."""

    request_id: str
    drill: bool
    decided_at: datetime
    signed: bool


@dataclass(frozen=True, slots=True)
class Approver:
    """An approver, and the last proof that they are there. None: there is none."""

    subject: str
    name: str
    proved_at: datetime | None
    seen_at: datetime | None
    decision: LastDecision | None
    document: Document = field(repr=False, compare=False)


# What goes into credentials files has to be one word, whoever answers: another line there could be a program to run.
_WORDS = {
    "access_key_id": re.compile(r"[0-9A-Za-z_]{16,128}"),
    "secret_access_key": re.compile(r"[!-~]{16,1024}"),
    "account_id": re.compile(r"[0-9]{12}"),
}


_ARMORED = re.compile(
    r"-----BEGIN AGE ENCRYPTED FILE-----\n[A-Za-z0-9+/=\n]{1,65536}\n-----END AGE ENCRYPTED FILE-----\n"
)


def created_key(document: Document) -> CreatedKey:
    """Read a new key. Raise WrongAnswer, without anything of it."""
    for name, pattern in _WORDS.items():
        found = document.get(name)
        if not isinstance(found, str) or not pattern.fullmatch(found):
            raise _wrong(name)
    return read(CreatedKey, document)


def sealed_key(document: Document) -> SealedKey:
    """Read a new key that is sealed. Raise WrongAnswer."""
    sealed = document.get("sealed")
    if not isinstance(sealed, str) or not _ARMORED.fullmatch(sealed):
        raise _wrong("sealed")
    return read(SealedKey, document)


def read(kind: type[_Model], document: object) -> _Model:
    """Read an object of an answer. Raise WrongAnswer with the name of the member that is not as it has to be."""
    if not isinstance(document, dict):
        raise _wrong(kind.__name__)
    values = {}
    for name, hint in hints(kind).items():
        if name == "document":
            values[name] = document
        elif name not in document:
            raise _wrong(name)
        else:
            values[name] = _value(hint, document[name], name)
    return kind(**values)


_HINTS: dict[type, Mapping[str, Any]] = {}


def hints(kind: type[Any]) -> Mapping[str, Any]:
    """Return the type of each field of a model."""
    if kind not in _HINTS:
        found = get_type_hints(kind)
        _HINTS[kind] = {each.name: found[each.name] for each in fields(kind)}
    return _HINTS[kind]


def _value(hint: Any, found: object, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return None if found is None else _value(arguments[0], found, name)
    if origin is tuple:
        if not isinstance(found, list):
            raise _wrong(name)
        return tuple(_value(arguments[0], each, name) for each in found)
    if origin is Mapping:
        if not isinstance(found, dict):
            raise _wrong(name)
        return {key: _value(arguments[1], each, name) for key, each in found.items()}
    if hint in {datetime, Secret}:
        return _made(hint, found, name)
    if hint in {str, int, bool}:
        if type(found) is not hint:  # a bool is an int in Python
            raise _wrong(name)
        return found
    return read(hint, found)


def _made(hint: Any, found: object, name: str) -> datetime | Secret:
    if not isinstance(found, str):
        raise _wrong(name)
    if hint is Secret:
        return Secret(found)
    try:
        at = datetime.fromisoformat(found)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day, in another zone
        pass
    raise _wrong(name)


def _wrong(name: str) -> WrongAnswer:
    return WrongAnswer(f"The server's answer is not that of this service: its {name} is missing or malformed.")
