"""The statements that people sign: a decision, the registration of a key, the endorsement of another person's key.

What is signed is the UTF-8 bytes of the statement's RFC 8785 form, and nothing else. The signature is OpenSSH's
(`service/signing/sshsig.py`), each type in a namespace of its own. Rules are signed over the bytes of their file.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from service.domain.canonical import Document, canonical
from service.domain.policy import CLOCK_SKEW
from service.domain.request import Verdict
from service.domain.text import is_unseen

# No statement comes near it. A reader need not parse more.
LARGEST_BYTES = 16 * 1024
_LARGEST_SIZE = 2**53 - 1

# As in the setting `audit.origin`, and as `uuid.uuid4` writes it.
_SERVICE = re.compile(r"[!-*,-~]{1,200}")
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_PERSON = 1024
_NO_VERDICT = "the decision is to approve or to reject"
# The kind and the Base64 of an OpenSSH public key. `service/signing/public_keys.py` reads what is in it.
_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}")


class Namespace(StrEnum):
    """The namespaces of the signatures (OpenSSH's PROTOCOL.sshsig, section 2)."""

    DECISION = "decision@rootquorum"
    REGISTRATION = "registration@rootquorum"
    ENROLMENT = "enrolment@rootquorum"
    RULES = "rules@rootquorum"


class NotAStatement(ValueError):
    """These bytes or values are no statement. The text never quotes them."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """The number of leaves in the audit log, and the root hash over them in lower-case hex. Raise NotAStatement."""

    size: int
    root: str

    def __post_init__(self) -> None:
        # A bool is an int in Python, and not in JSON.
        if type(self.size) is not int or not 0 <= self.size <= _LARGEST_SIZE:
            raise NotAStatement("the size of the log is a number of leaves")
        _check(_HEX_SHA256, self.root, "the root of the log is a SHA-256 in lower-case hex")

    def document(self) -> Document:
        return {"size": self.size, "root": self.root}

    @classmethod
    def of(cls, value: object) -> "LogHead":
        if not isinstance(value, dict) or value.keys() != {"size", "root"}:
            raise NotAStatement("the log is given by its size and its root")
        return cls(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """What every statement has: the service's `audit.origin`, a head of its log, and the signer's time.

    `at` is in whole seconds. It is for people; the head says when the statement was made. Raise NotAStatement.
    """

    service: str
    head: LogHead
    at: datetime

    def __post_init__(self) -> None:
        _check(_SERVICE, self.service, "the service is the name of its log")
        _instant(self.at)

    def bytes(self) -> bytes:
        """Return the bytes to sign."""
        return canonical(self.document())

    def document(self) -> Document:
        return {"service": self.service, "log": self.head.document(), "at": _instant(self.at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatement(_Statement):
    """A person's decision on the request whose filing has this digest. The statement says if that is a `drill`."""

    request_id: str
    digest: str
    verdict: Verdict
    person: str
    drill: bool = False

    def __post_init__(self) -> None:
        _Statement.__post_init__(self)
        _check(_REQUEST_ID, self.request_id, "the request is named by its UUID in lower case")
        _check(_HEX_SHA256, self.digest, "the digest is a SHA-256 in lower-case hex")
        if not isinstance(self.verdict, Verdict):
            raise NotAStatement(_NO_VERDICT)
        if type(self.drill) is not bool:
            raise NotAStatement("a decision is on a drill or on a real request")
        _check_person(self.person)

    def document(self) -> Document:
        return {
            "type": "rootquorum-decision/1",
            **_Statement.document(self),
            "request_id": self.request_id,
            "digest": self.digest,
            "decision": self.verdict.value,
            "person": self.person,
            **({"drill": True} if self.drill else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationStatement(_Statement):
    """A person's word that this public key is theirs. The key itself signs it, which proves possession."""

    person: str
    key: str

    def __post_init__(self) -> None:
        _Statement.__post_init__(self)
        _check_person(self.person)
        _check_key(self.key)

    def document(self) -> Document:
        return {
            "type": "rootquorum-registration/1",
            **_Statement.document(self),
            "person": self.person,
            "key": self.key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentStatement(_Statement):
    """The word of `endorser`, who signs it, that this public key is that of `person`."""

    endorser: str
    person: str
    key: str

    def __post_init__(self) -> None:
        _Statement.__post_init__(self)
        for each in (self.endorser, self.person):
            _check_person(each)
        _check_key(self.key)

    def document(self) -> Document:
        return {
            "type": "rootquorum-enrolment/1",
            **_Statement.document(self),
            "endorser": self.endorser,
            "person": self.person,
            "key": self.key,
        }


AnyStatement = TypeVar("AnyStatement", bound=_Statement)


def parse_decision(data: bytes) -> DecisionStatement:
    """Invert `DecisionStatement.bytes`. Raise NotAStatement for any other bytes."""
    return _parse(data, lambda common, own: DecisionStatement(verdict=_verdict(own.pop("decision")), **common, **own))


def parse_registration(data: bytes) -> RegistrationStatement:
    """Invert `RegistrationStatement.bytes`. Raise NotAStatement for any other bytes."""
    return _parse(data, lambda common, own: RegistrationStatement(**common, **own))


def parse_enrolment(data: bytes) -> EnrolmentStatement:
    """Invert `EnrolmentStatement.bytes`. Raise NotAStatement for any other bytes."""
    return _parse(data, lambda common, own: EnrolmentStatement(**common, **own))


def _parse(data: bytes, make: Callable[[dict[str, Any], dict[str, Any]], AnyStatement]) -> AnyStatement:
    if len(data) > LARGEST_BYTES:
        raise NotAStatement("the statement is too long")
    try:
        document = json.loads(data.decode())
    # The parser recurses, and hostile input nests deeply.
    except (ValueError, RecursionError):
        raise NotAStatement("the statement is no JSON") from None
    if not isinstance(document, dict):
        raise NotAStatement("the statement is no object")
    try:
        common = {
            "service": document.pop("service"),
            "head": LogHead.of(document.pop("log")),
            "at": _parse_instant(document.pop("at")),
        }
        document.pop("type")
        statement = make(common, document)
    except (KeyError, TypeError):
        raise NotAStatement("the statement has other fields than its type") from None
    # This refuses another type, another order, spaces, escapes and repeated names.
    if statement.bytes() != data:
        raise NotAStatement("the statement is of another type, or not in RFC 8785 form")
    return statement


def _verdict(value: Any) -> Verdict:
    try:
        return Verdict(value)
    except ValueError:
        raise NotAStatement(_NO_VERDICT) from None


def _check(pattern: re.Pattern[str], text: object, otherwise: str) -> None:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise NotAStatement(otherwise)


def _check_person(subject: object) -> None:
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_PERSON or any(map(is_unseen, subject)):
        raise NotAStatement("a person is named by their subject")


def _check_key(text: object) -> None:
    _check(_KEY, text, "the key is an OpenSSH public key without a comment")


def _instant(at: datetime) -> str:
    """Format as RFC 3339 in UTC with whole seconds."""
    if not isinstance(at, datetime) or at.tzinfo is None or at.microsecond:
        raise NotAStatement("the time is in whole seconds, with a zone")
    return at.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def _parse_instant(text: object) -> datetime:
    try:
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
        is_ours = _instant(at) == text
    # The year 1 or 9999 in another zone may have no time in UTC.
    except (ValueError, OverflowError):
        is_ours = False
    if not is_ours:
        raise NotAStatement("the time is RFC 3339 in UTC with whole seconds")
    return at


# --- what a decision's statement must agree with ---


class StatementFault(StrEnum):
    """Why a well-formed decision statement is not one of this decision."""

    ANOTHER_SERVICE = "another-service"
    ANOTHER_REQUEST = "another-request"
    ANOTHER_DIGEST = "another-digest"
    ANOTHER_DECISION = "another-decision"
    ANOTHER_PERSON = "another-person"
    # One of them is a drill, and the other is not.
    ANOTHER_PURPOSE = "another-purpose"
    # The log is shorter than the head says, or has another root at that size.
    ANOTHER_LOG = "another-log"
    TOO_OLD = "too-old"
    # The signer's clock contradicts the log.
    WRONG_TIME = "wrong-time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a decision statement has to say.

    `oldest_size` is the size that the log had at the earliest time allowed. `head_root` and `head_at` are what the log
    says of the size in the statement's head: the root in hex, and the time of the last event in it. Both are None if
    the log is shorter. `recorded_at` is when the service took the statement.
    """

    service: str
    request_id: str
    digest: str
    verdict: Verdict
    person: str
    drill: bool
    oldest_size: int
    head_root: str | None
    head_at: datetime | None
    recorded_at: datetime


def faults(statement: DecisionStatement, expected: Expected) -> tuple[StatementFault, ...]:
    """Return everything that is wrong with a statement, in the order of `StatementFault`. Empty if it agrees."""
    latest = expected.recorded_at + CLOCK_SKEW
    earliest = None if expected.head_at is None else expected.head_at.replace(microsecond=0) - CLOCK_SKEW
    wrong: Mapping[StatementFault, bool] = {
        StatementFault.ANOTHER_SERVICE: statement.service != expected.service,
        StatementFault.ANOTHER_REQUEST: statement.request_id != expected.request_id,
        StatementFault.ANOTHER_DIGEST: statement.digest != expected.digest,
        StatementFault.ANOTHER_DECISION: statement.verdict is not expected.verdict,
        StatementFault.ANOTHER_PERSON: statement.person != expected.person,
        StatementFault.ANOTHER_PURPOSE: statement.drill is not expected.drill,
        StatementFault.ANOTHER_LOG: statement.head.root != expected.head_root,
        StatementFault.TOO_OLD: statement.head.size < expected.oldest_size,
        StatementFault.WRONG_TIME: statement.at > latest or (earliest is not None and statement.at < earliest),
    }
    return tuple(fault for fault in StatementFault if wrong[fault])
