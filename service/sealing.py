"""Seals text to a recipient's own key, as an armored file of age (age-encryption.org/v1), which only its holder opens.

A recipient is an age recipient of the kind X25519 (`age1…`), or an SSH public key of the kind ssh-ed25519 or ssh-rsa.
Keys for which anybody could open a file are refused. age does not authenticate who sealed a file: whoever knows a
recipient can seal to it.
"""

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyrage import RecipientError, encrypt, ssh, x25519

from service.domain.sealed import AGE
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import KeyKind, parse_public_key

# NIST SP 800-57 part 1, table 2, allows no shorter ones; age takes none above.
_SMALLEST_RSA_BITS, _LARGEST_RSA_BITS = 2048, 4096
_SSH_KINDS = (KeyKind.ED25519, KeyKind.RSA)
_LONGEST = 1024
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CHECKSUM_LETTERS, _POINT_BYTES, _SPARE_BITS = 6, 32, 4

ANYBODYS = "It is no key: anybody could open what is sealed to it."
_UNKNOWN = "It is neither an age recipient (age1…) nor an SSH public key of the kind ssh-ed25519 or ssh-rsa."
_WHY = {
    Fault.WEAK_KEY: f"A recipient's RSA key needs {_SMALLEST_RSA_BITS} bits, and the usual exponent, 65537.",
    Fault.UNSUPPORTED_KEY: _UNKNOWN,
}


class NotARecipient(Exception):
    """Nothing can be sealed to it. The text says why, and never quotes it."""


def recipient(text: str) -> str:
    """Return the recipient in its one form, without the comment of an SSH key. Raise NotARecipient."""
    words = text.split()
    found = " ".join(words[:2]) if words[:1] in [[kind.value] for kind in _SSH_KINDS] else text.strip()
    _read(found)
    return found


def seal(sealed_to: str, content: bytes) -> str:
    """Return the content as an armored file that only the recipient's private key opens. Raise NotARecipient."""
    sealed: bytes = encrypt(content, [_read(sealed_to)], armored=True)
    return sealed.decode()


def _read(text: str) -> x25519.Recipient | ssh.Recipient:
    if len(text) > _LONGEST:
        raise NotARecipient("It is too long.")
    return _age(text) if text.startswith(AGE) else _ssh(text)


def _age(text: str) -> x25519.Recipient:
    try:
        read = x25519.Recipient.from_str(text)
    except RecipientError:
        raise NotARecipient("It is no age recipient of the usual kind, or it is not complete.") from None
    if str(read) != text:  # another form of the same key
        raise NotARecipient("It is not written as age writes it.")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(_point(text)))
    except ValueError:  # a point of small order: anybody knows the shared secret
        raise NotARecipient(ANYBODYS) from None
    return read


def _point(text: str) -> bytes:
    """Return the key of an age recipient that was read: Bech32 (BIP 173), whose checksum is known to be right."""
    number = 0
    for letter in text[len(AGE) : -_CHECKSUM_LETTERS]:
        number = number << 5 | _BECH32.index(letter)
    return (number >> _SPARE_BITS).to_bytes(_POINT_BYTES, "big")


def _ssh(text: str) -> ssh.Recipient:
    try:
        key = parse_public_key(text, smallest_rsa_bits=_SMALLEST_RSA_BITS)
    except BadSignature as error:
        raise NotARecipient(_WHY.get(error.fault, "It is not a whole SSH public key.")) from None
    if key.kind not in _SSH_KINDS:
        raise NotARecipient(_UNKNOWN)
    if isinstance(key.material, RSAPublicKey) and key.material.key_size > _LARGEST_RSA_BITS:
        raise NotARecipient(f"The key is too long. age takes RSA keys of at most {_LARGEST_RSA_BITS} bits.")
    try:
        return ssh.Recipient.from_str(text)
    except RecipientError:  # such as a point that is not on the curve
        raise NotARecipient("age takes no such SSH public key.") from None
