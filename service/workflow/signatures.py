"""What the signatures of decisions prove. Each is verified each time, from its stored bytes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from service.db.engine import Tx
from service.db.tree import PastHead
from service.domain.policy import SMALLEST_QUORUM
from service.domain.request import Decision, OperationRequest
from service.domain.signed import Proved, Signatures, Unproved
from service.domain.statement import DecisionStatement
from service.signing import proofs
from service.signing.demands import Demands, demands_of
from service.signing.faults import BadSignature
from service.signing.sshsig import Signed
from service.workflow.context import Context
from service.workflow.key_facts import demands_of_facts, encoded
from service.workflow.keys import Keys, keys_and_heads, keys_of, made_of

# A statement and its signature, as they were sent.
Pair: TypeAlias = tuple[str, str]


def signatures_of(ctx: Context, tx: Tx, pairs: Collection[Pair]) -> Signatures:
    """Return what the log holds of keys, and what each of these signatures proves. Raise Unavailable."""
    return _signatures(ctx, tx, pairs, demands_of(ctx.signing))


def signatures_at(ctx: Context, tx: Tx, request: OperationRequest, claimed: int) -> Signatures:
    """Return what the signatures of its decisions proved when event `claimed` began the execution of this request.

    A key that was revoked later does not matter, in an emergency or not, nor a higher quorum. Raise Unavailable.
    """
    quorum = max(SMALLEST_QUORUM, min(ctx.policy.quorum, request.filing.quorum))
    signing = replace(ctx.signing, revoked=frozenset())
    then = replace(ctx, policy=replace(ctx.policy, quorum=quorum), signing=signing)
    keys = tuple(each for each in keys_of(ctx, tx).events if each.seq < claimed)
    return _signatures(ctx, tx, pairs_of(request.decisions), demands_of_facts(ctx.signing), made_of(then, keys))


def _signatures(ctx: Context, tx: Tx, pairs: Collection[Pair], wanted: Demands, then: Keys | None = None) -> Signatures:
    """Return what these signatures prove, by today's keys or by those of `then`."""
    signed = {pair: _proved(pair, wanted) for pair in pairs}
    said = [found[0] for found in signed.values() if not isinstance(found, Unproved)]
    now, heads = keys_and_heads(ctx, tx, {statement.head.size for statement in said})
    keys = then or now
    return Signatures(
        service=ctx.log.origin,
        roster=keys.roster,
        enrolled=keys.enrolled,
        suspended=keys.suspended,
        made={pair: _with_head(found, heads) for pair, found in signed.items()},
    )


def pairs_of(decisions: Iterable[Decision]) -> set[Pair]:
    return {(made.statement, made.signature) for made in decisions if made.statement and made.signature}


def _proved(pair: Pair, wanted: Demands) -> tuple[DecisionStatement, Signed] | Unproved:
    statement, signature = pair
    try:
        return proofs.decision(encoded(statement), signature, wanted)
    except BadSignature as error:
        return Unproved(str(error))


def _with_head(found: tuple[DecisionStatement, Signed] | Unproved, heads: Mapping[int, PastHead]) -> Proved | Unproved:
    if isinstance(found, Unproved):
        return found
    statement, signed = found
    head = heads.get(statement.head.size)
    return Proved(
        statement=statement,
        key=signed.key.text,
        head_root=None if head is None else head.root,
        head_at=None if head is None else head.at,
        next_at=None if head is None else head.next_at,
    )
