"""A request on a terminal: one screen on which an approver can decide, and its entry in a list."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from rootquorum_client import AccessKey, Decision, Request, RequestSummary, Rotation, Status
from service.cli.over_http import minute
from service.cli.terminal import policy_rows
from service.domain.text import quoted

# What stands in front of a drill, wherever one is shown.
_DRILL = ("DRILL", "Nothing changes in AWS.")
_WIDEST_STATUS = max(len(status) for status in Status)
# What comes next, and whose refusal is therefore of interest.
_NEXT: Mapping[str, str] = {
    Status.PENDING: "approve",
    Status.APPROVED: "execute",
    Status.DELIVERED: "confirm_receipt",
    Status.ROTATING: "cut_over",
}
_COMMANDS = {
    "approve": "rootquorum approve {}",
    "execute": "rootquorum execute {}",
    "confirm_receipt": "rootquorum receipt {}",
    "cut_over": "rootquorum cut-over {} KEY --comment WHY",
}
# Where a warning can still change what somebody does.
_UNDECIDED = {Status.PENDING, Status.APPROVED}


class Person(Protocol):
    @property
    def subject(self) -> str: ...
    @property
    def name(self) -> str: ...


def person(found: Person) -> str:
    """Return the name and the subject. Others chose the name, so both are quoted."""
    subject = quoted(found.subject)
    return subject if found.name == found.subject else f"{quoted(found.name)} ({subject})"


def summary(request: RequestSummary) -> list[tuple[str, str]]:
    """Return the rows of a list: the id, which is whole, then what it is about, and what to weigh."""
    by = f"filed {minute(request.filed_at)}"
    if request.status == Status.PENDING:
        by = f"by {minute(request.approve_by)}"
    elif request.status == Status.APPROVED:
        by = f"by {minute(request.execute_by)}"
    ticket = "" if request.ticket is None else f", {request.ticket}"
    target = "" if request.target is None else f" {request.target}"
    return [
        (request.status.ljust(_WIDEST_STATUS), f"{request.id}  {by}"),
        *([_DRILL] if request.drill else []),
        ("", f"{request.operation}{target} in {_account(request)}"),
        ("", f"{person(request.requester)} for {person(request.recipient)}{ticket}"),
        *(("", f"WARNING: {each.detail}") for each in request.warnings if request.status in _UNDECIDED),
    ]


def in_one_line(request: Request) -> str:
    """Return the status with its deadline, and how many have approved. That of a drill begins with the word."""
    mark = f"{_DRILL[0]}: " if request.drill else ""
    return f"{mark}{_status(request)}; {request.quorum.counted} of {request.quorum.needed} approvals"


def rows(request: Request) -> list[tuple[str, str]]:
    """Return what an approver decides on, and what the caller may do."""
    return [*facts(request), *_actions(request)]


def facts(request: Request) -> list[tuple[str, str]]:
    """Return what an approver decides on, in the order of its weight."""
    return [
        *([_DRILL] if request.drill else []),
        ("request", request.id),
        ("status", _status(request)),
        ("account", _account(request)),
        ("operation", request.operation),
        ("effect", request.effect),
        *(("WARNING", each.detail) for each in request.warnings),
        (
            "requester",
            f"{person(request.requester)}, a {request.requester.kind}; filed {minute(request.clocks.filed_at)}",
        ),
        ("recipient", person(request.recipient)),
        ("justification", request.justification),
        ("ticket", request.ticket or "none"),
        *_observed(request),
        *_approvals(request),
        *([] if request.result is None else [("result", f"{request.result.code}: {request.result.detail}")]),
        ("digest", request.digest),
    ]


def _status(request: Request) -> str:
    clocks = request.clocks
    match request.status:
        case Status.PENDING:
            return f"pending, to be approved by {minute(clocks.approve_by)}"
        case Status.APPROVED:
            return f"approved, to be executed by {minute(clocks.execute_by)}"
        case Status.DELIVERED:
            stopped = request.rotation is not None and request.rotation.stopped_at is not None
            # The old key stays. Only what becomes of the new one is still open.
            then = "; the rotation was stopped" if stopped else ""
            return f"delivered, to be confirmed by {minute(clocks.receipt_by)}{then}"
        case Status.ROTATING if request.rotation is not None:
            return f"rotating: {_step(request.rotation)}"
    return request.status if clocks.ended_at is None else f"{request.status}, since {minute(clocks.ended_at)}"


def _step(rotation: Rotation) -> str:
    if rotation.stopped_at is not None:
        return "stopped by somebody, about to end"
    if rotation.cut_over_at is not None:
        return f"the old key is inactive, and is deleted {minute(rotation.delete_old_at)}"
    if rotation.released_at is not None:
        return "the old key is about to be deactivated"
    return f"the old key works until it is unused, or somebody says so, by {minute(rotation.cut_over_by)}"


def _observed(request: Request) -> Iterator[tuple[str, str]]:
    """Yield the state of the root credentials when the request was filed. The target comes first."""
    found = request.observed
    for key in sorted(found.keys, key=lambda each: each.access_key_id != request.target):
        own = ", which the service signs with" if key.access_key_id == found.signer_key_id else ""
        yield ("target key" if key.access_key_id == request.target else "root key"), _key(key) + own
    if not found.keys:
        yield "root keys", "none"
    said = {True: "yes", False: "no", None: "not known"}
    yield "root user", f"MFA: {said[found.mfa_enabled]}; password: {said[found.password_present]}"
    if request.target is not None and all(key.access_key_id != request.target for key in found.keys):
        yield "target", request.target
    if found.resource is not None:
        yield from policy_rows(found.resource.region, found.resource.policy, found.resource.policy_sha256)


def _key(key: AccessKey) -> str:
    used = "not known to be used" if key.last_used_at is None else f"last used {minute(key.last_used_at)}"
    by = "" if key.last_used_service is None else f" by {key.last_used_service}"
    return f"{key.access_key_id}, {key.status}, created {minute(key.created_at)}, {used}{by}"


def _approvals(request: Request) -> Iterator[tuple[str, str]]:
    quorum = request.quorum
    # Nobody can still give what an ended request lacks.
    lacking = quorum.missing if request.clocks.ended_at is None else ()
    missing = [
        f"{each.count} of {' or '.join(each.groups)}" if each.groups else f"{each.count} more" for each in lacking
    ]
    signed = "" if quorum.signed_approvals == "off" else f"; signatures: {quorum.signed_approvals}"
    awaited = f"; missing: {' and '.join(missing)}" if missing else ""
    yield "approvals", f"{quorum.counted} of {quorum.needed}{awaited}{signed}"
    if quorum.rules:
        yield "rules", ", ".join(quorum.rules)
    for decision in request.decisions:
        yield "decision", _decision(decision)
    if request.could_approve:
        yield "could approve", ", ".join(person(each) for each in request.could_approve)


def _decision(decision: Decision) -> str:
    comment = "" if decision.comment is None else f": {decision.comment}"
    void = "" if decision.void_because is None else f" (does not count: {decision.void_because})"
    return f"{decision.decision} by {person(decision.person)}, {minute(decision.decided_at)}{void}{comment}"


def _actions(request: Request) -> Iterator[tuple[str, str]]:
    """Yield what the caller may do, and the command for what comes next, or why they may not do it."""
    yield "you may", ", ".join(each.action for each in request.actions if each.allowed) or "do nothing now"
    following = request.action(_NEXT.get(request.status, ""))
    if following is None:
        return
    if following.reason is not None:
        yield f"not {following.action}", following.reason
    elif following.allowed:
        signs = following.action == "approve" and request.quorum.signed_approvals != "off"
        yield "next", _COMMANDS[following.action].format(request.id) + (" --key KEY" if signs else "")


def _account(request: Request | RequestSummary) -> str:
    return f"{request.account.name} ({request.account.account_id})"
