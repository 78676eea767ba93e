"""What can be sealed to, that only its holder opens it, and what is refused because anybody could."""

import base64
import subprocess
from pathlib import Path

import pytest
from pyrage import x25519
from support.products import debian, openssh

from service.domain.sealed import fingerprint
from service.sealing import NotARecipient, recipient, seal
from service.signing.wire import mpint, string

SECRET = b'{"secret_access_key": "canary"}'
A_RECIPIENT = "age1r570d0f0qp2ufdhmlt5qz7np0tfk45ywutgcs4mak5zx4qp4n5nqzgqgpu"


def _encoded(kind: bytes, *parts: bytes) -> str:
    return f"{kind.decode()} {base64.b64encode(string(kind) + b''.join(parts)).decode()}"


def _ed25519(y: int) -> str:
    return _encoded(b"ssh-ed25519", string(y.to_bytes(32, "little")))


def _rsa(bits: int, *, exponent: int = 65537) -> str:
    return _encoded(b"ssh-rsa", mpint(exponent), mpint(1 << (bits - 1) | 1))


@pytest.mark.skipif(debian.find("age") is None, reason="there is no age on this machine: make age, as root")
@pytest.mark.parametrize(("kind", "options"), [("ed25519", ()), ("rsa", ("-b", "2048"))])
def test_age_opens_what_is_sealed_to_an_ssh_key(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    key = openssh.generate(tmp_path, kind, *options)
    assert _opened_by_age(key, seal(recipient(key.with_name(f"{key.name}.pub").read_text()), SECRET)) == SECRET


@pytest.mark.skipif(debian.find("age") is None, reason="there is no age on this machine: make age, as root")
def test_age_opens_what_is_sealed_to_its_own_recipient(tmp_path: Path) -> None:
    identity = x25519.Identity.generate()
    file = tmp_path / "identity"
    file.write_text(f"{identity}\n")
    assert _opened_by_age(file, seal(str(identity.to_public()), SECRET)) == SECRET


def _opened_by_age(identity: Path, sealed: str) -> bytes:
    assert SECRET.decode() not in sealed
    age = debian.find("age")
    assert age is not None
    return subprocess.run(
        [age, "--decrypt", "-i", identity], input=sealed.encode(), capture_output=True, check=True
    ).stdout


def test_the_same_content_is_sealed_to_another_text_each_time() -> None:
    assert seal(A_RECIPIENT, SECRET) != seal(A_RECIPIENT, SECRET)


def test_the_comment_of_an_ssh_key_is_left_out(tmp_path: Path) -> None:
    line = openssh.generate(tmp_path, "ed25519").with_suffix(".pub").read_text()
    assert recipient(line) == " ".join(line.split()[:2])


def test_a_fingerprint_is_what_openssh_prints(tmp_path: Path) -> None:
    key = recipient(openssh.generate(tmp_path, "ed25519").with_suffix(".pub").read_text())
    assert fingerprint(key) == openssh.fingerprint(key)
    assert fingerprint(A_RECIPIENT) == A_RECIPIENT


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19], ids=str)
def test_an_ssh_key_that_anybody_could_open_for_is_refused(y: int) -> None:
    with pytest.raises(NotARecipient):
        recipient(_ed25519(y))


@pytest.mark.parametrize(
    "point", [bytes(32), b"\1" + bytes(31), (2**255 - 19).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little")]
)
def test_an_age_recipient_that_anybody_could_open_for_is_refused(point: bytes) -> None:
    with pytest.raises(NotARecipient, match="anybody could open"):
        recipient(_age(point))


def test_an_age_recipient_has_one_form() -> None:
    assert recipient(_age(b"\x09" + bytes(31))) == _age(b"\x09" + bytes(31))
    for other in (_age(b"\x09" + bytes(31), padding=3), A_RECIPIENT.upper()):
        with pytest.raises(NotARecipient):
            recipient(other)


@pytest.mark.parametrize(("bits", "why"), [(1024, "2048 bits"), (2047, "2048 bits"), (4097, "too long")])
def test_an_rsa_key_of_a_length_that_is_weak_or_that_age_does_not_take_is_refused(bits: int, why: str) -> None:
    with pytest.raises(NotARecipient, match=why):
        recipient(_rsa(bits))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        A_RECIPIENT[:-1],
        f"{A_RECIPIENT[:-1]}q",
        f"{A_RECIPIENT} {A_RECIPIENT}",
        "age1yubikey1qwerty",
        "AGE-SECRET-KEY-1QQQQ",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        _ed25519(2),  # not on the curve
        _ed25519(9)[:-4],
        _rsa(2048, exponent=3),
        _encoded(b"ecdsa-sha2-nistp256", string(b"nistp256"), string(b"\4" + bytes(64))),
        _encoded(b"sk-ssh-ed25519@openssh.com", string((9).to_bytes(32, "little")), string(b"ssh:")),
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "\N{CYRILLIC SMALL LETTER A}ge1qqqq",
        "age1" + "q" * 10_000,
    ],
)
def test_what_is_no_recipient_is_refused_and_never_quoted(text: str) -> None:
    with pytest.raises(NotARecipient) as refused:
        recipient(text)
    assert not text or len(text) < 6 or text not in str(refused.value)


def _age(point: bytes, *, padding: int = 0) -> str:
    """Write an age recipient in Bech32 (BIP 173) of any 32 bytes."""
    letters, number = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", int.from_bytes(point, "big") << 4 | padding
    words = [number >> 5 * (51 - at) & 31 for at in range(52)]
    checksum = 1
    for word in [*(ord(each) >> 5 for each in "age"), 0, *(ord(each) & 31 for each in "age"), *words, *[0] * 6]:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ word
        for at, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> at & 1 else 0
    words += [(checksum ^ 1) >> 5 * (5 - at) & 31 for at in range(6)]
    return "age1" + "".join(letters[word] for word in words)
