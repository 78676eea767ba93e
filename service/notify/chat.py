"""Chats, by the incoming webhook that Slack has and others imitate: one JSON object with a `text`.

Source: Slack's documentation of incoming webhooks, their errors, and of formatting text. A chat cannot be asked what it
has: whoever is killed before the answer is written down says it twice.
"""

import json
import re
from dataclasses import dataclass, field

import httpx

from service.domain.delivery import Answer, Attempt, Notice
from service.domain.text import plain
from service.notify.message import Message, message
from service.outbound import guarded

# Slack demands no more of text that shall mean nothing.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Where text is Markdown, which knows no such thing, letters that look the same: for `@here`, `#channel`, `~channel`,
# `*bold*`, `[link](...)`, code, tables and formulas.
_WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "@#~*`[]\\|$"})
# What is a link by itself, `https://...` and `www.example.com`; and `_this_`, but not the inside of a name.
_WIDER = (
    (re.compile(":(?=//)"), "\N{FULLWIDTH COLON}"),
    (re.compile(r"(?<=\w)\.(?=[^\W\d])"), "\N{ONE DOT LEADER}"),
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), "\N{FULLWIDTH LOW LINE}"),
)
_LONGEST_FACT = 400

# What Slack answers for good when the webhook, its workspace or its channel is no more.
_NO_MORE = frozenset({b"no_service", b"no_team", b"no_active_hooks", b"channel_not_found", b"channel_is_archived"})


@dataclass(frozen=True, slots=True)
class Chat:
    """A destination. Whoever knows `url` can post there: it is a secret."""

    url: str = field(repr=False)
    client: httpx.BaseTransport = field(repr=False)
    events: frozenset[str] | None = None

    def wants(self, event: str, _ticket: str | None) -> bool:
        return self.events is None or event in self.events

    def check(self) -> None:
        """Whether it can be reached, without saying anything there. Raises Unreachable, Unsafe."""
        guarded.touch(self.client, self.url)

    def deliver(self, notice: Notice) -> Attempt:
        try:
            reply = guarded.send(
                self.client,
                "POST",
                self.url,
                headers={"Content-Type": "application/json"},
                content=json.dumps(_body(message(notice))).encode(),
            )
        except (guarded.Unreachable, guarded.Unsafe) as error:
            return Attempt(Answer.AGAIN, str(error))
        return _attempt(reply)


def _body(said: Message) -> dict[str, str | bool]:
    """Without formatting, without links but ours, without previews, and with nobody called, wherever that is known."""
    facts = [f"{name}: {harmless(fact)}" for name, fact in said.facts]
    link = [] if said.link is None else [f"<{said.link.translate(_ESCAPED)}>"]
    return {
        "text": "\n".join([said.title, *facts, *link]),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def harmless(text: str) -> str:
    """One line that calls nobody, links nowhere and looks like what it is, read as Slack's markup or as Markdown."""
    line = plain(text, _LONGEST_FACT).translate(_WIDE).translate(_ESCAPED)
    for pattern, letter in _WIDER:
        line = pattern.sub(letter, line)
    return line


def _attempt(reply: guarded.Reply) -> Attempt:
    """What Slack says in words is compared, and never repeated."""
    answered = f"answered {reply.status}"
    if httpx.codes.is_success(reply.status):
        return Attempt(Answer.DELIVERED, answered)
    is_gone = reply.status == httpx.codes.NOT_FOUND and reply.body.strip() in _NO_MORE
    if reply.status == httpx.codes.GONE or is_gone:
        return Attempt(Answer.GONE, f"{answered}: the webhook or its channel is no more")
    if reply.status == httpx.codes.BAD_REQUEST:
        return Attempt(Answer.REFUSED, f"{answered}: it does not take what it is told")
    return Attempt(Answer.AGAIN, answered)
