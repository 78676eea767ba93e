"""The OpenAPI document is current, whole and true: whatever it says can be answered has been answered here."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args

import anyio
import httpx
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from openapi_spec_validator import validate
from support.builders import ACCOUNT, JUSTIFICATION
from support.builders import ACCOUNTS as ACCOUNTS_BY_ID
from support.closings import KINDS
from support.destinations import SECRET, Post
from support.house import House
from support.rotations import received
from support.rule_files import TEXT, signed_by
from support.signers import SK_ED25519
from support.signing import BOB, DAVE, begin_signing, enrol
from support.witness import DOCUMENT

from service.api import middleware
from service.api.build import build
from service.api.middleware import LARGEST_HOOK_BYTES
from service.api.schemas import outputs
from service.api.sign_ins import FailedSignIns, SignIns
from service.aws.organization import KnownAccounts
from service.db.engine import begin, connect
from service.domain.actor import WORKER, ActorKind, Role
from service.domain.briefing import CAUTIONS, CautionCode
from service.domain.canonical import Document
from service.domain.delivery import Answer
from service.domain.errors import Code
from service.domain.event_table import EVENTS, FILED, PUBLISHED, RULES_SIGNED, About, EventName, PublishedData
from service.domain.events import Event
from service.domain.permissions import ActionName
from service.domain.request import Status, Verdict
from service.domain.roster import Reason, RevokedBy
from service.domain.statement import Namespace
from service.notify import webhooks
from service.notify.inbound import StandardSource
from service.settings import Settings
from service.simulated_aws import ConnectionLostAfter, Refuse
from service.worker import run_pass
from service.workflow.announce import announce
from service.workflow.context import Log
from service.workflow.people import suspend
from service.workflow.rule_events import rules_signed
from service.workflow.sign import endorsement_to_sign, registration_to_sign
from service.workflow.signing_keys import revoke
from service.workflow.standing import standing_of
from service.workflow.tell import tell

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]


def test_committed_document_is_the_generated_one() -> None:
    assert json.loads(COMMITTED.read_text()) == DOCUMENT


def test_document_is_valid() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_says_what_it_does_and_for_whom(operation: str) -> None:
    described = OPERATIONS[operation]
    assert described["tags"]
    assert described["summary"]
    for_whom = r"\b(for (the|its|every|people)|requires the role|no sign-in is required|see all)\b"
    assert re.search(for_whom, " ".join(described["description"].split()), re.IGNORECASE)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_under_v1_needs_a_token(operation: str) -> None:
    # A hook is signed, by no scheme that a page could offer.
    needs_one = " /v1/" in operation and operation != HOOK
    assert OPERATIONS[operation]["security"] == ([{"token": []}] if needs_one else [])
    assert ("401" in OPERATIONS[operation]["responses"]) == (" /v1/" in operation)


# What generated clients call them. A new one is added; none is ever renamed.
OPERATION_IDS = {
    "POST /v1/requests": "fileRequest",
    "POST /v1/previews": "previewRequest",
    "GET /v1/requests": "listRequests",
    "GET /v1/requests/{request_id}": "readRequest",
    "GET /v1/requests/{request_id}/evidence": "readEvidence",
    "POST /v1/requests/{request_id}/decisions": "decide",
    "POST /v1/requests/{request_id}/withdrawal": "withdraw",
    "POST /v1/requests/{request_id}/execution": "execute",
    "POST /v1/requests/{request_id}/execution/{file}": "executeIntoFile",
    "POST /v1/requests/{request_id}/receipt": "confirmReceipt",
    "POST /v1/requests/{request_id}/cut-over": "cutOver",
    "GET /v1/requests/{request_id}/statement": "readStatement",
    "GET /v1/me/signing-keys": "listOwnSigningKeys",
    "POST /v1/me/signing-keys/statement": "readRegistrationStatement",
    "POST /v1/me/signing-keys": "registerSigningKey",
    "POST /v1/me/signing-keys/{fingerprint}/revocation": "revokeOwnSigningKey",
    "GET /v1/signing-keys": "listSigningKeys",
    "POST /v1/signing-keys/{fingerprint}/endorsement/statement": "readEndorsementStatement",
    "POST /v1/signing-keys/{fingerprint}/endorsement": "endorseSigningKey",
    "POST /v1/signing-keys/{fingerprint}/revocation": "revokeSigningKey",
    "GET /v1/rules": "listRules",
    "GET /v1/rules/{version}": "readRules",
    "GET /v1/me": "whoAmI",
    "GET /v1/accounts": "listAccounts",
    "GET /v1/accounts/{account_id}": "readAccount",
    "GET /v1/accounts/{account_id}/root-credentials": "readRootCredentials",
    "GET /v1/requests/{request_id}/drill": "readDrillReport",
    "GET /v1/approvers": "listApprovers",
    "GET /v1/drift": "listDrift",
    "POST /v1/accounts/{account_id}/drift-check": "checkDrift",
    "POST /v1/drift/{finding_id}/acceptance": "acceptDrift",
    "GET /v1/deliveries": "listDeliveries",
    "POST /v1/deliveries/{delivery_id}/redelivery": "redeliver",
    "POST /v1/hooks/{source}": "receiveHook",
    "GET /v1/audit/events": "listEvents",
    "GET /v1/audit/checkpoint": "readCheckpoint",
    "GET /v1/audit/proofs/inclusion": "proveInclusion",
    "GET /v1/audit/proofs/consistency": "proveConsistency",
    "GET /v1/audit/export": "exportLog",
    "GET /v1/audit/keys": "listLogKeys",
    "GET /livez": "livez",
    "GET /readyz": "readyz",
}


def test_operations_have_names_that_stay() -> None:
    for event, webhook in DOCUMENT["webhooks"].items():
        assert webhook["post"]["operationId"] == "told" + re.sub(r"(?:^|[._])([a-z])", lambda at: at[1].upper(), event)
    assert {operation: described["operationId"] for operation, described in OPERATIONS.items()} == OPERATION_IDS


def test_document_says_where_it_is_served_whom_to_ask_and_under_which_license() -> None:
    port = Settings.model_fields["server"].default.port
    assert [server["url"] for server in DOCUMENT["servers"]] == [f"http://127.0.0.1:{port}"]
    assert DOCUMENT["info"]["contact"]["name"]
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"


def strings(where: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a text within another, references not followed, with where it stands."""
    inner = [(where, each) for kind in ("anyOf", "oneOf", "allOf") for each in schema.get(kind, ())]
    inner += [(f"{where}.{name}", each) for name, each in schema.get("properties", {}).items()]
    inner += [(where, schema["items"])] if "items" in schema else []
    if schema.get("type") == "string":
        yield where, schema
    for name, each in inner:
        # What stands beside the alternatives holds for each of them.
        beside = {key: schema[key] for key in ("maxLength", "pattern") if key in schema and "anyOf" in schema}
        yield from strings(name, beside | each)


def is_bounded(schema: dict[str, Any]) -> bool:
    return bool(schema.keys() & {"maxLength", "enum", "const"}) or schema.get("format") == "date-time"


PARAMETERS = [
    (f"{operation} {parameter['name']}", parameter["schema"])
    for operation, described in OPERATIONS.items()
    for parameter in described.get("parameters", ())
]


def test_every_text_that_comes_in_has_a_longest_length() -> None:
    taken = [(name, SCHEMAS[name]) for name in TAKEN]
    found = [pair for name, schema in PARAMETERS + taken for pair in strings(name, schema)]
    assert len(found) > 60
    assert [where for where, schema in found if not is_bounded(schema)] == []


# What is an id by its name, or by what it holds.
AN_ID = re.compile(
    r"\.(id|\w+_id|digest|subject|target|person|credential|mfa_devices|accepted_by|destination|\w*cursor)$"
)


def test_every_id_that_goes_out_has_a_longest_length() -> None:
    found = [pair for name in {*SENT, *TOLD_OF} for pair in strings(name, SCHEMAS[name])]
    ids = [(where, schema) for where, schema in found if AN_ID.search(where)]
    assert len(ids) > 40
    assert [where for where, schema in ids if not is_bounded(schema)] == []


CHOSEN: dict[tuple[str, str], Iterable[str]] = {
    ("WarningOut", "code"): CautionCode,
    ("Problem", "code"): Code,
    ("ValidationProblem", "code"): Code,
    ("MeOut", "roles"): Role,
    ("AuditActorOut", "kind"): ActorKind,
    ("EvidenceDecisionOut", "decision"): Verdict,
    ("RequestOut", "status"): Status,
    ("ActionOut", "action"): get_args(ActionName),
}


@pytest.mark.parametrize(("schema", "name"), CHOSEN)
def test_what_is_one_of_a_few_is_an_enumeration(schema: str, name: str) -> None:
    described = SCHEMAS[schema]["properties"][name]
    described = described.get("items", described)
    found = SCHEMAS[described["$ref"].rpartition("/")[2]] if "$ref" in described else described
    assert found["enum"] == list(CHOSEN[schema, name])


@pytest.mark.parametrize("code", CautionCode)
def test_every_warning_is_explained_in_the_contract(code: CautionCode) -> None:
    described = SCHEMAS["WarningOut"]["properties"]["code"]["description"]
    assert f"`{code}`: {CAUTIONS[code]}" in described


def test_secret_of_a_new_key_is_a_password_that_is_read() -> None:
    secret = SCHEMAS["CreatedKeyOut"]["properties"]["secret_access_key"]
    assert (secret["type"], secret["format"]) == ("string", "password")
    assert "writeOnly" not in secret


def test_lists_say_what_each_request_does(house: House) -> None:
    filed = call(house, FILE).json()
    (line,) = call(house, LIST).json()["items"]
    assert line["effect"] == filed["effect"]
    assert call(house, READ, request_id=filed["id"]).json()["effect"] == filed["effect"]


def test_a_hook_names_the_headers_of_its_kinds_and_its_limit_and_needs_no_token() -> None:
    described = OPERATIONS[HOOK]
    named = {each["name"].lower() for each in described["parameters"] if each["in"] == "header"}
    assert named == {name for kind in KINDS.values() for name in kind.headers}
    assert described["security"] == []
    assert "1 MiB" in described["requestBody"]["description"]
    assert LARGEST_HOOK_BYTES == 1024**2
    assert described["requestBody"]["content"].keys() == {"application/json", "application/x-www-form-urlencoded"}


def test_no_operation_answers_with_the_frameworks_own_errors() -> None:
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def used_in(part: object) -> Iterator[str]:
    """The names of all schemas that a part of the document refers to, through others as well."""
    match part:
        case {"$ref": str(reference)} if reference.startswith("#/components/schemas/"):
            name = reference.rsplit("/", 1)[1]
            yield name
            yield from used_in(SCHEMAS[name])
        case dict():
            for value in part.values():
                yield from used_in(value)
        case list():
            for value in part:
                yield from used_in(value)


SENT = sorted({name for operation in OPERATIONS.values() for name in used_in(operation["responses"])})
TOLD_OF = sorted(
    {name for webhook in DOCUMENT["webhooks"].values() for name in used_in(webhook["post"]["requestBody"])}
)
IN_PARAMETERS = {name for operation in OPERATIONS.values() for name in used_in(operation.get("parameters"))}
TAKEN = sorted({name for operation in OPERATIONS.values() for name in used_in(operation.get("requestBody"))})


@pytest.mark.parametrize("name", [name for name in SENT if "properties" in SCHEMAS[name]])
def test_every_output_property_is_required(name: str) -> None:
    assert set(SCHEMAS[name]["required"]) == set(SCHEMAS[name]["properties"])
    assert not any("default" in described for described in SCHEMAS[name]["properties"].values())


@pytest.mark.parametrize("name", [name for name in TAKEN if "properties" in SCHEMAS[name]])
def test_every_input_object_forbids_extras(name: str) -> None:
    assert SCHEMAS[name]["additionalProperties"] is False


def test_no_schema_is_both_sent_and_taken() -> None:
    assert set(SENT).isdisjoint(TAKEN)
    assert set(SENT) | set(TAKEN) | set(TOLD_OF) | IN_PARAMETERS == set(SCHEMAS)


# --- every documented status, seen ---

FILE = "POST /v1/requests"
PREVIEW = "POST /v1/previews"
LIST = "GET /v1/requests"
READ = "GET /v1/requests/{request_id}"
DECIDE = "POST /v1/requests/{request_id}/decisions"
WITHDRAW = "POST /v1/requests/{request_id}/withdrawal"
RECEIVE = "POST /v1/requests/{request_id}/receipt"
CUT_OVER = "POST /v1/requests/{request_id}/cut-over"
EXECUTE = "POST /v1/requests/{request_id}/execution"
INTO_FILE = "POST /v1/requests/{request_id}/execution/{file}"
ME = "GET /v1/me"
HOOK = "POST /v1/hooks/{source}"
ACCOUNTS = "GET /v1/accounts"
LIVE = "GET /v1/accounts/{account_id}/root-credentials"
ACCOUNT_READ = "GET /v1/accounts/{account_id}"
DRILL, APPROVERS = "GET /v1/requests/{request_id}/drill", "GET /v1/approvers"
DRIFT = "GET /v1/drift"
DRIFT_CHECK = "POST /v1/accounts/{account_id}/drift-check"
ACCEPT = "POST /v1/drift/{finding_id}/acceptance"
DELIVERIES = "GET /v1/deliveries"
REDELIVER = "POST /v1/deliveries/{delivery_id}/redelivery"
AUDIT = "GET /v1/audit/events"
CHECKPOINT = "GET /v1/audit/checkpoint"
INCLUSION = "GET /v1/audit/proofs/inclusion"
CONSISTENCY = "GET /v1/audit/proofs/consistency"
EXPORT = "GET /v1/audit/export"
LOG_KEYS = "GET /v1/audit/keys"
EVIDENCE = "GET /v1/requests/{request_id}/evidence"
LIVEZ, READYZ = "GET /livez", "GET /readyz"
STATEMENT = "GET /v1/requests/{request_id}/statement"
OWN_KEYS, KEYS = "GET /v1/me/signing-keys", "GET /v1/signing-keys"
KEY_STATEMENT, REGISTER = "POST /v1/me/signing-keys/statement", "POST /v1/me/signing-keys"
REVOKE_OWN = "POST /v1/me/signing-keys/{fingerprint}/revocation"
ENDORSE_STATEMENT = "POST /v1/signing-keys/{fingerprint}/endorsement/statement"
ENDORSE = "POST /v1/signing-keys/{fingerprint}/endorsement"
REVOKE = "POST /v1/signing-keys/{fingerprint}/revocation"
RULES, RULES_READ = "GET /v1/rules", "GET /v1/rules/{version}"
OF_SIGNING = (STATEMENT, OWN_KEYS, KEY_STATEMENT, REGISTER, REVOKE_OWN, KEYS, ENDORSE_STATEMENT, ENDORSE, REVOKE)

ABSENT = "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11"
FILING = {"operation": "create_access_key", "account_id": ACCOUNT, "justification": JUSTIFICATION}
APPROVAL = {"decision": "approve", "digest": "0" * 64}
SIGNED = {"statement": "{}", "signature": SK_ED25519.sign(b"{}", "decision@rootquorum")}
RETIRED = {"reason": "retired"}
BODIES = {
    FILE: FILING,
    PREVIEW: FILING,
    DECIDE: APPROVAL,
    ACCEPT: {"comment": "A known one."},
    CUT_OVER: {"access_key_id": "AKIAEXAMPLE000000009", "comment": "All have moved."},
    KEY_STATEMENT: {"key": SK_ED25519.public.text},
    REGISTER: SIGNED | {"name": "YubiKey"},
    ENDORSE: SIGNED,
    REVOKE: RETIRED,
    REVOKE_OWN: RETIRED,
}
LARGE: dict[str, Any] = {"content": b"x" * (64 * 1024 + 1), "headers": {"Content-Type": "application/json"}}

Scenario = Callable[[House], Response]
SCENARIOS: dict[tuple[str, int], Scenario] = {}


def call(
    house: House,
    operation: str,
    by: str | None = "alice",
    *,
    request_id: str = ABSENT,
    account: str = ACCOUNT,
    finding: str = ABSENT,
    delivery: str = ABSENT,
    file: str = "rootkey.csv",
    fingerprint: str = "x" * 43,
    version: str = "1",
    **sent: Any,
) -> Response:
    method, path = operation.split()
    if not sent.keys() & {"json", "content"} and operation in BODIES:
        sent["json"] = BODIES[operation]
    client: TestClient = house.client(by)
    names = {"request_id": request_id, "account_id": account, "finding_id": finding, "delivery_id": delivery}
    names |= {"source": "desk", "file": file, "fingerprint": fingerprint, "version": version}
    return client.request(method, path.format(**names), follow_redirects=False, **sent)


def seen(operation: str, status: int) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        assert (operation, status) not in SCENARIOS
        SCENARIOS[operation, status] = scenario
        return scenario

    return note


def without_database(house: House, operation: str) -> Response:
    house.token("alice")
    house.change(engine=connect("sqlite:////nowhere/rootquorum.db", connections=1))
    return call(house, operation)


def broken(house: House, operation: str) -> Response:
    house.token("alice")
    house.change(engine=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "AliveOut", None)  # all that the route without a database can be broken in
        return call(house, operation)


def unfinished(house: House, operation: str, **limit: float) -> Any:
    """The answer to a body of which no more than its beginning comes."""

    async def begun() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    async def answer() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://test") as client:
            return await client.post(operation.split()[1], content=begun())

    with pytest.MonkeyPatch.context() as patch:
        for name, value in limit.items():
            patch.setattr(middleware, name, value)
        return anyio.run(answer)


def anonymous(house: House, operation: str) -> Response:
    return call(house, operation, None)


def barred(house: House, operation: str) -> Response:
    house.token("alice")
    suspend(house.ctx, WORKER, "alice", "x")
    return call(house, operation)


def doubled(house: House, operation: str) -> Response:
    return call(house, operation, headers=[("Content-Type", "application/json"), ("content-type", "text/plain")])


def guessing(house: House, operation: str) -> Response:
    house.app.state.sign_ins = SignIns(failures=FailedSignIns(per_minute=1))
    guess = {"Authorization": "Bearer rqp_guess"}
    assert house.client().get("/v1/me", headers=guess).status_code == 401
    return call(house, operation, None, headers=guess)


def mistaken(house: House, operation: str) -> Response:
    return call(
        house,
        operation,
        request_id="x",
        account="x",
        finding="x",
        delivery="x",
        fingerprint="x",
        version="x",
        json={},
        params={"limit": 0},
    )


for each in OPERATIONS:
    SCENARIOS[each, 500] = partial(broken, operation=each)
    if each != LIVEZ:
        SCENARIOS[each, 503] = partial(without_database, operation=each)
    if "/v1/" in each:
        SCENARIOS[each, 400] = partial(doubled, operation=each)
    if "/v1/" in each and each != HOOK:
        SCENARIOS[each, 401] = partial(anonymous, operation=each)
        SCENARIOS[each, 403] = partial(barred, operation=each)
        SCENARIOS[each, 429] = partial(guessing, operation=each)
for each in (
    FILE,
    PREVIEW,
    LIST,
    READ,
    DECIDE,
    WITHDRAW,
    RECEIVE,
    CUT_OVER,
    EXECUTE,
    INTO_FILE,
    LIVE,
    AUDIT,
    ACCOUNT_READ,
    DRIFT_CHECK,
    ACCEPT,
    DELIVERIES,
    INCLUSION,
    CONSISTENCY,
    EVIDENCE,
    STATEMENT,
    KEY_STATEMENT,
    REGISTER,
    REVOKE_OWN,
    ENDORSE_STATEMENT,
    ENDORSE,
    REVOKE,
    RULES_READ,
    DRILL,
):
    SCENARIOS[each, 422] = partial(mistaken, operation=each)
for each in (READ, DECIDE, WITHDRAW, RECEIVE, CUT_OVER, EXECUTE, INTO_FILE, EVIDENCE, DRILL):
    SCENARIOS[each, 404] = partial(call, operation=each, by="bob")
for each in (PREVIEW, LIST, ME, ACCOUNTS, ACCOUNT_READ, LIVE, LIVEZ, READYZ, CHECKPOINT, LOG_KEYS):
    SCENARIOS[each, 200] = partial(call, operation=each)
for each in (FILE, PREVIEW, DECIDE, RECEIVE, ACCEPT, CUT_OVER, KEY_STATEMENT, REGISTER, REVOKE_OWN, ENDORSE, REVOKE):
    SCENARIOS[each, 413] = partial(call, operation=each, **LARGE)
for each in (
    FILE,
    PREVIEW,
    DECIDE,
    RECEIVE,
    ACCEPT,
    CUT_OVER,
    HOOK,
    KEY_STATEMENT,
    REGISTER,
    REVOKE_OWN,
    ENDORSE,
    REVOKE,
):
    SCENARIOS[each, 408] = partial(unfinished, operation=each, _SLOWEST_BODY_SECONDS=0.01)


def hooked(house: House, **settings: object) -> Response:
    house.change(**settings)
    house.app.state.hooks = {"desk": StandardSource([webhooks.verifier(SECRET)])}
    body, at = b'{"type": "ticket.closed", "data": {"ticket": "OPS-1"}}', int(house.clock().timestamp())
    signature = webhooks.signer(SECRET).sign("1", at, body)
    headers = {"webhook-id": "1", "webhook-timestamp": str(at), "webhook-signature": signature}
    return house.client().post("/v1/hooks/desk", content=body, headers=headers)


SCENARIOS |= {
    (FILE, 201): lambda house: call(house, FILE),
    (FILE, 400): lambda house: call(house, FILE, headers={"Idempotency-Key": "two words"}),
    (HOOK, 204): hooked,
    (HOOK, 500): lambda house: hooked(house, engine=None),
    (HOOK, 503): lambda house: hooked(house, engine=connect("sqlite:////nowhere/rootquorum.db", connections=1)),
    (HOOK, 401): lambda house: call(house, HOOK, None),
    (HOOK, 429): lambda house: unfinished(house, HOOK, _MOST_UNFINISHED_BODIES=0),
    (HOOK, 413): lambda house: call(house, HOOK, None, content=b"x" * (LARGEST_HOOK_BYTES + 1)),
    (HOOK, 422): lambda house: house.client().post("/v1/hooks/" + "x" * 70),
    (DRILL, 200): lambda house: call(house, DRILL, "oscar", request_id=house.file(drill=True).filing.request_id),
    (APPROVERS, 200): lambda house: call(house, APPROVERS, "oscar"),
    (DRIFT, 200): lambda house: call(house, DRIFT, "oscar"),
    (DRIFT, 422): lambda house: call(house, DRIFT, "oscar", params={"account_id": "x"}),
    (DRIFT_CHECK, 200): lambda house: call(house, DRIFT_CHECK, "oscar"),
    (DRIFT_CHECK, 404): lambda house: call(house, DRIFT_CHECK, "oscar", account="000000000000"),
    (DELIVERIES, 200): lambda house: call(house, DELIVERIES, "oscar"),
    (REDELIVER, 404): lambda house: call(house, REDELIVER, "oscar"),
    (REDELIVER, 422): lambda house: call(house, REDELIVER, "oscar", delivery="x"),
    (ACCEPT, 404): lambda house: call(house, ACCEPT, "oscar"),
    (ACCOUNT_READ, 404): lambda house: call(house, ACCOUNT_READ, account="000000000000"),
    (LIVE, 404): lambda house: call(house, LIVE, account="000000000000"),
    (AUDIT, 200): lambda house: call(house, AUDIT, "audrey"),
    (EXPORT, 200): lambda house: call(house, EXPORT, "audrey"),
    (EXPORT, 404): lambda house: unsigned(house, EXPORT, "audrey"),
    (CHECKPOINT, 404): lambda house: unsigned(house, CHECKPOINT),
    (CHECKPOINT, 422): lambda house: call(house, CHECKPOINT, params={"cosigned_by": 0}),
    (INCLUSION, 200): lambda house: call(house, INCLUSION, params={"seq": 1}),
    (CONSISTENCY, 200): lambda house: call(house, CONSISTENCY, params={"first": 1}),
    (EVIDENCE, 200): lambda house: call(house, EVIDENCE, request_id=pending(house)),
    (EXECUTE, 406): lambda house: call(house, EXECUTE, headers={"Accept": "image/png"}),
    (INTO_FILE, 200): lambda house: call(house, INTO_FILE, request_id=approved(house)),
    (INTO_FILE, 406): lambda house: call(house, INTO_FILE, headers={"Accept": "image/png"}),
    (INTO_FILE, 409): lambda house: call(house, INTO_FILE, request_id=pending(house)),
    (READ, 303): lambda house: call(house, READ, None, headers={"Accept": "text/html,application/xhtml+xml"}),
    (READ, 200): lambda house: call(house, READ, request_id=pending(house)),
    (WITHDRAW, 200): lambda house: call(house, WITHDRAW, request_id=pending(house)),
    (WITHDRAW, 409): lambda house: call(house, WITHDRAW, request_id=delivered(house)),
    (DECIDE, 409): lambda house: call(house, DECIDE, "bob", request_id=pending(house)),
    (EXECUTE, 200): lambda house: call(house, EXECUTE, request_id=approved(house)),
    (EXECUTE, 409): lambda house: call(house, EXECUTE, request_id=pending(house)),
    (RECEIVE, 200): lambda house: call(house, RECEIVE, request_id=delivered(house)),
    (RECEIVE, 409): lambda house: call(house, RECEIVE, request_id=approved(house)),
    (CUT_OVER, 409): lambda house: call(house, CUT_OVER, request_id=approved(house)),
}


def signing(house: House, operation: str, by: str = "bob", **sent: Any) -> Response:
    return call(begin_signing(house), operation, by, **sent)


def registration(house: House, person: str) -> Document:
    begin_signing(house)
    said = registration_to_sign(house.ctx, house.actor(person), DAVE.public).statement
    return {"name": "laptop", "statement": said, "signature": DAVE.sign(said.encode(), Namespace.REGISTRATION)}


def endorsement(house: House, key_id: str) -> Document:
    said = endorsement_to_sign(house.ctx, house.actor("bob"), key_id)[0].statement
    return {"statement": said, "signature": BOB.sign(said.encode(), Namespace.ENROLMENT)}


def of_dave(house: House, operation: str, by: str = "bob", **sent: Any) -> Response:
    """Call it about a key that Dave has registered."""
    return call(house, operation, by, fingerprint=enrol(begin_signing(house), "dave"), **sent)


def endorsed(house: House) -> Response:
    key_id = enrol(begin_signing(house), "dave")
    return call(house, ENDORSE, "bob", fingerprint=key_id, json=endorsement(house, key_id))


def revoked(house: House, operation: str) -> Response:
    """Call it about a key that was revoked in the meantime."""
    key_id = enrol(begin_signing(house), "dave")
    json = endorsement(house, key_id)
    revoke(house.ctx, house.actor("dave"), key_id, Reason.RETIRED, by=RevokedBy.PERSON)
    return call(house, operation, "bob", fingerprint=key_id, json=json if operation == ENDORSE else None)


def taken(house: House) -> Response:
    enrol(begin_signing(house), "dave")
    return call(house, REGISTER, "bob", json=registration(house, "bob"))


def nameless(house: House, operation: str) -> Response:
    request_id = pending(house)
    house.change(log=Log())
    return call(house, operation, "bob", request_id=request_id)


def ruled(house: House, operation: str, version: str = "1") -> Response:
    house.change(signed_rules=signed_by(TEXT, "bob"))
    announce(house.ctx)
    return call(house, operation, "bob", version=version)


SCENARIOS |= {
    (RULES, 200): lambda house: ruled(house, RULES),
    (RULES_READ, 200): lambda house: ruled(house, RULES_READ),
    (RULES_READ, 404): lambda house: ruled(house, RULES_READ, "2"),
    (STATEMENT, 200): lambda house: signing(house, STATEMENT, request_id=pending(house), params={"size": 1}),
    (STATEMENT, 404): lambda house: signing(house, STATEMENT),
    (STATEMENT, 409): lambda house: nameless(house, STATEMENT),
    (OWN_KEYS, 200): lambda house: signing(house, OWN_KEYS),
    (KEYS, 200): lambda house: signing(house, KEYS),
    (KEY_STATEMENT, 200): lambda house: signing(house, KEY_STATEMENT),
    (KEY_STATEMENT, 409): lambda house: nameless(house, KEY_STATEMENT),
    (REGISTER, 200): lambda house: call(house, REGISTER, "dave", json=registration(house, "dave")),
    (REGISTER, 409): taken,
    (REVOKE_OWN, 200): lambda house: of_dave(house, REVOKE_OWN, "dave"),
    (REVOKE_OWN, 404): lambda house: of_dave(house, REVOKE_OWN),
    (ENDORSE_STATEMENT, 200): lambda house: of_dave(house, ENDORSE_STATEMENT),
    (ENDORSE_STATEMENT, 404): lambda house: signing(house, ENDORSE_STATEMENT),
    (ENDORSE_STATEMENT, 409): lambda house: revoked(house, ENDORSE_STATEMENT),
    (ENDORSE, 200): endorsed,
    (ENDORSE, 404): lambda house: signing(house, ENDORSE),
    (ENDORSE, 409): lambda house: revoked(house, ENDORSE),
    (REVOKE, 200): lambda house: of_dave(house, REVOKE, "oscar"),
    (REVOKE, 404): lambda house: signing(house, REVOKE, "oscar"),
}


def unsigned(house: House, operation: str, by: str = "alice") -> Response:
    house.change(log=Log())
    return call(house, operation, by)


def pending(house: House) -> str:
    return house.file().filing.request_id


def approved(house: House) -> str:
    return house.approved().filing.request_id


def delivered(house: House) -> str:
    return house.execute(house.approved())[0].filing.request_id


@seen(CUT_OVER, 200)
def users_have_moved(house: House) -> Response:
    rotation = received(house).move()
    said = {"access_key_id": rotation.old, "comment": "All have moved."}
    return call(house, CUT_OVER, request_id=rotation.id, json=said)


@seen(FILE, 409)
def same_thing_twice(house: House) -> Response:
    call(house, FILE)
    return call(house, FILE)


@seen(PREVIEW, 409)
def preview_of_what_is_open(house: House) -> Response:
    call(house, FILE)
    return call(house, PREVIEW)


@seen(DECIDE, 200)
def approval(house: House) -> Response:
    request = house.file()
    json = APPROVAL | {"digest": request.digest}
    return call(house, DECIDE, "bob", request_id=request.filing.request_id, json=json)


def answer_of_aws_is_lost(house: House, operation: str) -> Response:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    return call(house, operation, request_id=approved(house))


for each in (EXECUTE, INTO_FILE):
    SCENARIOS[each, 202] = partial(answer_of_aws_is_lost, operation=each)


@seen(DRIFT_CHECK, 409)
def looked_at_twice_at_once(house: House) -> Response:
    call(house, DRIFT_CHECK, "oscar")
    return call(house, DRIFT_CHECK, "oscar")  # the clock of a test stands still


@seen(LIVE, 409)
def suspended(house: House) -> Response:
    accounts = KnownAccounts({ACCOUNT: replace(ACCOUNTS_BY_ID[ACCOUNT], state="SUSPENDED")})
    house.change(accounts=accounts)
    return call(house, LIVE)


def unexplained_key(house: House) -> str:
    call(house, DRIFT_CHECK, "oscar")
    house.clock.advance(timedelta(hours=1))
    house.spare_key()
    finding: str = call(house, DRIFT_CHECK, "oscar").json()["open"][0]["id"]
    return finding


@seen(ACCEPT, 200)
def accepted(house: House) -> Response:
    return call(house, ACCEPT, "oscar", finding=unexplained_key(house))


@seen(ACCEPT, 409)
def accepted_twice(house: House) -> Response:
    finding = unexplained_key(house)
    call(house, ACCEPT, "oscar", finding=finding)
    return call(house, ACCEPT, "oscar", finding=finding)


def delivery(house: House, answer: Answer) -> str:
    """The id of one that has ended so, or is yet to be sent."""
    house.change(destinations={"post": Post(lambda _: answer)})
    house.file()
    if answer is not Answer.AGAIN:
        run_pass(house.ctx)
    found: str = call(house, DELIVERIES, "oscar").json()["items"][0]["id"]
    return found


@seen(REDELIVER, 200)
def delivered_and_sent_again(house: House) -> Response:
    return call(house, REDELIVER, "oscar", delivery=delivery(house, Answer.DELIVERED))


@seen(REDELIVER, 409)
def sent_already(house: House) -> Response:
    return call(house, REDELIVER, "oscar", delivery=delivery(house, Answer.AGAIN))


@seen(LIST, 304)
def list_unchanged(house: House) -> Response:
    etag = call(house, LIST).headers["etag"]
    return call(house, LIST, headers={"If-None-Match": etag})


@seen(READ, 304)
def request_unchanged(house: House) -> Response:
    request_id = pending(house)
    etag = call(house, READ, request_id=request_id).headers["etag"]
    return call(house, READ, request_id=request_id, headers={"If-None-Match": etag})


DOCUMENTED = {
    (operation, int(status)) for operation, described in OPERATIONS.items() for status in described["responses"]
}


def test_scenarios_are_for_all_that_is_documented_and_nothing_else() -> None:
    assert DOCUMENTED - SCENARIOS.keys() == set()
    assert SCENARIOS.keys() - DOCUMENTED == set()


@pytest.mark.parametrize(("operation", "status"), sorted(SCENARIOS))
def test_documented_status_is_answered_as_documented(house: House, operation: str, status: int) -> None:
    answer = SCENARIOS[operation, status](house)

    assert answer.status_code == status, answer.text
    documented = OPERATIONS[operation]["responses"][str(status)].get("content", {})
    assert answer.headers.get("content-type", "").split(";")[0] in (documented or {""})


# Where AWS is asked, its absence is an answer of its own: nothing was done, and the account is named as the cause.
@pytest.mark.parametrize("operation", [FILE, EXECUTE, INTO_FILE, LIVE])
def test_aws_away_is_503(house: House, operation: str) -> None:
    request_id = approved(house) if operation in {EXECUTE, INTO_FILE} else ABSENT
    if operation == FILE:
        house.aws.stop()  # nobody listens
    house.aws.fault("GetCallerIdentity", Refuse("AccessDenied"))

    answer = call(house, operation, request_id=request_id)

    assert (answer.status_code, answer.json()["code"]) == (503, "account_unreachable")


def test_every_published_event_is_a_webhook_with_a_schema_of_its_own() -> None:
    assert set(DOCUMENT["webhooks"]) == PUBLISHED
    for name, webhook in DOCUMENT["webhooks"].items():
        reference = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert SCHEMAS[reference.rsplit("/", 1)[1]]["properties"]["type"]["const"] == name


# What the audit log has of an event whose own data destinations receive as well.
_DATA: Mapping[PublishedData, Document] = {
    PublishedData.WAITING: {
        "reminder": 1,
        "missing": 2,
        "demands": "1 of security and 1 more",
        "people": ["Bob"],
        "others": 0,
        "approve_by": "2026-11-24T12:00:00Z",
    },
    PublishedData.DELIVERY: {
        "delivery_id": "1",
        "destination": "x",
        "seq": 1,
        "event": FILED,
        "attempts": 3,
        "reason": "-",
    },
    PublishedData.DISABLED: {"destination": "x", "failed": 2},
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_destinations_are_sent_is_what_the_webhook_says(house: House, name: EventName) -> None:
    post, row = Post(), EVENTS[name]
    house.is_forged = True  # the events come in an order that no life has
    house.change(destinations={"post": post})
    data = {"comment": "free text"} if row.data is None else _DATA[row.data]
    if row.about is About.ACCOUNT:
        data = {**data, "account_id": ACCOUNT}
    if name == RULES_SIGNED:  # any other version would stop this process
        house.change(signed_rules=signed_by(TEXT))
        data = dict(rules_signed(signed_by(TEXT), ()).data)
    request = house.file() if row.about is About.REQUEST else None
    with begin(house.ctx.engine) as tx:
        standing = None if request is None else standing_of(house.ctx, tx, request)
        tell(house.ctx, tx, Event(name, data), actor=WORKER, at=house.clock(), request=request, standing=standing)
    run_pass(house.ctx)
    run_pass(house.ctx)
    assert name in post.events  # which the destination has held against the schema


def test_who_changes_a_document_changes_no_other() -> None:
    changed = build(None).openapi()
    changed["components"]["examples"].clear()
    for path in ("/v1/requests", "/v1/previews"):
        changed["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"].clear()
    assert build(None).openapi() == json.loads(COMMITTED.read_text())
