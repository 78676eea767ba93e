"""Runs a profile's `credential_process`: with a time limit, without prompts, and never quoting its output."""

import json
import os
import signal
import subprocess
from typing import Any

import botocore.session
from botocore.credentials import (
    ConfigProvider,
    Credentials,
    ProcessProvider,
    ProfileProviderBuilder,
    SharedCredentialProvider,
)
from botocore.exceptions import CredentialRetrievalError

from service.aws.profile_files import Files
from service.aws.sections import FaultyProfile
from service.domain.text import visible

# The time limit of a program.
SECONDS = 30.0


class Program(ProcessProvider):
    """botocore's provider, which by itself would wait for the program without limit and quote its output."""

    def __init__(self, session: botocore.session.Session, profile: str) -> None:
        super().__init__(profile, lambda: session.full_config, popen=_Bounded)
        self._named = f'The credential_process of the profile "{visible(profile)}"'

    def load(self) -> Credentials | None:
        """Run the program. Raise FaultyProfile."""
        try:
            return super().load()
        except Exception as error:  # noqa: BLE001
            # The AWS edge: a profile may name any program. It may be missing, hang, or print anything.
            raise FaultyProfile(f"{self._named} {_what(error)}.") from None


class Builder(ProfileProviderBuilder):
    """Builds the providers of source profiles, so that their programs are bounded as well, and no file is read again.

    `files` has the source profiles too.
    """

    def __init__(self, session: botocore.session.Session, region: str | None, files: Files) -> None:
        super().__init__(session, {}, region)
        self._for_programs, self._files = session, files

    def _create_process_provider(self, profile_name: str) -> ProcessProvider:
        return Program(self._for_programs, profile_name)

    def _create_shared_credential_provider(self, profile_name: str) -> SharedCredentialProvider:
        return of_credentials(self._files, profile_name)

    def _create_config_provider(self, profile_name: str) -> ConfigProvider:
        return of_config(self._files, profile_name)


def of_credentials(files: Files, profile: str) -> SharedCredentialProvider:
    """Return botocore's provider of the keys in the credentials file, with what was read of that."""
    return SharedCredentialProvider(files.credentials, profile, ini_parser=lambda _: files.in_credentials)


def of_config(files: Files, profile: str) -> ConfigProvider:
    """Return botocore's provider of the keys in the configuration file, with what was read of that."""
    return ConfigProvider(files.config, profile, config_parser=lambda _: {"profiles": files.in_config})


class _Ended(Exception):
    """The program failed; the text says how."""


class _Bounded(subprocess.Popen[bytes]):
    """A process in its own group, so that its children end with it, and without input, so that it cannot prompt."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options |= {"start_new_session": True, "stdin": subprocess.DEVNULL}
        super().__init__(*arguments, **options)

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        try:
            said = super().communicate(input, timeout or SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            super().communicate()
            raise _Ended(f"took longer than {SECONDS:g} seconds") from None
        if self.returncode != 0:
            raise _Ended(f"ended with status {self.returncode}")
        return said


# The meaning of an exception. The first match counts.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((FileNotFoundError,), "cannot be found"),
    ((OSError,), "cannot be run"),
    (
        (CredentialRetrievalError,),
        "printed no credential: `Version` 1, `AccessKeyId` and `SecretAccessKey` are needed",
    ),
    ((IndexError,), "is empty"),
    ((json.JSONDecodeError, UnicodeDecodeError), "printed no JSON"),
    ((ValueError,), "has quotes that do not end, or printed an `Expiration` that is no time"),
)


def _what(error: Exception) -> str:
    if isinstance(error, _Ended):
        return str(error)
    return next((said for kinds, said in _MEANINGS if isinstance(error, kinds)), "printed JSON that is no credential")
