"""Proof of a sign-in at an identity provider: the part of a token that the service keeps."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from service.domain.canonical import Document, sha256, timestamp

# The prefix of a credential from a sign-in. The id of an API token is a UUID.
SIGN_IN_PREFIX = "oidc-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The claims of a verified token that say who, when and how (OpenID Connect Core 1.0, section 2; RFC 9068)."""

    issuer: str
    subject: str
    jti: str | None
    issued_at: datetime
    auth_time: datetime | None
    acr: str | None
    amr: tuple[str, ...]

    @property
    def document(self) -> Document:
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "jti": self.jti,
            "issued_at": timestamp(self.issued_at),
            "auth_time": None if self.auth_time is None else timestamp(self.auth_time),
            "acr": self.acr,
            "amr": list(self.amr),
        }

    @property
    def credential(self) -> str:
        """Return a short name for this proof. Decisions store it; the audit log has the whole proof."""
        return SIGN_IN_PREFIX + sha256(self.document)[:32]


class Unsaid(Enum):
    """Why the value of a claim cannot be had from a token."""

    ABSENT = "absent"
    # The token has only a pointer to it (OpenID Connect Core 1.0, section 5.6.2; Entra ID has more forms).
    ELSEWHERE = "elsewhere"
    UNREADABLE = "unreadable"
    # A mail address that the provider does not vouch for.
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A provider's statement about who signs in. `issuer` is its name in the settings; `groups` are all in the token.

    `subject` identifies them in this service. `formerly` is the lower-case subject that versions before 0008 derived
    from the same claim, if it differs. `machine_by` is why this counts as a machine; None for a person.
    `email` is the mail address that the provider vouches for.
    """

    issuer: str
    proof: Proof
    subject: str | Unsaid
    name: str
    groups: frozenset[str] | Unsaid
    formerly: str | None = None
    machine_by: str | None = None
    email: str | Unsaid = field(default=Unsaid.ABSENT, repr=False)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token as a caller presents it: the hex SHA-256 under which it is stored."""

    hash: str


def is_sign_in(credential: str) -> bool:
    """Return whether a decision's credential is a sign-in at a provider, and not the id of an API token."""
    return credential.startswith(SIGN_IN_PREFIX)
