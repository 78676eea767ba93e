"""The e-mail address with which an account's root user signs in to the console."""

import re
from contextlib import ExitStack, closing
from typing import Any

from botocore.exceptions import ClientError

from service.aws.answers import member, text
from service.aws.errors import ACCESS_DENIED, asked, code_of
from service.aws.signer import REGION, Signer
from service.aws.sources import Source
from service.domain.account import Account, Partition

_UNREAD = "The root user's e-mail address cannot be read now."
# The model has the lengths only. The rest is accepted as it is: an address that we refused could change unnoticed.
# Without NUL and half a surrogate pair, which neither an answer of ours nor PostgreSQL could hold.
_EMAIL = re.compile(r"[^\0\ud800-\udfff]{5,64}")


def primary_email(source: Source, account: Account) -> str | None:
    """Read an account's address with a profile of its management account or of a delegated administrator.

    GetPrimaryEmail tells that of a member account. Its model excludes the management account, whose address
    DescribeAccount tells. Return None if AWS denies the call: the profile lacks the right, or the organization has not
    enabled trusted access for the account service. Raise Unavailable for any other failure.
    """
    call = "DescribeAccount" if account.is_management else "GetPrimaryEmail"
    with asked(_UNREAD, call, about=f"account {account.account_id} by {source.name}"), ExitStack() as stack:
        signer = Signer.of(source, REGION[Partition.AWS])
        answer: Any
        try:
            if account.is_management:
                organizations = stack.enter_context(closing(signer.organizations()))
                answer = organizations.describe_account(AccountId=account.account_id)
                return text(member(answer, "Account"), "Email", _EMAIL)
            client = stack.enter_context(closing(signer.account()))
            answer = client.get_primary_email(AccountId=account.account_id)
            return text(answer, "PrimaryEmail", _EMAIL)
        except ClientError as error:
            if code_of(error) == ACCESS_DENIED:
                return None
            raise
