"""API tokens: create, list and revoke them."""

from collections.abc import Sequence
from datetime import timedelta

from service.db import tokens
from service.db.engine import begin, read, retried
from service.db.tokens import Token
from service.domain.actor import Actor
from service.domain.canonical import timestamp
from service.domain.errors import Code, Invalid, NotFound
from service.domain.event_table import TOKEN_CREATED, TOKEN_REVOKED
from service.domain.events import Event
from service.workflow.context import Context
from service.workflow.tell import tell


@retried
def create_token(ctx: Context, by: Actor, subject: str, token_hash: str, lifetime: timedelta) -> Token:
    """Store the hash of a token for a member in the settings. Raise Invalid, Unavailable."""
    member = ctx.directory.get(subject)
    if member is None:
        raise Invalid(Code.INVALID_REQUEST, f"The settings have nobody named {subject!r}.")
    now = ctx.now()
    token = Token(
        id=ctx.new_id(),
        token_hash=token_hash,
        subject=subject,
        kind=member.kind,
        created_at=now,
        expires_at=now + lifetime,
    )
    about = {"token_id": token.id, "subject": subject, "expires_at": timestamp(token.expires_at)}
    with begin(ctx.engine) as tx:
        tokens.add(tx, token)
        tell(ctx, tx, Event(TOKEN_CREATED, about), actor=by, at=now)
    return token


@retried
def revoke_token(ctx: Context, by: Actor, token_id: str) -> None:
    """Revoke a token: it no longer signs in, and the votes that it cast on open requests are void.

    Raise NotFound, Unavailable.
    """
    now = ctx.now()
    with begin(ctx.engine) as tx:
        if not tokens.revoke(tx, token_id, now):
            raise NotFound(Code.NOT_FOUND, "There is no such token, or it is already revoked.")
        tell(ctx, tx, Event(TOKEN_REVOKED, {"token_id": token_id}), actor=by, at=now)


@retried
def list_tokens(ctx: Context) -> Sequence[Token]:
    """Return all tokens, which have only hashes. Raise Unavailable."""
    with read(ctx.engine) as tx:
        return tokens.every(tx)
