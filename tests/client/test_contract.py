"""The client of others is that of the committed contract: its models, its calls, and what it sends."""

import inspect
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin
from unittest.mock import patch

import pytest

import rootquorum_client
from rootquorum_client import Client, Operation, Secret, Status, models
from rootquorum_client.models import FINAL, created_key, hints, read
from rootquorum_client.transport import Transport
from service.domain.request import NEXT

CONTRACT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
SCHEMAS = CONTRACT["components"]["schemas"]
# Each model, and the schema that it is of.
OF: Mapping[type[Any], str] = {
    models.AccessKey: "AccessKeyOut",
    models.Account: "AccountOut",
    models.AccountDetail: "AccountDetailOut",
    models.Action: "ActionOut",
    models.Actor: "ActorOut",
    models.Approver: "ApproverOut",
    models.Capability: "CapabilityOut",
    models.Caution: "WarningOut",
    models.Certificate: "SigningCertificateOut",
    models.Clocks: "ClocksOut",
    models.ConfiguredAccount: "ConfiguredAccountOut",
    models.CreatedKey: "CreatedKeyOut",
    models.Decision: "DecisionOut",
    models.Demand: "DemandOut",
    models.DrillAnswer: "DrillAnswerOut",
    models.DrillReport: "DrillReportOut",
    models.LastDecision: "LastDecisionOut",
    models.Me: "MeOut",
    models.Missing: "MissingOut",
    models.PossibleApprover: "CouldApproveOut",
    models.Quorum: "QuorumOut",
    models.Request: "RequestOut",
    models.RequestSummary: "RequestSummaryOut",
    models.Requester: "RequesterOut",
    models.Result: "ResultOut",
    models.ResourcePolicy: "ResourcePolicyOut",
    models.SealedKey: "SealedKeyOut",
    models.SealedTo: "SealedToOut",
    models.RootCredentials: "RootCredentialsOut",
    models.Rotation: "RotationOut",
}
ID, ACCOUNT = "3f0c2b1e-0000-4000-8000-000000000000", "111122223333"
ENDPOINTS = [(method.upper(), path) for path, methods in CONTRACT["paths"].items() for method in methods]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return SCHEMAS[name] if name else schema


def is_of(hint: Any, schema: dict[str, Any]) -> bool:  # noqa: PLR0911  # one for each kind of type
    """Whether what the schema allows is just what the type takes."""
    alternatives = schema.get("anyOf")
    if get_origin(hint) in {Union, types.UnionType}:
        assert alternatives is not None
        inner, null = alternatives
        return bool(null == {"type": "null"}) and is_of(get_args(hint)[0], inner)
    if is_dataclass(hint):
        return bool(schema.get("$ref") == f"#/components/schemas/{OF[hint]}")  # type: ignore[index]
    found = resolved(schema)
    if get_origin(hint) is tuple:
        return found.get("type") == "array" and is_of(get_args(hint)[0], found["items"])
    if get_origin(hint) is Mapping:
        return found.get("type") == "object" and is_of(get_args(hint)[1], found["additionalProperties"])
    if hint is datetime:
        return (found.get("type"), found.get("format")) == ("string", "date-time")
    if hint is Secret:
        return found.get("format") == "password"
    # A duration stays a str.
    plain = {str: "string", int: "integer", bool: "boolean"}
    return found.get("type") == plain[hint] and found.get("format") in {None, "duration"}


def test_every_model_is_compared() -> None:
    assert set(OF) == {each for each in vars(models).values() if is_dataclass(each)}
    assert {each.__name__ for each in OF} <= set(rootquorum_client.__all__)


@pytest.mark.parametrize("model", OF, ids=lambda model: model.__name__)
def test_every_member_of_a_model_is_in_the_contract_with_its_type(model: type[Any]) -> None:
    schema = SCHEMAS[OF[model]]
    for name, hint in hints(model).items():
        if name != "document":
            assert name in schema["required"], name
            assert is_of(hint, schema["properties"][name]), name


@pytest.mark.parametrize(("known", "schema"), [(Operation, "OperationName"), (Status, "Status")])
def test_names_that_the_client_knows_are_those_of_the_contract(known: type[StrEnum], schema: str) -> None:
    assert [each.value for each in known] == SCHEMAS[schema]["enum"]


def test_a_status_is_final_if_none_follows() -> None:
    # A confirmed key that its lifetime ends stays `succeeded`.
    assert {status.value for status in FINAL} == {status.value for status, following in NEXT.items() if not following}


def test_the_examples_of_the_contract_are_read() -> None:
    examples = CONTRACT["components"]["examples"]
    for name in ("filed", "pending", "approved", "rejected", "in_doubt", "executed", "withdrawn"):
        request = read(models.Request, examples[name]["value"])
        assert request.document == examples[name]["value"]
        assert request.account.name == examples[name]["value"]["account"]["name"]
    key = examples["created_key"]["value"] | {"secret_access_key": "x" * 40}
    assert created_key(key).secret_access_key == Secret(key["secret_access_key"])
    sealed = examples["sealed_key"]["value"]
    assert models.sealed_key(sealed).sha256 == sealed["sealed_sha256"]


# --- what it calls ---

CALLS: Mapping[str, Callable[[Client], object]] = {
    "me": lambda client: client.me(),
    "accounts": lambda client: client.accounts(),
    "account": lambda client: client.account(ACCOUNT),
    "root_credentials": lambda client: client.root_credentials(ACCOUNT),
    "requests": lambda client: next(
        client.requests(
            awaiting_me=True,
            status="pending",
            account_id=ACCOUNT,
            operation="create_access_key",
            requester="alice",
            recipient="alice",
            ticket="OPS-1",
        )
    ),
    "request": lambda client: client.request(ID),
    "drill_report": lambda client: client.drill_report(ID),
    "approvers": lambda client: client.approvers(),
    "evidence": lambda client: client.evidence(ID),
    "events": lambda client: next(client.events(ID)),
    "file": lambda client: client.file(Operation.CREATE_ACCESS_KEY, ACCOUNT, "Due this quarter."),
    "approve": lambda client: client.approve(ID, "0" * 64, comment="x", statement="{}", signature="x"),
    "reject": lambda client: client.reject(ID, "0" * 64, "Not now."),
    "withdraw": lambda client: client.withdraw(ID),
    "execute": lambda client: client.execute(ID),
    "confirm_receipt": lambda client: client.confirm_receipt(ID, sealed_sha256="0" * 64),
    "cut_over": lambda client: client.cut_over(ID, "AKIAIOSFODNN7EXAMPLE", "All have moved."),
    "changes": lambda client: next(client.changes(ID, timeout=1)),
    "wait_until": lambda client: client.wait_until(ID, {"approved"}, timeout=1),
}


class _SentError(Exception):
    pass


def sent(call: Callable[[Client], object]) -> tuple[str, str, dict[str, Any]]:
    """Return what a call sends first."""
    with (
        patch.object(Transport, "send", side_effect=_SentError) as send,
        Client("https://rootquorum.example.com", "token") as client,
        pytest.raises(_SentError),
    ):
        call(client)
    method, path = map(str, send.call_args.args)
    return method, path, dict(send.call_args.kwargs)


def endpoint(method: str, path: str) -> dict[str, Any]:
    """Return the one operation of the contract at this path."""
    for template in CONTRACT["paths"]:
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) and (method, template) in ENDPOINTS:
            found: dict[str, Any] = CONTRACT["paths"][template][method.lower()]
            return found
    raise AssertionError((method, path))


def parameters(found: dict[str, Any], where: str) -> set[str]:
    return {each["name"] for each in found.get("parameters", ()) if each["in"] == where}


def bodies(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    for each in schema.get("oneOf") or schema.get("anyOf") or [schema]:
        if each != {"type": "null"}:
            yield resolved(each)


def test_every_call_is_compared() -> None:
    public = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    assert set(CALLS) == public - {"close"}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_in_the_contract_with_what_it_sends(name: str) -> None:
    method, path, options = sent(CALLS[name])
    found = endpoint(method, path)
    assert set(options.get("params", ())) <= parameters(found, "query")
    assert set(options.get("headers", ())) <= parameters(found, "header")
    for member in options.get("json", ()):
        assert any(member in body["properties"] for body in bodies(found)), member


def test_pollers_send_an_etag_only_where_the_contract_takes_one() -> None:
    assert "If-None-Match" in parameters(endpoint("GET", f"/v1/requests/{ID}"), "header")


def test_a_filing_can_have_every_member_of_every_operation() -> None:
    members = {member for body in bodies(endpoint("POST", "/v1/requests")) for member in body["properties"]}
    assert members == set(inspect.signature(Client.file).parameters) - {"self", "idempotency_key"}


def test_only_what_the_contract_lets_one_repeat_is_repeated() -> None:
    repeated = {name for name, call in CALLS.items() if sent(call)[2].get("is_repeatable")}
    assert repeated == set(CALLS) - {"execute"}
    for name in repeated:
        method, path, options = sent(CALLS[name])
        said = endpoint(method, path)["description"]
        is_said = "repeat changes nothing" in said or "repeat returns the request and changes nothing" in said
        assert method == "GET" or "Idempotency-Key" in options.get("headers", ()) or is_said, name


def test_models_have_no_member_beside_those_of_the_contract() -> None:
    for model in OF:
        assert {each.name for each in fields(model)} == set(hints(model))
