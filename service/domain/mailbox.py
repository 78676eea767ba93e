"""Which texts are mail addresses that the service writes to."""

import re

# A mailbox (RFC 5321, section 4.1.2) in ASCII, without quotes, comments and address literals. At most 254 characters.
_MAILBOX = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_LONGEST_LOCAL_PART = 64


def is_mailbox(text: str) -> bool:
    """Return whether it is a mail address that can stand in a header and in a command of SMTP as it is."""
    return _MAILBOX.fullmatch(text) is not None and text.index("@") <= _LONGEST_LOCAL_PART
