"""What a command loads: only what it needs. Names and counts are asserted, never times."""

import typer.main

from service.cli import app


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    listed = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # the root is a group
    for name, command in listed.items():
        own_help = command.load().help
        assert command.help == " ".join(own_help.split("\n\n")[0].split()), name
