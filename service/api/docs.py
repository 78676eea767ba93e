"""Swagger UI from this package: no CDN, no inline script, nothing kept in the browser."""

from html import escape
from importlib.resources import files

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rootquorum</title>
<link rel="icon" type="image/png" href="{root}/docs/assets/favicon.png">
<link rel="stylesheet" href="{root}/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-openapi="{root}/openapi.json"></div>
<script src="{root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""

# A signed-in browser forgets the token with the page: persistAuthorization would keep it in local storage.
_START = """SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.openapi,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""


@router.get("/docs")
def page(request: Request) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(root=escape(request.scope.get("root_path", ""))))


@router.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript")


def install(app: FastAPI) -> None:
    """Only the files of fastapi-offline are used: Swagger UI as its project publishes it."""
    app.include_router(router)
    assets = StaticFiles(directory=str(files("fastapi_offline") / "static"))
    app.mount("/docs/assets", assets, name="docs-assets")
