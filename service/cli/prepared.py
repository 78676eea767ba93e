"""Prepares what most commands need first: the settings, the operator, and a database that is ready."""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from service.app import compose
from service.cli.ending import plainly
from service.domain.actor import WORKER, Actor
from service.settings import FaultySettings, Settings, load
from service.workflow.context import Context
from service.workflow.health import check_ready, has_signed_rules


def load_settings(file: Path | None, read: Callable[[Path | None], Settings] = load) -> Settings:
    """Return the settings, or print one line per fault and exit 1."""
    try:
        return read(file)
    except FaultySettings as faulty:
        from service.cli.common import errors

        for fault in faulty.faults:
            errors.print(f"settings: {fault}", style="red", soft_wrap=True)
        raise typer.Exit(1) from None


def operator() -> Actor:
    """Return the actor for somebody with shell access. The login name is a hint for the audit log, not a proof."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        login = str(os.getuid())
    return Actor(
        kind=WORKER.kind,
        subject=WORKER.subject,
        name=WORKER.name,
        roles=frozenset(),
        credential=f"cli:{login}",
    )


@contextmanager
def ready(ctx: typer.Context) -> Iterator[Context]:
    """Provide the settings' people and a migrated database. Anything else is one line and exit 1."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=False) as context:
        check_ready(context)
        if has_signed_rules(context):
            # Only then: it loads what verifies signatures.
            from service.workflow.rules_in_force import check_acceptable

            check_acceptable(context)
        yield context
