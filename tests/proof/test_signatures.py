"""The desk reads, makes and verifies signatures and statements as the service does, and as `conformance/` says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from proof.in_node import Proofs, Refused
from support.signers import (
    ECDSA,
    ED25519,
    PASSKEY,
    SK_ECDSA,
    SK_ED25519,
    FileKey,
    Passkey,
    bytes_of,
    ed25519_of,
    text_of,
)
from support.vectors.common import FOLDER

from service import verifier
from service.domain import statement
from service.domain.canonical import canonical
from service.domain.request import Verdict
from service.signing import sshsig
from service.signing.faults import BadSignature
from service.signing.passkeys import pack
from service.signing.public_keys import from_passkey, parse_public_key

_MESSAGE, _NAMESPACE = b'{"type":"rootquorum-decision/1"}', "decision@rootquorum"


def _read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


_STATEMENTS, _SIGNATURES = _read("statements"), [*_read("signatures"), *_read("recorded")]


def _named(cases: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def _faults(proofs: Proofs, case: dict[str, Any], signature: str) -> list[str]:
    try:
        signed = proofs.call("sshsig", "verify", signature, case["message"].encode(), case["namespace"])
    except Refused as refused:
        return [str(refused)]
    return list(proofs.call("demanded", "unmet", signed, case["demands"]))


def _faults_of_the_verifier(case: dict[str, Any], signature: str) -> list[str]:
    demands = verifier.Demands(**{**case["demands"], "origins": frozenset(case["demands"]["origins"])})
    try:
        key, assertion = verifier.verify_signature(signature, case["message"].encode(), case["namespace"])
    except verifier.Bad as bad:
        return [bad.fault]
    return verifier.unmet(key, assertion, demands)


@_named(_SIGNATURES)
def test_a_signature_has_the_faults_that_its_vector_says(proofs: Proofs, case: dict[str, Any]) -> None:
    assert _faults(proofs, case, case["signature"]) == case["faults"]


@_named([each for each in _read("signatures") if not each["faults"]])
def test_changed_signatures_are_judged_as_by_the_verifier(proofs: Proofs, case: dict[str, Any]) -> None:
    blob = bytes_of(case["signature"])
    for at in range(len(blob)):
        changed = text_of(blob[:at] + bytes([blob[at] ^ 1 << at % 8]) + blob[at + 1 :])
        assert _faults(proofs, case, changed) == _faults_of_the_verifier(case, changed), at
    for cut in range(0, len(blob), 7):
        assert _faults(proofs, case, text_of(blob[:cut])) == ["malformed"]
    text = case["signature"]
    for at in range(0, len(text), 5):
        for changed in (text[:at] + text[at + 1 :], f"{text[:at]}\n{text[at:]}", f"{text[:at]}={text[at:]}"):
            assert _faults(proofs, case, changed) == _faults_of_the_verifier(case, changed), at


@pytest.mark.parametrize("signer", [ED25519, ECDSA, SK_ED25519, SK_ECDSA, PASSKEY], ids=lambda each: each.public.kind)
def test_a_key_has_the_fingerprint_and_the_words_of_the_service(proofs: Proofs, signer: Any) -> None:
    key = proofs.call("keys", "parsePublicKey", signer.public.text)
    assert key["text"] == signer.public.text
    assert key["application"] == signer.public.application
    assert proofs.call("keys", "fingerprint", key) == signer.public.fingerprint
    assert proofs.call("keys", "spokenWords", key) == list(signer.public.words)


@given(data=st.binary(min_size=32, max_size=32), bits=st.lists(st.integers(0, 8 * 51 - 1), max_size=3))
def test_any_key_is_a_key_for_both_or_for_neither(proofs: Proofs, data: bytes, bits: list[int]) -> None:
    for private in (
        FileKey(private=ed25519_of(data)),
        FileKey(private=ec.derive_private_key(int.from_bytes(data, "big") + 1, ec.SECP256R1())),
    ):
        blob = bytearray(private.public.blob)
        for bit in bits:
            blob[bit // 8] ^= 1 << bit % 8
        _same_key(proofs, bytes(blob))


_SMALL_ORDER = (0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 2**255 - 1, verifier._Y8, verifier._P - verifier._Y8)


@pytest.mark.parametrize("y", [*_SMALL_ORDER, *(each | 1 << 255 for each in _SMALL_ORDER)])
def test_points_of_small_order_are_weak(proofs: Proofs, y: int) -> None:
    kind = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
    _same_key(proofs, kind + y.to_bytes(32, "little"))


def _same_key(proofs: Proofs, blob: bytes) -> None:
    try:
        expected, fault = verifier._public_key(blob).text, None
    except verifier.Bad as bad:
        expected, fault = None, bad.fault
    assert proofs.fault("keys", "fromBlob", blob) == fault
    if fault is None:
        assert proofs.call("keys", "fromBlob", blob)["text"] == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text + " me",
        str.upper,
        lambda text: text.replace(" ", ""),
        lambda text: "ssh-rsa " + text.split()[1],
        lambda text: text + "=",
        lambda text: text.replace(" ", "  "),
        lambda _: "",
    ],
)
def test_a_public_key_has_one_form(proofs: Proofs, change: Any) -> None:
    text = change(ED25519.public.text)
    with pytest.raises(BadSignature) as refusal:
        parse_public_key(text)
    assert proofs.fault("keys", "parsePublicKey", text) == refusal.value.fault


@settings(max_examples=50)
@given(
    seed=st.integers(1, 2**256 - 2**225),
    counter=st.integers(0, 2**32 - 1),
    flags=st.sampled_from([0x00, 0x01, 0x05, 0x1D]),
    message=st.binary(max_size=200),
    members=st.sampled_from(
        [
            (("crossOrigin", False),),
            (),
            (("crossOrigin", True),),
            (("crossOrigin", None),),
            (("topOrigin", "x"),),
            (("n", 1.5), ("é", [{}])),
        ]
    ),
    extensions=st.sampled_from([b"", b"\xa1\x61\x61\x01"]),
)
def test_an_assertion_is_packed_as_the_service_packs_it(
    proofs: Proofs, *, seed: int, counter: int, flags: int, message: bytes, members: Any, extensions: bytes
) -> None:
    passkey = Passkey(
        private=ec.derive_private_key(seed, ec.SECP256R1()),
        counter=counter,
        flags=flags | (0x80 if extensions else 0),
        extensions=extensions,
        members=members,
    )
    challenge = proofs.call("sshsig", "toBeSigned", message, _NAMESPACE)
    assert challenge == sshsig.to_be_signed(message, _NAMESPACE)
    answer = passkey.answer(challenge)
    key = proofs.call("keys", "fromPasskey", passkey.spki, passkey.rp_id)
    assert key["text"] == passkey.public.text
    packed = proofs.call("sshsig", "pack", _assertion(answer), key, _NAMESPACE)
    assert packed == pack(answer, passkey.public, _NAMESPACE)
    case = {
        "message": message.decode("latin-1"),
        "namespace": _NAMESPACE,
        "demands": {
            "rp_id": passkey.rp_id,
            "origins": [passkey.origin],
            "user_verified": True,
            "only_hardware": False,
            "only_device_bound": True,
        },
    }
    if message.isascii():
        assert _faults(proofs, case, packed) == _faults_of_the_verifier(case, packed)


def _assertion(answer: Any) -> dict[str, bytes]:
    return {
        "authenticatorData": answer.authenticator_data,
        "clientDataJSON": answer.client_data,
        "signature": answer.signature,
    }


def test_what_cannot_be_packed_is_refused(proofs: Proofs) -> None:
    answer = PASSKEY.answer(sshsig.to_be_signed(_MESSAGE, _NAMESPACE))
    good, key = _assertion(answer), proofs.call("keys", "parsePublicKey", PASSKEY.public.text)

    def fault(of: Any = key, **changed: bytes) -> str | None:
        return proofs.fault("sshsig", "pack", good | changed, of, _NAMESPACE)

    assert fault() is None
    assert fault(proofs.call("keys", "parsePublicKey", ED25519.public.text)) == "unsupported-key"
    assert fault(proofs.call("keys", "fromPasskey", PASSKEY.spki, "another.example.com")) == "wrong-site"
    data = answer.authenticator_data
    assert fault(authenticatorData=data[:36]) == "malformed"
    assert fault(authenticatorData=data + b"\xa0") == "malformed"
    assert fault(authenticatorData=data[:32] + bytes([data[32] | 0x40]) + data[33:]) == "malformed"
    assert fault(clientDataJSON=b"{}") == "malformed"
    assert fault(clientDataJSON=b"\xff") == "malformed"
    for signature in (b"", answer.signature[:-1], answer.signature + b"\0", b"\x31" + answer.signature[1:]):
        assert fault(signature=signature) == "malformed"


def test_only_keys_for_es256_are_passkeys(proofs: Proofs) -> None:
    others: list[Any] = [
        ed25519_of(b"x").public_key(),
        ec.derive_private_key(5, ec.SECP384R1()).public_key(),
        ec.derive_private_key(5, ec.SECP256K1()).public_key(),
    ]
    for other in others:
        spki = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(BadSignature) as refusal:
            from_passkey(spki, "example.com")
        assert proofs.fault("keys", "fromPasskey", spki, "example.com") == refusal.value.fault
    assert proofs.fault("keys", "fromPasskey", PASSKEY.spki + b"\0", "example.com") == "malformed"
    assert proofs.fault("keys", "fromPasskey", PASSKEY.spki[:-1] + b"\0", "example.com") == "malformed"
    assert proofs.fault("keys", "fromPasskey", PASSKEY.spki, "") == "malformed"


@_named(_STATEMENTS["bytes"])
def test_bytes_are_a_statement_if_their_vector_says_so(proofs: Proofs, case: dict[str, Any]) -> None:
    data = case["statement"].encode()
    assert proofs.fault("statement", "readStatement", data, case["type"]) == case["fault"]
    if case["fault"] is None:
        assert canonical(proofs.call("statement", "readStatement", data, case["type"])) == data


@_named(_STATEMENTS["agreement"])
def test_a_statement_agrees_with_what_its_vector_says(proofs: Proofs, case: dict[str, Any]) -> None:
    said = proofs.call("statement", "readStatement", case["statement"].encode(), "decision")
    expected = case["expected"] | {
        "had_head": said["log"]["root"] == case["expected"]["head_root"],
        "head_at": case["expected"]["head_at"] and _microseconds(case["expected"]["head_at"]),
        "recorded_at": _microseconds(case["expected"]["recorded_at"]),
    }
    assert proofs.call("demanded", "disagreements", said, expected) == case["faults"]


def _microseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


# Unicode goes on assigning letters. Which are assigned depends on the version of a reader.
_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cn", "Co"], max_codepoint=0x2FFF)
_PEOPLE = st.text(_LETTERS, min_size=1, max_size=8) | st.sampled_from(["", "a" * 1024, "a" * 1025, "\U0001f600" * 1024])
_AT = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)


@given(
    person=_PEOPLE,
    service=st.text(st.characters(max_codepoint=127), min_size=1, max_size=5) | st.just("log.example/rootquorum"),
    size=st.integers(-1, 2**53),
    at=_AT,
    verdict=st.sampled_from(Verdict),
)
def test_statements_are_those_of_the_service(
    proofs: Proofs, *, person: str, service: str, size: int, at: datetime, verdict: Verdict
) -> None:
    root, digest, request_id = "a1" * 32, "0f" * 32, "5f8a3c52-1c6b-4e0f-9d4b-0a1b2c3d4e5f"
    members = {
        "service": service,
        "log": {"size": size, "root": root},
        "at": at.isoformat().removesuffix("+00:00") + "Z",
        "request_id": request_id,
        "digest": digest,
        "decision": verdict.value,
        "person": person,
    }
    try:
        expected = statement.DecisionStatement(
            service=service,
            head=statement.LogHead(size, root),
            at=at,
            request_id=request_id,
            digest=digest,
            verdict=verdict,
            person=person,
        ).bytes()
    except statement.NotAStatement:
        data = json.dumps({"type": "rootquorum-decision/1", **members}, sort_keys=True, separators=(",", ":"))
        assert proofs.fault("statement", "readStatement", data.encode(), "decision") == "not-a-statement"
    else:
        assert proofs.call("statement", "readStatement", expected, "decision")["person"] == person


@pytest.mark.parametrize(
    "at",
    ["2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "2026-13-01T00:00:00Z",
     "2026-11-27T24:00:00Z", "2026-11-27T23:59:60Z", "2026-11-27T10:15:00+00:00", "2026-11-27 10:15:00Z",
     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-27T10:15:00.000000Z", "2026-11-31T10:15:00Z"],
)  # fmt: skip
def test_a_statements_time_is_one_of_the_calendar(proofs: Proofs, at: str) -> None:
    case = json.loads(next(each for each in _STATEMENTS["bytes"] if each["fault"] is None)["statement"])
    data = verifier.canonical(case | {"at": at})
    kind = case["type"].partition("-")[2].partition("/")[0]
    is_real = True
    try:
        verifier.read_statement(data, f"{kind}@rootquorum")
    except verifier.Bad:
        is_real = False
    assert proofs.fault("statement", "readStatement", data, kind) == (None if is_real else "not-a-statement")


@_named(_STATEMENTS["proofs"])
def test_a_signed_statement_proves_what_its_vector_says(proofs: Proofs, case: dict[str, Any]) -> None:
    said = json.loads(case["statement"])
    size = said["log"]["size"]
    kind = "registered" if case["namespace"].startswith("registration") else "endorsed"
    about = {name: said[name] for name in ("person", "key", "endorser") if name in said}
    event = {
        "seq": size + 1,
        "event": f"signing_key.{kind}",
        "data": about | {"statement": case["statement"], "signature": case["signature"]},
    }
    log = {"service": case["service"], "size": size, "root": case["head_root"], "signing": case["demands"]}
    # An endorser has no key that counts here, which no vector is about.
    assert {*proofs.call("calls", "learned", log, event)} - {"by-no-key-that-counts"} == {case["fault"]} - {None}


def test_a_point_whose_coordinate_is_not_reduced_is_malformed(proofs: Proofs) -> None:
    """Else one point of P-256 would have two encodings, and one key two texts."""
    p, b = 2**256 - 2**224 + 2**192 + 2**96 - 1, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x = next(x for x in range(2**64) if pow(x**3 - 3 * x + b, (p - 1) // 2, p) == 1)
    y = pow(x**3 - 3 * x + b, (p + 1) // 4, p)
    for written, fault in ((x, None), (x + p, "malformed")):
        point = b"\4" + written.to_bytes(32, "big") + y.to_bytes(32, "big")
        blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ecdsa-sha2-nistp256", b"nistp256", point))
        assert proofs.fault("keys", "fromBlob", blob) == fault
        _same_key(proofs, blob)
