"""What the desk shows before a signature is what the service says of the same filing, and nothing is left out."""

import json
from datetime import time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof.in_node import Proofs
from support.builders import NOON, filing, key, observed

from service.domain.account import SigningCertificate
from service.domain.actor import ActorKind
from service.domain.briefing import effect, warnings
from service.domain.canonical import canonical
from service.domain.demands import Demand, SignedApprovals
from service.domain.filing import Filing
from service.domain.hours import Hours
from service.domain.operation import ON_POLICIES, TARGET_OF, Operation, OperationName
from service.domain.rotation_plan import RotationPlan
from service.domain.rules import Placement

FILING = "../filing"
TARGETS = {
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "serial_number": "arn:aws:iam::1:mfa/x",
    "certificate_id": "CERT",
    "bucket": "logs",
    "queue_arn": "arn:aws:sqs:eu-central-1:1:orders",
}


SEALED_TO = ["age1another", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "ssh-rsa", "ssh-rsa AB==", "ssh-rsa ", "a b c"]


def operation(name: OperationName) -> Operation:
    return Operation(name, TARGETS[TARGET_OF[name]] if name in TARGET_OF else None)


def text_of(filed: Filing) -> str:
    return canonical(filed.document()).decode()


# Which letters are assigned depends on the version of Unicode that each of them knows.
_ASCII_OR_NOT = st.text(st.characters(exclude_categories=["Cs", "Cn"]), min_size=1, max_size=120)
_DURATIONS = st.integers(0, 400 * 86400).map(lambda seconds: timedelta(seconds=seconds))

_PLANS = st.builds(
    lambda hours, more, wait: RotationPlan(
        unused_for=timedelta(hours=hours), cut_over_within=timedelta(hours=hours + more), deletion_wait=wait
    ),
    st.integers(1, 1000),
    st.integers(1, 1000),
    st.integers(3600, 366 * 86400).map(lambda seconds: timedelta(seconds=seconds)),
)


@st.composite
def filings(draw: st.DrawFn) -> Filing:
    asked = operation(draw(st.sampled_from(OperationName)))
    used = st.none() | st.integers(0, 200 * 86400 * 10**6).map(lambda ago: NOON - timedelta(microseconds=ago))
    ids = st.sampled_from([TARGETS["access_key_id"], "AKIAOTHER"])
    keys = draw(
        st.lists(st.builds(key, ids, st.sampled_from(["Active", "Inactive"]), used=used), max_size=2, unique_by=id)
    )
    found = observed(signer=draw(ids))
    devices = draw(st.sampled_from([None, (), (TARGETS["serial_number"],), (TARGETS["serial_number"], "other")]))
    requester = draw(_ASCII_OR_NOT)
    return filing(
        operation=asked,
        requester=requester,
        requester_kind=draw(st.sampled_from([ActorKind.PERSON, ActorKind.MACHINE])),
        recipient=draw(st.just(requester) | _ASCII_OR_NOT),
        run_on_approval=not asked.is_create and draw(st.booleans()),
        accept_lockout=draw(st.booleans()),
        lifetime=draw(st.none() | _DURATIONS) if asked.is_create else None,
        rotation=draw(_PLANS) if asked.is_rotation else None,
        execution_window=draw(_DURATIONS),
        receipt_window=draw(_DURATIONS),
        rollback_grace=draw(_DURATIONS),
        rules=draw(st.none() | st.just("ab" * 32)),
        sealed_to=draw(st.none() | st.sampled_from(SEALED_TO) | _ASCII_OR_NOT) if asked.is_create else None,
        drill=draw(st.booleans()),
        observed=type(found)(
            **{
                **{name: getattr(found, name) for name in found.__dataclass_fields__},
                "keys": tuple({each.access_key_id: each for each in keys}.values()),
                "mfa_enabled": draw(st.sampled_from([True, False, None])),
                "mfa_devices": devices,
            }
        ),
    )


@given(filed=filings())
def test_effect_and_warnings_are_those_of_the_service(proofs: Proofs, filed: Filing) -> None:
    read = proofs.call(FILING, "readFiling", text_of(filed))
    assert read["digest"] == filed.digest
    said = proofs.call("briefing", "effectOf", read["filing"], read.get("sealedTo"))
    assert said == effect(filed, lambda subject: subject)
    expected = warnings(filed.operation, filed.observed, accept_lockout=filed.accept_lockout)
    assert proofs.call(FILING, "warningsOf", read) == [caution.detail for caution in expected]


def full() -> Filing:
    """Return a filing with every member that there is."""
    hours = Hours(days=frozenset({0}), opens=time(8), closes=time(18), zone="Europe/Berlin")
    demand = Demand(
        rule="production",
        approvals={"security": 1},
        quorum=3,
        max_lifetime=timedelta(days=1),
        require_root_mfa=True,
        ticket_required=True,
        approval_comment=True,
        decision_amr=frozenset({"hwk"}),
        hours=hours,
        signed_approvals=SignedApprovals.REQUIRED,
        sealed_delivery=True,
    )
    return filing(
        sealed_to="age1another",
        drill=True,
        operation=operation(OperationName.ROTATE_ACCESS_KEY),
        rotation=RotationPlan(),
        lifetime=timedelta(days=1),
        demands=(demand,),
        placement=Placement(name="production", units=frozenset({"r-1"}), tags={"env": "prod"}),
        signed_approvals=SignedApprovals.REQUIRED,
        observed=type(observed())(
            observed_at=NOON,
            keys=(key("AKIAIOSFODNN7EXAMPLE", used=NOON),),
            signer_key_id=None,
            mfa_enabled=None,
            mfa_devices=("arn:aws:iam::1:mfa/x",),
            password_present=None,
            signing_certificates_present=True,
            signing_certificates=(SigningCertificate("CERT", "Active"),),
        ),
    )


def members(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every object in a document."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if isinstance(value, dict) else []
    return found + [each for name, inner in below for each in members(inner, (*path, name))]


OBJECTS = members(json.loads(text_of(full())))
# Shown as they are, with whatever is in them.
SHOWN_WHOLE = {"approvals", "hours"}


def test_every_member_that_there_is_is_known(proofs: Proofs) -> None:
    assert proofs.call(FILING, "readFiling", text_of(full()))["filing"] == json.loads(text_of(full()))


@pytest.mark.parametrize("path", [each for each in OBJECTS if not SHOWN_WHOLE & set(each)])
def test_filing_with_a_member_that_the_page_does_not_know_is_not_read(proofs: Proofs, path: tuple[Any, ...]) -> None:
    document = json.loads(text_of(full()))
    inner = document
    for name in path:
        inner = inner[name]
    inner["unknown"] = "also this"
    assert proofs.call(FILING, "readFiling", canonical(document).decode()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": "format_disk"},
        {"operation": "toString"},
        {"quorum": "2"},
        {"justification": None},
        {"access_key_id": "AKIAIOSFODNN7EXAMPLE"},
        {"filed_at": "yesterday"},
        {"demands": [{"rule": "x", "__proto__": 1}]},
        {"rotation": RotationPlan().document()},
        {"operation": "rotate_access_key"},
        {"observed": None},
        {"drill": False},
        {"drill": "yes"},
    ],
)
def test_filing_of_another_form_is_not_read(proofs: Proofs, changed: dict[str, Any]) -> None:
    document = json.loads(text_of(filing())) | changed
    assert proofs.call(FILING, "readFiling", canonical(document).decode()) is None


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"a":1,"a":2}', "x"])
def test_text_that_is_no_filing_is_not_read(proofs: Proofs, text: str) -> None:
    assert proofs.call(FILING, "readFiling", text) is None


def test_spaces_are_no_part_of_a_canonical_document(proofs: Proofs) -> None:
    assert proofs.call(FILING, "readFiling", text_of(filing()) + " ") is None


def plan_of(plan: RotationPlan) -> dict[str, str]:
    return {name.removesuffix("_seconds"): f"PT{value}S" for name, value in plan.document().items()}


def shown(filed: Filing) -> dict[str, Any]:
    """Return what the page has of a request that is what was filed."""
    return {
        "id": filed.request_id,
        "digest": filed.digest,
        "operation": filed.operation.name.value,
        "account": {"account_id": filed.account_id},
        "target": filed.operation.target,
        "requester": {"subject": filed.requester},
        "recipient": {"subject": filed.recipient},
        "sealed_to": None if filed.sealed_to is None else {"key": filed.sealed_to, "fingerprint": "shown elsewhere"},
        "justification": filed.justification,
        "ticket": filed.ticket,
        "run_on_approval": filed.run_on_approval,
        "accept_lockout": filed.accept_lockout,
        "drill": filed.drill,
        "rotation": None if filed.rotation is None else plan_of(filed.rotation),
        "clocks": {"lifetime": None if filed.lifetime is None else f"PT{filed.lifetime // timedelta(seconds=1)}S"},
    }


SAID = {
    "sealed_to": "the key to which the secret is sealed",
    "rotation": "the plan of the rotation",
    "account": "account",
    "clocks": "lifetime",
    "run_on_approval": "when it runs",
    "accept_lockout": "lock-out",
}
OTHER = {
    "drill": True,
    "account": {"account_id": "x"},
    "clocks": {"lifetime": "P1D"},
    "requester": {"subject": "x"},
    "recipient": {"subject": "x"},
    "sealed_to": {"key": "x"},
    "rotation": {"unused_for": "P1D", "cut_over_within": "P2D", "deletion_wait": "P1D"},
}


def test_whatever_the_page_showed_differently_is_named(proofs: Proofs) -> None:
    filed = filing(operation=operation(OperationName.DELETE_ACCESS_KEY))
    read = proofs.call(FILING, "readFiling", text_of(filed))
    request = shown(filed)
    assert proofs.call(FILING, "differences", request, read) == []
    for name in request:
        changed = request | {name: OTHER.get(name, "x")}
        assert proofs.call(FILING, "differences", changed, read) == [SAID.get(name, name)]


def test_key_that_the_page_showed_is_compared(proofs: Proofs) -> None:
    filed = filing(sealed_to="age1another")
    read = proofs.call(FILING, "readFiling", text_of(filed))
    for request, named in ((shown(filed), []), (shown(filed) | {"sealed_to": None}, [SAID["sealed_to"]])):
        assert proofs.call(FILING, "differences", request, read) == named


def test_lifetime_that_the_page_showed_is_compared(proofs: Proofs) -> None:
    filed = filing(lifetime=timedelta(days=90))
    read = proofs.call(FILING, "readFiling", text_of(filed))
    shorter = {"clocks": {"lifetime": "P1D"}}
    assert proofs.call(FILING, "differences", shown(filed) | {"clocks": {"lifetime": "P90D"}}, read) == []
    assert proofs.call(FILING, "differences", shown(filed) | shorter, read) == ["lifetime"]


@pytest.mark.parametrize("name", sorted(ON_POLICIES))
@pytest.mark.parametrize(
    "resource",
    [
        None,
        {"region": "eu-central-1", "policy": None, "policy_sha256": None},
        {"region": "eu-central-1", "policy": "{}", "policy_sha256": "ab" * 32},
        {"region": "eu-central-1", "policy": "{}", "policy_sha256": None},
        {"region": "eu-central-1", "policy": 1, "policy_sha256": None},
    ],
)
def test_an_unlock_that_does_not_show_its_policy_is_not_read(
    proofs: Proofs, name: OperationName, resource: dict[str, Any] | None
) -> None:
    document: Any = json.loads(text_of(filing(operation=operation(name))))
    document["observed"].pop("resource")
    document["observed"] |= {} if resource is None else {"resource": resource}
    assert proofs.call(FILING, "readFiling", canonical(document).decode()) is None


def test_plan_that_the_page_showed_is_compared(proofs: Proofs) -> None:
    filed = filing(operation=operation(OperationName.ROTATE_ACCESS_KEY), rotation=RotationPlan())
    read = proofs.call(FILING, "readFiling", text_of(filed))
    other = shown(filed) | {"rotation": plan_of(RotationPlan(deletion_wait=timedelta(hours=1)))}
    assert proofs.call(FILING, "differences", shown(filed), read) == []
    assert proofs.call(FILING, "differences", other, read) == ["the plan of the rotation"]
