"""`rootquorum rules`: the file of rules that a quorum signs. Commands for people who sign, without settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from service.cli.commands import Commands
from service.cli.common import console, fail, print_whole
from service.cli.remotely import AnyServer, Key, TokenFile, asking, connected, misused, refusing
from service.cli.terminal import Table
from service.client import rules as files
from service.client import ssh
from service.client.refused import Refused
from service.client.remote import Remote, objects, text
from service.domain.rule_file import RuleFile, changes
from service.domain.statement import Namespace
from service.signing import demands
from service.signing.demands import demands_of
from service.signing.faults import Fault
from service.signing.sshsig import Signed, verify
from service.signing.words import words

app = Commands()
app.later(
    "init", "service.cli.rules_init:init", "Write a first file of rules from the settings, and say what to remove."
)

# Half of the digest, as of a key's fingerprint.
_SPOKEN_BYTES = 16
_DIFFERS = 1

RulesFile = Annotated[Path, typer.Argument(help="The file of rules; its signatures stand beside it, in FILE.sigs.")]
Previous = Annotated[Path | None, typer.Option(help="The file of the version before; else the server is asked.")]


@app.command()
def sign(
    file: RulesFile,
    *,
    key: Key,
    previous: Previous = None,
    server: AnyServer = None,
    token_file: TokenFile = None,
) -> None:
    """Sign a version of the rules with your own key, after you have read what differs from the version before."""
    with refusing():
        public, rules = ssh.public_key(key), files.read(file)
        with _remote(rules, previous, server, token_file) as remote:
            before = files.before(rules, file=previous, remote=remote)
            warnings = [] if before is None else _warnings(before, rules, remote)
        if any(each.key == public and not _faults(each, before) for each in files.signed(file, rules).values()):
            console.print("You have signed this version with this key already.")
            return
        with asking() as terminal:
            rows = [*_about(rules), ("your key", f"{public.fingerprint} ({public.kind})"), *_told(before, rules)]
            terminal.show("You are about to sign:", [*rows, *warnings])
            if not terminal.is_answered_with_yes("Shall these be the rules?"):
                fail("Nothing was signed.")
        signature = ssh.sign(key, public, rules.text, Namespace.RULES)
        for fault in _faults(verify(signature, rules.bytes, Namespace.RULES), before):
            raise Refused(f"The signature would not count, and was not added. {fault.sentence}")
        files.add(file, rules, signature)
    console.print(f"Signed. The signature is in {files.signatures_beside(file)}.", soft_wrap=True)


@app.command()
def show(
    file: RulesFile,
    *,
    previous: Previous = None,
    server: AnyServer = None,
    token_file: TokenFile = None,
) -> None:
    """Show version and digest, who has signed, and how many signatures are missing.

    Whose a key is says the version before, as far as it names founders; with a server, the server says it of all. No
    file says it of its own signers but the first.
    """
    with refusing():
        rules, before = files.read(file), None
        owners = {} if rules.rules.previous is not None else _founders(rules)
        if rules.rules.previous is not None and (previous is not None or server is not None):
            with _remote(rules, previous, server, token_file) as remote:
                before = files.before(rules, file=previous, remote=remote)
                owners = _owners(before or rules, remote)
        signatures = files.signed(file, rules).values()
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in _about(rules):
        table.add_row(*row)
    table.add_row("next version", f'version = {rules.rules.version + 1}, previous = "{rules.rules.digest}"')
    counting = {each.key.text for each in signatures if not _faults(each, before)}
    for fingerprint, each in sorted({each.key.fingerprint: each for each in signatures}.items()):
        whose = owners.get(each.key.text, "of nobody who is known here") if owners else ""
        why = "" if each.key.text in counting else f"(does not count: {_faults(each, before)[0].sentence})"
        table.add_row("signed by", " ".join(filter(None, (fingerprint, whose, why))))
    people = {owners[key] for key in counting if key in owners}
    table.add_row("missing", _missing(rules, before, people))
    print_whole(table)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The file of rules before.")],
    new: Annotated[Path, typer.Argument(help="The file of rules after.")],
) -> None:
    """Print each value that differs between two files of rules. Exit 0: none; 1: some."""
    with refusing():
        before, now = files.read(old), files.read(new)
    found = changes(before, now)
    for line in found:
        console.print(line, soft_wrap=True)
    if found:
        raise typer.Exit(_DIFFERS)


@contextmanager
def _remote(
    rules: RuleFile, previous: Path | None, server: str | None, token_file: Path | None
) -> Iterator[Remote | None]:
    """Provide the server, if it has to be asked for the version before."""
    if rules.rules.previous is None or previous is not None:
        yield None
    elif server is None:
        misused("Give --previous FILE, or --server, or set ROOTQUORUM_URL.")
    else:
        with connected(server, token_file) as remote:
            yield remote


def _about(rules: RuleFile) -> list[tuple[str, str]]:
    digest = rules.rules.digest
    return [
        ("version", str(rules.rules.version)),
        ("digest", digest),
        ("words", " ".join(words(bytes.fromhex(digest)[:_SPOKEN_BYTES]))),
        ("before", rules.rules.previous or "none: it is the first"),
    ]


def _told(before: RuleFile | None, rules: RuleFile) -> list[tuple[str, str]]:
    """Return a row for each difference: right above the question."""
    found = changes(before, rules)
    return [("differs", line) for line in found] or [("differs", "in nothing but version, comments and spaces")]


def _faults(signed: Signed, before: RuleFile | None) -> tuple[Fault, ...]:
    """Return what the version before demands of a signature, and this one does not prove."""
    return () if before is None else demands.faults(signed, demands_of(before.signing))


def _warnings(before: RuleFile, rules: RuleFile, remote: Remote | None) -> list[tuple[str, str]]:
    """Return a row for each key that goes on to count, though the file no longer names its person.

    The server may hide a key. It cannot hide a founder's, because the version before has it.
    """
    said = list[str]()
    for person, key in files.left_counting(before, rules, _owners(before, remote) | _founders(before)):
        said.append(f"{person} is not named any more, but {ssh.parsed(key).fingerprint} may go on to sign for them.")
        said.append(f'Add to the file: [[revoked_keys]] key = "{key}"')
    if remote is None:
        for person in files.dropped(before, rules):
            said.append(f"{person} is not named any more. Keys that others endorsed for them, only the server knows.")
    return [("WARNING", each) for each in said]


def _founders(rules: RuleFile) -> dict[str, str]:
    return {key: person for person, key in rules.rules.founders}


def _owners(before: RuleFile, remote: Remote | None) -> dict[str, str]:
    """Return the person of each key that may sign, as far as it is known."""
    if remote is None:
        return _founders(before)
    listed = objects(remote.get("/v1/signing-keys"), "items")
    return {text(each, "key"): text(each, "person", "subject") for each in listed if each.get("counts") is True}


def _missing(rules: RuleFile, before: RuleFile | None, people: set[str]) -> str:
    if rules.rules.previous is None:
        return "none: the first version is trusted when the service sees it first"
    if before is None:
        return "unknown: give --previous FILE or --server"
    needed = before.rules.quorum
    return f"{max(0, needed - len(people))} of {needed} people"
