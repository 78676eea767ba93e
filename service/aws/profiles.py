"""Finds faults in boto3's profiles before botocore fails on them, ignores them, or prompts a person.

Each sentence names the profile and the file. It never quotes a secret or a line that cannot be read.
botocore looks for a credential in this order (its `credentials.py`): role_arn, web identity, SSO, keys in the
credentials file, `aws login`, credential_process, keys in the configuration file.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

import botocore.session

from service.aws.answers import KEY_ID
from service.aws.profile_files import Files, read_files
from service.aws.sections import FaultyProfile
from service.domain.text import visible

_ID, _SECRET = "aws_access_key_id", "aws_secret_access_key"  # names of options
_PROGRAM, _LOGIN, _WEB = "credential_process", "login_session", "web_identity_token_file"
_SSO = ("sso_account_id", "sso_role_name")
_WAYS = (_ID, _SECRET, _PROGRAM, _LOGIN, _WEB, "role_arn", "source_profile", "credential_source", "sso_session", *_SSO)
_MACHINES = ("Ec2InstanceMetadata", "EcsContainer", "Environment")
_KEY_ID = re.compile(r"[^\s\"'#;]{3,128}")


def check(files: Files, name: str, visited: tuple[str, ...] = ()) -> None:
    """Raise FaultyProfile if the profile does not exist, or cannot give a credential.

    A profile that names no way to a credential passes: the machine may have a role.
    """
    profile = files.get(name)
    if profile is None:
        raise FaultyProfile(_missing(files, name))
    has_keys = _ID in profile or _SECRET in profile
    # In a source_profile, keys come before role_arn (botocore, AssumeRoleProvider). Otherwise role_arn comes first.
    if "role_arn" in profile and _WEB not in profile and not (visited and has_keys):
        _check_role(files, name, profile, visited)
    elif _WEB in profile:
        _check_web_identity(files, name, profile)
    elif any(option in profile for option in _SSO):
        _check_sso(files, name, profile)
    elif _ID in files.in_credentials.get(name, {}):
        _check_keys(files.credentials, name, files.in_credentials[name])
    elif not profile.keys() & {_PROGRAM, _LOGIN}:
        for file, profiles in ((files.credentials, files.in_credentials), (files.config, files.in_config)):
            _check_keys(file, name, profiles.get(name, {}))
        if visited and not has_keys:  # only the first profile may use the machine's role
            _fail(files, name, "is the source_profile of another one, and has no credential")


def has_own_credential(files: Files, name: str) -> bool:
    """Return whether a profile has keys or a program, and no other way to a credential. It has been checked."""
    ways = (files.get(name) or {}).keys() & _WAYS
    return bool(ways) and ways <= {_ID, _SECRET, _PROGRAM}


def check_bundle(session: botocore.session.Session) -> None:
    """Raise FaultyProfile if the file of trusted certificates does not exist. AWS would seem unreachable."""
    bundle = session.get_config_variable("ca_bundle")
    if bundle and not os.path.exists(str(bundle)):  # noqa: PTH110
        raise FaultyProfile(f"The ca_bundle {visible(str(bundle), longest=500)} does not exist (or AWS_CA_BUNDLE).")


def _check_role(files: Files, name: str, profile: Mapping[str, Any], visited: tuple[str, ...]) -> None:
    source, machine = (_said(profile, option) for option in ("source_profile", "credential_source"))
    if "mfa_serial" in profile:
        _fail(files, name, "names an mfa_serial, which requires a code from a person")
    if (source is None) == (machine is None):
        how = "neither source_profile nor" if source is None else "both source_profile and"
        _fail(files, name, f"has a role_arn, and {how} credential_source")
    if machine is not None and machine not in _MACHINES:
        _fail(files, name, f"has a credential_source that is none of {', '.join(_MACHINES)}")
    if source is None:
        return
    if files.get(source) is None:
        _fail(files, name, f'has the source_profile "{visible(source)}". {_missing(files, source)[:-1]}')
    if source == name:  # a profile with keys may be its own source
        if not _has_keys(profile):
            _fail(files, name, "is its own source_profile, and has no keys")
        return
    if source in visited:
        _fail(files, name, f'has the source_profile "{visible(source)}", which leads back to it')
    check(files, source, (*visited, name))


def _check_web_identity(files: Files, name: str, profile: Mapping[str, Any]) -> None:
    if "role_arn" not in profile:
        _fail(files, name, f"has a {_WEB}, but no role_arn")
    token = str(profile[_WEB])
    try:
        with open(token, "rb") as opened:  # noqa: PTH123
            is_empty = not opened.read(1)
    except OSError as error:
        kind = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__})"
        _fail(files, name, f"names the {_WEB} {visible(token, longest=500)}, which {kind}")
    if is_empty:
        _fail(files, name, f"names the {_WEB} {visible(token, longest=500)}, which is empty")


def _check_sso(files: Files, name: str, profile: Mapping[str, Any]) -> None:
    session = _said(profile, "sso_session")
    if session is not None and session not in files.sso_sessions:
        _fail(files, name, f"names an sso_session, and there is no section [sso-session {visible(session)}]")
    joined = {**profile, **files.sso_sessions.get(str(session), {})}
    missing = [option for option in (*_SSO, "sso_start_url", "sso_region") if option not in joined]
    if missing:
        _fail(files, name, f"signs in by AWS's single sign-on, and lacks {', '.join(missing)}")


def _check_keys(file: str, name: str, found: Mapping[str, Any]) -> None:
    if not found.keys() & {_ID, _SECRET}:
        return
    for option in (_ID, _SECRET):
        if not found.get(option):
            raise FaultyProfile(f'The profile "{visible(name)}" in {file} has no {option}.')
    if not _KEY_ID.fullmatch(str(found[_ID])) or re.search(r"[\s\"']", str(found[_SECRET])):
        raise FaultyProfile(
            f'The profile "{visible(name)}" in {file} has malformed keys: do not quote a value, '
            "and put no comment after it."
        )


def _said(profile: Mapping[str, Any], option: str) -> str | None:
    """Return an option as text, even an indented block."""
    return None if option not in profile else str(profile[option])


def _has_keys(profile: Mapping[str, Any]) -> bool:
    return bool(profile.get(_ID)) and bool(profile.get(_SECRET))


def _fail(files: Files, name: str, what: str) -> NoReturn:
    raise FaultyProfile(f'The profile "{visible(name)}" in {files.where(name)} {what}.')


def _missing(files: Files, name: str) -> str:
    shown = visible(name)
    for file, sections, wrong, right in (
        (files.config, files.config_sections, name, f"profile {shown}"),
        (files.credentials, files.credentials_profiles, f"profile {name}", shown),
    ):
        if wrong in sections:
            return f"The section [{visible(wrong)}] in {file} is no profile: there it has to be called [{right}]."
    known = {*files.config_profiles, *files.credentials_profiles}
    alike = [other for other in known if other.lower() == name.lower()] or get_close_matches(name, known, n=1)
    hint = f' There is "{visible(alike[0])}".' if alike else ""
    places = " nor in ".join(
        file if os.path.isfile(file) else f"{file} (which does not exist)"  # noqa: PTH113
        for file in (files.config, files.credentials)
    )
    return f'There is no profile "{shown}" in {places}.{hint}'


def without_credential(files: Files, name: str | None) -> str:
    """Explain why a profile without faults gives no credential: it names no way to one."""
    if name is None or files.get(name) is None:
        return "No profile is named, the environment has no credential, and this machine has no role."
    profile = files.get(name) or {}
    misspelt = [
        (option, close[0])
        for option in profile
        if option not in _WAYS and (close := get_close_matches(option, _WAYS, n=1, cutoff=0.8))
    ]
    hint = "".join(f" It has `{visible(option)}`, which is no option: is it `{right}`?" for option, right in misspelt)
    if "sso_session" in profile:
        hint += f" It has an sso_session, but neither {' nor '.join(_SSO)}."
    if "source_profile" in profile or "credential_source" in profile:
        hint += " It has a source, but no role_arn."
    return (
        f'The profile "{visible(name)}" in {files.where(name)} has no keys, no {_PROGRAM} and no role_arn, '
        f"and this machine has no role.{hint}"
    )


def shadowing(name: str) -> str | None:
    """Explain which keys in the credentials file win over the profile's program or its other keys; None if none do."""
    files = _sound(name)
    return None if files is None else _shadowing(files, _signing(files, name))


def by_login(name: str) -> str | None:
    """Say that the profile signs with what `aws login` gave a person; None if it does not."""
    files = _sound(name)
    if files is None:
        return None
    signing = _signing(files, name)
    profile = files.get(signing) or {}
    is_other = "role_arn" in profile or any(option in profile for option in (_WEB, *_SSO))
    if _LOGIN not in profile or is_other or _ID in files.in_credentials.get(signing, {}):
        return None
    return (
        f'The profile "{visible(signing)}" in {files.where(signing)} has a {_LOGIN}: `aws login` gives a person '
        "temporary credentials. What those of a root user may do is unconfirmed, and they end with the sign-in."
    )


def _sound(name: str) -> Files | None:
    """Read the profile. Return None if it has a fault, which is reported when it is used."""
    try:
        files = read_files(botocore.session.Session(profile=name))
        check(files, name)
    except FaultyProfile:
        return None
    return files


def _signing(files: Files, name: str, visited: tuple[str, ...] = ()) -> str:
    """Return the profile that has the credential: the last one to which `source_profile` leads."""
    profile = files.get(name) or {}
    source = _said(profile, "source_profile")
    if "role_arn" in profile and _WEB not in profile and source not in (None, name, *visited):
        return _signing(files, str(source), (*visited, name))
    return name


def _shadowing(files: Files, name: str) -> str | None:
    profile = files.get(name) or {}
    keys, configured = files.in_credentials.get(name, {}), files.in_config.get(name, {})
    if _ID not in keys or "role_arn" in profile or any(option in profile for option in (_WEB, *_SSO)):
        return None
    for option in (_PROGRAM, _LOGIN):
        if option in profile:
            file = files.config if option in configured else files.credentials
            return (
                f'The keys of the profile "{visible(name)}" in {files.credentials} win over its {option} in {file}: '
                f"the service signs with {_shown(keys)}, which may be stale."
            )
    if configured.get(_ID, keys[_ID]) != keys[_ID]:
        return (
            f'The profile "{visible(name)}" has other keys in {files.credentials} than in {files.config}. '
            f"The first ones win: the service signs with {_shown(keys)}."
        )
    return None


def _shown(keys: Mapping[str, Any]) -> str:
    """Return the key's id, unless the value may be a misplaced secret."""
    return str(keys[_ID]) if KEY_ID.fullmatch(str(keys[_ID])) else "it"
