"""What a fault of the settings says: where, what is right there, and never what stands there."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from support.installation import commanded

from service.settings import FaultySettings, Settings, load
from service.settings.environment import service_links
from service.settings.places import kind_at

CANARY = "S3cretTail"
# No table has such a name.
NAME = f"#{CANARY}"

# What stands in the place of a value, or of a name: nothing of it that is a canary may be shown.
BROKEN: tuple[Any, ...] = (
    CANARY,
    [CANARY],
    {NAME: CANARY},
    {NAME: {NAME: [CANARY]}},
    [{NAME: CANARY}],
    f"postgresql://owner:x@y:{CANARY}@db/rq",
    f"postgresql://owner:x@{CANARY}@db/rq",
    f"postgresql://db:{CANARY}/rq",
    f"postgresql://ow/ner:{CANARY}@db/rq",
    f"postgresql://db/rq?{CANARY}=1",
    f"postgresql://db/rq?sslmode={CANARY}&connect_timeout={CANARY}",
    f"postgresql+{CANARY}://db/rq",
    f"https://[{CANARY}]/",
    f"https://{CANARY}:{CANARY}@{CANARY}.example.com:{CANARY}/{CANARY}?{CANARY}#{CANARY}",
    f"https://{CANARY}\N{ACCOUNT OF}.example.com/",
    f"http://{CANARY}.example.com/",
    f"whsec_{CANARY}",
    f"whsk_{CANARY}\N{ACCOUNT OF}",
    f"({CANARY}",
    f"{CANARY}{{99999999999999999999}}",
    f"P{CANARY}",
    f"2026-01-31T12:00:00{CANARY}",
    f"{CANARY}+00000000+AAAA",
    f"{CANARY}\0\x1b",
    f"/nowhere/{CANARY}",
)
_NAMES = {"accounts": "111122223333", "states": "request.filed"}
_GOOD = {
    "accounts": {"111122223333": {"name": "production", "profile": "prod-root"}},
    "people": {name: {"name": name, "roles": ["approver"]} for name in ("bob", "carol")},
    "policy": {"decision_requires_auth_time": False},
}

Path_ = tuple[str, ...]


def places(kind: Any = Settings, path: Path_ = ()) -> Iterator[Path_]:
    """Every place of the model where a value or a table stands; tables of tables with one name."""
    if path:
        yield path
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name in kind.model_fields:
            yield from places(kind_at((*path, name)), (*path, name))
    elif get_origin(kind) is dict:
        name = _NAMES.get(path[-1], "ops")
        yield from places(kind_at((*path, name)), (*path, name))


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def document(path: Path_, value: Any) -> str:
    """Good settings, but for this."""
    whole: dict[str, Any] = json.loads(json.dumps(_GOOD))
    table = whole
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = value
    return "".join(f"{json.dumps(name)} = {toml(section)}\n" for name, section in whole.items())


def said(text: str) -> str:
    """What is wrong with these settings; empty where nothing is."""
    Path("given.toml").write_text(text)
    return faults()


def faults() -> str:
    try:
        load(Path("given.toml"))
    except FaultySettings as refusal:
        return "\n".join(refusal.faults)
    return ""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_broken_by_these_tests() -> None:
    found = {*places()}
    assert {("database", "url"), ("issuers", "ops", "client_secret"), ("audit", "keys", "ops", "key")} <= found
    assert len(found) > 100


@pytest.mark.parametrize("path", [*places()], ids=".".join)
def test_no_fault_quotes_what_stands_in_the_file(path: Path_) -> None:
    found = [said(document(path, value)) for value in BROKEN]
    assert any(found)
    assert CANARY.lower() not in "".join(found).lower()


@pytest.mark.parametrize("path", [*places()], ids=".".join)
def test_no_fault_quotes_what_stands_in_a_variable(path: Path_, monkeypatch: pytest.MonkeyPatch) -> None:
    found = said(document(("log",), {"level": "INFO"}))
    for value in BROKEN[::3]:
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv("ROOTQUORUM_" + "__".join(path).upper(), text.replace("\0", ""))
        found += faults()
    assert CANARY.lower() not in found.lower()


@pytest.mark.parametrize("path", [*places()], ids=".".join)
def test_no_fault_quotes_a_name_that_is_none(path: Path_) -> None:
    found = said(document((*path[:-1], NAME), CANARY))
    assert found
    assert CANARY not in found


@pytest.mark.parametrize("value", BROKEN[:12], ids=str)
def test_no_command_shows_what_stands_in_the_settings(value: Any, tmp_path: Path) -> None:
    # The names that the environment takes instead of the file's are those that are most likely to be secrets.
    for path in (("database", "url"), ("chats", "ops", "url"), ("audit", "keys", "ops", "key")):
        (tmp_path / "rootquorum.toml").write_text(document(path, value))
        done = commanded(tmp_path, "token", "list")
        assert done.returncode == 1
        assert CANARY not in done.stdout + done.stderr


def test_every_kind_of_fault_has_its_words() -> None:
    values: tuple[Any, ...] = (CANARY, [CANARY], 1.5, True, {})
    found = "\n".join(said(document(path, value)) for path in places() for value in values)
    assert "cannot be used" not in found
    assert "Input should" not in found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[log]\nlevel = "LOUD"', "log.level: it has to be one of DEBUG, INFO, WARNING, ERROR."),
        (
            '[people.eve]\nname = "Eve"\nroles = ["root"]',
            "people.eve.roles.0: it has to be one of requester, approver, auditor, operator.",
        ),
        ("[log]\nlevl = 1", "log: unknown setting `levl` in line 2 of given.toml; did you mean `level`?"),
        ("[log]\nzzz = 1", "log: unknown setting in line 2 of given.toml; there are level, format."),
        ("[database]\nconnections = 2.5", "database.connections: it has to be a whole number."),
        ("[database]\nconnections = 1", "database.connections: it has to be 2 or more."),
        ('[policy]\nquorum = "many"', "policy.quorum: it has to be a whole number."),
        ('[policy]\ndrift_checks = "perhaps"', "policy.drift_checks: it has to be true or false."),
        ('[policy]\napproval_window = "soon"', "policy.approval_window: it has to be a duration, such as PT8H."),
        ('[policy]\nescalate_to = "ops"', "policy.escalate_to: it has to be a list."),
        ("people = 3", "people: it has to be a table."),
        ("[people.eve]", "people.eve.name: it is missing."),
        ('[webhooks.x]\nurl = "https://x.example.com"\nevents = ["filed"]', "one of the published events: "),
        (
            '[policy]\nticket_pattern = "("',
            "ticket_pattern: it has to be a regular expression without look-around",
        ),
        ("[log]\nlevel = INFO", "given.toml, line 2, column 9: Invalid value."),
        ("[log]\n[log]", "given.toml, line 2, column 5: A table is declared twice."),
        ('[log]\nlevel = "INFO', "given.toml, "),
        ("a = " + "[" * 5000, "given.toml: it is nested too deeply."),
        ("a = " + "9" * 5000, "given.toml: a number in it is too long."),
    ],
)
def test_a_fault_says_what_is_right_in_our_words(text: str, fault: str) -> None:
    assert fault in said(text)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("# ü\n# é".encode("latin-1"), "given.toml, line 1: the file is not UTF-8."),
        ("[log]".encode("utf-16"), "given.toml, line 1: the file is not UTF-8."),
    ],
)
def test_a_file_that_is_not_utf_8_is_said_to_be_so(content: bytes, fault: str) -> None:
    Path("given.toml").write_bytes(content)
    with pytest.raises(FaultySettings) as refusal:
        load(Path("given.toml"))
    assert refusal.value.faults == [fault]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert said("\ufeff" + document(("log",), {"level": "INFO"})) == ""


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("postgres://u:p@db/rq", "it has to begin with postgresql://, not with postgres://."),
        ("postgresql+psycopg2://u:p@db/rq", "that driver is not supported; begin with postgresql:// alone."),
        ("sqlite+aiosqlite:///x.db", "that driver is not supported; begin with sqlite:// alone."),
        ("mysql://u:p@db/rq", "it has to begin with sqlite:/// or postgresql://."),
        ("sqlite://", "a database in memory is lost after each command; name a file, as in sqlite:///rootquorum.db."),
        ("sqlite:///:memory:", "a database in memory is lost after each command; name a file"),
        ("sqlite:///a?b.db", "a path must not contain a ?, and parameters are not supported."),
        ("sqlite:///a.db?mode=ro", "a path must not contain a ?, and parameters are not supported."),
        ("sqlite://host/a.db", "a file is sqlite:///relative.db or sqlite:////absolute.db, and has no host."),
        ("postgresql://u:p@db:70000/rq", "its port has to be 1 to 65535."),
        ("postgresql://u:p@db:x/rq", "its port is not a number; an @, a : and a /"),
        ("postgresql://u:p@q@db/rq", "there is an @ after the one before the host; an @, a : and a /"),
        ("postgresql://u:p@db/rq?prepare_threshold=5", "after its ? there is a parameter that libpq does not know."),
        ("postgresql://u:p@db/rq?sslmode", "after its ? there is a parameter without a value."),
        ("postgresql://u:p@db/rq?sslmode=yes", "its parameter sslmode has to be one of allow, disable, prefer"),
        ("postgresql://u:p@db/rq?connect_timeout=soon", "its parameter connect_timeout has to be a whole number."),
        ("sqlite:///a\0b.db", "a URL must not contain control characters."),
    ],
)
def test_a_url_that_leads_to_no_database_says_why(url: str, fault: str) -> None:
    assert f"database.url: {fault}" in said(document(("database", "url"), url))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/root quorum/@.db",
        "sqlite+pysqlite:///x.db",
        "postgresql+psycopg://u:p@db/rq",
        "postgresql://user@tenant:p%40ss%2Fw%3Ard@db.example.com:6432/rq?sslmode=verify-full",
        "postgresql://u:pa:s?s/w#d@db/rq",
        "postgresql:///rq?host=/var/run/postgresql",
        "postgresql://u:p@/rq?host=a,b&port=1,2&target_session_attrs=read-write",
        "postgresql://[::1]/rq",
    ],
)
def test_a_url_that_leads_to_one_is_taken(url: str) -> None:
    assert said(document(("database", "url"), url)) == ""


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("POLICY__QUORUM", "1", "policy.quorum (ROOTQUORUM_POLICY__QUORUM): it has to be 2 or more."),
        ("policy__quorum", "x", "policy.quorum (rootquorum_policy__quorum): it has to be a whole number."),
        ("POLICY", '{"quorum": 1}', "policy.quorum (ROOTQUORUM_POLICY): it has to be 2 or more."),
        (
            "POLICY__QOURUM",
            "3",
            "policy: unknown setting `qourum` (ROOTQUORUM_POLICY__QOURUM); did you mean `quorum`?",
        ),
        ("POLICY__ZZZ", "3", "policy: unknown setting (ROOTQUORUM_POLICY__ZZZ); there are quorum, "),
        ("POLICY__QUORUM__X", "3", "policy.quorum: it has to be a whole number."),
        ("PEOPLE", "bob", 'ROOTQUORUM_PEOPLE: it has to be JSON, {"…": …}.'),
        ("PEOPLE__BOB__ROLES", "approver", 'ROOTQUORUM_PEOPLE__BOB__ROLES: it has to be JSON, ["…"].'),
        ("PEOPLE", "[" * 100_000, 'ROOTQUORUM_PEOPLE: it has to be JSON, {"…": …}.'),
        ("SERVER__HOST", "\udcff", "The environment variable ROOTQUORUM_SERVER__HOST is not UTF-8."),
        ("POLICY_QUORUM", "3", "ROOTQUORUM_POLICY_QUORUM names no setting; did you mean ROOTQUORUM_POLICY__QUORUM?"),
        ("ZZZ", "3", "The environment variable ROOTQUORUM_ZZZ names no setting."),
    ],
)
def test_a_fault_of_the_environment_names_the_variable(
    variable: str, value: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{'ROOTQUORUM' if variable.isupper() else 'rootquorum'}_{variable}", value)
    assert fault in said(document(("log",), {"level": "INFO"}))


def links(service: str, host: str) -> dict[str, str]:
    """As Kubernetes has them in every container of the namespace."""
    url = f"tcp://{f'[{host}]' if ':' in host else host}:8000"
    return {
        f"{service}_SERVICE_HOST": host,
        f"{service}_SERVICE_PORT": "8000",
        f"{service}_SERVICE_PORT_HTTP": "8000",
        f"{service}_PORT": url,
        f"{service}_PORT_8000_TCP": url,
        f"{service}_PORT_8000_TCP_PROTO": "tcp",
        f"{service}_PORT_8000_TCP_PORT": "8000",
        f"{service}_PORT_8000_TCP_ADDR": host,
    }


@pytest.mark.parametrize("host", ["10.96.0.17", "fd00:10:96::a1"])
@pytest.mark.parametrize(
    "service", ["ROOTQUORUM", "ROOTQUORUM_WORKER", "ROOTQUORUM_SERVICE", "ROOTQUORUM_SERVER", "ROOTQUORUM_SERVICE_PORT"]
)
def test_what_kubernetes_says_of_services_is_no_setting(
    service: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in links(service, host).items():
        monkeypatch.setenv(variable, value)
    assert said(document(("log",), {"level": "INFO"})) == ""


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"ROOTQUORUM_PORT": "8000"}, "ROOTQUORUM_PORT"),
        ({"ROOTQUORUM_PORT": "tcp://10.0.0.2:8000"}, "ROOTQUORUM_PORT"),
        ({"ROOTQUORUM_PORTS": "tcp://10.0.0.1:8000"}, "ROOTQUORUM_PORTS"),
        ({"ROOTQUORUM_SERVICE_HOST": "localhost"}, "ROOTQUORUM_SERVICE_HOST"),
        ({"ROOTQUORUM_SERVICE_PORTS": "8000"}, "ROOTQUORUM_SERVICE_PORTS"),
        ({"ROOTQUORUM_POLICY_QUORUM": "3"}, "ROOTQUORUM_POLICY_QUORUM"),
        ({"ROOTQUORUM_SERVER__PORT": "tcp://10.0.0.1:8000"}, "ROOTQUORUM_SERVER__PORT"),
    ],
)
def test_nothing_else_passes_for_what_kubernetes_says(change: dict[str, str], kept: str) -> None:
    assert kept not in service_links(links("ROOTQUORUM", "10.0.0.1") | change)
    assert not service_links(change)


def test_choices_that_are_listed_are_those_of_the_model() -> None:
    """The list is taken out of pydantic's words, which another version may choose differently."""
    assert get_args(kind_at(("log", "level"))) == ("DEBUG", "INFO", "WARNING", "ERROR")
