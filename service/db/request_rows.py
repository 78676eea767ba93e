"""Mapping of requests and decisions between rows and the domain. Columns are named like fields, unless mapped here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import RowMapping

from service.db.tables import requests
from service.domain.account import RootCredentials, SourceKind
from service.domain.actor import ActorKind
from service.domain.canonical import canonical, seconds
from service.domain.demands import Demand, SignedApprovals
from service.domain.filing import Filing, read_terms
from service.domain.operation import Operation, OperationName
from service.domain.request import Decision, OperationRequest, Result, Status, Verdict
from service.domain.rules import UNKNOWN, Placement
from service.domain.selection import Listed

_DURATIONS = ("execution_window", "receipt_window", "rollback_grace", "lifetime")


def _alike(of: type, *others: str) -> tuple[str, ...]:
    """Return the fields whose column has the same name and the same value."""
    return tuple(field.name for field in fields(of) if field.name in requests.c and field.name not in others)


_FILED = _alike(Filing, "operation", "requester_kind", "observed", "demands", "placement", "signed_approvals", "terms")
_LIFE = _alike(OperationRequest, "digest", "status", "known_key_ids", "source")
_RESULT = {
    "code": "result_code",
    "detail": "result_detail",
    "access_key_id": "result_access_key_id",
    "signer_key_id": "signer_key_id",
    "aws_request_id": "aws_request_id",
    "sealed_sha256": "result_sealed_sha256",
}
_DECISION = ("digest", "comment", "credential", "decided_at", "statement", "signature")


def filed_columns(request: OperationRequest) -> dict[str, object]:
    """Return the columns that never change."""
    filing = request.filing
    durations = {name: getattr(filing, name) for name in _DURATIONS}
    return {
        **{name: getattr(filing, name) for name in _FILED},
        **{f"{name}_seconds": None if value is None else seconds(value) for name, value in durations.items()},
        "id": filing.request_id,
        "operation": filing.operation.name,
        "target": filing.operation.target or "",
        "requester_kind": filing.requester_kind,
        "observed": canonical(filing.observed.document()).decode(),
        **_ruled_columns(filing),
        "signed_approvals": None if filing.signed_approvals is SignedApprovals.OFF else filing.signed_approvals,
        "terms": canonical(filing.terms).decode() if filing.terms else None,
        "digest": request.digest,
    }


def _ruled_columns(filing: Filing) -> dict[str, object]:
    if filing.placement is None:
        return {"demands": None, "placement": None}
    return {
        "demands": canonical([demand.document() for demand in filing.demands]).decode(),
        "placement": canonical(filing.placement.document()).decode(),
    }


def life_columns(request: OperationRequest) -> dict[str, object]:
    """Return the columns that change with each step."""
    known = request.known_key_ids
    return {
        **{name: getattr(request, name) for name in _LIFE},
        **{column: getattr(request.result, name, None) for name, column in _RESULT.items()},
        "status": request.status,
        "known_key_ids": None if known is None else canonical(list(known)).decode(),
        "source": request.source,
    }


def request_of(row: RowMapping, decisions_of: Mapping[str, Sequence[Decision]]) -> OperationRequest:
    """Build a request from its row; `decisions_of` maps a request id to its decisions."""
    known = row["known_key_ids"]
    return OperationRequest(
        **{name: row[name] for name in _LIFE},
        filing=_filing_of(_filed_of(row)),
        digest=row["digest"],
        status=Status(row["status"]),
        decisions=tuple(decisions_of.get(row["id"], ())),
        known_key_ids=None if known is None else tuple(json.loads(known)),
        source=None if row["source"] is None else SourceKind(row["source"]),
        result=_result(row),
    )


_COLUMNS_OF_FILING = (
    *_FILED,
    *(f"{name}_seconds" for name in _DURATIONS),
    *("id", "operation", "target", "requester_kind", "observed", "demands", "placement", "signed_approvals", "terms"),
)
_filed_of = itemgetter(*_COLUMNS_OF_FILING)

# The columns of a list.
LISTED = [requests.c[name] for name in (*_COLUMNS_OF_FILING, "digest", "status", "execute_by")]


def listed_of(row: tuple[Any, ...]) -> Listed:
    """Build a list's entry from a row with the columns of a list."""
    *filed, digest, status, execute_by = row
    return Listed(_filing_of(tuple(filed)), digest, Status(status), execute_by)


# It is made of all that was filed, which never changes, and the same requests are read again and again. A thousand take
# some megabytes.
@lru_cache(maxsize=1024)
def _filing_of(filed: tuple[Any, ...]) -> Filing:
    row = dict(zip(_COLUMNS_OF_FILING, filed, strict=True))
    values: dict[str, Any] = {name: row[name] for name in _FILED}
    for name in _DURATIONS:
        length = row[f"{name}_seconds"]
        values[name] = None if length is None else timedelta(seconds=length)
    return Filing(
        **values,
        request_id=row["id"],
        operation=Operation(OperationName(row["operation"]), row["target"] or None),
        requester_kind=ActorKind(row["requester_kind"]),
        observed=RootCredentials.from_document(json.loads(row["observed"])),
        **_ruled(row["demands"], row["placement"]),
        signed_approvals=_level(row["signed_approvals"]),
        **_terms(row["terms"]),
    )


def _ruled(demands: str | None, placement: str | None) -> dict[str, Any]:
    """Return demands and placement of a filing. Without them, where they cannot be read, its digest is another."""
    if demands is None and placement is None:
        return {"demands": (), "placement": None}
    try:
        return {
            "demands": tuple(Demand.from_document(each) for each in json.loads(demands or "[]")),
            "placement": UNKNOWN if placement is None else Placement.from_document(json.loads(placement)),
        }
    except (ValueError, TypeError, LookupError, AttributeError):  # of a later version, or tampered with
        return {"demands": (), "placement": None}


def _terms(stored: str | None) -> dict[str, Any]:
    """Return the fields that only some filings have. Without them, where they cannot be read, its digest is another."""
    if stored is None:
        return {}
    try:
        return read_terms(json.loads(stored))
    except (ValueError, TypeError, LookupError, AttributeError):  # of a later version, or tampered with
        return {}


def _level(stored: str | None) -> SignedApprovals:
    """Return which approvals had to be signed. What cannot be read is the strictest: its digest is another anyway."""
    try:
        return SignedApprovals(stored or SignedApprovals.OFF)
    except ValueError:
        return SignedApprovals.REQUIRED


def _result(row: RowMapping) -> Result | None:
    if row["result_code"] is None:
        return None
    return Result(**{name: row[column] for name, column in _RESULT.items()})


def decision_columns(decision: Decision) -> dict[str, object]:
    """Return the columns that a second decision of the same person replaces."""
    return {name: getattr(decision, name) for name in _DECISION} | {"decision": decision.verdict}


def decision_of(row: RowMapping | Mapping[str, Any]) -> Decision:
    return Decision(**{name: row[name] for name in _DECISION}, person=row["person"], verdict=Verdict(row["decision"]))
