"""Which product a tracker is: how it is spoken to, and what its tickets' keys look like."""

import re
from typing import Literal

import httpx

from service.notify import github, jira, rest, roundup, servicenow
from service.notify.tickets import Tracker

Kind = Literal["roundup", "jira-cloud", "jira", "github", "servicenow"]


def tracker(
    kind: Kind, client: httpx.BaseTransport, url: str, *, user: str, secret: str, repository: str, table: str
) -> tuple[Tracker, re.Pattern[str]]:
    """`url` has no slash at its end. What a kind has no use for is empty."""
    basic, bearer = rest.basic(user, secret), rest.bearer(secret)
    match kind:
        case "roundup":
            api = rest.Rest(client, url, {**roundup.headers(url), **basic})
            return roundup.Roundup(api, user), roundup.TICKET_PATTERN
        case "jira-cloud":
            return jira.Jira(rest.Rest(client, url, basic), 3), jira.TICKET_PATTERN
        case "jira":
            return jira.Jira(rest.Rest(client, url, bearer), 2), jira.TICKET_PATTERN
        case "github":
            api = rest.Rest(client, url, {**github.HEADERS, **bearer})
            return github.GitHub(api, repository), github.ticket_pattern(repository)
        case "servicenow":
            return servicenow.ServiceNow(rest.Rest(client, url, basic), table), servicenow.TICKET_PATTERN
