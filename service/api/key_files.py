"""A new key as a file, in the formats that AWS's own tools read."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from service.domain.outcome import CreatedKey


class FileName(StrEnum):
    """The name of a file: the last part of its URL path, and the name that it is saved under."""

    ROOTKEY_CSV = "rootkey.csv"
    CREDENTIALS_CSV = "credentials.csv"
    PROFILE_INI = "profile.ini"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file format: `write` takes a key, and the name of the user or profile for the file."""

    media_type: str
    write: Callable[[CreatedKey, str], str]


def _rootkey_csv(key: CreatedKey, _name: str) -> str:
    """Write the two lines that the AWS console has long written to `rootkey.csv`."""
    return f"AWSAccessKeyId={key.access_key_id}\r\nAWSSecretKey={key.secret.reveal()}\r\n"


def _credentials_csv(key: CreatedKey, name: str) -> str:
    """Write what `aws configure import --csv` reads.

    It splits at commas and does not support quotes (source: aws/aws-cli, version 2). So a value is quoted only if CSV
    requires it.
    """
    text = io.StringIO()
    rows = [("User Name", "Access key ID", "Secret access key"), (name, key.access_key_id, key.secret.reveal())]
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _profile_ini(key: CreatedKey, name: str) -> str:
    """Write a profile for AWS's shared credentials file.

    A value needs no escaping: botocore reads the file with `configparser.RawConfigParser`.
    """
    return f"[{name}]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret.reveal()}\n"


FILES = {
    FileName.ROOTKEY_CSV: KeyFile("text/csv", _rootkey_csv),
    FileName.CREDENTIALS_CSV: KeyFile("text/csv", _credentials_csv),
    FileName.PROFILE_INI: KeyFile("text/plain", _profile_ini),
}


def profile_of(account_id: str) -> str:
    """Name the user or profile. An account's name could have characters that are special in one of the formats."""
    return f"root-{account_id}"
