"""What a person can get wrong ends in one line and exit code 1, whichever command it is: never in a traceback."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.installation import commanded, every_command, rootquorum
from support.products.postgres import Postgres, as_service

from service.db.engine import connect
from service.db.schema import migrate

GOOD = (
    '[policy]\ndecision_requires_auth_time = false\n[accounts.111122223333]\nname = "production"\nprofile = "prod"\n'
    + "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    + '[audit]\norigin = "rootquorum.example.com/test"\n[audit.keys.log]\nkey_file = "log.pem"\n'
)
# How each command that needs the database is called.
NEEDY: dict[str, tuple[str, ...]] = {
    "doctor": (),
    "status": (),
    "drift": (),
    "migrate": (),
    "token create": ("bob",),
    "token list": (),
    "token revoke": ("some-id",),
    "person list": (),
    "person suspend": ("bob", "--reason", "x"),
    "person reinstate": ("bob", "--reason", "x"),
    "audit anchor": ("anchor.note",),
    "audit verify": ("--database",),
}
# Tried in processes of their own: they configure the log.
STAYING = {"serve", "worker"}
NEED_NONE = {"openapi", "token explain", "demo", "accounts check", "notify test", "notify key", "audit key"}
NEED_NONE |= {"init", "config show", "policy explain", "policy check", "policy diff"}
NEED_NONE |= {"rules init", "rules sign", "rules show", "rules diff"}
# Over HTTP.
NEED_NONE |= {"approve", "signing-key list", "signing-key add", "signing-key endorse", "signing-key revoke"}
NEED_NONE |= {f"request {what}-key" for what in ("create", "rotate", "deactivate", "activate", "delete")}
NEED_NONE |= {f"request {what}" for what in ("delete-password", "allow-password-recovery", "deactivate-mfa")}
NEED_NONE |= {"request unlock-bucket", "request unlock-queue"}
NEED_NONE |= {"request delete-certificate", "list", "show", "watch", "reject", "withdraw", "execute", "receipt"}
NEED_NONE.add("cut-over")
NEED_NONE |= {"evidence", "whoami", "accounts list", "accounts show", "login", "logout", "mcp"}
NEED_NONE |= {f"profiles {what}" for what in ("add", "list", "remove")}
NEED_NONE |= {"drill report", "drill people"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rootquorum.toml").write_text(GOOD)
    done = commanded(tmp_path, "audit", "key", "log.pem")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_every_command_is_tried_here_or_needs_no_database() -> None:
    commands = {" ".join(path) for path, command in every_command() if not hasattr(command, "commands")}
    assert commands == {*NEEDY} | STAYING | NEED_NONE


def _damaged(folder: Path, template: Path, _: Postgres) -> str:
    content = bytearray(template.read_bytes())
    content[4096:] = b"Z" * (len(content) - 4096)
    (folder / "damaged.db").write_bytes(content)
    return f"sqlite:///{folder}/damaged.db"


def _text(folder: Path, _template: Path, _: Postgres) -> str:
    (folder / "text.db").write_text("This is no database.\n" * 500)
    return f"sqlite:///{folder}/text.db"


def _without_grants(_folder: Path, _template: Path, postgres: Postgres) -> str:
    url = postgres.new_empty_database()
    owner = connect(url, connections=1)
    migrate(owner)
    owner.dispose()
    return as_service(url)


def _without_encoding(_folder: Path, _template: Path, postgres: Postgres) -> str:
    engine = connect(postgres.url.render_as_string(hide_password=False), connections=1)
    name = "rootquorum_sql_ascii"
    with engine.connect() as connection:
        raw = connection.connection.cursor()
        raw.execute(f"DROP DATABASE IF EXISTS {name}")
        raw.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    engine.dispose()
    return postgres.url.set(database=name).render_as_string(hide_password=False)


Broken = Callable[[Path, Path, Postgres], str]


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (_damaged, "malformed"),
        (_text, "not a SQLite database|file is not a database"),
        (_without_grants, "permission denied for table|the owner of the tables may"),
        (_without_encoding, "its server_encoding is SQL_ASCII"),
        (lambda *_: "postgresql://nobody:hunter2@127.0.0.1:1/none", "Connection refused"),
        (lambda *_: "sqlite:////nowhere/rootquorum.db", "/nowhere|No such file"),
    ],
    ids=["damaged", "text", "without grants", "SQL_ASCII", "refused", "nowhere"],
)
def test_a_database_that_cannot_be_used_is_one_line_with_its_cause(
    folder: Path, sqlite_template: Path, postgres: Postgres, broken: Broken, cause: str
) -> None:
    url = broken(folder, sqlite_template, postgres)
    for command, arguments in NEEDY.items():
        done = commanded(folder, *command.split(), *arguments, ROOTQUORUM_DATABASE__URL=url, COLUMNS="300")
        said = done.stdout if command == "doctor" else done.stderr
        assert done.returncode == 1, (command, done)
        assert any(part in said for part in cause.split("|")) or "no such file" in said, (command, said)
        assert command == "doctor" or len(said.splitlines()) == 1, (command, said)
        assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", sorted(STAYING))
def test_what_stays_does_not_begin_without_its_database(folder: Path, command: str) -> None:
    away = {"ROOTQUORUM_DATABASE__URL": "postgresql://nobody:hunter2@127.0.0.1:1/none"}
    done = rootquorum(folder, command, **away)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Connection refused" in done.stderr.splitlines()[-1]
    assert "hunter2" not in done.stderr


def test_serve_does_not_begin_on_a_file_that_it_cannot_write(folder: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, folder / "rootquorum.db")
    (folder / "rootquorum.db-wal").mkdir()  # so that nobody, root neither, writes to it
    done = rootquorum(folder, "serve")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The database is not available: unable to open database file" in done.stderr.splitlines()[-1]


def test_a_key_is_made_though_the_settings_name_its_file_already(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(GOOD)
    refused = commanded(tmp_path, "migrate")
    assert refused.stderr == "settings: audit.keys.log.key_file: it cannot be read.\n"
    made = commanded(tmp_path, "audit", "key", "log.pem")
    assert made.stdout.startswith("rootquorum.example.com/test+")
    assert commanded(tmp_path, "migrate").returncode == 0
    assert commanded(tmp_path, "audit", "key", "log.pem").stderr == "log.pem: File exists\n"


def test_the_public_half_of_a_webhooks_key_is_printed(folder: Path) -> None:
    # Of RFC 8032, section 7.1, test 1.
    private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
    public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    hooks = "".join(
        f'[webhooks.{name}]\nurl = "https://{name}.example.com"\nsecrets = {secrets}\n'
        for name, secrets in (("siem", f'["{private}"]'), ("old", '["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]'))
    )
    (folder / "rootquorum.toml").write_text(GOOD + hooks)
    assert commanded(folder, "notify", "key", "siem").stdout == f"{public}\n"
    assert "begins with whsk_" in commanded(folder, "notify", "key", "old").stderr
    assert commanded(folder, "notify", "key", "nobody").stderr == "The settings name no such webhook.\n"


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        (0o600, "ok     settings: rootquorum.toml, mode 0600"),
        (0o640, "ok     settings: rootquorum.toml, mode 0640"),
        (
            0o644,
            "fault  settings: rootquorum.toml, mode 0644: Everybody on this host may read it, and it holds a secret.",
        ),
        (0o620, "fault  settings: rootquorum.toml, mode 0620: Not only its owner may write to it"),
        (0o602, "fault  settings: rootquorum.toml, mode 0602: Not only its owner may write to it"),
    ],
)
def test_doctor_says_who_may_read_and_write_the_settings(folder: Path, mode: int, line: str) -> None:
    file = folder / "rootquorum.toml"
    file.write_text(f'{GOOD}[chats.ops]\nurl = "https://127.0.0.1:1/secret"\n[notify]\nallowed_hosts = ["127.0.0.1"]\n')
    file.chmod(mode)
    assert line in commanded(folder, "doctor").stdout


def test_settings_without_a_secret_may_be_read_by_everybody(folder: Path) -> None:
    (folder / "rootquorum.toml").chmod(0o644)
    assert "ok     settings: rootquorum.toml, mode 0644" in commanded(folder, "doctor").stdout


def test_doctor_says_when_a_worker_was_last_at_work(folder: Path) -> None:
    commanded(folder, "migrate")
    assert "warn   worker: none has checked for due work here yet" in commanded(folder, "doctor").stdout
    engine = connect(f"sqlite:///{folder}/rootquorum.db", connections=1)
    with engine.begin() as tx:
        tx.exec_driver_sql("INSERT INTO leases VALUES ('worker', 0, 'host 7', '2026-01-01 00:00:00.000000')")
    engine.dispose()
    said = commanded(folder, "doctor", COLUMNS="300").stdout
    assert "warn   worker: checked for due work at 2026-01-01 00:00:00 UTC, " in said
    assert "(process host 7). Unless one runs, nothing happens by itself" in said
