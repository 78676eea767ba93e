"""Rows of requests map by name: nothing of a request is left out."""

from dataclasses import fields

from support.builders import request

from service.db.request_rows import filed_columns, life_columns
from service.db.tables import requests
from service.domain.filing import Filing
from service.domain.request import OperationRequest


def test_every_column_is_written() -> None:
    written = filed_columns(request()).keys() | life_columns(request()).keys()
    assert written | {"idempotency_key", "idempotency_hash"} == set(requests.c.keys())


def test_every_field_has_a_column() -> None:
    written = filed_columns(request()).keys() | life_columns(request()).keys()
    others = {"filing": "id", "request_id": "id", "result": "result_code", "decisions": "id"}
    for field in (*fields(OperationRequest), *fields(Filing)):
        column = others.get(field.name, field.name)
        assert column in written or f"{column}_seconds" in written, field.name
