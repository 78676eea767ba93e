"""What `make dist` makes: all that the service needs, in the same bytes each time. `make dist-check` runs it."""

import json
import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import release

ROOT = Path(__file__).parents[1]
PACKAGES = ("service", "migrations", "rootquorum_client")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    release.build(place)
    return place


def test_the_same_commit_makes_the_same_bytes_whoever_builds_it_and_where(dist: Path, tmp_path: Path) -> None:
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        time = str(archive.getmembers()[0].mtime)
        archive.extractall(tmp_path, filter="data")
    [elsewhere] = tmp_path.iterdir()
    (elsewhere / "PKG-INFO").unlink()  # made with the sdist; the tree has none
    for file in filter(Path.is_file, elsewhere.rglob("*")):
        os.utime(file, (1, 1))
        file.chmod(file.stat().st_mode & 0o700)  # as another umask would have it
    release.build(tmp_path / "again", elsewhere, time)
    again = {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}
    assert again == {file.name: file.read_bytes() for file in dist.iterdir()}


def test_the_wheel_has_every_file_of_its_packages(dist: Path) -> None:
    [wheel] = dist.glob("*.whl")
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    documents = {name for name in shipped if name.startswith(f"{release.HELP}/")}
    assert {f"{release.HELP}/index.html", f"{release.HELP}/search.json"} <= documents
    assert shipped - documents == set(filter(None, listed.stdout.split("\0")))


def test_no_release_is_made_without_data_of_its_schema_for_later_migrations(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/HEAD").write_text("9999\n")
    with pytest.raises(SystemExit, match=r"lacks 9999.sqlite.xz, 9999.postgresql.sql.xz"):
        release.check_data_are_kept(tmp_path)


def test_there_is_one_version(dist: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    contract = json.loads((ROOT / "openapi/openapi.json").read_text())
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert contract["info"]["version"] == version
    assert newest is not None
    assert newest[1] == version
    assert {file.name for file in dist.iterdir()} == {
        f"rootquorum-{version}.tar.gz",
        f"rootquorum-{version}-py3-none-any.whl",
    }


def test_the_bill_of_materials_names_what_the_lock_has_and_nothing_of_the_machine(tmp_path: Path) -> None:
    release.bill_of_materials(tmp_path)
    written = (tmp_path / "sbom.cdx.json").read_text()
    assert "timestamp" not in written
    assert str(Path.home()) not in written
    bill = json.loads(written)
    locked = set(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    named = {(re.sub(r"[-_.]+", "-", each["name"]).lower(), each["version"]) for each in bill["components"]}
    assert named <= locked
    assert {"boto3", "cryptography", "fastapi", "sqlalchemy", "uvicorn"} <= {name for name, _ in named}
    # Its wheel states none.
    assert {each["name"] for each in bill["components"] if not each.get("licenses")} <= {"pyrage"}
    assert bill["metadata"]["component"]["name"] == "rootquorum"


def test_the_sums_are_what_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "wheel").write_text("whatever")
    release.sums(tmp_path)
    check = ["sha256sum", "--check", release.SUMS]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "wheel").write_text("whatever else")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_the_documents_are_an_archive_of_pages_without_times(tmp_path: Path) -> None:
    release.documents(tmp_path)
    with zipfile.ZipFile(tmp_path / "rootquorum-docs.zip") as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {"rootquorum-docs/index.html", "rootquorum-docs/docs/settings.html"} <= {*names}
