"""boto3's profiles: what is wrong with which one, in which file, is said to the operator; nobody is asked anything."""

import codecs
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import botocore.credentials
import botocore.session
import pytest
from support.answers import CANARY, PAGES
from support.builders import ACCOUNT

from service.aws import profile_files, sections
from service.aws.profiles import by_login, shadowing
from service.aws.root import AwsRoots
from service.aws.sources import FixedSource, ProfileSource, own_credential
from service.domain.account import Account, SourceKind
from service.domain.capability import Plan
from service.domain.errors import Code, Unavailable
from service.simulated_aws import Rewritten, SimulatedAws

pytestmark = [
    pytest.mark.usefixtures("torn_connections"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

_ACCOUNT = Account(account_id=ACCOUNT, name="production")
_PLAN = Plan(SourceKind.PROFILE)
_ID = "AKIAEXAMPLE000000001"
_SECRET = "SECRET/" + "x" * 33
_KEYS = f"aws_access_key_id = {_ID}\naws_secret_access_key = {_SECRET}\n"
_P = "[profile prod-root]\n"
_ROLE = _P + "role_arn = arn:aws:iam::111122223333:role/x\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AWS's files of the test's own, and nothing else that boto3 could find."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


@pytest.fixture(autouse=True, params=["the whole files", "parts of the files"])
def _read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second reading on, only the parts of a file that concern the profile are parsed."""
    if request.param == "parts of the files":
        monkeypatch.setattr(sections, "_is_at_rest", lambda _: True)
        read = sections.read_part

        def read_again(*args: Any, **options: Any) -> sections.Part:
            read(*args, **options)
            return read(*args, **options)

        monkeypatch.setattr(profile_files, "read_part", read_again)


def refusal(profile: str | None = "prod-root") -> Unavailable:
    with pytest.raises(Unavailable) as refused, AwsRoots({ACCOUNT: ProfileSource(profile)}).sign_in(_ACCOUNT, _PLAN):
        pass
    return refused.value


def check_is_told(refused: Unavailable, sentence: str, folder: Path) -> None:
    """The operator reads what is wrong; a caller over HTTP only that something is; nobody a secret."""
    assert refused.code is Code.ACCOUNT_UNREACHABLE
    assert sentence in refused.exact.replace(str(folder), "~")
    assert f'account {ACCOUNT} by profile "prod-root": ' in refused.exact
    assert refused.detail == (
        "The account's root credentials cannot be read now. "
        "The service has no credential to ask AWS with; its log says why."
    )
    told = f"{refused.exact}{''.join(traceback.format_exception(refused))}"
    assert "SECRET" not in told


_MISSING = 'There is no profile "prod-root" in ~/config nor in ~/credentials (which does not exist).'


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("", _MISSING),
        ("[profile prod-rot]\n" + _KEYS, f'{_MISSING} There is "prod-rot".'),
        ("[profile PROD-root]\n" + _KEYS, f'{_MISSING} There is "PROD-root".'),
        (
            "[prod-root]\n" + _KEYS,
            "The section [prod-root] in ~/config is no profile: there it has to be called [profile prod-root].",
        ),
        (_P, 'The profile "prod-root" in ~/config has no keys, no credential_process and no role_arn'),
        (_P + f"aws_acces_key_id = {_ID}\n", "is it `aws_access_key_id`?"),
        (_P + "sso_session = x\n[sso-session x]\n", "It has an sso_session, but neither sso_account_id"),
        (_P + "source_profile = x\n", "It has a source, but no role_arn."),
        (_P + f"aws_access_key_id = {_ID}\n", 'The profile "prod-root" in ~/config has no aws_secret_access_key.'),
        (_P + f"aws_secret_access_key = {_SECRET}\n", 'The profile "prod-root" in ~/config has no aws_access_key_id.'),
        (_P + _KEYS.replace(_ID, ""), 'The profile "prod-root" in ~/config has no aws_access_key_id.'),
        (_P + _KEYS.replace(_ID, f'"{_ID}"'), "do not quote a value"),
        (_P + _KEYS.replace(_ID, f"{_ID} # ours"), "put no comment after it"),
        (_P + _KEYS.replace(_ID, _SECRET), 'The key id of profile "prod-root" does not have AWS\'s form.'),
        # the file
        (codecs.BOM_UTF8 + (_P + _KEYS).encode(), "~/config begins with a byte order mark."),
        ((_P + _KEYS).encode("utf-16"), "~/config is UTF-16 or no text."),
        ((_P + _KEYS).encode("utf-16-le"), "~/config is UTF-16 or no text."),
        ((_P + _KEYS + "# grüß\n").encode("latin-1"), "~/config is not UTF-8."),
        (_P + _KEYS + _P, "~/config, line 4: the section [profile prod-root] is there twice."),
        (_P + _KEYS + _KEYS, "~/config, line 4: an option of the section [profile prod-root] is there twice."),
        (_P + _KEYS + _SECRET, "~/config, line 4: this is no `name = value`."),
        (_KEYS + _P, "~/config, line 1: something stands before the first [section]."),
        (_P + _KEYS + f"s3 =\n  {_SECRET}\n", "~/config cannot be read: an indented block there"),
        # ways that need a person
        (_P + "login_session = arn:aws:iam::111122223333:root\n", "is a person's sign-in by `aws login`"),
        (_ROLE + f"source_profile = s\nmfa_serial = m\n[profile s]\n{_KEYS}", '"prod-root" in ~/config names an mfa'),
        (
            _ROLE + "source_profile = s\n[profile s]\nrole_arn = r\nmfa_serial = m\nsource_profile = t\n"
            f"[profile t]\n{_KEYS}",
            'The profile "s" in ~/config names an mfa_serial, which requires a code from a person',
        ),
        (
            _P + "sso_session = c\nsso_account_id = 1\nsso_role_name = x\n"
            "[sso-session c]\nsso_region = us-east-1\nsso_start_url = https://c.example.com\n",
            'The profile "prod-root" waits for a person to sign in by `aws sso login`.',
        ),
        (_P + "sso_session = c\nsso_account_id = 1\nsso_role_name = x\n", "there is no section [sso-session c]"),
        (_P + "sso_account_id = 1\n", "lacks sso_role_name, sso_start_url, sso_region"),
        # roles
        (_ROLE, "has a role_arn, and neither source_profile nor credential_source."),
        (_ROLE + "source_profile = s\ncredential_source = Environment\n", "both source_profile and credential_source."),
        (_ROLE + "credential_source = Vault\n", "has a credential_source that is none of Ec2InstanceMetadata"),
        (_ROLE + "credential_source = Environment\n", "from the machine or the pod, which gives none."),
        (_ROLE + "source_profile = s\n", 'has the source_profile "s". There is no profile "s" in ~/config'),
        (
            _ROLE + f"source_profile = s\nendpoint_url = http://127.0.0.1:1\n[profile s]\n{_KEYS}",
            '"prod-root" names no region, which it needs',
        ),
        (_ROLE + "source_profile = prod-root\n", "is its own source_profile, and has no keys."),
        (
            _ROLE + "source_profile = s\n[profile s]\nrole_arn = r\nsource_profile = prod-root\n",
            'The profile "s" in ~/config has the source_profile "prod-root", which leads back to it.',
        ),
        (_ROLE + "source_profile = s\n[profile s]\nregion = x\n", 'The profile "s" in ~/config is the source_profile'),
        (_ROLE + "source_profile = s\n[profile s]\ncredential_process = false\n", 'profile "s" ended with status 1.'),
        (_ROLE + "web_identity_token_file = /no/such\n", "names the web_identity_token_file /no/such, which does not"),
        (_ROLE + "web_identity_token_file = /dev/null\n", "/dev/null, which is empty."),
        (_P + "web_identity_token_file = /dev/null\n", "has a web_identity_token_file, but no role_arn."),
        # programs
        (_P + "credential_process = /no/such\n", 'credential_process of the profile "prod-root" cannot be found.'),
        (_P + "credential_process = /\n", 'credential_process of the profile "prod-root" cannot be run.'),
        (_P + "credential_process =\n", 'credential_process of the profile "prod-root" is empty.'),
        (_P + f"credential_process = sh -c 'echo {_SECRET} >&2; exit 3'\n", '"prod-root" ended with status 3.'),
        (_P + f"credential_process = echo {_SECRET}\n", '"prod-root" printed no JSON.'),
        (_P + f"credential_process = echo '[\"{_SECRET}\"]'\n", '"prod-root" printed JSON that is no credential.'),
        (_P + f"credential_process = echo '{{\"{_SECRET}\": 1}}'\n", "printed no credential: `Version` 1"),
        (_P + "credential_process = echo 'x\n", "has quotes that do not end"),
        # what else a profile says
        (_P + _KEYS + "endpoint_url = nonsense\n", 'An option of profile "prod-root" cannot be used (ValueError).'),
        (_P + _KEYS + "services = nobody\n", 'An option of profile "prod-root" cannot be used (InvalidConfigError).'),
        (_P + _KEYS + "ca_bundle = /no/such.pem\n", "The ca_bundle /no/such.pem does not exist"),
    ],
)
def test_what_is_wrong_with_which_profile_in_which_file_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, config: str | bytes, sentence: str
) -> None:
    monkeypatch.setattr("builtins.input", _asked)
    monkeypatch.setattr("getpass.getpass", _asked)
    (folder / "config").write_bytes(config.encode() if isinstance(config, str) else config)
    check_is_told(refusal(), sentence, folder)


def _asked(*_: object) -> str:
    raise AssertionError("somebody was asked")


def test_a_program_that_prints_what_has_expired_is_named_so(folder: Path) -> None:
    said = {
        "Version": 1, "AccessKeyId": _ID, "SecretAccessKey": _SECRET, "Expiration": "2020-01-01T00:00:00Z"
    }  # fmt: skip
    (folder / "config").write_text(f"{_P}credential_process = echo '{json.dumps(said)}'\n")
    check_is_told(refusal(), 'The profile "prod-root" gave a credential that has expired.', folder)


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        (_P + _KEYS, "The section [profile prod-root] in ~/credentials is no profile: there it has to be called"),
        ("[prod-root]\n" + _KEYS + "[prod-root]\n", "~/credentials, line 4: the section [prod-root] is there twice."),
        ("[prod-root]\n" + _KEYS.replace(_SECRET, ""), '"prod-root" in ~/credentials has no aws_secret_access_key.'),
    ],
)
def test_the_credentials_file_is_looked_at_as_well(folder: Path, credentials: str, sentence: str) -> None:
    (folder / "credentials").write_text(credentials)
    check_is_told(refusal(), sentence, folder)


def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").mkdir()
    check_is_told(refusal(), "~/config is a directory, not a file.", folder)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/proc/self/mem")  # a file that refuses to be read, even by root
    check_is_told(refusal(), "/proc/self/mem cannot be read (OSError).", folder)


def test_no_profile_and_no_environment_is_said_as_such() -> None:
    assert (
        "No profile is named, the environment has no credential, and this machine has no role." in refusal(None).exact
    )


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT]) as aws:
        yield aws


def test_a_program_has_nothing_to_read_and_so_asks_nobody(folder: Path, aws: SimulatedAws) -> None:
    key = aws.root_credential(ACCOUNT)
    said = {"Version": 1, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key}
    (folder / "vault.py").write_text(f"import sys\nassert sys.stdin.read() == ''\nprint({json.dumps(said)!r})")
    (folder / "config").write_text(
        f"{_P}endpoint_url = {aws.endpoint_url}\ncredential_process = {sys.executable} {folder}/vault.py\n"
    )
    never_closed, kept = os.pipe()
    own = os.dup(0)
    os.dup2(never_closed, 0)
    try:
        with AwsRoots({ACCOUNT: ProfileSource("prod-root")}).sign_in(_ACCOUNT, _PLAN) as root:
            assert root.signer_key_id == key.access_key_id
    finally:
        os.dup2(own, 0)
        for descriptor in (own, never_closed, kept):
            os.close(descriptor)


@pytest.mark.parametrize("what", ["a login page", "403", "headers without an end"])
def test_a_role_whose_assumption_somebody_else_answers_shows_nothing_of_it(
    folder: Path, aws: SimulatedAws, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """botocore itself would log the exception, and in it the whole answer."""
    caplog.set_level(logging.DEBUG)
    aws.fault("AssumeRole", Rewritten(PAGES[what]), times=9)
    (folder / "config").write_text(
        f"{_ROLE}region = us-east-1\nsource_profile = s\nendpoint_url = {aws.endpoint_url}\n[profile s]\n{_KEYS}"
    )
    refused = refusal()
    assert aws.count("AssumeRole") == 1
    assert 'The profile "prod-root" asks AWS for its credential' in refused.exact
    told = f"{refused.exact}{refused.detail}{''.join(traceback.format_exception(refused))}{caplog.text}"
    assert CANARY[:12] not in told


def test_what_aws_says_of_a_role_is_said_to_be_awss(folder: Path, aws: SimulatedAws) -> None:
    (folder / "config").write_text(
        f"{_ROLE}region = us-east-1\nsource_profile = s\nendpoint_url = {aws.endpoint_url}\n[profile s]\n{_KEYS}"
    )
    refused = refusal()
    assert "asks AWS for its credential, AssumeRole: AWS does not know, or no longer accepts, the key" in refused.exact
    assert "AWS does not know" in refused.detail


def test_the_simulated_aws_does_not_care_for_the_files_of_real_accounts(
    folder: Path, aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text("no configuration\n")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    key = aws.root_credential(ACCOUNT)
    source = FixedSource(key.access_key_id, key.secret_access_key, aws.endpoint_url)
    with AwsRoots({ACCOUNT: source}).sign_in(_ACCOUNT, _PLAN) as root:
        assert root.signer_key_id == key.access_key_id


@pytest.mark.parametrize(
    ("config", "credentials", "sentence"),
    [
        (
            _P + "credential_process = vault\n",
            "[prod-root]\n" + _KEYS,
            f"in ~/credentials win over its credential_process in ~/config: the service signs with {_ID}, which may be",
        ),
        ("", "[prod-root]\ncredential_process = vault\n" + _KEYS, "win over its credential_process in ~/credentials"),
        (_P + "login_session = x\n", "[prod-root]\n" + _KEYS, "win over its login_session in ~/config"),
        (_P + _KEYS.replace("01\n", "02\n"), "[prod-root]\n" + _KEYS, f"win: the service signs with {_ID}"),
        (
            _ROLE + "source_profile = s\n[profile s]\ncredential_process = vault\n",
            "[s]\n" + _KEYS,
            'The keys of the profile "s" in ~/credentials win over its credential_process',
        ),
    ],
)  # fmt: skip
def test_keys_that_win_over_a_program_are_seen(folder: Path, config: str, credentials: str, sentence: str) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    found = shadowing("prod-root")
    assert found is not None
    assert sentence in found.replace(str(folder), "~")
    assert "SECRET" not in found


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        (_P + "credential_process = vault\n", ""),
        (_P + "region = x\n", "[prod-root]\n" + _KEYS),
        (_P + _KEYS, "[prod-root]\n" + _KEYS),
        (_P + "credential_process = vault\n" + _KEYS, ""),  # of the configuration file, the program's win
        (_ROLE + "credential_source = Environment\ncredential_process = vault\n", "[prod-root]\n" + _KEYS),
        (_P + "credential_process = vault\n", "[other]\n" + _KEYS),
        ("no configuration", ""),
    ],
)
def test_where_nothing_is_shadowed_nothing_is_said(folder: Path, config: str, credentials: str) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    assert shadowing("prod-root") is None


_PRINTED = json.dumps({"Version": 1, "AccessKeyId": "AKIAPROGRAM000000001", "SecretAccessKey": "s"})
_OWN = pytest.mark.parametrize(
    ("config", "credentials"),
    [
        (_P + _KEYS, ""),
        (_P + _KEYS.replace("01\n", "02\n"), "[prod-root]\n" + _KEYS),
        (_P + f"credential_process = echo '{_PRINTED}'\n" + _KEYS, ""),
        (_P + f"credential_process = echo '{_PRINTED}'\n", "[prod-root]\n" + _KEYS),
        ("", f"[prod-root]\ncredential_process = echo '{_PRINTED}'\n"),
    ],
)


@_OWN
def test_the_credential_is_the_one_that_botocore_takes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, config: str, credentials: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT00001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    expected = botocore.session.Session(profile="prod-root").get_credentials()
    assert expected is not None
    assert own_credential(ProfileSource("prod-root").session()).access_key == expected.access_key


@_OWN
def test_for_a_profile_with_a_credential_of_its_own_no_other_provider_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, config: str, credentials: str
) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(botocore.credentials, "create_credential_resolver", refuse)
    assert own_credential(ProfileSource("prod-root").session()).secret_key


_L = "login_session = arn:aws:iam::111122223333:root\n"


@pytest.mark.parametrize(
    ("config", "credentials", "signing"),
    [
        (_P + _L, "", "prod-root"),
        ("", "[prod-root]\n" + _L, "prod-root"),
        (_P + _L + "credential_process = vault\n" + _KEYS, "", "prod-root"),  # both come after it
        (_ROLE + f"source_profile = s\n[profile s]\n{_L}", "", "s"),
    ],
)
def test_a_profile_that_signs_with_a_persons_sign_in_is_named(
    folder: Path, config: str, credentials: str, signing: str
) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    found = by_login("prod-root")
    assert found is not None
    assert found.startswith(f'The profile "{signing}" in ')
    assert "has a login_session" in found


@pytest.mark.parametrize(
    ("config", "credentials"),
    [
        (_P + _KEYS, ""),
        (_P + _L, "[prod-root]\n" + _KEYS),  # these keys win: `shadowing` says so
        (_ROLE + "credential_source = Environment\n" + _L, ""),
        (_ROLE + f"source_profile = s\n{_L}[profile s]\n{_KEYS}", ""),
        ("no configuration", ""),
        ("", ""),
    ],
)
def test_a_profile_that_signs_with_something_else_is_not(folder: Path, config: str, credentials: str) -> None:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    assert by_login("prod-root") is None
