"""Response bodies about the audit log. As in `outputs.py`, no field has a default."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from service import call_id
from service.api.schemas import ids
from service.api.schemas.outputs import LoggedResultOut, Output
from service.domain.actor import ActorKind
from service.domain.request import Status, Verdict


class ProofOut(Output):
    """The sign-in at an identity provider: claims of its token. The token itself is not stored."""

    issuer: str
    subject: ids.Subject
    jti: str | None
    issued_at: datetime
    auth_time: datetime | None
    acr: str | None
    amr: list[str]


class AuditActorOut(Output):
    """The actor of an event. `proof` is null for an API token."""

    kind: ActorKind
    subject: ids.Subject
    credential: ids.Credential = Field(description="The id of the API token that was used, or a name for `proof`.")
    proof: ProofOut | None


class AuditEventOut(Output):
    """An event as it was written. The form of `data` depends on the event."""

    seq: int
    at: datetime
    event: ids.EventName
    request_id: ids.Uuid | None
    previous: int | None = Field(description="The sequence number of the previous event of the same request.")
    call_id: str | None = Field(
        max_length=call_id.LONGEST,
        description=(
            "The id of the HTTP call that caused it, as in `X-Request-ID` and in the service's own log; or that of the "
            "worker's step. Null if there was neither, and in older events. A caller may choose it: it proves nothing."
        ),
    )
    actor: AuditActorOut
    data: dict[str, object]


class AuditPageOut(Output):
    """A page of events. `next_cursor` is null on the last page. Use `resume_cursor` to poll for later events."""

    items: list[AuditEventOut]
    next_cursor: ids.Cursor | None
    resume_cursor: ids.Cursor | None


class InclusionOut(Output):
    """Hashes are Base64."""

    seq: int
    size: int
    leaf_hash: str
    proof: list[str] = Field(description="The hashes, from the leaf upwards.")
    root: str = Field(description="The root of the tree. Compare it with that of a checkpoint.")


class ConsistencyOut(Output):
    """Hashes are Base64."""

    first: int
    second: int
    proof: list[str] = Field(description="Empty if the two sizes are equal.")


class LogKeyOut(Output):
    """A verifier key in the format of C2SP's `signed-note`: name, id and public key."""

    key: str
    since: datetime | None
    until: datetime | None = Field(description="Null for a key that is in use.")


class LogKeysOut(Output):
    origin: str | None = Field(description="The log's name in its checkpoints; null if the log is not signed.")
    keys: list[LogKeyOut]


class EvidenceEventOut(Output):
    leaf: str = Field(description="The event, in canonical JSON.")
    inclusion: list[str] = Field(description="The proof that the event is in the log of the checkpoint.")


class EvidenceDecisionOut(Output):
    """A decision in the log. `proof` is the sign-in at a provider; null for an API token."""

    person: ids.Subject
    decision: Verdict
    digest: ids.Digest
    comment: str | None
    credential: ids.Credential
    decided_at: datetime
    proof: ProofOut | None


class SignedDecisionOut(EvidenceDecisionOut):
    """A decision in the log, signed if `statement` is there."""

    statement: str | None
    signature: str | None


class EvidenceHeadOut(Output):
    """A size of the log that a statement names, and the proof that the checkpoint's log begins with that log."""

    size: int
    proof: list[str] = Field(description="Hashes in Base64 (RFC 9162, section 2.1.4).")


class EvidencePolicyOut(Output):
    """The policy at the filing and at the execution; null if that has not happened, or an older version recorded it."""

    filed: dict[str, object] | None
    executed: dict[str, object] | None


class SealedResultOut(LoggedResultOut):
    """The same where the secret was delivered sealed."""

    sealed_sha256: ids.Digest = Field(description="SHA-256 of the sealed file.")


class EvidenceOutcomeOut(Output):
    status: Status
    at: datetime
    result: SealedResultOut | LoggedResultOut | None


class _EvidenceOut(Output):
    request: dict[str, object] = Field(description="The request as it was filed. The digest is over this.")
    digest: ids.Digest
    policy: EvidencePolicyOut
    outcome: EvidenceOutcomeOut
    events: list[EvidenceEventOut]
    checkpoint: str
    keys: list[LogKeyOut]


class EvidenceOut(_EvidenceOut):
    """All that the log contains about one request. `rootquorum audit verify` checks it offline."""

    format: Literal["rootquorum-evidence/1"]
    decisions: list[EvidenceDecisionOut]


class SignedEvidenceOut(_EvidenceOut):
    """The same for a request with signed decisions, or of a log with signed rules."""

    format: Literal["rootquorum-evidence/2"]
    decisions: list[SignedDecisionOut]
    signing: list[EvidenceEventOut] = Field(description="The events that say whose keys count, in their order.")
    heads: list[EvidenceHeadOut]
