"""The e-mail address with which an account's root user signs in to the console."""

import re
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from service.aws.answers import text
from service.aws.errors import ACCESS_DENIED, asked, code_of
from service.aws.signer import REGION, Signer
from service.aws.sources import Source
from service.domain.account import Account, Partition

_UNREAD = "The root user's e-mail address cannot be read now."
# The model has the lengths only. The rest is accepted as it is: an address that we refused could change unnoticed.
# Without NUL and half a surrogate pair, which neither an answer of ours nor PostgreSQL could hold.
EMAIL = re.compile(r"[^\0\ud800-\udfff]{5,64}")


def primary_email(source: Source, account: Account) -> str | None:
    """Read a member account's address with a profile of the management account or of a delegated administrator.

    Return None if AWS denies it: the profile lacks account:GetPrimaryEmail, or the organization has not enabled trusted
    access for the account service. Raise Unavailable for any other failure.
    """
    with (
        asked(_UNREAD, "GetPrimaryEmail", about=f"account {account.account_id} by {source.name}"),
        closing(Signer.of(source, REGION[Partition.AWS]).account()) as client,
    ):
        try:
            answer: Any = client.get_primary_email(AccountId=account.account_id)
        except ClientError as error:
            if code_of(error) == ACCESS_DENIED:
                return None
            raise
        return text(answer, "PrimaryEmail", EMAIL)
