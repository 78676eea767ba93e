"""Reads: what a caller may see, and the actions that they may take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.db import expectations, people, requests
from service.db.engine import Tx, read, retried
from service.domain.account import Account, Part, RootCredentials
from service.domain.actor import Actor
from service.domain.capability import plan
from service.domain.demands import SignedApprovals
from service.domain.directory import Directory
from service.domain.drift import Expectation
from service.domain.errors import Code, NotFound, no_such_account
from service.domain.permissions import SEE_ALL, Action, actions, check_may_see, is_awaited, may_see_email
from service.domain.policy import Policy
from service.domain.request import OperationRequest
from service.domain.selection import Awaiting, Cursor, Listed, Reader, Selection
from service.domain.standing import Standing
from service.workflow.context import Context
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in
from service.workflow.standing import standing_of, standings_of

# Requests under rules are judged in chunks of this size, and so many chunks at most in one call.
_CHUNK, _MOST_CHUNKS = 100, 10


@dataclass(frozen=True, slots=True)
class Shown:
    """A request and its standing at one moment, as the actor sees it."""

    request: OperationRequest
    standing: Standing
    actor: Actor
    now: datetime

    @property
    def actions(self) -> tuple[Action, ...]:
        """Return what the actor may do."""
        return actions(self.request, self.actor, self.standing, self.now)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of requests, the people whom it names, and the cursor of the next page."""

    requests: list[Listed]
    directory: Directory
    following: Cursor | None


@retried
@recording_sign_ins
def show(ctx: Context, caller: Caller, request_id: str) -> Shown:
    """Return a request that the caller may see. Raise NotFound, Unauthenticated, Forbidden, Unavailable."""
    with read(ctx.engine) as tx:
        return shown(ctx, tx, caller, request_id)


def shown(ctx: Context, tx: Tx, caller: Caller, request_id: str) -> Shown:
    """Do what `show` does in a transaction that is there. It may raise News as well."""
    actor = signed_in(ctx, tx, caller)
    request = request_for(tx, actor, request_id)
    standing = standing_of(ctx, tx, request, actor, just_signed_in=actor is not caller)
    return Shown(request, standing, actor, ctx.now())


def request_for(tx: Tx, actor: Actor, request_id: str) -> OperationRequest:
    """Return a request that the actor may see. Raise NotFound."""
    request = requests.get(tx, request_id)
    if request is None:
        raise NotFound(Code.NOT_FOUND)
    check_may_see(request, actor)
    return request


@retried
@recording_sign_ins
def list_requests(
    ctx: Context, caller: Caller, selection: Selection, *, awaiting_me: bool, after: Cursor | None, limit: int
) -> Page:
    """Return a page of requests, newest first. Raise Unauthenticated, Forbidden, Unavailable."""
    with read(ctx.engine) as tx:
        actor = signed_in(ctx, tx, caller)
        selection = replace(selection, reader=_reader(actor))
        if awaiting_me:
            selection = replace(selection, awaiting=_awaiting(ctx, tx, actor))
        found, following = _found(ctx, tx, actor, selection, after=after, limit=limit)
        named = {who for request in found for who in (request.filing.requester, request.filing.recipient)}
        named -= ctx.directory.members.keys()  # the settings name these
        return Page(found, ctx.directory.joined(people.some(tx, named)), following)


def _awaiting(ctx: Context, tx: Tx, actor: Actor) -> Awaiting:
    approvers = people.concerned(tx, [actor.subject], groups=ctx.directory.approver_groups())
    return Awaiting(
        actor.subject,
        ctx.directory.joined(approvers),
        quorum=ctx.policy.quorum,
        now=ctx.now(),
        are_ruled=bool(ctx.rules) or ctx.policy.lacks_comment(None) or _has_to_sign(ctx.policy),
    )


def _has_to_sign(policy: Policy) -> bool:
    return policy.signed_approvals is not SignedApprovals.OFF


def _found(
    ctx: Context, tx: Tx, actor: Actor, selection: Selection, *, after: Cursor | None, limit: int
) -> tuple[list[Listed], Cursor | None]:
    """Return at most `limit` requests after the cursor, newest first, and the cursor of the next page.

    Those under rules are judged one by one, and so many at most in one call. So a page may hold fewer.
    """
    if selection.awaiting is None:
        page = requests.select_page(tx, selection, after=after, limit=limit + 1)
        return page[:limit], _cursor(page[limit - 1]) if len(page) > limit else None
    found: list[Listed] = []
    # Without rules, the first chunk is the page.
    size = max(limit + 1, _CHUNK) if selection.awaiting.are_ruled else limit + 1
    for _ in range(_MOST_CHUNKS):
        chunk = requests.select_page(tx, selection, after=after, limit=size)
        left_out = _not_awaited(ctx, tx, actor, selection.awaiting, chunk)
        found += [listed for listed in chunk if listed.filing.request_id not in left_out]
        if len(found) > limit:
            return found[:limit], _cursor(found[limit - 1])
        if len(chunk) < size:
            return found, None
        after, size = _cursor(chunk[-1]), max(limit + 1, _CHUNK)
    return found, after


def _cursor(last: Listed) -> Cursor:
    return Cursor(last.filing.filed_at, last.filing.request_id)


def _not_awaited(ctx: Context, tx: Tx, actor: Actor, awaiting: Awaiting, page: Sequence[Listed]) -> set[str]:
    """Return the ids of the requests that do not wait for this actor after all."""
    ruled = [listed.filing.request_id for listed in page if awaiting.is_ruled(listed)]
    if not ruled:
        return set()
    judged = requests.by_ids(tx, ruled)
    return {
        request.filing.request_id
        for request, standing in zip(judged, standings_of(ctx, tx, judged, actor), strict=True)
        # A request that is barred stays in the list, so that somebody rejects or withdraws it.
        if not (standing.barred_because(request) or is_awaited(request, actor, standing, awaiting.now))
    }


def _reader(actor: Actor) -> Reader | None:
    """Return which requests the actor sees; None for all."""
    if actor.has(*SEE_ALL, on=None):
        return None
    limits = [actor.limits.get(role, frozenset()) for role in SEE_ALL if role in actor.roles]
    return Reader(actor.subject, frozenset(account for limit in limits for account in limit))


def known_account(ctx: Context, account_id: str) -> Account:
    """Return an account. Raise NotFound if it is not configured; Unavailable."""
    account = ctx.accounts.get(account_id)
    if account is None:
        raise no_such_account()
    return account


@retried
def account_and_expectation(ctx: Context, actor: Actor, account_id: str) -> tuple[Account, Expectation | None]:
    """Return an account, and what the service expects its root user to have. Raise NotFound, Unavailable.

    The address is there only for whoever may see it.
    """
    account = known_account(ctx, account_id)
    with read(ctx.engine) as tx:
        found = expectations.get(tx, account_id)
    if found is None or may_see_email(actor, account_id):
        return account, found
    return account, replace(found, email=None)


def root_credentials(ctx: Context, actor: Actor, account_id: str) -> tuple[Account, RootCredentials]:
    """Read the live state from AWS, with the address only for whoever may see it.

    Raise NotFound, Conflict if no source can read it, Unavailable.
    """
    account = known_account(ctx, account_id)
    parts = set(Part) if may_see_email(actor, account_id) else set(Part) - {Part.EMAIL}
    with ctx.roots.sign_in(account, plan(account)) as root:
        return account, root.observe(ctx.now(), *parts)
