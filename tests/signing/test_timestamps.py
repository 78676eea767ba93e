"""A time-stamp is kept only when it is of this message, for this question, by an authority that the roots vouch for."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import decode_timestamp_response
from support.products.authority import Authority, key_and_root, openssl, serving

from service.outbound.guarded import Unreachable, Unsafe, new_client
from service.signing.timestamps import BadStamp, check, stamp

_MESSAGE = b"rootquorum.example/log\n4711\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
_TIME_STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    authority = Authority.new(tmp_path)
    with serving(authority):
        yield authority


def stamped(authority: Authority, *roots: x509.Certificate) -> bytes:
    return stamp(new_client(frozenset({"127.0.0.1"})), authority.url, _MESSAGE, roots or [authority.root])


def test_openssl_checks_what_is_kept_without_the_service(authority: Authority) -> None:
    files = {"stamp": stamped(authority), "message": _MESSAGE}
    for name, content in files.items():
        (authority.folder / name).write_bytes(content)
    where = authority.folder
    said = openssl("ts", "-verify", "-in", where / "stamp", "-data", where / "message", "-CAfile", where / "root.pem")
    assert b"Verification: OK" in said


def test_the_authority_sees_the_hash_only_and_every_question_is_another(authority: Authority) -> None:
    for _ in range(2):
        stamped(authority)
    (kind, first), (_, second) = authority.asked
    assert kind == "application/timestamp-query"
    assert first != second
    assert _MESSAGE not in first


def test_a_stamp_of_another_message_is_none_of_this_one(authority: Authority) -> None:
    here, there = (sha256(message).digest() for message in (_MESSAGE, b"another"))
    authority.answer = lambda question: authority.granted(question.replace(here, there))
    with pytest.raises(BadStamp):
        stamped(authority)


def test_an_answer_to_another_question_is_not_kept(authority: Authority) -> None:
    earlier = stamped(authority)
    authority.answer = lambda _: earlier
    with pytest.raises(BadStamp):
        stamped(authority)


def test_a_stamp_without_a_nonce_is_not_kept(authority: Authority) -> None:
    (authority.folder / "message").write_bytes(_MESSAGE)
    question = openssl("ts", "-query", "-data", authority.folder / "message", "-sha256", "-no_nonce", "-cert")
    authority.answer = lambda _: authority.granted(question)
    with pytest.raises(BadStamp):
        stamped(authority)


def test_a_stamp_that_was_kept_is_checked_without_the_question(authority: Authority) -> None:
    kept = stamped(authority)
    check(kept, _MESSAGE, [authority.root])
    (_, other) = key_and_root("another")
    for message, root in ((b"another", authority.root), (_MESSAGE, other)):
        with pytest.raises(BadStamp):
            check(kept, message, [root])


def test_an_authority_under_another_root_is_none(authority: Authority) -> None:
    (_, namesake), (_, other) = key_and_root("root"), key_and_root("another")
    for root in (namesake, other):
        with pytest.raises(BadStamp):
            stamped(authority, root)
    assert stamped(authority, other, authority.root)


def test_what_the_authority_refuses_is_no_stamp(authority: Authority) -> None:
    authority.digests = "sha512"
    with pytest.raises(BadStamp, match="not granted"):
        stamped(authority)


def test_without_a_root_nothing_is_checked(authority: Authority) -> None:
    with pytest.raises(ValueError, match="at least one root"):
        stamp(new_client(frozenset({"127.0.0.1"})), authority.url, _MESSAGE, [])


@pytest.mark.parametrize("status", ["3003020102", "3003020100", "3003020101"])
def test_a_status_alone_is_no_stamp(authority: Authority, status: str) -> None:
    authority.answer = lambda _: b"\x30\x05" + bytes.fromhex(status)
    with pytest.raises(BadStamp):
        stamped(authority)


def test_granted_with_changes_is_not_granted(authority: Authority) -> None:
    def with_changes(question: bytes) -> bytes:
        granted = authority.granted(question)
        assert granted.count(bytes.fromhex("3003020100")) == 1
        return granted.replace(bytes.fromhex("3003020100"), bytes.fromhex("3003020101"))

    authority.answer = with_changes
    with pytest.raises(BadStamp, match="not granted"):
        stamped(authority)


def test_an_authority_whose_certificate_has_expired_stamps_nothing(authority: Authority) -> None:
    authority.sign_in("tsa", _TIME_STAMPING, until=-timedelta(hours=1))
    with pytest.raises(BadStamp):
        stamped(authority)


def test_the_way_these_tests_sign_is_one_that_is_accepted(authority: Authority) -> None:
    authority.answer = lambda question: authority.signed_by("tsa", question)
    assert stamped(authority)


def test_a_certificate_of_the_root_for_something_else_stamps_nothing(authority: Authority) -> None:
    authority.sign_in("web", _SERVER)
    authority.answer = lambda question: authority.signed_by("web", question)
    with pytest.raises(BadStamp):
        stamped(authority)


def test_a_forged_certificate_lends_its_usage_to_no_other(authority: Authority) -> None:
    authority.sign_in("web", _SERVER)
    authority.answer = lambda question: authority.signed_by(
        "web", question, "-certfile", authority.forged_beside("web")
    )
    for _ in range(20):
        with pytest.raises(BadStamp):
            stamped(authority)


def test_a_stamp_of_a_weaker_or_another_hash_is_not_kept(authority: Authority) -> None:
    authority.digests = "sha512"
    (authority.folder / "message").write_bytes(_MESSAGE)
    question = openssl("ts", "-query", "-data", authority.folder / "message", "-sha512", "-cert")
    authority.answer = lambda _: authority.granted(question)
    with pytest.raises(BadStamp, match="SHA-256"):
        stamped(authority)


@pytest.mark.parametrize("garbage", [b"", b"\x30", b"<html>", b"\x30\x80" * 1000])
def test_garbage_is_no_stamp(authority: Authority, garbage: bytes) -> None:
    authority.answer = lambda _: garbage
    with pytest.raises(BadStamp):
        stamped(authority)


def test_a_stamp_with_something_behind_it_is_none(authority: Authority) -> None:
    authority.answer = lambda question: authority.granted(question) + b"x"
    with pytest.raises(BadStamp):
        stamped(authority)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, x509.Certificate]:
    authority = Authority.new(tmp_path_factory.mktemp("authority"))
    with serving(authority):
        return stamped(authority), authority.root


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(at=st.integers(min_value=0), byte=st.integers(0, 255))
def test_whatever_byte_is_changed_is_refused_or_changes_nothing(
    good: tuple[bytes, x509.Certificate], at: int, byte: int
) -> None:
    kept, root = good
    known, changed = decode_timestamp_response(kept).tst_info, bytearray(kept)
    changed[at % len(kept)] = byte
    with suppress(BadStamp):
        check(bytes(changed), _MESSAGE, [root], known.nonce)
        assert decode_timestamp_response(bytes(changed)).tst_info.gen_time == known.gen_time


@pytest.mark.parametrize("status", [204, 302, 307, 404, 500])
def test_any_other_status_is_no_answer_and_no_redirect_is_followed(authority: Authority, status: int) -> None:
    authority.status, authority.headers = status, {"Location": authority.url}
    with pytest.raises(Unreachable, match=str(status)):
        stamped(authority)
    assert len(authority.asked) == 1


def test_an_oversized_answer_is_not_read_to_its_end(authority: Authority) -> None:
    authority.answer = lambda question: authority.granted(question) + b"x" * 1024 * 1024
    with pytest.raises(Unreachable, match="too long"):
        stamped(authority)


def test_an_authority_inside_the_network_is_not_asked(authority: Authority) -> None:
    with pytest.raises(Unsafe):
        stamp(new_client(frozenset()), authority.url, _MESSAGE, [authority.root])
    assert authority.asked == []
