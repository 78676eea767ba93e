"""The audit log for those who check it: its events, its signed head, proofs, and the evidence of one request.

Auditors' reads are logged as well, once per hour for each auditor and kind of read.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.db import audit, tree
from service.db.engine import begin, read, retried
from service.domain.actor import Actor
from service.domain.canonical import Document, canonical
from service.domain.checkpoint import Checkpoint
from service.domain.errors import Code, Invalid, NotFound, Unavailable, log_too_small
from service.domain.event_table import DECIDED
from service.domain.events import log_read
from service.domain.evidence import OfSignatures, ProvedLeaf, evidence
from service.domain.merkle import Frontier, Node, consistency_proof, inclusion_proof, inclusion_proofs
from service.domain.permissions import check_may_audit, check_may_have_evidence, is_participant
from service.signing.notes import sign_note
from service.workflow.context import Context
from service.workflow.cosigned import lines_of, newest
from service.workflow.key_events import events_about_keys, sizes_in
from service.workflow.read import request_for
from service.workflow.tell import tell

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that event `seq` is in the log of `size` events with the root `root`. Hashes are raw."""

    seq: int
    size: int
    leaf_hash: bytes
    proof: Sequence[bytes]
    root: bytes


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof that the log of `second` events begins with the log of `first` events."""

    first: int
    second: int
    proof: Sequence[bytes]


def read_events(
    ctx: Context, actor: Actor, *, after: int, limit: int, request_id: str | None
) -> Sequence[tuple[int, str]]:
    """Return events after sequence number `after`, oldest first. Raise Forbidden, Unavailable."""
    check_may_audit(actor)
    _note_reading(ctx, actor, "events")
    return _page(ctx, after=after, limit=limit, request_id=request_id)


def checkpoint(ctx: Context) -> str:
    """Return the log's current head as a signed note, with the cosignatures on just this head, if there are any.

    Raise NotFound without a key to sign it, Unavailable.
    """
    return _signed(ctx, _head(ctx))


def plain_checkpoint(ctx: Context) -> str:
    """Return the same without cosignatures: the same head is the same text. Raise NotFound, Unavailable."""
    _check_signed(ctx)
    return sign_note(_checkpoint(ctx, _head(ctx)).text(), ctx.log.signers)


@retried
def cosigned_checkpoint(ctx: Context, number: int) -> str:
    """Return the largest head that so many of the witnesses have cosigned, as a signed note with their cosignatures.

    Raise NotFound, Unavailable.
    """
    _check_signed(ctx)
    with read(ctx.engine) as tx:
        found = newest(ctx, tx, number)
    if found is None:
        raise NotFound(Code.NOT_COSIGNED)
    head, lines = found
    return sign_note(head.text(), ctx.log.signers) + lines


def export(ctx: Context, actor: Actor) -> Iterator[bytes]:
    """Return the whole log as it is now: a line of canonical JSON for each event, then the checkpoint.

    Every refusal happens before the first line. Raise Forbidden, NotFound, Unavailable.
    """
    check_may_audit(actor)
    _check_signed(ctx)
    _note_reading(ctx, actor, "export")
    head = _head(ctx)
    return _lines(ctx, head.size, _signed(ctx, head))


@retried
def inclusion(ctx: Context, seq: int, size: int | None) -> Inclusion:
    """Return the proof for an event in the log at `size`, by default the current size. Raise Invalid, Unavailable."""
    with read(ctx.engine) as tx:
        now = tree.over(tx, audit.head(tx))
        size = _known_size(now.frontier, size, "size")
        if not 1 <= seq <= size:
            raise Invalid(Code.INVALID_REQUEST, "A log of that size has no such event.", field="seq")
        leaf = now.hashes([Node(0, seq - 1)])[Node(0, seq - 1)]
        return Inclusion(seq, size, leaf, inclusion_proof(seq - 1, size, now.hashes), now.root(size))


@retried
def consistency(ctx: Context, first: int, second: int | None) -> Consistency:
    """Return the proof that the first `first` events have not changed since. Raise Invalid, Unavailable."""
    with read(ctx.engine) as tx:
        now = tree.over(tx, audit.head(tx))
        second = _known_size(now.frontier, second, "second")
        if not 1 <= first <= second:
            raise Invalid(Code.INVALID_REQUEST, "The first size must be between 1 and the second.", field="first")
        return Consistency(first, second, consistency_proof(first, second, now.hashes))


def evidence_of(ctx: Context, actor: Actor, request_id: str) -> Document:
    """Return a request's events in the log, with proofs. Raise NotFound, Forbidden, Unavailable."""
    takes_part = _takes_part(ctx, actor, request_id)
    _check_signed(ctx)
    if not takes_part:
        _note_reading(ctx, actor, "evidence")
    head, leaves, signatures = _proved(ctx, request_id)
    if not leaves:
        raise Unavailable(
            Code.UNAVAILABLE,
            "The audit log has no event of this request; run `rootquorum audit verify --database`.",
        )
    return evidence(leaves, _signed(ctx, head), ctx.log.keys, signatures)


@retried
def _takes_part(ctx: Context, actor: Actor, request_id: str) -> bool:
    """Return whether the actor takes part in the request.

    Raise NotFound, Forbidden if the actor may not have the evidence, Unavailable.
    """
    with read(ctx.engine) as tx:
        request = request_for(tx, actor, request_id)
    check_may_have_evidence(request, actor)
    return is_participant(request, actor)


@retried
def _proved(ctx: Context, request_id: str) -> tuple[Frontier, list[ProvedLeaf], OfSignatures | None]:
    """Return all events of a request, each with its proof to the same head, from one snapshot; and what judges its
    signatures, if there are any, or rules that can demand them.
    """
    with read(ctx.engine) as tx:
        now = tree.over(tx, audit.head(tx))
        leaves = _with_proofs(now, audit.of_request(tx, request_id))
        decisions = [leaf.event["data"] for leaf in leaves if leaf.event["event"] == DECIDED]
        if audit.last_rules(tx) is None and not any("statement" in made for made in decisions):
            return now.frontier, leaves, None
        about_keys = _with_proofs(now, events_about_keys(tx, decisions))
        sizes = sizes_in([*decisions, *(leaf.event["data"] for leaf in about_keys)])
        heads = {
            size: consistency_proof(size, now.frontier.size, now.hashes)
            for size in sizes
            if 0 < size <= now.frontier.size
        }
        return now.frontier, leaves, OfSignatures(about_keys, heads)


def _with_proofs(now: tree.Tree, events: Sequence[tuple[int, str]]) -> list[ProvedLeaf]:
    proofs = inclusion_proofs([seq - 1 for seq, _ in events], now.frontier.size, now.hashes)
    return [ProvedLeaf(content, json.loads(content), proof) for (_, content), proof in zip(events, proofs, strict=True)]


@retried
def _head(ctx: Context) -> Frontier:
    with read(ctx.engine) as tx:
        return tree.over(tx, audit.head(tx)).frontier


@retried
def _page(ctx: Context, *, after: int, limit: int, request_id: str | None = None) -> Sequence[tuple[int, str]]:
    with read(ctx.engine) as tx:
        return audit.page(tx, after=after, limit=limit, request_id=request_id)


def _lines(ctx: Context, size: int, note: str) -> Iterator[bytes]:
    """Yield batches, each read in its own transaction, so slow readers hold none open. Events never change."""
    for after in range(0, size, _BATCH):
        found = _page(ctx, after=after, limit=min(_BATCH, size - after))
        yield "".join(f"{content}\n" for _, content in found).encode()
    yield canonical({"checkpoint": note}) + b"\n"


def _signed(ctx: Context, head: Frontier) -> str:
    """Return a head as a signed note, with the cosignatures that are kept of it."""
    _check_signed(ctx)
    found = _checkpoint(ctx, head)
    return sign_note(found.text(), ctx.log.signers) + _cosignatures(ctx, found)


def _checkpoint(ctx: Context, head: Frontier) -> Checkpoint:
    return Checkpoint(ctx.log.origin, head.size, head.root())


@retried
def _cosignatures(ctx: Context, head: Checkpoint) -> str:
    if not ctx.log.witnesses:
        return ""
    with read(ctx.engine) as tx:
        return lines_of(ctx, tx, head)


def _check_signed(ctx: Context) -> None:
    if not ctx.log.signers:
        raise NotFound(Code.LOG_NOT_SIGNED)


@retried
def _note_reading(ctx: Context, actor: Actor, what: str) -> None:
    """Log a read before its result is returned.

    If this hour's read is already logged, do not wait for the log's head.
    """
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
        raise log_too_small(name)
    return size
