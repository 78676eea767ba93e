"""Checkpoints, notes and keys are written and read as C2SP says; all else is refused with a true sentence."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.checkpoint import (
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    parse_private_key,
    parse_verifier_key,
)
from service.domain.merkle import EMPTY_ROOT

# The example of C2SP's tlog-checkpoint.
_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
_LINE = (
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
_ROOT = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")

# Keys published with the specification and with the implementations of golang.org/x/mod and of transparency.dev.
_KEYS = [
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
]


def test_the_specifications_example_reads_and_is_written_back() -> None:
    note = parse_note(_TEXT + "\n" + _LINE)
    assert note.text == _TEXT
    assert [signature.name for signature in note.signatures] == ["example.com/behind-the-sofa"]
    assert len(note.signatures[0].signature) == 64
    assert str(note) == _TEXT + "\n" + _LINE
    checkpoint = parse_checkpoint(note.text)
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20852163, _ROOT)
    assert checkpoint.text() == _TEXT


@pytest.mark.parametrize("text", _KEYS)
def test_published_keys_read_and_are_written_back(text: str) -> None:
    key = parse_verifier_key(text)
    assert str(key) == text
    assert [key.name, key.key_id.hex()] == text.split("+")[:2]


@given(st.integers(0, 10**19 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_read_back(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("log.example/audit", size, root if size else EMPTY_ROOT)
    assert parse_checkpoint(checkpoint.text()) == checkpoint


_B64 = base64.b64encode(_ROOT).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "three lines"),
        (f"\n1\n{_B64}\n", "three lines"),
        (f"log\n1\n{_B64}", "three lines"),
        (f"log\n1\n{_B64}\nextension\n", "three lines"),
        (f"log\n1\n{_B64}\n\n", "three lines"),
        (f"log\n01\n{_B64}\n", "no decimal number"),
        (f"log\n-1\n{_B64}\n", "no decimal number"),
        (f"log\n+1\n{_B64}\n", "no decimal number"),
        (f"log\n 1\n{_B64}\n", "no decimal number"),
        (f"log\n1e3\n{_B64}\n", "no decimal number"),
        (f"log\n١\n{_B64}\n", "no decimal number"),  # noqa: RUF001  # a digit, but not ASCII's
        (f"log\n{10**19}\n{_B64}\n", "no decimal number"),
        ("log\n1\nAAAA\n", "has 3 bytes, not 32"),
        (f"log\n1\n{_B64[:-1]}\n", "no Base64"),
        (f"log\n1\n{_B64[:-2]}J=\n", "no Base64"),  # bits that no encoder writes
        (f"log\n1\n{_B64} \n", "no Base64"),
        (f"log\n1\n{_B64.replace('/', '_')}\n", "no Base64"),
        (f"log\n0\n{_B64}\n", "not that of an empty log"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("", "text, an empty line"),
        (_TEXT, "text, an empty line"),
        (_TEXT + "\n", "text, an empty line"),
        ("\n\n" + _LINE, "text, an empty line"),
        (_TEXT + _LINE, "text, an empty line"),
        (_TEXT + "\n" + _LINE[:-1], "text, an empty line"),
        (_TEXT + "\n" + _LINE + "trailing\n", "em dash"),
        (_TEXT + "\n" + _LINE.replace("—", "-"), "em dash"),
        (_TEXT + "\n" + _LINE.replace("—", "– "), "em dash"),  # noqa: RUF001  # an en dash
        (_TEXT + "\n" + _LINE.replace("— ", "—  "), "name is empty"),
        (_TEXT + "\n" + _LINE.replace("sofa ", "sofa+1 "), "a plus"),
        (_TEXT + "\n" + _LINE.replace("sofa ", "so\u202efa "), "invisible"),
        (_TEXT + "\n" + _LINE.replace("sofa ", "sofa  "), "no Base64"),
        (_TEXT + "\n— log AAAAAA==\n", "shorter than its key's id"),
        (_TEXT.replace("\n", "\r\n") + "\n" + _LINE, "control character"),
        (_TEXT + "\n" + _LINE + "\x00", "control character"),
        (_TEXT + "\n" + _LINE * 101, "more than 100"),
    ],
)
def test_what_is_no_note_is_refused(note: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_note(note)


def test_empty_lines_in_a_notes_text_belong_to_it() -> None:
    assert parse_note("one\n\ntwo\n\n\n" + _LINE).text == "one\n\ntwo\n\n"


_SIGNATURES = st.builds(Signature, st.just("somebody"), st.binary(min_size=4, max_size=4), st.binary(min_size=1))
_LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(st.lists(_LINES, min_size=1), st.lists(_SIGNATURES, min_size=1, max_size=16))
def test_notes_read_back(lines: list[str], signatures: list[Signature]) -> None:
    note = Note("".join(line + "\n" for line in lines), tuple(signatures))
    if note.text.strip("\n"):
        assert parse_note(str(note)) == note


_KEY = "AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TEST", "a name, an id and Base64"),
        ("TEST+7997405c", "a name, an id and Base64"),
        (f"+7997405c+{_KEY}", "name is empty"),
        (f"TE ST+7997405c+{_KEY}", "a space"),
        (f"TEST+7997405d+{_KEY}", "id is not that"),
        (f"TEST+7997405C+{_KEY}", "id is not that"),
        (f"OTHER+7997405c+{_KEY}", "id is not that"),
        (f"TEST+7997405c+{_KEY}\n", "no Base64"),
        (f"TEST+7997405c+B{_KEY[1:]}", "not Ed25519"),
        (f"TEST+7997405c+{_KEY[:-4]}", "has 29 bytes, not 32"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_verifier_key(text)


def test_a_private_key_that_is_none_is_refused_and_not_quoted() -> None:
    for text in ("secret", "PRIVATE+KEY+secret", "PRIVATE+KEY+a+b+secret", "PRIVATE+KEY+a+b+AYE="):
        with pytest.raises(ValueError, match="key") as caught:
            parse_private_key(text)
        assert "secret" not in str(caught.value)


def test_a_name_that_no_note_can_carry_is_refused() -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u00a0b", "a\u200bb"):
        with pytest.raises(ValueError, match="name"):
            VerifierKey(name, b"k" * 32)
