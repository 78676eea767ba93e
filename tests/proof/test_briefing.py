"""`evidence.html` says of a request what approvers read."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof.in_node import Proofs
from support.builders import filing

from service.domain.actor import ActorKind
from service.domain.briefing import effect, in_words
from service.domain.operation import KINDS, TARGET_OF, Operation, OperationName
from service.domain.rotation_plan import RotationPlan
from service.domain.text import plain, quoted

# Unicode goes on assigning letters. Which are assigned depends on the version of a reader.
_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cn", "Co", "Cs"], max_codepoint=0x2FFF)
_NAMES = st.text(_LETTERS, max_size=120) | st.just('<b> "eve" | x`')
_SECONDS = st.integers(0, 10**9)


def test_the_page_knows_every_operation(proofs: Proofs) -> None:
    assert proofs.call("briefing", "EFFECTS") == {
        name.value: [kind.effect, TARGET_OF.get(name)] for name, kind in KINDS.items()
    }


@pytest.mark.parametrize("name", OperationName)
@pytest.mark.parametrize("kind", [ActorKind.PERSON, ActorKind.MACHINE])
@pytest.mark.parametrize("recipient", ["alice", "rita"])
@pytest.mark.parametrize("is_special", [True, False])
def test_it_says_the_effect_as_the_service_does(
    proofs: Proofs, name: OperationName, kind: ActorKind, recipient: str, *, is_special: bool
) -> None:
    operation = Operation(name, "AKIAEXAMPLE000000001" if name in TARGET_OF else None)
    filed = filing(
        operation=operation,
        requester_kind=kind,
        recipient=recipient,
        run_on_approval=is_special and not operation.is_create,
        drill=is_special,
        lifetime=timedelta(days=30, seconds=1) if is_special and operation.is_create else None,
        rotation=RotationPlan() if operation.is_rotation else None,
    )
    assert proofs.call("briefing", "effectOf", filed.document()) == effect(filed, lambda subject: subject)


def test_it_knows_no_other_operation(proofs: Proofs) -> None:
    assert proofs.call("briefing", "effectOf", {"operation": "constructor"}) is None


@given(name=_NAMES, text=_NAMES, seconds=_SECONDS)
def test_names_texts_and_durations_are_those_of_the_service(proofs: Proofs, name: str, text: str, seconds: int) -> None:
    assert proofs.call("briefing", "quoted", name) == quoted(name)
    assert proofs.call("briefing", "plain", text) == plain(text)
    assert proofs.call("briefing", "inWords", seconds) == in_words(timedelta(seconds=seconds))
