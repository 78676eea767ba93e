"""Notes are signed and verified as published ones are; a signature of a key that one knows is never passed over."""

import base64
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from support.notes import signer_of

from service import verifier
from service.domain.checkpoint import parse_verifier_key
from service.domain.errors import Unavailable
from service.signing.ed25519 import Ed25519Signer, from_pem
from service.signing.notes import Remembering, sign_note

# Published with golang.org/x/mod/sumdb/note.
_PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
_PETER = verifier.read_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
_ENOCH = verifier.read_key("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
_PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
_ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
_NOTE = f"{_TEXT}\n{_PETER_LINE}"

_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
_OURS = Ed25519Signer("log.example/audit", _KEY)
_OUR_KEY = verifier.read_key(_OURS.verifier_key)


def _pem(key: Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    hidden = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def _signers(note: str, *keys: verifier.Key) -> list[verifier.Key]:
    """Who signed it, by the file that outsiders verify with."""
    _, signers = verifier.open_note(note, keys, "the note")
    return signers


def test_the_published_note_is_signed_byte_for_byte() -> None:
    signer = signer_of(_PETER_PRIVATE)
    assert signer.verifier_key == _PETER.text
    assert sign_note(_TEXT, [signer]) == _NOTE


def test_published_notes_are_verified() -> None:
    assert verifier.open_note(_NOTE, [_PETER], "the note") == (_TEXT, [_PETER])
    assert _signers(_NOTE + _ENOCH_LINE, _PETER, _ENOCH) == [_PETER, _ENOCH]


def test_a_signature_of_an_unknown_key_is_passed_over() -> None:
    assert _signers(_NOTE + _ENOCH_LINE, _ENOCH) == [_ENOCH]


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    for keys in ([_ENOCH], []):
        with pytest.raises(verifier.Finding, match="unknown-signer"):
            _signers(_NOTE, *keys)


def test_a_wrong_signature_of_a_known_key_is_refused_beside_a_good_one() -> None:
    wrong = _ENOCH_LINE.replace("QQ=", "QU=")
    with pytest.raises(verifier.Finding, match=r"wrong-signature: .*EnochRoot"):
        _signers(_NOTE + wrong, _PETER, _ENOCH)


@given(st.integers(0, len(_TEXT) - 1), st.characters(min_codepoint=32, exclude_categories=["Cs"]))
def test_no_letter_of_a_signed_text_can_be_changed(at: int, letter: str) -> None:
    changed = _TEXT[:at] + letter + _TEXT[at + 1 :]
    if changed != _TEXT:
        with pytest.raises(verifier.Finding, match=r"wrong-signature|not-a-note"):
            _signers(f"{changed}\n{_PETER_LINE}", _PETER)


def test_a_key_in_pem_signs() -> None:
    signer = from_pem("log.example/audit", _pem(_KEY))
    note = sign_note(_TEXT, [signer, signer_of(_PETER_PRIVATE)])
    ours = verifier.read_key(signer.verifier_key)
    assert _signers(note, ours, _PETER) == [ours, _PETER]


@pytest.mark.parametrize("text", ["", "\n", "\n\n", "no newline", "con\ttrol\n", f"forged\n\n{_PETER_LINE.strip()}"])
def test_text_that_no_note_can_carry_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match=r"control|newline"):
        sign_note(text, [_OURS])


def test_nothing_is_signed_by_nobody() -> None:
    with pytest.raises(ValueError, match="there is no signer"):
        sign_note(_TEXT, [])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1))
def test_every_text_of_lines_that_is_signed_is_read_back(lines: list[str]) -> None:
    """Empty lines in it, too."""
    text = "".join(f"{line}\n" for line in lines)
    if text.strip("\n"):
        assert verifier.open_note(sign_note(text, [_OURS]), [_OUR_KEY], "the note") == (text, [_OUR_KEY])


def test_a_key_that_is_no_ed25519_key_in_pem_is_refused_and_not_quoted() -> None:
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for pem in (b"", b"secret", other, _pem(_KEY, b"secret"), _pem(_KEY)[:-40]):
        with pytest.raises(ValueError, match="the key is") as caught:
            from_pem("log.example/audit", pem)
        assert "secret" not in str(caught.value)


def test_a_signer_has_a_name_that_a_note_can_carry() -> None:
    with pytest.raises(ValueError, match="name"):
        Ed25519Signer("log example", _KEY)


def test_a_signer_does_not_show_its_key() -> None:
    assert repr(_OURS) == "Ed25519Signer(name='log.example/audit')"


class _Counting:
    """Counts what it is asked for, and fails as often as it is told."""

    verifier_key = _OURS.verifier_key

    def __init__(self, failures: int = 0) -> None:
        self.asked, self.failures = list[bytes](), failures

    def sign(self, message: bytes) -> bytes:
        self.asked.append(message)
        if len(self.asked) <= self.failures:
            raise OSError
        return _OURS.sign(message)


def test_what_was_signed_last_is_not_signed_again() -> None:
    signer = _Counting()
    remembering = Remembering(signer)
    assert remembering.verifier_key == _OURS.verifier_key
    for text in ("a\n", "a\n", "b\n", "b\n", "a\n"):
        assert sign_note(text, [remembering]) == sign_note(text, [_OURS])
    assert signer.asked == [b"a\n", b"b\n", b"a\n"]


def test_a_signature_that_failed_is_not_remembered() -> None:
    remembering = Remembering(_Counting(failures=1))
    with pytest.raises(OSError):  # noqa: PT011  # it has no text
        remembering.sign(b"a")
    assert remembering.sign(b"a") == _OURS.sign(b"a")


class _Slow(_Counting):
    """Is asked, says so, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = Event(), Event()

    def sign(self, message: bytes) -> bytes:
        signature = super().sign(message)
        self.is_asked.set()
        assert self.may_answer.wait(30)
        return signature


def test_threads_that_read_a_new_head_at_once_cost_one_signature() -> None:
    signer, all_there = _Slow(), Barrier(21, timeout=30)
    remembering = Remembering(signer)

    def read(_: int) -> bytes:
        all_there.wait()
        return remembering.sign(b"a")

    with ThreadPoolExecutor(20) as pool:
        signatures = pool.map(read, range(20))
        all_there.wait()
        assert signer.is_asked.wait(30)
        signer.may_answer.set()
        assert set(signatures) == {_OURS.sign(b"a")}
    assert signer.asked == [b"a"]


def test_nobody_waits_long_for_a_signature_that_others_ask_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a head that was signed before nobody waits at all."""
    signer = _Slow()
    remembering = Remembering(signer)
    signer.may_answer.set()
    remembering.sign(b"a")
    signer.may_answer.clear()
    signer.is_asked.clear()
    monkeypatch.setattr("service.signing.notes._LONGEST_WAIT_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(remembering.sign, b"b")
        assert signer.is_asked.wait(30)
        assert remembering.sign(b"a") == _OURS.sign(b"a")
        with pytest.raises(Unavailable, match="Try again later"):
            remembering.sign(b"b")
        signer.may_answer.set()
        assert asking.result() == remembering.sign(b"b") == _OURS.sign(b"b")
    assert signer.asked == [b"a", b"b"]


def test_threads_that_sign_different_texts_get_each_its_own() -> None:
    remembering = Remembering(_OURS)
    texts = [f"{number % 3}\n".encode() for number in range(600)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(remembering.sign, texts)) == list(map(_OURS.sign, texts))


def test_the_key_of_rfc_8410_is_read_from_pem() -> None:
    # Section 10.3, and section 10.1 for its public part.
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    public = base64.b64decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")[-32:]
    signer = from_pem("log.example/audit", f"{pem}-----END PRIVATE KEY-----\n".encode())
    assert parse_verifier_key(signer.verifier_key).public == public
