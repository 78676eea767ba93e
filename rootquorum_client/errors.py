"""The exceptions of the client. Each says in one sentence what happened, and may quote the server: show it as text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootquorum_client.models import Request

# A call with one of these did nothing, although their status is 5xx (docs/problems.md, "What happened outside").
_NOTHING_WAS_DONE = {"account_unreachable", "provider_unreachable", "tracker_unreachable", "root_not_proved"}
_INTERNAL_ERROR = 500


class ClientError(Exception):
    """The reason why there is no result.

    `may_have_acted` is true if the service may have done what was asked for all the same. Read the request then, before
    anything else.
    """

    def __init__(self, sentence: str, *, may_have_acted: bool = False) -> None:
        super().__init__(sentence)
        self.may_have_acted = may_have_acted


class NotAllowed(ClientError):
    """The client does not do this, with any server: a URL that would give the token away, or an id that is none."""


class NoAnswer(ClientError):
    """The server did not answer, or not to the end."""


class WrongAnswer(ClientError):
    """The answer is not one of this service: no JSON object, too long, or without a member that it has to have."""


class Problem(ClientError):
    """A refusal of the service (RFC 9457).

    `code` is stable (docs/problems.md), and None if something else than the service answered. `errors` has the places
    and reasons of a 422. `document` is the whole answer.
    """

    def __init__(self, status: int, document: Mapping[str, Any], *, is_read: bool) -> None:
        detail, code, errors = (document.get(name) for name in ("detail", "code", "errors"))
        self.status = status
        self.code = code if isinstance(code, str) else None
        self.detail = detail if isinstance(detail, str) and detail else f"The server answered {status}."
        self.errors: Sequence[Mapping[str, Any]] = [
            each for each in (errors if isinstance(errors, list) else []) if isinstance(each, dict)
        ]
        self.document = document
        may_have_acted = not is_read and status >= _INTERNAL_ERROR and self.code not in _NOTHING_WAS_DONE
        super().__init__(self.detail, may_have_acted=may_have_acted)


class TimedOut(ClientError):
    """The status that was waited for did not come in time."""


class Ended(ClientError):
    """The request ended in another status than was waited for. `request` is how."""

    def __init__(self, request: "Request") -> None:
        super().__init__(f"The request is {request.status}, and stays so.")
        self.request = request
