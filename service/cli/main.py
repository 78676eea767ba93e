"""The commands: what they are called, and where they are. Each is imported only when it runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service.cli.commands import Commands

app = Commands(
    # A local variable in a traceback may be a secret.
    pretty_exceptions_show_locals=False,
    help="Rootquorum: two people approve what is done with an AWS account's root credentials.",
)
app.later(
    "serve", "service.cli.serve:serve", "Serve the API. An outdated database is an error, unless --migrate is given."
)
app.later("worker", "service.cli.worker:worker", "Run only the worker. SIGTERM ends it after its running steps.")
app.later(
    "drift",
    "service.cli.accounts:drift",
    "Check every account for drift now. Exit 1 if any finding is open, or an account could not be read.",
)
app.later("migrate", "service.cli.migrate:migrate", "Bring the database up to date, as the owner of its tables.")
app.later(
    "doctor",
    "service.cli.doctor:doctor",
    "Check settings, database and every account, without changing anything. Exit 1 on any fault.",
)
app.later(
    "status",
    "service.cli.status:status",
    "Show what the service is doing now, and what needs attention. Exit 1 if anything does.",
)
app.later("init", "service.cli.init:init", "Write a first settings file, with comments, and check it.")
app.later("config", "service.cli.config:app", "The settings in force: show.")
app.later("openapi", "service.cli.openapi:openapi", "Print the OpenAPI document.")
app.later("demo", "service.cli.demo:demo", "Run the main workflow, as four people would, against a simulated AWS.")
app.later("token", "service.cli.token:app", "API tokens: create, list, revoke. Tokens of a provider: explain.")
app.later("person", "service.cli.person:app", "The people that the service knows: list, suspend, reinstate.")
app.later("accounts", "service.cli.look:accounts", "Accounts: check them from here; list, show over HTTP.")
app.later(
    "policy", "service.cli.policy:app", "Rules, from files alone: explain, check expectations, compare two files."
)
app.later(
    "approve",
    "service.cli.approve:approve",
    "Approve a request, after you have read what will happen.",
)
app.later("login", "service.cli.login:login", "Sign in with a browser, and print the token to a pipe, or keep it.")
app.later("logout", "service.cli.login:logout", "Remove the token that is kept for a profile.")
app.later("profiles", "service.cli.profiles:app", "The servers that you use, by name: add, list, remove.")
app.later("request", "service.cli.request:app", "File a request, over HTTP: one command for each operation.")
app.later("list", "service.cli.look:list_", "List the requests that you may see, newest first.")
app.later("show", "service.cli.look:show", "Show a request: what it does, who asks, who has decided, what you may do.")
app.later("reject", "service.cli.act:reject", "Reject a request, which ends it.")
app.later("withdraw", "service.cli.act:withdraw", "Withdraw a request of yours, which ends it.")
app.later("execute", "service.cli.execute:execute", "Run an approved request, once.")
app.later("receipt", "service.cli.act:receipt", "Confirm that the secret of a new key has arrived.")
app.later("cut-over", "service.cli.act:cut_over", "Say that the old key of a rotation may be deactivated now.")
app.later("watch", "service.cli.look:watch", "Print each change of a request until it has ended.")
app.later("evidence", "service.cli.look:evidence", "Print the evidence of a request, for `rootquorum audit verify`.")
app.later("whoami", "service.cli.look:whoami", "Show who the service says that you are, and your roles.")
app.later(
    "mcp",
    "service.cli.mcp:mcp",
    "Serve tools for agents over stdin and stdout (MCP): list, read, explain, file, withdraw.",
)
app.later("drill", "service.cli.drill:app", "Drills, over HTTP: who answered, and who gives signs of life.")
app.later("signing-key", "service.cli.signing_key:app", "Signing keys, over HTTP: list, add, endorse, revoke.")
app.later("rules", "service.cli.rules:app", "The rules that a quorum signs: init, sign, show, diff.")
app.later("notify", "service.cli.notify:app", "Destinations of events.")
app.later("audit", "service.cli.audit:app", "The audit log: keys, anchors, verification.")


def _say_version(asked: bool) -> None:  # noqa: FBT001  # Typer hands over what was given
    if asked:
        from importlib.metadata import version  # noqa: PLC0415  # only this option needs it

        typer.echo(f"rootquorum {version('rootquorum')}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option(help="The settings file; else ROOTQUORUM_CONFIG, else rootquorum.toml.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    # All files that a command creates, mainly the SQLite file, are only for their owner.
    os.umask(0o077)
    ctx.obj = config
