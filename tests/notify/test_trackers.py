"""Jira and GitHub are told: what we send is what their published documents allow, and comes once each."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from support import closings
from support.products.nodejs import document, is_there
from support.products.trackers import (
    Asked,
    Comment,
    Described,
    GitHubEnterprise,
    GitHubProduct,
    JiraDataCenter,
    JiraProduct,
    TrackerRefusal,
    running,
)

from service.app.destinations import tickets
from service.domain.delivery import Answer, Notice
from service.notify.message import Message
from service.notify.rest import PAGE, Moved, NotFound, Refused
from service.notify.tickets import Tickets
from service.outbound import guarded
from service.outbound.guarded import Unreachable
from service.settings import TrackerSettings

_NOW = datetime.now(UTC)
_SINCE = _NOW - timedelta(hours=1)
_MESSAGE = Message("Request filed", (("By", "Alice"), ("Status", "pending")), "https://rootquorum.example/1", "7b0e-1")
_NOTICE = Notice(
    id="5c1ee2a4-6f0f-4c3c-8f43-2f5b8a3c9d11",
    event="execution.succeeded",
    ticket="",
    document={"timestamp": _NOW.isoformat(), "data": {"actor": {"name": "Alice"}}},
)
_GITHUB = {"kind": "github", "repository": GitHubProduct.repository, "password": SecretStr("github-token")}
_SETTINGS: dict[type[Described], dict[str, Any]] = {
    GitHubProduct: _GITHUB,
    GitHubEnterprise: _GITHUB,
    JiraProduct: {"kind": "jira-cloud", "user": "rootquorum@example.com", "password": SecretStr("jira-token")},
    JiraDataCenter: {"kind": "jira", "password": SecretStr("jira-token")},
}
_TICKET = {GitHubProduct: "#12", GitHubEnterprise: "12", JiraProduct: "OPS-12", JiraDataCenter: "OPS-12"}

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no Prism here; `make node` installs one"
)


@pytest.fixture(scope="module", params=_SETTINGS, ids=lambda kind: kind.__name__)
def prism(request: pytest.FixtureRequest) -> Iterator[Described]:
    with running(request.param) as product:
        yield product


@pytest.fixture
def product(prism: Described) -> Described:
    prism.comments, prism.state, prism.writes, prism.asked, prism.loses = [], "open", 0, [], None
    return prism


def destination(product: Described, **changed: Any) -> Tickets:
    settings = TrackerSettings.model_validate(
        {"url": f"{product.url}{product.below}/"} | _SETTINGS[type(product)] | changed
    )
    return tickets(settings, guarded.new_client(frozenset({"127.0.0.1"})))


def ticket(product: Described) -> str:
    return _TICKET[type(product)]


def bodies(product: Described) -> list[str]:
    return [json.dumps(comment.body) for comment in product.comments]


def test_a_comment_is_found_by_its_marker_and_by_no_other(product: Described) -> None:
    tracker = destination(product).tracker
    assert not tracker.has_comment(ticket(product), "7b0e-1", _SINCE)
    tracker.comment(ticket(product), _MESSAGE)
    assert tracker.has_comment(ticket(product), "7b0e-1", _SINCE)
    assert not tracker.has_comment(ticket(product), "7b0e-2", _SINCE)
    [body] = bodies(product)
    for said in ("Request filed", "Alice", "pending", "https://rootquorum.example/1"):
        assert said in body


def test_a_comment_is_found_below_thousands(product: Described) -> None:
    """Of which those from before the event are not read."""
    old = [Comment("old", _NOW - timedelta(days=2)) for _ in range(3000)]
    new = [Comment("new", _NOW + timedelta(seconds=number)) for number in range(3 * PAGE + 5)]
    product.comments = [*old, Comment("Delivery: 7b0e-1", _NOW - timedelta(minutes=1)), *new]
    tracker = destination(product).tracker
    assert tracker.has_comment(ticket(product), "7b0e-1", _SINCE)
    assert not tracker.has_comment(ticket(product), "7b0e-2", _SINCE)
    assert len(product.asked) < 12


def test_in_another_order_than_was_asked_for_it_is_found_all_the_same(
    product: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "ignores_order", True, raising=False)
    old = [Comment("old", _NOW - timedelta(days=2, seconds=-number)) for number in range(3 * PAGE)]
    product.comments = [*old, Comment("Delivery: 7b0e-1", _NOW)]
    assert destination(product).tracker.has_comment(ticket(product), "7b0e-1", _SINCE)


def test_a_tracker_that_never_ends_is_left(product: Described, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = product.answer
    product.comments = [Comment("new", _NOW)]

    def again(asked: Asked) -> Any:
        first = {name: value for name, value in {"page": "1", "startAt": "0"}.items() if name in asked.query}
        return whole(replace(asked, query={**asked.query, **first}))

    monkeypatch.setattr(product, "answer", again)
    with pytest.raises(Unreachable, match="too many"):
        destination(product).tracker.has_comment(ticket(product), "7b0e-1", _SINCE)


def test_customers_of_a_service_desk_do_not_see_the_comment(product: Described) -> None:
    destination(product).tracker.comment(ticket(product), _MESSAGE)
    properties = product.asked[-1].body.get("properties")
    internal = [{"key": "sd.public.comment", "value": {"internal": True}}]
    assert properties == (internal if isinstance(product, JiraProduct) else None)


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_whoever_lost_the_answer_comments_once(product: Described, loses: Any) -> None:
    told, notice = destination(product), replace(_NOTICE, ticket=ticket(product))
    product.loses = loses
    assert told.deliver(notice).answer is Answer.AGAIN
    assert told.deliver(notice).answer is Answer.DELIVERED
    assert told.deliver(notice).detail == "it was there already"
    assert [_NOTICE.id in body for body in bodies(product)] == [True]


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_whoever_lost_the_answer_moves_the_ticket_once(product: Described, loses: Any) -> None:
    told = destination(product, states={"execution.succeeded": "closed"})
    notice = replace(_NOTICE, ticket=ticket(product))
    told.tracker.comment(ticket(product), replace(_MESSAGE, marker=notice.id))
    product.loses = loses
    assert told.deliver(notice).answer is Answer.AGAIN
    assert told.deliver(notice).answer is Answer.DELIVERED
    assert product.state == "closed"
    assert product.writes == 2


def test_no_step_leads_into_a_state_that_is_not_there(product: Described) -> None:
    tracker = destination(product).tracker
    assert tracker.state(ticket(product)) == "open"
    with pytest.raises(Refused):
        tracker.move(ticket(product), "Nowhere")
    assert (product.state, product.writes) == ("open", 0)


def test_what_is_not_there_is_refused(product: Described) -> None:
    told = destination(product)
    gone = ticket(product).replace("12", "13")
    assert told.state_of(gone) is None
    assert told.deliver(replace(_NOTICE, ticket=gone)).answer is Answer.REFUSED
    with pytest.raises(NotFound):
        told.tracker.comment(gone, _MESSAGE)


@pytest.mark.parametrize("status", [301, 308])
def test_what_was_moved_or_renamed_is_not_there_and_nobody_waits_for_it(
    product: Described, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """GitHub answers so for an issue that was transferred, and for all of a repository that was renamed."""

    def moved(_: Asked) -> Any:
        raise TrackerRefusal(status)

    monkeypatch.setattr(product, "answer", moved)
    told = destination(product)
    assert told.state_of(ticket(product)) is None
    attempt = told.deliver(replace(_NOTICE, ticket=ticket(product)))
    assert attempt.answer is Answer.REFUSED
    assert f"answered {status}: it was moved or renamed" in attempt.detail
    with pytest.raises(Moved, match="the settings have an old address or name"):
        told.check()
    assert product.writes == 0


@pytest.mark.parametrize("status", [302, 303, 307])
def test_a_redirect_for_now_is_tried_again_and_not_followed(
    product: Described, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def redirected(_: Asked) -> Any:
        raise TrackerRefusal(status)

    monkeypatch.setattr(product, "answer", redirected)
    assert destination(product).deliver(replace(_NOTICE, ticket=ticket(product))).answer is Answer.AGAIN


def test_another_spelling_of_the_repository_leads_to_the_same_issue() -> None:
    with running(GitHubProduct) as product:
        told = destination(product)
        assert told.names("Example/OPERATIONS#12")
        assert told.state_of("Example/OPERATIONS#12") == "open"


# What GitHub publishes of the messages that it sends.
_EVENTS: dict[str, Any] = {
    "issues-closed": closings.github(7, _NOW),
    "issues-deleted": closings.github(7, _NOW, "deleted"),
    "pull-request-closed": closings.github_pull_request(7, _NOW),
}


@pytest.mark.parametrize("event", _EVENTS)
def test_the_messages_of_the_tests_are_githubs_as_far_as_they_go(event: str) -> None:
    """They are shorter. Of what they have, each name and each type is documented."""
    published = json.loads(document("github").read_text())
    schema = published["components"]["schemas"][f"webhook-{event}"]
    undocumented = list(_undocumented(_EVENTS[event], schema, published["components"]["schemas"]))
    assert undocumented == []


_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def _undocumented(value: Any, schema: Any, schemas: Any, path: str = "") -> Iterator[str]:
    """Where a value has a name or a type that none of the schema's alternatives has."""
    alternatives = list(_alternatives(schema, schemas))
    names = {each["type"] for each in alternatives if "type" in each}
    is_null = value is None and any(each.get("nullable") for each in alternatives)
    if names and not is_null and not isinstance(value, tuple(_TYPES[name] for name in names)):
        yield f"{path} is no {' or '.join(names)}"
    for name, inner in value.items() if isinstance(value, dict) else ():
        found = [each["properties"][name] for each in alternatives if name in each.get("properties", {})]
        if found:
            yield from _undocumented(inner, {"anyOf": found}, schemas, f"{path}.{name}")
        else:
            yield f"{path}.{name} is unknown"


def _alternatives(schema: Any, schemas: Any) -> Iterator[Any]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    yield schema
    for word in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(word, ()):
            yield from _alternatives(each, schemas)


def test_a_check_tells_a_good_credential_from_a_bad_one_and_writes_nothing(product: Described) -> None:
    destination(product).tracker.check()
    with pytest.raises(Unreachable, match="401"):
        destination(product, password=SecretStr("bad")).tracker.check()
    assert product.writes == 0


@pytest.mark.parametrize("answer", [None, [], {}, "text", {"comments": [1]}, [1], {"transitions": 1}, {"fields": []}])
def test_an_answer_of_another_form_is_none(product: Described, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(product, "answer", lambda _: answer)
    tracker = destination(product).tracker
    with pytest.raises(Unreachable):
        tracker.state(ticket(product))
    if answer not in ([], {"comments": []}):
        with pytest.raises(Unreachable):
            tracker.has_comment(ticket(product), "7b0e-1", _SINCE)


# Each is wrong in these products.
_WRONG: list[tuple[set[type[Described]], str, str, Any, Any]] = [
    ({GitHubProduct}, "POST", "/comments", None, {"text": "an undocumented field"}),
    ({GitHubProduct}, "POST", "/comments", None, {"body": "a", "properties": []}),
    ({GitHubProduct}, "PATCH", "", None, {"state": "done"}),
    ({GitHubProduct}, "PATCH", "", None, {"status": "closed"}),
    ({GitHubProduct}, "GET", "/comments", {"since": "yesterday"}, None),
    ({GitHubProduct}, "GET", "/comments", {"maxResults": 10}, None),
    ({JiraProduct}, "POST", "/comment", None, {"text": "an undocumented field"}),
    ({JiraProduct}, "POST", "/comment", None, {"body": {}, "properties": [{"name": "sd.public.comment"}]}),
    ({JiraProduct}, "POST", "/transitions", None, {"transition": {"id": 31}}),
    ({JiraProduct}, "POST", "/transitions", None, {"transition": {"id": "31"}, "state": "closed"}),
    ({JiraProduct}, "GET", "/comment", {"orderBy": "-date"}, None),
    ({JiraProduct, JiraDataCenter}, "GET", "/comment", {"startAt": "first"}, None),
    ({JiraProduct, JiraDataCenter}, "GET", "/comment", {"per_page": 10}, None),
    ({JiraProduct, JiraDataCenter, GitHubProduct}, "GET", "/remarks", None, None),
]


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_the_document_does_not_say_is_refused(product: Described, wrong: Any) -> None:
    """Of the mock server: what the other tests send would not pass if it were wrong."""
    kinds, method, below, query, body = wrong
    tracker: Any = destination(product).tracker
    if type(product) in kinds:
        with pytest.raises((Refused, Unreachable), match="answered 4"):
            tracker._call(method, ticket(product), below, body, query=query)
    assert (product.writes, product.comments, product.state) == (0, [], "open")


@pytest.mark.parametrize(
    ("kind", "key", "is_ours"),
    [
        (GitHubProduct, "#12", True),
        (GitHubProduct, "12", True),
        (GitHubProduct, "example/operations#12", True),
        (GitHubProduct, "Example/OPERATIONS#12", True),
        (GitHubProduct, "example/operation\u017f#12", False),  # a long s, which is an S for who ignores case
        (GitHubProduct, "example/operations12", False),
        (GitHubProduct, "exampleXoperations#12", False),
        (GitHubProduct, "example/other#12", False),
        (GitHubProduct, "#012", False),
        (GitHubProduct, "#12/comments", False),
        (GitHubProduct, "#\u0661\u0662", False),
        (GitHubProduct, "#12\n", False),
        (JiraProduct, "OPS-12", True),
        (JiraProduct, "ops-12", False),
        (JiraProduct, "OPS-0", False),
        (JiraProduct, "OPS-12/../OPS-13", False),
        (JiraProduct, "OPS-12?fields=x", False),
        (JiraProduct, "OPS-12\n", False),
    ],
)
def test_only_keys_of_its_form_are_a_trackers(kind: type[Described], key: str, is_ours: bool) -> None:  # noqa: FBT001
    settings = TrackerSettings.model_validate({"url": "https://tracker.example"} | _SETTINGS[kind])
    assert tickets(settings, guarded.new_client(frozenset())).names(key) is is_ours
