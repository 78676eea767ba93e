"""Chats, by an incoming webhook as Slack and others have it: one JSON object with a `text`.

Source: Slack's documentation of incoming webhooks, their errors, and of formatting text. A chat cannot be searched for
a message. So if the service is killed before it records the answer, the message is sent twice.
"""

import json
import re
from dataclasses import dataclass, field

import httpx

from service.domain.delivery import Answer, Attempt, Notice
from service.domain.text import plain
from service.notify.message import Message, message
from service.outbound import guarded

# Slack requires no other escapes for literal text.
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Markdown has no such escapes, so look-alike letters replace its markup: `@here`, `#channel`, `~channel`, `*bold*`,
# `[link](...)`, code, tables and formulas.
_WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "@#~*`[]\\|$"})
# Bare links, `https://...` and `www.example.com`; and `_this_`, but not underscores inside a name.
_WIDER = (
    (re.compile(":(?=//)"), "\N{FULLWIDTH COLON}"),
    (re.compile(r"(?<=\w)\.(?=[^\W\d])"), "\N{ONE DOT LEADER}"),
    (re.compile(r"(?<![^\W_])_|_(?![^\W_])"), "\N{FULLWIDTH LOW LINE}"),
)
_LONGEST_FACT = 400

# Slack's permanent errors: the webhook, its workspace or its channel no longer exists.
_NO_MORE = frozenset({b"no_service", b"no_team", b"no_active_hooks", b"channel_not_found", b"channel_is_archived"})


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat as a destination. `url` is a secret, since it is enough to post there."""

    url: str = field(repr=False)
    client: httpx.BaseTransport = field(repr=False)
    events: frozenset[str] | None = None

    def wants(self, event: str, _ticket: str | None) -> bool:
        return self.events is None or event in self.events

    def check(self) -> None:
        """Check that the chat can be reached, without posting. Raise Unreachable, Unsafe."""
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
    """Return the body. Its options turn off formatting, link detection, mentions and previews, where supported."""
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
    """Return one line without mentions, links or formatting, both in Slack's markup and in Markdown."""
    return unlinked(text).translate(_ESCAPED)


def unlinked(text: str) -> str:
    """Return one line of which no program that looks for links in plain text makes one."""
    line = plain(text, _LONGEST_FACT).translate(_WIDE)
    for pattern, letter in _WIDER:
        line = pattern.sub(letter, line)
    return line


def _attempt(reply: guarded.Reply) -> Attempt:
    """Judge the reply. Slack's text is compared, but never quoted."""
    answered = f"answered {reply.status}"
    if httpx.codes.is_success(reply.status):
        return Attempt(Answer.DELIVERED, answered)
    is_gone = reply.status == httpx.codes.NOT_FOUND and reply.body.strip() in _NO_MORE
    if reply.status == httpx.codes.GONE or is_gone:
        return Attempt(Answer.GONE, f"{answered}: the webhook or its channel is no more")
    if reply.status == httpx.codes.BAD_REQUEST:
        return Attempt(Answer.REFUSED, f"{answered}: it does not take what it is told")
    return Attempt(Answer.AGAIN, answered)
