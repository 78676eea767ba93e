"""What an API token looks like, and what does not pass for one."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.api_tokens import PATTERN, fingerprint, mint
from service.domain.actor import ActorKind


@pytest.mark.parametrize(("kind", "prefix"), [(ActorKind.PERSON, "rqp_"), (ActorKind.MACHINE, "rqm_")])
def test_a_scanner_recognises_a_token_by_prefix_and_checksum(kind: ActorKind, prefix: str) -> None:
    token = mint(kind).reveal()
    assert token.startswith(prefix)
    assert PATTERN.fullmatch(token)


def test_only_a_hash_is_ever_stored() -> None:
    token = mint(ActorKind.PERSON).reveal()
    assert fingerprint(token) == hashlib.sha256(token.encode()).hexdigest()


def test_no_two_tokens_are_alike() -> None:
    assert len({mint(ActorKind.PERSON).reveal() for _ in range(100)}) == 100


@given(position=st.integers(4, 49), letter=st.sampled_from(string.ascii_letters + string.digits))
def test_a_mistyped_token_fails_its_checksum(position: int, letter: str) -> None:
    token = mint(ActorKind.PERSON).reveal()
    mistyped = token[:position] + letter + token[position + 1 :]
    assert (fingerprint(mistyped) is None) == (mistyped != token)


@pytest.mark.parametrize("presented", ["", "rqp_", "ghp_" + "a" * 46, "rqp_" + "é" * 46, "rqp_" + "a" * 4600])
def test_what_is_no_token_is_no_token(presented: str) -> None:
    assert fingerprint(presented) is None


def test_the_service_itself_signs_in_nowhere() -> None:
    with pytest.raises(KeyError):
        mint(ActorKind.SERVICE)
