"""The contract's example of each refusal: its sentence, with example values for its parameters."""

from collections.abc import Mapping

from service.aws.errors import DENIED
from service.domain.account import INACTIVE, Account, SourceKind
from service.domain.capability import unreadable_because
from service.domain.errors import Code, ServiceError
from service.domain.permissions import TO_DECIDE, role_required
from service.domain.request import Status
from service.domain.signed import OF_STATEMENT
from service.domain.statement import StatementFault
from service.sealing import ANYBODYS
from service.signing.faults import Fault
from service.workflow.signing_keys import MOST_KEYS

_SUSPENDED = Account(account_id="111122223333", name="production", state="SUSPENDED")

_FILLED_IN: Mapping[Code, ServiceError] = {
    refusal.code: refusal
    for refusal in (
        ServiceError(Code.SIGN_IN_AGAIN, what="A decision", seconds="900"),
        role_required(TO_DECIDE),
        ServiceError(Code.VOTE_NOT_COUNTED, since="2026-11-24T12:00:00.000000Z"),
        ServiceError(Code.BODY_TOO_LARGE, kib=64),
        ServiceError(Code.BODY_TOO_SLOW, seconds=10),
        ServiceError(Code.LIFETIME_TOO_LONG, seconds="2,592,000"),
        ServiceError(Code.WRONG_SEALED_TO, why=ANYBODYS),
        ServiceError(Code.NOT_CAPABLE, reasons=unreadable_because(_SUSPENDED, SourceKind.PROFILE)),
        ServiceError(Code.ALREADY_IN_STATUS, status=INACTIVE),
        ServiceError(Code.NO_QUORUM, missing="1 of security and 1 more"),
        ServiceError(Code.COMMENT_REQUIRED, what="A rejection"),
        ServiceError(Code.WRONG_SIGNATURE, why=OF_STATEMENT[StatementFault.ANOTHER_DIGEST]),
        ServiceError(Code.WRONG_KEY, why=Fault.WEAK_KEY.sentence),
        ServiceError(Code.TOO_MANY_KEYS, most=MOST_KEYS),
        ServiceError(Code.NOT_NEEDED, missing="1 of security"),
        ServiceError(Code.OUTSIDE_HOURS, again="is 2026-11-25T08:00:00.000000Z"),
        ServiceError(Code.WRONG_STATUS, status=Status.SUCCEEDED),
        ServiceError(Code.QUORUM_LOST, counted=1, needed=2, missing="1 more"),
        ServiceError(
            Code.CONTRADICTORY_TIMES,
            contradiction="the approval is at 2026-11-24T12:00:00.000000Z, the claim at 2026-11-24T11:59:00.000000Z",
        ),
        ServiceError(Code.ACCOUNT_UNREACHABLE, f"{Code.ACCOUNT_UNREACHABLE.sentence} {DENIED}"),
        ServiceError(Code.EXECUTION_FAILED, why=DENIED),
    )
}


def example(code: Code) -> ServiceError:
    """Return the default example for `code`. A route may have a more specific one."""
    return _FILLED_IN.get(code) or ServiceError(code)
