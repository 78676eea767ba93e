"""The desk: serves its page at every path below `/desk`, and its files. The browser decides which view it shows."""

import json
from html import escape
from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse
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
<meta name="color-scheme" content="light dark">
<title>Rootquorum</title>
<link rel="icon" type="image/svg+xml" href="{root}/desk/files/icon.svg">
<link rel="stylesheet" href="{root}/desk/files/desk.css">
<script type="module" src="{root}/desk/files/main.js"></script>
</head>
<body data-root="{root}" data-sign-ins="{sign_ins}" data-rp-id="{rp_id}" data-help="{help}">
<noscript>This page needs JavaScript. Without it, use the terminal: rootquorum approve.</noscript>
</body>
</html>
"""


@router.get("/")
def home(request: Request) -> RedirectResponse:
    """Redirect somebody who types only the address to the page for people."""
    return RedirectResponse(link(request, "/desk"))


@router.get("/desk/evidence.html")
def evidence_page() -> FileResponse:
    """Return the page that checks evidence, as a file to keep: it does not run on this site."""
    return FileResponse(str(files("service.desk") / "evidence.html"), filename="evidence.html", media_type="text/html")


@router.get("/desk")
@router.get("/desk/{path:path}")
def page(request: Request) -> HTMLResponse:
    """Return the page, which is the same for everybody: it names the ways to sign in, and what else it links to."""
    signing = request.app.state.ctx.signing
    html = _PAGE.format(
        root=escape(request.scope.get("root_path", "")),
        sign_ins=escape(json.dumps(sorted(sign_ins_of(request).browsers))),
        rp_id=escape(signing.rp_id or ""),
        help=escape(address(request)),
    )
    # Not `same-origin`: that would cut the connection to the sign-in window, which then could not be closed.
    return HTMLResponse(html, headers={"Cross-Origin-Opener-Policy": "same-origin-allow-popups"})


def install(app: FastAPI) -> None:
    """Mount what `make evidence` makes of the files. Call it before the router, which takes all else below `/desk`."""
    app.mount("/desk/files", StaticFiles(directory=str(files("service.desk") / "served")), name="desk")
