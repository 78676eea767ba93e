"""The OpenAPI document's webhooks: one per published event, with the body that destinations receive.

The names of the classes are names in the contract: they stay as they are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field, create_model
from starlette.routing import BaseRoute

from service.api.schemas import ids
from service.api.schemas.outputs import SAYS_DRILL, Drill
from service.domain.actor import ActorKind
from service.domain.event_table import EVENTS, PUBLISHED, About, PublishedData
from service.domain.operation import OperationName
from service.domain.request import Status


class ToldRequest(BaseModel):
    """The event's request, as it was right after the event."""

    id: ids.Uuid
    status: Status
    operation: OperationName
    effect: str = Field(description=f"What the operation does, in a sentence or two. {SAYS_DRILL}")
    drill: Drill
    until: datetime | None = Field(
        description="When its present status ends by itself; for one that has succeeded, when its key's lifetime ends."
    )
    ticket: str | None
    link: str | None = Field(
        description="The request's page for people. Null unless the settings have this service's public URL."
    )


class ToldActor(BaseModel):
    kind: ActorKind
    name: str = Field(description="For display. Escape it: it comes from an identity provider.")


class ToldHead(BaseModel):
    """The event's place in the audit log, and the log's head at that time. Keep it to check later that the log has not
    been changed.
    """

    sequence: int = Field(description="The event's sequence number, which is also the log's size at that time.")
    root: str = Field(description="The root of the tree over all events up to this one, in Base64 (RFC 9162).")


class Told(BaseModel):
    """The data of every event. It contains no user's free text, and never a secret."""

    account_id: ids.AccountId | None
    account_name: str | None = Field(
        description="For display. Escape it: an organization may have chosen it. Null if AWS would have to be asked."
    )
    request: ToldRequest | None
    actor: ToldActor
    audit: ToldHead


class ToldOfRequest(Told):
    account_id: ids.AccountId
    request: ToldRequest


class ToldOfAccount(Told):
    account_id: ids.AccountId
    request: None


class ToldOfService(Told):
    account_id: None
    account_name: None
    request: None


class Waiting(BaseModel):
    """The approvals that a request waits for."""

    reminder: Literal[0, 1, 2] = Field(description="1 at half of the approval window, 2 at nine tenths; 0 before.")
    missing: int = Field(description="How many approvals are missing.")
    demands: str = Field(description="Of whom they are missing, such as `1 of security and 1 more`.")
    people: list[str] = Field(description="Names of people whose approval would help, at most twenty.")
    others: int = Field(description="How many more people can approve it.")
    approve_by: datetime


class ToldOfWaiting(ToldOfRequest):
    waiting: Waiting


class FailedDelivery(BaseModel):
    delivery_id: ids.Uuid
    destination: ids.Destination
    seq: int = Field(description="The sequence number of the undelivered event.")
    event: ids.EventName
    attempts: int
    reason: str


class ToldOfDelivery(ToldOfService):
    delivery: FailedDelivery


class Disabled(BaseModel):
    destination: ids.Destination
    failed: int = Field(description="How many deliveries failed because of it.")


class ToldOfDestination(ToldOfService):
    disabled: Disabled


_ABOUT: Mapping[About, type[Told]] = {
    About.REQUEST: ToldOfRequest,
    About.ACCOUNT: ToldOfAccount,
    About.SERVICE: ToldOfService,
}
_WITH: Mapping[PublishedData, type[Told]] = {
    PublishedData.WAITING: ToldOfWaiting,
    PublishedData.DELIVERY: ToldOfDelivery,
    PublishedData.DISABLED: ToldOfDestination,
}

_DESCRIPTION = (
    "Standard Webhooks: the signature covers `webhook-id`, `webhook-timestamp` and the body. The id stays the same for "
    "every attempt. Any 2xx accepts the delivery, 410 ends all deliveries, everything else is retried for a day."
)


def model(event: str) -> type[BaseModel]:
    """Return the body of one event's deliveries. Raise KeyError for an event without a row, or without a schema."""
    row = EVENTS[event]
    members: dict[str, Any] = {
        "type": (Literal[event], ...),
        "timestamp": (datetime, ...),
        "data": (_ABOUT[row.about] if row.data is None else _WITH[row.data], ...),
    }
    return create_model(f"{_camel(event)}Event", __doc__=f"{row.title}.", **members)


def _camel(event: str) -> str:
    return "".join(part.capitalize() for part in event.replace(".", "_").split("_"))


def routes() -> list[BaseRoute]:
    """Return a route for each published event. Each has a model of its own, so this takes a tenth of a second."""
    router = APIRouter()
    for event in sorted(PUBLISHED):
        router.add_api_route(
            event,
            _receiver(model(event)),
            methods=["POST"],
            summary=EVENTS[event].title,
            description=_DESCRIPTION,
            status_code=204,
            response_description="Accepted.",
            responses={410: {"description": "No more deliveries."}, "default": {"description": "Retried later."}},
            operation_id=f"told{_camel(event)}",
        )
    return router.routes


def _receiver(body: type[BaseModel]) -> Any:
    """Return the endpoint that a receiver has to offer. It is never called."""

    def receive(
        event: BaseModel,
        webhook_id: str = Header(),
        webhook_timestamp: str = Header(description="Seconds since 1970."),
        webhook_signature: str = Header(
            description="One or more, separated by spaces: `v1,…` is HMAC, `v1a,…` Ed25519."
        ),
    ) -> None:
        raise NotImplementedError

    receive.__annotations__["event"] = body
    return receive
