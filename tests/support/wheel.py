"""The wheel of this tree in an empty environment, as a stranger has it who never saw the repository."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import release
from support.at_terminal import at

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and what the wheel itself asks for."""

    environment: Path

    @property
    def program(self) -> str:
        return str(self.environment / "bin" / "rootquorum")

    @property
    def python(self) -> str:
        return str(self.environment / "bin" / "python")

    def variables(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a process: nothing of the tests' own."""
        return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "400", **more}

    def run(
        self, folder: Path, *arguments: str, terminal: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in `folder`, with `terminal` as its terminal, or none."""
        return subprocess.run(
            at(terminal, [self.program, *arguments]),
            cwd=folder,
            env=self.variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )


def install(folder: Path, python: str = sys.executable) -> Installed:
    """Build the wheel as a release has it, and install it for `python`.

    The lock's versions are taken, and no package that the wheel does not ask for.
    """
    environment, constraints = folder / "environment", _ROOT / "requirements-dev.lock"
    release.build(folder)
    [wheel] = folder.glob("*.whl")
    _run(python, "-m", "venv", "--without-pip", str(environment))
    found = Installed(environment)
    pip = (sys.executable, "tools/uv_as_pip.py", "pip", "install", "--quiet", "--python", found.python)
    _run(*pip, "--constraint", str(constraints), f"{wheel}[demo]")
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=_ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
