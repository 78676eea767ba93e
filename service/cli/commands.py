"""How all commands behave: a mistake ends in one line, and the help says what an option takes."""

import errno
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from service.cli.common import fail
from service.cli.terminal import fall_silent, speak_plainly
from service.domain.errors import ServiceError

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_bool(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_bool(super().get_params(ctx))

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        speak_plainly()
        return super().main(args, *more, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Python keeps bytes that are no UTF-8 as surrogates, which no database takes and no log can hold.
        if any("\ud800" <= letter <= "\udfff" for argument in args for letter in argument):
            fail("An argument is not UTF-8.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """What nothing else has caught, and a person can mend."""
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            fail(error.exact)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read our output has gone, which Typer ends without a word
            fall_silent()
            fail(f"{error.filename or 'Output'}: {error.strerror or error}.")


class Commands(typer.Typer):
    """A group of commands of ours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=_Group, no_args_is_help=True, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        return super().command(name, cls=_Command, **options)


def _without_bool(parameters: list[Any]) -> list[Any]:
    """A flag takes nothing, and nothing is said of what it takes."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
