"""Has witnesses cosign the log's head, and keeps what they give. The log goes on without them.

If a witness has cosigned and its answer is lost, it cosigns the same head once more: its first answer to the repeated
question names that head's size.
"""

from collections.abc import Sequence
from datetime import datetime

from service.db import audit, cosignatures, marks
from service.db.cosignatures import Cosignature
from service.db.engine import Tx, begin, read
from service.db.marks import Mark
from service.domain.checkpoint import Checkpoint
from service.domain.cosigning import Contradicted, Contradiction, NotCosigned, size_due
from service.domain.errors import Code, Unavailable
from service.signing.notes import sign_note
from service.workflow.audit import consistency
from service.workflow.context import Context
from service.workflow.cosigned import AGREES, CONTRADICTS, contradictions, head_of, last_cosigned, mark_of


def to_cosign(ctx: Context, tx: Tx, now: datetime) -> list[str]:
    """Return the witnesses that are to cosign a head now."""
    if not ctx.log.witnesses or not ctx.log.signers:
        return []
    return [name for name, size in _due(ctx, tx, now).items() if size is not None]


def cosign(ctx: Context, name: str) -> None:
    """Have a witness cosign the head that is due, and keep that. Raise Unavailable if it gives no cosignature."""
    with read(ctx.engine) as tx:
        size = _due(ctx, tx, ctx.now())[name]
        if size is None:
            return
        heads = [head_of(ctx, tx, each) for each in dict.fromkeys((size, audit.head(tx)))]
    try:
        _first_cosigned(ctx, name, heads)
    except NotCosigned as error:
        raise Unavailable(Code.UNAVAILABLE, f"The witness {name} did not cosign the log's head: {error}.") from None


def _first_cosigned(ctx: Context, name: str, heads: Sequence[Checkpoint]) -> None:
    """Ask for the heads in turn, until the witness knows no larger one."""
    for head in heads:
        note = sign_note(head.text(), ctx.log.signers)
        try:
            have_cosigned(ctx, name, head, note)
        except Overtaken:
            if head is heads[-1]:
                raise
        else:
            return


class Overtaken(NotCosigned):
    """The witness has cosigned a later head of this log. Ask it for that."""


def have_cosigned(ctx: Context, name: str, head: Checkpoint, note: str) -> str:
    """Have a witness cosign a head, whose signed note is `note`. Keep and return its line.

    If its answer contradicts the log, keep that as well: the watcher tells it. Raise NotCosigned, Overtaken,
    Contradicted; Unavailable.
    """
    witness = ctx.log.witnesses[name]
    try:
        line = witness.cosign(head, note, lambda old: consistency(ctx, old, head.size).proof)
    except Contradicted as error:
        # Asked only now: whoever showed it the larger head had committed that before.
        if error.how is Contradiction.CUT and error.size <= _size(ctx):
            raise Overtaken("it has cosigned a later head already") from None
        _note(ctx, name, error.how)
        raise
    made = Cosignature(witness.key_id, head.size, head.root.hex(), ctx.now(), line)
    with ctx.begin() as tx:
        cosignatures.add(tx, made)
    _note(ctx, name, None)
    return line


def _due(ctx: Context, tx: Tx, now: datetime) -> dict[str, int | None]:
    """Return the size of the head that each witness is to cosign now, None for whoever need not."""
    log = audit.head(tx)
    last = last_cosigned(ctx, tx, log)
    return {
        name: size_due(log, last, witness.key_id, now, ctx.log.cosign_interval)
        for name, witness in ctx.log.witnesses.items()
    }


def _size(ctx: Context) -> int:
    with read(ctx.engine) as tx:
        return audit.head(tx)


def _note(ctx: Context, name: str, how: Contradiction | None) -> None:
    """Keep whether the witness contradicts the log, if that is news."""
    with read(ctx.engine) as tx:
        is_news = contradictions(ctx, tx).get(name) is not how
    if is_news:
        mark = Mark(ctx.now(), "" if how is None else how.name, AGREES if how is None else CONTRADICTS)
        with begin(ctx.engine) as tx:
            marks.put(tx, mark_of(name), mark)
