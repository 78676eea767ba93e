"""Makes the Context of the workflow from the settings."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from service.app.without_aws import ConfiguredAccounts, NoRoots
from service.db.engine import connect
from service.settings import DatabaseSettings, Settings, patterns
from service.workflow.context import Accounts, Context, Destination, Log, Roots, TicketSource

if TYPE_CHECKING:
    from service.domain.hooks import Source


@contextmanager
def compose(settings: Settings, *, with_aws: bool = True, read_only: bool = False) -> Iterator[Context]:
    """Build everything that the settings describe, for one block. Without AWS, no account can be signed in to.

    `read_only` leaves SQLite's file unchanged, and raises Unavailable if there is none.
    """
    engine = _engine(settings.database, read_only=read_only)
    try:
        with _aws(settings, is_wanted=with_aws) as (roots, accounts):
            yield Context(
                engine=engine,
                roots=roots,
                accounts=accounts,
                now=lambda: datetime.now(UTC),
                new_id=lambda: str(uuid.uuid4()),
                public_url=settings.server.public_url,
                log=_log(settings),
                has_form=patterns.matches,
                limits=settings.limits(),
                most_open=settings.server.open_requests,
                **_changing(settings),
            )
    finally:
        engine.dispose()


def changed(ctx: Context, settings: Settings) -> Context:
    """Return the Context with what a running process takes from settings that it has read again."""
    return replace(ctx, **_changing(settings))


def _changing(settings: Settings) -> dict[str, Any]:
    """Return what `settings/taken.py` lets change while a process runs."""
    receivers, trackers = _destinations(settings)
    return {
        "directory": settings.directory(),
        "policy": settings.policy_in_force(),
        "rules": settings.rules_in_force(),
        "signing": settings.signing_in_force(),
        "signed_rules": settings.signed_rules,
        "destinations": receivers,
        "in_person": frozenset(settings.mails),
        "trackers": trackers,
        "delivery_retention": settings.notify.retention,
    }


# Each of these imports a library that costs a process without it up to a tenth of a second and up to ten MiB.


def _engine(database: DatabaseSettings, *, read_only: bool) -> Engine:
    if not read_only:
        return connect(database.url, connections=database.connections)
    from service.db.reader import connect_to_read

    return connect_to_read(database.url, connections=database.connections)


@contextmanager
def _aws(settings: Settings, *, is_wanted: bool) -> Iterator[tuple[Roots, Accounts]]:
    if not is_wanted:
        yield NoRoots(), ConfiguredAccounts(settings.configured_accounts())
        return
    from service.app.accounts import reached

    with reached(settings) as found:
        yield found


def _destinations(settings: Settings) -> tuple[Mapping[str, Destination], list[TicketSource]]:
    if not settings.has_destinations():
        return {}, []
    from service.app.destinations import destinations, trackers_of

    found = destinations(settings)
    return found, trackers_of(found)


def hooks(settings: Settings) -> "Mapping[str, Source]":
    """Return what reads the messages of each hook, by its name. Raises OSError, UnicodeError."""
    if not settings.hooks:
        return {}
    from service.app.destinations import sources_of_hooks

    return sources_of_hooks(settings)


def _log(settings: Settings) -> Log:
    audit = settings.audit
    if not audit.keys:
        return Log(origin=audit.origin or "")
    from service.app.log import log_of

    log = log_of(audit)
    if not audit.witnesses:
        return log
    from service.app.witnesses import witnesses

    found = witnesses(audit, settings.notify.allowed_hosts)
    return replace(log, witnesses=found, cosign_interval=audit.cosign_interval)
