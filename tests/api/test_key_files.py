"""The files of a new key are what AWS's own tools read."""

import csv
import io
from pathlib import Path

import boto3
import botocore.session
import pytest
from pydantic import ValidationError
from support.builders import ACCOUNT, NOON

from service.api.key_files import FILES, FileName, profile_of
from service.api.schemas.outputs import CreatedKeyOut
from service.domain.outcome import CreatedKey, Secret

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY="
# No secret of AWS's looks like these so far; none says that it may not.
AWKWARD = [
    "=1+1",
    "#comment",
    "; comment",
    "%(x)s %%",
    "[section]",
    "'quoted'",
    '"quoted"',
    "a,b",
    "a=b:c",
    "$HOME",
    "ü€",
]


def written(name: FileName, secret: str = SECRET, profile: str = profile_of(ACCOUNT)) -> str:
    return FILES[name].write(CreatedKey("AKIAIOSFODNN7EXAMPLE", Secret(secret), NOON), profile)


def test_rootkey_csv_is_exactly_the_two_lines_of_the_console() -> None:
    text = written(FileName.ROOTKEY_CSV)
    assert text == f"AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\r\nAWSSecretKey={SECRET}\r\n"


def test_credentials_csv_is_what_aws_configure_import_reads() -> None:
    """It wants these three columns, splits at commas, and knows no quotes."""
    header, row = written(FileName.CREDENTIALS_CSV).splitlines()

    columns = [name.strip().lower() for name in header.split(",")]
    values = dict(zip(columns, row.split(","), strict=True))
    assert values == {
        "user name": f"root-{ACCOUNT}",
        "access key id": "AKIAIOSFODNN7EXAMPLE",
        "secret access key": SECRET,
    }


@pytest.mark.parametrize("secret", AWKWARD)
def test_credentials_csv_holds_whatever_a_secret_is(secret: str) -> None:
    (row,) = csv.DictReader(io.StringIO(written(FileName.CREDENTIALS_CSV, secret), newline=""))
    assert row == {
        "User Name": f"root-{ACCOUNT}",
        "Access key ID": "AKIAIOSFODNN7EXAMPLE",
        "Secret access key": secret,
    }


@pytest.mark.parametrize("secret", [SECRET, *AWKWARD])
def test_profile_is_what_botocore_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Beside profiles that are there already."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n\n")
    with file.open("a") as credentials:
        credentials.write(written(FileName.PROFILE_INI, secret))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    found = botocore.session.Session(profile=f"root-{ACCOUNT}").get_credentials()
    assert found is not None
    assert (found.access_key, found.secret_key, found.token) == ("AKIAIOSFODNN7EXAMPLE", secret, None)
    assert set(boto3.Session().available_profiles) == {"default", f"root-{ACCOUNT}"}


# --- nobody sees a secret who does not ask for the answer ---


def key_out() -> CreatedKeyOut:
    return CreatedKeyOut.model_validate(
        {
            "access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "secret_access_key": SECRET,
            "created_at": NOON,
            "account_id": ACCOUNT,
            "request_id": "6f1c9a52-6a55-4b8e-9d5c-2f6f0f6f2b11",
            "receipt_by": None,
        }
    )


def test_answer_shows_the_secret_as_json_and_in_no_other_way() -> None:
    key = key_out()

    assert SECRET in key.model_dump_json()
    assert key.model_dump(mode="json")["secret_access_key"] == SECRET
    for shown in (
        repr(key),
        str(key),
        f"{key}",
        repr(key.model_dump()),
        repr(dict(key)),
        repr(key.__dict__),
        repr([key]),
    ):
        assert SECRET not in shown
        assert "AKIAIOSFODNN7EXAMPLE" in shown


def test_answer_that_cannot_be_made_does_not_say_of_what() -> None:
    with pytest.raises(ValidationError) as refusal:
        CreatedKeyOut.model_validate({"secret_access_key": SECRET, "created_at": SECRET})

    assert SECRET not in f"{refusal.value} {refusal.value!r}"
