"""Where the service is killed: at every call that an undertaking makes when nobody disturbs it.

`calls.json` names these calls, so that no worker has to try everything before the first test. A test holds it against
what the undertakings do. `PYTHONPATH=tests python -m kill.matrix` writes it.
"""

import json
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
CALLS = Path(__file__).with_name("calls.json")


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
    calls = kept()
    known = [undertaking for undertaking in UNDERTAKINGS if undertaking.name in calls]
    return tuple(case for undertaking in known for case in _cases(undertaking, tuple(calls[undertaking.name])))


def kept() -> dict[str, list[str]]:
    """Return the actions in `calls.json`, by the name of an undertaking."""
    return dict(json.loads(CALLS.read_text()))


def seed(engine: str) -> tuple[Case, ...]:
    """By turns on one engine or the other: of each call that acts what leaves something else than the other cases of
    it do, and one case of every fourth read.
    """
    cases = enumerate(every_case())
    enough = [case for number, case in cases if (case.when is not When.BEFORE if case.acts else number % 8 == 0)]
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


def recorded() -> dict[str, list[str]]:
    """Try every undertaking, and return the actions of its calls."""
    found = {}
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
                found[undertaking.name] = [call.action for call in scene.house.aws.calls[so_far:]]
    return found


if __name__ == "__main__":
    CALLS.write_text(json.dumps(recorded(), indent=1) + "\n")
