"""An identity provider that answers as a test says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from support.served import served


class Lying:
    """A provider of one's own. `document` is its metadata, `answer` what it gives for a code.

    `answers` come before that, one for each call. None breaks the connection.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.document: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
        }
        self.answer: tuple[int, Any] = (200, {"access_token": "x"})
        self.answers: list[tuple[int, Any] | None] = []
        self.forms: list[dict[str, str]] = []


@contextmanager
def lying_provider() -> Iterator[Lying]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, found.document)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.forms.append(dict(parse_qsl(form)) | {"authorization": str(self.headers["Authorization"])})
            answer = found.answers.pop(0) if found.answers else found.answer
            if answer is not None:
                self._say(*answer)

        def _say(self, status: int, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        found = Lying(f"http://127.0.0.1:{server.server_port}")
        yield found
