"""Makes what a release consists of, in `dist/`: sdist, wheel, contract, documents, bill of materials, and their hashes.

`make dist` runs it. The wheel is built from the sdist, so whoever has only the sdist gets the same wheel.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import documents as site

_PROJECT = Path(__file__).parents[1]
_BIN = Path(sys.executable).parent
SUMS = "SHA256SUMS"
HELP = "service/help"


def build(place: Path, project: Path = _PROJECT, time: str | None = None) -> None:
    """Build the sdist of `project` and the wheel of that sdist into `place`. Both have the documents as `service/help`.

    The archives hold `time`, in seconds since 1970, for all files: when the present commit was made, unless it is said.
    """
    environment = os.environ | {"SOURCE_DATE_EPOCH": time or _commit_time(project)}
    with TemporaryDirectory(prefix="rootquorum-dist-") as name:
        folder = Path(name)
        _hatchling(project, "sdist", folder, environment)
        [sdist] = folder.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "source", filter="data")
        [source] = (folder / "source").iterdir()
        (source / "PKG-INFO").unlink()  # the next one makes it anew
        if not (source / HELP).exists():  # whoever has only an sdist has them already
            shutil.copytree(site.build(folder), source / HELP)
        _hatchling(source, "sdist", place, environment)
        _hatchling(source, "wheel", place, environment)


def check_data_are_kept(project: Path = _PROJECT) -> None:
    """Exit unless the tests have data of this schema, with which later versions try their migrations."""
    revision = (project / "migrations/HEAD").read_text().strip()
    data = project / "tests/upgrades/data"
    missing = [
        name for name in (f"{revision}.sqlite.xz", f"{revision}.postgresql.sql.xz") if not (data / name).exists()
    ]
    if missing:
        sys.exit(f"{data} lacks {', '.join(missing)}: make release-data, and commit them")


def bill_of_materials(place: Path) -> None:
    """Write the CycloneDX document of what the service runs on: the environment that `requirements.lock` makes.

    It has names, versions, licences and dependencies, and nothing of this machine or this hour.
    """
    place.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="rootquorum-dist-") as name:
        python = Path(name) / "bin/python"
        _uv("venv", "--quiet", "--python", sys.executable, name)
        _uv("pip", "sync", "--quiet", "--python", python, _PROJECT / "requirements.lock")
        described = ("--pyproject", _PROJECT / "pyproject.toml", "--output-reproducible")
        written = place / "sbom.cdx.json"
        _run(_BIN / "cyclonedx-py", "environment", *described, "--output-file", written, python)


def documents(place: Path) -> None:
    """Write the documents as a site, in one archive that has no times."""
    with TemporaryDirectory(prefix="rootquorum-dist-") as name:
        pages = site.build(Path(name))
        with zipfile.ZipFile(place / "rootquorum-docs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(filter(Path.is_file, pages.rglob("*"))):
                entry = zipfile.ZipInfo(f"rootquorum-docs/{file.relative_to(pages)}")
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def sums(place: Path) -> None:
    """Write the hashes of all files in `place`, as `sha256sum --check` reads them."""
    files = sorted(file for file in place.iterdir() if file.name != SUMS)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (place / SUMS).write_text("".join(lines))


def _commit_time(project: Path) -> str:
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout.strip()


def _hatchling(project: Path, target: str, place: Path, environment: dict[str, str]) -> None:
    command = (str(_BIN / "hatchling"), "build", "--target", target, "--directory", str(place))
    subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)


def _uv(*arguments: str | Path) -> None:
    _run(sys.executable, _PROJECT / "tools/uv_as_pip.py", *arguments)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    check_data_are_kept()
    dist = _PROJECT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    build(dist)
    bill_of_materials(dist)
    documents(dist)
    shutil.copy(_PROJECT / "openapi/openapi.json", dist)
    sums(dist)
    sys.stdout.write((dist / SUMS).read_text())
