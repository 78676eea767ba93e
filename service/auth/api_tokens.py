"""API tokens: `rqp_…` of a person, `rqm_…` of a machine; 40 random characters, then a checksum of 6.

The prefix and the checksum let a secret scanner tell a token from noise without asking anybody:
`rq[pm]_[0-9A-Za-z]{46}`, the last six being the CRC-32 of the rest in base 62. Only a SHA-256 is stored. It needs no
salt and no slow hash: 40 characters hold 238 bits of chance.
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
    """A new token for a person or a machine. Raises KeyError for the service itself, which signs in nowhere."""
    body = _PREFIX[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return Secret(body + _checksum(body))


def is_api_token(presented: str) -> bool:
    """Whether it wants to be one, and not a provider's."""
    return presented.startswith(tuple(_PREFIX.values()))


def fingerprint(presented: str) -> str | None:
    """The hex SHA-256 under which a token is stored; None for what cannot be a token at all."""
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
