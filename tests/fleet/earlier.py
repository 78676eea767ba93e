"""Earlier versions of the code, from the repository."""

import os
import subprocess
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
    """The last commit without it, unpacked."""
    if not (_ROOT / ".git").exists():
        pytest.skip("no repository here, so no earlier version")
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"migrations/versions/{Path(migration.path).name}")
    # Not committed yet: then the last commit is the one before.
    before = f"{added.decode().split()[-1]}^" if added else "HEAD"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=_git("archive", before, "service", "migrations"), check=True)
    return folder


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, check=True).stdout
