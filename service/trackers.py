"""Of the settings of one tracker the destination that it is."""

import re

import httpx

from service.notify import github, jira, rest, roundup, servicenow
from service.notify.tickets import Tickets, Tracker
from service.settings import TrackerSettings


def tickets(settings: TrackerSettings, client: httpx.BaseTransport) -> Tickets:
    tracker, pattern = _tracker(settings, client)
    only = None if settings.pattern is None else re.compile(settings.pattern)
    return Tickets(tracker, pattern, settings.states, settings.events, only)


def _tracker(settings: TrackerSettings, client: httpx.BaseTransport) -> tuple[Tracker, re.Pattern[str]]:
    """The product, and what its tickets' keys look like. Each kind has what `settings/faults.py` demands of it."""
    url, user, secret = settings.url.rstrip("/"), settings.user or "", settings.secret() or ""
    basic, bearer = rest.basic(user, secret), rest.bearer(secret)
    match settings.kind:
        case "roundup":
            api = rest.Rest(client, url, {**roundup.headers(url), **basic})
            return roundup.Roundup(api, user), roundup.TICKET_PATTERN
        case "jira-cloud":
            return jira.Jira(rest.Rest(client, url, basic), 3), jira.TICKET_PATTERN
        case "jira":
            return jira.Jira(rest.Rest(client, url, bearer), 2), jira.TICKET_PATTERN
        case "github":
            repository = settings.repository or ""
            api = rest.Rest(client, url, {**github.HEADERS, **bearer})
            return github.GitHub(api, repository), github.ticket_pattern(repository)
        case "servicenow":
            api = rest.Rest(client, url, basic)
            return servicenow.ServiceNow(api, settings.table or ""), servicenow.TICKET_PATTERN
