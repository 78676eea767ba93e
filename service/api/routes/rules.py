"""The signed rules: their versions, and who signed them."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from service.api.answers import answer
from service.api.contract import described
from service.api.deps import Ctx, Presented
from service.api.problems import READING, documented
from service.api.schemas import signing_outputs
from service.api.signing_views import rules_out, versions_out
from service.domain.errors import Code
from service.domain.permissions import TO_SEE_KEYS, role_required
from service.workflow.rule_versions import every_version, no_such_version, one_version

router = APIRouter(prefix="/v1/rules", tags=["Signing"])

_SEES = role_required(TO_SEE_KEYS, anywhere=True)


@router.get(
    "",
    operation_id="listRules",
    summary="List the versions of the signed rules",
    response_model=signing_outputs.RulesVersionsOut,
    responses=described.answer("All versions, the oldest first.", "rules_versions")
    | documented(Code.ROLE_REQUIRED, common=READING, said=[_SEES]),
)
def get_versions(ctx: Ctx, caller: Presented) -> Response:
    """List the versions that came into force, with those who signed each. It is empty if the service has no signed
    rules. Requires the role `approver`, `auditor` or `operator`.
    """
    return answer(versions_out(every_version(ctx, caller)))


@router.get(
    "/{version}",
    operation_id="readRules",
    summary="Read a version of the signed rules",
    response_model=signing_outputs.RulesFileOut,
    responses=described.answer("The version.", "rules_version")
    | documented(Code.ROLE_REQUIRED, Code.NOT_FOUND, invalid=("path", "version"), said=[_SEES, no_such_version()]),
)
def get_version(ctx: Ctx, caller: Presented, version: Annotated[int, Path(ge=1, le=2**53 - 1)]) -> Response:
    """Return the file of a version that came into force, and its signatures. Whoever has any version from a person can
    follow the chain. Requires the role `approver`, `auditor` or `operator`.
    """
    return answer(rules_out(one_version(ctx, caller, version)))
