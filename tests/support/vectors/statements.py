"""The vectors of statements: which bytes are one, what it agrees with, and what a signed one proves."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.signers import ED25519, PASSKEY, Signer
from support.vectors.common import DECISION, DEMANDS

from service.domain.request import Verdict
from service.domain.statement import (
    DecisionStatement,
    EnrolmentStatement,
    LogHead,
    Namespace,
    RegistrationStatement,
    StatementFault,
)
from service.signing.faults import Fault

_REGISTRATION = RegistrationStatement(
    service=DECISION.service, head=DECISION.head, at=DECISION.at, person="dave", key=PASSKEY.public.text
)
_ENROLMENT = EnrolmentStatement(
    service=DECISION.service,
    head=DECISION.head,
    at=DECISION.at,
    endorser="ann",
    person="dave",
    key=PASSKEY.public.text,
)
_WEAK_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

_CHANGES = {
    "a-space": ('"person"', ' "person"'),
    "another-order": (
        '"at":"2026-11-27T10:15:00Z","decision":"approve"',
        '"decision":"approve","at":"2026-11-27T10:15:00Z"',
    ),
    "an-escape": ('"dave"', '"d\\u0061ve"'),
    "a-repeated-name": ('"person":"dave"', '"person":"eve","person":"dave"'),
    "a-number-with-a-fraction": ("4711", "4711.0"),
    "a-number-below-zero": ("4711", "-1"),
    "a-number-that-doubles-cannot-tell": ("4711", "9007199254740993"),
    "a-digest-in-upper-case": (DECISION.digest, DECISION.digest.upper()),
    "a-time-with-a-fraction": ("15:00Z", "15:00.000Z"),
    "a-time-in-another-zone": ("15:00Z", "15:00+00:00"),
    "another-version": ("decision/1", "decision/2"),
    "another-decision": ("approve", "withdraw"),
    "a-field-too-many": ('"person":"dave"', '"person":"dave","role":"approver"'),
    "a-field-missing": ('"person":"dave",', ""),
    "a-person-with-an-invisible-letter": ("dave", "da\u200bve"),
    "a-newline-at-the-end": ("}", "}\n"),
}


def statements() -> dict[str, list[dict[str, Any]]]:
    return {"bytes": [*_bytes()], "agreement": [*_agreement()], "proofs": [*_proofs()]}


def _bytes() -> Iterator[dict[str, Any]]:
    for name, statement in (("decision", DECISION), ("registration", _REGISTRATION), ("enrolment", _ENROLMENT)):
        yield {"name": name, "type": name, "statement": statement.bytes().decode(), "fault": None}
    rejected = replace(DECISION, verdict=Verdict.REJECT).bytes().decode()
    yield {"name": "rejection", "type": "decision", "statement": rejected, "fault": None}
    drill = replace(DECISION, drill=True).bytes().decode()
    yield {"name": "drill", "type": "decision", "statement": drill, "fault": None}
    for name, said in (("drill-false", "false"), ("drill-a-text", '"true"'), ("drill-a-number", "1")):
        changed = drill.replace('"drill":true', f'"drill":{said}')
        yield {"name": name, "type": "decision", "statement": changed, "fault": Fault.NOT_A_STATEMENT}
    text = DECISION.bytes().decode()
    for name, (old, new) in _CHANGES.items():
        changed = text[: text.rindex(old)] + new + text[text.rindex(old) + len(old) :]
        yield {"name": name, "type": "decision", "statement": changed, "fault": Fault.NOT_A_STATEMENT}
    yield {
        "name": "another-type",
        "type": "decision",
        "statement": _REGISTRATION.bytes().decode(),
        "fault": Fault.NOT_A_STATEMENT,
    }


def _agreement() -> Iterator[dict[str, Any]]:
    expected = {
        "service": DECISION.service,
        "request_id": DECISION.request_id,
        "digest": DECISION.digest,
        "decision": "approve",
        "person": "dave",
        "drill": False,
        "oldest_size": DECISION.head.size - 10,
        "head_root": DECISION.head.root,
        "head_at": (DECISION.at - timedelta(minutes=1)).isoformat(),
        "recorded_at": (DECISION.at + timedelta(seconds=5)).isoformat(),
    }

    def vector(name: str, statement: DecisionStatement, *faults: StatementFault, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "statement": statement.bytes().decode(),
            "expected": {**expected, **more},
            "faults": list(faults),
        }

    yield vector("it-agrees", DECISION)
    yield vector("the-oldest-head", DECISION, oldest_size=DECISION.head.size)
    another = {
        StatementFault.ANOTHER_SERVICE: replace(DECISION, service="test.example.com/log"),
        StatementFault.ANOTHER_REQUEST: replace(DECISION, request_id=DECISION.request_id.replace("5f8a", "6f8a")),
        StatementFault.ANOTHER_DIGEST: replace(DECISION, digest="0" * 64),
        StatementFault.ANOTHER_DECISION: replace(DECISION, verdict=Verdict.REJECT),
        StatementFault.ANOTHER_PERSON: replace(DECISION, person="eve"),
        StatementFault.ANOTHER_PURPOSE: replace(DECISION, drill=True),
        StatementFault.ANOTHER_LOG: replace(DECISION, head=LogHead(DECISION.head.size, "0" * 64)),
        StatementFault.TOO_OLD: replace(DECISION, head=LogHead(DECISION.head.size - 11, DECISION.head.root)),
        StatementFault.WRONG_TIME: replace(DECISION, at=DECISION.at + timedelta(seconds=36)),
    }
    for fault, statement in another.items():
        yield vector(fault, statement, fault)
    yield vector("a-drill", replace(DECISION, drill=True), drill=True)
    yield vector("a-drill-that-says-nothing-of-it", DECISION, StatementFault.ANOTHER_PURPOSE, drill=True)
    yield vector("ahead-of-the-log", DECISION, StatementFault.ANOTHER_LOG, head_root=None, head_at=None)
    late = (DECISION.at + timedelta(seconds=31)).isoformat()
    yield vector("before-its-head", DECISION, StatementFault.WRONG_TIME, head_at=late, recorded_at=late)


def _proofs() -> Iterator[dict[str, Any]]:
    def vector(
        name: str,
        statement: RegistrationStatement | EnrolmentStatement,
        signer: Signer,
        fault: Fault | None = None,
        namespace: Namespace | None = None,
    ) -> dict[str, Any]:
        kind = Namespace.REGISTRATION if isinstance(statement, RegistrationStatement) else Namespace.ENROLMENT
        return {
            "name": name,
            "namespace": kind,
            "service": DECISION.service,
            "head_root": DECISION.head.root,
            "statement": statement.bytes().decode(),
            "signature": signer.sign(statement.bytes(), namespace or kind),
            "demands": DEMANDS,
            "fault": fault,
        }

    yield vector("a-registration", _REGISTRATION, PASSKEY)
    yield vector("a-registration-by-another-key", _REGISTRATION, ED25519, Fault.ANOTHER_KEY)
    elsewhere = replace(_REGISTRATION, service="test.example.com/log")
    yield vector("a-registration-elsewhere", elsewhere, PASSKEY, Fault.ANOTHER_SERVICE)
    forked = replace(_REGISTRATION, head=LogHead(DECISION.head.size, "0" * 64))
    yield vector("a-registration-over-another-log", forked, PASSKEY, Fault.ANOTHER_LOG)
    purpose = Namespace.ENROLMENT
    yield vector("a-registration-as-something-else", _REGISTRATION, PASSKEY, Fault.ANOTHER_NAMESPACE, purpose)
    yield vector("an-endorsement", _ENROLMENT, ED25519)
    elsewhere_too = replace(_ENROLMENT, service="test.example.com/log")
    yield vector("an-endorsement-elsewhere", elsewhere_too, ED25519, Fault.ANOTHER_SERVICE)
    yield vector("an-endorsement-of-a-weak-key", replace(_ENROLMENT, key=_WEAK_KEY), ED25519, Fault.WEAK_KEY)
    malformed = replace(_ENROLMENT, key="ssh-ed25519 AAAA")
    yield vector("an-endorsement-of-no-key", malformed, ED25519, Fault.MALFORMED)
