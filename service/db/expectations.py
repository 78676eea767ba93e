"""The expected state of accounts, and the findings of drift checks."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.db.engine import Tx
from service.db.tables import drifts, expectations
from service.domain.canonical import canonical
from service.domain.drift import Drift, DriftFinding, DriftKind, Expectation, ExpectedKey, Origin


def get(tx: Tx, account_id: str) -> Expectation | None:
    return _one(tx.execute(select(expectations).where(expectations.c.account_id == account_id)).mappings().first())


def lock(tx: Tx, account_id: str) -> Expectation | None:
    """Return the expectation with its row locked until the transaction ends. On SQLite everything is locked anyway."""
    query = select(expectations).where(expectations.c.account_id == account_id).with_for_update()
    return _one(tx.execute(query).mappings().first())


def lock_for(tx: Tx, finding_id: str) -> Expectation | None:
    """Return the expectation that a finding differs from, locked. Lock it before you change findings."""
    account_id = tx.execute(select(drifts.c.account_id).where(drifts.c.id == finding_id)).scalar()
    return None if account_id is None else lock(tx, account_id)


def add(tx: Tx, expectation: Expectation) -> None:
    """Insert an expectation. Raise IntegrityError if a concurrent first drift check has inserted it."""
    tx.execute(insert(expectations).values(account_id=expectation.account_id, **_columns(expectation)))


def save(tx: Tx, expectation: Expectation) -> None:
    tx.execute(
        update(expectations).where(expectations.c.account_id == expectation.account_id).values(**_columns(expectation))
    )


def is_there_already(error: IntegrityError) -> bool:
    """Return whether the error says that the account already has an expectation."""
    return "pk_expectations" in str(error.orig) or "expectations.account_id" in str(error.orig)


def checked_between(tx: Tx, after: datetime, now: datetime) -> dict[str, datetime]:
    """Return the accounts last checked for drift in that time, and when. One in the future had a wrong clock."""
    columns = (expectations.c.account_id, expectations.c.checked_at)
    query = select(*columns).where(expectations.c.checked_at > after, expectations.c.checked_at <= now)
    return {row.account_id: row.checked_at for row in tx.execute(query)}


def last_checks(tx: Tx) -> dict[str, datetime]:
    """Return when each account was last checked for drift. An account that never was is missing."""
    query = select(expectations.c.account_id, expectations.c.checked_at)
    return {row.account_id: row.checked_at for row in tx.execute(query)}


def open_findings(tx: Tx, account_id: str | None = None) -> Sequence[DriftFinding]:
    """Return the open findings by account and age."""
    query = select(drifts).where(drifts.c.closed_at.is_(None))
    if account_id is not None:
        query = query.where(drifts.c.account_id == account_id)
    query = query.order_by(drifts.c.account_id, drifts.c.found_at, drifts.c.id)
    return [_finding(row) for row in tx.execute(query).mappings()]


def finding(tx: Tx, finding_id: str) -> DriftFinding | None:
    row = tx.execute(select(drifts).where(drifts.c.id == finding_id)).mappings().first()
    return _finding(row) if row else None


def add_finding(tx: Tx, finding: DriftFinding) -> None:
    drift = finding.drift
    tx.execute(
        insert(drifts).values(
            id=finding.id,
            account_id=drift.account_id,
            kind=drift.kind,
            access_key_id=drift.access_key_id or "",
            expected=drift.expected,
            found=drift.found,
            found_at=finding.found_at,
        )
    )


def close(tx: Tx, finding_id: str, at: datetime, *, accepted_by: str | None = None) -> None:
    tx.execute(update(drifts).where(drifts.c.id == finding_id).values(closed_at=at, accepted_by=accepted_by))


def _columns(expectation: Expectation) -> dict[str, object]:
    keys = {key: [expected.status, expected.origin.value] for key, expected in expectation.keys.items()}
    return {
        "checked_at": expectation.checked_at,
        "keys": canonical(keys).decode(),
        "mfa_enabled": expectation.mfa_enabled,
        "salt": expectation.salt or None,
        "email": expectation.email,
    }


def _one(row: RowMapping | None) -> Expectation | None:
    if row is None:
        return None
    keys = {key: ExpectedKey(status, Origin(origin)) for key, (status, origin) in json.loads(row["keys"]).items()}
    return Expectation(
        **{name: row[name] for name in ("account_id", "checked_at", "mfa_enabled", "email")},
        keys=keys,
        salt=row["salt"] or "",
    )


def _finding(row: RowMapping) -> DriftFinding:
    drift = Drift(
        account_id=row["account_id"],
        kind=DriftKind(row["kind"]),
        access_key_id=row["access_key_id"] or None,
        expected=row["expected"],
        found=row["found"],
    )
    return DriftFinding(
        id=row["id"],
        drift=drift,
        found_at=row["found_at"],
        closed_at=row["closed_at"],
        accepted_by=row["accepted_by"],
    )
