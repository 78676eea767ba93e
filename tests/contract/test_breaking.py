"""A release does not take from clients what the contract of the last one gave them, unless somebody decides so."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from breaking import Comparison

CONTRACT = json.loads((Path(__file__).parents[2] / "openapi/openapi.json").read_text())
SENT, READ, VALUES = "CreateAccessKey", "RequestOut", "Status"


def changed(by: Callable[[Any], object]) -> list[str]:
    """Return the breaking changes of our contract, once `by` has changed it."""
    new = copy.deepcopy(CONTRACT)
    by(new)
    return list(Comparison(CONTRACT, new).changes())


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def test_nothing_breaks_where_nothing_changes() -> None:
    assert changed(lambda _: None) == []


BREAKING: dict[str, Callable[[Any], object]] = {
    "GET /v1/me: it is gone": lambda new: new["paths"].pop("/v1/me"),
    "GET /v1/requests: the parameter status is gone": lambda new: new["paths"]["/v1/requests"]["get"].update(
        parameters=[p for p in new["paths"]["/v1/requests"]["get"]["parameters"] if p["name"] != "status"]
    ),
    "the answer 201 is gone": lambda new: new["paths"]["/v1/requests"]["post"]["responses"].pop("201"),
    ".ticket: it is gone": lambda new: schema(new, SENT)["properties"].pop("ticket"),
    ".ticket: it is required now": lambda new: schema(new, SENT)["required"].append("ticket"),
    "justification: maxLength was 2000 and is 20": lambda new: schema(new, SENT)["properties"]["justification"].update(
        maxLength=20
    ),
    "account_id: its pattern is another": lambda new: schema(new, SENT)["properties"]["account_id"].update(
        pattern="^1"
    ),
    ".digest: it is gone": lambda new: schema(new, READ)["properties"].pop("digest"),
    ".digest: it may be missing now": lambda new: schema(new, READ)["required"].remove("digest"),
    ".digest: its type was string and is integer": lambda new: schema(new, READ)["properties"]["digest"].update(
        type="integer"
    ),
    ".digest: it may be null now": lambda new: schema(new, READ)["properties"].update(
        digest={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "status: expired is not taken any more": lambda new: schema(new, VALUES)["enum"].remove("expired"),
}


@pytest.mark.parametrize("said", BREAKING)
def test_what_clients_relied_on_is_named(said: str) -> None:
    found = changed(BREAKING[said])
    assert any(line.endswith(said) for line in found), found


ALLOWED: dict[str, Callable[[Any], object]] = {
    "a new operation": lambda new: new["paths"].update({"/v1/new": new["paths"]["/v1/me"]}),
    "a new member of an answer": lambda new: schema(new, READ)["properties"].update(new={"type": "string"}),
    "a new optional member of a body": lambda new: schema(new, SENT)["properties"].update(new={"type": "string"}),
    "a new value": lambda new: schema(new, VALUES)["enum"].append("new"),
    "a longer text": lambda new: schema(new, SENT)["properties"]["justification"].update(maxLength=9000),
    "a body that takes null as well": lambda new: schema(new, SENT)["properties"].update(
        account_id={"anyOf": [schema(new, SENT)["properties"]["account_id"], {"type": "null"}]}
    ),
}


@pytest.mark.parametrize("change", ALLOWED)
def test_what_takes_nothing_away_is_allowed(change: str) -> None:
    assert changed(ALLOWED[change]) == []
