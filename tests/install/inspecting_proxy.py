"""A package index that is reached only through a proxy that inspects TLS.

    python inspecting_proxy.py WHEELS CA_FILE PORT

The proxy takes CONNECT for any host, shows a certificate of its own authority, whose certificate it writes to CA_FILE,
and answers as the index (PEP 503) with the files in WHEELS.
"""

import re
import socketserver
import ssl
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import trustme

WHEELS, CA_FILE, PORT = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
AUTHORITY = trustme.CA()


def project(file: Path) -> str:
    """The normalized name of the project that a file is of."""
    return re.sub(r"[-_.]+", "-", re.split(r"-\d", file.name)[0]).lower()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(self.path.rpartition(":")[0]).configure_cert(context)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        parts = [unquote(part) for part in self.path.split("?")[0].strip("/").split("/")]
        files = sorted(WHEELS.iterdir())
        if parts[0] == "files" and (WHEELS / parts[-1]) in files:
            self._answer((WHEELS / parts[-1]).read_bytes(), "application/octet-stream")
        elif parts[0] == "simple" and len(parts) == 2:
            links = (f'<a href="/files/{file.name}">{file.name}</a>' for file in files if project(file) == parts[1])
            self._answer("\n".join(links).encode(), "text/html")
        else:
            self._answer(b"", "text/plain", 404)

    def _answer(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class ProxyServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that does not trust the authority hangs up."""


AUTHORITY.cert_pem.write_to_path(str(CA_FILE))
ProxyServer(("127.0.0.1", PORT), Handler).serve_forever()
