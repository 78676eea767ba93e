"""A fact of the roster is what somebody signed, for this service, and nothing else makes one."""

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.signers import ECDSA, ED25519, ORIGIN, PASSKEY, PRESENT, RP_ID, SK_ED25519, Signer

from service.domain.request import Verdict
from service.domain.roster import Endorsement, Facts, Registration, Rules, RulesEvent, roster_at
from service.domain.statement import (
    DecisionStatement,
    EnrolmentStatement,
    LogHead,
    Namespace,
    RegistrationStatement,
)
from service.signing import proofs
from service.signing.demands import Demands
from service.signing.faults import BadSignature, Fault
from service.signing.proofs import Log

_SERVICE, _HEAD, _AT = "rootquorum.example.com/log", LogHead(4711, "ab" * 32), datetime(2026, 11, 27, tzinfo=UTC)
_LOG = Log(_SERVICE, {4711: _HEAD.root}.get)
_DEMANDS = Demands(origins=frozenset({ORIGIN}), rp_id=RP_ID)
_DECISION = DecisionStatement(
    service=_SERVICE,
    head=_HEAD,
    at=_AT,
    request_id="5f8a3c52-1c6b-4e0f-9d4b-0a1b2c3d4e5f",
    digest="cd" * 32,
    verdict=Verdict.APPROVE,
    person="dave",
)
_REGISTRATION = RegistrationStatement(service=_SERVICE, head=_HEAD, at=_AT, person="dave", key=PASSKEY.public.text)
_ENROLMENT = EnrolmentStatement(
    service=_SERVICE, head=_HEAD, at=_AT, endorser="ann", person="dave", key=PASSKEY.public.text
)


def registered(said: RegistrationStatement, signer: Signer, namespace: str = Namespace.REGISTRATION) -> Registration:
    data = said.bytes()
    return proofs.registration(data, signer.sign(data, namespace), _LOG, _DEMANDS, position=4711)


def endorsed(said: EnrolmentStatement, signer: Signer, namespace: str = Namespace.ENROLMENT) -> Endorsement:
    data = said.bytes()
    return proofs.endorsement(data, signer.sign(data, namespace), _LOG, _DEMANDS, position=4712)


def the_fault(act: Callable[[], object]) -> Fault:
    with pytest.raises(BadSignature) as refusal:
        act()
    return refusal.value.fault


@pytest.mark.parametrize("signer", [ED25519, SK_ED25519, PASSKEY])
def test_a_decision_is_what_was_signed_with_the_key_that_signed(signer: Signer) -> None:
    data = _DECISION.bytes()
    statement, signed = proofs.decision(data, signer.sign(data, Namespace.DECISION), _DEMANDS)
    assert (statement, signed.key) == (_DECISION, signer.public)


def test_a_key_is_registered_by_itself() -> None:
    assert registered(_REGISTRATION, PASSKEY) == Registration(person="dave", key=PASSKEY.public.text, position=4711)
    assert the_fault(lambda: registered(_REGISTRATION, ED25519)) is Fault.ANOTHER_KEY


def test_an_endorsement_says_who_signed_with_which_key_for_whose() -> None:
    assert endorsed(_ENROLMENT, ED25519) == Endorsement(
        person="dave",
        key=PASSKEY.public.text,
        endorser="ann",
        by_key=ED25519.public.text,
        head=4711,
        position=4712,
    )


def test_a_statement_for_another_installation_proves_nothing_here() -> None:
    there = "test.example.com/log"
    assert the_fault(lambda: registered(replace(_REGISTRATION, service=there), PASSKEY)) is Fault.ANOTHER_SERVICE
    assert the_fault(lambda: endorsed(replace(_ENROLMENT, service=there), ED25519)) is Fault.ANOTHER_SERVICE


@pytest.mark.parametrize("head", [LogHead(4711, "ac" * 32), LogHead(4712, _HEAD.root)])
def test_a_statement_over_a_head_that_the_log_never_had_proves_nothing(head: LogHead) -> None:
    assert the_fault(lambda: registered(replace(_REGISTRATION, head=head), PASSKEY)) is Fault.ANOTHER_LOG
    assert the_fault(lambda: endorsed(replace(_ENROLMENT, head=head), ED25519)) is Fault.ANOTHER_LOG


@pytest.mark.parametrize("namespace", Namespace)
def test_a_signature_for_one_purpose_serves_no_other(namespace: Namespace) -> None:
    data = _DECISION.bytes()
    acts: dict[Namespace, Callable[[], object]] = {
        Namespace.DECISION: lambda: proofs.decision(data, PASSKEY.sign(data, namespace), _DEMANDS),
        Namespace.REGISTRATION: lambda: registered(_REGISTRATION, PASSKEY, namespace),
        Namespace.ENROLMENT: lambda: endorsed(_ENROLMENT, PASSKEY, namespace),
        Namespace.RULES: lambda: proofs.signers_of_rules(data, [PASSKEY.sign(data, namespace)], _DEMANDS),
    }
    for purpose, act in acts.items():
        if purpose is namespace:
            act()
        else:
            assert the_fault(act) is Fault.ANOTHER_NAMESPACE


def test_a_statement_of_another_type_is_refused_under_the_right_namespace() -> None:
    data = _REGISTRATION.bytes()
    signature = ED25519.sign(data, Namespace.DECISION)
    assert the_fault(lambda: proofs.decision(data, signature, _DEMANDS)) is Fault.NOT_A_STATEMENT


def test_a_key_that_is_too_weak_is_neither_registered_nor_endorsed() -> None:
    weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    assert the_fault(lambda: registered(replace(_REGISTRATION, key=weak), PASSKEY)) is Fault.WEAK_KEY
    assert the_fault(lambda: endorsed(replace(_ENROLMENT, key=weak), ED25519)) is Fault.WEAK_KEY


def test_every_proof_meets_the_demands() -> None:
    touched = replace(PASSKEY, flags=PRESENT)
    data = _DECISION.bytes()
    for act in (
        lambda: proofs.decision(data, touched.sign(data, Namespace.DECISION), _DEMANDS),
        lambda: registered(_REGISTRATION, touched),
        lambda: endorsed(_ENROLMENT, touched),
        lambda: proofs.signers_of_rules(data, [touched.sign(data, Namespace.RULES)], _DEMANDS),
    ):
        assert the_fault(act) is Fault.NOT_VERIFIED


def test_the_signers_of_rules_are_the_keys_that_signed_the_file() -> None:
    file = b'version = 2\nprevious = "..."\n'
    signatures = [signer.sign(file, Namespace.RULES) for signer in (ED25519, PASSKEY, PASSKEY)]
    assert proofs.signers_of_rules(file, signatures, _DEMANDS) == {ED25519.public.text, PASSKEY.public.text}
    assert the_fault(lambda: proofs.signers_of_rules(file + b"\n", signatures, _DEMANDS)) is Fault.WRONG_SIGNATURE


def test_what_is_proved_makes_a_key_count() -> None:
    founders = frozenset({("ann", ED25519.public.text), ("ben", ECDSA.public.text)})
    rules = Rules(version=1, digest="d1", previous=None, quorum=2, founders=founders)
    facts = Facts(
        registrations=(registered(_REGISTRATION, PASSKEY),),
        endorsements=(
            endorsed(_ENROLMENT, ED25519),
            endorsed(replace(_ENROLMENT, endorser="ben"), ECDSA),
        ),
    )
    first = RulesEvent(rules=rules, signers=frozenset(), position=0)
    assert roster_at(5000, [first], facts).owners[PASSKEY.public.text] == "dave"


def test_only_proofs_make_facts_of_the_roster() -> None:
    """Whatever else made one would let a row count."""
    package = Path(proofs.__file__).parents[1]
    makers = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if file.name != "verifier.py"  # it stands alone, and has classes of its own
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"Registration", "Endorsement"}
    }
    assert makers == {"signing/proofs.py"}
