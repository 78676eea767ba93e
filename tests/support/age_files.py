"""Files as age encrypts them with a passphrase (c2sp.org/age), with little work.

age measures how much work takes a second, and refuses what seems to take 16. On a busy machine the two can contradict.
"""

import base64
import hmac
import os
import re

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_LOG_OF_WORK = 10


def behind(passphrase: str, content: bytes) -> bytes:
    """Return an armored file. `content` is at most 64 KiB, which is one piece."""
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    scrypt = Scrypt(b"age-encryption.org/v1/scrypt" + salt, length=32, n=1 << _LOG_OF_WORK, r=8, p=1)
    wrapped = ChaCha20Poly1305(scrypt.derive(passphrase.encode())).encrypt(bytes(12), file_key, None)
    stanza = b"-> scrypt %b %d\n%b\n" % (_base64(salt), _LOG_OF_WORK, _base64(wrapped))
    header = b"age-encryption.org/v1\n" + stanza + b"---"
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")
    last_piece = bytes(11) + b"\1"
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(last_piece, content, None)
    lines = re.findall(b".{1,64}", base64.b64encode(header + b" " + _base64(mac) + b"\n" + nonce + payload))
    return b"\n".join([b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----", b""])


def _derived(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(file_key)


def _base64(value: bytes) -> bytes:
    return base64.b64encode(value).rstrip(b"=")
