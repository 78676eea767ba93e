"""Metrics on the API's port, for whoever signs in and has a role for them. Off unless the settings say otherwise."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import SignedIn
from service.api.problems import no_such_resource
from service.domain.permissions import check_may_read_state

# It is for Prometheus and no part of the API's contract.
router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request, actor: SignedIn) -> Response:
    """Return the state of the service in Prometheus's text format, to operators and auditors of all accounts."""
    render: Callable[[], Response] | None = request.app.state.metrics
    if render is None:
        raise no_such_resource()
    check_may_read_state(actor)
    return render()
