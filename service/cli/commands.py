"""The behaviour of all commands: a mistake ends in one line, the help shows what an option takes, and a command loads
only the modules that it needs.
"""

import errno
import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from service.cli.ending import discard_stdout, escape_unencodable, fail
from service.domain.errors import ServiceError

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_bool(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_bool(super().get_params(ctx))

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        escape_unencodable()
        return super().main(args, *more, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Python keeps bytes that are not UTF-8 as surrogates, which databases and logs cannot store.
        if any("\ud800" <= letter <= "\udfff" for argument in args for letter in argument):
            fail("An argument is not UTF-8.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Turn uncaught errors that a person can fix into one line."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            fail(error.exact)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of our output has gone; Typer then exits silently
            discard_stdout()
            fail(f"{error.filename or 'Output'}: {error.strerror or error}.")


class _Later(_Command):
    """A command or a group that is only known by its name and its help, and loaded when it runs.

    `place` is `module:name` of a function or of Commands.
    """

    def __init__(self, place: str, **options: Any) -> None:
        super().__init__(**options)
        self._place = place

    def load(self) -> Any:
        """Import what it stands for."""
        module, _, attribute = self._place.partition(":")
        found = getattr(_imported(module), attribute)
        if isinstance(found, Commands):
            group = get_group(found)
            group.help = self.help
            return group
        alone = Commands()
        alone.command(self.name)(found)
        return get_group(alone).commands[str(self.name)]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.load().make_context(info_name, args, parent, **extra)


class Commands(typer.Typer):
    """A group of commands with this behaviour."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=_Group, no_args_is_help=True, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        return super().command(name, **{"cls": _Command, **options})

    def later(self, name: str, place: str, sentence: str) -> None:
        """Add the command or the group at `place` (`module:name`) without importing it.

        `sentence` is the first of its help, for the list of commands.
        """
        self.command(name, cls=partial(_Later, place), help=sentence)(lambda: None)


def _imported(module: str) -> ModuleType:
    """Import without garbage collection. What an import creates stays; searching it for garbage costs a third more."""
    if module in sys.modules or not gc.isenabled():
        return import_module(module)
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _without_bool(parameters: list[Any]) -> list[Any]:
    """Remove the metavar of flags, which take no value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
