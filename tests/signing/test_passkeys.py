"""A browser's assertion becomes a signature of OpenSSH, and no page but ours gets one that counts."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support.signers import (
    ATTESTED,
    ECDSA,
    EXTENDED,
    ORIGIN,
    PASSKEY,
    PRESENT,
    RP_ID,
    SK_ED25519,
    VERIFIED,
    Passkey,
    bytes_of,
    text_of,
)

from service.signing.client_data import base64url, read_site
from service.signing.demands import Demands, faults
from service.signing.faults import BadSignature, Fault
from service.signing.passkeys import BrowserAssertion, pack
from service.signing.sshsig import Signed, to_be_signed, verify

_MESSAGE, _NAMESPACE = b"a statement", "decision@rootquorum"
_CHALLENGE = to_be_signed(_MESSAGE, _NAMESPACE)
_DEMANDS = Demands(origins=frozenset({ORIGIN}), rp_id=RP_ID)
_GOOD = PASSKEY.answer(_CHALLENGE)


def packed_fault(assertion: BrowserAssertion, passkey: Passkey = PASSKEY) -> Fault:
    with pytest.raises(BadSignature) as refusal:
        pack(assertion, passkey.public, _NAMESPACE)
    return refusal.value.fault


def of_client_data(client_data: bytes, passkey: Passkey = PASSKEY) -> Signed:
    """Verify an assertion of a real passkey over whatever a browser might say."""
    armored = pack(passkey.answer(_CHALLENGE, client_data), passkey.public, _NAMESPACE)
    return verify(armored, _MESSAGE, _NAMESPACE)


def the_fault(client_data: bytes) -> Fault:
    with pytest.raises(BadSignature) as refusal:
        of_client_data(client_data)
    return refusal.value.fault


def test_an_assertion_is_packed_and_verified() -> None:
    signed = verify(pack(_GOOD, PASSKEY.public, _NAMESPACE), _MESSAGE, _NAMESPACE)
    assert signed.key == PASSKEY.public
    assert faults(signed, _DEMANDS) == ()


def test_an_assertion_with_extensions_is_packed_and_verified() -> None:
    extended = replace(PASSKEY, flags=PRESENT | VERIFIED | EXTENDED, extensions=b"\xa1\x61\x61\x01")
    signed = verify(extended.sign(_MESSAGE, _NAMESPACE), _MESSAGE, _NAMESPACE)
    assert faults(signed, _DEMANDS) == ()


@pytest.mark.parametrize(
    "flags_and_extensions", [(ATTESTED, b""), (EXTENDED, b""), (0, b"\xa0"), (ATTESTED | EXTENDED, b"\xa0")]
)
def test_flags_that_contradict_what_is_there_are_refused(flags_and_extensions: tuple[int, bytes]) -> None:
    flags, extensions = flags_and_extensions
    odd = replace(PASSKEY, flags=PRESENT | VERIFIED | flags, extensions=extensions)
    assert packed_fault(odd.answer(_CHALLENGE), odd) is Fault.MALFORMED
    with pytest.raises(BadSignature) as refusal:
        verify(odd.sign_blindly(_MESSAGE, _NAMESPACE), _MESSAGE, _NAMESPACE)
    assert refusal.value.fault is Fault.MALFORMED


def test_an_assertion_for_another_relying_party_is_not_packed() -> None:
    elsewhere = replace(PASSKEY, rp_id="example.com")
    assert packed_fault(elsewhere.answer(_CHALLENGE)) is Fault.WRONG_SITE


@pytest.mark.parametrize("length", [0, 31, 36])
def test_authenticator_data_that_is_too_short_is_refused(length: int) -> None:
    short = replace(_GOOD, authenticator_data=_GOOD.authenticator_data[:length])
    assert packed_fault(short) is Fault.MALFORMED


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\x30",
        _GOOD.signature + b"\0",
        _GOOD.signature[:-1],
        encode_dss_signature(0, 1),
        bytes.fromhex("30060201010201ff"),
    ],
)
def test_a_signature_that_is_no_der_of_two_positive_numbers_is_refused(signature: bytes) -> None:
    assert packed_fault(replace(_GOOD, signature=signature)) is Fault.MALFORMED


def test_only_a_passkey_for_es256_is_packed() -> None:
    for other in (ECDSA, SK_ED25519):
        with pytest.raises(BadSignature) as refusal:
            pack(_GOOD, other.public, _NAMESPACE)
        assert refusal.value.fault is Fault.UNSUPPORTED_KEY


# --- what the browser says ---


def client_data(**members: Any) -> bytes:
    said = {"type": "webauthn.get", "challenge": base64url(_CHALLENGE), "origin": ORIGIN, "crossOrigin": False}
    return json.dumps(said | members, separators=(",", ":")).encode()


@pytest.mark.parametrize("more", [{}, {"crossOrigin": False}, {"other_keys_can_be_added_here": "do not compare"}])
def test_a_browser_may_say_more(more: dict[str, Any]) -> None:
    assert faults(of_client_data(client_data(**more)), _DEMANDS) == ()
    without = client_data().replace(b',"crossOrigin":false', b"")
    assert faults(of_client_data(without), _DEMANDS) == ()


@pytest.mark.parametrize("value", [True, None, 0, 1, "", "false", [], {}])
def test_a_page_inside_another_is_the_wrong_site(value: object) -> None:
    assert faults(of_client_data(client_data(crossOrigin=value)), _DEMANDS) == (Fault.WRONG_SITE,)


@pytest.mark.parametrize("value", ["https://evil.example", ORIGIN, None])
def test_a_page_with_another_at_the_top_is_the_wrong_site(value: object) -> None:
    assert faults(of_client_data(client_data(topOrigin=value)), _DEMANDS) == (Fault.WRONG_SITE,)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://rootquorum.example.com",
        f"{ORIGIN}:8443",
        f"{ORIGIN}/",
        f"{ORIGIN}.evil.example",
        "https://sub.rootquorum.example.com",
        ORIGIN.upper(),
        "android:apk-key-hash:abc",
        "",
    ],
)
def test_another_origin_is_the_wrong_site(origin: str) -> None:
    assert faults(of_client_data(client_data(origin=origin)), _DEMANDS) == (Fault.WRONG_SITE,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"webauthn.get", b"webauthn.create"),
        (b"webauthn.get", b"payment.get"),
        (b'{"type"', b'{ "type"'),
        (b'{"type"', b'{"x":1,"type"'),
        (b'"challenge":"', b'"challenge":"A'),
        (b'","origin"', b'=","origin"'),
        (b"U1NIU0lH", b"U1NIU0lI"),
    ],
)
def test_a_word_on_another_challenge_or_in_another_order_is_no_signature_of_ours(old: bytes, new: bytes) -> None:
    assert the_fault(client_data().replace(old, new)) is Fault.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "broken",
    [
        client_data() + b" x",
        client_data()[:-1],
        client_data().replace(b"}", b',"origin":"https://evil.example"}'),
        client_data().replace(b"}", b',"crossOrigin":false}'),
        client_data().replace(b"false", b"NaN"),
        client_data().replace(b"false", b"[" * 8000 + b"]" * 8000),
        client_data().replace(b"false", b"1" * 5000),
        client_data().replace(b"false", b'"\xff"'),
        client_data(origin='https://"'),
        client_data(origin="https://\\"),
        client_data(origin="https://ä.example"),
        client_data(origin=7),
        b"\xef\xbb\xbf" + client_data(),
        client_data().decode().encode("utf-16"),
        b"[]",
        b"",
    ],
)
def test_a_word_that_readers_could_read_differently_is_refused(broken: bytes) -> None:
    with pytest.raises(BadSignature) as refusal:
        read_site(broken)
    assert refusal.value.fault is Fault.MALFORMED
    assert packed_fault(PASSKEY.answer(_CHALLENGE, broken)) is Fault.MALFORMED


def test_the_packed_origin_is_not_believed_but_compared() -> None:
    evil = pack(PASSKEY.answer(_CHALLENGE, client_data(origin="https://evil.example")), PASSKEY.public, _NAMESPACE)
    forged = text_of(bytes_of(evil).replace(b"https://evil.example", b"https://good.example", 1))
    with pytest.raises(BadSignature) as refusal:
        verify(forged, _MESSAGE, _NAMESPACE)
    assert refusal.value.fault is Fault.WRONG_SIGNATURE
