"""The OpenAPI document's webhooks: one per published event, with the body that destinations receive.

The names of the classes are names in the contract: they stay as they are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fastapi import FastAPI, Header
from pydantic import BaseModel, Field, create_model

from service.api.schemas import ids
from service.domain.actor import ActorKind
from service.domain.event_table import EVENTS, PUBLISHED, About, PublishedData
from service.domain.operation import OperationName
from service.domain.request import Status


class ToldRequest(BaseModel):
    """The request that it is about, as it was right after the event."""

    id: ids.Uuid
    status: Status
    operation: OperationName
    ticket: str | None
    link: str | None = Field(description="Null unless the settings say where this service is.")


class ToldActor(BaseModel):
    kind: ActorKind
    name: str = Field(description="For display. Escape it: it is what an identity provider says.")


class ToldHead(BaseModel):
    """Where the event stands in the audit log, and the log's head as it was then: keep it, and you can tell later
    whether that log is still what it was.
    """

    sequence: int = Field(description="The event's number. So many events the log had.")
    root: str = Field(description="Base64 of the root of the tree over them (RFC 9162).")


class Told(BaseModel):
    """What every event says; no free text of anybody, and never a secret."""

    account_id: ids.AccountId | None
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
    request: None


class Waiting(BaseModel):
    """For whom a request waits."""

    reminder: Literal[0, 1, 2] = Field(description="1 at half, 2 at nine tenths of the approval window; 0 before.")
    missing: int = Field(description="How many more approvals it takes.")
    people: list[str] = Field(description="Names of those who can still approve it, at most twenty.")
    others: int = Field(description="How many more can.")
    approve_by: datetime


class ToldOfWaiting(ToldOfRequest):
    waiting: Waiting


class FailedDelivery(BaseModel):
    delivery_id: ids.Uuid
    destination: ids.Destination
    seq: int = Field(description="Of the event that was to be told.")
    event: ids.EventName
    attempts: int
    reason: str


class ToldOfDelivery(ToldOfService):
    delivery: FailedDelivery


class Disabled(BaseModel):
    destination: ids.Destination
    failed: int = Field(description="How many deliveries failed with it.")


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
    "Standard Webhooks: the signature is over `webhook-id`, `webhook-timestamp` and the body. The id is the same "
    "however often it is sent. Any 2xx takes it, 410 wants no more, everything else is tried again for a day."
)


def model(event: str) -> type[BaseModel]:
    """Return the body of one event's deliveries. Raises KeyError for an event without a row, or without a schema."""
    row = EVENTS[event]
    fields: dict[str, Any] = {
        "type": (Literal[event], ...),
        "timestamp": (datetime, ...),
        "data": (_ABOUT[row.about] if row.data is None else _WITH[row.data], ...),
    }
    return create_model(f"{_camel(event)}Event", __doc__=f"{row.title}.", **fields)


def _camel(event: str) -> str:
    return "".join(part.capitalize() for part in event.replace(".", "_").split("_"))


def install(app: FastAPI) -> None:
    for event in sorted(PUBLISHED):
        app.webhooks.add_api_route(
            event,
            _receiver(model(event)),
            methods=["POST"],
            summary=EVENTS[event].title,
            description=_DESCRIPTION,
            status_code=204,
            response_description="Taken.",
            responses={410: {"description": "It wants no more."}, "default": {"description": "Tried again later."}},
            operation_id=f"told{_camel(event)}",
        )


def _receiver(body: type[BaseModel]) -> Any:
    """What whoever receives it has to offer; never called."""

    def receive(
        event: BaseModel,
        webhook_id: str = Header(),
        webhook_timestamp: str = Header(description="Seconds since 1970."),
        webhook_signature: str = Header(description="One or more, separated by spaces: `v1,…` HMAC, `v1a,…` Ed25519."),
    ) -> None:
        raise NotImplementedError

    receive.__annotations__["event"] = body
    return receive
