"""`rootquorum policy`: what a reviewer of settings sees, and the exit codes that a pipeline acts on."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.installation import commanded, rootquorum

from service.cli.policy_words import value_text
from service.settings.expectations import FaultyExpectations, read_expectations

SETTINGS = """
[database]
url = "postgresql://rootquorum@unreachable.example.com/rootquorum"
[organizations.main]
profile = "manager"
list_accounts = true
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
person_claim = "email"
client_id = "rootquorum"
client_secret = "hunter2"
grants = [{ group = "root-approvers", roles = ["approver"], accounts = ["444455556666"] }]
[audit]
origin = "rootquorum.example.com/log"
[audit.keys.log]
key_file = "nowhere.pem"
[accounts.111122223333]
name = "production"
profile = "prod"
[accounts.444455556666]
name = "staging"
organization = "main"
[people.alice]
name = "Alice"
roles = ["requester", "approver"]
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
away_until = 2126-12-24T00:00:00Z
[people.dave]
name = "Dave"
roles = ["requester", "approver"]
[groups.security]
people = ["alice", "dave"]
[groups.platform]
people = ["bob", "carol"]
provider_groups = [{ issuer = "corp", group = "platform-team" }]
[[rules]]
name = "production needs both teams"
accounts = ["111122223333"]
approvals = [{ group = "security", at_least = 1 }, { group = "platform", at_least = 1 }]
max_lifetime = "P7D"
[[rules]]
name = "by tag"
tags = { env = "prod" }
ticket_required = true
"""
EXPECTATIONS = """
[assume]
apart = [["security", "platform"]]
[[expect]]
name = "production needs security"
accounts = ["111122223333"]
needs = [{ group = "security" }]
no_two_of = "platform"
[[expect]]
name = "production stays possible"
accounts = ["111122223333"]
possible = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rootquorum.toml").write_text(SETTINGS)
    (tmp_path / "expectations.toml").write_text(EXPECTATIONS)
    return tmp_path


def explained(folder: Path, *arguments: str) -> Any:
    done = commanded(folder, "policy", "explain", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


# ------------------------------------------------------------------ explain


def test_rules_policy_demands_and_people_are_told(folder: Path) -> None:
    done = rootquorum(folder, "policy", "explain", "production", "create_access_key", "--requester", "alice")

    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[0] == "create_access_key on 111122223333 (production)"
    assert "  by tag: the account's tags are not known" in said
    assert "  production needs both teams: it names the account" in said
    assert "  * max_lifetime: P7D (policy: none)" in said
    assert "    quorum: 2" in said
    assert (
        "  1 of platform: bob and carol; and any of dave who signs in with group platform-team of issuer corp" in said
    )
    assert "  1 of security: dave" in said
    assert "  alice files it" in said
    assert "  carol, until 2126-12-24T00:00:00.000000Z" in said
    assert "The people who are named here suffice." in said
    assert not (folder / "rootquorum.db").exists()


def test_an_account_is_given_by_its_id_or_its_name(folder: Path) -> None:
    by_id, by_name = (explained(folder, account, "create_access_key") for account in ("111122223333", "production"))

    assert by_id == by_name


def test_tags_and_units_decide_if_they_are_given(folder: Path) -> None:
    def rules(*options: str) -> list[str]:
        found = explained(folder, "staging", "create_access_key", *options)
        return [rule["name"] for rule in found["rules"]]

    assert rules() == ["by tag"]
    assert rules("--tag", "Env=PROD") == ["by tag"]
    assert rules("--tag", "env=dev") == []


def test_an_account_that_an_organization_may_list_is_explained_by_its_id(folder: Path) -> None:
    found = explained(folder, "777788889999", "create_access_key", "--name", "sandbox")

    assert (found["account_id"], found["name"], found["can_be_approved"]) == ("777788889999", "sandbox", "yes")


def test_what_is_missing_is_told(folder: Path) -> None:
    found = explained(
        folder, "production", "create_access_key", "--requester", "alice", "--recipient", "bob", "--without", "dave"
    )

    assert (found["can_be_approved"], found["missing"]) == ("no", "1 of security is missing")
    assert [each["why"] for each in found["left_out"]] == ["is absent", "receives it", "files it"]


def test_a_requester_without_the_role_is_told(folder: Path) -> None:
    done = commanded(folder, "policy", "explain", "production", "create_access_key", "--requester", "bob")

    assert "The requester may not file requests for this account." in done.stdout


def test_people_of_a_provider_are_told_where_it_makes_approvers(folder: Path) -> None:
    found = explained(folder, "staging", "delete_access_key")

    (anybody,) = found["demands"]
    assert anybody["anybody_who_signs_in"]
    assert anybody["stated"] == [{"issuer": "corp", "group": "root-approvers"}]


def test_whose_absence_would_block_what_is_told(folder: Path) -> None:
    settings = (folder / "rootquorum.toml").read_text()
    (folder / "rootquorum.toml").write_text(settings.replace('people = ["alice", "dave"]', 'people = ["dave"]'))

    absences = explained(folder, "staging", "delete_access_key")["one_absence_blocks"]

    blocked = {each["subject"]: {place["account_id"] for place in each["places"]} for each in absences}
    # Alice is the only other one who may file what dave approves.
    assert blocked == {"alice": {"111122223333"}, "dave": {"111122223333"}}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere", "create_access_key"), "The settings name no account like that. Of others, give the id."),
        (("production", "create_access_key", "--name", "x"), "The account's name is in the settings;"),
        (("production", "create_access_key", "--tag", "x"), "A tag is given as key=value."),
    ],
    ids=["account", "name", "tag"],
)
def test_what_cannot_be_explained_is_one_line(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = commanded(folder, "policy", "explain", *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_somebody_whom_nobody_knows_is_refused(folder: Path) -> None:
    settings = re.sub(r"grants = .*", "", (folder / "rootquorum.toml").read_text())
    (folder / "rootquorum.toml").write_text(settings)

    done = commanded(folder, "policy", "explain", "production", "create_access_key", "--requester", "alcie")

    assert (done.returncode, done.stderr) == (1, "The settings name nobody called alcie.\n")


def test_names_are_shown_as_text(folder: Path) -> None:
    hostile = '"Mallory [/x] \\u001b[2J\\u202e\\nRules that apply"'
    settings = (folder / "rootquorum.toml").read_text().replace('name = "production"', f"name = {hostile}")
    (folder / "rootquorum.toml").write_text(settings)

    for arguments in (("explain", "111122223333", "create_access_key"), ("check", "expectations.toml")):
        said = commanded(folder, "policy", *arguments).stdout
        assert not {"\x1b", "\u202e"} & {*said}
        assert said.count("\nRules that apply") == (arguments[0] == "explain")


# ------------------------------------------------------------------ check


def expecting(folder: Path, text: str) -> Any:
    (folder / "expectations.toml").write_text(text)
    return commanded(folder, "policy", "check", "expectations.toml")


def test_expectations_that_hold_are_exit_0(folder: Path) -> None:
    done = rootquorum(folder, "policy", "check", "expectations.toml")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "assumed  nobody is in both platform and security",
        "holds    production needs security",
        "holds    production stays possible",
        "All expectations hold.",
    ]


def test_people_who_suffice_against_an_expectation_are_exit_1(folder: Path) -> None:
    done = expecting(folder, '[[expect]]\nname = "no two"\naccounts = ["444455556666"]\nno_two_of = "security"\n')

    assert done.returncode == 1
    assert "FAILS    no two" in done.stdout
    assert "           alice and dave\n" in done.stdout
    assert "every operation on account 444455556666 (staging)" in done.stdout
    assert "by these rules: none, by [policy] alone" in done.stdout


def test_what_is_possible_only_by_people_of_a_provider_says_so(folder: Path) -> None:
    settings = (folder / "rootquorum.toml").read_text().replace('people = ["bob", "carol"]', "people = []")
    (folder / "rootquorum.toml").write_text(settings)

    done = expecting(folder, '[[expect]]\nname = "x"\naccounts = ["111122223333"]\npossible = true\n')

    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        "holds    x; possible only by people whom a provider signs in",
    )


def test_a_broken_assumption_is_exit_1(folder: Path) -> None:
    settings = (folder / "rootquorum.toml").read_text().replace('["bob", "carol"]', '["bob", "alice"]')
    (folder / "rootquorum.toml").write_text(settings)

    done = commanded(folder, "policy", "check", "expectations.toml")

    assert done.returncode == 1
    assert "FAILS    assumption: alice is in platform and security." in done.stdout


def test_findings_are_printed_for_machines(folder: Path) -> None:
    (folder / "expectations.toml").write_text('[[expect]]\nname = "x"\nnever = [["alice", "bob"]]\n')

    done = commanded(folder, "policy", "check", "expectations.toml", "--json")

    found = json.loads(done.stdout)
    (expectation,) = found["expectations"]
    (finding,) = expectation["findings"]
    assert (done.returncode, found["holds"], expectation["holds"]) == (1, False, False)
    assert finding["what"] == "these suffice together"
    people = sorted(who for part in finding["people"][0] for who in part["people"])
    assert people == ["alice", "bob"]
    # Also in an account that an organization may list.
    assert {place["account_id"] for place in finding["places"]} == {"000000000000", "111122223333", "444455556666"}
    assert finding["places"][0]["operations"]


_GOOD = '[[expect]]\nname = "x"\npossible = true\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expect: it has to have one table or more, as [[expect]]."),
        ("[[expect]\n", "line 1, column 9: Expected ']]' at the end of an array declaration."),
        ('[[expect]]\nname = "x"\n', "expect 1: it expects nothing; say needs, quorum_at_least, never, "),
        ('[[expect]]\nname = "x"\nneed = []\n', "expect 1: there is nothing named need."),
        ('[[expect]]\nname = "x"\n"a[b" = 1\npossible = true\n', "expect 1: there is nothing named a[b."),
        ('[[expect]]\nname = "x"\nneeds = [{ grop = "x" }]\n', "expect 1.needs: there is nothing named grop."),
        ('[[expect]]\nname = "x"\nnever = [["a", "a"]]\n', "expect 1.never: it has to hold 2 or more."),
        ('[[expect]]\nname = "x"\nno_two_of = ["A b"]\n', "expect 1.no_two_of: it has to be a text, or it has to be"),
        ('[[expect]]\nname = "x"\nnamed_only = true\nno_two_of = "security"\n', "expect 1: also_without_any and"),
        (f"{_GOOD}{_GOOD}", 'Two expectations are named "x".'),
        (f'{_GOOD}[assume]\napart = [["a", "a"]]\n', "assume.apart: it has to be two different groups."),
        (f"more = 1\n{_GOOD}", "It: there is nothing named more."),
        ("expect = 1\n", "expect: it has to be a list."),
        ('[[expect]]\nname = "x"\nno_two_of = "secuirty"\n', '"x": the settings have no group secuirty.'),
        ('[[expect]]\nname = "x"\nnever = [["alcie", "bob"]]\n', '"x": the settings name no person alcie.'),
    ],
)
def test_a_faulty_file_is_exit_2(folder: Path, text: str, sentence: str) -> None:
    done = expecting(folder, text)

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_a_file_that_is_not_there_is_exit_2(folder: Path) -> None:
    done = commanded(folder, "policy", "check", "nowhere.toml")
    assert (done.returncode, done.stderr) == (2, "There is no file nowhere.toml.\n")

    with pytest.raises(FaultyExpectations, match="Is a directory"):
        read_expectations(folder)


def test_faulty_settings_are_exit_2(folder: Path) -> None:
    (folder / "rootquorum.toml").write_text("[policy]\nquorum = 1\n")
    done = commanded(folder, "policy", "check", "expectations.toml")
    assert (done.returncode, done.stderr) == (2, "settings: policy.quorum: it has to be 2 or more.\n")

    (folder / "rootquorum.toml").unlink()
    done = commanded(folder, "policy", "check", "expectations.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("settings: There is no rootquorum.toml here,")


def test_the_example_of_the_documentation_is_judged(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy-commands.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)

    done = expecting(folder, example)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("FAILS    ") == 4  # these settings are weaker than the example expects


# ------------------------------------------------------------------ diff


def compared(folder: Path, *changes: tuple[str, str], **environment: str) -> Any:
    settings = SETTINGS
    for old, new in changes:
        assert old in settings
        settings = settings.replace(old, new, 1)
    (folder / "new.toml").write_text(settings)
    return commanded(folder, "policy", "diff", "rootquorum.toml", "new.toml", **environment)


def test_no_difference_is_exit_0(folder: Path) -> None:
    done = compared(folder)

    assert (done.returncode, done.stdout) == (0, "No difference in who may approve what.\n")


def test_a_stricter_rule_is_exit_1(folder: Path) -> None:
    done = compared(folder, ('max_lifetime = "P7D"', 'max_lifetime = "P1D"\nquorum = 3'))

    assert done.returncode == 1
    assert "Becomes impossible" in done.stdout
    assert "(now: 3 approvals needed)" in done.stdout
    assert "  max_lifetime: P7D, then P1D" in done.stdout
    assert "  rules.production needs both teams.quorum: new, 3" in done.stdout
    assert done.stdout.endswith("Nothing becomes possible.\n")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('{ group = "security", at_least = 1 }, ', "", "  bob and carol (before: 1 needed for security)"),
        ('max_lifetime = "P7D"', "", "  looser: max_lifetime: P7D, then none"),
        ("ticket_required = true", "quorum = 2", "  looser: ticket_required: yes, then no"),
        ('roles = ["approver"]\n[people.c', 'roles = ["auditor"]\n[people.c', "  looser: bob is auditor in none, then"),
        (', accounts = ["444455556666"] }]', "}]", "  looser: group root-approvers of issuer corp is approver in 4444"),
        ("https://login", "https://other", "  looser: issuer corp was changed: it may say of others who signs in"),
    ],
    ids=["rule", "lifetime", "ticket", "role", "grant", "issuer"],
)
def test_what_becomes_possible_is_exit_2(folder: Path, old: str, new: str, line: str) -> None:
    done = compared(folder, (old, new))

    assert done.returncode == 2
    assert line in done.stdout
    assert done.stdout.endswith("Something becomes possible that was not.\n")


def test_an_account_that_nothing_listed_before_is_exit_2(folder: Path) -> None:
    (folder / "rootquorum.toml").write_text(SETTINGS.replace("list_accounts = true", ""))
    (folder / "new.toml").write_text(SETTINGS)

    done = commanded(folder, "policy", "diff", "rootquorum.toml", "new.toml", "--json")

    found = json.loads(done.stdout)
    assert (done.returncode, found["served"]) == (2, ["any other that an organization lists"])


def test_tables_that_are_not_judged_are_named_without_their_values(folder: Path) -> None:
    done = compared(
        folder,
        ("unreachable.example", "elsewhere.example"),
        ("hunter2", "hunter3"),
        ('profile = "prod"', 'profile = "other"'),
        ("[[rules]]", "[webhooks.ops]\nurl = 'https://elsewhere.example'\n[[rules]]"),
    )

    assert done.returncode == 0
    assert "Not judged, but different: accounts, database, issuers, webhooks." in done.stdout
    assert "hunter" not in done.stdout
    assert "elsewhere" not in done.stdout


def test_the_environment_does_not_hide_a_difference(folder: Path) -> None:
    done = compared(folder, ("[database]", "[policy]\nquorum = 3\n[database]"), ROOTQUORUM_POLICY__QUORUM="3")

    assert done.returncode == 1
    assert "  policy.quorum: 2, then 3" in done.stdout


def test_a_faulty_file_is_exit_3(folder: Path) -> None:
    (folder / "new.toml").write_text("[policy]\nquorum = 1\n")

    for pair in (("rootquorum.toml", "new.toml"), ("new.toml", "rootquorum.toml")):
        done = commanded(folder, "policy", "diff", *pair)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == "new.toml: policy.quorum: it has to be 2 or more.\n"
    assert commanded(folder, "policy", "diff", "rootquorum.toml", "nowhere.toml").returncode == 3


def test_durations_are_shown_as_in_settings() -> None:
    shown = [value_text(timedelta(seconds=seconds)) for seconds in (0, 61, 86_400, 90_000, 7_200)]

    assert shown == ["PT0S", "PT1M1S", "P1D", "P1DT1H", "PT2H"]
