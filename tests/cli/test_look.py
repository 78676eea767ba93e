"""What the commands that read show, at a narrow and a wide terminal; and the exit codes of all of them."""

import re
from typing import Any

import pytest
from support.approvers import ACCOUNT, Installation
from support.installation import every_command
from support.liar import lying

from rootquorum_client import Operation
from service.cli.request import FILINGS

HOSTILE = "Due now.\neffect  Nothing at all happens.\nWARNING"
ID = "3f0c2b1e-0000-4000-8000-000000000000"
COMMANDS = [
    "whoami",
    "list",
    *(f"{command} {ID}" for command in ("show", "withdraw", "execute", "receipt", "watch", "evidence")),
    f"drill report {ID}",
    "drill people",
    f"reject {ID} --comment Why.",
    f"request create-key {ACCOUNT} --reason Because_it_is_due.",
    "accounts list",
    f"accounts show {ACCOUNT}",
]


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_there_is_a_command_for_every_operation() -> None:
    assert {filing.operation for filing in FILINGS.values()} == set(Operation)


@pytest.mark.parametrize("columns", ["80", "140"])
def test_show_is_a_screen_on_which_an_approver_can_decide(installed: Installation, request_: Any, columns: str) -> None:
    shown = lines(installed.run("ann", "show", request_["id"], COLUMNS=columns).out)
    assert len(shown) <= 24
    assert all(len(line) <= int(columns) for line in shown)
    text = " ".join(" ".join(shown).split())
    for part in (
        f"request {request_['id']}",
        f"account production ({ACCOUNT})",
        "operation create_access_key",
        "effect The root user gets a new access key that can do anything in the account.",
        "WARNING The root user has one access key already.",
        'requester "ALICE" ("alice"), a person',
        'recipient "ALICE" ("alice")',
        "justification Due this quarter.",
        "ticket OPS-4711",
        "approvals 0 of 2; missing: 2 more; signatures: required",
        f"digest {request_['digest']}",
        "you may approve, reject",
    ):
        assert part in text, part


def test_show_says_why_the_caller_may_not_do_what_comes_next(installed: Installation, request_: Any) -> None:
    shown = installed.run("alice", "show", request_["id"]).out
    assert re.search(r"\nnot approve +You need the approver role", shown)
    assert re.search(r"\nyou may +withdraw *\n", shown)


def test_a_decision_is_shown_with_its_comment(installed: Installation, request_: Any) -> None:
    assert installed.approve("ann", request_, "--comment", "I know of it.").code == 0
    shown = installed.run("ben", "show", request_["id"]).out
    assert re.search(r'\ndecision +approve by "ANN" \("ann"\), [-0-9: ]+ UTC: I know of it\. *\n', shown)
    assert re.search(r"\napprovals +1 of 2; missing: 1 more", shown)


@pytest.mark.parametrize("command", ["show", "list"])
def test_the_texts_of_others_cannot_pass_for_rows(installed: Installation, command: str) -> None:
    request = installed.file(justification=HOSTILE, ticket="x  WARNING  y")
    arguments = [command, request["id"]] if command == "show" else [command]
    for columns in ("20", "80"):
        shown = lines(installed.run("ann", *arguments, COLUMNS=columns).out)
        assert len([line for line in shown if line.startswith("effect")]) == (command == "show")
        assert len([line for line in shown if line.startswith("WARNING")]) == (command == "show")
    installed.withdraw(request)


def test_names_cannot_pass_for_others(installed: Installation, request_: Any) -> None:
    def lie(_: str, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"requester": {"subject": "mallory", "name": 'Ann" ("ann', "kind": "person"}}

    with lying(installed.url, lie) as url:
        shown = installed.run("ben", "show", request_["id"], url=url).out
    assert '"Ann" ("ann"' not in shown
    assert '("mallory")' in shown


@pytest.mark.parametrize("columns", ["80", "140"])
def test_a_list_has_whole_ids_and_what_waits(installed: Installation, request_: Any, columns: str) -> None:
    shown = lines(installed.run("ann", "list", "--awaiting-me", COLUMNS=columns).out)
    assert all(len(line) <= int(columns) for line in shown)
    at = next(number for number, line in enumerate(shown) if request_["id"] in line)
    assert re.fullmatch(rf"pending      {request_['id']}  by \d{{4}}-\d\d-\d\d \d\d:\d\d UTC", shown[at])
    assert [line.strip() for line in shown[at + 1 : at + 4]] == [
        f"create_access_key in production ({ACCOUNT})",
        '"ALICE" ("alice") for "ALICE" ("alice"), OPS-4711',
        "WARNING: The root user has one access key already.",
    ]


def test_a_list_warns_only_of_what_can_still_be_stopped(installed: Installation, request_: Any) -> None:
    assert installed.run("alice", "withdraw", request_["id"]).code == 0
    shown = lines(installed.run("alice", "list", "--status", "withdrawn").out)
    at = next(number for number, line in enumerate(shown) if request_["id"] in line)
    assert not any("WARNING" in line for line in shown[at : at + 4])


def test_a_list_can_be_narrowed(installed: Installation, request_: Any) -> None:
    for option, value, other in (
        ("--status", "pending", "approved"),
        ("--account", ACCOUNT, "999999999999"),
        ("--operation", "create_access_key", "delete_access_key"),
        ("--requester", "alice", "ann"),
        ("--recipient", "alice", "ann"),
        ("--ticket", "OPS-4711", "OPS-0"),
    ):
        assert request_["id"] in installed.run("ann", "list", option, value).out, option
        assert request_["id"] not in installed.run("ann", "list", option, other).out, option


def test_watching_tells_each_change_once(installed: Installation, request_: Any) -> None:
    assert installed.approve("ann", request_).code == 0
    watched = installed.run("alice", "watch", request_["id"], "--timeout", "0")
    assert watched.code == 4
    assert watched.error == "The wait ended after 0 s.\n"
    assert re.fullmatch(r"pending, to be approved by [-0-9: ]+ UTC; 1 of 2 approvals\n", watched.out)


# --- exit codes ---


@pytest.mark.parametrize("command", COMMANDS)
def test_a_failure_is_one_line_with_the_exit_code_of_its_kind(installed: Installation, command: str) -> None:
    away = installed.run("ann", *command.split(), url="http://127.0.0.1:1")
    elsewhere = installed.run("ann", *command.split(), url="http://example.com")
    unknown = installed.run("ann", *command.split(), ROOTQUORUM_TOKEN="rqp_" + "0" * 46)
    assert [away.code, elsewhere.code, unknown.code] == [1, 2, 1]
    assert {len(each.error.splitlines()) for each in (away, elsewhere, unknown)} == {1}


@pytest.mark.parametrize("command", [command for command in COMMANDS if ID in command])
def test_what_is_no_id_is_misuse(installed: Installation, command: str) -> None:
    done = installed.run("ann", *command.replace(ID, "..").split())
    assert (done.code, done.error) == (2, "A request has a UUID as its id.\n")


def test_the_fields_of_a_refusal_are_in_its_line(installed: Installation) -> None:
    done = installed.run("alice", "request", "create-key", ACCOUNT, "--reason", "Due.", "--lifetime", "P1Y")
    assert done.code == 1
    assert "body." in done.error
    assert "lifetime" in done.error
    assert len(done.error.splitlines()) == 1


def test_a_write_without_an_answer_is_not_known(installed: Installation, request_: Any) -> None:
    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {} if path.endswith("/withdrawal") else answer

    with lying(installed.url, lie) as url:
        done = installed.run("alice", "withdraw", request_["id"], url=url)
    assert done.code == 3


def test_every_command_that_takes_a_server_has_json_or_prints_it() -> None:
    for path, command in every_command():
        options = {option for parameter in command.params for option in parameter.opts}
        if "--server" in options and path[0] not in {"login", "logout", "mcp", "profiles", "rules"}:
            assert "--json" in options or path == ("evidence",), path
