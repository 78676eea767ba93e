"""API tokens, stored as hashes only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, insert, select, update

from service.db.engine import Tx
from service.db.tables import api_tokens, people
from service.domain.actor import ActorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as stored. `token_hash` is the hex SHA-256 of what its owner holds."""

    id: str
    token_hash: str
    subject: str
    kind: ActorKind
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def signs_in(self, subject: str, kind: ActorKind, now: datetime) -> bool:
        """Return whether it is theirs, and neither revoked nor expired."""
        return (self.subject, self.kind, self.revoked_at) == (subject, kind, None) and self.expires_at > now


_WITH_OWNER = (
    select(api_tokens, people.c.suspended_at)
    .outerjoin(people, people.c.subject == api_tokens.c.subject)
    .where(api_tokens.c.token_hash == bindparam("token_hash"))
)
_COLUMNS = api_tokens.c.keys()
_SOME = select(api_tokens).where(api_tokens.c.id.in_(bindparam("ids", expanding=True)))


def add(tx: Tx, token: Token) -> None:
    tx.execute(insert(api_tokens).values(**asdict(token)))


def with_owner(tx: Tx, token_hash: str) -> tuple[Token, bool] | None:
    """Return the token with this hash, and whether its owner is suspended."""
    row = tx.execute(_WITH_OWNER, {"token_hash": token_hash}).one_or_none()
    if row is None:
        return None
    *token, suspended_at = row
    return _token(dict(zip(_COLUMNS, token, strict=True))), suspended_at is not None


def every(tx: Tx) -> Sequence[Token]:
    """Return all tokens, by owner and age."""
    query = select(api_tokens).order_by(api_tokens.c.subject, api_tokens.c.created_at)
    return [_token(row) for row in tx.execute(query).mappings()]


def has_any(tx: Tx, subject: str, kind: ActorKind) -> bool:
    """Return whether this subject ever had a token of this kind."""
    query = select(api_tokens.c.id).where(api_tokens.c.subject == subject, api_tokens.c.kind == kind).limit(1)
    return tx.execute(query).first() is not None


def revoke(tx: Tx, token_id: str, at: datetime) -> bool:
    """Revoke a token. Return whether it existed and was not revoked before."""
    done = tx.execute(
        update(api_tokens).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    )
    return done.rowcount == 1


def some(tx: Tx, token_ids: Collection[str]) -> Sequence[Token]:
    """Return the tokens with these ids."""
    return [_token(row) for row in tx.execute(_SOME, {"ids": list(token_ids)}).mappings()]


def _token(row: Mapping[str, Any] | RowMapping) -> Token:
    return Token(**{**row, "kind": ActorKind(row["kind"])})
