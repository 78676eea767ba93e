"""Makes the destinations, the trackers and the hooks from the settings."""

from collections.abc import Mapping
from functools import partial

import httpx

from service.notify.chat import Chat
from service.notify.inbound import Source as HookSource
from service.notify.products import HOOKS, PRODUCTS, Access
from service.notify.tickets import Tickets
from service.notify.webhooks import Webhook, signer
from service.outbound import guarded
from service.settings import Settings, TrackerSettings, patterns
from service.workflow.context import TicketSource


def destinations(settings: Settings, client: httpx.BaseTransport | None = None) -> dict[str, Webhook | Chat | Tickets]:
    """Return the destinations in the settings, by name. `client` sends to them; None makes a new one."""
    client = client or guarded.new_client(settings.notify.allowed_hosts)
    webhooks: dict[str, Webhook | Chat | Tickets] = {
        name: Webhook(
            name=name,
            url=webhook.url,
            secrets=tuple(map(signer, webhook.all_secrets())),
            client=client,
            events=webhook.events,
        )
        for name, webhook in settings.webhooks.items()
    }
    chats = {name: Chat(chat.secret_url(), client, chat.events) for name, chat in settings.chats.items()}
    return webhooks | chats | {name: tickets(tracker, client) for name, tracker in settings.trackers.items()}


def tickets(settings: TrackerSettings, client: httpx.BaseTransport) -> Tickets:
    """Make a tracker's destination from its settings. Raises OSError, UnicodeError."""
    product = PRODUCTS[settings.kind]
    access = Access(
        client=client,
        url=settings.url.rstrip("/"),
        secret=settings.secret(),
        user=settings.user or "",
        repository=settings.repository or "",
        table=settings.table or "",
    )
    only = None if settings.pattern is None else partial(patterns.matches, settings.pattern)
    pattern = product.pattern(access.repository)
    return Tickets(product.connect(access), pattern, settings.states, settings.events, only)


def trackers_of(destinations: Mapping[str, Webhook | Chat | Tickets]) -> list[TicketSource]:
    return [each for each in destinations.values() if isinstance(each, Tickets)]


def sources_of_hooks(settings: Settings) -> dict[str, HookSource]:
    """Return what reads the messages of each hook, by its name. Raises OSError, UnicodeError."""
    return {
        name: HOOKS[hook.kind].source(hook.all_secrets(), hook.repository or "")
        for name, hook in settings.hooks.items()
    }
