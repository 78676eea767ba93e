"""GitHub's issues, by its REST API: a comment on the issue for each event.

Source: GitHub's OpenAPI document of its REST API, version 2022-11-28.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.notify.markup import markdown
from service.notify.message import Message
from service.notify.rest import PAGE, TOO_MANY_COMMENTS, Refused, Rest, pages, part
from service.outbound.guarded import Unreachable

HEADERS: Mapping[str, str] = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
STATES = ("open", "closed")


def ticket_pattern(repository: str) -> re.Pattern[str]:
    """Match `#12`, `12` and `owner/name#12` of this repository only, as `inbound.py` names them.

    The repository's name matches in any case, as on GitHub.
    """
    return re.compile(f"(?:(?:{re.escape(repository)})?#)?[1-9][0-9]{{0,9}}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GitHub:
    """The issues of `repository` (`owner/name`). Their states are `open` and `closed`."""

    rest: Rest
    repository: str

    def check(self) -> None:
        """Read the repository, which changes nothing. Raise Refused, Unreachable, Unsafe."""
        self.rest.call("GET", f"/repos/{self.repository}")

    def has_comment(self, ticket: str, marker: str, since: datetime) -> bool:
        from_then = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for page in pages():
            query = {"since": from_then, "per_page": PAGE, "page": page}
            comments = part(list, self._call("GET", ticket, "/comments", query=query))
            if any(marker in str(part(dict, comment).get("body")) for comment in comments):
                return True
            # A short page may not be the last: GitHub removes from it what it hides from us.
            if not comments:
                return False
        raise Unreachable(TOO_MANY_COMMENTS)

    def comment(self, ticket: str, message: Message) -> None:
        self._call("POST", ticket, "/comments", {"body": markdown(message)})

    def state(self, ticket: str) -> str:
        return part(str, self._call("GET", ticket), "state")

    def move(self, ticket: str, state: str) -> None:
        if state not in STATES:
            raise Refused("an issue is open or closed")
        self._call("PATCH", ticket, body={"state": state})

    def _call(self, method: str, ticket: str, below: str = "", body: Any = None, *, query: Any = None) -> Any:
        number = int(ticket.rpartition("#")[2])
        return self.rest.call(method, f"/repos/{self.repository}/issues/{number}{below}", body, query=query)
