"""Readiness of this process, and signs of life of the workers."""

import os
import socket
from datetime import timedelta
from functools import cache

from service.db import audit, marks, schema
from service.db.engine import Tx, begin, read
from service.db.faults import OTHER_SCHEMA
from service.db.marks import Mark
from service.db.proved_log import read_log
from service.db.room import check_room
from service.domain.errors import Code, Unavailable
from service.workflow.clocks import is_clock_right
from service.workflow.context import Context


def check_ready(ctx: Context) -> None:
    """Raise Unavailable unless the database answers, has a schema for this code, and grants what it needs."""
    with read(ctx.engine) as tx:
        _check_schema(tx)
        not_granted = schema.not_granted(tx)
    if not_granted:
        raise Unavailable(
            Code.UNAVAILABLE,
            f"The database's role may not use {', '.join(not_granted)}: rootquorum migrate --grant-to ROLE.",
        )


def check_log(ctx: Context) -> None:
    """Raise Unavailable if what judges signatures refuses the log. From here on, this process knows what is in it."""
    if ctx.signing.founders:
        with read(ctx.engine) as tx:
            read_log(tx)


# Anybody may call this at any rate, but must not make us write more often than this.
_WRITE_EVERY = timedelta(seconds=10)


def check_writes(ctx: Context) -> None:
    """Raise Unavailable unless the database accepts a write.

    Try at most one write every ten seconds; in between use the last result.
    """
    pulse = ctx.pulse
    # A caller that arrives during another's try uses the previous result, if there is one.
    if pulse.lock.acquire(blocking=pulse.tried_at is None):
        try:
            now = ctx.now()
            if pulse.tried_at is None or not timedelta() <= now - pulse.tried_at < _WRITE_EVERY:
                pulse.refused = _refused_to_write(ctx)
                pulse.tried_at = now
        finally:
            pulse.lock.release()
    if refused := pulse.refused:
        raise Unavailable(refused.code, refused.detail, cause=refused.cause)


def try_to_write(ctx: Context, *, keep: bool) -> None:
    """Write a row with only the time, and keep it or roll it back. Raise Unavailable."""
    with begin(ctx.engine) as tx:
        marks.put(tx, marks.WRITTEN, _mark(ctx))
        if not keep:
            tx.rollback()
    check_room(ctx.engine)


def note_pass(ctx: Context) -> None:
    """Record that a worker has made a pass. Raise Unavailable.

    One whose clock is wrong only delivers, so it does not count.
    """
    with begin(ctx.engine) as tx:
        if is_clock_right(ctx, tx):
            marks.put(tx, marks.LOOKED, _mark(ctx))


def last_pass(ctx: Context) -> Mark | None:
    """Return the record of the last worker's pass. Raise Unavailable."""
    with read(ctx.engine) as tx:
        return marks.last(tx, marks.LOOKED)


def _refused_to_write(ctx: Context) -> Unavailable | None:
    try:
        try_to_write(ctx, keep=True)
    except Unavailable as error:
        return error
    return None


def _mark(ctx: Context) -> Mark:
    return Mark(ctx.now(), f"{socket.gethostname()[:40]} {os.getpid()}")


def check_readable(ctx: Context) -> None:
    """Raise Unavailable unless the database has a schema for this code. Enough for readers such as auditors."""
    with read(ctx.engine) as tx:
        _check_schema(tx)


def _check_schema(tx: Tx) -> None:
    if not schema.supports(tx, _needed()):
        raise Unavailable(Code.UNAVAILABLE, OTHER_SCHEMA)


def has_signed_rules(ctx: Context) -> bool:
    """Return whether the settings or the log have signed rules."""
    with read(ctx.engine) as tx:
        return ctx.signed_rules is not None or audit.last_rules(tx) is not None


def may_rewrite_history(ctx: Context) -> bool:
    """Return whether this process's role could change or delete audit records."""
    with read(ctx.engine) as tx:
        return schema.may_rewrite_history(tx)


@cache
def _needed() -> str:
    return schema.needed()
