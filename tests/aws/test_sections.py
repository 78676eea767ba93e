"""A sign-in parses only the sections that it needs of a profile file. It gets what botocore reads of the whole file."""

import os
from collections.abc import Callable
from pathlib import Path

import botocore.session
import pytest
from botocore.configloader import load_config, raw_config_parse
from botocore.exceptions import BotoCoreError
from hypothesis import given
from hypothesis import strategies as st

from service.aws import sections
from service.aws.profile_files import read_files
from service.aws.sections import FaultyProfile, Part, read_part
from service.aws.sources import ProfileSource, own_credential

LONG_AGO_NS = 1_700_000_000 * 10**9


def of_section(section: str) -> tuple[str, ...]:
    return (section,)


def whole_then_part(file: Path, *names: str) -> Part:
    read_part(str(file), (), profiles_of=of_section)
    return read_part(str(file), names, profiles_of=of_section)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config"


@pytest.fixture
def _at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a file for one that has not changed for long, though a test has just written it."""
    monkeypatch.setattr(sections, "_is_at_rest", lambda _: True)


@pytest.fixture
def parsed_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were parsed at each reading."""
    sizes: list[int] = []
    parse = sections._parsed

    def counting(content: bytes) -> sections.Sections:
        sizes.append(len(content))
        return parse(content)

    monkeypatch.setattr(sections, "_parsed", counting)
    return sizes


def many(count: int) -> str:
    return "".join(f"[profile-{number}]\naws_access_key_id = ID{number}\n" for number in range(count))


@pytest.mark.usefixtures("_at_rest")
def test_a_second_reading_parses_only_the_section_that_it_needs(file: Path, parsed_bytes: list[int]) -> None:
    file.write_text(many(500))
    found = whole_then_part(file, "profile-77")
    assert found.sections == {"profile-77": {"aws_access_key_id": "ID77"}}
    assert len(found.names) == len(found.profiles) == 500
    whole, part = parsed_bytes
    assert part < 100 < whole


# Lines of which some are headers only after certain others, and the ends of lines that Python knows.
LINES = st.sampled_from(
    [
        *("[a]", "[b]", "[ c ]", '[profile "d"]', "[e] f", "[DEFAULT]", "[g", "[]", "[h]]", " [i]", "\t[j]", "\xa0[k]"),
        *(
            "x = 1",
            "y: 2",
            "z",
            "x =",
            "s3 =",
            "  n = 1",
            "  m",
            "\xa0o = 1",
            "# [l]",
            "; no",
            "  # [m]",
            "",
            " ",
            "é = ü",
        ),
        *("aws_access_key_id = [n]", "\x0b[o]", "\x85[p]", "\u2028[q]", "[r\u2028]", "[s]\x0bx = 1"),
    ]
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
CONTENTS = st.lists(st.tuples(LINES, ENDS)).map(lambda pairs: "".join(line + end for line, end in pairs))


@given(content=CONTENTS, end=LINES)
def test_each_section_is_what_botocore_reads_of_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, content: str, end: str
) -> None:
    file = tmp_path_factory.mktemp("aws") / "config"
    file.write_bytes((content + end).encode())
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "_is_at_rest", lambda _: True)
        try:
            expected = raw_config_parse(str(file))
        except BotoCoreError:
            with pytest.raises(FaultyProfile):
                read_part(str(file), (), profiles_of=of_section)
            return
        assert read_part(str(file), (), profiles_of=of_section).sections == expected
        for name in expected:
            found = read_part(str(file), [name], profiles_of=of_section)
            assert found.sections[name] == expected[name]
            assert list(found.names) == list(expected)


def write_over(file: Path, content: str) -> None:
    file.write_text(content)


def replace(file: Path, content: str) -> None:
    other = file.with_name("other")
    other.write_text(content)
    other.replace(file)


@pytest.mark.usefixtures("_at_rest")
@pytest.mark.parametrize("change", [write_over, replace])
def test_a_file_of_the_same_size_and_time_is_read_anew_if_it_changed(
    file: Path, change: Callable[[Path, str], None]
) -> None:
    file.write_text("[a]\nx = 1\n")
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    whole_then_part(file, "a")
    change(file, "[b]\nx = 2\n")
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    assert read_part(str(file), ["a", "b"], profiles_of=of_section).sections == {"b": {"x": "2"}}


def test_a_file_that_was_just_written_is_parsed_whole_each_time(file: Path, parsed_bytes: list[int]) -> None:
    """Another change within the same tick of the clock would not be seen."""
    file.write_text(many(9))
    whole_then_part(file, "profile-1")
    assert len(set(parsed_bytes)) == 1
    assert str(file) not in sections._INDEXES


@pytest.mark.usefixtures("_at_rest")
def test_a_file_that_became_faulty_is_refused(file: Path) -> None:
    file.write_text("[a]\nx = 1\n")
    whole_then_part(file, "a")
    file.write_text("[a]\nx = 1\n[b]\n[b]\n")
    with pytest.raises(FaultyProfile, match=r"the section \[b\] is there twice"):
        read_part(str(file), ["a"], profiles_of=of_section)


@pytest.mark.usefixtures("_at_rest")
def test_between_two_readings_no_value_is_kept(file: Path) -> None:
    file.write_text("[default]\naws_access_key_id = ID\naws_secret_access_key = SECRET\n[other]\nx = SECRET\n")
    whole_then_part(file, "default")
    kept = repr(sections._INDEXES[str(file)])
    assert "default" in kept
    assert not [each for each in ("SECRET", "ID", "aws_") if each in kept]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


CONFIG = """[default]
region = eu-west-1
[profile role]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = middle
[profile "middle"]
role_arn = arn:aws:iam::111122223333:role/y
source_profile = keys
[profile keys]
s3 =
  addressing_style = path
[profile other]
aws_access_key_id = OTHER
aws_secret_access_key = OTHERS
[sso-session staff]
sso_region = eu-west-1
[services local]
iam =
  endpoint_url = http://127.0.0.1:1
"""
CREDENTIALS = (
    "[DEFAULT]\nregion = us-east-1\n[keys]\naws_access_key_id = KEYS\naws_secret_access_key = S\n[more]\nx = 1\n"
)


@pytest.mark.usefixtures("_at_rest")
@pytest.mark.parametrize("profile", ["role", "middle", "keys", "other", None])
def test_a_session_has_its_profile_with_those_that_it_leads_to_and_no_other(folder: Path, profile: str | None) -> None:
    (folder / "config").write_text(CONFIG)
    (folder / "credentials").write_text(CREDENTIALS)
    expected = botocore.session.Session(profile=profile).full_config
    for _ in range(2):  # from the whole files, and from their parts
        session = botocore.session.Session(profile=profile)
        read_files(session)
    chain = {"role": ["role", "middle", "keys"], "middle": ["middle", "keys"], None: ["default"]}.get(
        profile, [profile]
    )
    assert session.full_config == {**expected, "profiles": {name: expected["profiles"][name] for name in chain}}


@pytest.mark.usefixtures("_at_rest")
def test_the_sdk_reads_neither_file_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would parse each whole file at each sign-in, and might find something else there than was checked."""
    (folder / "config").write_text(CONFIG)
    (folder / "credentials").write_text(CREDENTIALS)

    def refuse(path: str, *_: object) -> None:
        raise AssertionError(path)

    for parse in (raw_config_parse, load_config):
        monkeypatch.setattr(f"botocore.configloader.{parse.__name__}", refuse)
    assert own_credential(ProfileSource("keys").session()).access_key == "KEYS"
    assert own_credential(ProfileSource("other").session()).access_key == "OTHER"
