"""The ways to reach a mail server, as the settings name them."""

from typing import Literal

Security = Literal["starttls", "tls", "none"]
