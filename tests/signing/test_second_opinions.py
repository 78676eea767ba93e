"""Other readers of assertions and of OpenSSH's signatures agree with ours, and on whatever was changed."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sshsig as others
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from fido2 import cbor
from fido2.cose import ES256
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)
from support.signers import (
    ED25519,
    EXTENDED,
    ORIGIN,
    PASSKEY,
    PRESENT,
    RP_ID,
    VERIFIED,
    FileKey,
    Passkey,
    bytes_of,
    p256_of,
    text_of,
)

from service.signing.demands import Demands, check
from service.signing.faults import BadSignature
from service.signing.passkeys import BrowserAssertion, pack
from service.signing.sshsig import to_be_signed, verify

_MESSAGE, _NAMESPACE = b"a statement", "decision@rootquorum"
_CHALLENGE = to_be_signed(_MESSAGE, _NAMESPACE)
_DEMANDS = Demands(origins=frozenset({ORIGIN}), rp_id=RP_ID)
_SERVER = Fido2Server(PublicKeyCredentialRpEntity(id=RP_ID, name="Rootquorum"), verify_origin=lambda it: it == ORIGIN)
_EXTENDED = replace(PASSKEY, flags=PRESENT | VERIFIED | EXTENDED, extensions=cbor.encode({"credProtect": 2}))


def fido2_accepts(assertion: BrowserAssertion) -> bool:
    public_key = ES256.from_cryptography_key(PASSKEY.private.public_key())  # type: ignore[no-untyped-call]
    credential = AttestedCredentialData.create(bytes(16), b"id", public_key)
    state = {"challenge": websafe_encode(_CHALLENGE), "user_verification": UserVerificationRequirement.REQUIRED}
    try:
        response = AuthenticatorAssertionResponse(
            client_data=CollectedClientData(assertion.client_data),
            authenticator_data=AuthenticatorData(assertion.authenticator_data),
            signature=assertion.signature,
        )
        answer = AuthenticationResponse(raw_id=b"id", response=response)
        _SERVER.authenticate_complete(state, [credential], answer)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return True


def accepted(assertion: BrowserAssertion) -> bool:
    try:
        check(verify(pack(assertion, PASSKEY.public, _NAMESPACE), _MESSAGE, _NAMESPACE), _DEMANDS)
    except BadSignature:
        return False
    return True


def _changes(data: bytes, count: int) -> Iterator[bytes]:
    """Yield changes of the data: a bit flipped, a byte left out, doubled or added."""
    chance = random.Random(len(data))
    for _ in range(count):
        at = chance.randrange(len(data))
        yield chance.choice(
            [
                data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :],
                data[:at] + data[at + 1 :],
                data[: at + 1] + data[at:],
                data + data[at : at + 1],
            ]
        )


@pytest.mark.parametrize("passkey", [PASSKEY, _EXTENDED], ids=["plain", "extended"])
def test_fido2_accepts_an_assertion_that_we_accept(passkey: Passkey) -> None:
    assertion = passkey.answer(_CHALLENGE)
    assert accepted(assertion)
    assert fido2_accepts(assertion)


@pytest.mark.parametrize("passkey", [PASSKEY, _EXTENDED], ids=["plain", "extended"])
def test_fido2_and_we_refuse_an_assertion_of_which_anything_was_changed(passkey: Passkey) -> None:
    good = passkey.answer(_CHALLENGE)
    changed = [
        *(replace(good, authenticator_data=data) for data in _changes(good.authenticator_data, 60)),
        *(replace(good, client_data=data) for data in _changes(good.client_data, 100)),
        *(replace(good, signature=data) for data in _changes(good.signature, 60)),
    ]
    for assertion in changed:
        assert assertion != good
        assert (accepted(assertion), fido2_accepts(assertion)) == (False, False)


@pytest.mark.parametrize(
    "passkey",
    [
        replace(PASSKEY, flags=VERIFIED),
        replace(PASSKEY, flags=PRESENT),
        replace(PASSKEY, origin="https://evil.example"),
        replace(PASSKEY, origin=f"{ORIGIN}:8443"),
        replace(PASSKEY, rp_id="example.com"),
        replace(PASSKEY, private=p256_of(b"another")),
        replace(PASSKEY, members=(("type", "webauthn.create"),)),
        replace(PASSKEY, members=(("challenge", "AAAA"),)),
    ],
)
def test_fido2_and_we_refuse_the_same_honest_answers_to_something_else(passkey: Passkey) -> None:
    assertion = passkey.answer(_CHALLENGE)
    assert (accepted(assertion), fido2_accepts(assertion)) == (False, False)


def test_fido2_does_not_ask_whether_the_page_was_framed() -> None:
    framed = replace(PASSKEY, members=(("crossOrigin", True),)).answer(_CHALLENGE)
    assert (accepted(framed), fido2_accepts(framed)) == (False, True)


@pytest.fixture(scope="module", params=["ed25519", "rsa"])
def signer(request: pytest.FixtureRequest) -> FileKey:
    return ED25519 if request.param == "ed25519" else FileKey(private=rsa.generate_private_key(65537, 3072))


def sshsig_accepts(armored: str, signer: FileKey) -> bool:
    allowed = others.PublicKey.from_openssh_str(signer.public.text)
    try:
        others.verify(_MESSAGE, armored, [allowed], _NAMESPACE)
    except (others.InvalidSignature, InvalidSignature, NotImplementedError, AssertionError, ValueError):
        return False
    return True


def test_another_reader_of_sshsig_accepts_what_we_accept(signer: FileKey) -> None:
    armored = signer.sign(_MESSAGE, _NAMESPACE)
    assert verify(armored, _MESSAGE, _NAMESPACE).key == signer.public
    assert sshsig_accepts(armored, signer)


def test_another_reader_of_sshsig_refuses_nearly_all_changes_and_we_refuse_each(signer: FileKey) -> None:
    good = bytes_of(signer.sign(_MESSAGE, _NAMESPACE))
    changed = [*_changes(good, 200)]
    for blob in changed:
        with pytest.raises(BadSignature):
            verify(text_of(blob), _MESSAGE, _NAMESPACE)
    # It looks for no bytes behind the signature, and passes over high bits of some lengths.
    within = [blob for blob in changed if not blob.startswith(good)]
    assert sum(sshsig_accepts(text_of(blob), signer) for blob in within) < len(within) / 20
