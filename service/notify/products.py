"""One record per tracker, and one per kind of hook: what it needs, and how to speak to it.

Everything that depends on a product reads its record. The settings name no product.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from service.domain.hooks import Source
from service.notify import github, jira, rest, roundup, servicenow
from service.notify.inbound import GitHubSource, JiraSource, StandardSource
from service.notify.kinds import HookKind, Kind, Need
from service.notify.tickets import Tracker
from service.notify.webhooks import verifier

# An attacker can test guesses of a shorter secret offline, against one signed message.
_SHORTEST_SECRET = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one tracker. `url` has no slash at its end. What a product does not need is empty."""

    client: httpx.BaseTransport = field(repr=False)
    url: str = field(repr=False)
    secret: str = field(repr=False)
    user: str = ""
    repository: str = ""
    table: str = ""

    def with_password(self, headers: Mapping[str, str] | None = None) -> rest.Rest:
        """Sign in with user and password."""
        return rest.Rest(self.client, self.url, {**(headers or {}), **rest.basic(self.user, self.secret)})

    def with_token(self, headers: Mapping[str, str] | None = None) -> rest.Rest:
        """Sign in with a token alone."""
        return rest.Rest(self.client, self.url, {**(headers or {}), **rest.bearer(self.secret)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Describes one tracker.

    `connect` sends nothing yet. `pattern` matches the keys of its tickets; it is made from the setting `repository`.
    `needs` are the settings that it requires beside those of all trackers.
    Products of one `family` have tickets that look the same.
    `hook` is the kind of hook that sends this product's own messages; None if there is none.
    `states` are all states of a ticket; None if the tracker's administrators define them.
    `open_states` are those that never close a ticket; None if only the settings can tell.
    `api_of` maps a host that serves pages for people to the address of its API.
    """

    connect: Callable[[Access], Tracker]
    pattern: Callable[[str], re.Pattern[str]]
    family: str
    needs: tuple[Need, ...] = ()
    hook: HookKind | None = None
    states: tuple[str, ...] | None = None
    open_states: frozenset[str] | None = None
    api_of: Mapping[str, str] = field(default_factory=dict)


PRODUCTS: Mapping[Kind, Product] = {
    "jira-cloud": Product(
        connect=lambda access: jira.Jira(access.with_password(), 3),
        pattern=lambda _: jira.TICKET_PATTERN,
        family="jira",
        needs=("user",),
        hook="jira",
    ),
    "jira": Product(
        connect=lambda access: jira.Jira(access.with_token(), 2),
        pattern=lambda _: jira.TICKET_PATTERN,
        family="jira",
        hook="jira",
    ),
    "github": Product(
        connect=lambda access: github.GitHub(access.with_token(github.HEADERS), access.repository),
        pattern=github.ticket_pattern,
        family="github",
        needs=("repository",),
        hook="github",
        states=github.STATES,
        open_states=frozenset({"open"}),
        api_of=dict.fromkeys(("github.com", "www.github.com"), "https://api.github.com"),
    ),
    "servicenow": Product(
        connect=lambda access: servicenow.ServiceNow(access.with_password(), access.table),
        pattern=lambda _: servicenow.TICKET_PATTERN,
        family="servicenow",
        needs=("user", "table"),
    ),
    "roundup": Product(
        connect=lambda access: roundup.Roundup(access.with_password(roundup.headers(access.url)), access.user),
        pattern=lambda _: roundup.TICKET_PATTERN,
        family="roundup",
        needs=("user",),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Describes one kind of hook.

    `source` reads its messages; it is made from the secrets and the setting `repository`.
    `check_secret` raises ValueError for a secret that this kind cannot use.
    `needs` are the settings that it requires beside those of all hooks.
    `of_any_tracker` marks the kind that every tracker can be made to send.
    """

    source: Callable[[Sequence[str], str], Source]
    check_secret: Callable[[str], object]
    needs: tuple[Need, ...] = ()
    of_any_tracker: bool = False


def _check_long(secret: str) -> None:
    if len(secret) < _SHORTEST_SECRET:
        raise ValueError(f"a secret has {_SHORTEST_SECRET} characters or more")


HOOKS: Mapping[HookKind, Hook] = {
    "standard": Hook(
        source=lambda secrets, _: StandardSource([verifier(secret) for secret in secrets]),
        check_secret=verifier,
        of_any_tracker=True,
    ),
    "github": Hook(
        source=lambda secrets, repository: GitHubSource(repository, [secret.encode() for secret in secrets]),
        check_secret=_check_long,
        needs=("repository",),
    ),
    "jira": Hook(
        source=lambda secrets, _: JiraSource([secret.encode() for secret in secrets]),
        check_secret=_check_long,
    ),
}
