"""The verifier's verdict on a document, and all changes of a document, one field at a time."""

import copy
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from support.ledger import SIGNER

from service import verifier

KEY = verifier.read_key(SIGNER.verifier_key)

# Findings that a changed event can cause in addition.
RULES = {
    "not-an-event",
    "not-open",
    "not-filed",
    "filed-twice",
    "left-out",
    "wrong-digest",
    "wrong-actor",
    "wrong-credential",
    "not-own-decision",
    "own-approval",
    "suspended",
    "executed-against",
    "executed-twice",
    "not-started",
    "wrong-step",
    "no-policy",
    "no-quorum",
    "too-late",
    "time-contradicts",
    "wrong-quorum",
    "wrong-mark",
    "wrong-result",
    "wrong-clock",
    "wrong-key",
    "too-early",
    "stale-sign-in",
    "wrong-request",
}


def told_of(data: bytes, *heads: str, proofs: Sequence[bytes] = ()) -> list[verifier.Finding | str]:
    kept = verifier.Kept([verifier.read_head(head) for head in heads], dict(map(verifier.read_consistency, proofs)))
    return list(verifier.all_told(verifier.check_file(io.BytesIO(data), [KEY], kept)))


def findings(data: bytes, *heads: str, proofs: Sequence[bytes] = ()) -> set[str]:
    """Return the names of the findings."""
    return {each.name for each in told_of(data, *heads, proofs=proofs) if isinstance(each, verifier.Finding)}


def findings_in(document: Any) -> set[str]:
    return findings(json.dumps(document).encode())


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within."""
    if path:
        yield path
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from fields(inner, (*path, name))


def changed_at(value: Any, path: tuple[Any, ...], how: str) -> Any:
    """Return a copy in which the field at the path is changed, removed, or has a new one beside it."""
    inner = result = copy.deepcopy(value)
    for name in path[:-1]:
        inner = inner[name]
    match how:
        case "change":
            inner[path[-1]] = _another(inner[path[-1]])
        case "delete":
            del inner[path[-1]]
        case "insert" if isinstance(inner, list):
            inner.insert(path[-1], "inserted")
        case _:
            inner["inserted"] = None
    return result


def _another(value: Any) -> Any:
    match value:
        case bool():
            return int(value)  # Python considers it equal
        case int():
            return value + 1
        case str():
            return value[:-1] + ("A" if value[-1:] != "A" else "B")
        case None:
            return False
        case _:
            return None
