"""Clients of boto3 that outlive a sign-in, because making one takes longer than several calls.

A kept client has no credential. Each call brings the credential of its own sign-in, and is refused without one. A
client serves one sign-in at a time. It is kept without a connection, and only if each of its calls was answered well
at once.
"""

import hashlib
import os
from collections import deque
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from service.aws.sources import bare_session, client_of

# Three are for one execution. A client takes about half a megabyte.
_MOST = 24
_PROFILE = "default"
# What a profile says of its credential alone. A client depends on everything else in it.
_OF_CREDENTIALS = frozenset(
    {
        *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "aws_account_id"),
        *("credential_process", "credential_source", "source_profile", "web_identity_token_file", "login_session"),
        *("role_arn", "role_session_name", "external_id", "mfa_serial", "duration_seconds"),
        *("sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "sso_region"),
        "sso_registration_scopes",
    }
)


class Making(NamedTuple):
    """How a session makes clients at this moment.

    It has the profile without what leads to its credential, and the sections that name endpoints of services. `digest`
    is of both, of the environment and of the trusted certificates.
    """

    of_profile: dict[str, Any]
    services: dict[str, Any]
    digest: bytes


class _Kind(NamedTuple):
    """Tells clients apart. `digest` is that of their making."""

    service: str
    region: str
    endpoint_url: str | None
    config: Config
    digest: bytes


class _Nobody(Credentials):
    """The credential of a kept client itself."""

    def __init__(self) -> None:
        super().__init__("", "")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        raise NoCredentialsError


_NOBODY = _Nobody()
# The credential of the call that this thread is making.
_signing: ContextVar[Credentials | None] = ContextVar("signing", default=None)
_kept: deque[tuple[_Kind, Any]] = deque()
_lock = Lock()


class LentClient:
    """A client for one sign-in, until it is closed. Its attributes are the calls; each is signed for this sign-in."""

    def __init__(self, kind: _Kind, client: Any, credential: ReadOnlyCredentials) -> None:
        self._kind = kind
        self._client = client
        self._credential: Credentials | None = Credentials(
            str(credential.access_key), str(credential.secret_key), credential.token
        )
        self._is_good = True

    def __getattr__(self, name: str) -> Any:
        def call(**members: object) -> Any:
            client, credential = self._client, self._credential
            if client is None or credential is None:
                raise RuntimeError("this client was given back")
            before = _signing.set(credential)
            try:
                answer = getattr(client, name)(**members)
            except BaseException:
                # What it counts of failures is for this sign-in alone.
                self._is_good = False
                raise
            finally:
                _signing.reset(before)
            self._is_good &= not _was_retried(answer)
            return answer

        return call

    def close(self) -> None:
        """Close the connections, and give the client back."""
        client, self._client, self._credential = self._client, None, None
        if client is None:
            return
        # A create is sent once. On a connection that was idle it could be lost.
        client.close()
        if self._is_good:
            with _lock:
                _kept.append((self._kind, client))
                if len(_kept) > _MOST:
                    _kept.popleft()


def _was_retried(answer: Any) -> bool:
    """Return whether it took a retry. Each uses up some of those that its client may make. It raises nothing."""
    return isinstance(answer, dict) and bool(answer.get("ResponseMetadata", {}).get("RetryAttempts"))


def making_of(session: Session) -> Making:
    """Return how this session makes clients now. Raise what botocore raises; OSError."""
    of_profile = {name: value for name, value in session.get_scoped_config().items() if name not in _OF_CREDENTIALS}
    services = session.full_config.get("services", {})
    # Of what may hold a secret, the digest only.
    written = repr((of_profile, services, sorted(os.environ.items()), _authorities(session)))
    return Making(of_profile, services, hashlib.sha256(written.encode("utf-8", "surrogateescape")).digest())


def lend(
    making: Making,
    credential: ReadOnlyCredentials,
    service: str,
    *,
    region: str,
    endpoint_url: str | None,
    config: Config,
) -> LentClient:
    """Return a client made like this, which signs with `credential`. Raise what boto3 raises."""
    kind = _Kind(service, region, endpoint_url, config, making.digest)
    client = _taken(kind)
    if client is None:
        client = _made(kind, {"profiles": {_PROFILE: making.of_profile}, "services": making.services})
    return LentClient(kind, client, credential)


def _authorities(session: Session) -> bytes | None:
    """Return the digest of the file of trusted certificates, if the profile or the environment names one.

    Raise OSError.

    A client adds what it reads at a connection to what it read before, so it would trust an authority that is gone.
    """
    named = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return hashlib.sha256(Path(str(named)).read_bytes()).digest() if named else None


def _taken(kind: _Kind) -> Any:
    """Take a client of this kind out of those that are kept. Return None if there is none."""
    with _lock:
        for place in reversed(range(len(_kept))):
            of, client = _kept[place]
            if of == kind:
                del _kept[place]
                return client
    return None


def _made(kind: _Kind, settings: dict[str, Any]) -> Any:
    """Make a client by a session that has never had a credential."""
    session = bare_session(_PROFILE)
    session._config = settings  # type: ignore[attr-defined]  # noqa: SLF001  # it would read the files
    session._credentials = _NOBODY  # type: ignore[attr-defined]  # noqa: SLF001
    client = client_of(
        session, kind.service, region_name=kind.region, endpoint_url=kind.endpoint_url, config=kind.config
    )
    client.meta.events.register("before-sign", _bring)
    return client


def _bring(**event: Any) -> None:
    """Have botocore sign this request with the credential of the call, which overrides the client's own."""
    request: AWSRequest = event["request"]
    credential = _signing.get()
    if credential is not None:
        request.context["signing"] = {**request.context.get("signing", {}), "request_credentials": credential}
