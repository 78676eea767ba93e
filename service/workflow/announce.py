"""Records the rules of a process that starts, so that the log says under which rules each request ran."""

import json

from service.db import audit
from service.db.engine import begin, read, retried
from service.db.proved_log import read_log
from service.domain.actor import WORKER
from service.domain.canonical import Document
from service.domain.rulebook import Rulebook, change
from service.workflow.context import Context
from service.workflow.rules_in_force import adopt
from service.workflow.tell import tell


@retried
def announce(ctx: Context) -> None:
    """Audit the rules of this process, unless the last ones in the log are the same.

    Signed rules come into force with that. Where people sign, read the log as well: what judges signatures has to know
    all of it. Raise Unavailable, also if the rules may not come into force.
    """
    adopt(ctx)
    names = {account.account_id: account.name for account in ctx.accounts.named()}
    now = Rulebook(ctx.policy, ctx.rules, ctx.directory, names, ctx.signing.document()).document()
    with read(ctx.engine) as tx:
        if ctx.signing.founders:
            read_log(tx)  # once, before anybody waits for it
        if change(_last(audit.last_policy(tx)), now) is None:
            return
    with begin(ctx.engine) as tx:
        audit.hold(tx)  # another process may be starting, too
        event = change(_last(audit.last_policy(tx)), now)
        if event is not None:
            tell(ctx, tx, event, actor=WORKER, at=ctx.now())


def _last(content: str | None) -> Document | None:
    """Return the rulebook of the last event; None if there is none, or the service did not write it."""
    try:
        rulebook = json.loads(content or "{}")["data"]["rulebook"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return rulebook if isinstance(rulebook, dict) else None
