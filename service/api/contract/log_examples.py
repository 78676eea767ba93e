"""What the audit log's own routes answer, for the contract: the story's events as a log that is really signed."""

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
# Of no use but here: everybody knows it.
_SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

Told = Sequence[tuple[Actor, datetime, Event]]


def records(told: Told, request_id: str) -> list[dict[str, Any]]:
    """What the log has of these events, the first of which is its first."""
    return [
        dict(record(event, seq=seq, at=at, actor=by, request_id=request_id, previous=seq - 1 or None))
        for seq, (by, at, event) in enumerate(told, 1)
    ]


def answers(log: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, object]]:
    """Of each route its example, with its summary."""
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
        "checkpoint": ("Of a log of four events", note),
        "inclusion": (
            "Of the first event",
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
        "log_keys": ("One, that signs", {"origin": ORIGIN, "keys": [dict(key.document())]}),
        "evidence": ("Of a request that is approved", dict(evidence(proved, note, [key]))),
    }


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
