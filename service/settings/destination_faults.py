"""Faults of the destinations, trackers and hooks: one sentence per fault. Only settings that have some need this."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from service.notify.products import HOOKS, PRODUCTS, Hook, Product
from service.notify.webhooks import signer
from service.outbound.addresses import is_this_machine
from service.outbound.syslog import client_tls
from service.settings.circles import faults_of_circles
from service.settings.destination_sections import (
    HookSettings,
    MailSettings,
    SyslogSettings,
    TrackerSettings,
    WebhookSettings,
)
from service.settings.hosts import fault_of_host, fault_of_url
from service.settings.model import Settings


def faults_of_destinations(settings: Settings) -> Iterator[str]:
    yield from _faults_of_webhooks(settings)
    yield from _faults_of_chats(settings)
    yield from _faults_of_trackers(settings)
    yield from _faults_of_alike(settings.trackers)
    yield from _faults_of_mails(settings)
    yield from _faults_of_syslogs(settings)
    yield from _faults_of_hooks(settings)
    yield from faults_of_circles(settings)


def _faults_of_webhooks(settings: Settings) -> Iterator[str]:
    for name, webhook in settings.webhooks.items():
        yield from fault_of_url(f"webhooks.{name}.url", webhook.url, settings.notify.allowed_hosts)
        yield from _faults_of_secrets(f"webhooks.{name}", webhook, signer)
        if webhook.format != "standard" and settings.server.public_url is None:
            yield f"webhooks.{name}.format: server.public_url is missing; it is the source of each CloudEvent."


def _faults_of_chats(settings: Settings) -> Iterator[str]:
    for name, chat in settings.chats.items():
        if name in settings.webhooks:
            yield f"chats.{name}: a webhook has the same name."
        try:
            url = chat.secret_url()
        except (OSError, UnicodeError):
            yield f"chats.{name}.url_file: it cannot be read."
            continue
        if not url:
            yield f"chats.{name}: url or url_file is missing."
            continue
        yield from fault_of_url(f"chats.{name}.url", url, settings.notify.allowed_hosts)


def _faults_of_trackers(settings: Settings) -> Iterator[str]:
    for name, tracker in settings.trackers.items():
        if name in settings.webhooks.keys() | settings.chats.keys():
            yield f"trackers.{name}: a webhook or a chat has the same name."
        yield from fault_of_url(f"trackers.{name}.url", tracker.url, settings.notify.allowed_hosts)
        if {"?", "#"} & set(tracker.url):
            yield f"trackers.{name}.url: it must not have a query or a fragment; paths are appended to it."
        try:
            if not tracker.secret():
                yield f"trackers.{name}: password or password_file is missing, or empty."
        except (OSError, UnicodeError):
            yield f"trackers.{name}.password_file: it cannot be read."
        yield from _faults_of_product(name, tracker)


def _faults_of_mails(settings: Settings) -> Iterator[str]:
    for name, mail in settings.mails.items():
        if name in settings.webhooks.keys() | settings.chats.keys() | settings.trackers.keys():
            yield f"mails.{name}: a webhook, a chat or a tracker has the same name."
        yield from fault_of_host(f"mails.{name}.host", mail.host, settings.notify.allowed_hosts)
        is_here = mail.host in settings.notify.allowed_hosts and is_this_machine(mail.host)
        if mail.security == "none" and not is_here:
            yield f"mails.{name}.security: none is only for this very machine, named in notify.allowed_hosts."
        yield from _faults_of_sign_in(name, mail)
        if settings.server.public_url is None:
            yield f"mails.{name}: server.public_url is missing; a mail has little more than its link."


def _faults_of_syslogs(settings: Settings) -> Iterator[str]:
    others = settings.webhooks.keys() | settings.chats.keys() | settings.trackers.keys() | settings.mails.keys()
    for name, syslog in settings.syslogs.items():
        if name in others:
            yield f"syslogs.{name}: another destination has the same name."
        yield from fault_of_host(f"syslogs.{name}.host", syslog.host, settings.notify.allowed_hosts)
        if syslog.transport == "tls":
            yield from _faults_of_tls(name, syslog)
        elif any(syslog.files()):
            yield f"syslogs.{name}: certificates are for the transport tls alone."
        is_here = syslog.host in settings.notify.allowed_hosts and is_this_machine(syslog.host)
        if syslog.transport != "tls" and not is_here:
            yield f"syslogs.{name}.transport: only tls leaves this machine; name it in notify.allowed_hosts for others."


def _faults_of_tls(name: str, syslog: SyslogSettings) -> Iterator[str]:
    if syslog.key_file is not None and syslog.certificate_file is None:
        yield f"syslogs.{name}.key_file: certificate_file is missing."
        return
    try:
        client_tls(*syslog.files())
    except (OSError, ValueError):
        yield f"syslogs.{name}: ca_file, certificate_file or key_file cannot be read, or is no PEM of its kind."


def _faults_of_sign_in(name: str, mail: MailSettings) -> Iterator[str]:
    """Yield the faults of user and password. Standard clients sign in with ASCII alone."""
    try:
        password = mail.secret()
    except (OSError, UnicodeError):
        yield f"mails.{name}.password_file: it cannot be read."
        return
    if (mail.user is None) != (not password):
        yield f"mails.{name}: it needs both a user and a password, or neither."
    if not (password.isascii() and password.isprintable()):
        yield f"mails.{name}.password: it must be printable ASCII."


def _faults_of_product(name: str, tracker: TrackerSettings) -> Iterator[str]:
    product = PRODUCTS[tracker.kind]
    yield from _faults_of_needs(f"trackers.{name}", tracker, tracker.kind, PRODUCTS)
    if product.states is not None and not set(product.states).issuperset(tracker.states.values()):
        yield f"trackers.{name}.states: a ticket there is {' or '.join(product.states)}."
    api = product.api_of.get("".join(tracker.url.split("/")[2:3]).lower())
    if api is not None:
        yield f"trackers.{name}.url: this is the address of its web pages; the address of its API is {api}."


def _faults_of_needs(
    place: str, section: TrackerSettings | HookSettings, kind: str, records: Mapping[Any, Product] | Mapping[Any, Hook]
) -> Iterator[str]:
    """Yield a fault for each setting that is missing for this kind, and for each that is of no use to it."""
    for need in dict.fromkeys(need for record in records.values() for need in record.needs):
        kinds = [each for each, record in records.items() if need in record.needs]
        if (kind in kinds) != (getattr(section, need) is not None):
            belongs = f"the kind{'s' if len(kinds) > 1 else ''} {', '.join(kinds)}"
            yield f"{place}.{need}: it is for {belongs} only, and required there."


def _faults_of_alike(trackers: Mapping[str, TrackerSettings]) -> Iterator[str]:
    families = [PRODUCTS[tracker.kind].family for tracker in trackers.values()]
    for (name, tracker), family in zip(trackers.items(), families, strict=True):
        if families.count(family) > 1 and tracker.pattern is None:
            yield f"trackers.{name}.pattern: missing; another tracker's tickets look the same."


def _faults_of_hooks(settings: Settings) -> Iterator[str]:
    for name, hook in settings.hooks.items():
        yield from _faults_of_secrets(f"hooks.{name}", hook, HOOKS[hook.kind].check_secret)
        yield from _faults_of_needs(f"hooks.{name}", hook, hook.kind, HOOKS)


def _faults_of_secrets(
    name: str, holder: WebhookSettings | HookSettings, check: Callable[[str], object]
) -> Iterator[str]:
    try:
        secrets = holder.all_secrets()
    except (OSError, UnicodeError):
        yield f"{name}.secret_files: one of them cannot be read."
        return
    if not secrets:
        yield f"{name}: it has no secret; set secrets or secret_files."
    for secret in secrets:
        try:
            check(secret)
        except ValueError as error:
            yield f"{name}: {error}."
