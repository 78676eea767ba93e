"""What proved a sign-in at an identity provider: what is kept of a token when the token itself is gone."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from service.domain.canonical import Document, sha256, timestamp

# Of a decision's credential; the id of an API token is a UUID.
SIGN_IN_PREFIX = "oidc-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The claims of a verified token (OpenID Connect Core 1.0, section 2; RFC 9068) that say who, when and how."""

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
        """A short name for it, which decisions keep; the audit log spells it out."""
        return SIGN_IN_PREFIX + sha256(self.document)[:32]


class Unsaid(Enum):
    """Why a token does not say what a claim was to say."""

    ABSENT = "absent"
    # A pointer stands in its place (OpenID Connect Core 1.0, section 5.6.2; Entra ID has more forms of it).
    ELSEWHERE = "elsewhere"
    UNREADABLE = "unreadable"
    # A mail address that the provider does not vouch for.
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a provider says of one who signs in. `issuer` is its name in the settings, `groups` all that it says.

    `subject` is who this is here. `formerly` is the lower-case subject that versions before 0008 made of the same
    claim, where it is another one. `machine_by` is why this counts as a machine; None for a person.
    """

    issuer: str
    proof: Proof
    subject: str | Unsaid
    name: str
    groups: frozenset[str] | Unsaid
    formerly: str | None = None
    machine_by: str | None = None


def is_sign_in(credential: str) -> bool:
    """Whether a decision's credential is a sign-in at a provider, and not the id of an API token."""
    return credential.startswith(SIGN_IN_PREFIX)
