"""The audit log."""

import json
from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, StreamingResponse

from service.api.contract import described
from service.api.deps import Ctx, SignedIn
from service.api.paging import decode_sequence, encode_sequence
from service.api.problems import READING, documented
from service.api.schemas import inputs, log_outputs
from service.domain.errors import Code
from service.domain.permissions import TO_READ_THE_LOG, role_required
from service.workflow.audit import checkpoint, consistency, cosigned_checkpoint, export, inclusion, read_events

router = APIRouter(prefix="/v1/audit", tags=["Audit"])


@router.get(
    "/events",
    operation_id="listEvents",
    summary="Read the audit log",
    responses=described.answer("A page.", "events")
    | documented(
        Code.ROLE_REQUIRED,
        invalid=("query", "cursor"),
        said=[role_required(TO_READ_THE_LOG, everywhere=True)],
    ),
)
def get_events(
    ctx: Ctx,
    actor: SignedIn,
    wanted: Annotated[inputs.AuditFilter, Query()],
) -> log_outputs.AuditPageOut:
    """List all events, oldest first. The sequence numbers have no gaps, so a missing event is noticed. Requires the
    role `auditor`.
    """
    after = decode_sequence(wanted.cursor)
    found = read_events(ctx, actor, after=after, limit=wanted.limit + 1, request_id=wanted.request_id)
    page = found[: wanted.limit]
    last = page[-1][0] if page else after
    return log_outputs.AuditPageOut(
        items=[_event(content) for _, content in page],
        next_cursor=encode_sequence(last) if len(found) > len(page) else None,
        resume_cursor=encode_sequence(last) if last else None,
    )


def _event(content: str) -> log_outputs.AuditEventOut:
    event = json.loads(content)
    # Older events, from before sign-ins at providers, have no proof.
    event["actor"] = {"proof": None} | event["actor"]
    return log_outputs.AuditEventOut.model_validate({"previous": None, "call_id": None} | event)


@router.get(
    "/checkpoint",
    operation_id="readCheckpoint",
    summary="Read the log's signed head",
    response_class=PlainTextResponse,
    responses=described.text("text/plain", "A checkpoint, as a signed note.", "checkpoint")
    | documented(Code.LOG_NOT_SIGNED, Code.NOT_COSIGNED, invalid=("query", "cosigned_by")),
)
def get_checkpoint(
    ctx: Ctx, _actor: SignedIn, wanted: Annotated[inputs.CheckpointFilter, Query()]
) -> PlainTextResponse:
    """Return the log's size and the root of its tree, signed (C2SP `tlog-checkpoint`). Keep it out of this service's
    reach: with it you can check later whether an earlier event was changed. The lines of witnesses who have cosigned
    this very head follow on the log's own. The current head is often not cosigned yet; with `cosigned_by` you get the
    largest one that is. For every signed-in caller.
    """
    if wanted.cosigned_by is None:
        return PlainTextResponse(checkpoint(ctx))
    return PlainTextResponse(cosigned_checkpoint(ctx, wanted.cosigned_by))


@router.get(
    "/proofs/inclusion",
    operation_id="proveInclusion",
    summary="Prove that an event is in the log",
    responses=described.answer("The proof.", "inclusion") | documented(invalid=("query", "seq")),
)
def get_inclusion(
    ctx: Ctx, _actor: SignedIn, wanted: Annotated[inputs.InclusionFilter, Query()]
) -> log_outputs.InclusionOut:
    """Return a proof by RFC 9162, section 2.1.3. It does not reveal the event. For every signed-in caller."""
    proved = inclusion(ctx, wanted.seq, wanted.size)
    return log_outputs.InclusionOut(
        seq=proved.seq,
        size=proved.size,
        leaf_hash=_base64(proved.leaf_hash),
        proof=[_base64(part) for part in proved.proof],
        root=_base64(proved.root),
    )


@router.get(
    "/proofs/consistency",
    operation_id="proveConsistency",
    summary="Prove that the log has only grown",
    responses=described.answer("The proof.", "consistency") | documented(invalid=("query", "first")),
)
def get_consistency(
    ctx: Ctx, _actor: SignedIn, wanted: Annotated[inputs.ConsistencyFilter, Query()]
) -> log_outputs.ConsistencyOut:
    """Return a proof by RFC 9162, section 2.1.4. For every signed-in caller."""
    proved = consistency(ctx, wanted.first, wanted.second)
    return log_outputs.ConsistencyOut(
        first=proved.first, second=proved.second, proof=[_base64(part) for part in proved.proof]
    )


@router.get(
    "/export",
    operation_id="exportLog",
    summary="Export the whole log",
    response_class=StreamingResponse,
    responses=described.text("application/jsonl", "One line per event, then the checkpoint.", "export")
    | documented(
        Code.ROLE_REQUIRED,
        Code.LOG_NOT_SIGNED,
        common=READING,
        said=[role_required(TO_READ_THE_LOG, everywhere=True)],
    ),
)
def get_export(ctx: Ctx, actor: SignedIn) -> StreamingResponse:
    """Export canonical JSON (RFC 8785), one event per line. The last line is the checkpoint over exactly these events;
    without it the export is incomplete. `rootquorum audit verify` checks it offline. Requires the role `auditor`.
    """
    return StreamingResponse(export(ctx, actor), media_type="application/jsonl")


@router.get(
    "/keys",
    operation_id="listLogKeys",
    summary="List the keys that sign the log's head",
    responses=described.answer("The keys.", "log_keys") | documented(common=READING),
)
def get_keys(ctx: Ctx, _actor: SignedIn) -> log_outputs.LogKeysOut:
    """List C2SP verifier keys, with the time during which each was in use. Get them once, over another channel than
    the log, and keep them. For every signed-in caller.
    """
    keys = [log_outputs.LogKeyOut.model_validate(key.document()) for key in ctx.log.keys]
    return log_outputs.LogKeysOut(origin=ctx.log.origin or None, keys=keys)


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
