"""The standing of a request today: the people, tokens and rules by which it is judged."""

from collections.abc import Collection

from service.db import audit, people, tokens
from service.db.engine import Tx
from service.domain.actor import WORKER, Actor, ActorKind, Directory
from service.domain.permissions import Standing
from service.domain.proof import is_sign_in
from service.domain.request import OperationRequest
from service.workflow.context import Context

# So many approvers more than needed are read, since some of them may not count after all.
_SPARE = 5


def standing_of(
    ctx: Context,
    tx: Tx,
    request: OperationRequest,
    actor: Actor | None = None,
    *,
    held: bool = False,
    all_approvers: bool = False,
) -> Standing:
    """Return today's people, tokens and policy, to judge this request and what `actor` does to it.

    Of those who could still decide it has as many as the quorum needs, if there are so many, or `all_approvers`.
    `held` blocks suspensions and token revocations until the transaction ends. Take every other lock before.
    """
    if held:
        audit.hold(tx)
    filing = request.filing
    concerned = {filing.requester, filing.recipient, *(decision.person for decision in request.decisions)}
    concerned |= {subject for subject in (request.claimed_by, actor.subject if actor else None) if subject}
    owners, good = _credentials(ctx, tx, request, None if actor == WORKER else actor)
    directory = directory_for(
        ctx,
        tx,
        concerned,
        account_id=filing.account_id,
        approvers=None if all_approvers else max(ctx.policy.quorum, filing.quorum),
    )
    return Standing(directory, owners, ctx.policy, good)


def directory_for(
    ctx: Context, tx: Tx, subjects: Collection[str], *, account_id: str, approvers: int | None
) -> Directory:
    """Return the directory with these people, and with so many approvers of the account besides them, all for None.

    If there are fewer, it has them all. Of other approvers in the settings it does not know who is suspended.
    """
    others = ctx.directory.approvers_of(account_id).difference(subjects)
    named = [subject for subject in ctx.directory.index.approvers if subject in others]
    groups = ctx.directory.approver_groups(account_id)

    def first(limit: int | None) -> tuple[Directory, bool]:
        found = people.concerned(tx, subjects, approvers=named[:limit], groups=groups, limit=limit)
        directory = ctx.directory.joined(found)
        if limit is None:
            return directory, True
        is_whole = max(len(named), len(found) if groups else 0) < limit
        known = directory.approvers_of(account_id).difference(subjects, named[limit:])
        return directory, is_whole or len(known) >= (approvers or 0)

    directory, is_enough = first(None if approvers is None else approvers + _SPARE)
    return directory if is_enough else first(None)[0]


def _credentials(
    ctx: Context, tx: Tx, request: OperationRequest, actor: Actor | None
) -> tuple[dict[str, str], frozenset[str]]:
    """Return the owner of each credential that is good for a vote, and the actor's if it could sign in now.

    A provider's sign-in was proved when it was used; the directory has its person's current state.
    """
    used = {decision.credential: decision.person for decision in request.decisions}
    if actor is not None:
        used[actor.credential] = actor.subject
    owners = {credential: person for credential, person in used.items() if is_sign_in(credential)}
    stored = tokens.some(tx, used.keys() - owners.keys()) if len(owners) < len(used) else ()
    owners |= {
        token.id: token.subject for token in stored if token.kind is ActorKind.PERSON and token.revoked_at is None
    }
    if actor is None:
        return owners, frozenset()
    now = ctx.now()
    signs_in = is_sign_in(actor.credential) or any(
        token.id == actor.credential and token.signs_in(actor.subject, actor.kind, now) for token in stored
    )
    return owners, frozenset({actor.credential} if signs_in else ())
