"""Builds the documents as a site of plain files: `make docs`. Its readers need no network, and no script in a page.

The pages keep the places that they have in the repository, so the same links work in both. The site has what the
README leads to, link by link. A link to nothing, and whatever else Zensical warns of, ends the build.
"""

import hashlib
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
    site = place / "site/html"
    for name in ("404.html", "sitemap.xml"):  # they know only a site at the root of a host
        (site / name).unlink(missing_ok=True)
    for page in site.rglob("*.html"):
        page.write_text(_without_scripts(page, site / "assets/javascripts"))
    return site


def _without_scripts(page: Path, folder: Path) -> str:
    """Return the page with each script of its own moved to a file, as a strict Content-Security-Policy wants it."""

    def moved(script: re.Match[str]) -> str:
        name = f"page.{hashlib.sha256(script[1].encode()).hexdigest()[:8]}.js"
        (folder / name).write_text(script[1])
        return f'<script src="{os.path.relpath(folder / name, page.parent)}"></script>'

    return re.sub(r"<script>(.*?)</script>", moved, page.read_text(), flags=re.DOTALL)


if __name__ == "__main__":
    build()
