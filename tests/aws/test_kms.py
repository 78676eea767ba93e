"""What AWS KMS signs is handed out when the public key of the settings verifies it, and only then."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.config import Config
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.house import House
from support.kms import KEY_ARN, REGION, Kms, refusing, running_kms
from werkzeug.wrappers import Response

from service.app import compose
from service.aws.calls import REPEATABLE
from service.aws.kms import LARGEST_MESSAGE_BYTES, KmsSigner, public_key_of
from service.aws.sources import FixedSource, ProfileSource, Source
from service.domain.checkpoint import VerifierKey
from service.domain.errors import Unavailable
from service.settings import load

_ORIGIN = "rootquorum.example/log"
_MESSAGE = f"{_ORIGIN}\n4711\n".encode()
_WITHOUT_AWS = """
[aws]
simulated = true
[policy]
decision_requires_auth_time = false
[accounts.111122223333]
name = "production"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""

pytestmark = pytest.mark.usefixtures("no_back_off")


@pytest.fixture
def kms() -> Iterator[Kms]:
    with running_kms() as kms:
        yield kms


def key_of(kms: Kms, source: Source | None = None) -> KmsSigner:
    known = VerifierKey(_ORIGIN, kms.key.public_key().public_bytes_raw())
    return KmsSigner(str(known), KEY_ARN, source or kms.source, REGION)


def test_a_signature_is_one_of_plain_ed25519_by_the_public_key(kms: Kms) -> None:
    key = key_of(kms)
    signature, public = key.sign(_MESSAGE), public_key_of(KEY_ARN, kms.source, REGION)
    assert (len(signature), public) == (64, kms.key.public_key().public_bytes_raw())
    Ed25519PublicKey.from_public_bytes(public).verify(signature, _MESSAGE)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"another")
    assert kms.calls == ["Sign", "GetPublicKey"]


def test_the_longest_message_is_signed_and_none_beyond_leaves_the_process(kms: Kms) -> None:
    key = key_of(kms)
    key.sign(b"x" * LARGEST_MESSAGE_BYTES)
    for message in (b"", b"x" * (LARGEST_MESSAGE_BYTES + 1)):
        with pytest.raises(ValueError, match="1 to 4096"):
            key.sign(message)
    assert kms.calls == ["Sign"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("AccessDeniedException", "AWS denied the call"),
        ("DisabledException", "is disabled"),
        ("NotFoundException", "knows no such key"),
        ("KMSInvalidStateException", "not ready for use"),
        ("ThrottlingException", "throttled"),
        ("KeyUnavailableException", "KeyUnavailable"),
    ],
)
def test_a_refusal_says_why_and_quotes_nothing(kms: Kms, code: str, says: str) -> None:
    key = key_of(kms)
    kms.fail(refusing(code))
    with pytest.raises(Unavailable, match=says) as unread:
        public_key_of(KEY_ARN, kms.source, REGION)
    with pytest.raises(Unavailable, match=f"Nothing was signed.*{says}") as unsigned:
        key.sign(_MESSAGE)
    assert "arn:" not in f"{unread.value}{unsigned.value}"


def test_a_failure_is_not_remembered(kms: Kms) -> None:
    key = key_of(kms)
    kms.fail(refusing("DisabledException"))
    with pytest.raises(Unavailable):
        key.sign(_MESSAGE)
    kms.faults = 0
    assert key.sign(_MESSAGE)


@pytest.mark.parametrize("answer", [refusing("ThrottlingException"), refusing("KMSInternalException", 500)])
def test_what_passes_is_tried_again_as_often_as_any_call(kms: Kms, answer: object) -> None:
    key = key_of(kms)
    kms.fail(answer, times=2)  # type: ignore[arg-type]  # parametrize knows no types
    assert key.sign(_MESSAGE)
    kms.calls.clear()
    kms.fail(answer)  # type: ignore[arg-type]  # as above
    with pytest.raises(Unavailable):
        key.sign(_MESSAGE)
    assert kms.calls == ["Sign"] * 3


def test_a_signature_whose_answer_was_lost_is_made_again_the_same(kms: Kms) -> None:
    key = key_of(kms)
    first = key.sign(_MESSAGE)
    kms.fail(lambda _: None, times=1)
    assert key.sign(_MESSAGE) == first
    kms.fail(lambda _: None)
    with pytest.raises(Unavailable, match="No answer"):
        key.sign(_MESSAGE)


def test_a_kms_that_hangs_is_waited_for_no_longer_than_the_calls_say(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    key, go_on = key_of(kms), threading.Event()
    monkeypatch.setattr("service.aws.signer.REPEATABLE", REPEATABLE.merge(Config(read_timeout=0.2)))

    def hang(_: str) -> None:
        assert go_on.wait(30)

    kms.fail(hang)
    with pytest.raises(Unavailable, match="ReadTimeoutError"):
        key.sign(_MESSAGE)
    go_on.set()
    assert kms.calls.count("Sign") == 3


def test_a_kms_that_is_not_there_is_unavailable(kms: Kms) -> None:
    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        key_of(kms, FixedSource("AKIAEXAMPLE000000001", "s" * 40, "http://127.0.0.1:1")).sign(_MESSAGE)


def test_a_program_for_the_credential_that_fails_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile log]\ncredential_process = false\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(Unavailable, match=r"public key cannot be read"):
        public_key_of(KEY_ARN, ProfileSource("log"), REGION)


def test_without_a_profile_the_environment_signs(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = kms.source
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credential._access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credential._secret_access_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms.url)
    assert key_of(kms, ProfileSource(None)).sign(_MESSAGE)


def test_the_service_asks_once_for_a_head_however_often_it_is_read(
    kms: Kms, sqlite_house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", kms.source._access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", kms.source._secret_access_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms.url)
    file = tmp_path / "rootquorum.toml"
    file.write_text(
        f'[audit]\norigin = "{_ORIGIN}"\n[audit.keys.kms]\nkms_key = "{KEY_ARN}"\n'
        f'region = "{REGION}"\nverifier_key = "{key_of(kms).verifier_key}"\n{_WITHOUT_AWS}'
    )
    with compose(load(file), with_aws=False) as composed:
        sqlite_house.change(log=composed.log)
    request = sqlite_house.file()
    paths = ["audit/checkpoint", f"requests/{request.filing.request_id}/evidence"]

    def read() -> None:
        for path in paths * 2:
            assert sqlite_house.client("alice").get(f"/v1/{path}").status_code == 200

    read()
    assert kms.calls == ["Sign"]
    sqlite_house.approve(request, "bob")
    read()
    assert kms.calls == ["Sign", "Sign"]


def test_another_kind_of_key_is_refused_by_its_spec(kms: Kms) -> None:
    kms.answers["KeySpec"] = "ECC_NIST_P256"
    with pytest.raises(Unavailable, match="ECC_NIST_EDWARDS25519"):
        public_key_of(KEY_ARN, kms.source, REGION)


def test_a_public_key_of_another_kind_than_its_spec_is_refused(kms: Kms) -> None:
    der = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kms.answers["PublicKey"] = b64encode(der).decode()
    with pytest.raises(Unavailable, match="no Ed25519 key"):
        public_key_of(KEY_ARN, kms.source, REGION)


@pytest.mark.parametrize("garbage", ["", "AAAA", "not base64!", 7, None])
def test_a_public_key_that_is_garbage_is_refused(kms: Kms, garbage: object) -> None:
    kms.answers["PublicKey"] = garbage
    with pytest.raises(Unavailable, match="public key cannot be read"):
        public_key_of(KEY_ARN, kms.source, REGION)


@pytest.mark.parametrize("garbage", ["", b64encode(b"x" * 64).decode(), b64encode(b"x" * 63).decode(), 7, None])
def test_a_signature_that_does_not_verify_is_not_handed_out(kms: Kms, garbage: object) -> None:
    kms.answers["Signature"] = garbage
    with pytest.raises(Unavailable, match="Nothing was signed"):
        key_of(kms).sign(_MESSAGE)


def test_another_key_than_that_of_the_settings_signs_nothing(kms: Kms) -> None:
    key = key_of(kms)
    kms.key = Ed25519PrivateKey.generate()
    with pytest.raises(Unavailable, match="the settings name"):
        key.sign(_MESSAGE)


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", ""])
def test_whatever_else_answers_is_no_kms(kms: Kms, body: str) -> None:
    kms.fail(lambda _: Response(body))
    with pytest.raises(Unavailable):
        key_of(kms).sign(_MESSAGE)
