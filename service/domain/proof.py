"""What proved a sign-in at an identity provider: what is kept of a token when the token itself is gone."""

from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a provider says of one who signs in. `issuer` is its name in the settings, `groups` all that it says.

    `subject` is who this is here; None where the claim that the settings name for that is not in the token.
    """

    issuer: str
    proof: Proof
    subject: str | None
    name: str
    groups: frozenset[str]
    is_machine: bool


def is_sign_in(credential: str) -> bool:
    """Whether a decision's credential is a sign-in at a provider, and not the id of an API token."""
    return credential.startswith(SIGN_IN_PREFIX)
