"""OpenSSH verifies what we armor and we verify what it signs, and it does not ask what we ask."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.products import openssh
from support.signers import (
    ECDSA,
    ED25519,
    ORIGIN,
    PASSKEY,
    RP_ID,
    SK_ECDSA,
    SK_ED25519,
    Signer,
    bytes_of,
    p256_of,
    text_of,
)

from service.signing.demands import Demands, faults
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import parse_public_key
from service.signing.sshsig import verify
from service.signing.wire import string

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

_MESSAGE, _NAMESPACE = '{"person":"dävé"}\n'.encode(), "decision@rootquorum"
_DEMANDS = Demands(origins=frozenset({ORIGIN}), rp_id=RP_ID)
_EVERY = pytest.mark.parametrize(
    "signer",
    [ED25519, ECDSA, SK_ED25519, SK_ECDSA, PASSKEY],
    ids=["ed25519", "ecdsa", "sk-ed25519", "sk-ecdsa", "passkey"],
)
_KINDS = [("ed25519",), ("ecdsa", "-b", "256"), ("rsa", "-b", "3072"), ("rsa", "-b", "4096")]


@pytest.fixture(scope="module", params=_KINDS, ids=" ".join)
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return openssh.generate(tmp_path_factory.mktemp("keys"), *request.param)


def public(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])


def test_we_verify_what_openssh_signs(key: Path) -> None:
    armored = openssh.sign(key, _MESSAGE, _NAMESPACE)
    assert verify(armored, _MESSAGE, _NAMESPACE).key.text == public(key)
    with pytest.raises(BadSignature):
        verify(armored, _MESSAGE + b" ", _NAMESPACE)


def test_fingerprints_are_those_of_openssh(key: Path) -> None:
    for text in (public(key), SK_ED25519.public.text, PASSKEY.public.text):
        assert parse_public_key(text).fingerprint == openssh.fingerprint(text)


def test_a_small_key_or_another_curve_of_openssh_is_refused(tmp_path: Path) -> None:
    for kind, options, fault in (
        ("rsa", ("-b", "2048"), Fault.WEAK_KEY),
        ("ecdsa", ("-b", "384"), Fault.UNSUPPORTED_KEY),
    ):
        with pytest.raises(BadSignature) as refusal:
            verify(openssh.sign(openssh.generate(tmp_path, kind, *options), _MESSAGE, _NAMESPACE), _MESSAGE, _NAMESPACE)
        assert refusal.value.fault is fault


def test_an_agent_signs_as_the_file_does(tmp_path: Path) -> None:
    key = openssh.generate(tmp_path, "rsa", "-b", "3072")
    with openssh.agent(key) as environment:
        key.unlink()
        armored = openssh.sign(key.with_name(f"{key.name}.pub"), _MESSAGE, _NAMESPACE, environment=environment)
    assert verify(armored, _MESSAGE, _NAMESPACE).key.text == public(key)


@_EVERY
def test_openssh_verifies_what_we_armor(signer: Signer, tmp_path: Path) -> None:
    verifier = openssh.Verifier(tmp_path, signer.public.text)
    armored = signer.sign(_MESSAGE, _NAMESPACE)
    assert verifier.accepts(armored, _MESSAGE, _NAMESPACE)
    assert not verifier.accepts(armored, _MESSAGE + b" ", _NAMESPACE)
    assert not verifier.accepts(armored, _MESSAGE, "rules@rootquorum")
    another = replace(ECDSA, private=p256_of(b"another")).public.text
    assert not openssh.Verifier(tmp_path, another).accepts(armored, _MESSAGE, _NAMESPACE)


@_EVERY
def test_openssh_and_we_refuse_the_same_changes(signer: Signer, tmp_path: Path) -> None:
    verifier = openssh.Verifier(tmp_path, signer.public.text)
    blob = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
    step = max(1, len(blob) // 15)  # a process for each takes a while
    for at in range(3, len(blob), step):
        changed = text_of(blob[:at] + bytes([blob[at] ^ 0x10]) + blob[at + 1 :])
        assert not verifier.accepts(changed, _MESSAGE, _NAMESPACE)
        with pytest.raises(BadSignature):
            verify(changed, _MESSAGE, _NAMESPACE)


@pytest.mark.parametrize(
    ("signer", "fault"),
    [
        (replace(SK_ED25519, flags=0x04), Fault.NOT_TOUCHED),
        (replace(SK_ECDSA, flags=0x01), Fault.NOT_VERIFIED),
        (replace(PASSKEY, flags=0x04), Fault.NOT_TOUCHED),
        (replace(PASSKEY, flags=0x01), Fault.NOT_VERIFIED),
        (replace(PASSKEY, origin="https://evil.example"), Fault.WRONG_SITE),
        (replace(PASSKEY, members=(("crossOrigin", True),)), Fault.WRONG_SITE),
        (replace(SK_ECDSA, application=RP_ID), Fault.WRONG_SITE),
    ],
)
def test_openssh_says_good_to_what_we_refuse(signer: Signer, fault: Fault, tmp_path: Path) -> None:
    armored = signer.sign(_MESSAGE, _NAMESPACE)
    assert openssh.Verifier(tmp_path, signer.public.text).accepts(armored, _MESSAGE, _NAMESPACE)
    assert faults(verify(armored, _MESSAGE, _NAMESPACE), _DEMANDS) == (fault,)


_RESERVED = string(_NAMESPACE.encode()) + string(b"")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "anything",
        lambda text: text.replace("U1NI", "U1NI\n", 1),
        lambda text: text_of(bytes_of(text).replace(_RESERVED, _RESERVED[:-4] + string(b"reserved"))),
        lambda text: text_of(bytes_of(text).replace(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\0")),
    ],
)
def test_openssh_reads_more_than_one_form_and_we_read_one(change: Callable[[str], str], tmp_path: Path) -> None:
    armored = change(ED25519.sign(_MESSAGE, _NAMESPACE))
    assert openssh.Verifier(tmp_path, ED25519.public.text).accepts(armored, _MESSAGE, _NAMESPACE)
    with pytest.raises(BadSignature) as refusal:
        verify(armored, _MESSAGE, _NAMESPACE)
    assert refusal.value.fault is Fault.MALFORMED


# --- made by hardware ---

# From OpenSSH's own tests (regress/unittests/sshsig/testdata). Its developers made these with security keys and, the
# last one, with a browser at their site.
_SIGNED, _UNITTEST = b"This is a test, this is only a test", "unittest"
_BY_HARDWARE = {
    "ed25519_sk": """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAEoAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAAAgmxoNhd
Biu5zpuKUJgMgrhhI54b7OatE7Yz23Tf//sscAAAAEc3NoOgAAAAh1bml0dGVzdAAAAAAA
AAAGc2hhNTEyAAAAZwAAABpzay1zc2gtZWQyNTUxOUBvcGVuc3NoLmNvbQAAAEAi+7eTjW
/+LQ2M+sCD+KFtH1n7VFFJon/SZFsxODyV8cWTlFKj617Ys1Ur5TV6uaEXQhck8rBA2oQI
HTPANLIPARI0Vng=
-----END SSH SIGNATURE-----
""",
    "ecdsa_sk": """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAH8AAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ
AAAAhuaXN0cDI1NgAAAEEEoNVrmNFxPlXsTrKybBWLsclaHunkP6F5ss9qRBymcPZqMlno
b/hbO6GVhadyVZjrcmykOnb31GWGrkBPzr+DwAAAAARzc2g6AAAACHVuaXR0ZXN0AAAAAA
AAAAZzaGE1MTIAAAB3AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20A
AABIAAAAIHohGwyy8iKT3zwd1TYA9V/Ioo7h/3zCJUtyq/Qigt/HAAAAIGzidTwq7D/kFa
7Xjcp/KkdbIs4MfQpfAW/0OciajlpzARI0Vng=
-----END SSH SIGNATURE-----
""",
    "ecdsa_sk_webauthn": """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAIYAAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ
AAAAhuaXN0cDI1NgAAAEEEFEbAOOzgeEkVyfi0nkavvYpyZGYJLU6KsRPFpe+ew0CmCg4s
XVr/uvGV19Iwebvd5PWeEd73tbyqJw88QAoMlAAAAAttaW5kcm90Lm9yZwAAAAh1bml0dG
VzdAAAAAAAAAAGc2hhNTEyAAABhwAAACt3ZWJhdXRobi1zay1lY2RzYS1zaGEyLW5pc3Rw
MjU2QG9wZW5zc2guY29tAAAASQAAACBj2oMT9tb5wRXe6mdmf4/lgAO8wrgr95ouozwNg4
itnQAAACEAtU9g5wz3HchUiLfLD6plr9T4TiJ32lVCrATSjpiy0SMBAAADHwAAABdodHRw
czovL3d3dy5taW5kcm90Lm9yZwAAAON7InR5cGUiOiJ3ZWJhdXRobi5nZXQiLCJjaGFsbG
VuZ2UiOiJVMU5JVTBsSEFBQUFDSFZ1YVhSMFpYTjBBQUFBQUFBQUFBWnphR0UxTVRJQUFB
QkFMTHU4WmdjU3h0Nk1zRlV6dWlaZ0c2R3dNZEo5ZDd4ZUU3WW9SSXcwZzlpSEpfd3NGRD
cxbzRXbHllenZGV0VqYnFRMHFDN0Z3R3Bqa2pVUVAtTmQ2dyIsIm9yaWdpbiI6Imh0dHBz
Oi8vd3d3Lm1pbmRyb3Qub3JnIiwiY3Jvc3NPcmlnaW4iOmZhbHNlfQAAAAA=
-----END SSH SIGNATURE-----
""",
}


@pytest.mark.parametrize("armored", _BY_HARDWARE.values(), ids=_BY_HARDWARE)
def test_what_hardware_signed_is_verified(armored: str) -> None:
    signed = verify(armored, _SIGNED, _UNITTEST)
    assert signed.assertion is not None
    assert signed.assertion.is_user_present
    demands = Demands(origins=frozenset({"https://www.mindrot.org"}), rp_id="mindrot.org", user_verified=False)
    assert faults(signed, demands) == ()
