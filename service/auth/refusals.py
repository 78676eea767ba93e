"""Why an exchange of a code gave no token."""

from dataclasses import dataclass

# The provider's error codes (RFC 6749, section 5.2; RFC 8707, section 2), each with a sentence for the operator.
REFUSALS = {
    "invalid_request": "The provider rejects the request as malformed.",
    "invalid_client": "The provider does not accept this service's client_id or client_secret.",
    "invalid_grant": "The code was used before, has expired, or was issued for another page. Sign in again.",
    "unauthorized_client": "The provider does not allow this client the authorization-code grant.",
    "unsupported_grant_type": "The provider does not know the authorization-code grant.",
    "invalid_scope": "The provider does not allow this client the scopes in the settings.",
    "invalid_target": "The provider does not know the resource or audience in the settings.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no token: `error` is a code from RFC 6749 or RFC 8707, `check` is a name for the log."""

    error: str
    description: str
    check: str

    @classmethod
    def by(cls, error: str) -> "Refusal":
        return cls(error, REFUSALS[error], error)
