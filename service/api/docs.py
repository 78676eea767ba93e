"""Swagger UI from this package: no CDN, no inline script, nothing kept in the browser."""

from copy import deepcopy
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

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
</head>
<body>
<div id="swagger-ui" data-openapi="{root}/openapi.json" data-redirect="{root}/docs/oauth2-redirect"></div>
<script src="{root}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""

# A signed-in browser forgets the token with the page: persistAuthorization would keep it in local storage. The client
# id is the service's business; Swagger UI only wants to have one.
_START = """const page = document.getElementById("swagger-ui").dataset;
SwaggerUIBundle({
  url: page.openapi,
  dom_id: "#swagger-ui",
  oauth2RedirectUrl: window.location.origin + page.redirect,
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
}).initOAuth({ clientId: "swagger-ui", usePkceWithAuthorizationCodeGrant: true });
"""

_REDIRECT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Rootquorum: signing in</title>
</head>
<body>
<p id="said">Signing in …</p>
<script src="{root}/docs/signed-in.js"></script>
</body>
</html>
"""

# The window in which somebody has signed in hands the code to the page that opened it. Another state than the one sent
# means that somebody else began this.
_SIGNED_IN = """const flow = window.opener && window.opener.swaggerUIRedirectOauth2;
const answer = new URLSearchParams(window.location.search);
const refuse = (message) => {
  flow.errCb({ authId: flow.auth.name, source: "auth", level: "error", message });
  window.close();
};
if (!flow) {
  document.getElementById("said").textContent = "Open Swagger UI, and sign in by its button Authorize.";
} else if (answer.get("state") !== flow.state) {
  refuse("The answer belongs to another sign-in. Try again.");
} else if (!answer.get("code")) {
  refuse("The provider signed nobody in: " + (answer.get("error") || "no code") + ".");
} else {
  delete flow.state;
  flow.auth.code = answer.get("code");
  flow.callback({ auth: flow.auth, redirectUrl: flow.redirectUrl });
  window.close();
}
"""


@router.get("/openapi.json")
def document(request: Request) -> JSONResponse:
    """The API's description, with the ways to sign in that this installation has, where a proxy serves it."""
    root: str = request.scope.get("root_path", "")
    described = deepcopy(request.app.openapi())
    if root:
        described["servers"] = [{"url": root}]
    names = sorted(sign_ins_of(request).browsers)
    described["components"]["securitySchemes"] |= {name: _scheme(root, name) for name in names}
    for operation in (each for path in described["paths"].values() for each in path.values()):
        if "security" in operation:
            operation["security"] += [{name: []} for name in names]
    return JSONResponse(described)


def _scheme(root: str, name: str) -> dict[str, Any]:
    flow = {
        "authorizationUrl": f"{root}/sign-in/{name}/authorize",
        "tokenUrl": f"{root}/sign-in/{name}/token",
        "scopes": {},
    }
    return {
        "type": "oauth2",
        "description": f"Sign in with {name}, in a window of its own. Leave the fields as they are.",
        "flows": {"authorizationCode": flow},
    }


@router.get("/docs")
def page(request: Request) -> HTMLResponse:
    # Not `same-origin`: that would cut the tie to the window in which people sign in.
    return HTMLResponse(_with_root(_PAGE, request), headers={"Cross-Origin-Opener-Policy": "same-origin-allow-popups"})


@router.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript")


@router.get("/docs/oauth2-redirect")
def redirect(request: Request) -> HTMLResponse:
    # Its address holds the code, which is good once.
    return HTMLResponse(_with_root(_REDIRECT, request), headers={"Cache-Control": "no-store"})


@router.get("/docs/signed-in.js")
def signed_in() -> Response:
    return Response(_SIGNED_IN, media_type="text/javascript")


def _with_root(html: str, request: Request) -> str:
    return html.format(root=escape(request.scope.get("root_path", "")))


def install(app: FastAPI) -> None:
    """Only the files of fastapi-offline are used: Swagger UI as its project publishes it."""
    app.include_router(router)
    assets = StaticFiles(directory=str(files("fastapi_offline") / "static"))
    app.mount("/docs/assets", assets, name="docs-assets")
