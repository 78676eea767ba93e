"""API tokens, stored as hashes only."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import RowMapping, insert, select, update

from service.db.engine import Tx
from service.db.tables import api_tokens
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


def add(tx: Tx, token: Token) -> None:
    tx.execute(insert(api_tokens).values(**asdict(token)))


def by_hash(tx: Tx, token_hash: str) -> Token | None:
    row = tx.execute(select(api_tokens).where(api_tokens.c.token_hash == token_hash)).mappings().one_or_none()
    return _token(row) if row else None


def every(tx: Tx) -> Sequence[Token]:
    """Return all tokens, by owner and age."""
    query = select(api_tokens).order_by(api_tokens.c.subject, api_tokens.c.created_at)
    return [_token(row) for row in tx.execute(query).mappings()]


def revoke(tx: Tx, token_id: str, at: datetime) -> bool:
    """Revoke a token. Return whether it existed and was not revoked before."""
    done = tx.execute(
        update(api_tokens).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    )
    return done.rowcount == 1


def owners(tx: Tx, token_ids: Iterable[str]) -> dict[str, str]:
    """Return token id → person, for those of `token_ids` that belong to a person and are not revoked."""
    query = select(api_tokens.c.id, api_tokens.c.subject).where(
        api_tokens.c.id.in_(set(token_ids)),
        api_tokens.c.kind == ActorKind.PERSON,
        api_tokens.c.revoked_at.is_(None),
    )
    return {row.id: row.subject for row in tx.execute(query)}


def signs_in(tx: Tx, token_id: str, subject: str, kind: ActorKind, now: datetime) -> bool:
    """Return whether the token is theirs, and neither revoked nor expired."""
    query = select(api_tokens.c.id).where(
        api_tokens.c.id == token_id,
        api_tokens.c.subject == subject,
        api_tokens.c.kind == kind,
        api_tokens.c.revoked_at.is_(None),
        api_tokens.c.expires_at > now,
    )
    return tx.execute(query).first() is not None


def _token(row: RowMapping) -> Token:
    return Token(**{**row, "kind": ActorKind(row["kind"])})
