"""Addresses of this service, as whoever is beyond the proxy writes them; and where a person's browser is led."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from service.api.schemas import inputs


def link(request: Request, path: str) -> str:
    """Write `path` of this service for a header: under the prefix of `server.root_path`, and never with a host.

    A host would be the Host header's, which anybody can choose.
    """
    return quote(request.scope.get("root_path", ""), safe="/") + path


class _ForPeople(Exception):
    """Says that a person gets the page at `location` in the place of an answer."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location


def lead_people_to_the_page(request: Request, request_id: inputs.RequestId) -> None:
    """Lead a browser without a token to Swagger UI at that request. It has followed a link from a chat or a ticket.

    It happens for every id alike, so it tells nobody which requests there are.
    """
    if "authorization" not in request.headers and _is_a_browser(request):
        raise _ForPeople(link(request, f"/docs?request_id={request_id}#/Requests/readRequest"))


def _is_a_browser(request: Request) -> bool:
    """Tell a browser that opens a page, which names both, from programs, which name the first at most."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and "application/xhtml+xml" in accepted


def install(app: FastAPI) -> None:
    app.add_exception_handler(_ForPeople, _on_people)


def _on_people(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _ForPeople)  # the line above says so
    return RedirectResponse(error.location, status_code=303)
