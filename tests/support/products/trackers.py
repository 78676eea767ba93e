"""Products with tickets. Prism checks each request against the published document, and forms the response.

What is written is kept here, on one ticket.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import httpx
from support.products.prism import excerpt, running_prism
from support.served import served

TICKET_NUMBER = 12


class TrackerRefusal(Exception):
    """A refusal, with the HTTP status."""


@dataclass
class Comment:
    body: Any
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Product:
    """A product with one ticket. `loses` says what is lost of the next write: the request or its response."""

    authorization: str

    def __init__(self) -> None:
        self.comments: list[Comment] = []
        self.state = "open"
        self.writes = 0
        self.asked: list[Asked] = []
        self.url = ""
        self.loses: Literal["request", "answer"] | None = None

    def answered(self, asked: Asked) -> Any:
        """Return JSON, or None for an empty response, to authorized callers. Raise TrackerRefusal."""
        if asked.headers.get("authorization") != self.authorization:
            raise TrackerRefusal(401)
        return self.answer(asked)

    def answer(self, asked: Asked) -> Any:
        """Answer a request. Raise TrackerRefusal."""
        raise NotImplementedError


class Described(Product):
    """A product with an OpenAPI document."""

    document: str
    below = ""  # of the URL that settings have
    paths: tuple[str, ...]
    # The oldest of the documents does not describe bodies.
    describes_bodies = True

    def __init__(self) -> None:
        super().__init__()
        self.described = excerpt(self.document, self.paths)
        self.prism = ""

    def judged(self, asked: Asked) -> Any:
        """Return Prism's response. Raise TrackerRefusal."""
        unknown = set(asked.query) - self._parameters(asked)
        if unknown:
            raise TrackerRefusal(400)
        with_body = self.describes_bodies and asked.body is not None
        found = httpx.request(
            asked.method,
            f"{self.prism}{asked.path}",
            params=asked.query,
            json=asked.body if with_body else None,
            headers={"Accept": "application/json", "Authorization": asked.headers["authorization"]},
            verify=False,  # there is no TLS, and loading certificates takes long
        )
        violations = json.loads(found.headers.get("sl-violations", "[]"))
        if found.is_error and not (violations and all(each["location"][0] == "response" for each in violations)):
            raise TrackerRefusal(found.status_code)  # otherwise the document's own example is invalid
        return found.json() if found.content else {}

    def _parameters(self, asked: Asked) -> set[str]:
        """Return the documented names of the request's query parameters."""
        for path, item in self.described["paths"].items():
            if re.fullmatch(re.sub(r"\\{[^}]*\\}|\{[^}]*\}", "[^/]+", path), asked.path):
                listed = [*item.get("parameters", []), *item.get(asked.method.lower(), {}).get("parameters", [])]
                return {self._resolved(each)["name"] for each in listed if self._resolved(each)["in"] == "query"}
        raise TrackerRefusal(404)

    def _resolved(self, parameter: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in parameter:
            return parameter
        found: Mapping[str, Any] = self.described["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        return found


class GitHubProduct(Described):
    document = "github"
    authorization = "Bearer github-token"
    repository = "example/operations"
    paths = tuple(
        "/repos/{owner}/{repo}" + below for below in ("", "/issues/{issue_number}", "/issues/{issue_number}/comments")
    )

    def answer(self, asked: Asked) -> Any:
        form = self.judged(asked)
        if asked.headers.get("x-github-api-version") != "2022-11-28":
            raise TrackerRefusal(400)
        ours = f"/repos/{self.repository}"
        issue = f"{ours}/issues/{TICKET_NUMBER}"
        match asked.method, asked.path:
            case "GET", path if path == ours:
                return form
            case "GET", path if path == f"{issue}/comments":
                return self._page(asked.query, form[0])
            case "POST", path if path == f"{issue}/comments":
                self.comments.append(Comment(asked.body["body"]))
                return form | {"body": asked.body["body"]}
            case "GET", path if path == issue:
                return form | {"state": self.state}
            case "PATCH", path if path == issue:
                self.state = asked.body["state"]
                return form | {"state": self.state}
        raise TrackerRefusal(404)

    def _page(self, query: Mapping[str, str], form: Mapping[str, Any]) -> list[Any]:
        """Return a page, oldest first; the order cannot be chosen."""
        since = datetime.fromisoformat(query["since"])
        found = [{**form, "body": each.body} for each in self.comments if each.at >= since]
        size = int(query["per_page"])
        start = (int(query["page"]) - 1) * size
        return found[start : start + size]


class GitHubEnterprise(GitHubProduct):
    document = "github-enterprise"
    below = "/api/v3"  # the server in its document

    def answer(self, asked: Asked) -> Any:
        asked.path = asked.path.removeprefix(self.below)
        return super().answer(asked)


class JiraProduct(Described):
    """Jira Cloud. `ignores_order` is undocumented behaviour."""

    ignores_order = False
    document = "jira-cloud"
    authorization = "Basic cm9vdHF1b3J1bUBleGFtcGxlLmNvbTpqaXJhLXRva2Vu"
    base = "/rest/api/3"
    paths = tuple(
        "/rest/api/3" + below
        for below in (
            "/myself",
            "/issue/{issueIdOrKey}",
            "/issue/{issueIdOrKey}/comment",
            "/issue/{issueIdOrKey}/transitions",
        )
    )

    def answer(self, asked: Asked) -> Any:
        form = self.judged(asked)
        issue = f"{self.base}/issue/OPS-{TICKET_NUMBER}"
        match asked.method, asked.path:
            case "GET", path if path == f"{self.base}/myself":
                return form
            case "GET", path if path == f"{issue}/comment":
                return self._page(asked.query)
            case "POST", path if path == f"{issue}/comment":
                self.comments.append(Comment(self.taken(asked.body["body"])))
                return form
            case "GET", path if path == issue:
                return form | {"fields": {"status": {"name": self.state}}}
            case "GET", path if path == f"{issue}/transitions":
                return form | {"transitions": [{"id": "31", "name": "Close", "to": {"name": "closed"}}]}
            case "POST", path if path == f"{issue}/transitions":
                self.state = {"31": "closed"}[asked.body["transition"]["id"]]
                return None
        raise TrackerRefusal(404)

    def taken(self, body: Any) -> Any:
        if not isinstance(body, dict):
            raise TrackerRefusal(400)
        return body

    def _page(self, query: Mapping[str, str]) -> Any:
        newest_first = query.get("orderBy") == "-created" and not self.ignores_order
        found = sorted(self.comments, key=lambda each: each.at, reverse=newest_first)
        start = int(query["startAt"])
        shown = found[start : start + int(query["maxResults"])]
        stamps = [each.at.strftime("%Y-%m-%dT%H:%M:%S.000%z") for each in shown]
        return {
            "startAt": start,
            "total": len(found),
            "comments": [{"body": each.body, "created": stamp} for each, stamp in zip(shown, stamps, strict=True)],
        }


class JiraDataCenter(JiraProduct):
    document = "jira"
    authorization = "Bearer jira-token"
    base = "/api/2"  # below /rest, which its document has as its server
    paths = tuple(path.replace("/rest/api/3", "/api/2") for path in JiraProduct.paths)
    describes_bodies = False

    def answer(self, asked: Asked) -> Any:
        asked.path = asked.path.removeprefix("/rest")
        return super().answer(asked)

    def taken(self, body: Any) -> Any:
        if not isinstance(body, str):
            raise TrackerRefusal(400)
        return body


@contextmanager
def serving(product: Product) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            loses, product.loses = product.loses, None
            self._serve(loses)

        def do_PATCH(self) -> None:
            self.do_POST()

        def _serve(self, loses: str | None) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if loses == "request":
                return
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            asked = Asked(self.command, parts.path, query, headers, json.loads(raw) if raw else None)
            product.asked.append(asked)
            status, body = 200, None
            try:
                body = product.answered(asked)
                product.writes += self.command != "GET"
            except TrackerRefusal as refusal:
                status = refusal.args[0]
            if loses != "answer":
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"" if body is None else json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as running:
        product.url = f"http://127.0.0.1:{running.server_port}"
        yield


@contextmanager
def running(kind: type[Described]) -> Iterator[Described]:
    product = kind()
    with running_prism(product.described) as product.prism, serving(product):
        yield product
