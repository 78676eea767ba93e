"""Several servers by name, and the tokens that stay on this machine."""

import json
import os
import subprocess
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from support.approvers import ACCOUNT, Installation
from support.installation import commanded, piped
from support.lying_provider import lying_provider
from support.products.secret_service import is_there, running_secret_service

HOME = ("--keep", "file")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The variables of a person who has used none of this yet."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


def run(home: dict[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return commanded(Path(home["HOME"]), *arguments, **home | more)


def add(home: dict[str, str], name: str, url: str, *more: str) -> None:
    done = run(home, "profiles", "add", name, "--server", url, *more)
    assert done.returncode == 0, done.stderr


def files(home: dict[str, str]) -> list[Path]:
    return [each for each in Path(home["HOME"]).rglob("*") if each.is_file()]


# --- which server ---


def test_a_server_has_a_name(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    add(home, "there", "http://127.0.0.1:1")
    for where in ({"ROOTQUORUM_URL": "here"}, {"ROOTQUORUM_URL": installed.url}):
        who = run(home, "whoami", ROOTQUORUM_TOKEN=installed.token("ann"), **where)
        assert '"ann"' in who.stdout, who.stderr
    who = run(home, "whoami", "--server", "here", ROOTQUORUM_TOKEN=installed.token("ann"), ROOTQUORUM_URL="there")
    assert '"ann"' in who.stdout, who.stderr


def test_the_only_profile_needs_no_name(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    assert '"ann"' in run(home, "whoami", ROOTQUORUM_TOKEN=installed.token("ann")).stdout


def test_which_of_two_is_meant_is_not_guessed(home: dict[str, str]) -> None:
    for name in ("staging", "production"):
        add(home, name, "http://127.0.0.1:1")
    for command in (("list",), ("signing-key", "list"), ("logout",), ("mcp",)):
        done = run(home, *command, ROOTQUORUM_TOKEN="rqp_x")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "Which server? Name one with --server, or set ROOTQUORUM_URL: production, staging.\n"


def test_without_any_server_it_is_said_how_to_name_one(home: dict[str, str]) -> None:
    done = run(home, "list", ROOTQUORUM_TOKEN="rqp_x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "rootquorum profiles add" in done.stderr


def test_help_asks_for_no_profile(home: dict[str, str]) -> None:
    done = run(home, "list", "--help")
    assert done.returncode == 0
    assert "[default: (your only" in done.stdout


def test_a_name_that_is_none_is_not_taken_for_a_host(home: dict[str, str]) -> None:
    done = run(home, "list", "--server", "localhost", ROOTQUORUM_TOKEN="rqp_x")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no profile localhost.")


def test_a_file_of_profiles_that_others_may_write_to_is_misuse(home: dict[str, str]) -> None:
    add(home, "here", "http://127.0.0.1:1")
    (Path(home["XDG_CONFIG_HOME"]) / "rootquorum" / "profiles.toml").chmod(0o666)
    done = run(home, "list", ROOTQUORUM_TOKEN="rqp_x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_profiles_are_listed_and_removed(home: dict[str, str]) -> None:
    add(home, "here", "https://rootquorum.example.com", "--issuer", "https://login.example.com", "--client-id", "x")
    assert "https://rootquorum.example.com  none" in run(home, "profiles", "list").stdout
    [listed] = run(home, "profiles", "list", "--json").stdout.splitlines()
    assert json.loads(listed) == {
        "name": "here",
        "server": "https://rootquorum.example.com",
        "issuer": "https://login.example.com",
        "client_id": "x",
        "token": None,
    }
    assert run(home, "profiles", "remove", "here").stdout == "Removed.\n"
    gone = run(home, "profiles", "remove", "here")
    assert (gone.returncode, gone.stderr) == (1, "There is no profile here.\n")
    assert "rootquorum profiles add" in run(home, "profiles", "list").stderr


# --- kept tokens ---


def keep(home: dict[str, str], installed: Installation, person: str, store: str) -> subprocess.CompletedProcess[str]:
    given = str(installed.folder / f"{person}.token")
    return run(home, "login", "--server", "here", "--keep", store, "--token-file", given)


def test_a_token_in_a_file_serves_its_profile_and_no_other_server(
    installed: Installation, home: dict[str, str]
) -> None:
    add(home, "here", installed.url)
    kept = keep(home, installed, "alice", "file")
    assert (kept.returncode, kept.stderr) == (0, 'Kept in the file. You are "alice".\n')
    [file] = [each for each in files(home) if installed.token("alice").encode() in each.read_bytes()]
    assert file.stat().st_mode & 0o777 == 0o600
    assert '"alice"' in run(home, "whoami").stdout
    assert "  file" in run(home, "profiles", "list").stdout
    assert installed.token("alice") not in run(home, "profiles", "list", "--json").stdout

    # A URL is no profile, even if it leads to the same server; a token from the environment comes first.
    elsewhere = piped(b"", Path(home["HOME"]), "whoami", "--server", installed.url, **home)
    assert (elsewhere.returncode, elsewhere.stderr) == (2, "The token is empty, or no token.\n")
    assert '"ann"' in run(home, "whoami", ROOTQUORUM_TOKEN=installed.token("ann")).stdout

    assert run(home, "logout").stderr == "Removed. The token is not revoked.\n"
    assert run(home, "logout").stderr == "No token is kept for here.\n"
    assert not [each for each in files(home) if installed.token("alice").encode() in each.read_bytes()]


def test_a_kept_token_files_requests_and_leaves_stdin_alone(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    assert keep(home, installed, "alice", "file").returncode == 0
    filed = ("request", "create-key", ACCOUNT, "--reason", "Due this quarter.")
    done = piped(b"what a loop reads", Path(home["HOME"]), *filed, **home)
    assert done.returncode == 0, done.stderr
    assert run(home, "withdraw", done.stdout.strip()).returncode == 0


def test_a_token_that_can_decide_is_not_kept(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    before = files(home)
    done = keep(home, installed, "ann", "file")
    assert done.returncode == 1
    assert done.stderr.startswith("This token is good for decisions now, so it is not kept.")
    assert not [each for each in files(home) if each not in before and each.suffix != ".lock"]


def test_a_token_that_the_service_does_not_take_is_not_kept(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    given = Path(home["HOME"]) / "wrong.token"
    given.write_text("rqp_" + "0" * 46)
    done = run(home, "login", *HOME, "--token-file", str(given))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "token" not in run(home, "profiles", "list", "--json").stdout.replace('"token": null', "")


def test_removing_a_profile_removes_its_token(installed: Installation, home: dict[str, str]) -> None:
    add(home, "here", installed.url)
    assert keep(home, installed, "alice", "file").returncode == 0
    assert run(home, "profiles", "remove", "here").returncode == 0
    assert not [each for each in files(home) if installed.token("alice").encode() in each.read_bytes()]


def test_a_kept_token_that_has_ended_is_not_sent(home: dict[str, str]) -> None:
    add(home, "here", "http://127.0.0.1:1")
    folder = Path(home["XDG_STATE_HOME"]) / "rootquorum" / "tokens"
    folder.mkdir(parents=True)
    token = jwt.encode({"exp": 1}, "a key for the tests, long enough")
    about = {"format": "rootquorum-token/1", "server": "http://127.0.0.1:1", "store": "file", "expires_at": 1}
    (folder / "here.json").write_text(json.dumps(about | {"token": token}))
    (folder / "here.json").chmod(0o600)
    done = run(home, "whoami")
    assert done.returncode == 1
    assert done.stderr == "The kept token of here has ended. Keep another: rootquorum login --server here.\n"
    assert "file, has ended" in run(home, "profiles", "list").stdout


# --- sign-ins ---


def test_a_sign_in_takes_the_provider_of_the_profile(home: dict[str, str]) -> None:
    with lying_provider() as provider:
        provider.document["device_authorization_endpoint"] = f"{provider.url}/device"
        provider.answers = [(400, {"error": "invalid_client"})]
        add(home, "here", "https://a", "--issuer", provider.url, "--client-id", "of-profile", "--scope", "openid")
        done = run(home, "login", "--device")
        assert "invalid_client" in done.stderr
        assert (provider.forms[0]["client_id"], provider.forms[0]["scope"]) == ("of-profile", "openid")


def test_a_sign_in_is_kept_and_not_printed(
    installed: Installation, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def browse(url: str) -> None:
        asked = dict(parse_qsl(urlsplit(url).query))
        httpx.get(asked["redirect_uri"], params={"state": asked["state"], "code": "c"}, verify=False)

    monkeypatch.setattr(webbrowser, "open", lambda url: threading.Thread(target=browse, args=(url,)).start())
    with lying_provider() as provider:
        provider.answer = (200, {"access_token": installed.token("alice")})
        add(home, "here", installed.url, "--issuer", provider.url, "--client-id", "x")
        done = run(home, "login", "--keep", "file")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert installed.token("alice") not in done.stderr
    assert '"alice"' in run(home, "whoami").stdout


def test_a_profile_without_a_provider_is_misuse(home: dict[str, str]) -> None:
    add(home, "here", "https://a")
    done = run(home, "login")
    assert done.stderr == "The profile here has no provider. Give --issuer and --client-id.\n"
    assert done.returncode == 2


@pytest.mark.parametrize("store", ["keyring", "file"])
def test_a_store_that_does_not_work_is_found_before_anybody_signs_in(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("somebody signs in"))
    with lying_provider() as provider:
        add(home, "here", "https://a", "--issuer", provider.url, "--client-id", "x")
        Path(home["XDG_STATE_HOME"]).write_text("no folder")
        # Without a session bus there is no keyring.
        away = {
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        done = run(home, "login", "--keep", store, **away)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert provider.forms == []


@pytest.mark.parametrize(
    "arguments",
    [("--keep", "file", "--max-age", "60"), ("--token-file", "x"), ("--keep", "file", "--server", "https://a")],
)
def test_options_that_contradict_each_other_are_misuse(home: dict[str, str], arguments: tuple[str, ...]) -> None:
    add(home, "here", "https://a", "--issuer", "https://login.example.com", "--client-id", "x")
    done = run(home, "login", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


# --- a real keyring ---


@pytest.mark.skipif(not is_there() and "CI" not in os.environ, reason="no keyring here; `make keyring` installs one")
def test_a_token_in_the_keyring_is_in_no_file(installed: Installation, home: dict[str, str], tmp_path: Path) -> None:
    add(home, "here", installed.url)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    with running_secret_service(secrets) as variables:

        def told(*arguments: str) -> subprocess.CompletedProcess[str]:
            environment = {"PATH": os.environ["PATH"], **home, **variables}
            command = [sys.executable, "-m", "service", *arguments]
            return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

        given = str(installed.folder / "alice.token")
        kept = told("login", "--keep", "keyring", "--token-file", given)
        assert (kept.returncode, kept.stderr) == (0, 'Kept in the keyring. You are "alice".\n')
        assert not [each for each in files(home) if installed.token("alice").encode() in each.read_bytes()]
        assert '"alice"' in told("whoami").stdout
        assert told("logout").stderr == "Removed. The token is not revoked.\n"
        assert told("whoami").returncode == 2
