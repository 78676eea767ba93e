"""The parts that the commands over the HTTP API share: the client, JSON, and the exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rootquorum_client import Client, ClientError, Ended, NotAllowed, Problem, TimedOut
from service.cli.common import ENDED_OTHERWISE, IS_UNKNOWN, errors, print_json
from service.cli.remotely import misused, place_of, token_of

RequestId = Annotated[str, typer.Argument(help="Its id, from `rootquorum list`.")]


@contextmanager
def calling(server: str, token_file: Path | None, *, as_json: bool) -> Iterator[Client]:
    """Provide the service. A failure is one line on stderr, and the exit code for its kind.

    With `as_json`, the problem document of a refusal is printed too.
    """
    url, profile = place_of(server)
    try:
        with Client(url, token_of(token_file, profile)) as client:
            yield client
    except NotAllowed as error:
        misused(str(error))
    except Problem as problem:
        if as_json:
            print_json(problem.document or {"status": problem.status, "detail": problem.detail})
        end(_in_one_line(problem), problem)
    except ClientError as error:
        end(str(error), error)


def end(sentence: str, error: ClientError) -> NoReturn:
    """Print the sentence on stderr, and exit with the code for the error."""
    errors.print(sentence, style="red", soft_wrap=True)
    if isinstance(error, Ended | TimedOut):
        raise typer.Exit(ENDED_OTHERWISE)
    raise typer.Exit(IS_UNKNOWN if error.may_have_acted else 1)


def minute(at: datetime | None) -> str:
    """Return the time in UTC, to the minute."""
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _in_one_line(problem: Problem) -> str:
    """Return the detail, with each wrong field and its reason."""
    wrong = [
        f"{'.'.join(map(str, each.get('location') or ['?']))}: {each.get('reason')}"
        for each in problem.errors
        if isinstance(each.get("location"), list)
    ]
    return " ".join([problem.detail, *(["(" + "; ".join(wrong) + ")"] if wrong else [])])
