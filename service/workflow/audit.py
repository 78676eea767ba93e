"""The audit log for those who check it: its events, its signed head, proofs, and what one request left in it.

That auditors read from it is in it as well, once an hour for each of them and each kind of reading.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.db import audit, requests, tree
from service.db.engine import begin, read, retried
from service.domain.actor import Actor
from service.domain.canonical import Document, canonical
from service.domain.checkpoint import Checkpoint
from service.domain.errors import Code, Invalid, NotFound, Unavailable
from service.domain.events import log_read
from service.domain.evidence import ProvedLeaf, evidence
from service.domain.merkle import Frontier, Node, consistency_proof, inclusion_proof, inclusion_proofs
from service.domain.permissions import check_may_audit, check_may_have_evidence, check_may_see, is_participant
from service.signing.notes import sign_note
from service.workflow.context import Context
from service.workflow.tell import tell

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That event `seq` is in the log of `size` events, whose root is `root`. Hashes are raw."""

    seq: int
    size: int
    leaf_hash: bytes
    proof: Sequence[bytes]
    root: bytes


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the log of `second` events begins with that of `first`."""

    first: int
    second: int
    proof: Sequence[bytes]


def read_events(
    ctx: Context, actor: Actor, *, after: int, limit: int, request_id: str | None
) -> Sequence[tuple[int, str]]:
    """Events beyond sequence number `after`, oldest first. Raises Forbidden, Unavailable."""
    check_may_audit(actor)
    _note_reading(ctx, actor, "events")
    return _page(ctx, after=after, limit=limit, request_id=request_id)


def checkpoint(ctx: Context) -> str:
    """The signed note of the log's head now. Raises NotFound without a key to sign it, Unavailable."""
    return _signed(ctx, _head(ctx))


def export(ctx: Context, actor: Actor) -> Iterator[bytes]:
    """The whole log as it is now: a line of canonical JSON for each event, and the checkpoint as the last one.

    All that can be refused is refused before the first line. Raises Forbidden, NotFound, Unavailable.
    """
    check_may_audit(actor)
    _check_signed(ctx)
    _note_reading(ctx, actor, "export")
    head = _head(ctx)
    return _lines(ctx, head.size, _signed(ctx, head))


@retried
def inclusion(ctx: Context, seq: int, size: int | None) -> Inclusion:
    """The proof for an event in the log as it was at `size`, or is now. Raises Invalid, Unavailable."""
    with read(ctx.engine) as tx:
        now = tree.over(tx, audit.head(tx))
        size = _known_size(now.frontier, size, "size")
        if not 1 <= seq <= size:
            raise Invalid(Code.INVALID_REQUEST, "The log of that size has no such event.", field="seq")
        leaf = now.hashes([Node(0, seq - 1)])[Node(0, seq - 1)]
        return Inclusion(seq, size, leaf, inclusion_proof(seq - 1, size, now.hashes), now.root(size))


@retried
def consistency(ctx: Context, first: int, second: int | None) -> Consistency:
    """The proof that nothing of what the log was at `first` has changed since. Raises Invalid, Unavailable."""
    with read(ctx.engine) as tx:
        now = tree.over(tx, audit.head(tx))
        second = _known_size(now.frontier, second, "second")
        if not 1 <= first <= second:
            raise Invalid(Code.INVALID_REQUEST, "The first size must be between 1 and the second.", field="first")
        return Consistency(first, second, consistency_proof(first, second, now.hashes))


def evidence_of(ctx: Context, actor: Actor, request_id: str) -> Document:
    """What the log holds of one request, proved to be there. Raises NotFound, Forbidden, Unavailable."""
    takes_part = _takes_part(ctx, actor, request_id)
    _check_signed(ctx)
    if not takes_part:
        _note_reading(ctx, actor, "evidence")
    head, leaves = _proved(ctx, request_id)
    if not leaves:
        raise Unavailable(
            Code.UNAVAILABLE,
            "The audit log says nothing of this request; `rootquorum audit verify --database` says more.",
        )
    return evidence(leaves, _signed(ctx, head), ctx.log.keys)


@retried
def _takes_part(ctx: Context, actor: Actor, request_id: str) -> bool:
    """Raises NotFound, or Forbidden for whoever may not have the evidence; Unavailable."""
    with read(ctx.engine) as tx:
        request = requests.get(tx, request_id)
    if request is None:
        raise NotFound(Code.NOT_FOUND)
    check_may_see(request, actor)
    check_may_have_evidence(request, actor)
    return is_participant(request, actor)


@retried
def _proved(ctx: Context, request_id: str) -> tuple[Frontier, list[ProvedLeaf]]:
    """All events of a request, each with its proof to one head, from one moment."""
    with read(ctx.engine) as tx:
        now, events = tree.over(tx, audit.head(tx)), audit.of_request(tx, request_id)
        proofs = inclusion_proofs([seq - 1 for seq, _ in events], now.frontier.size, now.hashes)
    return now.frontier, [
        ProvedLeaf(content, json.loads(content), proof) for (_, content), proof in zip(events, proofs, strict=True)
    ]


@retried
def _head(ctx: Context) -> Frontier:
    with read(ctx.engine) as tx:
        return tree.over(tx, audit.head(tx)).frontier


@retried
def _page(ctx: Context, *, after: int, limit: int, request_id: str | None = None) -> Sequence[tuple[int, str]]:
    with read(ctx.engine) as tx:
        return audit.page(tx, after=after, limit=limit, request_id=request_id)


def _lines(ctx: Context, size: int, note: str) -> Iterator[bytes]:
    """Each batch in a transaction of its own, which no slow reader holds open; what is read never changes."""
    for after in range(0, size, _BATCH):
        found = _page(ctx, after=after, limit=min(_BATCH, size - after))
        yield "".join(f"{content}\n" for _, content in found).encode()
    yield canonical({"checkpoint": note}) + b"\n"


def _signed(ctx: Context, head: Frontier) -> str:
    _check_signed(ctx)
    return sign_note(Checkpoint(ctx.log.origin, head.size, head.root()).text(), ctx.log.signers)


def _check_signed(ctx: Context) -> None:
    if not ctx.log.signers:
        raise NotFound(Code.LOG_NOT_SIGNED)


@retried
def _note_reading(ctx: Context, actor: Actor, what: str) -> None:
    """In the log before anything of it is shown. Nobody waits for the log's head where it says so already."""
    now = ctx.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    with read(ctx.engine) as tx:
        if audit.is_read(tx, actor.subject, what, hour):
            return
    with begin(ctx.engine) as tx:
        if audit.mark_read(tx, actor.subject, what, hour):
            tell(ctx, tx, log_read(what, hour), actor=actor, at=now)


def _known_size(head: Frontier, size: int | None, name: str) -> int:
    if size is None:
        return head.size
    if size > head.size:
        raise Invalid(Code.INVALID_REQUEST, "The log is not that large.", field=name)
    return size
