"""The key to which a new secret is sealed: an age recipient (`age1…`), or an SSH public key without a comment."""

import base64
import hashlib

AGE = "age1"


def fingerprint(sealed_to: str) -> str:
    """Return what people compare: of an SSH key what `ssh-keygen -l` prints (`SHA256:…`), an age recipient itself.

    A text that is no SSH key is returned as it is.
    """
    encoded = sealed_to.partition(" ")[2]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:
        return sealed_to
    if not blob or _base64(blob) != encoded:
        return sealed_to
    return f"SHA256:{_base64(hashlib.sha256(blob).digest()).rstrip('=')}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
