"""Where the credential that acts on an account's root user comes from."""

import os
import signal
import subprocess
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.credentials import ProcessProvider, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader

# The service models are megabytes of JSON: read once, not once per sign-in.
_MODELS = Loader()

# How long a profile's `credential_process` may take.
PROGRAM_SECONDS = 30.0


class Source(Protocol):
    """A way to a credential."""

    @property
    def endpoint_url(self) -> str | None:
        """None: whatever boto3 itself finds, the profile's own `endpoint_url` included."""

    def session(self) -> boto3.Session:
        """A new session, so that a credential rotated a second ago is the one used. Raises BotoCoreError."""


def own_credential(session: boto3.Session) -> ReadOnlyCredentials:
    """What the session signs with at this moment, taken out of it.

    Raises BotoCoreError, or whatever the profile's program raises.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    frozen = credentials.get_frozen_credentials()
    # A session is a cycle of references, which the collector finds when it likes; the credential goes with its user.
    session._session._credentials = None  # type: ignore[attr-defined]  # noqa: SLF001
    return frozen


class _Bounded(subprocess.Popen[bytes]):
    """A credential program that may not take for ever: botocore itself would wait as long as it likes.

    It gets a process group, so that what it has started ends with it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options, start_new_session=True)  # type: ignore[call-overload]  # as given

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        try:
            return super().communicate(input, timeout or PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            super().communicate()
            raise


class ProfileSource:
    """boto3's own chain for a named profile: keys in a file, `credential_process` and the rest.

    None is the chain without a name: the environment, and the role of the machine or the pod.
    """

    endpoint_url = None

    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    def session(self) -> boto3.Session:
        session = _bare_session(self._profile)
        resolver = session.get_component("credential_provider")
        resolver.providers = [
            ProcessProvider(session.profile or "default", lambda: session.full_config, popen=_Bounded)
            if provider.METHOD == ProcessProvider.METHOD
            else provider
            for provider in resolver.providers
        ]
        return boto3.Session(botocore_session=session)


class FixedSource:
    """A credential at hand and the endpoint it is good for: the simulated AWS."""

    def __init__(self, access_key_id: str, secret_access_key: str, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key

    def session(self) -> boto3.Session:
        session = _bare_session(None)
        session.set_credentials(self._access_key_id, self._secret_access_key)
        return boto3.Session(botocore_session=session)


def _bare_session(profile: str | None) -> botocore.session.Session:
    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", _MODELS)
    # Whatever the environment says: AssumeRoot is not at the global endpoint.
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session
