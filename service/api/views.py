"""Converts domain objects into response bodies, with names beside subjects. It decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import islice

from pydantic import SecretStr

from service.api.schemas import outputs as out
from service.domain.account import Account, RootCredentials
from service.domain.briefing import Caution, closed_too_long, effect, few_approvers, sealed_to_unknown, warnings
from service.domain.canonical import seconds
from service.domain.capability import plan
from service.domain.delivery import Delivery
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.drift import DriftFinding, Expectation
from service.domain.errors import Conflict
from service.domain.filing import Filing
from service.domain.operation import KINDS, OperationName
from service.domain.outcome import CreatedKey, SealedKey
from service.domain.policy import Policy
from service.domain.request import OperationRequest, Status
from service.domain.sealed import fingerprint
from service.domain.selection import Listed
from service.workflow.drift import DriftCheck, OpenDrift
from service.workflow.read import Shown

# Maps an account's id, or a subject, to its name.
NameOf = Callable[[str], str]

_MOST_NAMED, _MOST_OF_A_GROUP = 10, 3


def request_out(account_name: NameOf, shown: Shown) -> out.RequestOut:
    request, filing = shown.request, shown.request.filing
    directory = shown.standing.directory
    observed = credentials_out(filing.observed)
    key_id = filing.operation.key_id
    return out.RequestOut(
        id=filing.request_id,
        status=request.status,
        operation=filing.operation.name,
        effect=effect(filing, directory.name_of),
        drill=filing.drill,
        account=_account(account_name, filing.account_id),
        target=filing.operation.target,
        access_key=next((key for key in observed.keys if key.access_key_id == key_id), None),
        warnings=_warnings(
            filing,
            sealed_to_unknown(request, shown.standing),
            few_approvers(request, shown.standing),
            closed_too_long(request, shown.standing, shown.now),
        ),
        requester=_requester(directory, filing),
        recipient=_actor(directory, filing.recipient),
        sealed_to=_sealed_to(filing),
        justification=filing.justification,
        ticket=filing.ticket,
        run_on_approval=filing.run_on_approval,
        accept_lockout=filing.accept_lockout,
        observed=observed,
        clocks=_clocks(request),
        rotation=_rotation(request),
        demands=[_demand(demand) for demand in filing.demands],
        quorum=_quorum(shown),
        could_approve=_could_approve(shown),
        decisions=_decisions(shown),
        executed_by=_actor(directory, request.claimed_by) if request.claimed_by else None,
        source=request.source,
        result=_result(request),
        digest=request.digest,
        actions=[
            out.ActionOut(action=action.name, allowed=action.allowed, code=action.code, reason=action.reason)
            for action in shown.actions
        ],
    )


def preview_out(account_name: NameOf, shown: Shown) -> out.PreviewOut:
    """Convert a request that was not filed, without what it does not have: an id, a digest, decisions and a result."""
    request = request_out(account_name, shown)
    return out.PreviewOut.model_validate(request.model_dump(include=set(out.PreviewOut.model_fields)))


def delivery_out(delivery: Delivery) -> out.DeliveryOut:
    return out.DeliveryOut(
        id=delivery.id,
        sequence=delivery.seq,
        event=delivery.event,
        destination=delivery.destination,
        request_id=delivery.request_id,
        status=delivery.status,
        attempts=delivery.attempts,
        detail=delivery.detail,
        reached=None if delivery.reached is None else sorted(delivery.reached),
        created_at=delivery.created_at,
        due_at=delivery.due_at,
        give_up_at=delivery.give_up_at,
        ended_at=delivery.ended_at,
    )


def page_out(
    account_name: NameOf, directory: Directory, found: Sequence[Listed], next_cursor: str | None
) -> Mapping[str, object]:
    """Convert a list to what `RequestPageOut` describes. Making that model would take longer than writing the page."""
    name_of = cache(directory.name_of)
    items = [_summary(account_name, name_of, listed) for listed in found]
    return {"items": items, "next_cursor": next_cursor}


def _summary(account_name: NameOf, name_of: NameOf, listed: Listed) -> dict[str, object]:
    # Enumerations become plain texts here: pydantic takes ten times as long to write one that it does not expect.
    filing = listed.filing
    requester = {"subject": filing.requester, "name": name_of(filing.requester), "kind": str(filing.requester_kind)}
    cautions = warnings(filing.operation, filing.observed, accept_lockout=filing.accept_lockout)
    return {
        "id": filing.request_id,
        "status": str(listed.status),
        "operation": str(filing.operation.name),
        "effect": effect(filing, name_of),
        "drill": filing.drill,
        "account": {"account_id": filing.account_id, "name": account_name(filing.account_id)},
        "target": filing.operation.target,
        "warnings": [{"code": str(caution.code), "detail": caution.detail} for caution in cautions],
        "requester": requester,
        "recipient": {"subject": filing.recipient, "name": name_of(filing.recipient)},
        "justification": filing.justification,
        "ticket": filing.ticket,
        "run_on_approval": filing.run_on_approval,
        "filed_at": filing.filed_at,
        "approve_by": filing.approve_by,
        "execute_by": listed.execute_by,
        "digest": listed.digest,
    }


def created_key_out(request: OperationRequest, key: CreatedKey) -> out.CreatedKeyOut:
    """Convert a new key. This is the only place where a secret goes into a JSON response."""
    return out.CreatedKeyOut(
        access_key_id=key.access_key_id,
        secret_access_key=SecretStr(key.secret.reveal()),
        created_at=key.created_at,
        account_id=request.filing.account_id,
        request_id=request.filing.request_id,
        receipt_by=request.receipt_by,
    )


def sealed_key_out(request: OperationRequest, key: SealedKey) -> out.SealedKeyOut:
    return out.SealedKeyOut(
        access_key_id=key.access_key_id,
        sealed=key.content,
        sealed_sha256=key.sha256,
        created_at=key.created_at,
        account_id=request.filing.account_id,
        request_id=request.filing.request_id,
        receipt_by=request.receipt_by,
    )


def account_out(account: Account) -> out.ConfiguredAccountOut:
    return out.ConfiguredAccountOut(
        account_id=account.account_id,
        name=account.name,
        partition=account.partition,
        state=account.state,
        is_management=account.is_management,
        sources=list(account.sources),
        organizational_units=None if account.units is None else sorted(account.units),
        tags=None if account.tags is None else dict(account.tags),
    )


def account_detail_out(
    account: Account, expectation: Expectation | None, policy_for: Callable[[OperationName], Policy]
) -> out.AccountDetailOut:
    return out.AccountDetailOut(
        **account_out(account).model_dump(),
        capabilities=[_capability(account, name, policy_for(name)) for name in OperationName],
        expected=None if expectation is None else _expectation(expectation),
    )


def finding_out(account_name: NameOf, finding: DriftFinding) -> out.FindingOut:
    drift = finding.drift
    return out.FindingOut(
        id=finding.id,
        account=_account(account_name, drift.account_id),
        kind=drift.kind,
        access_key_id=drift.access_key_id,
        expected=drift.expected,
        found=drift.found,
        found_at=finding.found_at,
        closed_at=finding.closed_at,
        accepted_by=finding.accepted_by,
    )


def drift_out(account_name: NameOf, drift: OpenDrift) -> out.DriftOut:
    return out.DriftOut(
        items=[finding_out(account_name, finding) for finding in drift.findings],
        oldest_check_at=drift.oldest_check_at,
        never_checked=drift.never_checked,
    )


def drift_check_out(account_name: NameOf, check: DriftCheck) -> out.DriftCheckOut:
    return out.DriftCheckOut(
        account=_account(account_name, check.expectation.account_id),
        adopted=check.adopted,
        expected=_expectation(check.expectation),
        open=[finding_out(account_name, finding) for finding in check.open],
    )


def credentials_out(observed: RootCredentials) -> out.RootCredentialsOut:
    return out.RootCredentialsOut.model_validate(observed, from_attributes=True)


def _account(account_name: NameOf, account_id: str) -> out.AccountOut:
    return out.AccountOut(account_id=account_id, name=account_name(account_id))


def _capability(account: Account, name: OperationName, policy: Policy) -> out.CapabilityOut:
    try:
        source, reason = plan(account, name).source, None
    except Conflict as refusal:
        source, reason = None, refusal.detail
    is_create = KINDS[name].makes_key
    needs = out.NeedsOut(
        quorum=policy.quorum,
        ticket_required=policy.ticket_required,
        lifetime_required=is_create and policy.needs_lifetime,
        max_lifetime=policy.max_lifetime if is_create else None,
    )
    return out.CapabilityOut(operation=name, possible=reason is None, source=source, reason=reason, needs=needs)


def _expectation(expectation: Expectation) -> out.ExpectationOut:
    return out.ExpectationOut(
        checked_at=expectation.checked_at,
        keys=[
            out.ExpectedKeyOut(access_key_id=key, status=expected.status, origin=expected.origin)
            for key, expected in sorted(expectation.keys.items())
        ],
        mfa_enabled=expectation.mfa_enabled,
        email=expectation.email,
    )


def _actor(directory: Directory, subject: str) -> out.ActorOut:
    return out.ActorOut(subject=subject, name=directory.name_of(subject))


def _sealed_to(filing: Filing) -> out.SealedToOut | None:
    key = filing.sealed_to
    return None if key is None else out.SealedToOut(key=key, fingerprint=fingerprint(key))


def _requester(directory: Directory, filing: Filing) -> out.RequesterOut:
    return out.RequesterOut.model_validate(
        {
            "subject": filing.requester,
            "name": directory.name_of(filing.requester),
            "kind": filing.requester_kind,
        }
    )


def _warnings(filing: Filing, *others: Caution | None) -> list[out.WarningOut]:
    found = [*warnings(filing.operation, filing.observed, accept_lockout=filing.accept_lockout), *others]
    return [out.WarningOut.model_validate(caution, from_attributes=True) for caution in found if caution is not None]


def _demand(demand: Demand) -> out.DemandOut:
    return out.DemandOut(
        rule=demand.rule,
        approvals=dict(demand.approvals),
        quorum=demand.quorum,
        max_lifetime=demand.max_lifetime,
        require_root_mfa=demand.require_root_mfa,
        ticket_required=demand.ticket_required,
        approval_comment=demand.approval_comment,
        signed_approvals=demand.signed_approvals,
        sealed_delivery=demand.sealed_delivery,
        decision_amr=sorted(demand.decision_amr),
        hours=None if demand.hours is None else out.HoursOut.model_validate(demand.hours.document()),
    )


def _quorum(shown: Shown) -> out.QuorumOut:
    request, standing = shown.request, shown.standing
    missing = [out.MissingOut(groups=list(each.groups), count=each.count) for each in standing.missing(request)]
    return out.QuorumOut(
        needed=standing.needed(request),
        counted=standing.approvals(request),
        missing=missing,
        signed_approvals=standing.signed_approvals(request),
        rules=list(standing.policy.rules),
    )


def _could_approve(shown: Shown) -> list[out.CouldApproveOut]:
    request, standing = shown.request, shown.standing
    if request.status not in {Status.PENDING, Status.APPROVED}:
        return []
    known = (standing.directory.get(person) for person in standing.waited_for(request))
    by_name = sorted((member for member in known if member is not None), key=lambda each: (each.name, each.subject))
    # Some of each group that is missing, then the others.
    of_groups = [
        member
        for missing in standing.missing(request)
        for member in [each for each in by_name if not each.groups.isdisjoint(missing.groups)][:_MOST_OF_A_GROUP]
    ]
    people = {member.subject: member for member in [*of_groups, *by_name]}
    return [
        out.CouldApproveOut(
            subject=member.subject,
            name=member.name,
            groups=sorted(member.groups & standing.policy.approvals.keys()),
            last_seen_at=member.seen_at,
            away_until=member.away_until,
        )
        for member in islice(people.values(), _MOST_NAMED)
    ]


def _decisions(shown: Shown) -> list[out.DecisionOut]:
    return [
        out.DecisionOut(
            person=_actor(shown.standing.directory, decision.person),
            decision=decision.verdict.value,
            digest=decision.digest,
            comment=decision.comment,
            decided_at=decision.decided_at,
            statement=decision.statement,
            signature=decision.signature,
            void_because=shown.standing.void_because(shown.request, decision),
        )
        for decision in shown.request.decisions
    ]


def _rotation(request: OperationRequest) -> out.RotationOut | None:
    plan = request.filing.rotation
    if plan is None:
        return None
    return out.RotationOut(
        unused_for=plan.unused_for,
        cut_over_within=plan.cut_over_within,
        deletion_wait=plan.deletion_wait,
        cut_over_by=request.cut_over_by,
        released_at=request.released_at,
        cut_over_at=request.cut_over_at,
        delete_old_at=request.delete_old_at,
        stopped_at=request.stopped_at,
    )


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
        lifetime=request.filing.lifetime,
        expires_at=request.expires_at,
        expiry_failed_at=request.expiry_failed_at,
        retired_at=request.retired_at,
        ended_at=request.ended_at,
    )


def _result(request: OperationRequest) -> out.ResultOut | None:
    if request.result is None:
        return None
    return out.ResultOut.model_validate(request.result, from_attributes=True)
