"""Runs a profile's `credential_process`: with a time limit, without prompts, and never quoting its output."""

import json
import os
import signal
import subprocess
from typing import Any

import botocore.session
from botocore.credentials import Credentials, ProcessProvider, ProfileProviderBuilder
from botocore.exceptions import CredentialRetrievalError

from service.aws.profile_files import FaultyProfile
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
    """Builds the providers of source profiles, so that their programs are bounded as well."""

    def __init__(self, session: botocore.session.Session, region: str | None) -> None:
        super().__init__(session, {}, region)
        self._for_programs = session

    def _create_process_provider(self, profile_name: str) -> ProcessProvider:
        return Program(self._for_programs, profile_name)


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
