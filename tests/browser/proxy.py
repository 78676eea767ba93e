"""A proxy that serves the service under a prefix, and takes the prefix off, as nginx does."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from support.served import served

_OF_THE_CONNECTION = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


@contextmanager
def proxied(upstream: str, prefix: str) -> Iterator[str]:
    """Where it is, without the prefix."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            # As is: what comes compressed stays so, and nobody but the browser follows a redirect.
            headers = dict(self.headers) | {"accept-encoding": "identity"}
            answer = httpx.request(
                self.command, upstream + self.path.removeprefix(prefix), headers=headers, content=body, verify=False
            )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = forward  # noqa: N815  # the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
