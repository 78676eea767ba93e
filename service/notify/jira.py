"""Jira, by its REST API: a comment on the issue for each event.

Source: Atlassian's OpenAPI document of Jira Cloud's REST API 3, and the documentation of Jira Data Center's REST API 2.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from service.notify.markup import adf, wiki
from service.notify.message import Message
from service.notify.rest import PAGE, TOO_MANY_COMMENTS, Refused, Rest, pages, part
from service.outbound.guarded import Unreachable

TICKET_PATTERN = re.compile("[A-Z][A-Z0-9_]{1,79}-[1-9][0-9]{0,9}")

# Jira Service Management shows a comment to customers unless it has this property. Elsewhere it has no effect.
_INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}

_MARKUP: Mapping[int, Callable[[Message], Any]] = {2: wiki, 3: adf}


@dataclass(frozen=True, slots=True)
class Jira:
    """A Jira site. Its tickets are like `OPS-12`. `version` is the API's: 3 for Cloud, 2 for Data Center."""

    rest: Rest
    version: Literal[2, 3]

    def check(self) -> None:
        """Ask who we are, which changes nothing. Raise Refused, Unreachable, Unsafe."""
        self.rest.call("GET", f"{self._base}/myself")

    def has_comment(self, ticket: str, marker: str, since: datetime) -> bool:
        start = 0
        for _ in pages():
            # Newest first, so that a comment added meanwhile leaves no gap.
            query = {"orderBy": "-created", "startAt": start, "maxResults": PAGE}
            comments = part(list, self._call("GET", ticket, "/comment", query=query), "comments")
            if any(marker in json.dumps(part(dict, comment).get("body")) for comment in comments):
                return True
            if not comments or _is_older(comments, since):
                return False
            start += len(comments)
        raise Unreachable(TOO_MANY_COMMENTS)

    def comment(self, ticket: str, message: Message) -> None:
        body = _MARKUP[self.version](message)
        self._call("POST", ticket, "/comment", {"body": body, "properties": [_INTERNAL]})

    def state(self, ticket: str) -> str:
        return part(str, self._call("GET", ticket, query={"fields": "status"}), "fields", "status", "name")

    def move(self, ticket: str, state: str) -> None:
        """Use the first transition that leads to `state`. Raise Refused if there is none."""
        steps = part(list, self._call("GET", ticket, "/transitions"), "transitions")
        ids = [part(str, step, "id") for step in steps if part(str, step, "to", "name") == state]
        if not ids:
            raise Refused("no transition leads from the ticket's state to that one")
        self._call("POST", ticket, "/transitions", {"transition": {"id": ids[0]}})

    @property
    def _base(self) -> str:
        return f"/rest/api/{self.version}"

    def _call(self, method: str, ticket: str, below: str = "", body: Any = None, *, query: Any = None) -> Any:
        return self.rest.call(method, f"{self._base}/issue/{quote(ticket, safe='')}{below}", body, query=query)


def _is_older(comments: Sequence[Any], since: datetime) -> bool:
    """Return whether all further comments are older than `since`, and the page is in the order that was asked for."""
    first, last = (_time(part(str, comment, "created")) for comment in (comments[0], comments[-1]))
    return last < since and last <= first


def _time(text: str) -> datetime:
    """Parse a time with an offset. Raise Unreachable."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unreachable("the answer has an invalid time")
    return at
