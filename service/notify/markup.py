"""The text of an event in the markup of each product.

Facts have text from others, above all names. In each markup that text is literal: no formatting, mentions, links or
references. Every line begins with our own words, so that no spreadsheet takes an exported ticket for a formula.
The delivery's id is the first fact, so that it survives if a long text is cut.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain.text import plain
from service.notify.message import Message

# Without real brackets, no macro, link or mention can begin. People still see that there was a bracket.
_WIDE_BRACKETS = str.maketrans("{}[]", "\uff5b\uff5d\uff3b\uff3d")
_WIDE_COLON = "\uff1a"


def _facts(message: Message) -> Iterator[tuple[str, str]]:
    yield "Delivery", message.marker
    for name, fact in message.facts:
        yield name, plain(fact)


def markdown(message: Message) -> str:
    """Format for GitHub. Text from others is in code spans, where GitHub finds no mentions, references or addresses.

    Source: GitHub Flavored Markdown, 6.3. Comments on GitHub keep their line breaks.
    """
    facts = [f"{name}: {_code_span(text)}" for name, text in _facts(message)]
    return "\n".join([f"**{message.title}**", *facts, *_link(message)])


def _code_span(text: str) -> str:
    """Enclose it in more backticks than any run of them in it. Renderers strip the inner spaces."""
    if not text:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}"


def adf(message: Message) -> Mapping[str, Any]:
    """Format as Atlassian Document Format. Text nodes are literal. Text from others is marked as code, which no
    renderer interprets.

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
    """Format in Jira's text formatting notation. Text from others is in a `noformat` block. It cannot end the block,
    as its brackets become wide ones. Backslash escapes would not do: two backslashes are a line break.

    Source: Jira's text formatting notation help.
    """
    facts = [f"{name}: {text.translate(_WIDE_BRACKETS)}" for name, text in _facts(message)]
    return "\n".join([message.title, "{noformat}", *facts, "{noformat}", *_link(message)])


def work_note(message: Message) -> str:
    """Format as plain text, one fact on a line. ServiceNow reads HTML only between `[code]` and `[/code]`, and links
    only addresses with a scheme. Text from others is changed so that it has neither.

    Source: ServiceNow's documentation of journal fields.
    """
    facts = [f"{name}: {text.translate(_WIDE_BRACKETS)}" for name, text in _facts(message)]
    return "\n".join([message.title, *(fact.replace("://", f"{_WIDE_COLON}//") for fact in facts), *_link(message)])


def _link(message: Message) -> list[str]:
    return [message.link] if message.link else []
