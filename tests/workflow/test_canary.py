"""The secret is in one HTTP answer and in no other byte: not in the database, its log, a log line or an audit event."""

import logging
from pathlib import Path

import pytest
from factories import ACCOUNT, DELETE_PASSWORD, MEMBER, House
from sqlalchemy import MetaData, select

from service import logs
from service.aws.simulated import ConnectionLostAfter, ServerErrorAfter
from service.db.engine import connect
from service.worker import run_pass


def everything_in(database_url: str) -> str:
    """Every value of every row of every table, whatever the tables are."""
    engine = connect(database_url, connections=1)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(select(table))]
    engine.dispose()
    assert len(rows) > 10
    return repr(rows)


def files_under(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_the_secret_is_in_the_answer_and_nowhere_else(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], accept: str
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    try:
        request_id = house.approved(recipient="rita").filing.request_id
        answer = house.client("rita").post(f"/v1/requests/{request_id}/execution", headers={"Accept": accept})
        secret = _secret_of(house)
        others = [
            house.client("rita").post(f"/v1/requests/{request_id}/execution").text,
            house.client("rita").get(f"/v1/requests/{request_id}").text,
            house.client("rita").post(f"/v1/requests/{request_id}/receipt").text,
            house.client("audrey").get("/v1/audit/events").text,
            house.client("bob").get("/v1/requests").text,
            house.client("bob").get(f"/v1/accounts/{ACCOUNT}/root-credentials").text,
        ]
        run_pass(house.ctx)
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()

    assert answer.text.count(secret) == 1
    assert not [text for text in others if secret in text]
    assert '"level": "debug"' in logged.err
    assert secret not in logged.out + logged.err
    assert secret not in everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)


@pytest.mark.parametrize("fault", [ConnectionLostAfter(), ServerErrorAfter()])
def test_a_secret_that_was_lost_is_nowhere_at_all(
    house: House, database_url: str, tmp_path: Path, fault: ConnectionLostAfter | ServerErrorAfter
) -> None:
    request_id = house.approved(recipient="rita").filing.request_id
    house.aws.fault("CreateAccessKey", fault)
    answer = house.client("rita").post(f"/v1/requests/{request_id}/execution")
    secret = _secret_of(house)
    assert answer.status_code == 202
    assert secret not in answer.text + everything_in(database_url)
    assert secret.encode() not in files_under(tmp_path)


def test_no_secret_or_token_of_a_session_is_written_anywhere(
    house: House, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="DEBUG", log_format="json")
    try:
        house.execute(house.approved(DELETE_PASSWORD, account_id=MEMBER))
        house.client("oscar").post(f"/v1/accounts/{MEMBER}/drift-check")
    finally:
        root.handlers, root.level = handlers, level
    logged = capfd.readouterr()
    sessions = [held.signer for held in house.aws._accounts.keyring._held.values() if held.signer.session_token]
    assert len(sessions) >= 3
    written = logged.out + logged.err + everything_in(database_url)
    for session in sessions:
        for secret in (session.secret_access_key, str(session.session_token)):
            assert secret not in written
            assert secret.encode() not in files_under(tmp_path)


def _secret_of(house: House) -> str:
    (secret,) = (secret for key, secret in house.aws.secrets(ACCOUNT).items() if key != house.signer)
    return secret
