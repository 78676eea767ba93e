"""Rows of requests map by name: nothing of a request is left out."""

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any, cast

import pytest
from support.builders import request

from service.db.request_rows import filed_columns, life_columns, request_of
from service.db.tables import requests
from service.domain.filing import Filing
from service.domain.request import OperationRequest


def test_every_column_is_written() -> None:
    written = filed_columns(request()).keys() | life_columns(request()).keys()
    assert written | {"idempotency_key", "idempotency_hash"} == set(requests.c.keys())


def test_every_field_has_a_column() -> None:
    written = filed_columns(request()).keys() | life_columns(request()).keys()
    others = {
        "filing": "id",
        "request_id": "id",
        "result": "result_code",
        "decisions": "id",
        "drill": "terms",
        "sealed_to": "terms",
        "rotation": "terms",
    }
    for field in (*fields(OperationRequest), *fields(Filing)):
        column = others.get(field.name, field.name)
        assert column in written or f"{column}_seconds" in written, field.name


def read(row: dict[str, Any]) -> OperationRequest:
    return request_of(cast("Any", row), {})


# Every filed column, and another value for it.
CHANGES: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(("id", "account_id", "requester", "recipient", "justification"), lambda old: f"{old}x"),
    **dict.fromkeys(("run_on_approval", "accept_lockout"), lambda old: not old),
    **dict.fromkeys(("quorum", "execution_window_seconds", "receipt_window_seconds"), lambda old: old + 1),
    **dict.fromkeys(("filed_at", "approve_by"), lambda old: old + timedelta(microseconds=1)),
    "rollback_grace_seconds": lambda old: old + 1,
    "lifetime_seconds": lambda _: 60,
    "ticket": lambda _: "OPS-1",
    "target": lambda _: "AKIAIOSFODNN7EXAMPLE",
    "operation": lambda _: "delete_login_profile",
    "requester_kind": lambda _: "machine",
    "observed": lambda old: old.replace('"mfa_enabled":true', '"mfa_enabled":false'),
    "demands": lambda _: '[{"rule":"another"}]',
    "signed_approvals": lambda _: "required",
    "rules": lambda _: "ab" * 32,
    "terms": lambda _: '{"drill":true}',
    "placement": lambda _: '{"name":"another","tags":null,"units":null}',
}


REFUSED = {
    "target": "target",
    "run_on_approval": "a create cannot run on approval",
}


def test_each_filed_column_can_be_changed_here() -> None:
    assert CHANGES.keys() == filed_columns(request()).keys() - {"digest"}


@pytest.mark.parametrize("column", CHANGES)
def test_a_row_that_was_changed_in_any_filed_column_is_never_taken_for_what_was_read_before(column: str) -> None:
    filed = request()
    row: dict[str, Any] = filed_columns(filed) | life_columns(filed)
    assert read(row).is_intact
    changed = row | {column: CHANGES[column](row[column])}
    if column in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[column]):
            read(changed)
    else:
        assert not read(changed).is_intact
    assert read(row).is_intact
