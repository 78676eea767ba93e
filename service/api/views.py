"""From the domain to what is sent: names beside subjects, nothing decided here."""

from service.api import outputs as out
from service.domain.account import Account, RootCredentials
from service.domain.canonical import seconds
from service.domain.operation import CreatedKey, warnings
from service.domain.request import Filing, OperationRequest
from service.workflow.context import Context
from service.workflow.read import Shown


def request_out(ctx: Context, shown: Shown) -> out.RequestOut:
    request, filing = shown.request, shown.request.filing
    observed = credentials_out(filing.observed)
    target = filing.operation.access_key_id
    return out.RequestOut(
        id=filing.request_id,
        status=request.status,
        operation=filing.operation.name,
        account=_account(ctx, filing.account_id),
        access_key=next((key for key in observed.keys if key.access_key_id == target), None),
        warnings=_warnings(filing),
        requester=_requester(ctx, filing),
        recipient=_actor(ctx, filing.recipient),
        justification=filing.justification,
        ticket=filing.ticket,
        run_on_approval=filing.run_on_approval,
        accept_lockout=filing.accept_lockout,
        observed=observed,
        clocks=_clocks(request),
        quorum=out.QuorumOut(needed=shown.standing.needed(request), counted=shown.standing.approvals(request)),
        decisions=_decisions(ctx, shown),
        executed_by=_actor(ctx, request.claimed_by) if request.claimed_by else None,
        result=_result(request),
        digest=request.digest,
        actions=[
            out.ActionOut(action=action.name, allowed=action.allowed, code=action.code, reason=action.reason)
            for action in shown.actions
        ],
    )


def summary_out(ctx: Context, request: OperationRequest) -> out.RequestSummaryOut:
    filing = request.filing
    return out.RequestSummaryOut(
        id=filing.request_id,
        status=request.status,
        operation=filing.operation.name,
        account=_account(ctx, filing.account_id),
        access_key_id=filing.operation.access_key_id,
        warnings=_warnings(filing),
        requester=_requester(ctx, filing),
        recipient=_actor(ctx, filing.recipient),
        justification=filing.justification,
        ticket=filing.ticket,
        run_on_approval=filing.run_on_approval,
        filed_at=filing.filed_at,
        approve_by=filing.approve_by,
        execute_by=request.execute_by,
        digest=request.digest,
    )


def created_key_out(request: OperationRequest, key: CreatedKey) -> out.CreatedKeyOut:
    """The one place where a secret is revealed into an answer as JSON."""
    return out.CreatedKeyOut(
        access_key_id=key.access_key_id,
        secret_access_key=key.secret.reveal(),
        created_at=key.created_at,
        account_id=request.filing.account_id,
        request_id=request.filing.request_id,
        receipt_by=request.receipt_by,
    )


def rootkey_csv(key: CreatedKey) -> str:
    """The two lines that the AWS console has long put into `rootkey.csv`."""
    return f"AWSAccessKeyId={key.access_key_id}\r\nAWSSecretKey={key.secret.reveal()}\r\n"


def account_out(account: Account) -> out.ConfiguredAccountOut:
    return out.ConfiguredAccountOut.model_validate(account, from_attributes=True)


def credentials_out(observed: RootCredentials) -> out.RootCredentialsOut:
    return out.RootCredentialsOut.model_validate(observed, from_attributes=True)


def _account(ctx: Context, account_id: str) -> out.AccountOut:
    """The id alone for an account that was taken out of the settings."""
    account = ctx.accounts.get(account_id)
    return out.AccountOut(account_id=account_id, name=account.name if account else account_id)


def _actor(ctx: Context, subject: str) -> out.ActorOut:
    return out.ActorOut(subject=subject, name=ctx.directory.name_of(subject))


def _requester(ctx: Context, filing: Filing) -> out.RequesterOut:
    return out.RequesterOut.model_validate(
        {
            "subject": filing.requester,
            "name": ctx.directory.name_of(filing.requester),
            "kind": filing.requester_kind,
        }
    )


def _warnings(filing: Filing) -> list[out.WarningOut]:
    found = warnings(filing.operation, filing.observed, accept_lockout=filing.accept_lockout)
    return [out.WarningOut.model_validate(caution, from_attributes=True) for caution in found]


def _decisions(ctx: Context, shown: Shown) -> list[out.DecisionOut]:
    return [
        out.DecisionOut(
            person=_actor(ctx, decision.person),
            decision=decision.verdict.value,
            digest=decision.digest,
            comment=decision.comment,
            decided_at=decision.decided_at,
            void_because=shown.standing.void_because(shown.request, decision),
        )
        for decision in shown.request.decisions
    ]


def _clocks(request: OperationRequest) -> out.ClocksOut:
    return out.ClocksOut(
        filed_at=request.filing.filed_at,
        approve_by=request.filing.approve_by,
        approved_at=request.approved_at,
        execute_by=request.execute_by,
        executed_at=request.claimed_at,
        settled_at=request.settled_at,
        receipt_window_seconds=seconds(request.filing.receipt_window),
        receipt_by=request.receipt_by,
        received_at=request.received_at,
        deactivated_at=request.deactivated_at,
        rollback_grace_seconds=seconds(request.filing.rollback_grace),
        ended_at=request.ended_at,
    )


def _result(request: OperationRequest) -> out.ResultOut | None:
    if request.result is None:
        return None
    return out.ResultOut.model_validate(request.result, from_attributes=True)
