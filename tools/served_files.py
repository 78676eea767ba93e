"""Writes `service/desk/served`: what browsers get of `service/desk/files`, made smaller by esbuild, file for file.

`make evidence` runs it, on the esbuild of `tests/node`. Names inside a module become short; what modules export, and
what they say, stays. `files` is what people read.
"""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

_PROJECT = Path(__file__).parents[1]
SOURCE, SERVED = _PROJECT / "service/desk/files", _PROJECT / "service/desk/served"
# Browsers that have passkeys and Trusted Types have all of this.
_OPTIONS = ("--minify", "--format=esm", "--target=es2024", "--charset=utf8", "--log-level=error")


def write(place: Path = SERVED) -> None:
    """Write all files anew into `place`. Raise FileNotFoundError without esbuild, CalledProcessError if it fails."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(SOURCE, place)
    smaller = [str(file) for ending in ("js", "css") for file in sorted(SOURCE.rglob(f"*.{ending}"))]
    out = (f"--outbase={SOURCE}", f"--outdir={place}", "--allow-overwrite")
    subprocess.run([str(_esbuild()), *smaller, *_OPTIONS, *out], check=True)


def contents(place: Path) -> dict[str, str]:
    """Return the text of each file by its path."""
    return {file.relative_to(place).as_posix(): file.read_text() for file in sorted(place.rglob("*.*"))}


def is_current() -> bool:
    """Return whether what is served is what the source makes."""
    with TemporaryDirectory() as place:
        write(Path(place))
        return contents(Path(place)) == contents(SERVED)


def _esbuild() -> Path:
    for found in (_PROJECT / ".venv/node/node_modules/@esbuild").glob("*/bin/esbuild"):
        return found
    raise FileNotFoundError("there is no esbuild: make node")


if __name__ == "__main__":
    write()
