"""Reads the canonical filing of a request, and computes its digest."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from service.client.refused import Refused
from service.domain.account import RootCredentials
from service.domain.actor import ActorKind
from service.domain.canonical import canonical, parse_timestamp
from service.domain.demands import Demand, SignedApprovals
from service.domain.filing import TERMS, Filing, read_terms
from service.domain.operation import KINDS, Operation, OperationName
from service.domain.rules import Placement

# The members that are fields of the same name, with their types. A bool is an int in Python, and not in JSON.
_SAME: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("account_id", "requester", "recipient", "justification"), (str,)),
    "ticket": (str, type(None)),
    "run_on_approval": (bool,),
    "accept_lockout": (bool,),
    "quorum": (int,),
}
_DURATIONS = ("execution_window", "receipt_window", "rollback_grace", "lifetime")


def digest_of(filing: str) -> str:
    """Return the SHA-256 of the text in lower-case hex."""
    return hashlib.sha256(filing.encode("utf-8", "surrogatepass")).hexdigest()


def parse_filing(text: str) -> Filing:
    """Invert `Filing.document` in RFC 8785 form.

    Raise Refused for any other text, and for a member that this version does not know: what cannot be shown must not
    be signed.
    """
    try:
        filing = _filing(json.loads(text))
        is_whole = canonical(filing.document()) == text.encode()
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        is_whole = False
    if not is_whole:
        raise Refused("The filing has something that this version does not understand. Nothing was signed.")
    return filing


def _filing(document: dict[str, Any]) -> Filing:
    name = OperationName(document["operation"])
    target = KINDS[name].target
    placement = document.get("placement")
    wanted = dict(_SAME) | {"id": (str,)} | ({} if target is None else {target: (str,)})
    # A null there is no canonical filing.
    wanted |= {"rules": (str,)} if "rules" in document else {}
    if any(type(document[each]) not in types for each, types in wanted.items()):
        raise TypeError("a member is of another type")
    fields: dict[str, Any] = {each: document[each] for each in _SAME}
    return Filing(
        **fields,
        **{each: _duration(document.get(f"{each}_seconds")) for each in _DURATIONS},
        request_id=document["id"],
        operation=Operation(name, None if target is None else document[target]),
        requester_kind=ActorKind(document["requester_kind"]),
        filed_at=parse_timestamp(document["filed_at"]),
        approve_by=parse_timestamp(document["approve_by"]),
        observed=RootCredentials.from_document(document["observed"]),
        demands=tuple(Demand.from_document(each) for each in document.get("demands", ())),
        placement=None if placement is None else Placement.from_document(placement),
        rules=document.get("rules"),
        signed_approvals=SignedApprovals(document.get("signed_approvals", SignedApprovals.OFF)),
        **read_terms({each: document[each] for each in TERMS & document.keys()}),
    )


def _duration(seconds: int | None) -> Any:
    return None if seconds is None else timedelta(seconds=seconds)
