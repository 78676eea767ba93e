"""The contract's examples for the audit log's routes: the examples' events in a log that is really signed."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.domain.actor import Actor
from service.domain.canonical import canonical
from service.domain.checkpoint import Checkpoint
from service.domain.events import Event, record
from service.domain.evidence import LogKey, ProvedLeaf, evidence
from service.domain.merkle import EMPTY, Node, consistency_proof, inclusion_proof, leaf_hash
from service.signing.ed25519 import Ed25519Signer
from service.signing.notes import sign_note

ORIGIN = "rootquorum.example.com/log"
# For examples only: the key is public.
_SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

Happened = Sequence[tuple[Actor, datetime, Event]]


def records(happened: Happened, request_id: str) -> list[dict[str, Any]]:
    """Return the log's records of these events, numbered from 1."""
    return [
        dict(
            record(
                event,
                seq=seq,
                at=at,
                actor=by,
                request_id=request_id,
                previous=seq - 1 or None,
                call_id=f"{seq:032x}",
            )
        )
        for seq, (by, at, event) in enumerate(happened, 1)
    ]


def answers(log: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, object]]:
    """Return an example and its summary for each route."""
    contents = [canonical(event).decode() for event in log]
    hashes = {Node(0, at): leaf_hash(content.encode()) for at, content in enumerate(contents)}
    roots, grown = [EMPTY.root()], EMPTY
    for leaf in list(hashes.values()):
        grown, completed = grown.append(leaf)
        hashes |= completed
        roots.append(grown.root())
    size = len(contents)
    note = sign_note(Checkpoint(ORIGIN, size, grown.root()).text(), [_SIGNER])
    key = LogKey(_SIGNER.verifier_key, datetime.fromisoformat("2026-01-01T00:00:00+00:00"), None)
    proved = [
        ProvedLeaf(content, json.loads(content), inclusion_proof(at, size, lambda _: hashes))
        for at, content in enumerate(contents)
    ]
    return {
        "checkpoint": ("The checkpoint of a log with four events", note),
        "inclusion": (
            "The proof for the first event",
            {
                "seq": 1,
                "size": size,
                "leaf_hash": _base64(hashes[Node(0, 0)]),
                "proof": [_base64(part) for part in proved[0].inclusion],
                "root": _base64(roots[size]),
            },
        ),
        "consistency": (
            "From three events to four",
            {
                "first": 3,
                "second": size,
                "proof": [_base64(part) for part in consistency_proof(3, size, lambda _: hashes)],
            },
        ),
        "export": (
            "Four events",
            "".join(f"{line}\n" for line in (*contents, canonical({"checkpoint": note}).decode())),
        ),
        "log_keys": ("One key, in use", {"origin": ORIGIN, "keys": [dict(key.document())]}),
        "evidence": ("The evidence of an approved request", dict(evidence(proved, note, [key]))),
    }


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
