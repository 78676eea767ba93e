"""Calls the service over HTTP, for programs that trust nothing which it says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from rootquorum_client.errors import ClientError, Problem
from rootquorum_client.models import Request, read
from rootquorum_client.transport import Transport
from service.client.refused import Refused

_Kind = TypeVar("_Kind")


class Remote:
    """One server as one caller. `url` is where the service is, without a slash at its end.

    Nothing is repeated. Raise Refused for another URL than https, or http on loopback, since the token goes there; for
    a malformed token.
    """

    def __init__(self, url: str, token: str) -> None:
        with _refusing():
            self._transport = Transport(url, token, attempts=1)
        self.url = self._transport.url

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the object that is answered. Raise Refused with the problem's detail."""
        with _refusing():
            return self._transport.send("GET", path, params=query).document()

    def request(self, request_id: str) -> Request:
        """Return a request as the server tells it. Raise Refused with the problem's detail, or for another object."""
        document = self.get(f"/v1/requests/{request_id}")
        with _refusing():
            return read(Request, document)

    def get_text(self, path: str) -> str:
        """Return the text that is answered. Raise Refused with the problem's detail."""
        with _refusing():
            return self._transport.send("GET", path).content.decode("utf-8", "replace")

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do the same with a body, for what changes nothing."""
        try:
            return self.post(path, body)
        except Refused as refused:
            refused.may_have_acted = False
            raise

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        check: Callable[[Mapping[str, Any]], object] = lambda _: None,
    ) -> dict[str, Any]:
        """Change something, and return the object that is answered.

        `check` raises Refused if that is not the expected one. Then the server may have done it all the same.
        """
        with _refusing():
            answer = self._transport.send("POST", path, json=body)
        try:
            with _refusing():
                document = answer.document()
            check(document)
        except Refused as refused:
            refused.may_have_acted = True
            raise
        return document

    def close(self) -> None:
        self._transport.close()


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        problem = error.document if isinstance(error, Problem) else None
        raise Refused(str(error), may_have_acted=error.may_have_acted, problem=problem) from None


def items(answer: Mapping[str, Any], *path: str) -> list[Any]:
    """Return the list at a path in an answer. Raise Refused if there is none."""
    return _at(answer, path, list)


def text(answer: Mapping[str, Any], *path: str) -> str:
    """Return the text at a path in an answer. Raise Refused if there is none."""
    return _at(answer, path, str)


def objects(answer: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
    """Return the list of objects at a path in an answer. Raise Refused if there is none."""
    found = _at(answer, path, list)
    if not all(isinstance(each, dict) for each in found):
        raise Refused(f"In the server's answer, {' of '.join(reversed(path))} is no list of objects.")
    return found


def _at(answer: Mapping[str, Any], path: Sequence[str], kind: type[_Kind]) -> _Kind:
    found: Any = answer
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, kind):
        raise Refused(f"The server's answer has no {' of '.join(reversed(path))}.")
    return found
