"""A signature has one form. It proves a key, a purpose, exactly these bytes, and how it was made."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.signers import (
    ATTESTED,
    ECDSA,
    ED25519,
    EXTENDED,
    ORIGIN,
    PASSKEY,
    PRESENT,
    SK_ECDSA,
    SK_ED25519,
    VERIFIED,
    FileKey,
    Signer,
    bytes_of,
    ed25519_of,
    p256_of,
    text_of,
)

from service.signing.client_data import Site
from service.signing.faults import BadSignature, Fault
from service.signing.sshsig import LARGEST_CHARACTERS, Assertion, Signed, armor, to_be_signed, verify
from service.signing.wire import mpint, string

_MESSAGE, _NAMESPACE = b'{"type":"rootquorum-decision/1"}', "decision@rootquorum"
_RSA, _ANOTHER_RSA = (FileKey(private=rsa.generate_private_key(65537, 3072)) for _ in range(2))
# A signer of each kind, and another of the same kind.
_SIGNERS: dict[str, tuple[Signer, Signer]] = {
    "ed25519": (ED25519, replace(ED25519, private=ed25519_of(b"another"))),
    "ecdsa": (ECDSA, replace(ECDSA, private=p256_of(b"another"))),
    "rsa": (_RSA, _ANOTHER_RSA),
    "sk-ed25519": (SK_ED25519, replace(SK_ED25519, private=ed25519_of(b"another"))),
    "sk-ecdsa": (SK_ECDSA, replace(SK_ECDSA, private=p256_of(b"another"))),
    "passkey": (PASSKEY, replace(PASSKEY, private=p256_of(b"another"))),
}
of_every_kind = pytest.mark.parametrize(("signer", "another"), _SIGNERS.values(), ids=_SIGNERS)


def verified(armored: str) -> Signed:
    return verify(armored, _MESSAGE, _NAMESPACE)


def the_fault(armored: str, message: bytes = _MESSAGE, namespace: str = _NAMESPACE) -> Fault:
    with pytest.raises(BadSignature) as refusal:
        verify(armored, message, namespace)
    return refusal.value.fault


@of_every_kind
def test_a_signature_proves_its_key(signer: Signer, another: Signer) -> None:
    assert verified(signer.sign(_MESSAGE, _NAMESPACE)).key == signer.public != another.public


def test_an_authenticator_says_how_it_signed() -> None:
    assert verified(ED25519.sign(_MESSAGE, _NAMESPACE)).assertion is None
    assert verified(SK_ED25519.sign(_MESSAGE, _NAMESPACE)).assertion == Assertion(PRESENT | VERIFIED, 7, None)
    by_browser = verified(replace(PASSKEY, flags=0, counter=2**32 - 1).sign(_MESSAGE, _NAMESPACE))
    assert by_browser.assertion == Assertion(0, 2**32 - 1, Site(ORIGIN, is_framed=False))


@of_every_kind
def test_a_signature_is_of_no_other_message(signer: Signer, another: Signer) -> None:
    assert another
    for other in (b"", _MESSAGE + b"\n", _MESSAGE[:-1]):
        assert the_fault(signer.sign(_MESSAGE, _NAMESPACE), other) is Fault.WRONG_SIGNATURE


@of_every_kind
def test_a_signature_serves_no_other_purpose(signer: Signer, another: Signer) -> None:
    armored = signer.sign(_MESSAGE, _NAMESPACE)
    for other in ("rules@rootquorum", "", "decision@rootquorum2"):
        assert the_fault(armored, namespace=other) is Fault.ANOTHER_NAMESPACE
    # The namespace stands in the signature twice: to be read, and in what is signed.
    renamed = text_of(bytes_of(armored).replace(b"decision@rootquorum", b"decisive@rootquorum", 1))
    assert the_fault(renamed, namespace="decisive@rootquorum") is Fault.WRONG_SIGNATURE
    assert the_fault(another.sign(_MESSAGE, "a"), namespace="b") is Fault.ANOTHER_NAMESPACE


@of_every_kind
def test_a_signature_by_one_key_is_none_by_another(signer: Signer, another: Signer) -> None:
    blob = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
    exchanged = blob.replace(signer.public.blob, another.public.blob)
    assert exchanged != blob
    assert the_fault(text_of(exchanged)) is Fault.WRONG_SIGNATURE


def test_a_key_of_an_authenticator_is_none_of_another_application() -> None:
    for signer, other in ((SK_ED25519, b"ssh;"), (SK_ECDSA, b"ssh;"), (PASSKEY, b"rootquorum.example.org")):
        blob = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
        moved = blob.replace(string(signer.public.application.encode()), string(other))
        assert moved != blob
        assert the_fault(text_of(moved)) is Fault.WRONG_SIGNATURE


# --- one form only ---


@of_every_kind
def test_no_byte_can_be_changed_left_out_or_added(signer: Signer, another: Signer) -> None:
    assert another
    blob = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
    for at in range(len(blob)):
        for changed in (
            blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :],
            blob[:at] + bytes([blob[at] ^ 0x80]) + blob[at + 1 :],
            blob[:at] + blob[at + 1 :],
            blob[:at] + b"\0" + blob[at:],
        ):
            if changed != blob:
                with pytest.raises(BadSignature):
                    verified(text_of(changed))


@of_every_kind
def test_nothing_stands_behind_a_signature(signer: Signer, another: Signer) -> None:
    assert another
    blob = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
    assert the_fault(text_of(blob + b"\0")) is Fault.MALFORMED
    raw = blob[blob.index(b"sha512") + len("sha512") + 4 :]
    longer = blob.replace(string(raw), string(raw + b"\0"))
    assert the_fault(text_of(longer)) is Fault.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.removesuffix("\n"),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "", 1),
        lambda text: text.replace("SIGNATURE-----\n", "SIGNATURE-----\n\n", 1),
        lambda text: text.replace("U1NI", "U1NI\n", 1),
        lambda text: text.replace("U1NI", "U1 NI", 1),
        lambda text: text.replace("U1NI", "U1N\u0130", 1),
        lambda text: text.replace("=\n", "\n"),
        lambda text: text.replace("=\n", "==\n"),
        lambda text: text.replace("SSH SIGNATURE", "SSH MESSAGE"),
        lambda text: text + text,
        lambda _: "",
        lambda _: "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        lambda _: "-----BEGIN SSH SIGNATURE-----\n" + "A" * LARGEST_CHARACTERS + "\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_only_the_text_that_openssh_writes_is_read(change: Callable[[str], str]) -> None:
    text = ED25519.sign(_MESSAGE + b"x", _NAMESPACE)
    text = next(each for each in (text, SK_ED25519.sign(_MESSAGE, _NAMESPACE)) if "=\n" in each)
    assert change(text) != text
    assert the_fault(change(text)) is Fault.MALFORMED


def test_unused_bits_of_base64_are_zero() -> None:
    text = SK_ED25519.sign(_MESSAGE, _NAMESPACE)
    assert "=\n" in text
    at = text.index("=") - 1
    for letter in "BCDEFGHIJKLMNOPQRSTUVWXYZ":
        if text[at] != letter:
            with pytest.raises(BadSignature):
                verified(text[:at] + letter + text[at + 1 :])


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2", Fault.MALFORMED),
        (b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\0", Fault.MALFORMED),
        (b"SSHSIG", b"SSHSIH", Fault.MALFORMED),
        (string(b"decision@rootquorum") + string(b""), string(b"decision@rootquorum") + string(b"x"), Fault.MALFORMED),
        (string(b"sha512"), string(b"sha256"), Fault.ANOTHER_HASH),
        (string(b"sha512"), string(b"SHA512"), Fault.ANOTHER_HASH),
        (string(b"ssh-ed25519"), string(b"ssh-ed448"), Fault.UNSUPPORTED_KEY),
        (string(b"ssh-ed25519"), string(b"ssh-ed25519-cert-v01@openssh.com"), Fault.UNSUPPORTED_KEY),
        (string(b"ssh-ed25519"), string(b"\xff"), Fault.MALFORMED),
    ],
)
def test_another_version_reserved_bytes_hash_or_kind_is_refused(old: bytes, new: bytes, fault: Fault) -> None:
    blob = bytes_of(ED25519.sign(_MESSAGE, _NAMESPACE))
    changed = blob.replace(old, new, 1)
    if b"ssh-ed" in old:  # the length of the key changes as well
        key = ED25519.public.blob
        changed = blob.replace(string(key), string(key.replace(old, new)))
    assert changed != blob
    assert the_fault(text_of(changed)) is fault


def test_a_signature_over_sha256_is_refused_although_it_is_good() -> None:
    """OpenSSH accepts it."""
    blob = bytes_of(ED25519.sign(_MESSAGE, _NAMESPACE))
    assert the_fault(text_of(blob.replace(string(b"sha512"), string(b"sha256")))) is Fault.ANOTHER_HASH


@pytest.mark.parametrize("algorithm", [b"ssh-rsa", b"rsa-sha2-256", b"ssh-ed25519", b""])
def test_rsa_signs_with_sha512_only(algorithm: bytes) -> None:
    blob = bytes_of(_RSA.sign(_MESSAGE, _NAMESPACE))
    raw = blob[blob.index(string(b"rsa-sha2-512")) :]
    changed = blob.replace(string(raw), string(raw.replace(string(b"rsa-sha2-512"), string(algorithm))))
    assert the_fault(text_of(changed)) is Fault.MALFORMED


def test_a_signature_names_the_algorithm_of_its_key() -> None:
    for signer, algorithm in ((ECDSA, SK_ECDSA), (SK_ECDSA, ECDSA), (ED25519, SK_ED25519), (SK_ED25519, ED25519)):
        signature = string(algorithm.public.kind.encode()) + string(bytes(64)) + bytes(5)
        assert the_fault(armor(signer.public, _NAMESPACE, signature)) is Fault.MALFORMED


def test_only_a_key_of_hardware_for_ecdsa_signs_as_a_passkey() -> None:
    blob = bytes_of(PASSKEY.sign(_MESSAGE, _NAMESPACE))
    signature = blob[blob.index(string(b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com")) :]
    for signer in (ED25519, ECDSA, _RSA, SK_ED25519):
        assert the_fault(armor(signer.public, _NAMESPACE, signature)) is Fault.MALFORMED


_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize(
    ("r", "s", "fault"),
    [
        (string(b""), mpint(1), Fault.MALFORMED),
        (mpint(1), string(b"\0"), Fault.MALFORMED),
        (string(b"\0\1"), mpint(1), Fault.MALFORMED),
        (string(b"\xff"), mpint(1), Fault.MALFORMED),
        (mpint(1), mpint(1) + b"\0", Fault.MALFORMED),
        (mpint(1), b"", Fault.MALFORMED),
        (mpint(_N), mpint(1), Fault.WRONG_SIGNATURE),
        (mpint(1), mpint(_N), Fault.WRONG_SIGNATURE),
        (mpint(2**20000), mpint(1), Fault.WRONG_SIGNATURE),
    ],
)
def test_the_two_numbers_of_ecdsa_are_positive_and_in_one_form(r: bytes, s: bytes, fault: Fault) -> None:
    signature = string(ECDSA.public.kind.encode()) + string(r + s)
    assert the_fault(armor(ECDSA.public, _NAMESPACE, signature)) is fault


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    for signer, algorithm in ((ED25519, b"ssh-ed25519"), (_RSA, b"rsa-sha2-512")):
        signature = string(algorithm) + string(bytes(length))
        assert the_fault(armor(signer.public, _NAMESPACE, signature)) is Fault.MALFORMED


@pytest.mark.parametrize("flag", [ATTESTED, EXTENDED])
def test_an_authenticator_says_nothing_beside_a_signature_for_ssh(flag: int) -> None:
    for signer in (SK_ED25519, SK_ECDSA):
        flagged = replace(signer, flags=PRESENT | VERIFIED | flag)
        assert the_fault(flagged.sign(_MESSAGE, _NAMESPACE)) is Fault.MALFORMED


def test_what_is_signed_is_openssh_s_form_of_the_message() -> None:
    """Its PROTOCOL.sshsig, section 3."""
    signed = to_be_signed(b"", "n")
    assert signed[:29] == b"SSHSIG\0\0\0\1n\0\0\0\0\0\0\0\6sha512\0\0\0\x40"
    assert signed[29:].hex().startswith("cf83e1357eefb8bd")


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_has_a_sentence_without_input(fault: Fault) -> None:
    assert str(BadSignature(fault)) == fault.sentence
    assert fault.sentence.endswith(".")
