"""API tokens: `rqp_…` for a person, `rqm_…` for a machine; 40 random characters, then a checksum of 6.

The prefix and the checksum let a secret scanner recognize a token offline: `rq[pm]_[0-9A-Za-z]{46}`, where the last six
characters are the CRC-32 of the rest in base 62. Only a SHA-256 is stored. It needs no salt and no slow hash: 40
characters hold 238 bits of entropy.
"""

import hashlib
import re
import secrets
import string
import zlib

from service.domain.actor import ActorKind
from service.domain.outcome import Secret

_PREFIX = {ActorKind.PERSON: "rqp_", ActorKind.MACHINE: "rqm_"}
_ALPHABET = string.digits + string.ascii_letters
_RANDOM_LENGTH = 40
_CHECKSUM_LENGTH = 6
PATTERN = re.compile(rf"rq[pm]_[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def mint(kind: ActorKind) -> Secret:
    """Return a new token for a person or a machine. Raise KeyError for the service itself, which never signs in."""
    body = _PREFIX[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return Secret(body + _checksum(body))


def is_api_token(presented: str) -> bool:
    """Return whether it has the prefix of an API token; if not, it may be a provider's token."""
    return presented.startswith(tuple(_PREFIX.values()))


def fingerprint(presented: str) -> str | None:
    """Return the hex SHA-256 under which a token is stored, or None if the form or the checksum is wrong."""
    if PATTERN.fullmatch(presented) is None:
        return None
    body, checksum = presented[:-_CHECKSUM_LENGTH], presented[-_CHECKSUM_LENGTH:]
    if checksum != _checksum(body):
        return None
    return hashlib.sha256(presented.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
