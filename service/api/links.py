"""Links to this service as seen from outside the proxy, and the redirect of browsers to the page for people."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from service.api.schemas import inputs


def link(request: Request, path: str) -> str:
    """Return `path` for use in a header: with the prefix `server.root_path`, and without a host.

    The host could only come from the Host header, which the client chooses.
    """
    return quote(request.scope.get("root_path", ""), safe="/") + path


class _ForPeople(Exception):
    """Redirects a person's browser to the page at `location`."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location


async def lead_people_to_the_page(request: Request, request_id: inputs.RequestId) -> None:
    """Redirect a browser without a token to the desk at that request. It has followed a link from a chat or a ticket.

    Every id is redirected, so the redirect does not reveal which requests exist.
    """
    if "authorization" not in request.headers and _is_a_browser(request):
        raise _ForPeople(link(request, f"/desk/requests/{request_id}"))


def _is_a_browser(request: Request) -> bool:
    """Tell a browser from a program: only a browser that opens a page accepts both media types."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and "application/xhtml+xml" in accepted


def install(app: FastAPI) -> None:
    app.add_exception_handler(_ForPeople, _on_people)


def _on_people(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _ForPeople)  # the line above says so
    return RedirectResponse(error.location, status_code=303)
