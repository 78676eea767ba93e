"""What the documents say exists, exists; and what exists is in the documents."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import lookup
import lookup_settings
import pytest
from support.builders import NOON
from support.house import House
from support.installation import every_command

from service.api.contract.refusals import example
from service.api.statuses import STATUSES
from service.db.schema import needed
from service.domain.account import ACTIVE, INACTIVE, AccessKey, ResourcePolicy, RootCredentials
from service.domain.errors import Code, Conflict
from service.domain.event_table import EVENTS, TEST
from service.domain.operation import KINDS, Operation, check_can_run
from service.domain.outcome import ResultCode, of_aws
from service.domain.policy import Policy, check_root_mfa
from service.notify.kinds import HookKind, Kind, Need
from service.notify.products import HOOKS, PRODUCTS
from service.settings import Settings, load
from service.simulated_aws import SimulatedAws
from service.workflow.due import STEPS

_ROOT = Path(__file__).parents[1]
_PAGES = [
    *sorted(_ROOT.glob("*.md")),
    *sorted((_ROOT / "docs").glob("*.md")),
    *sorted((_ROOT / "docs/runbooks").glob("*.md")),
]


def _page(name: str) -> str:
    return (_ROOT / name).read_text()


def _without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ROOTQUORUM_"):
            monkeypatch.delenv(name)


def _anchors(page: str) -> set[str]:
    """The fragments that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", lookup.pages(), ids=lambda page: page.name)
def test_pages_for_looking_up_are_as_the_code_has_it(page: Path) -> None:
    assert page.read_text() == lookup.renewed(page.read_text()), "make lookup"


def test_every_page_for_looking_up_is_made_of_the_code() -> None:
    made = {page.name for page in lookup.pages()}
    assert made == {"settings.md", "commands.md", "problems.md", "warnings.md", "states.md"}


def test_every_setting_is_documented_and_says_what_it_means() -> None:
    found = dict(lookup_settings.settings())
    documented = re.findall(r"^\| `([a-z]+\.[^`]+)` \|", _page("docs/settings.md"), flags=re.MULTILINE)

    assert {"database.url", "policy.quorum", "accounts.<account id>.profile", "machines.<name>.roles"} <= found.keys()
    assert {name.split(".")[0] for name in found} == {*Settings.model_fields}
    assert sorted(documented) == sorted(found)
    assert [name for name, field in found.items() if not field.description] == []


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("policy.quorum", "integer, at least 2 | `2`"),
        ("worker.lease", "duration, 1 second \u2013 1 hour | `PT30S`"),
        ("metrics.port", "integer, 0\u201365535 | none"),
        ("people.<name>.roles", "list of `requester`, `approver`, `auditor` or `operator` | `[]`"),
        ("issuers.<name>.url", "https URL; http on loopback, or with `discovery_url` | required"),
        ("rules.hours.opens", "time of day | `00:00`"),
    ],
)
def test_kinds_and_defaults_of_settings_are_those_of_their_fields(row: str, cells: str) -> None:
    assert f"| `{row}` | {cells} |" in _page("docs/settings.md")


def test_settings_are_documented_with_the_variable_that_sets_them() -> None:
    rows = {name: lookup_settings.variable(name) for name, _ in lookup_settings.settings()}
    assert rows["policy.quorum"] == "ROOTQUORUM_POLICY__QUORUM"
    assert rows["accounts.<account id>.profile"] == "ROOTQUORUM_ACCOUNTS__<ID>__PROFILE"
    assert rows["audit.keys.<name>.key"] == "ROOTQUORUM_AUDIT__KEYS__<NAME>__KEY"
    assert rows["rules.hours.opens"] == "ROOTQUORUM_RULES"


def test_every_command_is_documented_with_its_options() -> None:
    page = _page("docs/commands.md")
    for path, command in every_command():
        assert not path or re.search(rf"^###? {' '.join(path)}$", page, re.MULTILINE)
        for parameter in command.params:
            assert all(f"{name}" in page for name in parameter.opts if name.startswith("--"))


def test_a_page_is_stale_when_the_code_says_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATUSES, Code.SUSPENDED, 418)
    page = _page("docs/problems.md")
    assert "| `suspended` | 403 |" in page
    assert "| `suspended` | 418 |" in lookup.renewed(page)


def test_a_code_that_is_gone_cannot_stay_on_its_page() -> None:
    with pytest.raises(KeyError, match="vanished"):
        lookup.renewed("<!-- refusals -->\n\n| code |\n|---|\n| `vanished` | 403 | It was. | When. | Do. |\n")


def test_example_settings_load(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_environment(monkeypatch)

    settings = load(_ROOT / "rootquorum.example.toml")

    assert settings.policy.model_dump() == Settings.model_fields["policy"].default.model_dump()


def test_the_screen_in_the_readme_is_a_part_of_the_real_one() -> None:
    [shown] = re.findall(r"^```\n(You are about to approve:.*?)^```$", _page("README.md"), re.DOTALL | re.MULTILINE)
    screen = _section(_page("docs/screens.md"), "## `rootquorum approve ID --key KEY`").splitlines()

    lines = [*filter(None, shown.splitlines())]

    assert lines == [line for line in screen if line in lines]


def test_readme_stays_short() -> None:
    assert len(_page("README.md").splitlines()) < 150


def test_pages_show_the_revision_that_a_new_database_gets() -> None:
    pages = "\n".join(page.read_text() for page in _PAGES)
    assert set(re.findall(r"database is at revision (\d{4})", pages)) == {needed()}


def test_the_comparison_names_each_of_its_sources() -> None:
    text, _, sources = _page("docs/comparison.md").partition("\n## Sources\n")
    listed = re.findall(r"^(\d+)\. .*https://", sources, flags=re.MULTILINE)
    assert {*re.findall(r"\[(\d+)\](?!\()", text)} == {*listed}


def test_settings_for_forty_accounts_load_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _without_environment(monkeypatch)
    tables = re.findall(r"^```toml\n(.*?)^```$", _page("docs/forty-accounts.md"), flags=re.DOTALL | re.MULTILINE)
    people = "".join(
        f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("ann", "ben", "cid", "dan")
    )
    file = tmp_path / "rootquorum.toml"
    file.write_text("[policy]\ndecision_requires_auth_time = false\n" + people + "".join(tables))

    settings = load(file)

    assert {account.partition for account in settings.accounts.values()} == {"aws", "aws-us-gov"}
    assert [rule.name for rule in settings.rules] == ["recovery takes three"]


def test_the_documents_name_every_permission_of_the_organizations_profile() -> None:
    manager = SimulatedAws([], management_account="999900001111")._accounts.by_id["999900001111"]
    (policy,) = manager.policy_documents("root-access-manager")
    assert set(policy["Statement"]["Action"]) <= set(
        re.findall(r'["`]([a-z]+:[A-Za-z]+)["`]', _page("docs/real-accounts.md"))
    )


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_row_with_its_status(code: Code) -> None:
    statuses = re.findall(rf"^\| `{code}` \| (\d{{3}}) \|", _page("docs/problems.md"), flags=re.MULTILINE)

    assert statuses == [str(STATUSES[code])]


def test_refusals_in_the_documents_say_what_the_service_says() -> None:
    pages = "\n".join(page.read_text() for page in _PAGES)
    said = re.findall(r'"status": ?\d{3},\s*"code": ?"(\w+)",\s*"detail": ?"([^"]+)"', pages)

    assert {"already_executed", "role_required"} <= {code for code, _ in said}
    assert {*said} <= {(code.value, example(code).detail) for code in Code}


def test_the_list_of_events_has_a_row_for_each_that_happens() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", _page("docs/events.md"), flags=re.MULTILINE)

    assert listed == [name for name in EVENTS if name != TEST]


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_event_that_a_page_names_exists(page: Path) -> None:
    nouns = "|".join({name.partition(".")[0] for name in EVENTS})

    named = set(re.findall(rf"`\"?((?:{nouns})\.[a-z_]+)\"?[` ]", page.read_text()))

    assert named - {*dict(lookup_settings.settings()), "rules.toml"} <= EVENTS.keys()


def _cells(page: str, first: str) -> list[str]:
    """The cells of the one row of a page that begins with this name."""
    [row] = re.findall(rf"^\| `{re.escape(first)}` \|.*$", page, flags=re.MULTILINE)
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _section(page: str, heading: str) -> str:
    return f"\n{page}".partition(f"\n{heading}\n")[2].partition("\n#")[0]


def _kinds_in(cell: str) -> list[str]:
    return re.findall(r"`([a-z-]+)`", cell)


def test_every_kind_of_tracker_and_hook_has_a_record_and_is_documented() -> None:
    settings, tickets = _page("docs/settings.md"), _page("docs/tickets.md")

    assert [*PRODUCTS] == [*get_args(Kind)] == _kinds_in(_cells(settings, "trackers.<name>.kind")[1])
    assert [*HOOKS] == [*get_args(HookKind)] == _kinds_in(_cells(settings, "hooks.<name>.kind")[1])
    assert all(_cells(_section(tickets, "# Tickets"), kind)[1] for kind in PRODUCTS)
    assert all(_cells(_section(tickets, "## When a ticket is closed"), kind)[1] for kind in HOOKS)


@pytest.mark.parametrize("need", get_args(Need))
def test_the_settings_say_which_kinds_of_tracker_need_what(need: str) -> None:
    required = _cells(_page("docs/settings.md"), f"trackers.<name>.{need}")[2]

    assert _kinds_in(required) == [kind for kind, product in PRODUCTS.items() if need in product.needs]


def _found_just_before_the_call() -> Iterator[Code]:
    """What the last look at any account may refuse, for every operation."""
    target, other = "TARGET", "OTHER"
    keys = [{}, {target: ACTIVE}, {target: INACTIVE}, {target: ACTIVE, other: ACTIVE}]
    policy = Policy(require_root_mfa=True)
    for name, kind in KINDS.items():
        operation = Operation(name, kind.target and target)
        for statuses, signer, is_there in itertools.product(keys, (target, other), (True, False)):
            state = RootCredentials(
                observed_at=NOON,
                signer_key_id=signer,
                keys=tuple(
                    AccessKey(access_key_id=key, status=status, created_at=NOON) for key, status in statuses.items()
                ),
                password_present=is_there,
                mfa_enabled=is_there,
                resource=ResourcePolicy("eu-central-1", None) if is_there else None,
            )
            for check in (partial(check_can_run, accept_lockout=False), partial(check_root_mfa, policy)):
                try:
                    check(operation, state)
                except Conflict as refusal:
                    yield refusal.code


def test_every_result_code_has_its_row() -> None:
    table = _page("docs/problems.md").partition("## `result.code` of a request")[2]
    documented = [
        code for row in re.findall(r"^\| (`.+?`) \|", table, flags=re.MULTILINE) for code in re.findall(r"`(.+?)`", row)
    ]

    expected = {*ResultCode, *_found_just_before_the_call(), Code.ACCOUNT_UNREACHABLE, of_aws("…")}
    assert sorted(documented) == sorted(expected)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _page("Makefile"), flags=re.MULTILINE))
    named = {target for page in _PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text())}

    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_command_that_is_named_exists() -> None:
    commands: dict[str, set[str]] = {}
    for path, _ in every_command():
        commands.setdefault("".join(path[:1]), set()).update(path[1:])
    pages = "\n".join(page.read_text() for page in _PAGES)
    named = set(re.findall(r"(?:`|^|\$ |do )rootquorum ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", pages, flags=re.MULTILINE))

    assert ("token", "create") in named
    for command, argument in named:
        assert command in commands
        assert not commands[command] or argument in commands[command] | {""}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not fragment or fragment in _anchors(target.read_text()), link


def test_digest_can_be_recomputed_as_documented(house: House) -> None:
    script = re.search(r"```python\n(.*?)```", _page("docs/log-keys.md"), flags=re.DOTALL)
    assert script is not None
    request = house.approved()
    query = f"request_id={request.filing.request_id}&limit=1"
    events = house.client("audrey").get(f"/v1/audit/events?{query}").json()

    done = _run(script[1], events)
    assert (done.stdout.strip(), done.returncode) == (request.digest, 0)

    events["items"][0]["data"]["filing"]["justification"] += "!"
    done = _run(script[1], events)
    assert done.stdout.strip() != request.digest
    assert done.returncode == 1


def _run(script: str, events: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(events), capture_output=True, text=True, check=False
    )


def test_documented_fields_of_a_filing_are_those_of_the_digest(house: House) -> None:
    fields = house.file().filing.document()

    page = _page("docs/log-keys.md").partition("The filing's fields are ")[2].partition(", the state of")[0]

    assert set(re.findall(r"`([a-z_]+)`", page)) == set(fields)


def test_the_workers_table_has_every_step_in_order() -> None:
    table = _page("docs/operations.md").partition("## The worker")[2].partition("How it settles")[0]
    assert tuple(re.findall(r"^\| ([a-z_]+) \|", table, re.MULTILINE))[1:] == STEPS


def test_every_document_is_in_the_list_of_documents() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)[)#]", _page("docs/README.md")))
    assert listed == {page.name for page in (_ROOT / "docs").glob("*.md")} - {"README.md"}
