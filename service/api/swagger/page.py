"""Swagger UI from this package: no CDN, no inline script, nothing stored in the browser."""

from copy import deepcopy
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from service.api.help_pages import address
from service.api.links import link
from service.api.sign_ins import sign_ins_of

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rootquorum</title>
<link rel="icon" type="image/png" href="{root}/docs/assets/favicon.png">
<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
<link rel="stylesheet" href="{root}/docs/files/desk.css">
</head>
<body>
{help}<div id="swagger-ui" data-openapi="{root}/openapi.json" data-redirect="{root}/docs/oauth2-redirect"></div>
<script src="{root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{root}/docs/files/start.js"></script>
</body>
</html>
"""

# Only if there are documents.
_HELP = '<p class="help"><a href="{}">Help</a></p>\n'

_REDIRECT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Rootquorum: signing in</title>
</head>
<body>
<p id="said">Signing in …</p>
<script src="{root}/docs/files/signed-in.js"></script>
</body>
</html>
"""


@router.get("/openapi.json")
def document(request: Request) -> JSONResponse:
    """Return the API's description with this installation's ways to sign in, and with its path behind a proxy."""
    root: str = request.scope.get("root_path", "")
    described = deepcopy(request.app.openapi())
    described["servers"] = [{"url": root or "/"}]
    # "Authorize" shows the first one at its top.
    schemes = {name: _scheme(root, name) for name in sorted(sign_ins_of(request).browsers)}
    described["components"]["securitySchemes"] = schemes | described["components"]["securitySchemes"]
    for operation in (each for path in described["paths"].values() for each in path.values()):
        if operation["security"]:
            operation["security"] = [{name: []} for name in schemes] + operation["security"]
    return JSONResponse(described)


def _scheme(root: str, name: str) -> dict[str, Any]:
    flow = {
        "authorizationUrl": f"{root}/sign-in/{name}/authorize",
        "tokenUrl": f"{root}/sign-in/{name}/token",
        "scopes": {},
    }
    return {
        "type": "oauth2",
        "description": f"Sign in with {name}, in a separate window.",
        "flows": {"authorizationCode": flow},
    }


@router.get("/docs/")
def without_slash(request: Request) -> RedirectResponse:
    return RedirectResponse(link(request, "/docs"))


@router.get("/docs")
def page(request: Request) -> HTMLResponse:
    # Not `same-origin`: that would cut the connection to the sign-in window.
    html = _PAGE.format(root=_root(request), help=_HELP.format(escape(address(request))) if address(request) else "")
    return HTMLResponse(html, headers={"Cross-Origin-Opener-Policy": "same-origin-allow-popups"})


@router.get("/docs/oauth2-redirect")
def redirect(request: Request) -> HTMLResponse:
    # Its URL contains the code, which is valid once.
    return HTMLResponse(_REDIRECT.format(root=_root(request)), headers={"Cache-Control": "no-store"})


def _root(request: Request) -> str:
    return escape(request.scope.get("root_path", ""))


def install(app: FastAPI) -> None:
    """Mount the files of the page. Only fastapi-offline's files are used: Swagger UI as its project publishes it."""
    for folder, directory in (
        ("assets", files("fastapi_offline") / "static"),
        ("files", files("service.api.swagger") / "files"),
    ):
        app.mount(f"/docs/{folder}", StaticFiles(directory=str(directory)), name=folder)
