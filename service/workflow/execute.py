"""Execution: short transactions before and after the AWS call, none open during it.

Judge; judge again, claim and commit; act once; settle and commit; only then return a secret. After a kill in between
the request stays `executing`, and `reconcile.py` ends it.
"""

import logging
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from service.db import audit, requests
from service.db.engine import Tx, begin, read, retried
from service.domain.account import difference
from service.domain.actor import WORKER, Actor
from service.domain.capability import plan_for
from service.domain.errors import Code, Conflict, ExecutionFailed, Forbidden, ServiceError, Unauthenticated, Unavailable
from service.domain.event_table import EXECUTION_DENIED
from service.domain.events import quarantined
from service.domain.operation import Operation, OperationName, check_can_run, facts
from service.domain.outcome import CreatedKey, Done, Outcome, Refused, ResultCode, SealedKey
from service.domain.permissions import check_may_execute, check_still_signed_in
from service.domain.policy import check_lifetime, check_root_mfa, check_sealed_delivery
from service.domain.request import OperationRequest, Result, Status
from service.domain.standing import Standing
from service.workflow.change import Step, change, deny, record
from service.workflow.clocks import check_clock
from service.workflow.context import Context, RootSession
from service.workflow.read import shown
from service.workflow.seal import checked, sealed
from service.workflow.standing import policy_of, standing_of
from service.workflow.ticket import check_at_execution
from service.workflow.watch import check_worked

logger = logging.getLogger(__name__)


def execute(ctx: Context, actor: Actor, request_id: str) -> tuple[OperationRequest, CreatedKey | SealedKey | None]:
    """Run an approved request, once, and return it with the key if it made one. It is sealed if it was so filed.

    The request is then `succeeded`, `delivered` or `in_doubt`. Raise ExecutionFailed if it ended as `failed`. Raise
    Unauthenticated, Forbidden, NotFound or Conflict (audited) if it may not run. Raise Unavailable if the account or
    the database is unreachable, a clock is wrong, or no worker runs. Nothing was done then, unless the code is
    `not_recorded`. If the recipient can no longer sign in, the new key is deleted, and the error is that of a sign-in.
    """

    def judge(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        check_may_execute(request, actor, standing, now)
        filing = request.filing
        check_lifetime(standing.policy, filing.operation, filing.lifetime)
        check_sealed_delivery(standing.policy, filing.operation, filing.sealed_to)
        return request

    def judge_and_try(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
        """Seal on trial, too. That is not for the claim, which holds the log: what was filed never changes."""
        judged = judge(request, standing, actor, now)
        checked(judged.filing.sealed_to)
        return judged

    # Judged twice: now, so that a refusal costs no call to AWS, and again in the claim, which is what counts.
    approved = _judged(ctx, actor, request_id, judge_and_try)
    _check_ticket(ctx, actor, approved)
    # Before the claim: an unreachable account must not use up the request's only execution.
    account = ctx.account(approved.filing.account_id)
    operation = approved.filing.operation
    planned = plan_for(account, operation)
    with ctx.sign_in(approved.filing, planned) as root:
        # Reconciliation compares the keys with these: a key that is not among them is new.
        known_key_ids = tuple(root.observe(ctx.now(), *operation.kind.reads).statuses)

        def claim(request: OperationRequest, standing: Standing, actor: Actor, now: datetime) -> OperationRequest:
            return judge(request, standing, actor, now).claim(
                by=actor.subject, source=planned.source, known_key_ids=known_key_ids, now=now
            )

        try:
            claimed = change(ctx, actor, request_id, claim, denied=EXECUTION_DENIED, against_log=True).request
        except IntegrityError as error:
            if not requests.is_busy(error):
                raise
            raise Conflict(Code.ACCOUNT_BUSY) from error
        outcome = _sealed(ctx, root, claimed, _act(ctx, root, claimed))
        settled = _settle(ctx, actor, root, claimed, outcome)
    if isinstance(outcome, Refused):
        raise ExecutionFailed(Code.EXECUTION_FAILED, why=outcome.detail)
    return settled, outcome.created if isinstance(outcome, Done) else None


def _judged(ctx: Context, actor: Actor, request_id: str, judge: Step) -> OperationRequest:
    """Judge in a transaction that only reads. Only a refusal is worth one that writes."""
    try:
        return _seen(ctx, actor, request_id, judge)
    except Unavailable:
        raise
    except ServiceError:
        approved = change(ctx, actor, request_id, judge, denied=EXECUTION_DENIED).request
    with read(ctx.engine) as tx:
        _check_is_worked(ctx, tx, approved)
    return approved


@retried
def _seen(ctx: Context, actor: Actor, request_id: str, judge: Step) -> OperationRequest:
    with read(ctx.engine) as tx:
        # First of all: judged by a wrong clock, a request would expire.
        check_clock(ctx, tx)
        found = shown(ctx, tx, actor, request_id)
        judged = judge(found.request, found.standing, actor, found.now)
        _check_is_worked(ctx, tx, judged)
    return judged


def _check_is_worked(ctx: Context, tx: Tx, approved: OperationRequest) -> None:
    if approved.filing.operation.is_create:
        check_worked(ctx, tx)


def _check_ticket(ctx: Context, actor: Actor, approved: OperationRequest) -> None:
    """Check the ticket outside of any transaction, because a tracker can be slow. Audit a refusal like any other."""
    try:
        check_at_execution(ctx, policy_of(ctx, approved), approved.filing.ticket)
    except Unavailable:
        raise
    except ServiceError as refusal:
        deny(ctx, actor, approved.filing.request_id, refusal, EXECUTION_DENIED)


def _act(ctx: Context, root: RootSession, claimed: OperationRequest) -> Outcome:
    """Compare the account with the approved state again, then make the one call."""
    filing = claimed.filing
    try:
        found = root.observe(ctx.now(), *filing.operation.kind.reads)
        changed = difference(facts(filing.operation, filing.observed), facts(filing.operation, found))
        if changed is not None:
            return Refused(
                code=ResultCode.ACCOUNT_CHANGED, detail=f"The account has changed since the approval: {changed}."
            )
        check_can_run(filing.operation, found, accept_lockout=filing.accept_lockout)
        check_root_mfa(policy_of(ctx, claimed), filing.operation, found, approved_on=filing.observed)
    except ServiceError as refusal:
        if refusal.exact != refusal.detail:
            logger.warning("%s", refusal.exact)  # the outcome has only what callers may read
        return Refused(code=refusal.code, detail=refusal.detail)
    if claimed.claimed_at is None or ctx.now() - claimed.claimed_at > ctx.roots.call_budget * 2 / 3:
        # This process was frozen. The last third of the budget is for the call. After the budget, reconciliation reads
        # AWS and ends the request; nobody would notice a later effect.
        return Refused(
            code=ResultCode.TOO_LATE, detail="The execution was delayed too long, and nothing was sent to AWS."
        )
    return root.perform(filing.operation)


def _sealed(ctx: Context, root: RootSession, claimed: OperationRequest, outcome: Outcome) -> Outcome:
    """Seal a new key, if it was so filed. A key that cannot be sealed is deleted without showing its secret."""
    if not isinstance(outcome, Done) or outcome.created is None:
        return outcome
    try:
        return sealed(claimed.filing, outcome)
    except BaseException as error:  # whatever went wrong, the key must not outlive it
        _forfeit(ctx, root, claimed, outcome.created.access_key_id, ResultCode.NOT_SEALED)
        if not isinstance(error, Exception):
            raise
        raise Unavailable(Code.NOT_RECORDED) from error


def _settle(
    ctx: Context, actor: Actor, root: RootSession, claimed: OperationRequest, outcome: Outcome
) -> OperationRequest:
    """Record the outcome.

    Delete a new key without showing its secret if it cannot be recorded, or if its recipient was barred meanwhile.
    """
    created = outcome.created if isinstance(outcome, Done) else None
    try:
        # Do not check the worker's lease: only this process knows what AWS did. The version guards the row.
        with begin(ctx.engine) as tx:
            # Before the row changes: a claim of the same account holds the log while it waits for this row's index.
            requests.hold(tx, claimed.filing.request_id)
            audit.hold(tx)
            if created is not None:
                check_still_signed_in(actor, standing_of(ctx, tx, claimed, actor))
            now = ctx.now()
            settled = claimed.settle(outcome, now)
            record(ctx, tx, actor, claimed, settled, at=now)
    except BaseException as error:  # on any error, even a shutdown, the key must be deleted
        is_barred = isinstance(error, Unauthenticated | Forbidden)
        if created is not None:
            _forfeit(
                ctx,
                root,
                claimed,
                created.access_key_id,
                ResultCode.SECRET_WITHHELD if is_barred else ResultCode.NOT_RECORDED,
            )
        if is_barred:
            raise
        if not isinstance(error, Exception):
            raise
        raise Unavailable(Code.NOT_RECORDED) from error
    return settled


# Why a new key was deleted at once.
_FORFEITED = {
    ResultCode.NOT_RECORDED: "The new key could not be recorded and was deleted; nobody has its secret.",
    ResultCode.NOT_SEALED: "The new key could not be sealed and was deleted; nobody has its secret.",
    ResultCode.SECRET_WITHHELD: "The recipient could no longer sign in when AWS had created the key. It was deleted; "
    "nobody has its secret.",
}


def _forfeit(ctx: Context, root: RootSession, claimed: OperationRequest, key_id: str, why: ResultCode) -> None:
    """Delete a key whose secret nobody will see, and record that if the database allows it.

    While the row is `executing`, reconciliation repairs any failure here, because it finds the key as new. If the
    commit succeeded and only its response was lost, the row is `delivered`: then roll it back, or, if AWS does not
    delete the key, report the key.
    """
    deletion = root.perform(Operation(OperationName.DELETE_ACCESS_KEY, key_id))
    deleted = isinstance(deletion, Done)
    now = ctx.now()
    try:
        with begin(ctx.engine) as tx:
            current = requests.lock(tx, claimed.filing.request_id)
            if current is None:
                return
            audit.hold(tx)
            if current.status is Status.EXECUTING and deleted:
                refused = Refused(code=why, detail=_FORFEITED[why], signer_key_id=root.signer_key_id)
                record(ctx, tx, WORKER, current, current.settle(refused, now), at=now)
            elif current.status is Status.DELIVERED and deleted:
                result = Result(code=why, detail=_FORFEITED[why], access_key_id=key_id)
                record(ctx, tx, WORKER, current, current.roll_back(result, now), at=now)
            elif current.status is Status.DELIVERED:
                record(ctx, tx, WORKER, current, current, quarantined(key_id), at=now)
    except Unavailable:
        return
