"""Takes an answer of the API apart: what the service says, and what people wrote."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

# The objects of the API's answers, and lists of them, whose members are looked at one by one.
_OBJECTS = frozenset(
    {
        "access_key", "account", "actions", "capabilities", "clocks", "could_approve", "decisions", "demands",
        "executed_by", "expected", "hours", "keys", "missing", "needs", "observed", "person", "quorum", "recipient",
        "requester", "resource", "result", "rotation", "signing_certificates", "warnings",
    }
)  # fmt: skip
# The texts of the API's answers that are AWS's or the service's own. Whatever is not named here, somebody else wrote.
_OURS = frozenset(
    {
        "access_key_id", "account_id", "action", "approve_by", "approved_at", "away_until", "aws_request_id",
        "certificate_id", "checked_at", "closed_on", "closes", "code", "created_at", "cut_over_at", "cut_over_by",
        "cut_over_within", "days", "deactivated_at", "decided_at", "decision", "delete_old_at", "deletion_wait",
        "detail", "digest", "effect", "ended_at", "execute_by", "executed_at", "expires_at",
        "expiry_failed_at", "filed_at", "id", "kind", "last_seen_at", "last_used_at", "last_used_service", "lifetime",
        "max_lifetime", "mfa_devices", "observed_at", "opens", "operation", "organizational_units", "origin",
        "partition", "policy_sha256", "reason", "receipt_by", "received_at", "region", "released_at", "retired_at",
        "roles", "sealed_sha256", "settled_at", "signed_approvals", "signer_key_id", "source", "sources", "state",
        "status", "stopped_at", "target", "unused_for", "void_because",
    }
)  # fmt: skip


def apart(document: Mapping[str, Any]) -> Document:
    """Return `facts`, the document without the texts of people; and `people_wrote`, these texts by JSON pointer.

    A member that is not known to be the service's is taken for a text of people: a newer service may have others.
    """
    theirs: Document = {}
    facts = _without(document, "", theirs)
    return {"facts": facts, "people_wrote": theirs}


def _without(document: Mapping[str, Any], place: str, theirs: Document) -> Document:
    kept: Document = {}
    for name, value in document.items():
        at = f"{place}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in _OBJECTS and isinstance(value, dict):
            kept[name] = _without(value, at, theirs)
        elif name in _OBJECTS and isinstance(value, list) and all(isinstance(each, dict) for each in value):
            kept[name] = [_without(each, f"{at}/{number}", theirs) for number, each in enumerate(value)]
        elif not value or isinstance(value, int) or name in _OURS:  # empty, a number, yes or no, or ours
            kept[name] = value
        else:
            theirs[at] = value
    return kept
