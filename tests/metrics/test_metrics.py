"""Metrics: state comes from the database, so every process says the same. Only call counters are a process's own."""

import math
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.builders import ACCOUNT, ACCOUNTS, BOTH, DELETE, MEMBER, OTHER_ACCOUNT
from support.cosigning import Absent
from support.destinations import Post
from support.house import House
from support.installation import rootquorum, working
from support.metrics import Scraped, fetch, listening_at, scrape
from support.products.postgres import Postgres

from service.app.metering import metered
from service.cli.waiting import free_port, wait_until
from service.db.engine import connect, read
from service.domain.request import Verdict
from service.domain.sign_in_checks import TokenCheck
from service.settings import MetricsSettings
from service.simulated_aws import ConnectionLostAfter, ServerErrorAfter
from service.worker import run_pass
from service.workflow.decide import decide
from service.workflow.drift import check_drift
from service.workflow.health import note_pass

pytestmark = pytest.mark.usefixtures("no_back_off")

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_requests_decisions_and_executions_are_counted(house: House) -> None:
    house.file(DELETE, house.spare_key())
    delivered, _ = house.execute(house.approved(account_id=OTHER_ACCOUNT, recipient="rita"), by="rita")
    rejected = house.file(account_id=BOTH)
    decide(
        house.ctx, house.actor("bob"), rejected.filing.request_id, Verdict.REJECT, digest=rejected.digest, comment="No."
    )

    seen = scrape(house)

    assert seen("requests", status="pending", operation="delete_access_key") == 1
    assert seen("requests", status="delivered", operation="create_access_key") == 1
    assert seen("requests", status="rejected", operation="create_access_key") == 1
    assert seen("requests", status="failed", operation="create_access_key") == 0
    assert (seen("decisions", decision="approve"), seen("decisions", decision="reject")) == (2, 1)
    assert (seen("executions", outcome="delivered"), seen("executions", outcome="failed")) == (1, 0)
    assert delivered.status == "delivered"


def test_what_has_ended_is_counted_for_thirty_days_and_what_is_open_for_ever(house: House) -> None:
    house.file(DELETE, house.spare_key())
    ended = house.file(account_id=OTHER_ACCOUNT)
    decide(house.ctx, house.actor("bob"), ended.filing.request_id, Verdict.REJECT, digest=ended.digest, comment="No.")
    house.clock.advance(timedelta(days=31))

    seen = scrape(house)

    assert seen("requests", status="rejected", operation="create_access_key") == 0
    assert seen("requests", status="pending", operation="delete_access_key") == 1
    assert seen("pending_oldest_seconds") == timedelta(days=31).total_seconds()


def test_times_to_approval_and_to_execution_are_a_histogram(house: House) -> None:
    filed = house.file(recipient="rita")
    house.clock.advance(timedelta(minutes=10))
    approved = house.approve(filed)
    house.clock.advance(timedelta(hours=2))
    house.execute(approved, by="rita")

    seen = scrape(house)

    assert (seen("approval_seconds_bucket", le="300.0"), seen("approval_seconds_bucket", le="900.0")) == (0, 1)
    assert seen("approval_seconds_bucket", le="+Inf") == 1
    assert seen("approval_seconds_gsum") == pytest.approx(600, abs=0.01)
    assert (seen("execution_wait_seconds_bucket", le="3600.0"), seen("execution_wait_seconds_gcount")) == (0, 1)
    assert seen("execution_wait_seconds_gsum") == pytest.approx(7200, abs=0.01)


def test_a_doubt_a_quarantine_and_a_late_receipt_are_seen(house: House) -> None:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    doubted = house.approved(recipient="rita")
    house.execute(doubted, by="rita")
    assert scrape(house)("in_doubt") == 1
    run_pass(house.ctx)
    house.clock.advance(timedelta(hours=1))
    run_pass(house.ctx)
    assert scrape(house)("in_doubt") == 0

    delivered, _ = house.execute(house.approved(account_id=OTHER_ACCOUNT, recipient="rita"), by="rita")
    assert delivered.receipt_by is not None
    assert scrape(house)("receipts_overdue") == 0
    house.clock.advance(delivered.receipt_by - house.clock())
    seen = scrape(house)
    assert seen("receipts_overdue") == 1
    assert seen("worker_lag_seconds", step="roll_back") == 0
    house.clock.advance(timedelta(minutes=5))
    assert scrape(house)("worker_lag_seconds", step="roll_back") == 300


def test_a_quarantine_is_over_when_a_drift_check_explains_everything(house: House) -> None:
    house.is_forged = True
    ended = house.approved()
    house.aws.fault("CreateAccessKey", ServerErrorAfter())
    house.execute(ended)
    with house.owner.begin() as tx:
        tx.execute(
            text(
                "UPDATE requests SET status = 'failed', result_code = 'quarantined', settled_at = claimed_at, "
                "ended_at = claimed_at"
            )
        )
    assert scrape(house)("quarantined") == 1
    [new] = set(house.aws.secrets(ACCOUNT)) - {house.signer}
    house.aws.delete_root_key(ACCOUNT, new)
    house.clock.advance(timedelta(hours=1))
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    assert scrape(house)("quarantined") == 0


def test_drift_and_the_age_of_each_accounts_last_check(house: House) -> None:
    house.change(policy=replace(house.ctx.policy, drift_checks=True))
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.aws.create_root_key(ACCOUNT)
    house.clock.advance(timedelta(hours=3))
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.clock.advance(timedelta(hours=1))

    seen = scrape(house)

    assert (seen("drift_findings", kind="unexplained_key"), seen("drift_findings", kind="mfa_lost")) == (1, 0)
    assert seen("account_drift_findings", account_id=ACCOUNT) == 1
    assert seen("account_drift_check_age_seconds", account_id=ACCOUNT) == 3600
    assert seen("account_drift_check_age_seconds", account_id=MEMBER) == math.inf
    assert seen("drift_check_oldest_seconds") == math.inf
    house.change(policy=replace(house.ctx.policy, drift_checks=False))
    assert scrape(house)("drift_check_oldest_seconds") == 0


def test_the_setting_bounds_the_accounts_with_series_of_their_own(house: House) -> None:
    seen = scrape(house, accounts=2)
    assert {dict(labels)["account_id"] for labels in seen.series("account_drift_findings")} == {ACCOUNT, BOTH}
    assert seen("accounts_without_series") == 2
    assert scrape(house, accounts=0).series("account_drift_check_age_seconds") == {}


def test_deliveries_that_wait_and_that_failed_are_counted_for_each_destination_in_the_settings(house: House) -> None:
    house.change(destinations={"siem": Post(), "left": Post()})
    house.file()
    house.change(destinations={"siem": Post(), "desk": Post()})
    house.clock.advance(timedelta(minutes=2))
    seen = scrape(house)
    assert (seen("deliveries_waiting", destination="siem"), seen("deliveries_waiting", destination="desk")) == (1, 0)
    assert seen("deliveries_oldest_seconds", destination="siem") == 120
    assert seen("worker_lag_seconds", step="deliver") == 120
    assert 'destination="left"' not in seen.text

    with house.owner.begin() as tx:
        tx.execute(text("UPDATE deliveries SET status = 'failed', ended_at = created_at"))
        tx.execute(text("INSERT INTO destinations (name, disabled_at) VALUES ('desk', '2026-11-23 12:00:00.000000')"))
    seen = scrape(house)
    assert (seen("deliveries_waiting", destination="siem"), seen("deliveries_failed", destination="siem")) == (0, 1)
    assert (seen("destination_disabled", destination="desk"), seen("destination_disabled", destination="siem")) == (
        1,
        0,
    )


def test_the_workers_last_pass_and_what_waits_for_it(house: House) -> None:
    assert scrape(house)("worker_quiet_seconds") == math.inf
    note_pass(house.ctx)
    filed = house.file()
    house.clock.advance(filed.filing.approve_by - house.clock() + timedelta(minutes=7))
    seen = scrape(house)
    assert seen("worker_lag_seconds", step="expire") == 420
    assert seen("worker_lag_seconds", step="run") == 0
    assert seen("worker_quiet_seconds") > 420


def test_a_witness_has_series_of_its_own_from_its_first_day(house: House) -> None:
    house.file()
    house.change(log=replace(house.ctx.log, witnesses={"north": Absent()}))
    house.clock.advance(timedelta(minutes=7))
    seen = scrape(house)
    assert seen("audit_cosignature_age_seconds", witness="north") == math.inf
    assert seen("audit_uncosigned_events", witness="north") == seen("audit_events")
    assert seen("audit_uncosigned_oldest_seconds", witness="north") >= 420
    assert seen("audit_witness_contradicts", witness="north") == 0


def test_the_logs_size_and_whether_its_parts_agree(house: House) -> None:
    house.file()
    seen = scrape(house)
    with read(house.ctx.engine) as tx:
        assert seen("audit_events") == tx.execute(text("SELECT max(seq) FROM audit_events")).scalar_one()
    assert seen("audit_log_consistent") == 1
    assert seen("audit_unanchored_events") == seen("audit_events")
    assert seen("audit_anchor_age_seconds") == math.inf

    house.is_forged = True
    with house.owner.begin() as tx:
        tx.execute(text("UPDATE audit_head SET size = size + 1"))
    assert scrape(house)("audit_log_consistent") == 0


def test_every_process_says_the_same(house: House) -> None:
    """A second process has its own pool and memory, and none of the first one's counters."""
    house.file()
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    first = scrape(house)
    another = connect(house.ctx.engine.url.render_as_string(hide_password=False), connections=2)
    house.change(engine=another)
    second = scrape(house)
    another.dispose()
    assert _of_state(second) == _of_state(first)


def _of_state(seen: Scraped) -> list[str]:
    """What each process finds out about its own host's clock is not the state."""
    return [line for line in seen.text.splitlines() if "clock_ahead" not in line]


def test_a_scrape_takes_the_same_few_statements_however_much_there_is(house: House) -> None:
    def statements() -> int:
        with house.statements() as sent:
            scrape(house)
        return len([statement for statement, _ in sent if not statement.startswith("BEGIN")])

    statements()  # which also tries a write, as `readyz` does
    few = statements()
    for _ in range(3):
        house.approve(house.file(DELETE, house.spare_key()))
        house.aws.delete_root_key(ACCOUNT, max(set(house.aws.secrets(ACCOUNT)) - {house.signer}))
    check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    assert statements() == few <= 16


def test_no_statement_of_a_scrape_reads_all_requests_events_or_deliveries(sqlite_house: House) -> None:
    scrape(sqlite_house)
    with sqlite_house.statements() as sent:
        scrape(sqlite_house)
    with sqlite_house.owner.connect() as connection:
        for statement, parameters in sent:
            if statement.startswith("BEGIN"):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            for step in plan:
                whole = re.match(r"SCAN (requests|audit_events|deliveries|decisions)\b(?!.*USING)", step.detail)
                assert whole is None, (step.detail, statement)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/rootquorum.db", "postgresql://nobody@127.0.0.1:1/nothing"])
def test_a_database_that_is_away_is_a_metric_and_no_error(sqlite_house: House, url: str) -> None:
    there = sqlite_house.ctx.engine
    assert scrape(sqlite_house)("database_available") == 1
    sqlite_house.change(engine=connect(url, connections=1))
    seen = scrape(sqlite_house)
    assert (seen("database_available"), seen("audit_log_accepted")) == (0, 0)
    assert seen.series("requests") == {}
    sqlite_house.change(engine=there)


# Where and for whom.


def test_without_the_setting_nobody_finds_metrics(sqlite_house: House) -> None:
    assert sqlite_house.client().get("/metrics").status_code == 401
    assert sqlite_house.client("oscar").get("/metrics").status_code == 404


def test_behind_a_role_operators_and_auditors_read_what_describes_state(sqlite_house: House) -> None:
    with metered(sqlite_house.ctx, MetricsSettings(behind_role=True), None) as metrics:
        sqlite_house.app.state.metrics = metrics.answer
        try:
            statuses = {
                person: sqlite_house.client(person).get("/metrics").status_code
                for person in (None, "alice", "bob", "rita", "audrey", "oscar")
            }
            answer = sqlite_house.client("oscar").get("/metrics")
        finally:
            sqlite_house.app.state.metrics = None
    assert statuses == {None: 401, "alice": 403, "bob": 403, "rita": 403, "audrey": 200, "oscar": 200}
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    seen = Scraped(answer.text)
    assert seen("database_available") == 1
    # A load balancer asks another process each time, and that would mix their counters.
    assert "rootquorum_aws_call_seconds" not in seen.text


def test_the_port_has_metrics_alone_with_the_counters_of_the_process(house: House) -> None:
    listener, address = listening_at()
    with metered(house.ctx, MetricsSettings(), listener, lambda: {"expired": 3}):
        check_drift(house.ctx, ACCOUNTS[ACCOUNT])
        house.aws.fault("ListAccessKeys", ServerErrorAfter(), times=9)
        with pytest.raises(Exception, match="AWS"):
            check_drift(house.ctx, ACCOUNTS[ACCOUNT])
        with read(house.ctx.engine) as tx, pytest.raises(DBAPIError):
            tx.execute(text("SELECT * FROM nowhere"))
        seen = fetch(address)
        root = address.removesuffix("/metrics")
        others = [httpx.get(f"{root}{path}").status_code for path in ("/", "/v1/me", "/metrics/x")]
        posted = httpx.post(address, content=b"x").status_code
    assert seen("aws_call_seconds_count", call="iam.ListAccessKeys") >= 2
    assert seen("aws_errors_total", call="iam.ListAccessKeys", reason="failed") >= 1
    assert seen("database_statement_seconds_count") > 10
    assert seen("database_errors_total") == 1
    assert seen("sign_ins_refused_total", reason="expired") == 3
    assert (others, posted) == ([404, 404, 404], 405)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_failed_sign_ins_are_counted_by_the_check_and_never_by_input(sqlite_house: House) -> None:
    client, failures = sqlite_house.client(), sqlite_house.app.state.sign_ins.failures
    before = failures.refused()
    for token in ("rqp_" + "x" * 43, 'e"vil\n', "eyJhbGciOiJub25lIn0.e30."):
        client.get("/v1/me", headers={b"Authorization": f"Bearer {token}".encode()})
    counted = {check: count - before.get(check, 0) for check, count in failures.refused().items()}
    assert sum(counted.values()) >= 2
    assert {check for check, count in counted.items() if count} <= {*TokenCheck}
    assert "evil" not in repr(failures.refused())


# What is documented.


def _documented() -> list[tuple[str, ...]]:
    rows = re.findall(r"^\| `(rootquorum_\w+)` \| ([a-z ]+) \| ([^|]*) \| ([^|]+) \|", _PAGE.read_text(), re.MULTILINE)
    return [(name, kind, labels.replace("`", "").strip(), meaning.strip()) for name, kind, labels, meaning in rows]


def _exposed(house: House) -> Scraped:
    listener, address = listening_at()
    with metered(house.ctx, MetricsSettings(), listener, lambda: {"expired": 1}):
        house.aws.fault("ListAccessKeys", ServerErrorAfter(), times=9)
        with pytest.raises(Exception, match="AWS"):
            check_drift(house.ctx, ACCOUNTS[ACCOUNT])
        return fetch(address)


def test_every_metric_is_documented_with_its_type_labels_and_help(sqlite_house: House) -> None:
    log = replace(sqlite_house.ctx.log, witnesses={"north": Absent()})
    sqlite_house.change(destinations={"siem": Post()}, log=log)
    exposed = {}
    for family in _exposed(sqlite_house).families:
        if family.name.endswith(("_created", "_gcount", "_gsum")):
            continue
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        exposed[name] = (family.type, ", ".join(sorted(labels)), family.documentation)
    documented = {name: (kind, labels, meaning) for name, kind, labels, meaning in _documented()}
    assert len(documented) == len(_documented())
    assert documented == exposed
    assert all(meaning for *_, meaning in exposed.values())


def test_metrics_have_no_free_text_and_no_people(house: House) -> None:
    """Whatever people write, it becomes no label."""
    house.change(destinations={"siem": Post()})
    house.file(justification="CANARY-justification", ticket="CANARY-1", recipient="rita")
    request = house.approved(account_id=OTHER_ACCOUNT, recipient="rita")
    house.execute(request, by="rita")
    [secret] = (value for key, value in house.aws.secrets(OTHER_ACCOUNT).items() if key != _signer(house))
    seen = _exposed(house)
    assert "CANARY" not in seen.text
    assert secret not in seen.text
    for word in ("alice", "bob", "rita", request.digest, request.filing.request_id, "AKIA[A-Z0-9]+"):
        assert re.search(rf"\b{word}\b", seen.text) is None
    known = {
        "status",
        "operation",
        "decision",
        "outcome",
        "kind",
        "account_id",
        "destination",
        "step",
        "call",
        "reason",
        "clock",
    }
    used = {name for family in seen.families for sample in family.samples for name in sample.labels}
    assert used <= known | {"le", "version"}


def _signer(house: House) -> str:
    return house.aws.root_credential(OTHER_ACCOUNT).access_key_id


# In processes of their own.

_SETTINGS = """
[policy]
decision_requires_auth_time = false
drift_checks = false
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""


def test_a_worker_alone_opens_the_port_too(postgres: Postgres, tmp_path: Path) -> None:
    url, port = postgres.new_database(), free_port()
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "{url}"\n[metrics]\nport = {port}\n{_SETTINGS}',
    )
    with working(tmp_path) as process:
        wait_until(lambda: _has_passed(process, port), what="the first pass of the worker")
    postgres.drop(url)


def _has_passed(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the worker stopped"
    try:
        return fetch(f"http://127.0.0.1:{port}/metrics")("worker_quiet_seconds") < math.inf
    except httpx.TransportError:
        return False


def test_several_processes_cannot_share_the_port(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(_SETTINGS)
    away = {"ROOTQUORUM_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none", "ROOTQUORUM_METRICS__PORT": "9464"}
    done = rootquorum(tmp_path, "serve", "--workers", "2", **away)
    assert done.returncode == 1
    assert done.stderr.startswith("metrics.port: several processes cannot share it.")
