"""The commands, as an operator runs them: real processes where it matters, exit codes that scripts can trust."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from support.installation import commanded, rootquorum, running, serving
from support.products.canaille import Canaille

from service.cli.waiting import free_port
from service.simulated_aws import SimulatedAws

ACCOUNT = "111122223333"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings for a simulated AWS and a SQLite database, beside each other."""
    write_settings(tmp_path, source="[aws]\nsimulated = true", account="")
    return tmp_path


def write_settings(folder: Path, *, source: str, account: str) -> None:
    people = "".join(
        f'[people.{name}]\nname = "{name}"\nroles = ["{role}"]\n'
        for name, role in (("alice", "requester"), ("bob", "approver"), ("carol", "approver"))
    )
    (folder / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{folder}/rootquorum.db"\n{source}\n'
        "[policy]\ndecision_requires_auth_time = false\n"
        f'[accounts.{ACCOUNT}]\nname = "production"\n{account}\n{people}'
    )


def test_serve_on_a_database_that_is_behind_says_so_and_exits_1(folder: Path) -> None:
    done = rootquorum(folder, "serve", "--no-worker")
    assert done.returncode == 1
    assert "rootquorum migrate" in done.stderr
    assert "no worker runs, and none can beside this process" in done.stderr  # SQLite


def test_serve_migrates_when_told_answers_and_ends_on_sigterm(folder: Path) -> None:
    port = free_port()
    with serving(folder, port, "--migrate") as process:
        alive = httpx.get(f"http://127.0.0.1:{port}/livez").json()
        assert alive == {"status": "ok", "version": version("rootquorum")}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in {0, -signal.SIGTERM}
    assert "SIMULATED AWS" in (folder / "service.log").read_text()


def test_a_token_made_on_the_command_line_signs_in_until_it_is_revoked(folder: Path) -> None:
    assert commanded(folder, "migrate").returncode == 0
    made = rootquorum(folder, "token", "create", "bob", "--days", "1")
    token = made.stdout.strip()
    assert re.fullmatch(r"rqp_[0-9A-Za-z]{46}", token)
    token_id = re.findall(r"[0-9a-f-]{36}", made.stderr)[0]

    port = free_port()
    with serving(folder, port):
        headers = {"Authorization": f"Bearer {token}"}
        me = httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=headers)
        assert me.json()["subject"] == "bob"
        assert commanded(folder, "token", "revoke", token_id).returncode == 0
        assert httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=headers).status_code == 401

    listed = commanded(folder, "token", "list", COLUMNS="200").stdout
    assert token_id in listed
    assert token not in listed
    assert token not in (folder / "service.log").read_text()
    assert token.encode() not in b"".join(file.read_bytes() for file in folder.glob("rootquorum.db*"))


def test_somebody_who_is_suspended_is_barred_at_once_until_reinstated(folder: Path) -> None:
    assert commanded(folder, "migrate").returncode == 0
    token = commanded(folder, "token", "create", "bob").stdout.strip()
    port = free_port()
    with serving(folder, port):

        def status() -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=headers, verify=False).status_code

        assert status() == 200
        assert rootquorum(folder, "person", "suspend", "bob", "--reason", "Lost the laptop.").returncode == 0
        assert status() == 403
        assert re.search(r"^ bob .* yes +$", commanded(folder, "person", "list").stdout, flags=re.MULTILINE)
        assert commanded(folder, "person", "reinstate", "bob", "--reason", "Found it.").returncode == 0
        assert status() == 200


def test_nobody_can_be_suspended_who_is_not_known(folder: Path) -> None:
    commanded(folder, "migrate")
    done = commanded(folder, "person", "suspend", "nobody", "--reason", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "No such person is known here. `rootquorum person list` has the names, as they are spelt.\n"


def test_a_token_needs_a_database_that_is_migrated(folder: Path) -> None:
    done = commanded(folder, "token", "create", "bob")
    assert (done.returncode, done.stdout) == (1, "")
    assert "rootquorum migrate" in done.stderr


def test_a_token_of_nobody_is_refused(folder: Path) -> None:
    commanded(folder, "migrate")
    done = commanded(folder, "token", "create", "nobody")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "The settings name nobody of that name.\n")


def test_a_database_that_is_away_is_one_line_and_exit_1(folder: Path) -> None:
    away = {"ROOTQUORUM_DATABASE__URL": "postgresql://nobody:hunter2@127.0.0.1:1/none"}
    done = rootquorum(folder, "serve", "--migrate", **away)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("The database is not available: connection failed: ")
    assert "hunter2" not in done.stdout + done.stderr


def test_faulty_settings_are_one_line_each_and_exit_1(folder: Path) -> None:
    done = commanded(folder, "serve", ROOTQUORUM_POLICY__QUORUM="1", ROOTQUORUM_DATABASE__CONNECTIONS="0")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 2


def test_openapi_is_json(folder: Path) -> None:
    assert json.loads(rootquorum(folder, "openapi").stdout)["info"]["title"] == "Rootquorum"


def test_doctor_finds_nothing_wrong_with_a_good_account(tmp_path: Path) -> None:
    with SimulatedAws([ACCOUNT]) as aws:
        environment = profile(tmp_path, aws)
        rootquorum(tmp_path, "migrate", **environment)
        for person in ("bob", "carol"):
            commanded(tmp_path, "token", "create", person, **environment)
        done = rootquorum(tmp_path, "doctor", **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "root proved, 1 of 2 access keys, MFA on" in done.stdout
        assert not {call.action for call in aws.calls} & {"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"}


def test_doctor_prints_the_same_findings_as_json(folder: Path) -> None:
    for database in ("missing", "migrated"):
        lines = commanded(folder, "doctor").stdout.splitlines()
        done = commanded(folder, "doctor", "--json")
        found = json.loads(done.stdout)
        words = {"ok": "ok     {subject}", "warning": "warn   {subject}", "fault": "fault  {subject}: {fault} {advice}"}
        assert [words[each["result"]].format(**each) for each in found["findings"]] == lines, database
        assert found["well"] is (done.returncode == 0) is all(each["result"] != "fault" for each in found["findings"])
        assert found["well"] is (database == "migrated")
        commanded(folder, "migrate")
        for person in ("bob", "carol"):
            commanded(folder, "token", "create", person)


def test_doctor_says_what_aws_holds_that_a_restored_database_does_not_know(tmp_path: Path) -> None:
    with SimulatedAws([ACCOUNT]) as aws:
        environment = profile(tmp_path, aws)
        commanded(tmp_path, "migrate", **environment)
        assert rootquorum(tmp_path, "drift", **environment).returncode == 0  # what is there is known from now on
        database = tmp_path / "rootquorum.db"
        backup = database.read_bytes()
        made_since = aws.create_root_key(ACCOUNT).access_key_id
        assert commanded(tmp_path, "drift", **environment).returncode == 1
        database.write_bytes(backup)

        done = commanded(tmp_path, "doctor", COLUMNS="300", **environment)

    assert done.returncode == 1
    assert f"AWS holds the root key {made_since} (Active), which the database does not know." in done.stdout


def test_doctor_makes_no_database(folder: Path) -> None:
    assert commanded(folder, "doctor").returncode == 1
    assert not (folder / "rootquorum.db").exists()


def test_doctor_s_advice_does_not_contradict_the_fault_above_it(folder: Path) -> None:
    (folder / "rootquorum.db").touch()
    findings = json.loads(commanded(folder, "doctor", "--json").stdout)["findings"]
    (found,) = [each for each in findings if each["subject"] == "database"]
    assert "rootquorum migrate, or serve --migrate." in found["fault"]
    assert found["advice"] == "Check database.url."


def test_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    with SimulatedAws([ACCOUNT]) as aws:
        environment = profile(tmp_path, aws)
        aws.set_root_key_status(ACCOUNT, aws.root_credential(ACCOUNT).access_key_id, "Inactive")
        done = commanded(tmp_path, "doctor", COLUMNS="300", **environment)
    assert done.returncode == 1
    assert "rootquorum migrate" in done.stdout
    assert "no longer accepts, the key" in done.stdout


def test_doctor_asks_each_issuer(folder: Path, provider: Canaille) -> None:
    settings = folder / "rootquorum.toml"
    there, nobody = provider.issuer, f"http://localhost:{free_port()}"
    for name, url in (("corp", there), ("gone", nobody)):
        claim = 'person_claim = "sub"'
        settings.write_text(f'{settings.read_text()}[issuers.{name}]\nurl = "{url}"\naudience = ["x"]\n{claim}\n')
    commanded(folder, "migrate")

    done = commanded(folder, "doctor", COLUMNS="300")

    assert done.returncode == 1
    assert re.search(r"^ok +issuer corp: [0-9]+ of its [0-9]+ keys can be used$", done.stdout, flags=re.MULTILINE)
    assert "issuer gone: Its metadata cannot be used: there is no answer at the address." in done.stdout


@pytest.mark.parametrize("claim", ['"email"', '"upn"', '["user", "preferred_username"]'])
def test_doctor_warns_of_a_person_who_is_an_address(folder: Path, claim: str) -> None:
    settings = folder / "rootquorum.toml"
    url = f"http://localhost:{free_port()}"
    for name, of in (("corp", claim), ("good", '"employee_id"')):
        settings.write_text(
            f'{settings.read_text()}[issuers.{name}]\nurl = "{url}/{name}"\naudience = ["x"]\nperson_claim = {of}\n'
        )

    done = commanded(folder, "doctor", COLUMNS="300")

    assert re.search(r"^warn +issuers\.corp\.person_claim is an address:", done.stdout, flags=re.MULTILINE)
    assert "issuers.good.person_claim" not in done.stdout


def test_doctor_warns_of_people_who_differ_by_case_alone(folder: Path) -> None:
    assert commanded(folder, "migrate").returncode == 0
    with closing(sqlite3.connect(folder / "rootquorum.db")) as database, database:
        for subject in ("00uAbC", "00uaBC", "other"):
            database.execute("INSERT INTO people (subject, name, groups) VALUES (?, 'Somebody', '[]')", (subject,))

    done = commanded(folder, "doctor", COLUMNS="300")

    assert re.search(r"^warn +people 00uAbC, 00uaBC: they differ only in case", done.stdout, flags=re.MULTILINE)


def profile(folder: Path, aws: SimulatedAws) -> dict[str, str]:
    """Settings of a real account, whose profile leads to the simulated AWS."""
    write_settings(folder, source="", account='profile = "prod-root"')
    key = aws.root_credential(ACCOUNT)
    (folder / "aws-config").write_text(
        f"[profile prod-root]\nendpoint_url = {aws.endpoint_url}\n"
        f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    )
    return {"AWS_CONFIG_FILE": str(folder / "aws-config")}


def test_the_demo_tells_the_whole_story(folder: Path) -> None:
    done = rootquorum(folder, "demo")
    assert done.returncode == 0, done.stdout
    assert "Done: everything above was checked" in done.stdout
    assert "arn:aws:iam::111122223333:root" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_kept_demo_leaves_a_request_for_each_person_to_try(folder: Path, number: signal.Signals) -> None:
    port, told = free_port(), ""
    command = [sys.executable, "-m", "service", "demo", "--keep", "--port", str(port)]
    # As a shell starts a job in the background.
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    with running(folder, *shell, *command, log="demo.log", stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        while "Ctrl-C ends it" not in (line := demo.stdout.readline().decode()):
            assert line, told
            told += line
        assert f"Desk: http://127.0.0.1:{port}/desk\nSwagger UI: http://127.0.0.1:{port}/docs\n" in told
        tokens = re.findall(r"^ +(\w+)  [a-z, ]+\n +(rqp_\w{46})$", told, re.MULTILINE)
        waiting = {
            person: httpx.get(
                f"http://127.0.0.1:{port}/v1/requests",
                params={"awaiting": "me"},
                headers={"Authorization": f"Bearer {token}"},
            ).json()["items"]
            for person, token in tokens
        }
        assert {person: len(found) for person, found in waiting.items()} == {
            "carol": 1,
            "dave": 1,
            "erin": 1,
            "frank": 0,
        }
        demo.send_signal(number)
        assert demo.wait(timeout=60) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/livez")
