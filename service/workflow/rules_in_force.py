"""Which version of the signed rules is in force, and whether this process has it.

The log says it, by signatures: `domain/rule_chain.py` judges them. A process with any other version must neither
decide nor act.
"""

from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from service.db import audit
from service.db.engine import Tx, begin, read, retried
from service.db.proved_log import read_log
from service.domain.actor import WORKER
from service.domain.errors import Code, Unavailable
from service.domain.event_table import RULES_SIGNED
from service.domain.roster import Roster, roster_at
from service.domain.rule_chain import Refusal, RulesFault
from service.domain.rule_file import SignedRules
from service.workflow.context import Context
from service.workflow.keys import Keys, keys_of
from service.workflow.rule_events import event_of, good_signatures, rules_signed
from service.workflow.tell import tell

# What a process knew to be in force when this was the last event of rules. It is believed only while it is the last.
_CHECKED: WeakKeyDictionary[Engine, tuple[SignedRules | None, tuple[int, str]]] = WeakKeyDictionary()


@retried
def adopt(ctx: Context) -> None:
    """Record the rules of the settings if they come into force with that. Nothing happens if they are already.

    The first version is trusted because it is seen first. Raise Unavailable with what is missing.
    """
    with read(ctx.engine) as tx:
        if _is_in_force(ctx, tx):
            return
    with begin(ctx.engine) as tx:
        audit.hold(tx)
        if _is_in_force(ctx, tx):
            return  # another process was quicker
        keys = keys_of(ctx, tx)
        signed = _acceptable(ctx, keys, read_log(tx).frontier.size)
        good = good_signatures(signed, [each.signed.file for each in keys.recorded])
        tell(ctx, tx, rules_signed(signed, good), actor=WORKER, at=ctx.now())


@retried
def check_acceptable(ctx: Context) -> None:
    """Raise Unavailable unless the rules of the settings are in force, or come into force when the service starts."""
    with read(ctx.engine) as tx:
        if not _is_in_force(ctx, tx):
            _acceptable(ctx, keys_of(ctx, tx), read_log(tx).frontier.size)


@retried
def check_current(ctx: Context) -> None:
    """Do what `check_rules` does, in a transaction of its own."""
    with read(ctx.engine) as tx:
        check_rules(ctx, tx)


def check_rules(ctx: Context, tx: Tx) -> None:
    """Raise Unavailable unless the rules of this process are those in force. It counts while the log is held."""
    if not _is_in_force(ctx, tx):
        raise Unavailable(Code.RULES_NOT_IN_FORCE)


def _is_in_force(ctx: Context, tx: Tx) -> bool:
    last = _last_recorded(ctx, tx)
    if last is None:
        return ctx.signed_rules is None
    if _CHECKED.get(tx.engine) == (ctx.signed_rules, last):
        return True
    in_force = keys_of(ctx, tx).chain.in_force
    own = None if ctx.signed_rules is None else ctx.signed_rules.file.rules
    # A process without signed rules may go on only if the log never had any: else they could be taken away.
    if own is None or not in_force or in_force[-1].rules != own:
        return False
    _CHECKED[tx.engine] = (ctx.signed_rules, last)
    return True


def _last_recorded(ctx: Context, tx: Tx) -> tuple[int, str] | None:
    """Return number and content of the last version in the log, in force or not. None if there is none.

    Where nobody signs, only a column is read. Whoever hides it could as well name an empty database in the settings.
    """
    if ctx.signed_rules is None and not ctx.signing.founders:
        return audit.last_rules(tx)
    events = reversed(read_log(tx).about_keys)
    return next(((seq, content) for seq, name, content in events if name == RULES_SIGNED), None)


def _acceptable(ctx: Context, keys: Keys, size: int) -> SignedRules:
    """Return the rules of the settings if they may come into force now. Raise Unavailable with what is missing."""
    signed, in_force = ctx.signed_rules, keys.chain.in_force
    if signed is None:
        version = f"version {in_force[-1].rules.version}" if in_force else "one that cannot be read"
        raise _refused(f"the log has signed rules, {version}, and the settings have none: set signing.rules_file to it")
    if not in_force:
        # Whoever makes the first version unreadable would choose another one.
        if keys.has_rules:
            raise _refused("no version of the rules in the log can be read; restore the database")
        return signed
    event = event_of(signed, size, [each.signed.file for each in keys.recorded])
    facts = keys.facts_under(ctx.signing)
    refusal = keys.chain.judge(event, facts)
    if refusal is not None:
        raise _refused(_why(signed, keys, refusal))
    _check_can_be_followed(signed, roster_at(size + 1, (*keys.chain.in_force, event), facts))
    return signed


def _check_can_be_followed(signed: SignedRules, roster: Roster) -> None:
    """Raise Unavailable for a version that would lock everybody out.

    Those who signed it have to be able to sign the next one: by keys that count under it, in the way that it demands.
    `roster` is that under this version.
    """
    rules = signed.file.rules
    own = roster.people(good_signatures(signed, ()).values())
    if len(own) < rules.quorum:
        raise _refused(
            f"{signed.place} is version {rules.version}, and nobody could follow it: its own quorum is {rules.quorum}, "
            f"and of those who signed it only these could sign the next one: {', '.join(sorted(own)) or 'nobody'}"
        )


def _refused(why: str) -> Unavailable:
    return Unavailable(Code.RULES_NOT_IN_FORCE, cause=f"The rules are not in force: {why}.")


def _why(signed: SignedRules, keys: Keys, refusal: Refusal) -> str:
    newest, own = keys.chain.in_force[-1].rules, signed.file.rules
    place = f"{signed.place} is version {own.version}"
    match refusal.fault:
        case RulesFault.UNSIGNED:
            have = keys.roster.people(refusal.event.signers)
            others = ", ".join(sorted(frozenset(keys.roster.owners.values()) - have)) or "nobody else"
            return (
                f"{place}, signed by {', '.join(sorted(have)) or 'nobody who counts'}; {refusal.missing} more have to "
                f"sign it, of {others}: rootquorum rules sign {signed.place} --key KEY"
            )
        case RulesFault.OLDER:
            return f"{place}, and version {newest.version} came into force after it; GET /v1/rules has it"
        case RulesFault.FOREIGN:
            return (
                f"{place} and does not follow version {newest.version}, which is in force: the next version is "
                f'{newest.version + 1}, with previous = "{newest.digest}"'
            )
