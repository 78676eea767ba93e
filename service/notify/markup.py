"""What people read of an event, in the markup of whoever shows it.

Facts hold what others wrote, names above all. In each markup that text is literal: it formats, mentions, links and
refers to nothing. Every line begins with words of ours, so that no spreadsheet takes an exported ticket for a formula.
The delivery's id stands first among the facts: whoever cuts a long text leaves it there.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain.text import plain
from service.notify.message import Message

# Without them nothing begins a macro, a link or a mention; people see that a bracket was there.
_WIDE_BRACKETS = str.maketrans("{}[]", "\uff5b\uff5d\uff3b\uff3d")
_WIDE_COLON = "\uff1a"


def _facts(message: Message) -> Iterator[tuple[str, str]]:
    yield "Delivery", message.marker
    for name, fact in message.facts:
        yield name, plain(fact)


def markdown(message: Message) -> str:
    """GitHub's. What others wrote is in code spans, where GitHub looks for no mentions, references or addresses.

    Source: GitHub Flavored Markdown, 6.3. Comments on GitHub keep their line breaks.
    """
    facts = [f"{name}: {_code_span(text)}" for name, text in _facts(message)]
    return "\n".join([f"**{message.title}**", *facts, *_link(message)])


def _code_span(text: str) -> str:
    """Between more backticks than stand together anywhere in it; the inner spaces are taken off again."""
    if not text:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}"


def adf(message: Message) -> Mapping[str, Any]:
    """The Atlassian Document Format: text nodes are literal. What others wrote is marked as code, which no renderer
    looks into.

    Source: Atlassian's description of the format, version 1.
    """
    content: list[Mapping[str, Any]] = [_text(message.title, {"type": "strong"})]
    for name, text in _facts(message):
        content += [{"type": "hardBreak"}, _text(f"{name}: ")]
        content += [_text(text, {"type": "code"})] if text else []
    for link in _link(message):
        content += [{"type": "hardBreak"}, _text(link, {"type": "link", "attrs": {"href": link}})]
    return {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": content}]}


def _text(text: str, *marks: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "text", "text": text, **({"marks": list(marks)} if marks else {})}


def wiki(message: Message) -> str:
    """Jira's text formatting notation. What others wrote is in a `noformat` block, which it cannot end, since its
    brackets are wide ones. Backslashes would not do: two of them are a line break.

    Source: Jira's text formatting notation help.
    """
    facts = [f"{name}: {text.translate(_WIDE_BRACKETS)}" for name, text in _facts(message)]
    return "\n".join([message.title, "{noformat}", *facts, "{noformat}", *_link(message)])


def work_note(message: Message) -> str:
    """Plain text, one fact on a line. Only between ServiceNow's `[code]` and `[/code]` would it be HTML, and only an
    address with a scheme a link: neither is there in what others wrote.

    Source: ServiceNow's documentation of journal fields.
    """
    facts = [f"{name}: {text.translate(_WIDE_BRACKETS)}" for name, text in _facts(message)]
    return "\n".join([message.title, *(fact.replace("://", f"{_WIDE_COLON}//") for fact in facts), *_link(message)])


def _link(message: Message) -> list[str]:
    return [message.link] if message.link else []
