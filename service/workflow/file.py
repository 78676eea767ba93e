"""Filing, and the preview of it: what cannot run is refused before anybody is asked to approve it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from service.db import requests
from service.db.engine import Tx, begin, read, retried
from service.domain.account import Part, RootCredentials
from service.domain.actor import Actor
from service.domain.canonical import Json, seconds, sha256
from service.domain.capability import plan_for
from service.domain.errors import Code, Conflict, Invalid, TooMany
from service.domain.events import filed
from service.domain.filing import Filing
from service.domain.operation import Operation, check_can_run
from service.domain.permissions import check_may_file, check_may_still_file, check_quorum_possible, recipient_of
from service.domain.policy import Policy, check_lifetime, check_root_mfa, check_sealed_delivery
from service.domain.reminder import next_look
from service.domain.request import OperationRequest
from service.domain.rotation_plan import RotationPlan
from service.workflow.context import Context
from service.workflow.read import Shown
from service.workflow.seal import checked
from service.workflow.standing import directory_for, standing_of
from service.workflow.tell import tell
from service.workflow.ticket import check_at_filing


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody asks for. `recipient` None means the requester. A rotation without a plan has the usual one."""

    account_id: str
    operation: Operation
    justification: str
    ticket: str | None = None
    recipient: str | None = None
    lifetime: timedelta | None = None
    run_on_approval: bool = False
    accept_lockout: bool = False
    sealed_to: str | None = None
    drill: bool = False
    rotation: RotationPlan | None = None

    @property
    def hash(self) -> str:
        """Hex SHA-256 of all of it: an Idempotency-Key is good for one and the same draft."""
        lifetime: dict[str, Json] = {} if self.lifetime is None else {"lifetime_seconds": seconds(self.lifetime)}
        sealed: dict[str, Json] = {} if self.sealed_to is None else {"sealed_to": self.sealed_to}
        rotation: dict[str, Json] = {} if self.rotation is None else {"rotation": self.rotation.document()}
        return sha256(
            {
                "account_id": self.account_id,
                **self.operation.document(),
                **lifetime,
                **rotation,
                "justification": self.justification,
                "ticket": self.ticket,
                "recipient": self.recipient,
                "run_on_approval": self.run_on_approval,
                "accept_lockout": self.accept_lockout,
                **sealed,
                **({"drill": True} if self.drill else {}),
            }
        )


def file(ctx: Context, actor: Actor, draft: Draft, *, idempotency_key: str | None = None) -> Shown:
    """File `draft`, or return what the same actor filed before with the same key and draft.

    Raises Forbidden, Invalid or Conflict with the reason why it cannot be filed or could not run. Raises TooMany if the
    actor has too many open requests; Unauthenticated or Forbidden for whoever could not sign in or file any more when
    AWS had been asked; Unavailable when AWS, the ticket's tracker or the database is away. Nothing was filed then.
    """
    check_may_file(actor, draft.account_id)
    if idempotency_key is not None:
        replayed = _replay(ctx, actor, draft, idempotency_key)
        if replayed is not None:
            return replayed
    request = _prepared(ctx, actor, draft)
    if request is None:
        return _twin(ctx, actor, draft, idempotency_key)
    try:
        return _store(ctx, actor, request, draft, idempotency_key)
    except IntegrityError as error:
        if not requests.is_duplicate(error):
            raise
        return _twin(ctx, actor, draft, idempotency_key)


def preview(ctx: Context, actor: Actor, draft: Draft) -> Shown:
    """Return `draft` as if it were filed now, and file nothing. Nobody knows its id. Raises what `file` does."""
    check_may_file(actor, draft.account_id)
    request = _prepared(ctx, actor, draft)
    if request is None:
        raise Conflict(Code.DUPLICATE_REQUEST)
    return _shown(ctx, actor, request)


@retried
def _shown(ctx: Context, actor: Actor, request: OperationRequest) -> Shown:
    with read(ctx.engine) as tx:
        standing = standing_of(ctx, tx, request, actor)
        check_may_still_file(request, actor, standing)
        return Shown(request, standing, actor, ctx.now())


def _prepared(ctx: Context, actor: Actor, draft: Draft) -> OperationRequest | None:
    """Read the account, and return the request if it could run there. Return None if the same one is open already."""
    account = ctx.account(draft.account_id)
    placement = ctx.placement(draft.account_id)
    demands = ctx.demands(draft.account_id, draft.operation.name, placement)
    policy = ctx.policy.under(demands)
    check_lifetime(policy, draft.operation, draft.lifetime)
    check_sealed_delivery(policy, draft.operation, draft.sealed_to)
    sealed_to = checked(draft.sealed_to)
    check_at_filing(ctx, policy, draft.ticket)
    planned = plan_for(account, draft.operation)
    recipient, is_open = _look(ctx, actor, draft, policy)
    if is_open:
        return None
    # Nothing is done now, so nothing that could do it signs in.
    with ctx.roots.sign_in(account, planned.to_read) as root:
        # The filing is in the log in clear, so it has no address that it does not need.
        parts = set(Part) - {Part.SIGNER, Part.EMAIL} | set(draft.operation.kind.reads)
        observed = root.observe(ctx.now(), *parts)
    check_can_run(draft.operation, observed, accept_lockout=draft.accept_lockout)
    check_root_mfa(policy, draft.operation, observed)
    filing = replace(
        _filing(ctx, actor, draft, recipient, observed),
        sealed_to=sealed_to,
        quorum=policy.quorum,
        demands=demands,
        placement=placement if ctx.rules else None,
        signed_approvals=policy.signed_approvals,
        rules=None if ctx.signed_rules is None else ctx.signed_rules.file.rules.digest,
    )
    return replace(OperationRequest.file(filing), look_at=next_look(filing, filing.filed_at))


@retried
def _look(ctx: Context, actor: Actor, draft: Draft, policy: Policy) -> tuple[str, bool]:
    """Return the recipient, and whether the same request is open already. Raise Invalid, TooMany, Unavailable."""
    with read(ctx.engine) as tx:
        people = {actor.subject, draft.recipient or actor.subject}
        directory = directory_for(ctx, tx, people, policy, account_id=draft.account_id)
        recipient = recipient_of(directory, actor, draft.operation, draft.recipient)
        check_quorum_possible({actor.subject, recipient}, draft.account_id, directory, policy)
        is_open = requests.open_for(tx, draft.account_id, draft.operation, drill=draft.drill)
        if not is_open:
            _check_room(ctx, tx, actor)  # here as well, so that nobody has AWS asked for nothing
        return recipient, is_open


def _twin(ctx: Context, actor: Actor, draft: Draft, idempotency_key: str | None) -> Shown:
    """Return an earlier filing with the same idempotency key. Raise Conflict for one without."""
    replayed = _replay(ctx, actor, draft, idempotency_key) if idempotency_key is not None else None
    if replayed is None:
        raise Conflict(Code.DUPLICATE_REQUEST)
    return replayed


@retried
def _store(ctx: Context, actor: Actor, request: OperationRequest, draft: Draft, idempotency_key: str | None) -> Shown:
    with begin(ctx.engine) as tx:
        requests.add(
            tx,
            request,
            idempotency_key=idempotency_key,
            idempotency_hash=None if idempotency_key is None else draft.hash,
        )
        # Judged with the log held, so after the insert, which may wait for another of the same thing.
        standing = standing_of(ctx, tx, request, actor, held=True)
        # With the log held, two filings at once cannot both take the last place. This one is among those counted.
        _check_room(ctx, tx, actor, besides=1)
        check_may_still_file(request, actor, standing)
        # The account may have been tagged since the demands were worked out. Then the next step refuses.
        as_filed = replace(standing, policy=ctx.policy.under(request.filing.demands))
        tell(ctx, tx, filed(request), actor=actor, at=request.filing.filed_at, request=request, standing=as_filed)
    return Shown(request, standing, actor, ctx.now())


def _check_room(ctx: Context, tx: Tx, actor: Actor, *, besides: int = 0) -> None:
    """Raise TooMany if the actor has `most_open` open requests, `besides` some that do not count."""
    if ctx.most_open is not None and requests.count_open(tx, actor.subject) - besides >= ctx.most_open:
        raise TooMany(Code.TOO_MANY_OPEN)


@retried
def _replay(ctx: Context, actor: Actor, draft: Draft, key: str) -> Shown | None:
    with read(ctx.engine) as tx:
        found = requests.by_idempotency_key(tx, actor.subject, key)
        if found is None:
            return None
        request, draft_hash = found
        if draft_hash != draft.hash:
            raise Invalid(Code.IDEMPOTENCY_KEY_REUSED)
        return Shown(request, standing_of(ctx, tx, request, actor), actor, ctx.now())


def _filing(ctx: Context, actor: Actor, draft: Draft, recipient: str, observed: RootCredentials) -> Filing:
    now = ctx.now()
    return Filing(
        request_id=ctx.new_id(),
        account_id=draft.account_id,
        operation=draft.operation,
        requester=actor.subject,
        requester_kind=actor.kind,
        recipient=recipient,
        justification=draft.justification,
        ticket=draft.ticket,
        run_on_approval=draft.run_on_approval,
        accept_lockout=draft.accept_lockout,
        quorum=ctx.policy.quorum,
        filed_at=now,
        approve_by=now + ctx.policy.approval_window,
        execution_window=ctx.policy.execution_window,
        receipt_window=ctx.policy.receipt_window,
        rollback_grace=ctx.policy.rollback_grace,
        lifetime=draft.lifetime,
        drill=draft.drill,
        rotation=(draft.rotation or RotationPlan()) if draft.operation.is_rotation else None,
        observed=observed,
    )
