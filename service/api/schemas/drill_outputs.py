"""Response bodies about drills."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from service.api.schemas import ids
from service.api.schemas.outputs import ActorOut, Output
from service.domain.request import Status


class DrillAnswerOut(ActorOut):
    """Somebody who was asked to decide on a drill, and their answer; its fields are null for somebody without one."""

    decision: Literal["approve", "reject"] | None
    decided_at: datetime | None
    after_seconds: int | None = Field(description="How long after the filing they decided.")
    methods: list[str] | None = Field(
        description="The methods of their sign-in, as the provider names them (`amr`). Null for an API token, too."
    )
    key: str | None = Field(description="The fingerprint of the key that signed; null if the decision is not signed.")


class DrillReportOut(Output):
    """Who answered a drill, how fast and by which means, and who did not."""

    request_id: ids.Uuid
    status: Status
    filed_at: datetime
    approved_after_seconds: int | None = Field(description="From the filing; null if it was not approved.")
    executed_after_seconds: int | None = Field(description="From the approval; null if it was not executed.")
    confirmed_after_seconds: int | None = Field(
        description="From the execution; null if the recipient did not confirm, and if there was nothing to confirm."
    )
    people: list[DrillAnswerOut] = Field(
        description="Those who could decide on it today, and those who did: first those who answered, by time."
    )


class LastDecisionOut(Output):
    """Somebody's last decision on any request."""

    request_id: ids.Uuid
    drill: bool
    decided_at: datetime
    signed: bool


class ApproverOut(ActorOut):
    """An approver, and the last proof that they are there."""

    proved_at: datetime | None = Field(description="The later of the two below; null if there is neither.")
    seen_at: datetime | None = Field(description="Their last sign-in at a provider. API tokens leave no such trace.")
    decision: LastDecisionOut | None


class ApproversOut(Output):
    items: list[ApproverOut]
