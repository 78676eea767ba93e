"""A session that PostgreSQL ends in the middle: nobody notices, but for where AWS has acted already."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event
from support.builders import CREATE
from support.house import House

from service.domain.errors import Code, ServiceError
from service.domain.request import OperationRequest
from service.workflow.decide import confirm_receipt, withdraw
from service.workflow.read import show


@contextmanager
def session_lost_at(house: House, word: str, *, after: str | None = None) -> Iterator[list[str]]:
    """The first session that comes to a statement with `word` in it, after AWS saw the call `after`, is ended there.

    Yields a list of the statements with that word, as often as they were sent.
    """
    sent: list[str] = []
    seen = house.aws.count(after) if after else 0

    def lose(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        if word not in statement or (after and house.aws.count(after) == seen):
            return
        sent.append(statement)
        if len(sent) == 1:
            driver: psycopg.Connection[Any] = connection.connection.dbapi_connection  # type: ignore[assignment]
            url = house.owner.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [driver.info.backend_pid])

    event.listen(house.ctx.engine, "before_cursor_execute", lose)
    try:
        yield sent
    finally:
        event.remove(house.ctx.engine, "before_cursor_execute", lose)


def events(house: House, request: OperationRequest) -> list[str]:
    return [content.split('"event":"')[1].split('"')[0] for content in house.events(request)]


def test_a_filing_is_filed_once(house: House) -> None:
    house.token("alice")
    with session_lost_at(house, "INSERT INTO audit_events") as sent:
        request = house.file()
    assert (len(sent), events(house, request)) == (2, ["request.filed"])


def approve(house: House, on: OperationRequest) -> None:
    house.approve(on, "bob")


def call_off(house: House, on: OperationRequest) -> None:
    withdraw(house.ctx, house.actor("alice"), on.filing.request_id)


@pytest.mark.parametrize(
    ("act", "word", "told"),
    [
        (approve, "INSERT INTO decisions", "decision.recorded"),
        (
            lambda house, on: withdraw(house.ctx, house.actor("alice"), on.filing.request_id),
            "UPDATE requests",
            "request.withdrawn",
        ),
    ],
)
def test_what_people_decide_is_recorded_once(
    house: House, act: Callable[[House, OperationRequest], object], word: str, told: str
) -> None:
    request = house.file()
    with session_lost_at(house, word) as sent:
        act(house, request)
    assert (len(sent), events(house, request)) == (2, ["request.filed", told])


def test_a_read_is_read_again(house: House) -> None:
    request = house.file()
    alice = house.actor("alice")
    with session_lost_at(house, "FROM requests") as sent:
        assert show(house.ctx, alice, request.filing.request_id).request == request
    assert len(sent) == 2


def test_a_claim_is_made_once_before_aws_is_asked(house: House) -> None:
    request = house.approved(CREATE)
    with session_lost_at(house, "UPDATE requests") as sent:
        executed, key = house.execute(request)
    assert (executed.status, key is not None, len(sent)) == ("delivered", True, 3)
    assert house.aws.count("CreateAccessKey") == 1
    assert events(house, request).count("execution.started") == 1
    confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id)


def test_what_aws_did_is_not_settled_twice_and_the_key_is_taken_back(house: House) -> None:
    request = house.approved(CREATE)
    with session_lost_at(house, "UPDATE requests", after="CreateAccessKey"), pytest.raises(ServiceError) as refusal:
        house.execute(request)
    assert refusal.value.code is Code.NOT_RECORDED
    assert (house.aws.count("CreateAccessKey"), house.aws.count("DeleteAccessKey")) == (1, 1)
    assert house.now(request).status == "failed"
