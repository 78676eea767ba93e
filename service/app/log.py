"""Makes the signers and the keys of the audit log from the settings."""

from service.aws.kms import KmsSigner
from service.aws.sources import ProfileSource
from service.domain.evidence import LogKey
from service.settings import AuditSettings, LogKeySettings
from service.signing.ed25519 import from_pem
from service.signing.notes import Remembering, Signer
from service.workflow.context import Log


def log_of(audit: AuditSettings) -> Log:
    """Return the log's signers, whose keys are in the settings or in KMS, and all public keys for verifiers."""
    signers = {name: _signer(audit.origin or "", key) for name, key in audit.keys.items()}
    return Log(
        origin=audit.origin or "",
        signers=[signer for signer in signers.values() if signer is not None],
        keys=[
            LogKey(key.verifier_key or (signer.verifier_key if signer else ""), key.since, key.until)
            for key, signer in zip(audit.keys.values(), signers.values(), strict=True)
        ],
    )


def _signer(origin: str, key: LogKeySettings) -> Signer | None:
    """Return the key's signer, or None for a key that no longer signs."""
    if key.kms_key is not None and key.verifier_key is not None:
        # Cached, because anybody who is signed in may request the head in a loop.
        return Remembering(KmsSigner(key.verifier_key, key.kms_key, ProfileSource(key.profile), key.region))
    pem = key.pem()
    return None if pem is None else from_pem(origin, pem)
