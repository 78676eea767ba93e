"""Asks a witness to cosign the log's head (C2SP `tlog-witness`, the call `add-checkpoint`).

A witness remembers the size that it cosigned last. So nothing is remembered here: the first question is about an empty
log, and the answer to it names the size from which the proof has to lead.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from service import verifier
from service.domain.checkpoint import Checkpoint
from service.outbound import guarded

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n?")
_LINE = re.compile("\N{EM DASH} ([^ +]+) ([A-Za-z0-9+/]+={0,2})")
_MOST_HASHES = 63
# An empty log, the size that it names, and one more if another process was there in between.
_MOST_QUESTIONS = 3


class NotCosigned(Exception):
    """The witness gave no good cosignature. The text quotes nothing of its answer."""


@dataclass(frozen=True, slots=True)
class Witness:
    """How a witness is reached, by a client of `guarded.new_client` at its submission prefix, and its key."""

    client: httpx.BaseTransport
    url: str
    key: verifier.Key


def cosigned(witness: Witness, head: Checkpoint, note: str, proof_from: Callable[[int], Sequence[bytes]]) -> str:
    """Return the witness's lines under `note`, the signed note of `head`. They are verified with its key.

    `proof_from` gives the consistency proof from a size to that of `head`.
    Raise NotCosigned; guarded.Unreachable, guarded.Unsafe.
    """
    old = 0
    for _ in range(_MOST_QUESTIONS):
        proof = proof_from(old) if 0 < old < head.size else ()
        reply = _ask(witness, old, proof, note)
        if reply.status == httpx.codes.OK:
            return _good_lines(reply.body, witness.key, head)
        if reply.status != httpx.codes.CONFLICT:
            raise NotCosigned(f"answered {reply.status}")
        known = _SIZE.fullmatch(reply.body)
        if known is None:
            raise NotCosigned("answered 409 without a size: it may know another log of this size")
        if int(known[1]) > head.size:
            raise NotCosigned("it knows a larger log of this name: this one may have been cut")
        if int(known[1]) == old:
            raise NotCosigned("it knows another log of this name and size: this one may have been written anew")
        old = int(known[1])
    raise NotCosigned("it names another size each time")


def _ask(witness: Witness, old: int, proof: Sequence[bytes], note: str) -> guarded.Reply:
    if len(proof) > _MOST_HASHES:
        raise NotCosigned("the proof is longer than a witness takes")
    lines = "".join(f"{base64.b64encode(part).decode()}\n" for part in proof)
    return guarded.send(
        witness.client,
        "POST",
        f"{witness.url.rstrip('/')}/add-checkpoint",
        headers={"Content-Type": "text/plain; charset=utf-8"},
        content=f"old {old}\n{lines}\n{note}".encode(),
    )


def _good_lines(body: bytes, key: verifier.Key, head: Checkpoint) -> str:
    """Return the lines that the key made for this head. Lines of others are passed over. Raise NotCosigned."""
    policy, found = verifier.WitnessPolicy({key.name: key}, {}, key.name), ""
    for line in body.decode(errors="replace").split("\n"):
        parts = _LINE.fullmatch(line)
        if parts is None or parts[1] != key.name or len(parts[2]) % 4:
            continue
        try:
            if verifier.cosignatures(f"{head.text()}\n{line}\n", policy, "the answer"):
                found += f"{line}\n"
        except verifier.Finding:
            raise NotCosigned("its cosignature is not of this head") from None
    if not found:
        raise NotCosigned("it answered no cosignature of its key")
    return found
