"""What witnesses have cosigned, and which of them contradict the log."""

from collections.abc import Collection, Mapping, Sequence

from service.db import audit, cosignatures, marks, tree
from service.db.cosignatures import Cosignature
from service.db.engine import Tx
from service.domain.checkpoint import Checkpoint
from service.domain.cosigning import Contradiction, Cosigned, NotCosigned
from service.workflow.context import Context

# A mark of a witness has this size while it contradicts the log, and says how in the place of the process.
CONTRADICTS, AGREES = 1, 0


def lines_of(ctx: Context, tx: Tx, head: Checkpoint) -> str:
    """Return the kept lines of today's witnesses under the note of this head. Each is verified again."""
    return "".join(_good(ctx, head, cosignatures.of_size(tx, head.size, key_ids(ctx))))


def newest(ctx: Context, tx: Tx, number: int) -> tuple[Checkpoint, str] | None:
    """Return the largest head that so many of today's witnesses have cosigned, and their lines; None if there is none.

    It is looked for among the last thousand cosignatures.
    """
    known, found = key_ids(ctx), dict[int, list[Cosignature]]()
    for each in cosignatures.latest(tx) if number <= len(known) else ():
        if each.witness in known:
            found.setdefault(each.size, []).append(each)
    log = audit.head(tx)
    for size, made in found.items():
        if len(made) < number or size > log:
            continue
        head = head_of(ctx, tx, size)
        lines = _good(ctx, head, made)
        if len(lines) >= number:
            return head, "".join(lines)
    return None


def last_cosigned(ctx: Context, tx: Tx, log: int) -> Mapping[str, Cosigned]:
    """Return what each of today's witnesses cosigned last, by the name and id of its key. `log` is the log's size.

    A row that it did not make counts for nothing, and so does one beyond the log. Else whoever adds such a row, or cuts
    the log, would keep the witness from being asked, and nobody would miss it.
    """

    def is_good(made: Cosignature) -> bool:
        try:
            head = Checkpoint(ctx.log.origin, made.size, bytes.fromhex(made.root))
        except ValueError:
            return False
        return made.size <= log and bool(_good(ctx, head, [made]))

    return cosignatures.last(tx, key_ids(ctx), is_good)


def contradictions(ctx: Context, tx: Tx) -> dict[str, Contradiction]:
    """Return the witnesses whose last answer contradicted the log, and how."""
    names = {mark_of(name): name for name in ctx.log.witnesses}
    found = marks.among(tx, *names) if names else {}
    return {
        names[mark]: Contradiction.__members__.get(each.by, Contradiction.FORKED)
        for mark, each in sorted(found.items())
        if each.size == CONTRADICTS
    }


def mark_of(name: str) -> str:
    return f"witness {name}"


def key_ids(ctx: Context) -> Collection[str]:
    """Return the names and ids of the keys of today's witnesses."""
    return [each.key_id for each in ctx.log.witnesses.values()]


def head_of(ctx: Context, tx: Tx, size: int) -> Checkpoint:
    """Return the log's head as it was at this size. Raise Unavailable if a row of the tree is missing."""
    return Checkpoint(ctx.log.origin, size, tree.over(tx, audit.head(tx)).root(size))


def _good(ctx: Context, head: Checkpoint, made: Sequence[Cosignature]) -> list[str]:
    """Return the lines that verify. One that does not would condemn the whole note."""
    by_key, good = {each.key_id: each for each in ctx.log.witnesses.values()}, list[str]()
    for each in made:
        try:
            good.append(by_key[each.witness].verified(head, each.line))
        except NotCosigned:
            continue
    return good
