"""The audit log."""

import json
from typing import Annotated

from fastapi import APIRouter, Query

from service.api import schemas
from service.api.deps import Ctx, SignedIn
from service.api.paging import decode_sequence, encode_sequence
from service.api.problems import documented
from service.workflow.read import audit_events

router = APIRouter(prefix="/v1/audit", tags=["Audit"])


@router.get("/events", summary="Read the audit log", responses=documented(401, 403, 422, 503))
def get_events(
    ctx: Ctx,
    actor: SignedIn,
    request_id: schemas.RequestId | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.AuditPageOut:
    """Oldest first, by sequence number, which has no gap. For the role `auditor`."""
    found = audit_events(ctx, actor, after=decode_sequence(cursor), limit=limit + 1, request_id=request_id)
    page = found[:limit]
    following = page[-1][0] if len(found) > limit else None
    return schemas.AuditPageOut(
        items=[schemas.AuditEventOut.model_validate(json.loads(content)) for _, content in page],
        next_cursor=encode_sequence(following),
    )
