"""Reads: what a caller may see, and the actions that they may take."""

from dataclasses import dataclass, replace

from service.db import expectations, requests
from service.db.engine import read, retried
from service.domain.account import Account, Part, RootCredentials
from service.domain.actor import Actor, Directory
from service.domain.capability import plan
from service.domain.drift import Expectation
from service.domain.errors import Code, NotFound, no_such_account
from service.domain.permissions import SEE_ALL, Action, Standing, actions, check_may_see
from service.domain.request import OperationRequest
from service.domain.selection import Awaiting, Cursor, Reader, Selection
from service.workflow.context import Context


@dataclass(frozen=True, slots=True)
class Shown:
    """A request, its standing today, and this caller's actions."""

    request: OperationRequest
    standing: Standing
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of requests, everybody who is known, and the cursor of the next page."""

    requests: list[OperationRequest]
    directory: Directory
    following: Cursor | None


@retried
def show(ctx: Context, actor: Actor, request_id: str) -> Shown:
    """Return a request that the actor may see. Raise NotFound, Unavailable."""
    with read(ctx.engine) as tx:
        request = requests.get(tx, request_id)
        if request is None:
            raise NotFound(Code.NOT_FOUND)
        check_may_see(request, actor)
        standing = ctx.standing(tx, request, actor)
    return Shown(request, standing, actions(request, actor, standing, ctx.now()))


@retried
def list_requests(
    ctx: Context, actor: Actor, selection: Selection, *, awaiting_me: bool, after: Cursor | None, limit: int
) -> Page:
    """Return a page of requests, newest first. Raise Unavailable."""
    selection = replace(selection, reader=_reader(actor))
    with read(ctx.engine) as tx:
        directory = ctx.people(tx)
        if awaiting_me:
            awaiting = Awaiting(actor.subject, directory, quorum=ctx.policy.quorum, now=ctx.now())
            selection = replace(selection, awaiting=awaiting)
        found = requests.select_page(tx, selection, after=after, limit=limit + 1)
    if len(found) <= limit:
        return Page(found, directory, None)
    last = found[limit - 1].filing
    return Page(found[:limit], directory, Cursor(last.filed_at, last.request_id))


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
def account_and_expectation(ctx: Context, account_id: str) -> tuple[Account, Expectation | None]:
    """Return an account, and what the service expects its root user to have. Raise NotFound, Unavailable."""
    account = known_account(ctx, account_id)
    with read(ctx.engine) as tx:
        return account, expectations.get(tx, account_id)


def root_credentials(ctx: Context, account_id: str) -> tuple[Account, RootCredentials]:
    """Read the live state from AWS. Raise NotFound, Conflict if no source can read it, Unavailable."""
    account = known_account(ctx, account_id)
    with ctx.roots.sign_in(account, plan(account)) as root:
        return account, root.observe(ctx.now(), *Part)
