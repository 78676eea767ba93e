"""Authentication: every key of the simulated AWS, and whether it works at this moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from service.simulated_aws.answers import AwsError
from service.simulated_aws.wire import Incoming, check_signature

ROOT_USER_NAME = ":root:"  # moto stores users by name; no IAM user can have this one, colons are not allowed


@dataclass(frozen=True)
class Credential:
    """A long-term access key. The secret is not in repr, and so not in logs and tracebacks."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Signer:
    """A key and its owner. `task_policy` is the policy ARN of a root session, None for a long-term key."""

    account_id: str
    user_name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    task_policy: str | None = None
    expires_at: datetime | None = None

    @property
    def is_root(self) -> bool:
        return self.user_name == ROOT_USER_NAME


@dataclass(frozen=True)
class _Held:
    signer: Signer
    works: bool
    worked_before: bool
    changed_at: float


def invalid_token() -> AwsError:
    """Build the answer to a key that does not authenticate, for any reason."""
    return AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)


class Keyring:
    """All keys, including deleted ones. The caller holds the lock of the simulated AWS.

    A change (a new, deactivated, activated or deleted key) reaches authentication `propagation_delay`
    seconds after it reached IAM. Until then the key authenticates, or fails to, as before the change.
    """

    def __init__(self) -> None:
        self.propagation_delay = 0.0
        self._held: dict[str, _Held] = {}

    def add(self, signer: Signer, *, at_once: bool = False) -> None:
        self._held[signer.access_key_id] = _Held(signer, works=True, worked_before=at_once, changed_at=time.monotonic())

    def change(self, access_key_id: str, *, works: bool) -> None:
        held = self._held[access_key_id]
        before = self._works_now(held)
        self._held[access_key_id] = replace(held, works=works, worked_before=before, changed_at=time.monotonic())

    def account_of(self, access_key_id: str | None) -> str | None:
        """Return the account that the key belongs to; for a root session, the member account."""
        held = self._held.get(access_key_id or "")
        return held.signer.account_id if held else None

    def expire_sessions(self) -> None:
        now = datetime.now(UTC)
        for key_id, held in self._held.items():
            if held.signer.expires_at is not None:
                self._held[key_id] = replace(held, signer=replace(held.signer, expires_at=now))

    def authenticate(self, incoming: Incoming) -> Signer:
        """Return the signer.

        Raise AwsError: InvalidClientTokenId for a key that is unknown, deleted, inactive or not yet
        propagated, or has the wrong session token; SignatureDoesNotMatch; ExpiredToken. All are 403.
        """
        held = self._held.get(incoming.access_key_id or "")
        if held is None or not self._works_now(held) or held.signer.session_token != incoming.session_token:
            raise invalid_token()
        signer = held.signer
        check_signature(incoming, signer.secret_access_key, signer.session_token)
        if signer.expires_at is not None and signer.expires_at <= datetime.now(UTC):
            raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
        return signer

    def _works_now(self, held: _Held) -> bool:
        propagated = time.monotonic() - held.changed_at >= self.propagation_delay
        return held.works if propagated else held.worked_before
