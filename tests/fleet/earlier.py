"""Earlier versions of the code, from the repository."""

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from alembic.script import Script, ScriptDirectory
from sqlalchemy import create_engine

from service.db import schema

_ROOT = Path(__file__).parents[2]
_ALL = list(ScriptDirectory.from_config(schema.config_for(create_engine("sqlite://"))).walk_revisions())
# The migrations whose previous code can run beside the new one, oldest first.
TRIED = [script for script in reversed(_ALL) if script.revision >= "0004"]
IS_FULL = os.environ.get("UPGRADES") == "full"


def code_before(migration: Script, folder: Path) -> Path:
    """The last commit without it, unpacked; beside it what it needs and today's environment no longer has."""
    if not (_ROOT / ".git").exists():
        pytest.skip("no repository here, so no earlier version")
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{Path(migration.path).name}")
    # Not committed yet: then the last commit is the one before.
    before = f"{added.decode().split()[-1]}^" if added else "HEAD"
    folder.mkdir()
    parts = ("service", "migrations", "requirements.lock")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=_git("archive", before, *parts), check=True)
    _install_missing(folder)
    return folder


def _install_missing(folder: Path) -> None:
    here = {_canonical(each.name) for each in distributions()}
    # An entry of the lock: name and version, then its hashes.
    entries = re.split(r"\n(?=\S)", (folder / "requirements.lock").read_text())
    missing = [entry for entry in entries if "==" in entry and _canonical(entry.partition("==")[0]) not in here]
    if missing:
        (folder / "missing.lock").write_text("\n".join(missing))
        command = (sys.executable, "tools/uv_as_pip.py", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
        subprocess.run([*command, "--target", folder, "-r", folder / "missing.lock"], cwd=_ROOT, check=True)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, check=True).stdout
