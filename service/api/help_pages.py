"""The documents at `/help`, as `make docs` builds them: plain files, for everybody. Not every installation has them."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from service.api.links import link
from service.domain.errors import Code, NotFound

router = APIRouter(include_in_schema=False)


@router.get("/help")
def without_slash(request: Request) -> RedirectResponse:
    """Redirect to the first page. Its links are relative, so its own address must end with a slash. Raise NotFound."""
    _site(request)
    return RedirectResponse(link(request, "/help/"))


@router.get("/help/{path:path}")
async def file(request: Request, path: str) -> Response:
    """Return one file of the site. A folder has no listing. Raise NotFound."""
    return await _site(request).get_response(path or "index.html", request.scope)


def _site(request: Request) -> StaticFiles:
    site: StaticFiles | None = request.app.state.help_pages
    if site is None:
        raise NotFound(Code.NOT_FOUND, "This installation was made without the documents.")
    return site


def address(request: Request) -> str:
    """Return where the first page is, as a link for a page of this service. It is empty if there are no documents."""
    root: str = request.scope.get("root_path", "")
    return "" if request.app.state.help_pages is None else f"{root}/help/"


def install(app: FastAPI, site: Path | None = None) -> None:
    """Serve the documents in `site`; else those of the wheel, or those that `make docs` built in this checkout."""
    found = site or built()
    app.state.help_pages = None if found is None else StaticFiles(directory=found)


def built() -> Path | None:
    service = Path(str(files("service")))
    places = [service / "help"]
    # Beside an installed package, `site` could be anybody's.
    if (service.parent / "mkdocs.yml").is_file():
        places.append(service.parent / "site/html")
    return next((place for place in places if (place / "index.html").is_file()), None)
