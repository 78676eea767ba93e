"""`rootquorum audit`, as an operator and as an auditor run it: keys, anchors, and whether the log is as it was."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import make_url, text
from support.builders import DEACTIVATE, ORIGIN, SIGNER
from support.house import House
from support.installation import commanded, rootquorum
from support.ledger import SIGNER as LEDGERS_SIGNER
from support.past_triggers import as_its_owner, contents, rewritten
from support.products.authority import Authority, serving
from support.products.postgres import Postgres, as_owner
from support.products.storage import Storage, running_storage
from support.signed_ledger import KEYS, Story, evidence_of

from service.db.engine import begin, connect
from service.domain.checkpoint import VerifierKey
from service.workflow.audit import checkpoint, export

# AWS's SDK leaves a socket to the collector, which may come in any later test.
pytestmark = [
    pytest.mark.usefixtures("torn_connections"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

ELSEWHERE = str(VerifierKey("elsewhere.example.com/log", b"k" * 32))
_GRANT = re.compile(r"^GRANT SELECT ON (?:[a-z_]+, )*[a-z_]+ TO auditor;$", re.MULTILINE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with a key to sign its log's head, and some events: tokens that were made."""
    folder = tmp_path_factory.mktemp("service")
    configure(folder)
    key = rootquorum(folder, "audit", "key", "log.pem")
    assert key.returncode == 0, key.stderr
    (folder / "log.key").write_text(key.stdout)
    configure(folder, '[audit.keys.first]\nkey_file = "log.pem"\n')
    assert commanded(folder, "migrate").returncode == 0
    for person in ("bob", "carol"):
        assert commanded(folder, "token", "create", person).returncode == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "service")


def configure(folder: Path, more: str = "", audit: str = "", origin: str = ORIGIN) -> None:
    people = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    (folder / "rootquorum.toml").write_text(
        "[aws]\nsimulated = true\n[policy]\ndecision_requires_auth_time = false\n"
        f'[accounts.111122223333]\nname = "production"\n{people}'
        f'[notify]\nallowed_hosts = ["127.0.0.1"]\n[audit]\norigin = "{origin}"\n{audit}{more}'
    )


def database(folder: Path, *statements: str) -> None:
    """Whoever owns the file, past every trigger."""
    with closing(sqlite3.connect(folder / "rootquorum.db")) as plain, plain:
        for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            plain.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            plain.execute(statement)


def test_a_new_key_is_for_its_owner_alone_and_never_overwrites_one(folder: Path) -> None:
    assert (folder / "log.pem").stat().st_mode & 0o777 == 0o600
    assert (folder / "log.key").read_text().startswith(f"{ORIGIN}+")
    again = commanded(folder, "audit", "key", "log.pem")
    assert again.returncode == 1
    assert "File exists" in again.stderr


def test_an_anchor_is_a_checkpoint_that_the_auditors_file_finds_good(folder: Path) -> None:
    done = rootquorum(folder, "audit", "anchor", "anchor.note")
    assert done.returncode == 0, done.stderr
    assert (folder / "anchor.note").read_text() == done.stdout
    checked = rootquorum(folder, "audit", "verify", "--key", "@log.key", "anchor.note")
    assert checked.returncode == 0
    assert "a checkpoint of 2 events" in checked.stdout


def test_an_anchor_is_never_written_over(folder: Path) -> None:
    first = commanded(folder, "audit", "anchor", "anchor.note")
    again = commanded(folder, "audit", "anchor", "anchor.note")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stderr == "anchor.note was there already.\n"
    grow(folder)
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 1
    assert (folder / "anchor.note").read_text() == first.stdout
    (folder / "folder").mkdir()
    assert commanded(folder, "audit", "anchor", "folder").stderr == "folder: Is a directory\n"


def test_the_service_knows_the_last_anchor(folder: Path) -> None:
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    with closing(sqlite3.connect(folder / "rootquorum.db")) as plain:
        assert plain.execute("SELECT fence FROM leases WHERE name = 'anchored'").fetchall() == [(2,)]


def grow(folder: Path) -> None:
    assert commanded(folder, "token", "create", "bob").returncode == 0


@pytest.fixture
def stamping(folder: Path) -> Iterator[Authority]:
    """The settings name a time-stamp authority."""
    authority = Authority.new(folder)
    with serving(authority):
        (folder / "roots.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
        stamps = f'timestamp_url = "{authority.url}"\ntimestamp_roots = "roots.pem"\n'
        configure(folder, '[audit.keys.first]\nkey_file = "log.pem"\n', stamps)
        yield authority


def test_an_anchor_is_stamped_where_the_settings_name_an_authority(folder: Path, stamping: Authority) -> None:
    done = commanded(folder, "audit", "anchor", "anchor.note")
    assert done.returncode == 0, done.stderr
    assert (folder / "anchor.note.tsr").stat().st_size > 500
    stamping.status = 500
    without = commanded(folder, "audit", "anchor", "later.note")
    assert without.returncode == 1
    assert not (folder / "later.note").exists()


def test_no_time_stamp_is_kept_beside_another_anchor(folder: Path, stamping: Authority) -> None:
    del stamping
    (folder / "anchor.note").write_text("of yesterday")
    done = commanded(folder, "audit", "anchor", "anchor.note")
    assert (done.returncode, done.stderr) == (1, "anchor.note: a different file has this name.\n")
    assert not (folder / "anchor.note.tsr").exists()


def test_an_anchor_that_is_repeated_keeps_its_time_stamp(folder: Path, stamping: Authority) -> None:
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    kept = (folder / "anchor.note.tsr").read_bytes()
    again = commanded(folder, "audit", "anchor", "anchor.note")
    assert again.returncode == 0
    assert again.stderr.splitlines()[-1] == "A time-stamp was there already, and is kept."
    assert (folder / "anchor.note.tsr").read_bytes() == kept
    assert len(stamping.asked) == 2


@pytest.mark.parametrize("foreign", ["garbage", "another note's", "another authority's"])
def test_an_anchor_beside_a_foreign_time_stamp_has_none_and_says_so(
    folder: Path, stamping: Authority, foreign: str
) -> None:
    """And what is there stays."""
    stamp = folder / "anchor.note.tsr"
    if foreign == "garbage":
        stamp.write_text("garbage")
    elif foreign == "another note's":
        assert commanded(folder, "audit", "anchor", "earlier.note").returncode == 0
        (folder / "earlier.note.tsr").rename(stamp)
        grow(folder)
    else:
        assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
        (folder / "other").mkdir()
        other = Authority.new(folder / "other")
        (folder / "roots.pem").write_bytes(other.root.public_bytes(Encoding.PEM))
        stamping.answer = other.granted
    kept = stamp.read_bytes()
    done = commanded(folder, "audit", "anchor", "anchor.note")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The anchor has no time-stamp, because its .tsr exists" in done.stderr
    assert stamp.read_bytes() == kept


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with running_storage() as storage:
        yield storage


def test_an_anchor_in_s3_is_printed_alone_and_its_version_beside_it(folder: Path, storage: Storage) -> None:
    done = commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment)
    [(_, version)] = storage.versions()
    assert re.fullmatch(rf"today: version {version} locked until \d{{4}}-\d\d-\d\d\.\n", done.stderr)
    body = storage.client().get_object(Bucket="anchors", Key="today", VersionId=version)["Body"].read()
    assert body.decode() == done.stdout


def test_a_stamped_anchor_in_s3_can_be_repeated_while_the_log_is_the_same(
    folder: Path, stamping: Authority, storage: Storage
) -> None:
    del stamping
    done = [commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment) for _ in range(2)]
    assert [each.returncode for each in done] == [0, 0]
    assert sorted(key for key, _ in storage.versions()) == ["today", "today.tsr"]
    *were_there, stays = done[1].stderr.splitlines()
    for said, (key, version) in zip(were_there, sorted(storage.versions()), strict=True):
        assert said.startswith(f"{key}: version {version} was there already, locked until ")
    assert stays == "A time-stamp was there already, and is kept."
    grow(folder)
    other = commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment)
    assert (other.returncode, len(storage.versions())) == (1, 2)


@pytest.mark.parametrize("foreign", ["not locked", "garbage"])
def test_a_stamp_in_s3_that_is_not_locked_or_none_is_not_taken_for_the_anchors(
    folder: Path, stamping: Authority, storage: Storage, foreign: str
) -> None:
    del stamping
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    if foreign == "garbage":
        storage.bucket().put("today.tsr", b"garbage", datetime.now(UTC) + timedelta(days=400))
    else:
        good = (folder / "anchor.note.tsr").read_bytes()
        storage.client().put_object(Bucket="anchors", Key="today.tsr", Body=good, ChecksumAlgorithm="SHA256")
    done = commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert ("has no time-stamp" if foreign == "garbage" else "It is not locked") in done.stderr.splitlines()[-1]


def test_an_anchor_that_was_kept_without_its_stamp_gets_it_when_it_is_repeated(
    folder: Path, stamping: Authority, storage: Storage
) -> None:
    """As after a kill between the two."""
    del stamping
    storage.fail(lambda request: None if request.path.endswith(".tsr") else storage.handled(request))
    assert commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment).returncode == 1
    assert [key for key, _ in storage.versions()] == ["today"]
    storage.faults = 0
    assert commanded(folder, "audit", "anchor", "s3://anchors/today", **storage.environment).returncode == 0
    assert sorted(key for key, _ in storage.versions()) == ["today", "today.tsr"]


@pytest.mark.parametrize("name", ["s3://my_bucket/x", "s3://anchors", "s3://anchors/", "s3:///x", "s3://Anchors/x"])
def test_what_begins_as_an_object_in_s3_is_never_taken_for_a_file(folder: Path, name: str) -> None:
    (folder / "s3:/my_bucket").mkdir(parents=True)
    done = commanded(folder, "audit", "anchor", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{name}: an object in S3 is s3://bucket/key")


@pytest.mark.parametrize(("command", "file"), [("key", "next.pem"), ("anchor", "next.note")])
def test_what_is_made_is_on_the_disk_before_it_is_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, file: str
) -> None:
    """The file, and its name in the folder."""
    synced = list[Path]()
    monkeypatch.setattr("os.fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink()))
    assert commanded(folder, "audit", command, file).returncode == 0
    assert synced == [folder / file, folder]


def test_a_database_that_nobody_touched_is_as_it_should_be(folder: Path) -> None:
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    done = commanded(folder, "audit", "verify", "--database", "--anchor", "anchor.note")
    assert done.returncode == 0, done.stderr
    assert "by 1 heads that were kept elsewhere" in done.stdout


def test_keys_may_be_in_a_file_for_the_database_too(folder: Path) -> None:
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    done = commanded(folder, "audit", "verify", "--database", "--anchor", "anchor.note", "--key", "@log.key")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (("log.key",), "Give the key to trust with --key"),
        (("log.key", "--key", "nonsense"), "'' is no Base64 of 33 bytes"),
        (("log.key", "--key", "@absent"), "absent: No such file or directory."),
        (("log.key", "--key", "@log.key", "--head", "05:x"), "'05:x' is no size and root"),
        (("log.key", "--key", "@log.key", "--signers", "absent"), "absent: No such file or directory."),
        (("log.key", "--key", "@log.key", "--founders", "log.key"), "log.key: line 1: expected people, the kind of"),
        (
            ("log.key", "--key", "@log.key", "--signers", "a", "--founders", "a"),
            "Give only one of --signers, --founders and --rules.",
        ),
        (("--database", "--extract", "out"), "--extract needs a file: an export, or evidence."),
    ],
)
def test_misuse_of_the_verifier_is_one_sentence_of_this_program(
    folder: Path, wrong: tuple[str, ...], sentence: str
) -> None:
    done = commanded(folder, "audit", "verify", *wrong)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith(sentence)


def test_what_was_changed_in_the_database_is_named_and_exits_1(folder: Path) -> None:
    database(folder, "UPDATE audit_events SET event = 'x' WHERE seq = 2")
    done = commanded(folder, "audit", "verify", "--database")
    assert done.returncode == 1
    assert "sequence number 2, column event: expected 'token.created', found 'x'" in done.stderr


def test_a_head_of_a_ticket_tells_that_the_log_was_cut(folder: Path) -> None:
    done = commanded(folder, "audit", "verify", "--database", "--head", f"9:{'A' * 43}=")
    assert done.returncode == 1
    assert "expected 9 events at least" in done.stderr


def test_an_anchor_that_no_known_key_signed_is_not_believed(folder: Path) -> None:
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    forged = (folder / "anchor.note").read_text().replace("\n2\n", "\n3\n")
    (folder / "anchor.note").write_text(forged)
    done = commanded(folder, "audit", "verify", "--database", "--anchor", "anchor.note")
    assert done.returncode == 1
    assert "wrong-signature" in done.stderr


def test_without_a_key_there_is_no_anchor(folder: Path) -> None:
    configure(folder)
    done = commanded(folder, "audit", "anchor", "anchor.note")
    assert done.returncode == 1
    assert "no key to sign" in done.stderr


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ('[audit.keys.a]\nkey_file = "nowhere.pem"\n', "audit.keys.a.key_file"),
        ('[audit.keys.a]\nkey = "x"\n', "audit.keys.a: the key is not a private key"),
        ('[audit.keys.a]\nkms_key = "arn:aws:kms:x"\n', "audit.keys.a.verifier_key: missing"),
        ("[audit.keys.a]\n", "audit.keys.a.verifier_key: missing"),
        ('[audit.keys.a]\nverifier_key = "x"\n', "audit.keys.a: a key is a name, an id"),
        ('[audit.keys.a]\nkey_file = "log.pem"\nkey = "x"\n', "only one of key, key_file and kms_key may be set"),
        ('[audit.keys.a]\nkey_file = "log.pem"\nprofile = "x"\n', "no effect without kms_key"),
        (
            '[audit.keys.a]\nkey_file = "log.pem"\nuntil = 2026-11-01T00:00:00Z\n',
            "audit.keys.a.until: a key in use",
        ),
        (f'[audit.keys.a]\nverifier_key = "{ELSEWHERE}"\n', "its name is not audit.origin, and the key has no until"),
    ],
)
def test_settings_that_cannot_sign_are_refused_in_one_line(folder: Path, settings: str, fault: str) -> None:
    configure(folder, settings)
    done = commanded(folder, "migrate")
    assert done.returncode == 1
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_former_key_is_listed_and_signs_no_more(folder: Path) -> None:
    former = (folder / "log.key").read_text().strip()
    assert commanded(folder, "audit", "key", "next.pem").returncode == 0
    keys = f'[audit.keys.first]\nverifier_key = "{former}"\nuntil = 2026-11-01T00:00:00Z\n'
    configure(folder, f'{keys}[audit.keys.second]\nkey_file = "next.pem"\n')
    assert commanded(folder, "audit", "anchor", "anchor.note").returncode == 0
    done = commanded(folder, "audit", "verify", "--key", former, "anchor.note")
    assert done.returncode == 1
    assert "unknown-signer" in done.stdout


def test_a_new_log_lists_the_keys_of_the_one_before_it_and_believes_its_anchors(folder: Path) -> None:
    former = (folder / "log.key").read_text().strip()
    assert commanded(folder, "audit", "anchor", "old.note").returncode == 0
    keys = f'[audit.keys.first]\nverifier_key = "{former}"\nuntil = 2026-11-01T00:00:00Z\n'
    configure(folder, f'{keys}[audit.keys.second]\nkey_file = "log.pem"\n', origin=f"{ORIGIN}/2")
    assert commanded(folder, "audit", "anchor", "new.note").stdout.startswith(f"{ORIGIN}/2\n")
    done = commanded(folder, "audit", "verify", "--database", "--anchor", "old.note", "--anchor", "new.note")
    assert done.returncode == 0, done.stderr


def test_misuse_is_one_sentence(folder: Path) -> None:
    for wrong in (("verify",), ("verify", "--database", "log.key"), ("key",), ("key", "x.pem", "--kms", "y")):
        done = commanded(folder, "audit", *wrong)
        assert done.returncode == 1
        assert done.stderr.startswith("Give either")


def test_the_progress_goes_to_terminals_only(folder: Path) -> None:
    done = rootquorum(folder, "audit", "verify", "--database")
    assert done.stderr == ""


@pytest.fixture
def audited(postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with a request's whole life, for a role that may only read, as the documents grant it."""
    url = postgres.new_database()
    with House.on(url) as house:
        house.execute(house.approved(DEACTIVATE, house.spare_key()))
        (tmp_path / "anchor.note").write_text(checkpoint(house.ctx))
    [grant] = _GRANT.findall((Path(__file__).parents[2] / "docs" / "log-keys.md").read_text())
    owner = connect(as_owner(make_url(url)), connections=1)
    with begin(owner) as tx:
        tx.execute(text("DO $$ BEGIN CREATE ROLE auditor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"))
        tx.execute(text(grant))
    owner.dispose()
    yield make_url(url).set(username="auditor", password=None).render_as_string()
    postgres.drop(url)


@pytest.mark.parametrize("more", ["", '[webhooks.siem]\nurl = "https://x.example.com"\nsecret_files = ["nowhere"]\n'])
def test_an_auditor_checks_the_database_without_its_secrets_and_without_a_right_to_write(
    audited: str, tmp_path: Path, more: str
) -> None:
    """Nor with what the service could not run without: accounts, approvers."""
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "{audited}"\n[audit]\norigin = "{ORIGIN}"\n'
        f'[audit.keys.log]\nkey_file = "nowhere.pem"\nverifier_key = "{SIGNER.verifier_key}"\n{more}'
    )
    done = commanded(tmp_path, "audit", "verify", "--database", "--anchor", "anchor.note")
    assert (done.returncode, done.stderr) == (0, "")
    assert "by 1 heads that were kept elsewhere" in done.stdout


def test_what_is_wrong_by_itself_is_refused_in_an_auditors_settings_too(folder: Path) -> None:
    configure(folder, '[audit.keys.first]\nkey_file = "log.pem"\n')
    settings = folder / "rootquorum.toml"
    settings.write_text(settings.read_text().replace("[policy]\n", "[policy]\nquorum = 1\n"))
    done = commanded(folder, "audit", "verify", "--database")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("settings: policy.quorum: ")


def test_a_path_that_leads_nowhere_is_said_to_and_nothing_is_made_there(folder: Path) -> None:
    before = sorted(folder.iterdir())
    done = commanded(folder, "audit", "verify", "--database", ROOTQUORUM_DATABASE__URL="sqlite:///rotquorum.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The database's file cannot be read: No such file or directory.\n"
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("how", ["VACUUM INTO '{}'", ".backup"])
def test_evidence_that_nobody_can_write_to_is_checked(folder: Path, how: str) -> None:
    (folder / "evidence").mkdir()
    copy = folder / "evidence" / "copy.db"
    with closing(sqlite3.connect(folder / "rootquorum.db")) as plain, closing(sqlite3.connect(copy)) as target:
        if how == ".backup":
            plain.backup(target)
        else:
            plain.execute(how.format(copy))
    copy.chmod(0o444)
    copy.parent.chmod(0o555)
    # Root can write everywhere, unless that is taken from it.
    unable = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*unable, sys.executable, "-m", "service", "audit", "verify", "--database"],
        cwd=folder,
        env=os.environ | {"ROOTQUORUM_DATABASE__URL": "sqlite:///evidence/copy.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(copy.parent.iterdir()) == [copy]


def test_a_database_at_work_is_checked_with_what_was_written_last(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "rootquorum.db", isolation_level=None)) as writer:
        # As long as somebody has it open, nothing goes from the write-ahead log into the file at another's end.
        assert writer.execute("SELECT count(*) FROM audit_events").fetchone() == (2,)
        assert commanded(folder, "token", "create", "bob").returncode == 0
        assert commanded(folder, "audit", "anchor", "anchor.note").stdout.splitlines()[1] == "3"
        writer.execute("BEGIN IMMEDIATE")
        done = commanded(folder, "audit", "verify", "--database", "--anchor", "anchor.note")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_database_of_another_schema_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.db").touch()
    done = commanded(tmp_path, "audit", "verify", "--database")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not run on the database's schema" in done.stderr


def test_an_auditors_keys_are_checked_as_the_services_are(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(f'[audit]\norigin = "{ORIGIN}"\n[audit.keys.log]\nverifier_key = "x"\n')
    done = commanded(tmp_path, "audit", "verify", "--database")
    assert done.returncode == 1
    assert done.stderr.startswith("settings: audit.keys.log: a key is a name, an id and Base64")


@pytest.fixture
def lived(tmp_path: Path, sqlite_template: Path) -> Iterator[House]:
    """A database with a request's whole life, beside settings that an auditor has."""
    shutil.copy(sqlite_template, tmp_path / "rootquorum.db")
    (tmp_path / "rootquorum.toml").write_text(
        f'[audit]\norigin = "{ORIGIN}"\n[audit.keys.log]\nverifier_key = "{SIGNER.verifier_key}"\n'
    )
    with House.on(f"sqlite:///{tmp_path / 'rootquorum.db'}") as house:
        house.execute(house.approved(DEACTIVATE, house.spare_key()))
        yield house


def forge(house: House, change: Callable[[dict[str, Any]], None]) -> None:
    """Every event changed, with all hashes that go with it."""
    with as_its_owner(house) as tx:
        events = contents(tx)
        for event in events:
            change(event)
        rewritten(tx, events)


def test_an_execution_without_its_approvals_is_named_in_the_database_and_in_its_export(
    lived: House, tmp_path: Path
) -> None:
    """Their events say something else now, and nothing is wrong with any hash."""

    def deny(event: dict[str, Any]) -> None:
        if event["event"] == "decision.recorded":
            event["event"] = "decision.denied"

    forge(lived, deny)
    (tmp_path / "export.jsonl").write_bytes(b"".join(export(lived.ctx, lived.actor("audrey"))))
    named = re.compile(r"no-quorum: seq \d+, request '[0-9a-f-]+': expected 2 others who approved this digest")
    stored = commanded(tmp_path, "audit", "verify", "--database")
    assert (stored.returncode, bool(named.search(stored.stderr))) == (1, True)
    exported = commanded(tmp_path, "audit", "verify", "--key", SIGNER.verifier_key, "export.jsonl")
    assert (exported.returncode, bool(named.search(exported.stdout))) == (1, True)


def test_what_the_database_does_not_let_judge_is_said_and_is_no_fault(lived: House, tmp_path: Path) -> None:
    def older(event: dict[str, Any]) -> None:
        event["data"].pop("policy", None)
        del event["previous"]

    forge(lived, older)
    done = commanded(tmp_path, "audit", "verify", "--database")
    assert (done.returncode, done.stderr) == (0, "")
    note, _ = done.stdout.splitlines()
    assert note.startswith("1 executions are of a version that did not say which quorum was in force")


def test_signed_approvals_are_judged_by_the_auditors_own_list_and_extracted(folder: Path) -> None:
    ledger, request_id = Story().told()
    (folder / "evidence.json").write_text(json.dumps(evidence_of(ledger, request_id)))
    (folder / "signers").write_text("".join(f"{person} {by.public.text}\n" for person, by in KEYS.items()))
    known = ("--key", LEDGERS_SIGNER.verifier_key, "--signers", "signers", "--all-signed", "--extract", "out")
    done = commanded(folder, "audit", "verify", *known, "evidence.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ssh-keygen -Y verify") == len([*(folder / "out").iterdir()]) == 2
    (folder / "signers").write_text(f"bob {KEYS['bob'].public.text}\n")
    assert commanded(folder, "audit", "verify", *known, "evidence.json").returncode == 1
