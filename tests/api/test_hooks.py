"""A tracker may say that a ticket was closed: what named it and has not begun is withdrawn; nothing else happens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from httpx2 import Response
from support.builders import DEACTIVATE
from support.closings import (
    CLOSING,
    DONE,
    EDIT,
    KINDS,
    Headers,
    Kind,
    filed,
    form,
    github,
    github_headers,
    github_pull_request,
    jira,
    jira_headers,
    jira_time,
    raw,
    sources,
    standard,
    standard_headers,
)
from support.house import House
from support.logs import capture_logs

from service.domain.request import Status

OTHER = "whsec_" + "A" * 40
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass
class PostingTracker:
    """One kind of tracker, that posts to a house."""

    kind: Kind
    house: House

    def closes(self, *, at: datetime, secret: str | None = None) -> Response:
        body = raw(self.kind.closing(at))
        headers = self.kind.signed(body, at, secret) if secret else self.kind.signed(body, at)  # type: ignore[call-arg]
        return self.posts(body, headers)

    def posts(self, body: bytes, headers: Headers) -> Response:
        return self.house.client().post(f"/v1/hooks/{self.kind.name}", content=body, headers=headers)

    def signs(self, document: Any) -> tuple[Response, str | None]:
        """The answer to what it signs just now, and what the log says of it where it withdrew nothing."""
        body = document if isinstance(document, bytes) else raw(document)
        with capture_logs() as logged:
            answer = self.posts(body, self.kind.signed(body, self.house.clock()))
        return answer, logged[0]["why"] if logged else None


def desk_of(house: House, kind: str) -> PostingTracker:
    house.app.state.hooks = sources()
    return PostingTracker(KINDS[kind], house)


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, house: House) -> PostingTracker:
    return desk_of(house, request.param)


def after(house: House, by: timedelta = 2 * SECOND) -> datetime:
    house.clock.advance(by)
    return house.clock()


def test_a_closed_ticket_withdraws_what_named_it_and_the_log_says_who(house: House, desk: PostingTracker) -> None:
    request = filed(house, desk.kind.ticket)
    assert desk.closes(at=after(house)).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    assert json.loads(house.events(request)[-1])["actor"] == {
        "credential": "hook",
        "kind": "machine",
        "proof": None,
        "subject": f"hook:{desk.kind.name}",
    }


def test_it_does_so_on_either_database(either_house: House) -> None:
    for name, kind in KINDS.items():
        request = filed(either_house, kind.ticket)
        assert desk_of(either_house, name).closes(at=after(either_house)).status_code == 204
        assert either_house.now(request).status is Status.WITHDRAWN


def test_also_what_was_approved_but_not_what_was_executed(house: House, desk: PostingTracker) -> None:
    approved = house.approve(filed(house, desk.kind.ticket), "bob", "carol")
    desk.closes(at=after(house))
    assert house.now(approved).status is Status.WITHDRAWN
    done, _ = house.execute(house.approved(DEACTIVATE, house.spare_key(), ticket=desk.kind.ticket))
    assert desk.closes(at=after(house)).status_code == 204
    assert house.now(done).status is Status.SUCCEEDED


def test_another_ticket_is_nobodys_business_and_the_log_says_so(house: House, desk: PostingTracker) -> None:
    request = filed(house, desk.kind.ticket.replace("7", "77"))
    answer, why = desk.signs(desk.kind.closing(after(house)))
    assert (answer.status_code, why) == (
        204,
        "No open request names the ticket and was filed before the ticket was closed.",
    )
    assert house.now(request).status is Status.PENDING


def test_a_message_that_is_sent_again_does_not_touch_what_was_filed_since(house: House, desk: PostingTracker) -> None:
    then = after(house)
    assert desk.closes(at=then).status_code == 204
    house.clock.advance(SECOND)
    request = filed(house, desk.kind.ticket)
    assert desk.closes(at=then).status_code == 204
    assert house.now(request).status is Status.PENDING


def test_what_is_signed_by_somebody_else_does_nothing_and_says_little(house: House, desk: PostingTracker) -> None:
    request = filed(house, desk.kind.ticket)
    answer = desk.closes(at=after(house), secret=OTHER)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    unknown = house.client().post("/v1/hooks/nobody", content=b"{}")
    assert unknown.json() | {"call_id": ""} == answer.json() | {"call_id": ""}
    assert house.now(request).status is Status.PENDING


def test_an_old_standard_webhook_is_refused(house: House) -> None:
    assert desk_of(house, "standard").closes(at=house.clock() - timedelta(minutes=6)).status_code == 401


def test_a_time_that_is_still_to_come_ends_nothing(house: House) -> None:
    """Sent again, it would withdraw whatever is filed until then."""
    for kind in ("github", "jira"):
        desk = desk_of(house, kind)
        request = filed(house, desk.kind.ticket)
        answer, why = desk.signs(desk.kind.closing(house.clock() + HOUR))
        assert (answer.status_code, why) == (204, "Its time is still to come. Compare the clocks.")
        assert house.now(request).status is Status.PENDING


# --- headers ---


@pytest.mark.parametrize(("kind", "name"), [(kind.name, name) for kind in KINDS.values() for name in kind.headers])
def test_a_header_of_a_signature_that_is_there_twice_is_refused(house: House, kind: str, name: str) -> None:
    desk = desk_of(house, kind)
    request, at = filed(house, desk.kind.ticket), after(house)
    body = raw(desk.kind.closing(at))
    headers = desk.kind.signed(body, at)
    true = next(value for each, value in headers if each.lower() == name)
    for spelling, value in product((name, name.upper(), name.title()), ("x", "", "0", true)):
        for doubled in ([(spelling, value), *headers], [*headers, (spelling, value)]):
            assert desk.posts(body, doubled).json()["code"] == "bad_signature"
    assert house.now(request).status is Status.PENDING
    assert desk.posts(body, headers).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN


def test_an_old_message_with_a_new_time_before_its_own_withdraws_nothing(house: House) -> None:
    desk = desk_of(house, "standard")
    body = raw({"type": "ticket.closed", "data": {"ticket": "OPS-7"}})
    recorded = standard_headers(body, after(house))
    request = filed(house, "OPS-7")
    false = ("webhook-timestamp", str(int(after(house).timestamp())))
    for headers in ([false, *recorded], [*recorded, false]):
        assert desk.posts(body, headers).status_code == 401
    assert house.now(request).status is Status.PENDING


@pytest.mark.parametrize("name", ["Authorization", "content-type", "HOST", "Idempotency-Key"])
def test_a_header_with_one_value_that_is_there_twice_is_refused_wherever_it_is_sent(house: House, name: str) -> None:
    token = f"Bearer {house.token('alice')}"
    values: Mapping[str, str] = {"Authorization": token, "content-type": "application/json", "HOST": "testserver"}
    value = values.get(name, "key-1")
    twice = [(name.lower(), "x"), (name, value)]
    signed_in = [] if name == "Authorization" else [("Authorization", token)]
    for headers in (twice, twice[::-1], [(name, value), (name.swapcase(), value)]):
        answer = house.client().get("/v1/me", headers=[*signed_in, *headers])
        assert (answer.status_code, answer.json()["code"]) == (400, "doubled_header")
    assert house.client().get("/v1/me", headers=[*signed_in, (name, value)]).status_code == 200


def test_a_doubled_content_type_is_refused_before_a_signature_is_looked_at(desk: PostingTracker) -> None:
    answer = desk.posts(b"{}", [("Content-Type", "application/json"), ("content-type", "text/plain")])
    assert (answer.status_code, answer.json()["code"]) == (400, "doubled_header")


def test_a_list_is_one_list_however_many_lines_it_has(house: House) -> None:
    client = house.client("alice")
    etag = client.get("/v1/requests").headers["etag"]
    for tags in ([etag, '"other"'], ['"other"', etag]):
        answer = client.get("/v1/requests", headers=[("If-None-Match", tag) for tag in tags])
        assert answer.status_code == 304


def test_a_whole_issue_fits_and_more_than_a_mebibyte_does_not(house: House, desk: PostingTracker) -> None:
    request = filed(house, desk.kind.ticket)
    message = desk.kind.closing(after(house)) | {"padding": "x" * 900_000}
    assert desk.signs(message)[0].status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    answer = desk.signs(message | {"more": "x" * 200_000})[0]
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


# --- GitHub ---


def test_githubs_default_form_is_taken_whatever_the_content_type_says(house: House) -> None:
    desk = desk_of(house, "github")
    for said in ("application/x-www-form-urlencoded", "application/json", None):
        request = filed(house, desk.kind.ticket)
        body = form(github(7, after(house)))
        headers = github_headers(body) + ([("Content-Type", said)] if said else [])
        assert desk.posts(body, headers).status_code == 204
        assert house.now(request).status is Status.WITHDRAWN


def test_another_form_than_githubs_is_refused(house: House) -> None:
    desk = desk_of(house, "github")
    request = filed(house, desk.kind.ticket)
    good = form(github(7, after(house)))
    others = [good + b"&" + good, good + b"&payload=", b"payload=&" + good, b"payload={}&" + good, good + b"&other=1"]
    others += [b"other=1&" + good, b"payload", b"payload=", b"payload=%", b"payload=%ff", b"payload=\xff"]
    others += [b"payload=" + good, b"P" + good[1:], b" " + good, good + b"&", b"&" + good, good + b"%ED%A0%80"]
    for body in others:
        answer, why = desk.signs(body)
        assert (answer.status_code, why) == (204, "The message has another form than its product documents."), body
    assert house.now(request).status is Status.PENDING


def test_a_title_that_looks_like_a_form_is_not_read_as_one(house: House) -> None:
    """`Content-Type` is not signed: whoever has a signed message could send it again with another one."""
    desk = desk_of(house, "github")
    request = filed(house, desk.kind.ticket)
    message = github(8, after(house))
    message["issue"]["title"] = "&" + form(github(7, house.clock())).decode() + "&"
    body = raw(message)
    headers = [*github_headers(body), ("Content-Type", "application/x-www-form-urlencoded")]
    assert desk.posts(body, headers).status_code == 204
    assert house.now(request).status is Status.PENDING


@pytest.mark.parametrize("repository", ["acme/ops", "ACME/Ops"])
def test_owner_and_name_are_one_in_any_case(house: House, repository: str) -> None:
    desk = desk_of(house, "github")
    requests = [filed(house, ticket) for ticket in ("7", "#7", "acme/ops#7", "Acme/OPS#7")]
    assert desk.signs(github(7, after(house), repository=repository))[0].status_code == 204
    assert {house.now(request).status for request in requests} == {Status.WITHDRAWN}


def test_what_only_looks_like_the_ticket_is_another(house: House) -> None:
    desk = desk_of(house, "github")
    requests = [filed(house, ticket) for ticket in ("acme/ops#77", "acme/oops#7", "acme/op\u017f#7", "#7 ", "ops#7")]
    desk.signs(github(7, after(house)))
    assert {house.now(request).status for request in requests} == {Status.PENDING}


def test_a_renamed_repository_withdraws_nothing_and_the_log_says_why(house: House) -> None:
    desk = desk_of(house, "github")
    request = filed(house, "#7")
    answer, why = desk.signs(github(7, after(house), repository="acme/operations"))
    assert answer.status_code == 204
    assert why == "It is about another repository than the settings name. Was that one renamed?"
    assert house.now(request).status is Status.PENDING


@pytest.mark.parametrize("action", ["closed", "deleted", "transferred"])
def test_an_issue_that_is_closed_deleted_or_moved_away_is_no_ticket_any_more(house: House, action: str) -> None:
    desk = desk_of(house, "github")
    request = filed(house, "#7")
    then = after(house)
    assert desk.signs(github(7, then, action))[0].status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    house.clock.advance(SECOND)
    later = filed(house, "#7")
    desk.signs(github(7, then, action))
    assert house.now(later).status is Status.PENDING


def test_a_pull_request_is_a_ticket_and_is_closed_by_being_merged(house: House) -> None:
    desk = desk_of(house, "github")
    request = filed(house, "#7")
    body = raw(github_pull_request(7, after(house)))
    headers = [("X-GitHub-Event", "pull_request"), *github_headers(body)[1:]]
    assert desk.posts(body, headers).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN


def test_what_else_happens_to_a_closed_issue_closes_nothing(house: House) -> None:
    desk = desk_of(house, "github")
    request, then = filed(house, "#7"), after(house)
    actions: list[Any] = ["edited", "labeled", "reopened", "opened", "locked", "synchronize", "", None, 7, ["closed"]]
    for made, action in product((github, github_pull_request), actions):
        answer, why = desk.signs(made(7, then, action))
        assert (answer.status_code, why) == (204, "It tells of something else than a ticket that was closed.")
    assert house.now(request).status is Status.PENDING


def test_deleting_a_comment_deletes_no_issue(house: House) -> None:
    desk = desk_of(house, "github")
    request = filed(house, "#7")
    body = raw(github(7, after(house), "deleted") | {"comment": {"id": 1, "body": "a"}})
    for event in ("issue_comment", "issues", ""):
        assert desk.posts(body, [("X-GitHub-Event", event), *github_headers(body)[1:]]).status_code == 204
    assert house.now(request).status is Status.PENDING


def test_the_name_of_an_event_is_not_signed_and_can_only_take_away(house: House) -> None:
    desk = desk_of(house, "github")
    request = filed(house, "#7")
    body = raw(github(7, after(house)))
    signature = github_headers(body)[1:]
    assert desk.posts(body, [("X-GitHub-Event", "issue_comment"), *signature]).status_code == 204
    assert house.now(request).status is Status.PENDING
    assert desk.posts(body, signature).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN


# --- Jira ---


def test_no_edit_of_an_issue_long_done_withdraws_what_was_filed_since(house: House) -> None:
    desk = desk_of(house, "jira")
    before, then = filed(house, "OPS-7"), after(house)
    house.clock.advance(HOUR)
    since = filed(house, "OPS-7")
    now = after(house)
    edits: list[Any] = [
        jira("OPS-7", then, EDIT, sent_at=now),
        jira("OPS-7", then, EDIT, sent_at=now) | {"changelog": None},
        jira("OPS-7", then, EDIT, sent_at=now) | {"comment": {"body": "Rootquorum was here."}, "changelog": {}},
        jira("OPS-7", then, sent_at=now) | {"webhookEvent": "comment_created"},
    ]
    for edit in edits:
        assert desk.signs(edit)[0].status_code == 204
        assert house.now(since).status is Status.PENDING
    # The message of the closing itself was lost, and the edit tells of it as well.
    assert house.now(before).status is Status.WITHDRAWN


def test_a_service_desk_that_closes_what_was_resolved_days_ago_withdraws_nothing_newer(house: House) -> None:
    desk = desk_of(house, "jira")
    then = after(house)
    house.clock.advance(HOUR)
    since = filed(house, "OPS-7")
    message = jira("OPS-7", then, CLOSING | {"from": "5", "fromString": "Resolved"}, sent_at=after(house))
    assert desk.signs(message)[0].status_code == 204
    assert house.now(since).status is Status.PENDING


@pytest.mark.parametrize("kept", [[], ["resolutiondate"], ["statuscategorychangedate"]])
def test_the_change_of_the_status_says_when_where_the_issue_does_not(house: House, kept: list[str]) -> None:
    """An issue that was opened again may keep the time of its first resolution."""
    desk = desk_of(house, "jira")
    then = after(house)
    house.clock.advance(HOUR)
    request = filed(house, "OPS-7")
    message = jira("OPS-7", then, sent_at=after(house))
    fields = message["issue"]["fields"]
    message["issue"]["fields"] = {
        name: value for name, value in fields.items() if name in kept or not name.endswith("date")
    }
    assert desk.signs(message)[0].status_code == 204
    assert house.now(request).status is Status.WITHDRAWN


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("resolutiondate", None),
        ("resolutiondate", "later"),
        ("statuscategorychangedate", "nonsense"),
        ("statuscategorychangedate", "later"),
    ],
)
def test_an_edit_tells_of_the_closing_by_the_earlier_of_two_times(house: House, field: str, other: Any) -> None:
    desk = desk_of(house, "jira")
    before, then = filed(house, "OPS-7"), after(house)
    house.clock.advance(HOUR)
    since = filed(house, "OPS-7")
    now = after(house)
    message = jira("OPS-7", then, EDIT, sent_at=now)
    [rest] = {"resolutiondate", "statuscategorychangedate"} - {field}
    message["issue"]["fields"][rest] = jira_time(now) if other == "later" else other
    assert desk.signs(message)[0].status_code == 204
    assert (house.now(before).status, house.now(since).status) == (Status.WITHDRAWN, Status.PENDING)


def test_an_issue_that_does_not_say_when_it_was_closed_withdraws_nothing(house: House) -> None:
    desk = desk_of(house, "jira")
    request = filed(house, "OPS-7")
    message = jira("OPS-7", after(house), EDIT)
    message["issue"]["fields"] = {"status": DONE, "resolutiondate": None}
    assert desk.signs(message)[1] == "It does not say when the ticket was closed."
    assert house.now(request).status is Status.PENDING


def test_an_issue_that_is_not_done_is_not_closed(house: House) -> None:
    desk = desk_of(house, "jira")
    request = filed(house, "OPS-7")
    message = jira("OPS-7", after(house))
    for category in ("new", "indeterminate", "undefined", "Done", None, ["done"], {"key": "done"}):
        message["issue"]["fields"]["status"] = DONE | {"statusCategory": {"key": category}}
        assert desk.signs(message)[0].status_code == 204
    assert house.now(request).status is Status.PENDING


def test_a_change_into_another_status_than_the_issue_has_is_not_its_closing(house: House) -> None:
    desk = desk_of(house, "jira")
    then = after(house)
    since = filed(house, "OPS-7")
    for change in (CLOSING | {"to": "3", "from": "1"}, CLOSING | {"from": "10002", "fromString": "Done"}):
        message = jira("OPS-7", then, change, sent_at=after(house))
        message["issue"]["fields"]["statuscategorychangedate"] = None
        assert desk.signs(message)[0].status_code == 204
    assert house.now(since).status is Status.PENDING


def test_a_deleted_issue_withdraws_what_was_filed_before_it_was_deleted(house: House) -> None:
    desk = desk_of(house, "jira")
    request = filed(house, "OPS-7")
    then = after(house)
    message = jira("OPS-7", then) | {"webhookEvent": "jira:issue_deleted", "changelog": None}
    message["issue"]["fields"] = {"status": {"statusCategory": {"key": "new"}}}
    assert desk.signs(message)[0].status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    house.clock.advance(SECOND)
    later = filed(house, "OPS-7")
    desk.signs(message)
    assert house.now(later).status is Status.PENDING


def test_an_issue_that_moves_into_another_project_leaves_its_old_key(house: House) -> None:
    desk = desk_of(house, "jira")
    old, new = filed(house, "OPS-7"), filed(house, "SEC-3")
    moved = {"field": "Key", "fieldtype": "jira", "from": None, "fromString": "OPS-7", "to": None, "toString": "SEC-3"}
    assert desk.signs(jira("SEC-3", after(house), moved))[0].status_code == 204
    assert (house.now(old).status, house.now(new).status) == (Status.WITHDRAWN, Status.PENDING)


def test_a_jira_key_is_one_in_any_case(house: House) -> None:
    desk = desk_of(house, "jira")
    request = filed(house, "ops-7")
    desk.closes(at=after(house))
    assert house.now(request).status is Status.WITHDRAWN


# --- Standard Webhooks ---


def test_a_message_that_is_tried_again_counts_from_when_the_ticket_was_closed(house: House) -> None:
    """Each attempt has a new header, and the same `timestamp` in its body."""
    desk = desk_of(house, "standard")
    before, then = filed(house, "OPS-7"), after(house)
    house.clock.advance(SECOND)
    since = filed(house, "OPS-7")
    house.clock.advance(HOUR)
    assert desk.signs(standard("OPS-7", then))[0].status_code == 204
    assert (house.now(before).status, house.now(since).status) == (Status.WITHDRAWN, Status.PENDING)


def test_without_a_time_of_its_own_it_counts_from_when_it_was_sent(house: House) -> None:
    desk = desk_of(house, "standard")
    request = filed(house, "OPS-7")
    body = raw({"type": "ticket.cancelled", "data": {"ticket": "OPS-7"}})
    headers = standard_headers(body, after(house))
    assert desk.posts(body, headers).status_code == 204
    assert house.now(request).status is Status.WITHDRAWN
    house.clock.advance(SECOND)
    later = filed(house, "OPS-7")
    assert desk.posts(body, headers).status_code == 204
    assert house.now(later).status is Status.PENDING


def test_no_time_is_later_than_when_it_was_sent(house: House) -> None:
    desk = desk_of(house, "standard")
    body = raw(standard("OPS-7", house.clock() + HOUR))
    headers = standard_headers(body, house.clock())
    request_later = (after(house), filed(house, "OPS-7"))[1]
    assert desk.posts(body, headers).status_code == 204
    assert house.now(request_later).status is Status.PENDING


# --- what is well signed, and nonsense ---

NOT_TIMES: list[Any] = [10**15, 10**400, -1, 0, 1e400, 1.5, True, "now", "2026", "0001-01-01T00:00:00+23:59"]
NOT_TIMES += ["9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00", "\ud800", None, [], {}, [[]], float("nan")]
NOT_TICKETS: list[Any] = [
    "\ud800",
    "OPS-7\ud800",
    "OPS-7\0",
    "\0",
    "",
    "x" * 10**5,
    7,
    10**400,
    -7,
    0,
    True,
    None,
    [],
    {},
]
NOT_TICKETS += [["OPS-7"], {"key": "OPS-7"}, 1e400, float("nan"), "OPS-7\n"]
PLACES: dict[str, dict[str, list[Any]]] = {
    "standard": {"type": [*NOT_TIMES, ["ticket.closed"]], "timestamp": NOT_TIMES, "data": NOT_TICKETS},
    "github": {
        "action": [*NOT_TIMES, ["closed"], {"closed": 1}],
        "issue": NOT_TICKETS,
        "issue.number": [value for value in NOT_TICKETS if value != 7],
        "issue.closed_at": NOT_TIMES,
        "repository": NOT_TICKETS,
        "repository.full_name": NOT_TICKETS,
    },
    "jira": {
        "webhookEvent": [*NOT_TIMES, ["jira:issue_updated"]],
        "issue": NOT_TICKETS,
        "issue.key": NOT_TICKETS,
        "issue.fields": NOT_TICKETS,
        "issue.fields.status": NOT_TICKETS,
    },
}


def with_value(message: Any, place: str, value: Any) -> Any:
    inner = message
    *path, last = place.split(".")
    for name in path:
        inner = inner[name]
    inner[last] = value
    return message


@pytest.mark.parametrize("kind", PLACES)
def test_nonsense_that_is_well_signed_is_taken_and_withdraws_nothing(either_house: House, kind: str) -> None:
    desk = desk_of(either_house, kind)
    request, then = filed(either_house, desk.kind.ticket), after(either_house)
    for place, values in PLACES[kind].items():
        for value in values:
            answer, why = desk.signs(with_value(desk.kind.closing(then), place, value))
            assert (answer.status_code, why is None) == (204, False), (place, value)
    assert either_house.now(request).status is Status.PENDING


def test_a_time_of_jiras_that_is_none_is_not_believed(house: House) -> None:
    desk = desk_of(house, "jira")
    request, then = filed(house, desk.kind.ticket), after(house)
    for value in NOT_TIMES:
        message = jira("OPS-7", then)
        message["timestamp"] = value
        for name in ("resolutiondate", "statuscategorychangedate"):
            message["issue"]["fields"][name] = value
        answer, why = desk.signs(message)
        assert (answer.status_code, why is None) == (204, False)
    assert house.now(request).status is Status.PENDING


def test_changes_that_are_none_are_none(house: House) -> None:
    desk = desk_of(house, "jira")
    then = after(house)
    since = filed(house, "OPS-7")
    message = jira("OPS-7", then, sent_at=after(house))
    nothing: list[Any] = [
        None,
        7,
        "status",
        {},
        {"0": CLOSING},
        [None, 7, [], "x"],
        [{"field": ["status"]}],
        [[CLOSING]],
    ]
    for items in nothing:
        assert desk.signs(message | {"changelog": {"items": items}})[0].status_code == 204
    assert house.now(since).status is Status.PENDING


BODIES = [b"", b"[]", b"null", b"7", b'"x"', b'{"issue": 1}', b"[" * 9999, b'{"a":' * 9999, b'{"action": "closed"}']
BODIES += [b'{"issue":' * 900 + b"1" + b"}" * 900, b'{"type": NaN, "action": Infinity, "webhookEvent": -Infinity}']
BODIES += [b'{"action": "closed", "issue": {"number": ' + b"9" * 5000 + b"}}", b"\xef\xbb\xbf{}"]


def test_whatever_a_tracker_signs_it_is_taken_and_approves_nothing(house: House, desk: PostingTracker) -> None:
    request = filed(house, desk.kind.ticket)
    for body in BODIES:
        assert desk.signs(body)[0].status_code == 204
    assert house.now(request).status is Status.PENDING


def test_bytes_that_are_no_text_are_not_signed_by_a_standard_webhook(house: House) -> None:
    desk = desk_of(house, "standard")
    headers = standard_headers(b"{}", house.clock())
    assert desk.posts(b"\xff", headers).status_code == 401


def test_what_the_log_says_has_nothing_of_the_message(house: House, desk: PostingTracker) -> None:
    documents: list[Any] = [{"canary": "canary"}, [], desk.kind.closing(after(house)) | {"canary": "canary"}]
    for document in documents:
        body = raw(document)
        with capture_logs() as logged:
            desk.posts(body, desk.kind.signed(body, house.clock()))
        [line] = logged
        assert line.keys() == {"event", "source", "why", "log_level"}
        assert "canary" not in str(line)


def test_jiras_header_is_githubs_old_one_and_no_source_takes_the_others(house: House) -> None:
    for kind, headers in (("github", jira_headers), ("jira", github_headers)):
        desk = desk_of(house, kind)
        body = raw(desk.kind.closing(after(house)))
        assert desk.posts(body, headers(body)).status_code == 401
