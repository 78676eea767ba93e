"""The audit log."""

import json
from typing import Annotated

from fastapi import APIRouter, Query

from service.api import examples, inputs, outputs
from service.api.deps import Ctx, SignedIn
from service.api.paging import decode_sequence, encode_sequence
from service.api.problems import documented
from service.domain.errors import Code
from service.workflow.read import audit_events

router = APIRouter(prefix="/v1/audit", tags=["Audit"])


@router.get(
    "/events",
    summary="Read the audit log",
    responses=examples.answer("A page.", "events")
    | documented(
        Code.ROLE_REQUIRED,
        invalid=("query", "cursor"),
        said={Code.ROLE_REQUIRED: "To read the audit log one needs the role auditor for all accounts."},
    ),
)
def get_events(
    ctx: Ctx,
    actor: SignedIn,
    wanted: Annotated[inputs.AuditFilter, Query()],
) -> outputs.AuditPageOut:
    """Every event, oldest first; the sequence numbers have no gap, so that a missing one shows. For the role
    `auditor`.
    """
    after = decode_sequence(wanted.cursor)
    found = audit_events(ctx, actor, after=after, limit=wanted.limit + 1, request_id=wanted.request_id)
    page = found[: wanted.limit]
    last = page[-1][0] if page else after
    return outputs.AuditPageOut(
        items=[_event(content) for _, content in page],
        next_cursor=encode_sequence(last) if len(found) > len(page) else None,
        resume_cursor=encode_sequence(last) if last else None,
    )


def _event(content: str) -> outputs.AuditEventOut:
    event = json.loads(content)
    # Events of before people signed in at providers say nothing of a proof.
    event["actor"] = {"proof": None} | event["actor"]
    return outputs.AuditEventOut.model_validate(event)
