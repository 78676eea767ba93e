"""A chat is told in text that nobody has to fear, and its answers are understood without being repeated."""

# ruff: noqa: RUF001  # what is shown instead looks alike on purpose

import json
from typing import Any

import httpx
import pytest
from support.destinations import NOTICE, STAGED_BY_0006, STAGED_BY_0011, listening, of_a_drill, saying

from service.domain.delivery import Answer, Attempt, Notice
from service.notify.chat import Chat, harmless
from service.outbound.guarded import new_client

URL = "https://hooks.example/services/T0/B0/a-secret-path"


def named(name: str) -> Notice:
    """An event that somebody of this name has brought about."""
    return saying(actor={"kind": "person", "name": name})


def answered(status: int, content: bytes = b"") -> Attempt:
    return Chat(URL, httpx.MockTransport(lambda _: httpx.Response(status, content=content))).deliver(NOTICE)


def told(notice: Notice) -> dict[str, Any]:
    """What arrives."""
    with listening() as server:
        server.status = 200
        chat = Chat(server.url, new_client(frozenset({"127.0.0.1"})))
        assert chat.deliver(notice) == Attempt(Answer.DELIVERED, "answered 200")
    [(headers, body)] = server.received
    assert headers["content-type"] == "application/json"
    arrived: dict[str, Any] = json.loads(body)
    return arrived


def test_a_chat_is_told_what_happened_by_whom_and_where_to_read_more() -> None:
    first, *facts, link = told(NOTICE)["text"].splitlines()
    assert first == "Execution succeeded"
    assert facts[0] == "Account: production (111122223333)"
    assert facts[1].startswith("Effect: The root access key AKIAEXAMPLE stops working for good.")
    assert "Operation: delete_access_key" in facts
    assert "By: Alice" in facts
    assert "At: 2026-11-24T12:00:00.000000Z" in facts
    assert link == "<https://rootquorum.example/desk/requests/0a6f6f0e-93f1-4bd3-9a5e-a7d1a8b7c5d2>"


def test_the_first_words_about_a_drill_are_that_it_is_one() -> None:
    assert told(of_a_drill(NOTICE))["text"].startswith("DRILL: Execution succeeded\n")


def test_what_the_version_before_the_signed_log_has_staged_is_said_without_a_head() -> None:
    lines = told(STAGED_BY_0006)["text"].splitlines()
    assert "Audit record: 12" in lines
    assert not [line for line in lines if line.startswith("Audit head")]


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("pending", "Approve by"),
        ("approved", "Execute by"),
        ("delivered", "Confirm by"),
        ("succeeded", "Key works until"),
    ],
)
def test_a_chat_is_told_until_when(status: str, label: str) -> None:
    about = {"id": "x", "status": status, "until": "2026-11-24T12:00:00.000000Z"}
    assert f"{label}: 2026-11-24 12:00:00 UTC" in told(saying(request=about))["text"].splitlines()


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_where_no_clock_runs_nothing_is_said_of_it(status: str) -> None:
    about = {"id": "x", "status": status, "until": None}
    assert not [line for line in told(saying(request=about))["text"].splitlines() if " by: " in line or "until" in line]


def test_what_the_version_before_has_staged_is_said_with_the_accounts_id() -> None:
    lines = told(STAGED_BY_0011)["text"].splitlines()
    assert "Account: 111122223333" in lines
    assert not [line for line in lines if line.startswith("Effect")]


def test_an_accounts_name_calls_nobody_and_links_nowhere() -> None:
    lines = told(saying(account_name="<!here> https://evil.example"))["text"].splitlines()
    assert "Account: &lt;!here&gt; https：//evil․example (111122223333)" in lines


def test_formatting_names_links_and_previews_are_switched_off() -> None:
    said = told(NOTICE)
    assert said.pop("text")
    assert said == {"mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!everyone> <@U012AB3CD> <#C012AB3CD>", "&lt;!everyone&gt; &lt;＠U012AB3CD&gt; &lt;＃C012AB3CD&gt;"),
        ("<https://evil.example|Approve>", "&lt;https：//evil․example｜Approve&gt;"),
        ("a & b &lt;!here&gt;", "a &amp; b &amp;lt;!here&amp;gt;"),
        ("@here @all #general ~town-square", "＠here ＠all ＃general ～town-square"),
        ("*bold* _slanted_ __both__ `code` ~gone~", "＊bold＊ ＿slanted＿ ＿＿both＿＿ ｀code｀ ～gone～"),
        ("[Approve](https://evil.example) ![](x)", "［Approve］(https：//evil․example) !［］(x)"),
        ("www.evil.example mail me@evil.example", "www․evil․example mail me＠evil․example"),
        ("| a | b | $x$ \\@here", "｜ a ｜ b ｜ ＄x＄ ＼＠here"),
        ("line\n# title\u2028- list", "line ＃ title - list"),
        ("\u202eAlice\x1b[31m\u200b", "�Alice�［31m�"),
    ],
)
def test_what_others_wrote_calls_nobody_and_links_nowhere(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert f"By: {shown}" in told(named(text))["text"].splitlines()


@pytest.mark.parametrize("text", ["create_access_key", "111122223333", "2026-11-24T12:00:00.000000Z", "Dr. Erin Eze"])
def test_what_means_nothing_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_no_name_is_long_enough_to_have_the_message_refused() -> None:
    assert len(told(named("&" * 100_000))["text"]) < 4000


@pytest.mark.parametrize(
    ("status", "content", "answer"),
    [
        (200, b"ok", Answer.DELIVERED),
        (400, b"invalid_payload", Answer.REFUSED),
        (403, b"action_prohibited", Answer.AGAIN),
        (404, b"no_service", Answer.GONE),
        (404, b"no_team\n", Answer.GONE),
        (404, b"channel_not_found", Answer.GONE),
        (404, b"<html>a proxy's page: no_service</html>", Answer.AGAIN),
        (410, b"channel_is_archived", Answer.GONE),
        (302, b"", Answer.AGAIN),
        (429, b"", Answer.AGAIN),
        (500, b"rollup_error", Answer.AGAIN),
    ],
)
def test_the_answer_says_what_became_of_it(status: int, content: bytes, answer: Answer) -> None:
    assert answered(status, content).answer is answer


@pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 500])
def test_nothing_of_what_a_chat_says_is_in_the_detail(status: int) -> None:
    assert "words" not in answered(status, b"words of theirs").detail


def test_a_chat_that_is_away_or_inside_is_tried_again_and_not_named() -> None:
    with listening() as server:
        pass
    away = Chat(server.url, new_client(frozenset({"127.0.0.1"}))).deliver(NOTICE)
    inside = Chat(server.url, new_client(frozenset())).deliver(NOTICE)
    assert away == Attempt(Answer.AGAIN, "no complete answer: ConnectError")
    assert inside == Attempt(Answer.AGAIN, "the URL is not https")


def test_a_chat_gets_only_the_events_that_it_wants_and_shows_no_url() -> None:
    chat = Chat(URL, new_client(frozenset()), frozenset({"drift.found"}))
    assert chat.wants("drift.found", None)
    assert not chat.wants("request.filed", None)
    assert "secret" not in repr(chat)
