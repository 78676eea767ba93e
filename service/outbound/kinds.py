"""The ways to reach a mail server or a syslog server, as the settings name them."""

from typing import Literal

Security = Literal["starttls", "tls", "none"]
Transport = Literal["tls", "tcp", "udp"]
