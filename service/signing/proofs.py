"""Signed statements become facts here, and nowhere else: a roster believes only what this module returns.

Each function takes the stored bytes: the statement as it was signed, and the armored signature. It raises BadSignature
for anything that is not proved. `wanted` are the demands of the time when it was recorded, or stricter rules would
take back what people proved before. A `position` is where the log has the event (`service/domain/roster.py`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from service.domain.roster import Endorsement, Key, Registration
from service.domain.statement import (
    DecisionStatement,
    EnrolmentStatement,
    Namespace,
    NotAStatement,
    RegistrationStatement,
    parse_decision,
    parse_enrolment,
    parse_registration,
)
from service.signing import demands, sshsig
from service.signing.demands import Demands
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import parse_public_key
from service.signing.sshsig import Signed

_Statement = TypeVar("_Statement")


@dataclass(frozen=True, slots=True)
class Log:
    """The audit log: its name, and its root in lower-case hex at a size. None for a size that it does not have."""

    origin: str
    root_at: Callable[[int], str | None]


def decision(statement: bytes, signature: str, wanted: Demands) -> tuple[DecisionStatement, Signed]:
    """Return what was decided, and by which key. Whose key that is, the roster says.

    What the statement has to say is checked by `service/domain/statement.py`.
    """
    return _parsed(statement, parse_decision), _signed(statement, signature, Namespace.DECISION, wanted)


def registration(statement: bytes, signature: str, log: Log, wanted: Demands, *, position: int) -> Registration:
    """Return the key that its person registered and signed with."""
    said = _parsed(statement, parse_registration)
    _check_log(said, log)
    key = parse_public_key(said.key)
    signed = _signed(statement, signature, Namespace.REGISTRATION, wanted)
    if signed.key != key:
        raise BadSignature(Fault.ANOTHER_KEY)
    return Registration(person=said.person, key=key.text, position=position)


def endorsement(statement: bytes, signature: str, log: Log, wanted: Demands, *, position: int) -> Endorsement:
    """Return who endorsed whose key."""
    said = _parsed(statement, parse_enrolment)
    _check_log(said, log)
    key = parse_public_key(said.key)
    signed = _signed(statement, signature, Namespace.ENROLMENT, wanted)
    return Endorsement(
        person=said.person,
        key=key.text,
        endorser=said.endorser,
        by_key=signed.key.text,
        head=said.head.size,
        position=position,
    )


def signers_of_rules(file: bytes, signatures: Iterable[str], wanted: Demands) -> frozenset[Key]:
    """Return the keys that signed the bytes of a file of rules."""
    return frozenset(_signed(file, signature, Namespace.RULES, wanted).key.text for signature in signatures)


def _signed(message: bytes, signature: str, namespace: Namespace, wanted: Demands) -> Signed:
    signed = sshsig.verify(signature, message, namespace)
    demands.check(signed, wanted)
    return signed


def _parsed(statement: bytes, parse: Callable[[bytes], _Statement]) -> _Statement:
    try:
        return parse(statement)
    except NotAStatement:
        raise BadSignature(Fault.NOT_A_STATEMENT) from None


def _check_log(said: RegistrationStatement | EnrolmentStatement, log: Log) -> None:
    if said.service != log.origin:
        raise BadSignature(Fault.ANOTHER_SERVICE)
    if said.head.root != log.root_at(said.head.size):
        raise BadSignature(Fault.ANOTHER_LOG)
