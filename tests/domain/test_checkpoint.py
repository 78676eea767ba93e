"""Checkpoints and keys are written as C2SP says; a key that is none is refused with a true sentence."""

import base64

import pytest

from service.domain.checkpoint import Checkpoint, Signature, VerifierKey, parse_verifier_key

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


def test_the_specifications_example_is_written_as_it_stands_there() -> None:
    checkpoint = Checkpoint("example.com/behind-the-sofa", 20852163, _ROOT)
    assert checkpoint.text() == _TEXT
    decoded = base64.b64decode(_LINE.split()[2])
    assert Signature("example.com/behind-the-sofa", decoded[:4], decoded[4:]).line() == _LINE


@pytest.mark.parametrize("text", _KEYS)
def test_published_keys_read_and_are_written_back(text: str) -> None:
    key = parse_verifier_key(text)
    assert str(key) == text
    assert [key.name, key.key_id.hex()] == text.split("+")[:2]


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


def test_a_name_that_no_note_can_carry_is_refused() -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u00a0b", "a\u200bb"):
        with pytest.raises(ValueError, match="name"):
            VerifierKey(name, b"k" * 32)
