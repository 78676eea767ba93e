"""`rootquorum init`: writes a first settings file."""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url

from service.cli.common import console, errors, fail
from service.cli.toml import key, quoted
from service.settings import FILE_VARIABLE, PREFIX, FaultySettings, load, settings_file


def init(
    ctx: typer.Context,
    *,
    account: Annotated[
        list[str] | None, typer.Option(help="An AWS account, as ID=NAME. May be given several times.")
    ] = None,
    approver: Annotated[list[str] | None, typer.Option(help="Who approves. At least two, better three.")] = None,
    requester: Annotated[list[str] | None, typer.Option(help="Who files requests.")] = None,
    database: Annotated[
        str | None, typer.Option(help="Where everything is stored: a URL of SQLite or PostgreSQL, without a password.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="The address in links, as people see it.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Simulate AWS: nothing real is touched.")] = False,
) -> None:
    """Write a first settings file, with comments, and check it.

    It asks at a terminal for what no option gives. The file is the one of `--config`, else of ROOTQUORUM_CONFIG, else
    rootquorum.toml. One that is there is never overwritten.
    """
    file = settings_file(ctx.obj) or Path("rootquorum.toml")
    if os.path.lexists(file):
        fail(f"{file} is there already, and was not changed. Move it away first, or give --config another name.")
    accounts = account or _asked("AWS accounts, as ID=NAME", "--account", "111122223333=production")
    approvers = approver or _asked("Who approves: at least two, better three", "--approver")
    requesters = requester or _asked("Who files requests", "--requester")
    url = database or "sqlite:///rootquorum.db"
    text = _text(url, public_url, accounts, approvers, requesters, simulated=simulated)
    _write(file, text)
    console.print(f"{file} is written, for its owner only (mode 0600), and can be used.", soft_wrap=True)
    console.print("Next:")
    for step in _steps(file, url, accounts, [*approvers, *requesters], simulated=simulated):
        console.print(f"  {step}", soft_wrap=True)


def _asked(question: str, option: str, example: str = "ann") -> list[str]:
    """Return the answers of a person, separated by spaces or commas. Without a terminal, fail and name the option."""
    if not sys.stdin.isatty():
        fail(f"Nobody can be asked here. Give {option}, such as {option} {example}.")
    answer: str = typer.prompt(f"{question} (such as {example})", err=True)
    return answer.replace(",", " ").split()


def _text(
    database: str,
    public_url: str | None,
    accounts: Sequence[str],
    approvers: Sequence[str],
    requesters: Sequence[str],
    *,
    simulated: bool,
) -> str:
    """Return the content of the file."""
    lines = [
        "# Rootquorum's settings. docs/settings.md explains each, and `rootquorum config show` prints all in force.",
        "# Whoever can write to this file decides who approves.",
        "",
        "[database]",
        "# SQLite is for one process. Give PostgreSQL's password by PGPASSWORD or PGPASSFILE, never here.",
        f"url = {quoted(database)}",
        "",
        "[server]",
        "# Plain HTTP, for a proxy with TLS in front: docs/deployment.md.",
        'host = "127.0.0.1"',
        "port = 8080",
        *([f"public_url = {quoted(public_url)}"] if public_url else []),
        "",
        "[policy]",
        "quorum = 2",
        "# API tokens may decide. Set this to true once people sign in at an identity provider: docs/signing-in.md.",
        "decision_requires_auth_time = false",
        "",
    ]
    if simulated:
        lines += [
            "[aws]",
            "# Nothing real is touched. Remove this, and give each account a profile.",
            "simulated = true",
            "",
        ]
    for number, each in enumerate(accounts):
        account_id, _, name = each.partition("=")
        lines += [f"[accounts.{key(account_id)}]", f"name = {quoted(name)}"]
        if not simulated:
            if number == 0:
                lines.append("# A profile of AWS's configuration that yields a root key of this account.")
            lines.append(f"profile = {quoted(f'root-{name}')}")
        lines.append("")
    lines += ["# Nobody approves a request of their own, or one of which they receive the key."]
    for person in dict.fromkeys([*approvers, *requesters]):
        roles = [role for role, people in (("approver", approvers), ("requester", requesters)) if person in people]
        lines += [f"[people.{key(person)}]", f"name = {quoted(person)}", f"roles = {json.dumps(roles)}", ""]
    return "\n".join(lines)


def _write(file: Path, text: str) -> None:
    """Write the file whole, or print why it would not be usable and exit 1. Never replace one that is there."""
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".rootquorum-", suffix=".toml")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}.")
    draft = Path(name)  # mkstemp's mode is 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        load(draft)
        # Unlike a rename, a link never replaces what somebody else has written meanwhile.
        os.link(draft, file)
    except FaultySettings as faulty:
        for fault in faulty.faults:
            errors.print(f"settings: {fault.replace(name, str(file))}", style="red", soft_wrap=True)
        fail("Nothing was written.")
    except OSError as error:
        fail(f"{file} was not written: {error.strerror}.")
    finally:
        draft.unlink()


def _steps(file: Path, url: str, accounts: Sequence[str], people: Sequence[str], *, simulated: bool) -> list[str]:
    steps = [] if file == Path("rootquorum.toml") else [f"export {FILE_VARIABLE}={shlex.quote(str(file.resolve()))}"]
    steps.append(migration(url))
    steps += [f"rootquorum token create {shlex.quote(person)}" for person in dict.fromkeys(people)]
    if not simulated:
        names = ", ".join(f"root-{each.partition('=')[2]}" for each in accounts)
        steps.append(f"Write these profiles into AWS's configuration: {names} (docs/real-accounts.md)")
    return [*steps, "rootquorum doctor", "rootquorum serve"]


def migration(url: str) -> str:
    """Return the command that migrates. On PostgreSQL the service's role may not: the owner of the tables does."""
    service = make_url(url)
    if service.get_backend_name() != "postgresql":
        return "rootquorum migrate"
    owner = service._replace(username="OWNER", password=None).difference_update_query(["user", "password"])
    name = service.username or service.query.get("user")
    role = shlex.quote(name) if isinstance(name, str) else "ROLE"
    return f"{PREFIX}DATABASE__URL={shlex.quote(str(owner))} rootquorum migrate --grant-to {role}"
