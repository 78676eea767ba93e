"""Deliveries: events sent to destinations, and their status."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.api.contract import described
from service.api.deps import Ctx, SignedIn
from service.api.paging import decode_place, encode_place
from service.api.problems import documented
from service.api.schemas import inputs, outputs
from service.api.views import delivery_out
from service.db.outbox import Place, Wanted
from service.domain.delivery import delivery_pending, no_such_delivery
from service.domain.errors import Code
from service.domain.permissions import TO_REDELIVER, TO_SEE_DELIVERIES, role_required
from service.workflow.deliver import list_deliveries, redeliver

router = APIRouter(prefix="/v1/deliveries", tags=["Deliveries"])


@router.get(
    "",
    operation_id="listDeliveries",
    summary="List deliveries",
    responses=described.answer("A page.", "deliveries")
    | documented(
        Code.ROLE_REQUIRED,
        invalid=("query", "cursor"),
        said=[role_required(TO_SEE_DELIVERIES, everywhere=True)],
    ),
)
def get_deliveries(
    ctx: Ctx, actor: SignedIn, wanted: Annotated[inputs.DeliveryFilter, Query()]
) -> outputs.DeliveryPageOut:
    """List deliveries, newest first. A delivery is one event for one destination.

    Requires the role `operator` or `auditor`.
    """
    found = list_deliveries(
        ctx,
        actor,
        Wanted(status=wanted.status, destination=wanted.destination, request_id=wanted.request_id),
        after=decode_place(wanted.cursor),
        limit=wanted.limit + 1,
    )
    page = found[: wanted.limit]
    following = Place(page[-1].seq, page[-1].destination) if len(found) > len(page) else None
    return outputs.DeliveryPageOut(
        items=[delivery_out(delivery) for delivery in page], next_cursor=encode_place(following)
    )


@router.post(
    "/{delivery_id}/redelivery",
    operation_id="redeliver",
    summary="Send a delivery again",
    responses=described.answer("It will be sent again.", "redelivery")
    | documented(
        Code.ROLE_REQUIRED,
        Code.NOT_FOUND,
        Code.WRONG_STATUS,
        invalid=("path", "delivery_id"),
        said=[role_required(TO_REDELIVER, everywhere=True), no_such_delivery(), delivery_pending()],
    ),
)
def post_redelivery(ctx: Ctx, actor: SignedIn, delivery_id: inputs.DeliveryId) -> outputs.DeliveryOut:
    """Send it with the same id and body, so that the receiver can recognize a duplicate. Requires the role
    `operator`.
    """
    return delivery_out(redeliver(ctx, actor, delivery_id))
