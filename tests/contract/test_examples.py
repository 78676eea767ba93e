"""Every answer of the contract has an example, and no example says what the contract does not allow."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.house import House
from support.witness import DOCUMENT, documented_codes

from service.api.contract import examples
from service.api.statuses import STATUSES
from service.domain.errors import Code
from service.domain.operation import OperationName

OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a body is sent or answered, and its media type object."""
    for operation, described in OPERATIONS.items():
        for media_type, content in described.get("requestBody", {}).get("content", {}).items():
            yield f"{operation} takes {media_type}", content
        for status, answer in described["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                yield f"{operation} answers {status} {media_type}", content


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas that name examples of their own, and those of their properties that do."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in {"": schema, **schema.get("properties", {})}.items():
            if "examples" in described:
                yield f"{name}.{field}", described


ANSWERS: dict[str, dict[str, Any]] = DOCUMENT["components"]["examples"]
CONTENTS, FIELDS = dict(contents()), dict(fields())


def resolved(example: dict[str, Any]) -> dict[str, Any]:
    name = example.get("$ref", "").removeprefix("#/components/examples/")
    return ANSWERS[name] if name else example


def check(value: object, schema: dict[str, Any]) -> None:
    whole = schema | {"components": DOCUMENT["components"]}  # what its references lead to
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


@pytest.mark.parametrize("where", CONTENTS)
def test_every_body_has_examples_that_fit_its_schema(where: str) -> None:
    found = CONTENTS[where]["examples"]

    assert found
    for example in found.values():
        check(resolved(example)["value"], CONTENTS[where]["schema"])


@pytest.mark.parametrize("where", FIELDS)
def test_examples_of_fields_fit(where: str) -> None:
    for value in FIELDS[where]["examples"]:
        check(value, FIELDS[where])


def test_every_operation_can_be_filed_from_an_example() -> None:
    assert list(examples.FILINGS) == list(OperationName)
    assert [example["value"]["operation"] for example in examples.FILINGS.values()] == list(OperationName)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_problem_is_documented_at_its_status(operation: str) -> None:
    for status, answer in OPERATIONS[operation]["responses"].items():
        for code in documented_codes(OPERATIONS[operation], int(status)):
            example = answer["content"]["application/problem+json"]["examples"][code]["value"]
            assert (example["code"], example["status"]) == (code, int(status))
            assert (code, int(status)) in STATUSES.items()
            assert f"`{code}`" in answer["description"]


def test_every_code_is_documented_somewhere() -> None:
    documented = {
        code
        for described in OPERATIONS.values()
        for status in described["responses"]
        for code in documented_codes(described, int(status))
    }
    # No operation answers it: the path has no such method.
    assert documented == {*Code} - {Code.METHOD_NOT_ALLOWED}


def test_example_has_the_order_of_the_answer(house: House) -> None:
    """A request is read from the top, the digest last: in the example as in life."""
    request = house.file()
    answer = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()

    example = ANSWERS["pending"]["value"]
    assert list(example) == list(answer)
    assert [*example][-2:] == ["digest", "actions"]


def test_examples_tell_one_story() -> None:
    names = ("filed", "pending", "approved", "rejected", "withdrawn", "received", "in_doubt")
    ((request_id, digest),) = {(ANSWERS[name]["value"]["id"], ANSWERS[name]["value"]["digest"]) for name in names}

    assert ANSWERS["created_key"]["value"]["request_id"] == request_id
    assert {example["value"]["digest"] for example in examples.DECISIONS.values()} == {digest}


def test_example_holds_no_secret() -> None:
    placeholder = "(the secret, shown this once)"
    assert ANSWERS["created_key"]["value"]["secret_access_key"] == placeholder
    for name in ("rootkey", "credentials", "profile"):
        assert placeholder in ANSWERS[name]["value"]


def test_every_example_is_shown_somewhere() -> None:
    shown = {example.get("$ref") for content in CONTENTS.values() for example in content["examples"].values()}
    assert {f"#/components/examples/{name}" for name in ANSWERS} <= shown
