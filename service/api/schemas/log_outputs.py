"""What goes out over HTTP of the audit log. As in `outputs.py`, nothing has a default."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from service.api.schemas import ids
from service.api.schemas.outputs import ResultOut
from service.domain.actor import ActorKind
from service.domain.request import Status, Verdict


class ProofOut(BaseModel):
    """The sign-in at an identity provider that proved somebody: claims of the token, which itself is kept nowhere."""

    issuer: str
    subject: ids.Subject
    jti: str | None
    issued_at: datetime
    auth_time: datetime | None
    acr: str | None
    amr: list[str]


class AuditActorOut(BaseModel):
    """`proof` is null for an API token."""

    kind: ActorKind
    subject: ids.Subject
    credential: ids.Credential = Field(
        description="The id of the API token that proved who it is, or a name for `proof`."
    )
    proof: ProofOut | None


class AuditEventOut(BaseModel):
    """An event as it was written. `data` depends on the event."""

    seq: int
    at: datetime
    event: ids.EventName
    request_id: ids.Uuid | None
    previous: int | None = Field(description="The sequence number of the same request's event before.")
    actor: AuditActorOut
    data: dict[str, object]


class AuditPageOut(BaseModel):
    """`next_cursor` is null on the last page; `resume_cursor` is where to look for what comes later."""

    items: list[AuditEventOut]
    next_cursor: ids.Cursor | None
    resume_cursor: ids.Cursor | None


class InclusionOut(BaseModel):
    """Hashes are Base64."""

    seq: int
    size: int
    leaf_hash: str
    proof: list[str] = Field(description="From the leaf upwards.")
    root: str = Field(description="Compare it with a checkpoint's.")


class ConsistencyOut(BaseModel):
    """Hashes are Base64."""

    first: int
    second: int
    proof: list[str] = Field(description="Empty when the two are equal.")


class LogKeyOut(BaseModel):
    """A key as C2SP's `signed-note` writes it: name, id, and the public key."""

    key: str
    since: datetime | None
    until: datetime | None = Field(description="Null while it signs.")


class LogKeysOut(BaseModel):
    origin: str | None = Field(description="The log's name in its checkpoints; null for a log that nobody signs.")
    keys: list[LogKeyOut]


class EvidenceEventOut(BaseModel):
    leaf: str = Field(description="The event, in canonical JSON.")
    inclusion: list[str] = Field(description="The proof that it is in the log of the checkpoint.")


class EvidenceDecisionOut(BaseModel):
    """As the log has it. `proof` is the sign-in at a provider; null for an API token."""

    person: ids.Subject
    decision: Verdict
    digest: ids.Digest
    comment: str | None
    credential: ids.Credential
    decided_at: datetime
    proof: ProofOut | None


class EvidencePolicyOut(BaseModel):
    """The rules by which it was judged; null before, and where an earlier version wrote the event."""

    filed: dict[str, object] | None
    executed: dict[str, object] | None


class EvidenceOutcomeOut(BaseModel):
    status: Status
    at: datetime
    result: ResultOut | None


class EvidenceOut(BaseModel):
    """All that the log holds of one request. `rootquorum audit verify` checks it offline."""

    format: Literal["rootquorum-evidence/1"]
    request: dict[str, object] = Field(description="As it was filed: what the digest is made of.")
    digest: ids.Digest
    decisions: list[EvidenceDecisionOut]
    policy: EvidencePolicyOut
    outcome: EvidenceOutcomeOut
    events: list[EvidenceEventOut]
    checkpoint: str
    keys: list[LogKeyOut]
