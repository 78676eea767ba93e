"""Each alert fires when its condition is true in the real service, and not before. Each names its runbook."""

import json
import re
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy import text
from support.builders import ACCOUNT, ACCOUNTS, BOTH, DELETE, ORIGIN, OTHER_ACCOUNT
from support.cosigning import Absent, Witness, WitnessServer, running_witness
from support.destinations import Post
from support.house import House
from support.installation import commanded, rootquorum, serving
from support.metrics import Scraped, fetch, listening_at, scrape
from support.products import debian, prometheus

from service.app.metering import metered
from service.aws import observed
from service.cli.waiting import free_port, wait_until
from service.db import audit, cosignatures, marks
from service.db.cosignatures import Cosignature
from service.db.engine import begin, connect, read
from service.db.marks import Mark
from service.domain.concern import RUNBOOKS, concerns
from service.domain.cosigning import Contradiction
from service.domain.errors import Unavailable
from service.domain.incident import Limits
from service.settings import MetricsSettings
from service.simulated_aws import ConnectionLostAfter, ServerErrorAfter
from service.workflow.context import Pulse
from service.workflow.cosigned import CONTRADICTS, mark_of
from service.workflow.drift import check_drift
from service.workflow.health import note_pass
from service.workflow.state import read_state
from service.workflow.watch import note_anchor

_ROOT = Path(__file__).parents[2]
_FILE = _ROOT / "deploy" / "prometheus" / "rootquorum.rules.yml"
_RULES: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text())["groups"][0]["rules"]
_ALERTS = {rule["alert"]: rule for rule in _RULES}

pytestmark = pytest.mark.usefixtures("no_back_off")


def write(house: House, statement: str, **values: object) -> None:
    with house.owner.begin() as tx:
        assert tx.execute(text(statement), values).rowcount > 0


def ago(house: House, **span: float) -> str:
    return f"{house.clock() - timedelta(**span):%Y-%m-%d %H:%M:%S.%f}"


def healthy(house: House) -> None:
    """Everything is as it should be: a worker, fresh checks and an anchor, and a request that waits for two people."""
    house.is_forged = True
    house.change(policy=replace(house.ctx.policy, drift_checks=True), destinations={"siem": Post(only=frozenset())})
    house.file(DELETE, house.spare_key())
    for account in ACCOUNTS.values():
        check_drift(house.ctx, account)
    note_pass(house.ctx)
    with read(house.ctx.engine) as tx:
        note_anchor(house.ctx, audit.last(tx))
    observed._answered.clear()


def late_step(house: House) -> None:
    write(house, "UPDATE requests SET look_at = :at WHERE status = 'pending'", at=ago(house, hours=1))


def old_request(house: House) -> None:
    house.clock.advance(timedelta(days=-2, hours=-12))
    house.file(account_id=OTHER_ACCOUNT, recipient="rita")
    house.clock.advance(timedelta(days=2, hours=12))
    write(house, "UPDATE requests SET look_at = :at WHERE status = 'pending'", at=ago(house, hours=-1))


def in_doubt(house: House) -> None:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    house.execute(house.approved(account_id=OTHER_ACCOUNT, recipient="rita"), by="rita")
    observed._answered.clear()


def quarantine(house: House) -> None:
    """As the worker ends a doubt when it finds a key that it cannot tell from somebody else's."""
    in_doubt(house)
    write(
        house,
        "UPDATE requests SET status = 'failed', result_code = 'quarantined', settled_at = :at, ended_at = :at "
        "WHERE status = 'in_doubt'",
        at=ago(house, seconds=-1),
    )


def drift(house: House) -> None:
    house.aws.create_root_key(BOTH)
    house.clock.advance(timedelta(seconds=30))
    check_drift(house.ctx, ACCOUNTS[BOTH])
    observed._answered.clear()


def unchecked(house: House) -> None:
    statement = "UPDATE expectations SET checked_at = :at WHERE account_id = :account_id"
    write(house, statement, at=ago(house, hours=19), account_id=ACCOUNT)
    house.change(policy=replace(house.ctx.policy, drift_interval=timedelta(hours=24)))


def delivered(house: House, **changes: Any) -> None:
    house.execute(house.approved(account_id=OTHER_ACCOUNT, recipient="rita", **changes), by="rita")
    observed._answered.clear()


def outliving(house: House) -> None:
    delivered(house, lifetime=timedelta(days=9))
    write(house, "UPDATE requests SET expiry_failed_at = :at WHERE expires_at IS NOT NULL", at=ago(house))


def unconfirmed(house: House) -> None:
    back = house.ctx.policy.receipt_window + timedelta(minutes=5)
    house.clock.advance(-back)
    delivered(house)
    house.clock.advance(back)
    # Deactivated already, so that the worker is not late.
    statement = "UPDATE requests SET unconfirmed_at = :at, deactivated_at = :at WHERE status = 'delivered'"
    write(house, statement, at=ago(house, minutes=1))


def in_use(house: House) -> None:
    unconfirmed(house)
    write(house, "UPDATE requests SET overdue_at = receipt_by WHERE status = 'delivered'")


def waiting(house: House) -> None:
    house.change(destinations={"siem": Post()})
    house.file(account_id=OTHER_ACCOUNT)
    write(house, "UPDATE deliveries SET created_at = :at", at=ago(house, hours=1))
    write(house, "UPDATE deliveries SET due_at = :at", at=ago(house, hours=-1))
    observed._answered.clear()


def failed(house: House) -> None:
    waiting(house)
    write(house, "UPDATE deliveries SET status = 'failed', ended_at = :at", at=ago(house))


def disabled(house: House) -> None:
    write(house, "INSERT INTO destinations (name, disabled_at) VALUES ('siem', :at)", at=ago(house))


def silent(house: House) -> None:
    write(house, "UPDATE leases SET until = :at WHERE name = 'worker'", at=ago(house, minutes=10))


def unanchored(house: House) -> None:
    write(house, "UPDATE leases SET until = :at WHERE name = 'anchored'", at=ago(house, days=3))
    house.file(account_id=OTHER_ACCOUNT)
    observed._answered.clear()


def uncosigned(house: House) -> None:
    """A witness has cosigned the log, and an event two hours ago was the next one."""
    house.change(log=replace(house.ctx.log, witnesses={"north": Absent()}))
    with begin(house.ctx.engine) as tx:
        made = Cosignature(Absent.key_id, audit.last(tx), "0" * 64, house.clock() - timedelta(hours=3), "")
        cosignatures.add(tx, made)
    house.clock.advance(timedelta(hours=-2))
    house.new_token("bob")
    house.clock.advance(timedelta(hours=2))


def contradicted(house: House) -> None:
    house.change(log=replace(house.ctx.log, witnesses={"north": Absent()}))
    with begin(house.ctx.engine) as tx:
        marks.put(tx, mark_of("north"), Mark(house.clock(), Contradiction.CUT.name, CONTRADICTS))


def skewed(house: House) -> None:
    """AWS's answer says another time than the clock of this host."""
    house.clock.advance(timedelta(minutes=5))
    note_pass(house.ctx)
    house.aws.fault("ListAccessKeys", ServerErrorAfter(), times=9)
    with pytest.raises(Unavailable):
        check_drift(house.ctx, ACCOUNTS[ACCOUNT])
    house.aws.reset_faults()


def torn(house: House) -> None:
    write(house, "UPDATE audit_head SET size = size + 1")


def away(house: House) -> None:
    house.change(engine=connect("sqlite:////nowhere/rootquorum.db", connections=1))


def reading_only(house: House) -> None:
    url = f"sqlite:///file:{house.ctx.engine.url.database}?mode=ro&uri=true"
    house.change(engine=connect(url, connections=1), pulse=Pulse())


# What makes the condition of each alert true, and the runbook that `rootquorum status` then names, if it sees it.
CONDITIONS: dict[str, tuple[Callable[[House], None], str | None]] = {
    "RootquorumDatabaseAway": (away, None),
    "RootquorumDatabaseTakesNoWrite": (reading_only, None),
    "RootquorumLogDoubtful": (torn, "log-does-not-verify"),
    "RootquorumQuarantine": (quarantine, "quarantine"),
    "RootquorumDrift": (drift, "drift"),
    "RootquorumDriftUnchecked": (unchecked, "drift"),
    "RootquorumKeyOutlivesLifetime": (outliving, "key-outlives-lifetime"),
    "RootquorumReceiptMissing": (in_use, "receipt"),
    "RootquorumReceiptOverdue": (unconfirmed, None),
    "RootquorumInDoubt": (in_doubt, "in-doubt"),
    "RootquorumNoWorker": (silent, "no-worker"),
    "RootquorumWorkerLate": (late_step, "worker-late"),
    "RootquorumRequestWaitsLong": (old_request, "stuck-requests"),
    "RootquorumDeliveriesWait": (waiting, "tracker-down"),
    "RootquorumDeliveriesFailed": (failed, "tracker-down"),
    "RootquorumNotAnchored": (unanchored, "not-anchored"),
    "RootquorumNotCosigned": (uncosigned, "not-cosigned"),
    "RootquorumWitnessContradicts": (contradicted, "witness-contradicts"),
    "RootquorumClockWrong": (skewed, None),
}
# An alert that comes with another's condition.
ALSO = {"RootquorumReceiptMissing": {"RootquorumReceiptOverdue"}}
# Counters need two scrapes; whether a process answers is for Prometheus to see.
OTHERS = {"RootquorumAwsFails", "RootquorumSignInsFail", "RootquorumDown"}


@dataclass(frozen=True)
class Case:
    """What was scraped, by how much its counters grew before, and the alerts that have to fire."""

    name: str
    scraped: Scraped
    firing: Collection[str]
    before: Scraped | None = None

    def group(self) -> dict[str, Any]:
        """Return the case as a group of `promtool test rules`: the series go on like this for three hours."""
        expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(self.firing)]
        expression = 'group by (alertname) (ALERTS{alertstate="firing"})'
        return {
            "name": self.name,
            "interval": "1m",
            "input_series": list(self._series()),
            "promql_expr_test": [{"expr": expression, "eval_time": "3h", "exp_samples": expected}],
        }

    def _series(self) -> Iterator[dict[str, str]]:
        yield {"series": 'up{job="rootquorum",instance="one"}', "values": "1+0x180"}
        for family in self.scraped.families:
            for sample in family.samples:
                labels = sample.labels | {"job": "rootquorum", "instance": "one"}
                shown = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
                value = min(sample.value, 1e12)  # the notation has no infinity
                yield {"series": f"{sample.name}{{{shown}}}", "values": f"{value}+{self._growth(sample)}x180"}

    def _growth(self, sample: Any) -> float:
        if self.before is None or not sample.name.endswith(("_total", "_count", "_bucket", "_sum")):
            return 0
        earlier = self.before.series(sample.name.removeprefix("rootquorum_"))
        return float(sample.value - earlier.get(frozenset(sample.labels.items()), 0))


@contextmanager
def a_house(database: Path, template: Path) -> Iterator[House]:
    database.write_bytes(template.read_bytes())
    with House.on(f"sqlite:///{database}") as house:
        healthy(house)
        yield house


def _counted(house: House) -> Iterator[Case]:
    """Two scrapes of one process, between which AWS fails, and then sign-ins do."""
    listener, address = listening_at()
    client, refused = house.client(), house.app.state.sign_ins.failures.refused
    with metered(house.ctx, MetricsSettings(), listener, refused):
        before = fetch(address)
        house.aws.fault("GetCallerIdentity", ServerErrorAfter(), times=99)
        for _ in range(3):
            with pytest.raises(Unavailable):
                check_drift(house.ctx, ACCOUNTS[ACCOUNT])
        house.aws.reset_faults()
        observed._answered.clear()
        after = fetch(address)
        yield Case("RootquorumAwsFails", after, {"RootquorumAwsFails"}, before)
        for _ in range(12):
            client.get("/v1/me", headers={"Authorization": "Bearer rqp_guessed"})
        yield Case("RootquorumSignInsFail", fetch(address), {"RootquorumSignInsFail"}, after)


def test_each_alert_fires_when_its_condition_is_true_and_status_says_the_same(
    tmp_path: Path, sqlite_template: Path
) -> None:
    assert {*CONDITIONS} | OTHERS == {*_ALERTS}
    assert {runbook for _, runbook in CONDITIONS.values()} - {None} == {*RUNBOOKS}
    promtool = debian.find_unpacked("promtool")
    if promtool is None:
        pytest.skip("there is no promtool on this machine: make prometheus")
    cases = []
    with a_house(tmp_path / "healthy.db", sqlite_template) as house:
        cases.append(Case("healthy", scrape(house), ()))
        assert concerned(house) == []
        cases += _counted(house)
        disabled(house)
        assert concerned(house) == ["tracker-down"]
    for alert, (make_true, runbook) in CONDITIONS.items():
        with a_house(tmp_path / f"{alert}.db", sqlite_template) as house:
            engine = house.ctx.engine
            make_true(house)
            cases.append(Case(alert, scrape(house), {alert} | ALSO.get(alert, set())))
            if alert != "RootquorumDatabaseAway":
                assert concerned(house) == ([runbook] if runbook else [])
            if house.ctx.engine is not engine:
                house.ctx.engine.dispose()
                house.change(engine=engine)
            observed._answered.clear()
    tests = tmp_path / "tests.yml"
    tests.write_text(json.dumps({"rule_files": [str(_FILE)], "tests": [case.group() for case in cases]}))
    done = subprocess.run([promtool, "test", "rules", str(tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def concerned(house: House) -> list[str]:
    """Return the runbooks that `rootquorum status` names."""
    limits = Limits(
        worker_silence=timedelta(minutes=2), anchor_within=timedelta(days=2), cosigned_within=timedelta(hours=1)
    )
    return [each.runbook for each in concerns(read_state(house.ctx), limits, [])]


def test_a_host_whose_clock_is_wrong_comes_first(sqlite_house: House) -> None:
    found = concerns(read_state(sqlite_house.ctx), Limits(worker_silence=timedelta(minutes=2)), ["rq-1"])
    assert [each.runbook for each in found] == ["clock-wrong", "no-worker"]
    assert "rq-1" in found[0].what


def test_every_alert_names_its_runbook_and_is_documented() -> None:
    page = (_ROOT / "docs" / "alerts.md").read_text()
    listed = re.findall(
        r"^\| `(\w+)` \| (\w+) \| [^|]+ \| ([^|]+) \| \[[a-z-]+\]\((runbooks/[a-z-]+\.md)\) \|$", page, re.MULTILINE
    )
    assert listed == [
        (
            rule["alert"],
            rule["labels"]["severity"],
            rule.get("for", "at once"),
            rule["annotations"]["runbook"].removeprefix("docs/"),
        )
        for rule in _RULES
    ]
    for rule in _RULES:
        assert rule["annotations"]["summary"]
        assert (_ROOT / rule["annotations"]["runbook"]).is_file()
    for runbook in RUNBOOKS:
        assert (_ROOT / f"docs/runbooks/{runbook}.md").is_file()


@pytest.mark.parametrize("page", sorted((_ROOT / "docs" / "runbooks").glob("[a-z]*.md")), ids=lambda page: page.stem)
def test_every_runbook_is_listed_and_has_the_same_short_form(page: Path) -> None:
    content = page.read_text()
    assert f"({page.name})" in (page.parent / "README.md").read_text()
    parts = [content.find(part) for part in ("\n**You see**: ", "\n**It means**: ", "\n**Do**\n", "\n**Do not**\n")]
    assert -1 not in parts
    assert parts == sorted(parts)
    assert len(content.splitlines()) <= 40


def _names_in(expressions: Collection[str]) -> set[str]:
    return {name for expression in expressions for name in re.findall(r"rootquorum_\w+", expression)}


def test_rules_and_dashboard_use_metrics_that_exist() -> None:
    documented = set(re.findall(r"^\| `(rootquorum_\w+)` \|", (_ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    known = documented | {f"{name}_{suffix}" for name in documented for suffix in ("bucket", "count", "sum")}
    board = json.loads((_ROOT / "deploy" / "grafana" / "rootquorum.json").read_text())
    shown = _names_in([target["expr"] for panel in board["panels"] for target in panel["targets"]])
    assert _names_in([rule["expr"] for rule in _RULES]) <= known
    assert shown <= known
    # Whatever describes the service is on the dashboard; what only helps to read it is not.
    plain = {name.removesuffix("_bucket") for name in shown}
    left_out = {"build_info", "accounts_without_series", "audit_log_consistent", "drift_check_oldest_seconds"}
    left_out |= {"destination_disabled", "receipts_unconfirmed_in_use"}
    assert documented - plain == {f"rootquorum_{name}" for name in left_out}


SETTINGS = """
[aws]
simulated = true
[policy]
decision_requires_auth_time = false
drift_checks = true
[accounts.111122223333]
name = "production"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""


def test_a_real_prometheus_scrapes_the_real_service_and_fires(tmp_path: Path) -> None:
    """The rules as they are, but without their patience: nobody waits for minutes here."""
    if debian.find_unpacked("prometheus") is None:
        pytest.skip("there is no Prometheus on this machine: make prometheus")
    rules = tmp_path / "rules.yml"
    rules.write_text(re.sub(r"\n +for: \w+", "", _FILE.read_text()))
    port, of_metrics = free_port(), free_port()
    settings = tmp_path / "rootquorum.toml"
    settings.write_text(f'{SETTINGS}[metrics]\nport = {of_metrics}\n[audit]\norigin = "{ORIGIN}"\n')
    key = rootquorum(tmp_path, "audit", "key", "log.pem").stdout.strip()
    north = Witness("witness.example/north")
    witness = WitnessServer(north, None, key, ORIGIN, faults=[(409, b"9999\n")])
    with running_witness(witness), settings.open("a") as file:
        file.write(
            f'[audit.keys.first]\nkey_file = "log.pem"\n[audit.witnesses.north]\nurl = "{witness.url}"\n'
            f'verifier_key = "{north.key}"\n[notify]\nallowed_hosts = ["127.0.0.1"]\n'
        )
        file.flush()
        _fires(tmp_path, port, of_metrics, rules)


def _fires(tmp_path: Path, port: int, of_metrics: int, rules: Path) -> None:
    assert rootquorum(tmp_path, "migrate").returncode == 0
    with serving(tmp_path, port, "--no-worker"), prometheus.running_prometheus(tmp_path, of_metrics, rules) as address:
        wait_until(lambda: "RootquorumNoWorker" in _firing(address), what="the alert about the worker")
        # No account was ever checked either, nor was the log anchored. Nothing else is wrong.
        assert _firing(address) == {"RootquorumNoWorker", "RootquorumDriftUnchecked", "RootquorumNotAnchored"}
        # The witness has seen a larger log of this name.
        assert "this one may have been cut" in commanded(tmp_path, "audit", "anchor", "one.note").stderr
        wait_until(lambda: "RootquorumWitnessContradicts" in _firing(address), what="the alert about the witness")
        taken = rootquorum(tmp_path, "serve", ROOTQUORUM_SERVER__PORT=str(free_port()))
        assert (taken.returncode, taken.stderr.splitlines()[-1].partition(":")[0]) == (1, "metrics.port")
        wait_until(lambda: _value(address, "rootquorum_database_statement_seconds_count") > 0, what="the counters")
    with prometheus.running_prometheus(tmp_path, of_metrics, rules) as address:
        wait_until(lambda: "RootquorumDown" in _firing(address), what="the alert about the process")


def _firing(address: str) -> set[str]:
    alerts = httpx.get(f"{address}/api/v1/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def _value(address: str, query: str) -> float:
    found = httpx.get(f"{address}/api/v1/query", params={"query": query}).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0
