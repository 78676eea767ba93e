"""Go opens our notes and we open Go's: what one signs the other believes, and neither believes what was changed."""

import base64
import os
import string
from collections.abc import Iterator
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from support.notes import signer_of
from support.products.golang import Go, GoRefused, is_there, running_go

from service import verifier
from service.domain.checkpoint import Checkpoint, Signature, VerifierKey, parse_verifier_key
from service.domain.merkle import EMPTY_ROOT
from service.signing.ed25519 import Ed25519Signer
from service.signing.notes import sign_note

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)

_ORIGIN = "log.example/rootquorum"
_OLD, _NEW, _WITNESS = (
    Ed25519Signer(name, Ed25519PrivateKey.from_private_bytes(letter * 32))
    for name, letter in ((_ORIGIN, b"o"), (_ORIGIN, b"n"), ("witness.example", b"w"))
)
_HEAD = Checkpoint(_ORIGIN, 42, b"r" * 32)
_NOTE = sign_note(_HEAD.text(), [_OLD])
_NAMES = st.text(min_size=1).filter(lambda name: name.isprintable() and not {" ", "+"} & {*name})
_SIZES, _HASHES = st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module")
def go() -> Iterator[Go]:
    with running_go() as process:
        yield process


def _believed_by_us(note: str, *keys: str) -> tuple[Checkpoint, tuple[str, ...]] | None:
    """What the note tells and which of the keys signed it, if the verifier believes it."""
    known = [verifier.read_key(key) for key in keys]
    try:
        head, (text, signers) = verifier.open_checkpoint(note, known, ""), verifier.open_note(note, known, "")
    except verifier.Finding:
        return None
    return Checkpoint(text.partition("\n")[0], head.size, head.root), tuple(key.text for key in signers)


@given(_NAMES, _HASHES)
def test_go_reads_our_verifier_keys_and_has_the_same_id(go: Go, name: str, public: bytes) -> None:
    key = VerifierKey(name, public)
    assert go.key(str(key)) == (name, key.key_id)


def test_nobody_reads_a_verifier_key_with_a_flipped_bit(go: Go) -> None:
    key = parse_verifier_key(_OLD.verifier_key)
    for public in _flips(key.public):
        changed = base64.b64encode(b"\x01" + public).decode()
        text = f"{key.name}+{key.key_id.hex()}+{changed}"
        with pytest.raises(GoRefused, match="invalid verifier hash"):
            go.key(text)
        with pytest.raises(ValueError, match="id is not that"):
            parse_verifier_key(text)
        with pytest.raises(ValueError, match="is no Ed25519 key"):
            verifier.read_key(text)


def _flips(data: bytes) -> list[bytes]:
    """The data with one bit flipped, for each of its bits."""
    number, length = int.from_bytes(data, "big"), len(data)
    return [(number ^ 1 << bit).to_bytes(length, "big") for bit in range(8 * length)]


@given(_SIZES, _HASHES)
def test_go_opens_our_checkpoints(go: Go, size: int, root: bytes) -> None:
    text = Checkpoint(_ORIGIN, size, root).text()
    opened = go.open(sign_note(text, [_OLD]).encode(), [_OLD.verifier_key])
    assert opened.text == text
    assert opened.signers == (_ORIGIN,)
    assert opened.unverified == ()


@given(_SIZES, _HASHES)
def test_gos_own_checkpoints_are_written_and_read_as_ours(go: Go, size: int, root: bytes) -> None:
    checkpoint = Checkpoint("go.sum database tree", size, root if size else EMPTY_ROOT)
    assert go.head(checkpoint.text()) == (checkpoint.size, checkpoint.root, checkpoint.text())


def test_go_verifies_each_of_two_signatures(go: Go) -> None:
    note = sign_note(_HEAD.text(), [_OLD, _WITNESS]).encode()
    assert go.open(note, [_OLD.verifier_key, _WITNESS.verifier_key]).signers == (_ORIGIN, "witness.example")
    opened = go.open(note, [_WITNESS.verifier_key])
    assert (opened.signers, opened.unverified) == (("witness.example",), (_ORIGIN,))


def test_go_opens_the_note_of_a_rotation_with_either_key(go: Go) -> None:
    """Both keys have the log's name: it is the id that tells them apart."""
    note = sign_note(_HEAD.text(), [_NEW, _OLD]).encode()
    for known, others in (([_OLD], 1), ([_NEW], 1), ([_OLD, _NEW], 0)):
        opened = go.open(note, [signer.verifier_key for signer in known])
        assert len(opened.signers) == len(known)
        assert len(opened.unverified) == others
    with pytest.raises(GoRefused, match="no verifiable signatures"):
        go.open(sign_note(_HEAD.text(), [_NEW]).encode(), [_OLD.verifier_key])


@pytest.mark.parametrize("ours_at", [0, 1, 99])
def test_both_pass_over_signatures_of_strangers(go: Go, ours_at: int) -> None:
    """Of other lengths too, which are no Ed25519; a hundred lines in all are the most that either reads."""
    ours = _NOTE.removeprefix(f"{_HEAD.text()}\n")
    strange = [Signature(f"stranger-{at}", b"name", b"s" * (at + 1)).line() for at in range(99)]
    note = f"{_HEAD.text()}\n{''.join([*strange[:ours_at], ours, *strange[ours_at:]])}"
    opened = go.open(note.encode(), [_OLD.verifier_key])
    assert opened.signers == (_ORIGIN,)
    assert len(opened.unverified) == 99
    assert _believed_by_us(note, _OLD.verifier_key) == (_HEAD, (_OLD.verifier_key,))
    with pytest.raises(GoRefused, match="malformed"):
        go.open((note + strange[0]).encode(), [_OLD.verifier_key])
    assert _believed_by_us(note + strange[0], _OLD.verifier_key) is None


def test_nobody_believes_a_good_signature_beside_a_wrong_one(go: Go) -> None:
    wrong = Signature(_ORIGIN, parse_verifier_key(_NEW.verifier_key).key_id, b"w" * 64).line()
    with pytest.raises(GoRefused, match="invalid signature"):
        go.open((_NOTE + wrong).encode(), [_OLD.verifier_key, _NEW.verifier_key])
    assert _believed_by_us(_NOTE + wrong, _OLD.verifier_key, _NEW.verifier_key) is None


def test_nobody_believes_a_signature_under_anothers_name(go: Go) -> None:
    note = _NOTE.replace(f"\N{EM DASH} {_ORIGIN}", "\N{EM DASH} witness.example")
    assert note != _NOTE
    for key in (_OLD.verifier_key, _WITNESS.verifier_key):
        with pytest.raises(GoRefused, match="no verifiable signatures"):
            go.open(note.encode(), [key])
        assert _believed_by_us(note, key) is None


def test_nobody_believes_a_text_with_a_flipped_bit(go: Go) -> None:
    signatures = _NOTE.encode().removeprefix(_HEAD.text().encode())
    for text in _flips(_HEAD.text().encode()):
        with pytest.raises(GoRefused):
            go.open(text + signatures, [_OLD.verifier_key])
        assert _believed_by_us((text + signatures).decode(errors="surrogateescape"), _OLD.verifier_key) is None


def test_nobody_believes_a_signature_with_a_flipped_bit(go: Go) -> None:
    """Nor with one of the key's id."""
    for signature in _flips(base64.b64decode(_NOTE.split()[-1])):
        note = f"{_HEAD.text()}\n{Signature(_ORIGIN, signature[:4], signature[4:]).line()}"
        with pytest.raises(GoRefused, match=r"invalid signature|no verifiable signatures"):
            go.open(note.encode(), [_OLD.verifier_key])
        assert _believed_by_us(note, _OLD.verifier_key) is None


def test_nobody_believes_that_a_note_with_a_flipped_bit_tells_another_thing(go: Go) -> None:
    for note in _flips(_NOTE.encode()):
        with suppress(GoRefused):
            assert go.open(note, [_OLD.verifier_key]).text == _HEAD.text()
        text = note.decode(errors="surrogateescape")
        assert _believed_by_us(text, _OLD.verifier_key) in {None, (_HEAD, (_OLD.verifier_key,))}


def test_both_read_the_several_ways_to_write_a_signature(go: Go) -> None:
    """The last letter of its Base64 has two bits that say nothing."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    before, last = _NOTE.removesuffix("=\n")[:-1], letters.index(_NOTE.removesuffix("=\n")[-1])
    for bits in (1, 2, 3):
        note = f"{before}{letters[last ^ bits]}=\n"
        assert go.open(note.encode(), [_OLD.verifier_key]).text == _HEAD.text()
        assert _believed_by_us(note, _OLD.verifier_key) == (_HEAD, (_OLD.verifier_key,))


def test_we_believe_what_go_signs(go: Go) -> None:
    private, public = go.generate(_ORIGIN)
    note = go.sign(_HEAD.text(), [private])
    assert _believed_by_us(note, public, _OLD.verifier_key) == (_HEAD, (public,))
    assert _believed_by_us(note.replace("\n42\n", "\n43\n"), public) is None
    assert _believed_by_us(note, go.generate(_ORIGIN)[1]) is None


def test_we_believe_each_of_two_keys_with_which_go_signs(go: Go) -> None:
    old, new, witness = (go.generate(name) for name in (_ORIGIN, _ORIGIN, "witness.example"))
    note = go.sign(_HEAD.text(), [new[0], old[0], witness[0]])
    assert _believed_by_us(note, old[1], new[1], witness[1]) == (_HEAD, (new[1], old[1], witness[1]))
    assert _believed_by_us(note, old[1]) == (_HEAD, (old[1],))


def test_a_private_key_of_gos_signs_the_same_note_here_as_there(go: Go) -> None:
    private, public = go.generate(_ORIGIN)
    signer = signer_of(private)
    assert signer.verifier_key == public
    assert sign_note(_HEAD.text(), [signer]) == go.sign(_HEAD.text(), [private])
