"""A server between a client and the service that passes everything on, except the objects that it lies about."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from support.served import served

# Takes the path and the answer, and returns the answer to give.
Lie = Callable[[str, dict[str, Any]], dict[str, Any]]


@contextmanager
def lying(url: str, lie: Lie) -> Iterator[str]:
    """Serve on loopback in front of `url`, and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _pass_on(self, body: bytes | None) -> None:
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            answer = httpx.request(self.command, url + self.path, content=body, headers=headers, verify=False)
            is_json = "json" in answer.headers["Content-Type"]
            told, status = answer.content, answer.status_code
            if is_json:
                said = lie(self.path.partition("?")[0], answer.json())
                told = json.dumps(said).encode()
                if str(said.get("type")).startswith("urn:rootquorum:problem:"):
                    status = said["status"]
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
