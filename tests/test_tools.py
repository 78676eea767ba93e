"""What the Makefile's tools promise, and what goes into the image."""

import tomllib
from pathlib import Path

import pytest
import uv_as_pip


def test_uv_gets_what_pip_was_told() -> None:
    said = "global.index-url='https://a.example/simple'\nglobal.cert='/ca.pem'\nglobal.proxy='http://p:1'"
    assert uv_as_pip.environment(said, {}) == {
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "SSL_CERT_FILE": "/ca.pem",
        "HTTPS_PROXY": "http://p:1",
    }


def test_pips_environment_wins_over_its_file_and_uvs_own_over_both() -> None:
    said = ":env:.index-url='https://env.example'\nglobal.index-url='https://file.example'"
    assert uv_as_pip.environment(said, {})["UV_DEFAULT_INDEX"] == "https://env.example"
    assert (
        uv_as_pip.environment(said, {"UV_DEFAULT_INDEX": "https://uv.example"})["UV_DEFAULT_INDEX"]
        == "https://uv.example"
    )


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [("extra-index-url", "UV_INDEX", "https://a https://b"), ("find-links", "UV_FIND_LINKS", "https://a,https://b")],
)
def test_several_values_are_separated_as_uv_wants_them(name: str, variable: str, value: str) -> None:
    assert uv_as_pip.environment(f"global.{name}='\\nhttps://a\\nhttps://b'", {})[variable] == value


def test_of_several_indexes_uv_takes_the_best_as_pip_does() -> None:
    assert uv_as_pip.environment("global.extra-index-url='https://a'", {})["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "UV_INDEX_STRATEGY" not in uv_as_pip.environment("global.index-url='https://a'", {})


def test_what_else_pip_says_is_not_passed_on() -> None:
    assert uv_as_pip.environment("global.timeout='60'\n", {"PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_image_is_made_of_every_package_of_the_wheel() -> None:
    root = Path(__file__).parents[1]
    packages = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in packages["packages"]:
        assert f"COPY {package} {package}\n" in (root / "Dockerfile").read_text()
        assert f"\n!{package}\n" in (root / ".dockerignore").read_text()
