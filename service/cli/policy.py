"""`rootquorum policy`: who may approve what, from settings files alone. It needs no database, no AWS and no secret."""

import json
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from service.cli.commands import Commands
from service.cli.common import errors
from service.cli.policy_diff import compared, say_compared
from service.cli.policy_explain import Asked, explained, say_explained
from service.cli.policy_words import MOST_FINDINGS, part_document, people_text, places_document, say, say_places
from service.domain.account import ListedAccounts
from service.domain.canonical import Document, Json
from service.domain.expectation import (
    Expectation,
    Finding,
    broken_assumptions,
    contradictions,
    faults,
    relies_on_providers,
)
from service.domain.operation import OperationName
from service.domain.realm import Realm
from service.domain.rulebook import Rulebook
from service.domain.situations import Book
from service.settings import FaultySettings, Settings, load_for_policy
from service.settings.expectations import FaultyExpectations, read_expectations

app = Commands()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class CheckExit(IntEnum):
    HOLDS = 0
    FAILS = 1
    FAULTY = 2


class DiffExit(IntEnum):
    SAME = 0
    STRICTER = 1
    LOOSER = 2
    FAULTY = 3


def realm_of(settings: Settings) -> Realm:
    """Return what the settings say of people, rules and accounts."""
    return Realm(
        Rulebook(
            settings.policy_in_force(),
            settings.rules_in_force(),
            settings.directory(),
            signing=settings.signing_in_force().document(),
        ),
        accounts={account_id: account.name for account_id, account in settings.accounts.items()},
        listings=tuple(
            ListedAccounts(allow=each.allow, deny=each.deny)
            for each in settings.organizations.values()
            if each.list_accounts
        ),
        has_organizations=bool(settings.organizations),
    )


@app.command()
def explain(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="An account's id, or its name in the settings.")],
    operation: Annotated[OperationName, typer.Argument(help="An operation.")],
    *,
    requester: Annotated[str | None, typer.Option(help="Who files it.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Who receives it; else the requester.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Somebody who is absent. Repeatable.")] = None,
    name: Annotated[str | None, typer.Option(help="The name of an account that an organization lists.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="A unit above the account. Repeatable: name all.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag as key=value. Repeatable: name all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print which rules apply to an operation on an account, who could approve it, and whose absence would block what.

    What is not known of the account counts as in the service: a rule by it applies.
    """
    realm = realm_of(_read(ctx.obj, 1))
    asked = Asked(operation, requester, recipient, tuple(without or ()), name, unit, tag)
    try:
        document = explained(realm, account, asked)
    except ValueError as error:
        _refuse([str(error)], 1)
    _print(document, say_explained, as_json=as_json)


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A TOML file of expectations.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check expectations of who can approve what, by searching for people who suffice against them.

    Exit 0: all hold; 1: some do not; 2: the file or the settings are faulty.
    """
    settings = _read(ctx.obj, CheckExit.FAULTY)
    try:
        read = read_expectations(file)
    except FaultyExpectations as faulty:
        _refuse(faulty.faults, CheckExit.FAULTY)
    book = Book(realm_of(settings), read.apart)
    wrong = list(faults(book, read.expectations, read.apart))
    if wrong:
        _refuse([f"{file}: {sentence}" for sentence in wrong], CheckExit.FAULTY)
    broken = list(broken_assumptions(book, read.apart))
    found = [_expectation_document(book, each) for each in read.expectations]
    holds = not broken and all(each["holds"] for each in found)
    document: Document = {
        "holds": holds,
        "assumptions": {
            "apart": [list[Json](sorted(pair)) for pair in read.apart],
            "broken": list[Json](broken),
        },
        "expectations": list[Json](found),
    }
    _print(document, _say_check, as_json=as_json)
    raise typer.Exit(CheckExit.HOLDS if holds else CheckExit.FAILS)


def _expectation_document(book: Book, expectation: Expectation) -> dict[str, Json]:
    findings = contradictions(book, expectation)
    return {
        "name": expectation.selector.name,
        "holds": not findings,
        "relies_on_providers": not findings and relies_on_providers(book, expectation),
        "findings": [_finding_document(finding) for finding in findings],
    }


def _finding_document(finding: Finding) -> Document:
    electors = finding.electors
    sets: list[Json] = [
        [part_document(part, electors, finding.within) for part in parts] for parts in finding.sets if electors
    ]
    return {
        "what": finding.what,
        "people": sets,
        "rules": [rule.name for rule in finding.rules],
        "places": places_document(finding.places),
    }


def _say_check(document: Any) -> None:
    for pair in document["assumptions"]["apart"]:
        say(f"assumed  nobody is in both {' and '.join(pair)}")
    for sentence in document["assumptions"]["broken"]:
        say(f"FAILS    assumption: {sentence}")
    for expectation in document["expectations"]:
        said = "; possible only by people whom a provider signs in" if expectation["relies_on_providers"] else ""
        say(f"{'holds' if expectation['holds'] else 'FAILS':9}{expectation['name']}{said}")
        for finding in expectation["findings"][:MOST_FINDINGS]:
            say(f"{finding['what']}{':' if finding['people'] else '.'}", 9)
            for people in finding["people"]:
                say(people_text(people), 11)
            say_places(finding["places"], 9)
            if finding["places"]:
                say(f"by these rules: {', '.join(finding['rules']) or 'none, by [policy] alone'}", 9)
        left = len(expectation["findings"]) - MOST_FINDINGS
        if left > 0:
            say(f"and {left:,} more cases; --json has all", 9)
    number = sum(not expectation["holds"] for expectation in document["expectations"])
    say(f"{number} of {len(document['expectations'])} expectations fail." if number else "All expectations hold.")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The settings file before.")],
    new: Annotated[Path, typer.Argument(help="The settings file after.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Print which approvals become possible or impossible between two settings files, and what else differs.

    Exit 0: no difference; 1: nothing becomes possible; 2: something does, or may; 3: a file is faulty.
    The environment is left aside.
    """
    before, now = (_read(file, DiffExit.FAULTY, file_alone=True) for file in (old, new))
    document = compared((before, realm_of(before)), (now, realm_of(now)))
    _print(document, say_compared, as_json=as_json)
    if document["becomes_possible"]:
        raise typer.Exit(DiffExit.LOOSER)
    raise typer.Exit(DiffExit.STRICTER if document["differs"] else DiffExit.SAME)


def _read(file: Path | None, code: int, *, file_alone: bool = False) -> Settings:
    try:
        return load_for_policy(file, file_alone=file_alone)
    except FaultySettings as faulty:
        if file_alone:  # faults of TOML begin with the file
            _refuse([fault if fault.startswith(f"{file}, ") else f"{file}: {fault}" for fault in faulty.faults], code)
        _refuse([f"settings: {fault}" for fault in faulty.faults], code)


def _refuse(sentences: list[str], code: int) -> NoReturn:
    for sentence in sentences:
        errors.print(sentence, style="red", soft_wrap=True)
    raise typer.Exit(code)


def _print(document: Document, as_text: Callable[[Any], None], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        as_text(document)
