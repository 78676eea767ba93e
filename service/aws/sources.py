"""Sources of the credentials that sign calls to AWS."""

import logging
import os
from functools import cache
from typing import Any, NoReturn, Protocol

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    MissingDependencyException,
    NoCredentialsError,
    NoRegionError,
    SSOError,
    TokenRetrievalError,
)
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader

from service.aws.answers import ON_POLICY, PAGED, check_error_id, check_truncation, parse_time
from service.aws.calls import REPEATABLE, name_call
from service.aws.errors import explain
from service.aws.observed import watch
from service.aws.profile_files import read_files
from service.aws.profiles import check, check_bundle, has_own_credential, without_credential
from service.aws.programs import Builder, Program, of_config, of_credentials
from service.aws.punctual import be_punctual
from service.aws.sections import FaultyProfile
from service.domain.text import visible

# The service models are megabytes of JSON. They are read once, not at each sign-in.
_MODELS = Loader()

# For callers. The operator also learns which profile, in which file.
NO_CREDENTIAL = "The service has no credential to ask AWS with; its log says why."

_BY_SSO = "waits for a person to sign in by `aws sso login`."
_BY_LOGIN = (
    "is a person's sign-in by `aws login` (login_session), which the service cannot use. "
    "Give it keys, a credential_process or a role_arn."
)
_MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (SSOError, _BY_SSO),
    (TokenRetrievalError, _BY_SSO),
    (CredentialRetrievalError, "takes its credential from the machine or the pod, which gives none."),
    (NoRegionError, "names no region, which it needs to ask AWS for its credential."),
    (LoginError, _BY_LOGIN),
    (MissingDependencyException, _BY_LOGIN),
)


class Source(Protocol):
    """A way to a credential."""

    @property
    def endpoint_url(self) -> str | None:
        """Return the endpoint. None leaves it to boto3, including the profile's own `endpoint_url`."""

    @property
    def name(self) -> str:
        """Return the operator's name for it."""

    def session(self) -> botocore.session.Session:
        """Make a new session, so that a freshly rotated credential is used.

        Raise FaultyProfile, or any exception of botocore; `explain` describes it.
        """

    def explain(self, error: Exception) -> tuple[str, str]:
        """Explain why there is no credential, to the caller and to the operator."""


def own_credential(session: botocore.session.Session) -> ReadOnlyCredentials:
    """Take the credential out of the session, as it is at this moment.

    Raise FaultyProfile, or any exception of botocore.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    frozen = credentials.get_frozen_credentials()
    # A session is a reference cycle, which the collector frees late. Without this, it would keep the credential.
    session._credentials = None  # type: ignore[attr-defined]  # noqa: SLF001
    pair, token = (frozen.access_key, frozen.secret_key), frozen.token
    if not all(isinstance(part, str) and part for part in pair) or not (token is None or isinstance(token, str)):
        raise FaultyProfile("The credential that was found has no key id, or no secret.")
    return frozen


def _ask_nobody(_prompt: str) -> NoReturn:
    raise FaultyProfile("It requires an MFA code from a person.")


class ProfileSource:
    """boto3's own chain for a named profile: keys in a file, `credential_process` and the rest.

    With None, it is the chain without a profile: the environment, and the role of the machine or the pod.
    """

    endpoint_url = None

    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    @property
    def name(self) -> str:
        return f'profile "{visible(self._profile)}"' if self._profile else "no profile"

    def session(self) -> botocore.session.Session:
        session = bare_session(self._profile)
        files, name = read_files(session), session.profile
        if name is not None:
            check(files, name)
        check_bundle(session)
        profile = name or "default"
        own = [of_credentials(files, profile), Program(session, profile), of_config(files, profile)]  # botocore's order
        if self._profile is not None and has_own_credential(files, profile):
            # To make botocore's other providers takes longer than all else here: two of them prepare for TLS.
            session.register_component("credential_provider", CredentialResolver(own))
            return session
        ours = {each.METHOD: each for each in own}
        resolver = session.get_component("credential_provider")
        for place, provider in enumerate(resolver.providers):
            resolver.providers[place] = ours.get(provider.METHOD, provider)
            if provider.METHOD == "assume-role":
                provider._prompter = _ask_nobody  # noqa: SLF001  # botocore asks on the terminal
                region = provider._profile_provider_builder._region_name  # noqa: SLF001
                provider._profile_provider_builder = Builder(session, region, files)  # noqa: SLF001
        return session

    def explain(self, error: Exception) -> tuple[str, str]:
        named = f"The {self.name}" if self._profile else "The environment"
        if isinstance(error, NoCredentialsError):
            session = bare_session(self._profile)
            error = FaultyProfile(without_credential(read_files(session), session.profile))
        for kind, sentence in _MEANINGS:
            if isinstance(error, kind):
                return NO_CREDENTIAL, f"{named} {sentence}"
        match error:
            case FaultyProfile(sentence=sentence):
                return NO_CREDENTIAL, sentence
            case RuntimeError() if type(error) is RuntimeError:  # botocore's word for one that no refresh renews
                return NO_CREDENTIAL, f"{named} gave a credential that has expired."
            case BotoCoreError() if not isinstance(error, (HTTPClientError, ConnectionError)):
                return NO_CREDENTIAL, f"{named} cannot be used ({type(error).__name__})."
            case _:
                said, exactly = explain(error)
                call = f", {error.operation_name}" if isinstance(error, ClientError) else ""
                return said, f"{named} asks AWS for its credential{call}: {exactly}"


class FixedSource:
    """A given credential and the endpoint where it is valid: the simulated AWS."""

    name = "a credential at hand"

    def __init__(self, access_key_id: str, secret_access_key: str, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key

    def session(self) -> botocore.session.Session:
        # Use nothing that the machine has for real accounts: no files, no AWS_PROFILE.
        session = bare_session("default")
        for name in ("config_file", "credentials_file"):
            session.set_config_variable(name, os.devnull)
        session.full_config["profiles"]["default"] = {}
        session.set_credentials(self._access_key_id, self._secret_access_key)
        return session

    def explain(self, error: Exception) -> tuple[str, str]:
        return explain(error)


def bare_session(profile: str | None) -> botocore.session.Session:
    """Return a session without files and credentials, whose clients are watched, checked and kept out of the log."""
    _silence()
    session = botocore.session.Session(event_hooks=_handlers(), include_builtin_handlers=False, profile=profile)
    session.register_component("data_loader", _MODELS)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
    # A profile may call AWS for its credential. Those calls get our timeouts and retries.
    session.set_default_client_config(REPEATABLE)
    # This overrides the environment: the global endpoint has no AssumeRoot.
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session


def client_of(session: botocore.session.Session, service: str, **options: Any) -> Any:
    """Make a client with boto3. Raise what boto3 raises."""
    return _Boto3(botocore_session=session).client(service, **options)  # type: ignore[call-overload]


class _Boto3(boto3.Session):
    """Makes clients, and adds nothing to its session.

    boto3's models and handlers are for resources and S3 transfers, which nothing here uses. Sessions here share what
    they have, so each would add them once more.
    """

    def _setup_loader(self) -> None:
        pass

    def _register_default_handlers(self) -> None:
        pass


@cache
def _handlers() -> HierarchicalEmitter:
    """Return botocore's own handlers and ours, which all sessions share. Nothing else may be registered by a session.

    botocore would inspect more than a hundred functions for each. A client copies them, and may have more.
    """
    registered = HierarchicalEmitter()
    session = botocore.session.Session(event_hooks=registered)
    for call in PAGED:
        session.register(f"before-parse.iam.{call}", check_truncation)
    for call in ON_POLICY:
        session.register(f"before-parse.s3.{call}", check_error_id)
    watch(session)
    be_punctual(session)
    session.register("before-send", name_call)
    return registered


def _silence() -> None:
    """Keep the SDK out of the log, whatever level the rest of the program wants.

    At DEBUG, botocore's parsers log the SecretAccessKey. At WARNING, botocore logs a failed refresh with the whole
    answer, and urllib3 quotes malformed headers. The service logs what matters of both.
    """
    for name in ("botocore", "boto3", "urllib3"):
        if (sdk := logging.getLogger(name)).level != logging.CRITICAL:  # setting it empties the caches of all loggers
            sdk.setLevel(logging.CRITICAL)
