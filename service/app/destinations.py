"""Makes the destinations, the trackers and the hooks from the settings."""

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import httpx

from service.domain.hooks import Source as HookSource
from service.notify.chat import Chat
from service.notify.mail import Mail
from service.notify.products import HOOKS, PRODUCTS, Access
from service.notify.syslog import Syslog
from service.notify.tickets import Tickets
from service.notify.webhooks import Webhook, signer
from service.outbound import guarded
from service.outbound.addresses import host_of
from service.outbound.kinds import Security, Transport
from service.outbound.smtp import MailServer
from service.outbound.syslog import SyslogServer, client_tls
from service.settings import MailSettings, Settings, SyslogSettings, TrackerSettings, patterns
from service.workflow.context import TicketSource

Destination: TypeAlias = Webhook | Chat | Tickets | Mail | Syslog

# The usual ports (RFC 8314, RFC 5321).
_PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
# Those of IANA: syslog-tls, syslog-conn and syslog.
_SYSLOG_PORTS: Mapping[Transport, int] = {"tls": 6514, "tcp": 601, "udp": 514}


def destinations(settings: Settings, client: httpx.BaseTransport | None = None) -> dict[str, Destination]:
    """Return the destinations in the settings, by name. `client` sends to them; None makes a new one."""
    client = client or guarded.new_client(settings.notify.allowed_hosts)
    webhooks: dict[str, Destination] = {
        name: Webhook(
            name=name,
            url=webhook.url,
            secrets=tuple(map(signer, webhook.all_secrets())),
            client=client,
            events=webhook.events,
            source=None if webhook.format == "standard" else settings.server.public_url,
            is_binary=webhook.format == "cloudevents-binary",
        )
        for name, webhook in settings.webhooks.items()
    }
    chats = {name: Chat(chat.secret_url(), client, chat.events) for name, chat in settings.chats.items()}
    trackers = {name: tickets(tracker, client) for name, tracker in settings.trackers.items()}
    mails = {name: _mail(mail, settings.notify.allowed_hosts) for name, mail in settings.mails.items()}
    syslogs = {name: _syslog(settings, syslog) for name, syslog in settings.syslogs.items()}
    return webhooks | chats | trackers | mails | syslogs


def _syslog(settings: Settings, syslog: SyslogSettings) -> Syslog:
    server = SyslogServer(
        host=syslog.host,
        port=syslog.port or _SYSLOG_PORTS[syslog.transport],
        transport=syslog.transport,
        allowed_hosts=settings.notify.allowed_hosts,
        tls=client_tls(*syslog.files()),
    )
    hostname = None if settings.server.public_url is None else host_of(httpx.URL(settings.server.public_url))
    return Syslog(server, hostname or "-", syslog.events)


def _mail(settings: MailSettings, allowed_hosts: frozenset[str]) -> Mail:
    server = MailServer(
        host=settings.host,
        port=settings.port or _PORTS[settings.security],
        security=settings.security,
        name=settings.sender.rpartition("@")[2],
        user=settings.user,
        password=settings.secret(),
        allowed_hosts=allowed_hosts,
    )
    return Mail(server, settings.sender, settings.events)


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


def trackers_of(destinations: Mapping[str, Destination]) -> list[TicketSource]:
    return [each for each in destinations.values() if isinstance(each, Tickets)]


def sources_of_hooks(settings: Settings) -> dict[str, HookSource]:
    """Return what reads the messages of each hook, by its name. Raises OSError, UnicodeError."""
    return {
        name: HOOKS[hook.kind].source(hook.all_secrets(), hook.repository or "")
        for name, hook in settings.hooks.items()
    }
