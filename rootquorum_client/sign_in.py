"""Signs in at an identity provider by a browser on this machine: code with PKCE, on loopback (RFC 7636, 8252).

Nothing is stored. The code goes to the provider that was named, and to nobody else.
"""

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from rootquorum_client.errors import NotAllowed, TimedOut, WrongAnswer
from rootquorum_client.provider import SCOPE, Refused, Tokens, metadata, posted, tokens_of

_PATH = "/callback"
_SECONDS = 300


def sign_in(
    issuer: str,
    client_id: str,
    *,
    show: Callable[[str], object],
    port: int = 0,
    scope: str = SCOPE,
    max_age: int | None = None,
    seconds: float = _SECONDS,
) -> Tokens:
    """Have somebody sign in, and return their tokens.

    `show` gets the address for their browser. The provider redirects it to `http://127.0.0.1:<port>/callback`, which
    has to be registered for the client; port 0 takes any. `max_age` is how many seconds ago they may have signed in.

    Raise ClientError; TimedOut if nobody has signed in after so many `seconds`.
    """
    found = metadata(issuer, "authorization_endpoint", "token_endpoint")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    with _listening(issuer, state, port) as (redirect, awaited):
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": _base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        } | ({} if max_age is None else {"max_age": str(max_age)})
        where = found["authorization_endpoint"]
        show(f"{where}{'&' if '?' in where else '?'}{urlencode(query)}")
        code = awaited(seconds)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "client_id": client_id}
        return tokens_of(posted(found["token_endpoint"], {**form, "code_verifier": verifier}), nonce)


@dataclass
class _Redirect:
    """The redirect of the browser, once it has come."""

    has_come: threading.Event = field(default_factory=threading.Event)
    query: dict[str, str] = field(default_factory=dict)


def _handler(found: _Redirect, state: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # browsers open connections and send nothing

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = dict(parse_qsl(split.query))
            # Whoever does not know the state is another program, or a page that the person has open.
            is_ours = split.path == _PATH and hmac.compare_digest(query.get("state", "").encode(), state.encode())
            self._say(*((200, "You can close this window.") if is_ours else (404, "This is no sign-in.")))
            if is_ours and not found.has_come.is_set():
                found.query = query
                found.has_come.set()

        def _say(self, status: int, sentence: str) -> None:
            content = sentence.encode()
            self.send_response(status)
            for name, value in (
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(content))),
                ("Cache-Control", "no-store"),
                ("Referrer-Policy", "no-referrer"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing: the path has the code."""

    return Handler


@contextmanager
def _listening(issuer: str, state: str, port: int) -> Iterator[tuple[str, Callable[[float], str]]]:
    """Listen on loopback for the redirect of this sign-in. Provide its URI, and what waits for its code."""
    found = _Redirect()

    def awaited(seconds: float) -> str:
        if not found.has_come.wait(seconds):
            raise TimedOut(f"Nobody has signed in after {seconds:g} seconds.")
        # RFC 9207: a code of another provider is not taken to this one.
        if found.query.get("iss", issuer) != issuer:
            raise WrongAnswer("Another provider than the one that was named has answered.")
        if "code" not in found.query:
            raise Refused(found.query.get("error"))
        return found.query["code"]

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(found, state))
    except OSError:
        raise NotAllowed(f"Port {port} of this machine is in use.") from None
    with server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{_PATH}", awaited
        finally:
            server.shutdown()
            thread.join()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
