"""Where the service is killed: at every call that an undertaking makes when nobody disturbs it."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from kill.undertakings import UNDERTAKINGS, Scene, Undertaking

from service.db.engine import connect
from service.db.schema import migrate

ENGINES = ("sqlite", "postgresql")


class When(StrEnum):
    """The process is dead before AWS acts on the call, after it did, or AWS never does; or it has just answered."""

    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"
    ANSWERED = "answered"


@dataclass(frozen=True)
class Case:
    """Killed at the last of `calls`, which are all that AWS has seen of the undertaking by then."""

    undertaking: Undertaking
    calls: tuple[str, ...]
    when: When

    @property
    def action(self) -> str:
        return self.calls[-1]

    @property
    def ordinal(self) -> int:
        """Which of the calls of that name it is, from 1."""
        return self.calls.count(self.action)

    @property
    def acts(self) -> bool:
        return not self.action.startswith(("Get", "List", "AssumeRoot"))

    def __str__(self) -> str:
        return f"{self.undertaking.name}-{self.action}-{self.ordinal}-{self.when}"


@cache
def every_case() -> tuple[Case, ...]:
    return tuple(case for undertaking, calls in _recorded() for case in _cases(undertaking, calls))


def seed(engine: str) -> tuple[Case, ...]:
    """By turns on one engine or the other: of each call that acts what leaves something else than the other cases of
    it do, and one case of every second read.
    """
    cases = enumerate(every_case())
    enough = [case for number, case in cases if (case.when is not When.BEFORE if case.acts else number % 4 == 0)]
    return tuple(enough[ENGINES.index(engine) :: len(ENGINES)])


def _cases(undertaking: Undertaking, calls: tuple[str, ...]) -> Iterator[Case]:
    for number in range(1, len(calls) + 1):
        before = Case(undertaking, calls[:number], When.BEFORE)
        yield before
        if before.acts:
            yield Case(undertaking, calls[:number], When.LOST)
        yield Case(undertaking, calls[:number], When.AFTER)
    # A pass of the worker answers nobody.
    if not undertaking.by_worker:
        yield Case(undertaking, calls, When.ANSWERED)


def _recorded() -> Iterator[tuple[Undertaking, tuple[str, ...]]]:
    with tempfile.TemporaryDirectory(prefix="rootquorum-kill-") as name:
        folder = Path(name)
        template = folder / "template.db"
        engine = connect(f"sqlite:///{template}", connections=1)
        migrate(engine)
        engine.dispose()
        for undertaking in UNDERTAKINGS:
            file = Path(shutil.copy(template, folder / f"{undertaking.name}.db"))
            with Scene.of(undertaking, f"sqlite:///{file}") as scene:
                so_far = len(scene.house.aws.calls)
                scene.begin()
                yield undertaking, tuple(call.action for call in scene.house.aws.calls[so_far:])
