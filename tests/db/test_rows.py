"""What SQL itself refuses, whoever sends it: nonsense rows, forged decisions, changed history. On both engines."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError
from support.builders import DEACTIVATE, DELETE
from support.house import House

from service.db.engine import begin
from service.domain.errors import Code, ServiceError
from service.domain.request import Verdict
from service.workflow.decide import decide, withdraw


def sql(house: House, statement: str, **values: object) -> None:
    with begin(house.owner) as tx:
        tx.execute(text(statement), values)


def refused(house: House, statement: str, **values: object) -> str:
    """The error, and the proof that it came from a constraint or a trigger and not from a slip in the statement."""
    with pytest.raises(DatabaseError) as refusal:
        sql(house, statement, **values)
    assert isinstance(refusal.value, IntegrityError), refusal.value
    return str(refusal.value)


_DECISION = """
    INSERT INTO decisions (request_id, person, requester, recipient, digest, decision, credential, decided_at)
    VALUES (:request, :person, :requester, :recipient, :digest, 'approve', 'forged', :at)
"""


@pytest.mark.parametrize(
    ("person", "requester", "recipient"),
    [
        ("alice", "alice", "rita"),  # the requester's own vote
        ("rita", "alice", "rita"),  # the recipient's
        ("alice", "bob", "rita"),  # the same with a lie about who the requester is
        ("rita", "alice", "bob"),  # or about the recipient
    ],
)
def test_a_forged_decision_is_refused(house: House, person: str, requester: str, recipient: str) -> None:
    filed = house.file(recipient="rita")
    forged = {"person": person, "requester": requester, "recipient": recipient}
    refused(house, _DECISION, request=filed.filing.request_id, digest=filed.digest, at=house.clock(), **forged)


def test_a_decision_on_another_digest_is_refused(house: House) -> None:
    filed = house.file(recipient="rita")
    forged = {"person": "bob", "requester": "alice", "recipient": "rita", "digest": "0" * 64}
    refused(house, _DECISION, request=filed.filing.request_id, at=house.clock(), **forged)


def test_a_second_decision_of_one_person_is_refused(house: House) -> None:
    filed = house.approve(house.file(recipient="rita"), "bob")
    again = {"person": "bob", "requester": "alice", "recipient": "rita", "digest": filed.digest}
    refused(house, _DECISION, request=filed.filing.request_id, at=house.clock(), **again)


def test_a_forged_approved_row_does_not_run(house: House) -> None:
    """SQL cannot tell this one from the truth; the execution counts the decisions and finds none."""
    filed = house.file()
    forge = "UPDATE requests SET status = 'approved', approved_at = :at, execute_by = :by WHERE id = :id"
    later = house.clock() + filed.filing.execution_window
    sql(house, forge, at=house.clock(), by=later, id=filed.filing.request_id)
    with pytest.raises(ServiceError) as refusal:
        house.execute(filed)
    assert refusal.value.code is Code.QUORUM_LOST
    assert house.aws.count("CreateAccessKey") == 0


@pytest.mark.parametrize(
    "change",
    [
        "account_id = '444455556666'",
        "operation = 'delete_access_key'",
        "requester = 'mallory'",
        "recipient = 'mallory'",
        "quorum = 3",
        "observed = '{}'",
        "digest = 'x'",
        "run_on_approval = true",
        "approve_by = filed_at",
    ],
)
def test_what_was_filed_cannot_be_changed(house: House, change: str) -> None:
    house.file()
    assert "what was filed cannot be changed" in refused(house, f"UPDATE requests SET {change}")


def test_what_was_changed_past_the_trigger_is_noticed(house: House) -> None:
    """The database's owner can drop a trigger; then the digest does not fit any more, and nobody acts on it."""
    approved = house.approved(recipient="rita")
    on = " ON requests" if house.ctx.engine.dialect.name == "postgresql" else ""
    sql(house, f"DROP TRIGGER requests_filed_once{on}")
    sql(house, "UPDATE requests SET justification = 'Something that nobody approved.'")
    with pytest.raises(ServiceError) as refusal:
        house.execute(approved, by="rita")
    assert refusal.value.code is Code.ALTERED


@pytest.mark.parametrize(
    "change",
    [
        "status = 'nonsense'",
        "status = 'executing'",  # without a claim
        "status = 'succeeded'",  # without a result
        "status = 'approved'",  # without an approval
        "ended_at = filed_at",  # of an open request
        "claimed_at = filed_at",  # of a pending one
        "result_code = 'done'",
        "version = 0",
    ],
)
def test_nonsense_rows_are_impossible(house: House, change: str) -> None:
    house.file()
    refused(house, f"UPDATE requests SET {change}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET content = 'x'",
        "DELETE FROM audit_events",
        "UPDATE audit_head SET size = 0",
        "UPDATE audit_head SET size = size",
        "DELETE FROM audit_head",
        "DELETE FROM requests",
        "DELETE FROM decisions",
        "UPDATE decisions SET person = 'dave' WHERE person = 'bob'",
        "UPDATE decisions SET request_id = 'other'",
        "UPDATE requests SET status = 'pending', approved_at = NULL, execute_by = NULL",
        "UPDATE requests SET execute_by = approve_by",
    ],
)
def test_history_cannot_be_changed(house: House, statement: str) -> None:
    house.approved()
    refused(house, statement)


def test_an_ended_request_stays_ended(house: House) -> None:
    withdraw(house.ctx, house.actor("alice"), house.file().filing.request_id)
    assert "forward only" in refused(house, "UPDATE requests SET status = 'pending', ended_at = NULL")


def test_an_executed_request_cannot_be_set_back_to_run_again(house: House) -> None:
    house.execute(house.approved(DELETE, house.spare_key()))
    again = """
        UPDATE requests SET status = 'approved', claimed_at = NULL, claimed_by = NULL, known_key_ids = NULL,
            settled_at = NULL, ended_at = NULL, result_code = NULL, result_detail = NULL
    """
    refused(house, again)


def test_a_rejection_stays(house: House) -> None:
    filed = house.file()
    decide(house.ctx, house.actor("bob"), filed.filing.request_id, Verdict.REJECT, digest=filed.digest, comment="No.")
    refused(house, "UPDATE decisions SET decision = 'approve'")


def test_a_vote_forged_with_somebody_elses_token_does_not_count(house: House) -> None:
    filed = house.file(recipient="rita")
    credential = house.actor("alice").credential
    for person in ("bob", "carol"):
        forged = {"person": person, "requester": "alice", "recipient": "rita", "digest": filed.digest}
        statement = _DECISION.replace("'forged'", f"'{credential}'")
        sql(house, statement, request=filed.filing.request_id, at=house.clock(), **forged)
    later = house.clock() + filed.filing.execution_window
    forge = "UPDATE requests SET status = 'approved', approved_at = :at, execute_by = :by"
    sql(house, forge, at=house.clock(), by=later)
    with pytest.raises(ServiceError) as refusal:
        house.execute(filed, by="rita")
    assert refusal.value.code is Code.QUORUM_LOST


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", ["audit_events", "audit_head", "requests", "decisions"])
def test_replacing_a_row_is_refused_on_any_sqlite_connection(house: House, table: str) -> None:
    """REPLACE deletes first, and no DELETE trigger sees it on a connection without recursive_triggers."""
    house.approved()
    with closing(sqlite3.connect(str(house.ctx.engine.url.database))) as plain:  # noqa: SIM117
        with pytest.raises(sqlite3.IntegrityError, match="are kept"):
            plain.execute(f"REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["audit_events", "audit_head", "requests", "decisions"])
def test_emptying_a_table_is_refused_on_postgresql(house: House, table: str) -> None:
    house.approved()
    assert "kept" in refused(house, f"TRUNCATE {table} CASCADE")


def test_two_executions_at_a_time_on_an_account_are_refused(house: House) -> None:
    spare = house.spare_key()
    house.approved(DEACTIVATE, spare)
    house.approved(DELETE, spare)
    refused(
        house,
        "UPDATE requests SET status = 'executing', claimed_at = filed_at, claimed_by = 'x', known_key_ids = '[]'",
    )


def test_times_read_back_in_utc_to_the_microsecond(house: House) -> None:
    assert house.clock().microsecond
    assert house.file().filing.filed_at == house.clock()
