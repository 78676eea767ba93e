"""HTTP to one server as one caller. Redirects are refused, answers have a limit, and only what is safe is repeated."""

import ipaddress
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from rootquorum_client.errors import NoAnswer, NotAllowed, Problem, WrongAnswer

LARGEST_TOKEN = 16 * 1024
SECONDS = 30.0
# A request with the longest texts has a tenth of it.
LARGEST_BYTES = 4 * 1024 * 1024
_NOT_ALLOWED = "The server is an https URL, or an http URL on loopback, without user, query and fragment."
_NOT_MODIFIED = 304
# The answers of a service, or of a proxy before it, that is busy or away.
_PASSING = {429, 502, 503, 504}
_MOST_ATTEMPTS = 4
# A person may be waiting for it.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no refusal. `content` may have a secret."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_unchanged(self) -> bool:
        """Whether the ETag that was sent is still the one of the resource."""
        return self.status == _NOT_MODIFIED

    def document(self) -> dict[str, Any]:
        """Return the JSON object. Raise WrongAnswer if it is none."""
        found = _object(self.content)
        if found is None:
            raise WrongAnswer("The server's answer is no JSON object. Is this the service's URL?")
        return found

    def documents(self) -> list[dict[str, Any]]:
        """Return the objects of a JSON list. Raise WrongAnswer if it is none."""
        found = _json(self.content)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise WrongAnswer("The server's answer is no list of JSON objects. Is this the service's URL?")
        return found

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class Transport:
    """One server as one caller. `url` is where the service is, without a slash at its end.

    `attempts` is how often a call that is safe to repeat is made at most. Without a token the caller is anonymous.

    Raise NotAllowed for another URL than https, or http on loopback, since the token goes there; for a malformed token.
    """

    def __init__(self, url: str, token: str | None, *, attempts: int = _MOST_ATTEMPTS) -> None:
        self.url, is_local = _checked(url)
        if token is not None and not _is_token(token):
            raise NotAllowed("The token is empty, or no token.")
        self._attempts = attempts
        # On loopback no proxy of the environment may see the token.
        self._http = httpx.Client(
            headers={"Accept-Encoding": "identity"} | ({} if token is None else {"Authorization": f"Bearer {token}"}),
            timeout=SECONDS,
            trust_env=not is_local,
            verify=not is_local,
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        is_repeatable: bool = False,
        seconds: float = SECONDS,
        largest: int = LARGEST_BYTES,
        **options: Any,
    ) -> Answer:
        """Return the answer. A call that is safe to repeat is made again if the service is busy or away.

        `seconds` is the longest silence. `options` are those of httpx: `params`, `json`, `headers`.

        Raise Problem, NoAnswer, WrongAnswer, NotAllowed.
        """
        for attempt in itertools.count(1):
            is_last = not is_repeatable or attempt >= self._attempts
            pause = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            try:
                answer = self._once(method, path, seconds, largest, options)
            except NoAnswer:
                if is_last:
                    raise
            else:
                if answer.status not in _PASSING or is_last:
                    return _accepted(answer, is_read=method == "GET")
                pause = _pause(answer, pause)
                if pause > _LONGEST_PAUSE_SECONDS:
                    return _accepted(answer, is_read=method == "GET")
            time.sleep(pause)
        raise AssertionError

    def close(self) -> None:
        self._http.close()

    def _once(self, method: str, path: str, seconds: float, largest: int, options: Mapping[str, Any]) -> Answer:
        content, may_have_acted = bytearray(), method != "GET"
        # Each silence is shorter, and still the answer might never end.
        ends_at = time.monotonic() + 2 * seconds
        try:
            patience = httpx.Timeout(seconds, connect=SECONDS)
            with self._http.stream(method, f"{self.url}{path}", timeout=patience, **options) as answer:
                for part in answer.iter_raw():
                    content += part
                    if len(content) > largest:
                        raise WrongAnswer("The server's answer is too long.", may_have_acted=may_have_acted)
                    if time.monotonic() > ends_at:
                        raise NoAnswer("The server's answer has no end.", may_have_acted=may_have_acted)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            was_sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL)
            sentence = f"The server did not answer: {str(error) or type(error).__name__}."
            raise NoAnswer(sentence, may_have_acted=may_have_acted and was_sent) from None
        except UnicodeError:
            raise NotAllowed("What is to be sent has characters that cannot be sent.") from None
        return Answer(answer.status_code, answer.headers, bytes(content))


def _accepted(answer: Answer, *, is_read: bool) -> Answer:
    if answer.is_unchanged or 200 <= answer.status < 300:  # noqa: PLR2004  # the classes of RFC 9110
        return answer
    raise Problem(answer.status, _object(answer.content) or {}, is_read=is_read)


def _pause(answer: Answer, usual: float) -> float:
    """Return the seconds that the service asks for, or the usual ones. A date counts as the usual."""
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else usual  # noqa: PLR2004


def _is_token(text: str) -> bool:
    return 0 < len(text) <= LARGEST_TOKEN and text.isascii() and text.isprintable() and " " not in text


def _checked(url: str) -> tuple[str, bool]:
    """Return the URL without a slash at its end, and whether it is plain http on loopback."""
    try:
        split = urlsplit(url)
        host, _ = split.hostname or "", split.port
    except ValueError:
        raise NotAllowed(_NOT_ALLOWED) from None
    is_plain = split.scheme == "http"
    is_odd = split.username is not None or split.password is not None or "?" in url or "#" in url or not url.isascii()
    if not host or is_odd or not (split.scheme == "https" or (is_plain and _is_loopback(host))):
        raise NotAllowed(_NOT_ALLOWED)
    if any(letter <= " " or letter == "\\" for letter in url):
        raise NotAllowed(_NOT_ALLOWED)
    return f"{split.scheme}://{split.netloc.lower()}{split.path}".rstrip("/"), is_plain


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _object(content: bytes) -> dict[str, Any] | None:
    document = _json(content)
    return document if isinstance(document, dict) else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    # The parser recurses, and a hostile answer nests deeply.
    except (ValueError, RecursionError):
        return None
