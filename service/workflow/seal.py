"""Seals the secret of a new key: tried before AWS is called, done before anything of it is recorded."""

from dataclasses import replace

from service.domain.canonical import canonical, timestamp
from service.domain.errors import Code, Invalid
from service.domain.filing import Filing
from service.domain.outcome import CreatedKey, Done, SealedKey
from service.sealing import NotARecipient, recipient, seal


def checked(sealed_to: str | None) -> str | None:
    """Return the key to seal to in its one form, None for none. Raise Invalid if nothing can be sealed to it."""
    if sealed_to is None:
        return None
    try:
        key = recipient(sealed_to)
        seal(key, b"A trial costs nothing. A new key that cannot be sealed would be lost.")
    except NotARecipient as fault:
        raise Invalid(Code.WRONG_SEALED_TO, why=str(fault)) from None
    return key


def sealed(filing: Filing, done: Done) -> Done:
    """Return the outcome with its new key sealed, if it is to be. Raise NotARecipient.

    What is sealed is JSON with the API's names, and names the request: age does not say who sealed it.
    """
    key, sealed_to = done.created, filing.sealed_to
    if not isinstance(key, CreatedKey) or sealed_to is None:
        return done
    content = canonical(
        {
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret.reveal(),
            "created_at": timestamp(key.created_at),
            "account_id": filing.account_id,
            "request_id": filing.request_id,
        }
    )
    return replace(done, created=SealedKey(key.access_key_id, seal(sealed_to, content + b"\n"), key.created_at))
