"""Each refusal has one sentence, which is said wherever it is raised without another one."""

import re

import pytest

from service.domain.errors import Code, Conflict, Invalid, ServiceError

FILLED_IN = [code for code in Code if "{" in code.sentence]
PLAIN = [code for code in Code if code not in FILLED_IN]


@pytest.mark.parametrize("code", PLAIN)
def test_refusal_without_a_detail_says_its_codes_sentence(code: Code) -> None:
    assert ServiceError(code).detail == code.sentence


@pytest.mark.parametrize("code", FILLED_IN)
def test_sentence_with_a_blank_is_not_said_unfilled(code: Code) -> None:
    with pytest.raises(KeyError):
        ServiceError(code)


def test_value_that_looks_like_a_blank_stays_text() -> None:
    assert Conflict(Code.ALREADY_IN_STATUS, status="{0.__class__}").detail == "The access key is already {0.__class__}."


def test_refusal_of_an_input_names_the_codes_field() -> None:
    assert Invalid(Code.TICKET_REQUIRED).field == "ticket"
    assert Invalid(Code.INVALID_REQUEST, field="cursor").field == "cursor"


def test_no_two_codes_say_the_same() -> None:
    assert len({code.sentence for code in Code}) == len(Code)


@pytest.mark.parametrize("code", Code)
def test_sentences_are_short(code: Code) -> None:
    for sentence in re.split(r"(?<=[.;]) ", code.sentence):
        assert len(sentence.split()) <= 20


@pytest.mark.parametrize("code", Code)
def test_detail_ends_as_a_sentence(code: Code) -> None:
    assert code.sentence.endswith((".", "{reasons}"))
