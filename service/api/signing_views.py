"""Converts signing keys and statements into response bodies. It decides nothing."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from service.api.schemas import outputs
from service.api.schemas import signing_outputs as out
from service.workflow.rule_versions import Version
from service.workflow.sign import DecisionToSign, ToSign
from service.workflow.signing_keys import Listing, SigningKey


def keys_out(listing: Listing) -> out.SigningKeysOut:
    return out.SigningKeysOut(items=[_key(listing, key) for key in listing.keys])


def key_out(listing: Listing) -> out.SigningKeyOut:
    """Convert the one key of a listing."""
    return _key(listing, listing.keys[0])


def to_sign_out(to_sign: ToSign) -> out.ToSignOut:
    return out.ToSignOut(**_to_sign(to_sign))


def endorsement_out(to_sign: ToSign, listing: Listing) -> out.EndorsementToSignOut:
    return out.EndorsementToSignOut(**_to_sign(to_sign), key=key_out(listing))


def decision_out(found: DecisionToSign) -> out.DecisionToSignOut:
    proof = found.consistency
    return out.DecisionToSignOut(
        **_to_sign(found.to_sign),
        filing=found.filing,
        digest=found.digest,
        consistency=None if proof is None else [b64encode(part).decode() for part in proof],
        keys=[_key(found.keys, key) for key in found.keys.keys],
    )


def versions_out(versions: Sequence[Version]) -> out.RulesVersionsOut:
    return out.RulesVersionsOut(items=[out.RulesVersionOut(**_version(each)) for each in versions])


def rules_out(version: Version) -> out.RulesFileOut:
    signed = version.signed
    return out.RulesFileOut(**_version(version), text=signed.file.text, signatures=list(signed.signatures))


def _version(version: Version) -> dict[str, Any]:
    rules = version.signed.file.rules
    return {
        "version": rules.version,
        "digest": rules.digest,
        "previous": rules.previous,
        "recorded_at": version.recorded_at,
        "is_in_force": version.is_in_force,
        "signers": [
            out.RulesSignerOut(
                fingerprint=each.key.fingerprint,
                person=None
                if each.person is None
                else outputs.ActorOut(subject=each.person, name=version.name_of(each.person)),
            )
            for each in version.signers
        ],
    }


def _to_sign(to_sign: ToSign) -> dict[str, Any]:
    return {
        "statement": to_sign.statement,
        "namespace": to_sign.namespace,
        "blob": b64encode(to_sign.blob).decode(),
        "head": out.HeadOut(size=to_sign.head.size, root=to_sign.head.root),
    }


def _key(listing: Listing, key: SigningKey) -> out.SigningKeyOut:
    def actor(subject: str) -> outputs.ActorOut:
        return outputs.ActorOut(subject=subject, name=listing.name_of(subject))

    return out.SigningKeyOut(
        id=key.id,
        fingerprint=key.key.fingerprint,
        words=list(key.key.words),
        key=key.key.text,
        kind=key.key.kind,
        person=actor(key.person),
        name=key.name,
        is_founder=key.is_founder,
        counts=key.fault is None,
        fault=key.fault,
        endorsers=[actor(person) for person in key.endorsers],
        endorsements_needed=listing.needed,
        registered_at=key.registered_at,
        revocations=[out.RevocationOut(reason=each.reason, since=each.since, by=each.by) for each in key.revocations],
    )
