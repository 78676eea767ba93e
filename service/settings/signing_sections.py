"""The tables of the settings about the audit log's keys and about keys of people."""

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, SecretStr, StringConstraints

from service.domain.actor import SUBJECT_PATTERN
from service.domain.policy import SMALLEST_QUORUM
from service.settings.values import DestinationName, File, Profile, Region, Section

# A browser's origin, which is compared letter by letter.
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.:\[\]-]{1,255}$")]


# A host's name, without a port (W3C Web Authentication, section 5.1.2).
RelyingParty = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class SigningSettings(Section):
    """What a signature has to prove beyond its key. Without `rp_id` and `origins` no passkey signs.

    `rules_file` is the file of rules that a quorum signs, relative to the settings file. All else is then in there.
    """

    rules_file: File | None = Field(
        default=None,
        title="path, relative to the settings file",
        description=(
            "The [rules that a quorum signs](signed-approvals.md#rules-that-a-quorum-signs). That "
            "file then has `[policy]`, `[[rules]]`, `[groups]`, `[founders]`, `[people]`, "
            "`[machines]`, all else of `[signing]`, and the `grants` of `[issuers]`, with "
            "`[[revoked_keys]]` of its own; neither this file nor the environment may have any of "
            "them. Signatures stand beside it, in a file whose name ends with `.sigs`."
        ),
    )
    rp_id: RelyingParty | None = Field(
        default=None,
        title="host name",
        description=("The RP id of passkeys. Without it no passkey signs. Passkeys for another one no longer count."),
    )
    origins: frozenset[Origin] = Field(
        default=frozenset(),
        title="list of origins",
        json_schema_extra={"default": "required with `rp_id`"},
        description=(
            'The origins of pages on which a passkey may sign, letter by letter: `["https://rootquorum.example.com"]`.'
        ),
    )
    user_verified: bool = Field(
        default=True,
        description=(
            "An authenticator must have verified its user, by a PIN or a fingerprint. It must always "
            "have been touched. Keys in files cannot prove either."
        ),
    )
    only_hardware: bool = Field(
        default=False,
        description=(
            "Only authenticators may approve, register and endorse: `sk-` keys and passkeys, no keys in files."
        ),
    )
    only_device_bound: bool = Field(
        default=False, description="The same, and no passkey that can be copied to another device."
    )


# An OpenSSH public key, with or without a comment.
PublicKeyLine = Annotated[str, StringConstraints(min_length=20, max_length=4096)]


# Somebody whom a provider signs in is named by issuer and subject.
FounderId = Annotated[str, StringConstraints(pattern=rf"^{SUBJECT_PATTERN}(#[!-~]{{1,255}})?$", max_length=255)]


Fingerprint = Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]


class EmergencySettings(Section):
    """What makes signed rules stricter at once, without their signatures: a higher quorum, and keys not to count."""

    quorum: int | None = Field(
        default=None,
        ge=SMALLEST_QUORUM,
        le=100,
        description=(
            "How many people have to approve, if that is more than `policy.quorum`. A lower number prevents the start."
        ),
    )
    revoked_keys: frozenset[Fingerprint] = Field(
        default=frozenset(),
        title="list of fingerprints",
        description=(
            "Signing keys, such as `SHA256:…`, that count for nothing. What they endorsed does not "
            "count either, and they sign no new version of the rules."
        ),
    )


class FounderSettings(Section):
    """A person whose keys count without anybody's endorsement."""

    keys: Annotated[tuple[PublicKeyLine, ...], Field(min_length=1, max_length=20)] = Field(
        title="list of 1 to 20 OpenSSH public keys",
        description=(
            "The keys of this person, as under `people` or as their provider names them. Lines of "
            "`.pub` files: Ed25519, ECDSA (P-256) and their `sk-` kinds, RSA from 3072 bits."
        ),
    )


class LogKeySettings(Section):
    """A key of the audit log: in a file (PEM, PKCS #8), in the settings, or in AWS KMS.

    A key that no longer signs has only its `verifier_key`. A KMS key must have one, so that no other can replace it.
    """

    key: SecretStr | None = Field(default=None, description="The same as a value. Prefer the variable.")
    key_file: File | None = Field(
        default=None,
        description=(
            "A private key, Ed25519 in PEM (PKCS #8), as `rootquorum audit key FILE` makes it. It is read at the start."
        ),
    )
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = Field(
        default=None,
        title="ARN of a key of AWS KMS",
        description="A key of the spec `ECC_NIST_EDWARDS25519`, which cannot be exported from KMS.",
    )
    profile: Profile | None = Field(
        default=None,
        title="name of a boto3 profile",
        json_schema_extra={"default": "boto3's own search"},
        description="The profile that may use it: `kms:Sign`, `kms:GetPublicKey`.",
    )
    region: Region = Field(default="us-east-1", title="region", description="The key's region.")
    verifier_key: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None,
        title="`name+id+Base64`",
        json_schema_extra={"default": "that of the key"},
        description=(
            "The public key. Required with `kms_key`, so that no other key can replace it. Set alone, "
            "it is a key that no longer signs. Its name is `audit.origin`; with `until` it may be the "
            "name of an earlier log."
        ),
    )
    since: AwareDatetime | None = Field(
        default=None, description="When it started to sign, for readers of `GET /v1/audit/keys`."
    )
    until: AwareDatetime | None = Field(
        default=None, description="When it stopped. Only with a `verifier_key` alone: a key that signs has none."
    )

    def pem(self) -> bytes | None:
        """Return the private key from the settings or from the file, which is read now. Raise OSError."""
        if self.key is not None:
            return self.key.get_secret_value().encode()
        return None if self.key_file is None else self.key_file.read_bytes()

    def for_others(self) -> "LogKeySettings":
        """Return the key without its private part, if the public one is given."""
        if self.verifier_key is None:
            return self
        return LogKeySettings(verifier_key=self.verifier_key, since=self.since, until=self.until)


class WitnessSettings(Section):
    """A witness of the log's head (C2SP tlog-witness). `url` is its submission prefix."""

    url: str = Field(
        title="https URL without a query; http for an allowed host",
        description=(
            "The submission prefix of a [witness](log-keys.md#witnesses), which cosigns the log's head and "
            "each anchor. At most 50 witnesses."
        ),
    )
    verifier_key: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        title="`name+id+Base64`", description="The witness's public key, for cosignatures with Ed25519."
    )


class AuditSettings(Section):
    """The audit log. `origin` is its permanent name in checkpoints, such as a host name and a path.

    The authority at `timestamp_url` (RFC 3161) stamps anchors; its certificates chain to `timestamp_roots` (PEM).
    """

    origin: Annotated[str, StringConstraints(pattern=r"^[!-*,-~]{1,200}$")] | None = Field(
        default=None,
        title="text without spaces and `+`",
        description=(
            "The log's permanent name in its checkpoints, for example a host name and a path. Keys require it."
        ),
    )
    keys: dict[DestinationName, LogKeySettings] = Field(default={})
    timestamp_url: str | None = Field(
        default=None,
        title="https URL; http for an allowed host",
        description="A time-stamp authority (RFC 3161), which stamps each anchor.",
    )
    timestamp_roots: File | None = Field(
        default=None,
        json_schema_extra={"default": "required with `timestamp_url`"},
        description="The authority's root certificates, in PEM.",
    )
    cosign_interval: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = Field(
        default=timedelta(minutes=5),
        description="How far apart the rounds are in which [witnesses](log-keys.md#witnesses) cosign the log's head.",
    )
    witnesses: dict[DestinationName, WitnessSettings] = Field(default={})

    def for_others(self) -> "AuditSettings":
        """Return the settings that it takes to check the log."""
        return AuditSettings(origin=self.origin, keys={name: key.for_others() for name, key in self.keys.items()})
