"""What others wrote is harmless in every product that shows it: by the products' own renderers and schemas where there
are any, else by the characters that are left.
"""

import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from jsonschema import Draft4Validator
from support.products.nodejs import document, is_there
from support.products.roundup import PASSWORD, USER, RoundupServer
from support.products.roundup import is_there as roundup_is_there

from service.domain.text import plain
from service.notify.markup import adf, markdown, wiki, work_note
from service.notify.message import Message
from service.notify.rest import Rest, basic
from service.notify.roundup import Roundup, headers
from service.outbound import guarded

HOSTILE = {
    "bidi": "\u202eecilA\u2066\u2069\u200f",
    "ansi": "\x1b[31mAlice\x1b]8;;https://evil.example\x07x",
    "unseen": "Al\u200bice\ufeff\u00ad\u3164",
    "lines": "Alice\r\n\r\n# heading\n- [x] done\n\u2028> quoted\x0b\tcode",
    "mention": "@everyone @octocat @team/security [~admin] [~accountid:5b10] @[0123:Admin] <!channel>",
    "reference": "#12 GH-12 owner/repo#1 OPS-12 issue1 msg1 user1 0123456789abcdef0123456789abcdef01234567",
    "macro": "{html}<b>{html} {{monospace}} {noformat} {code:title=x} {color:red}x{color} {quote} {panel}",
    "noformat": "{noformat}\\{noformat} \\\\{noformat\\}",
    "wiki": "h1. x !image.png! [x|https://evil.example] ||a|| *b* _c_ ??d?? -e- +f+ ^g^ ~h~ bq. x ---- (!) \\\\",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)><!-- --><a href=javascript:x>x</a>&lt;&#x3c;",
    "links": "[x](javascript:alert(1)) ![i](https://evil.example/p.png) <https://evil.example> [a]: https://evil.example",
    "addresses": "https://evil.example www.evil.example mallory@evil.example javascript:alert(1) ftp://evil.example",
    "markdown": "**b** __c__ ~~d~~ | a | b | :smile: $x$ \\* <details> --- === 1. x",
    "backticks": "` `` ``` x`y ``",
    "backtick": "`",
    "fence": "```\n@everyone\n```",
    "formula": '=HYPERLINK("https://evil.example","x")',
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-1+1",
    "at": "@SUM(1)",
    "code": "[code]<script>alert(1)</script>[/code] [CODE]<img src=x onerror=alert(1)>[/CODE] ${gs.log(1)}",
    "long": "x`{[@" * 1000,
    "nothing": "",
    "blank": " \t ",
}

_ALL = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
_needs_node = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no schema here; `make node` installs it"
)


def message(text: str) -> Message:
    return Message("Request filed", (("By", text), ("Status", "pending")), "https://rootquorum.example/1", "7b0e-1")


class _Elements(HTMLParser):
    """What is between which tags: pairs of a path of tags and a text, and every link."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in {"br", "img", "input", "link", "meta"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            self._open = self._open[: len(self._open) - 1 - self._open[::-1].index(tag)]

    def handle_data(self, data: str) -> None:
        self.texts.append(("/".join(self._open), data))


@_ALL
def test_markdown_is_code_to_githubs_own_renderer(text: str) -> None:
    """Which GitHub's filters for mentions, references and commits leave alone."""
    html = cmarkgfm.github_flavored_markdown_to_html(
        markdown(message(text)), options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_HARDBREAKS
    )
    found = _Elements(html)
    shown = [said for path, said in found.texts if path == "p/code"]
    assert shown == ["7b0e-1", *([plain(text)] if plain(text) else []), "pending"]
    assert found.tags == {"p", "strong", "br", "code", "a"}
    assert found.links == ["https://rootquorum.example/1"]
    around = "".join(said for path, said in found.texts if path != "p/code")
    assert around.split() == ["Request", "filed", "Delivery:", "By:", "Status:", "https://rootquorum.example/1"]


@_needs_node
@_ALL
def test_the_document_format_is_valid_and_code_in_it(text: str) -> None:
    made = adf(message(text))
    Draft4Validator(json.loads(document("adf").read_text())).validate(made)
    nodes: list[Any] = made["content"][0]["content"]
    assert {node["type"] for node in nodes} == {"text", "hardBreak"}
    code = [node["text"] for node in nodes if {"type": "code"} in node.get("marks", [])]
    assert code == ["7b0e-1", *([plain(text)] if plain(text) else []), "pending"]
    links = [mark for node in nodes for mark in node.get("marks", []) if mark["type"] == "link"]
    assert links == [{"type": "link", "attrs": {"href": "https://rootquorum.example/1"}}]


@_needs_node
def test_the_schema_refuses_what_is_no_document() -> None:
    schema = Draft4Validator(json.loads(document("adf").read_text()))
    made: Any = json.loads(json.dumps(adf(message("Alice"))))
    made["content"][0]["content"][0]["marks"] = [{"type": "script"}]
    assert not schema.is_valid(made)
    assert not schema.is_valid({**made, "content": [{"type": "text", "text": ""}]})


@_ALL
def test_wiki_text_stays_in_a_block_that_it_cannot_end(text: str) -> None:
    title, begin, marker, by, status, end, link = wiki(message(text)).split("\n")
    assert (title, begin, end, link) == ("Request filed", "{noformat}", "{noformat}", "https://rootquorum.example/1")
    for line in (marker, by, status):
        assert not re.search(r"[{}\[\]]", line)


@_ALL
def test_a_work_note_has_nothing_that_servicenow_makes_more_of(text: str) -> None:
    title, *facts, link = work_note(message(text)).split("\n")
    assert (title, link) == ("Request filed", "https://rootquorum.example/1")
    for line in facts:
        assert not re.search(r"[\[\]{}]|://", line)


@pytest.mark.parametrize("sink", [markdown, wiki, work_note, adf], ids=lambda sink: sink.__name__)
@_ALL
def test_every_line_is_short_and_seen_and_begins_with_a_word_of_ours(sink: Callable[[Message], Any], text: str) -> None:
    made = sink(message(text))
    lines = made if isinstance(made, str) else _as_shown(made)
    for line in lines.split("\n"):
        assert re.match(r"(\*\*)?Request filed|Delivery: |By:|Status: |https://rootquorum|\{noformat\}", line)
        assert len(line) < 2020
        assert plain(line, 3000) == line.rstrip()


def _as_shown(made: Any) -> str:
    return "".join(node.get("text", "\n") for node in made["content"][0]["content"])


@pytest.mark.skipif(not roundup_is_there() and "CI" not in os.environ, reason="`make roundup` installs one")
def test_roundup_shows_it_as_text(roundup: RoundupServer) -> None:
    """Its pages make links of addresses, each to just what is read there."""
    client = guarded.new_client(frozenset({"127.0.0.1"}))
    tracker = Roundup(Rest(client, roundup.url, {**headers(roundup.url), **basic(USER, PASSWORD)}), USER)
    issue = roundup.new_issue()
    tracker.comment(issue, Message("Request filed", (("By", "Alice"),), None, "7b0e"))
    harmless = _Elements(roundup.page(issue))
    for number, text in enumerate(HOSTILE.values()):
        tracker.comment(issue, Message("Request filed", (("By", text),), None, f"7b0e-{number}"))
    found = _Elements(roundup.page(issue))
    assert found.tags == harmless.tags
    assert not [link for link in found.links if link.lower().startswith(("javascript:", "data:"))]
    for comment in roundup.comments(issue):
        assert all(re.match("Request filed|By:|Delivery:", line) for line in comment.splitlines())
