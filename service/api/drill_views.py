"""Converts reports on drills into response bodies."""

from datetime import datetime

from service.api.schemas import drill_outputs as out
from service.domain.canonical import seconds
from service.workflow.drills import Answer, Approver, DrillReport


def report_out(report: DrillReport) -> out.DrillReportOut:
    request, filing = report.request, report.request.filing
    answers = sorted(report.answers.items(), key=lambda each: (each[1] is None, each[1] and each[1].at, each[0]))
    return out.DrillReportOut(
        request_id=filing.request_id,
        status=request.status,
        filed_at=filing.filed_at,
        approved_after_seconds=_between(filing.filed_at, request.approved_at),
        executed_after_seconds=_between(request.approved_at, request.claimed_at),
        confirmed_after_seconds=_between(request.claimed_at, request.received_at),
        people=[_answer(report, person, answer) for person, answer in answers],
    )


def _answer(report: DrillReport, person: str, answer: Answer | None) -> out.DrillAnswerOut:
    return out.DrillAnswerOut(
        subject=person,
        name=report.directory.name_of(person),
        decision=None if answer is None else answer.decision.value,
        decided_at=None if answer is None else answer.at,
        after_seconds=None if answer is None else _between(report.request.filing.filed_at, answer.at),
        methods=None if answer is None or answer.methods is None else list(answer.methods),
        key=None if answer is None else answer.key,
    )


def _between(earlier: datetime | None, later: datetime | None) -> int | None:
    return None if earlier is None or later is None else seconds(later - earlier)


def approver_out(approver: Approver) -> out.ApproverOut:
    last = approver.decided
    return out.ApproverOut(
        subject=approver.subject,
        name=approver.name,
        proved_at=approver.proved_at,
        seen_at=approver.seen_at,
        decision=None
        if last is None
        else out.LastDecisionOut(
            request_id=last.request_id, drill=last.is_drill, decided_at=last.at, signed=last.is_signed
        ),
    )
