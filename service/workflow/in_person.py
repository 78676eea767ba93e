"""Finds the people whom a delivery still has to tell in person."""

from service.db import requests
from service.db.engine import read
from service.domain.audience import audience
from service.domain.delivery import Addressee, Delivery
from service.workflow.context import Context
from service.workflow.standing import standing_of


def addressees(ctx: Context, delivery: Delivery) -> tuple[Addressee, ...]:
    """Return whom this delivery has not told yet, by the roles and addresses of now. Raise Unavailable.

    Somebody without an address is left out.
    """
    if delivery.request_id is None:
        return ()
    with read(ctx.engine) as tx:
        request = requests.get(tx, delivery.request_id)
        if request is None:
            return ()
        standing = standing_of(ctx, tx, request, all_approvers=True)
    people = audience(delivery.event, request, standing, ctx.now()) - (delivery.reached or frozenset())
    members = [standing.directory.person(subject) for subject in sorted(people)]
    return tuple(
        Addressee(member.subject, member.name, member.email)
        for member in members
        if member is not None and member.email is not None
    )
