"""Roundup, by its REST API: a message on the issue for each event.

Source: Roundup's documentation of its REST interface (version 2), and its classic template. Messages there have a
`messageid`, by which we find them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from service.domain.text import plain
from service.notify.message import Message
from service.notify.rest import Refused, Rest

TICKET_PATTERN = re.compile("issue[1-9][0-9]{0,9}")


def headers(url: str) -> Mapping[str, str]:
    """Return the headers that Roundup requires of API clients, against cross-site request forgery."""
    parts = urlsplit(url)
    return {"X-Requested-With": "rest", "Origin": f"{parts.scheme}://{parts.netloc}", "Referer": f"{url}/"}


_WIDE_COLON = "\N{FULLWIDTH COLON}"


@dataclass(frozen=True, slots=True)
class Roundup:
    """A Roundup tracker. Its tickets are like `issue12`. A message is made, then added to the issue.

    If the service is killed in between, a retry finds the message and adds it.
    """

    rest: Rest
    user: str

    def check(self) -> None:
        query = {"username": self.user, "@fields": "username"}
        known = self.rest.call("GET", "/rest/data/user", query=query)["data"]["collection"]
        if self.user not in {found["username"] for found in known}:
            raise Refused("the tracker does not know its user by that name")

    def has_comment(self, ticket: str, marker: str, _since: datetime) -> bool:
        on_issue = {message["id"] for message in self._issue(ticket)["attributes"]["messages"]}
        return not on_issue.isdisjoint(self._found(marker))

    def comment(self, ticket: str, message: Message) -> None:
        found = self._found(message.marker) or [self._make(message)]
        self._change(ticket, {"@op": "add", "messages": found[:1]})

    def state(self, ticket: str) -> str:
        return str(self._issue(ticket)["attributes"]["status"]["name"])

    def move(self, ticket: str, state: str) -> None:
        known = self.rest.call("GET", "/rest/data/status", query={"name": state, "@fields": "name"})
        ids = [found["id"] for found in known["data"]["collection"] if found["name"] == state]
        if not ids:
            raise Refused("the tracker knows no such state")
        self._change(ticket, {"status": ids[0]})

    def _make(self, message: Message) -> str:
        made = self.rest.call(
            "POST",
            "/rest/data/msg",
            {
                "author": self.user,
                "date": ".",  # now
                "content": _text(message),
                "messageid": _message_id(message.marker),
            },
        )
        return str(made["data"]["id"])

    def _found(self, marker: str) -> list[str]:
        answer = self.rest.call("GET", "/rest/data/msg", query={"messageid": _message_id(marker), "@sort": "id"})
        return [message["id"] for message in answer["data"]["collection"]]

    def _issue(self, ticket: str) -> Any:
        return self.rest.call("GET", _path(ticket), query={"@verbose": 2})["data"]

    def _change(self, ticket: str, change: Mapping[str, Any]) -> None:
        """Change the issue by compare-and-swap. If somebody else changes it meanwhile, a later retry does it."""
        etag = self._issue(ticket)["@etag"]
        self.rest.call("PATCH", _path(ticket), change, **{"If-Match": etag})


def _path(ticket: str) -> str:
    return f"/rest/data/issue/{quote(ticket.removeprefix('issue'), safe='')}"


def _message_id(marker: str) -> str:
    return f"<{marker}@rootquorum>"


def _text(message: Message) -> str:
    """Format as plain text, one fact on a line. Roundup escapes it, but makes links of addresses with a scheme."""
    facts = [f"{name}: {plain(fact).replace('://', _WIDE_COLON + '//')}" for name, fact in message.facts]
    return "\n".join([message.title, *facts, *([message.link] if message.link else []), f"Delivery: {message.marker}"])
