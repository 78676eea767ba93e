"""The key to which a new secret is sealed: an age recipient (`age1…`), or an SSH public key without a comment."""

import base64
import hashlib

AGE = "age1"


def fingerprint(sealed_to: str) -> str:
    """Return what people compare: of an SSH key what `ssh-keygen -l` prints (`SHA256:…`), an age recipient itself.

    A text that is no SSH key is returned as it is.
    """
    try:
        blob = base64.b64decode(sealed_to.partition(" ")[2], validate=True)
    except ValueError:
        blob = b""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}" if blob else sealed_to
