"""Response bodies about signatures and signing keys. As in `outputs.py`, no field has a default."""

from datetime import datetime

from pydantic import Field

from service.api.schemas import ids
from service.api.schemas.outputs import ActorOut, Output
from service.domain.roster import KeyFault, Reason, RevokedBy
from service.domain.statement import Namespace
from service.signing.public_keys import KeyKind


class HeadOut(Output):
    """A head of the audit log: the number of events, and the root of their tree in hex."""

    size: int
    root: ids.Digest


class RevocationOut(Output):
    reason: Reason
    since: int = Field(description="The head from which a compromised key is not to be trusted.")
    by: RevokedBy


class SigningKeyOut(Output):
    """A person's public key. Compare the fingerprint, or the words, by another way before you endorse it."""

    id: ids.KeyId = Field(description="The fingerprint, as it stands in paths.")
    fingerprint: str = Field(description="As `ssh-keygen -l` prints it.")
    words: list[str] = Field(description="The first 16 bytes of the fingerprint, to read aloud.")
    key: str = Field(description="The OpenSSH public key, without a comment.")
    kind: KeyKind
    person: ActorOut
    name: str | None = Field(description="The person's own name for it; null for a founder's key in the settings.")
    is_founder: bool
    counts: bool
    fault: KeyFault | None = Field(description="Why it does not count; null if it does.")
    endorsers: list[ActorOut] = Field(description="The people whose endorsements count.")
    endorsements_needed: int = Field(description="How many people have to endorse a key that is no founder's.")
    registered_at: datetime | None
    revocations: list[RevocationOut]


class SigningKeysOut(Output):
    items: list[SigningKeyOut]


class RulesSignerOut(Output):
    """A key that signed a version of the rules."""

    fingerprint: str = Field(description="As `ssh-keygen -l` prints it.")
    person: ActorOut | None = Field(description="Whose key it was; null if it did not count then.")


class RulesVersionOut(Output):
    """A version of the signed rules that came into force."""

    version: int
    digest: ids.Digest = Field(description="The SHA-256 of the file, by which requests name their rules.")
    previous: ids.Digest | None = Field(description="The digest of the version before; null in the first.")
    recorded_at: datetime | None = Field(description="When it came into force.")
    is_in_force: bool = Field(description="Whether no newer one has followed.")
    signers: list[RulesSignerOut]


class RulesVersionsOut(Output):
    items: list[RulesVersionOut]


class RulesFileOut(RulesVersionOut):
    """A version with its file. `ssh-keygen -Y verify -n rules@rootquorum` verifies each signature over `text`."""

    text: str = Field(description="The file: exactly these bytes in UTF-8 were signed.")
    signatures: list[str] = Field(description="Armored, as OpenSSH writes them.")


class ToSignOut(Output):
    """A statement to sign. `ssh-keygen -Y sign -n NAMESPACE` signs the bytes of `statement`; a passkey gets `blob`."""

    statement: str = Field(description="RFC 8785 JSON. Send it back as it is.")
    namespace: Namespace
    blob: str = Field(description="What the key signs (OpenSSH's PROTOCOL.sshsig), in Base64: a passkey's challenge.")
    head: HeadOut


class EndorsementToSignOut(ToSignOut):
    """An endorsement to sign, and the key that it is about."""

    key: SigningKeyOut


class DecisionToSignOut(ToSignOut):
    """A decision to sign. Compute the SHA-256 of `filing` yourself, and show people that document."""

    filing: str = Field(description="What was filed, in RFC 8785 JSON.")
    digest: ids.Digest = Field(description="The SHA-256 of `filing`.")
    consistency: list[str] | None = Field(
        description="The proof that the log has only grown since `size`, in Base64; null without `size`."
    )
    keys: list[SigningKeyOut] = Field(description="Your keys that count.")
