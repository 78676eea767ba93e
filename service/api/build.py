"""The API as an ASGI application, around one Context."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from service.api import desk, help_pages, links, problems
from service.api.calls import Calls, Routed
from service.api.headers import SingleHeaders
from service.api.middleware import BodyLimit, Head, SecurityHeaders
from service.api.rates import AddressLimit, Rates
from service.api.routes import (
    accounts,
    audit,
    decisions,
    deliveries,
    drift,
    drills,
    execution,
    health,
    hooks,
    metrics,
    previews,
    requests,
    rules,
    signing,
)
from service.api.sign_ins import SignIns
from service.api.swagger import page, sign_in
from service.api.waiting import Places
from service.workflow.context import Context

_DESCRIPTION = """Two people approve each operation on an AWS account's root credentials before it runs.

**File** a request. Two people **decide** on it; neither may be its requester or its recipient. **Execute** it once.
Read a request before you decide on it. Your decision sends back its `digest`.
"""

_TAGS = [
    {"name": "Requests", "description": "File, read, withdraw."},
    {"name": "Decisions", "description": "Two people decide on exactly what they have read."},
    {"name": "Signing", "description": "Approvals signed with keys of their approvers, and whose key counts."},
    {"name": "Execution", "description": "Run an approved request once. A new key's secret is shown once."},
    {"name": "Accounts", "description": "The configured accounts, and the live state of their root credentials."},
    {"name": "Drift", "description": "Changes to root credentials that no executed request explains."},
    {"name": "Drills", "description": "Practice: who answers, how fast, and who does not."},
    {"name": "Deliveries", "description": "Events sent to destinations, and their delivery status."},
    {"name": "Hooks", "description": "Signed messages from trackers."},
    {"name": "Audit", "description": "Every step, in order."},
    {"name": "Health", "description": "For load balancers."},
]


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build(ctx: Context | None, lifespan: Lifespan | None = None, sign_ins: SignIns | None = None) -> FastAPI:
    """Build the app with all routes; every refusal is answered as a problem.

    Without a Context it can only describe itself. Without `sign_ins` only API tokens sign in.
    """
    app = FastAPI(
        title="Rootquorum",
        version=version("rootquorum"),
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        # A redirect would be built from the Host header, and send body and token wherever that points.
        redirect_slashes=False,
        # Telemetry built into the framework records exceptions and paths. `spans.py` says what leaves instead.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.ctx = ctx
    app.state.sign_ins = sign_ins or SignIns()
    app.state.hooks = {}
    app.state.places = Places()
    app.state.rates = Rates()
    app.state.transport_headers = []
    app.state.metrics = None
    app.state.is_ending = False
    # Wrap the framework's own middleware too, because that is what answers a crash.
    inner = app.build_middleware_stack
    stack = lambda: Calls(Head(SecurityHeaders(SingleHeaders(AddressLimit(BodyLimit(Routed(inner())))))))  # noqa: E731
    app.build_middleware_stack = stack  # type: ignore[method-assign]
    problems.install(app)
    desk.install(app)
    routers = [
        module.router
        for module in (
            requests,
            previews,
            decisions,
            signing,
            rules,
            execution,
            accounts,
            drift,
            drills,
            deliveries,
            hooks,
            audit,
            health,
            metrics,
            sign_in,
            page,
            desk,
            help_pages,
        )
    ]
    app.state.routes = [route for router in routers for route in router.routes]
    # Not by `include_router`, which matches every path twice: it looks for the router, then for the route in it.
    app.router.routes += app.state.routes
    page.install(app)
    help_pages.install(app)
    links.install(app)
    app.openapi = lambda: _contract_of(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _contract_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document. It is made when it is first asked for, with what only it needs."""
    from service.api.contract.document import contract_of

    return contract_of(app)
