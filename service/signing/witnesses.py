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
from service.domain.cosigning import Contradicted, Contradiction, NotCosigned
from service.outbound import guarded

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n?")
_LINE = re.compile("\N{EM DASH} ([^ +]+) ([A-Za-z0-9+/]+={0,2})")
_MOST_HASHES = 63
# An empty log, the size that it names, and one more if another process was there in between.
_MOST_QUESTIONS = 3


@dataclass(frozen=True, slots=True)
class Witness:
    """How a witness is reached, by a client of `guarded.new_client` at its submission prefix, and its key."""

    client: httpx.BaseTransport
    url: str
    key: verifier.Key

    @property
    def key_id(self) -> str:
        """Return the name and the id of its key, which tell whose cosignature a line is."""
        return f"{self.key.name}+{self.key.id.hex()}"

    def cosign(self, head: Checkpoint, note: str, proof_from: Callable[[int], Sequence[bytes]]) -> str:
        """Return the witness's line under `note`, the signed note of `head`. It is verified with its key.

        `proof_from` gives the consistency proof from a size to that of `head`. Raise NotCosigned, Contradicted.
        """
        try:
            return self._asked(head, note, proof_from)
        except (guarded.Unreachable, guarded.Unsafe) as error:
            raise NotCosigned(str(error)) from None

    def verified(self, head: Checkpoint, lines: str) -> str:
        """Return the line of `lines` that its key made for this head. Raise NotCosigned."""
        return _good_line(lines, self.key, head)

    def _asked(self, head: Checkpoint, note: str, proof_from: Callable[[int], Sequence[bytes]]) -> str:
        old = 0
        for _ in range(_MOST_QUESTIONS):
            proof = proof_from(old) if 0 < old < head.size else ()
            reply = self._ask(old, proof, note)
            if reply.status == httpx.codes.OK:
                return self.verified(head, reply.body.decode(errors="replace"))
            if reply.status == httpx.codes.UNPROCESSABLE_ENTITY and old:
                # Our proof is good, so its head of that size is another.
                raise Contradicted(Contradiction.FORKED if old == head.size else Contradiction.UNPROVED, old)
            if reply.status != httpx.codes.CONFLICT:
                raise NotCosigned(f"answered {reply.status}")
            old = _known(reply.body, old, head)
        raise NotCosigned("it names another size each time")

    def _ask(self, old: int, proof: Sequence[bytes], note: str) -> guarded.Reply:
        if len(proof) > _MOST_HASHES:
            raise NotCosigned("the proof is longer than a witness takes")
        lines = "".join(f"{base64.b64encode(part).decode()}\n" for part in proof)
        return guarded.send(
            self.client,
            "POST",
            f"{self.url.rstrip('/')}/add-checkpoint",
            headers={"Content-Type": "text/plain; charset=utf-8"},
            content=f"old {old}\n{lines}\n{note}".encode(),
        )


def _known(body: bytes, old: int, head: Checkpoint) -> int:
    """Return the size that a witness names when it refused `old`. Raise NotCosigned, Contradicted."""
    known = _SIZE.fullmatch(body)
    if old == head.size and (known is None or int(known[1]) == old):
        # The sizes agree, so the roots do not. tlog-witness 1.0.0 has 409 for that, its text since July 2026 has 422.
        raise Contradicted(Contradiction.FORKED, old)
    if known is None:
        raise NotCosigned("answered 409 without a size")
    if int(known[1]) > head.size:
        raise Contradicted(Contradiction.CUT, int(known[1]))
    if int(known[1]) == old:
        raise NotCosigned("answered 409 with the size that it was asked from")
    return int(known[1])


def _good_line(lines: str, key: verifier.Key, head: Checkpoint) -> str:
    """Return the first line that the key made for this head. Lines of others are passed over. Raise NotCosigned.

    One line is enough. A note has few lines, so one witness must not fill it.
    """
    policy = verifier.WitnessPolicy({key.name: key}, {}, key.name)
    for line in lines.split("\n"):
        parts = _LINE.fullmatch(line)
        if parts is None or parts[1] != key.name or len(parts[2]) % 4:
            continue
        try:
            if verifier.cosignatures(f"{head.text()}\n{line}\n", policy, "the answer"):
                return f"{line}\n"
        except verifier.Finding:
            raise NotCosigned("its cosignature is not of this head") from None
    raise NotCosigned("it answered no cosignature of its key")
