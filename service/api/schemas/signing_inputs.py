"""Request bodies and parameters about signatures and signing keys."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from service.api.schemas.inputs import Input, KeyName, LogNumber, Signature, Statement

# The SHA-256 of a key, in the Base64 that can stand in a path.
KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$", max_length=43)]
_PUBLIC_KEY = r"^[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}( [^\u0000-\u001f\u007f]{0,200})?\n?$"


class DecisionToSign(Input):
    """The decision to sign, and the head that you know."""

    decision: Literal["approve", "reject"] = "approve"
    size: LogNumber | None = Field(
        default=None, description="The size of the log that you saw last. The answer proves that it has only grown."
    )


class KeyToRegister(Input):
    """A public key: of OpenSSH, or a passkey."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    key: Annotated[str, StringConstraints(pattern=_PUBLIC_KEY, max_length=8500)] | None = Field(
        default=None, description="The line of a `.pub` file."
    )
    passkey: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{40,400}={0,2}$", max_length=402)] | None = Field(
        default=None, description="What the browser's `getPublicKey()` returns for ES256, in Base64."
    )

    @model_validator(mode="after")
    def _is_one(self) -> "KeyToRegister":
        if (self.key is None) == (self.passkey is None):
            raise PydanticCustomError("of_ours", "Send either key or passkey.")
        return self


class Signed(Input):
    """A statement as it was given, and its signature."""

    statement: Statement
    signature: Signature


class NewSigningKey(Signed):
    """A key that its person has signed for."""

    name: KeyName = Field(description="Your name for it.", examples=["YubiKey, blue"])


class KeyRevocation(Input):
    """Why a key shall no longer count, for good.

    What a retired key endorsed stays. What a compromised key endorsed from `since` on no longer counts.
    """

    reason: Literal["retired", "compromised"]
    since: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = Field(
        default=None,
        description="Only for a compromised key: the size of the log from which it is not to be trusted. By default "
        "from the beginning.",
    )
