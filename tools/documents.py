"""Builds the documents as a site of plain files: `make docs`. Its readers need no network.

The pages keep the places that they have in the repository, so the same links work in both. The site has what the
README leads to, link by link. A link to nothing, and whatever else Zensical warns of, ends the build.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def gathered(start: Path) -> set[Path]:
    """The files that a page leads to, itself among them, with links of links."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            waiting.extend(_linked(page) if page.suffix == ".md" else ())
    return found


def _linked(page: Path) -> Iterator[Path]:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in link:
            yield (page.parent / link).resolve()


def build(place: Path = PROJECT) -> Path:
    """Write the site below `place`, and return its folder. `index.html` is there.

    Raises `FileNotFoundError` for a link to no file, and `CalledProcessError` for what Zensical finds.
    """
    shutil.rmtree(place / "site", ignore_errors=True)
    for file in gathered(PROJECT / "README.md"):
        copy = place / "site/source" / file.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    if place != PROJECT:
        shutil.copy(PROJECT / "mkdocs.yml", place)
    zensical = Path(sys.executable).parent / "zensical"
    subprocess.run(
        [zensical, "build", "--clean", "--strict"], cwd=place, env=os.environ | {"NO_COLOR": "1"}, check=True
    )
    return place / "site/html"


if __name__ == "__main__":
    build()
