"""A public key has one encoding, and nobody else can sign with it."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.signers import ECDSA, ED25519, PASSKEY, RP_ID, SK_ECDSA, SK_ED25519, Signer, p256_of

from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import KeyKind, from_blob, from_passkey, parse_public_key
from service.signing.wire import mpint, string
from service.signing.words import words

_POINT = p256_of(b"ecdsa").public_key()
_P = 2**255 - 19
_SIGNERS = pytest.mark.parametrize("signer", [ED25519, ECDSA, SK_ED25519, SK_ECDSA, PASSKEY])


def the_fault(read: Callable[[], object]) -> Fault:
    with pytest.raises(BadSignature) as refusal:
        read()
    return refusal.value.fault


@_SIGNERS
def test_a_key_is_read_back(signer: Signer) -> None:
    key = parse_public_key(signer.public.text)
    assert key == signer.public
    assert from_blob(key.blob) == key


@_SIGNERS
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " dave@laptop",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(" ", "\t"),
        lambda text: text + "=",
        lambda text: text[:-1],
        lambda text: "ssh-dss " + text.split()[1],
        lambda text: 'command="x" ' + text,
        lambda text: text.split()[1],
        lambda _: "",
        lambda _: "ssh-ed25519",
        lambda _: "ssh-ed25519 ä",
    ],
)
def test_only_kind_and_base64_are_read(signer: Signer, change: Callable[[str], str]) -> None:
    assert the_fault(lambda: parse_public_key(change(signer.public.text))) is Fault.MALFORMED


@_SIGNERS
def test_nothing_stands_behind_a_key_and_nothing_is_missing(signer: Signer) -> None:
    blob = signer.public.blob
    for changed in (blob + b"\0", blob[:-1], string(blob), b""):
        assert the_fault(lambda changed=changed: from_blob(changed)) is Fault.MALFORMED  # type: ignore[misc]


@pytest.mark.parametrize(
    "kind", ["ssh-dss", "ecdsa-sha2-nistp384", "ssh-ed25519-cert-v01@openssh.com", "rsa-sha2-512", "ssh-ed448", ""]
)
def test_other_kinds_of_keys_are_not_accepted(kind: str) -> None:
    assert the_fault(lambda: from_blob(string(kind.encode()) + string(bytes(32)))) is Fault.UNSUPPORTED_KEY


def _ed25519(raw: bytes) -> bytes:
    return string(b"ssh-ed25519") + string(raw)


_Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021454
_SMALL = [(y | sign << 255).to_bytes(32, "little") for y in (0, 1, _P - 1, _Y8, _P - _Y8) for sign in (0, 1)]


@pytest.mark.parametrize("raw", _SMALL, ids=bytes.hex)
def test_a_point_of_small_order_is_no_key(raw: bytes) -> None:
    assert the_fault(lambda: from_blob(_ed25519(raw))) is Fault.WEAK_KEY
    assert the_fault(lambda: from_blob(string(b"sk-ssh-ed25519@openssh.com") + string(raw) + string(b"ssh:"))) is (
        Fault.WEAK_KEY
    )


def test_anybody_can_sign_for_a_point_of_small_order() -> None:
    """So it has to be refused: the library takes it, and zero is a signature of one message in eight, or of all."""
    identity = (1).to_bytes(32, "little")
    key = ed25519.Ed25519PublicKey.from_public_bytes(identity)
    for message in (b"one", b"another"):
        key.verify(identity + bytes(32), message)


@pytest.mark.parametrize("y", [_P, _P + 1, 2**255 - 1])
def test_a_point_has_one_encoding(y: int) -> None:
    assert the_fault(lambda: from_blob(_ed25519(y.to_bytes(32, "little")))) is Fault.MALFORMED


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    assert the_fault(lambda: from_blob(_ed25519(b"\2" * length))) is Fault.MALFORMED


@pytest.mark.parametrize(
    "point",
    [
        _POINT.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        b"\x04" + bytes(64),
        b"\0",
        b"",
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    ],
    ids=["compressed", "off-the-curve", "infinity", "empty", "p384"],
)
def test_a_point_is_uncompressed_and_on_the_curve(point: bytes) -> None:
    blob = string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(point)
    assert the_fault(lambda: from_blob(blob)) is Fault.MALFORMED


def test_the_curve_is_that_of_the_kind() -> None:
    point = _POINT.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blob = string(b"ecdsa-sha2-nistp256") + string(b"nistp384") + string(point)
    assert the_fault(lambda: from_blob(blob)) is Fault.MALFORMED


def _rsa(e: bytes, n: bytes) -> bytes:
    return string(b"ssh-rsa") + e + n


_MODULUS = 1 << 3071 | 1  # no key of anybody: nothing is signed here


def test_a_key_of_rsa_with_3072_bits_is_read() -> None:
    assert from_blob(_rsa(mpint(65537), mpint(_MODULUS))).kind is KeyKind.RSA


@pytest.mark.parametrize(
    ("e", "n", "fault"),
    [
        (mpint(65537), mpint(_MODULUS >> 1), Fault.WEAK_KEY),
        (mpint(65537), mpint(_MODULUS >> 1024), Fault.WEAK_KEY),
        (mpint(65537), mpint(1 << 16384 | 1), Fault.WEAK_KEY),
        (mpint(1), mpint(_MODULUS), Fault.WEAK_KEY),
        (mpint(3), mpint(_MODULUS), Fault.WEAK_KEY),
        (mpint(2**64 + 1), mpint(_MODULUS), Fault.WEAK_KEY),
        (string(b"\0\1\0\1"), mpint(_MODULUS), Fault.MALFORMED),
        (mpint(65537), string(b"\0") + mpint(_MODULUS), Fault.MALFORMED),
        (mpint(65537), string(_MODULUS.to_bytes(384, "big")), Fault.MALFORMED),
        (mpint(65537), string(b""), Fault.MALFORMED),
    ],
    ids=range(10),
)
def test_rsa_is_large_with_the_usual_exponent_in_one_form(e: bytes, n: bytes, fault: Fault) -> None:
    assert the_fault(lambda: from_blob(_rsa(e, n))) is fault


@pytest.mark.parametrize("application", [b"", b"a b", b"\xc3\xa4", b"a\n", b"x" * 256])
def test_an_application_is_visible_and_short(application: bytes) -> None:
    blob = string(b"sk-ssh-ed25519@openssh.com") + string(b"\2" * 32) + string(application)
    assert the_fault(lambda: from_blob(blob)) is Fault.MALFORMED


# --- passkeys ---


def test_a_passkey_is_openssh_s_key_of_hardware_for_its_relying_party() -> None:
    key = from_passkey(PASSKEY.spki, RP_ID)
    assert (key.kind, key.application) == (KeyKind.SK_ECDSA, RP_ID)


def _spki(public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "spki",
    [
        _spki(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _spki(ed25519.Ed25519PrivateKey.generate().public_key()),
        _spki(rsa.RSAPublicNumbers(65537, _MODULUS).public_key()),
    ],
    ids=["p384", "ed25519", "rsa"],
)
def test_passkeys_are_for_es256(spki: bytes) -> None:
    assert the_fault(lambda: from_passkey(spki, RP_ID)) is Fault.UNSUPPORTED_KEY


def test_a_passkeys_public_key_has_one_encoding() -> None:
    compressed = PASSKEY.spki[:26].replace(b"\x30\x59", b"\x30\x39").replace(b"\x03\x42", b"\x03\x22")
    point = PASSKEY.private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for spki in (b"", PASSKEY.spki + b"\0", PASSKEY.spki[:-1], compressed + point):
        assert the_fault(lambda spki=spki: from_passkey(spki, RP_ID)) is Fault.MALFORMED  # type: ignore[misc]


@pytest.mark.parametrize("rp_id", ["", "a b", "bücher.example"])
def test_a_relying_party_is_named_in_ascii(rp_id: str) -> None:
    assert the_fault(lambda: from_passkey(PASSKEY.spki, rp_id)) is Fault.MALFORMED


# --- to compare by another way ---


def test_the_words_are_those_of_the_pgp_word_list() -> None:
    """The example of the list's article in Wikipedia."""
    example = bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
    assert " ".join(words(example)) == (
        "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa "
        "afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless"
    )


def test_each_byte_has_two_words_of_its_own() -> None:
    every = [words(bytes([byte, byte])) for byte in range(256)]
    assert len({word.lower() for pair in every for word in pair}) == 512
    assert every == sorted(every, key=lambda pair: pair[0].lower())


def test_a_fingerprint_is_read_aloud_in_sixteen_words() -> None:
    digest = hashlib.sha256(ED25519.public.blob).digest()
    assert ED25519.public.words == words(digest[:16])
    assert ED25519.public.fingerprint == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
