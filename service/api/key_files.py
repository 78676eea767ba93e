"""A new key as a file, in the forms that AWS's own tools read."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from service.domain.outcome import CreatedKey


class FileName(StrEnum):
    """Names a file: it is the last part of the path that asks for it, and what it is called where it is saved."""

    ROOTKEY_CSV = "rootkey.csv"
    CREDENTIALS_CSV = "credentials.csv"
    PROFILE_INI = "profile.ini"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Holds how a file is made: `write` takes a key, and the name of the user or profile in it."""

    media_type: str
    write: Callable[[CreatedKey, str], str]


def _rootkey_csv(key: CreatedKey, _name: str) -> str:
    """Write the two lines that the AWS console has long put into `rootkey.csv`."""
    return f"AWSAccessKeyId={key.access_key_id}\r\nAWSSecretKey={key.secret.reveal()}\r\n"


def _credentials_csv(key: CreatedKey, name: str) -> str:
    """Write what `aws configure import --csv` reads. It splits at commas, and knows no quotes (source: aws/aws-cli,
    version 2). So they stand only around a value that no other reader would understand without them.
    """
    text = io.StringIO()
    rows = [("User Name", "Access key ID", "Secret access key"), (name, key.access_key_id, key.secret.reveal())]
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _profile_ini(key: CreatedKey, name: str) -> str:
    """Write a profile for AWS's shared credentials file. Nothing is special in what follows the sign there: botocore
    reads it by `configparser.RawConfigParser`.
    """
    return f"[{name}]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret.reveal()}\n"


FILES = {
    FileName.ROOTKEY_CSV: KeyFile("text/csv", _rootkey_csv),
    FileName.CREDENTIALS_CSV: KeyFile("text/csv", _credentials_csv),
    FileName.PROFILE_INI: KeyFile("text/plain", _profile_ini),
}


def profile_of(account_id: str) -> str:
    """Name the user or profile, in letters that mean nothing special in any of the forms. Names of accounts may."""
    return f"root-{account_id}"
