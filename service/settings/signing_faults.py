"""Faults of founders and signatures: each would let nobody approve, or the wrong people."""

from collections.abc import Iterator

from service.domain.actor import Role
from service.settings.checks import split_url
from service.settings.model import Settings
from service.signing.faults import BadSignature
from service.signing.public_keys import parse_public_key


def faults_of_signing(settings: Settings) -> Iterator[str]:
    signing = settings.signing
    if (signing.rp_id is None) != (not signing.origins):
        yield "signing.rp_id and origins: they belong together."
    for origin in sorted(signing.origins) if signing.rp_id is not None else ():
        host = split_url(origin).hostname or ""
        if host != signing.rp_id and not host.endswith(f".{signing.rp_id}"):
            yield "signing.origins: one of them is not below signing.rp_id, so no browser would use the passkey there."
    if settings.wants_signatures() and settings.audit.origin is None:
        yield "policy.signed_approvals: audit.origin is missing. Every statement has it."
    if (settings.wants_signatures() or settings.signed_rules) and len(settings.founders) < settings.policy.quorum:
        yield (
            f"founders: {len(settings.founders)} people are fewer than policy.quorum. Nobody else's key could ever be "
            "endorsed, and signatures would never be enough."
        )
    for person in sorted(settings.founders):
        yield from (f"{_place(settings, person)}: {fault}" for fault in _faults_of_person(settings, person))
    yield from _faults_of_keys(settings)


def _place(settings: Settings, person: str) -> str:
    """Name a founder who is in the settings otherwise. Any other name may be a value in the wrong place."""
    return f"founders.{person}" if person in settings.people else "founders, one of them"


def _faults_of_person(settings: Settings, person: str) -> Iterator[str]:
    known = settings.people.get(person)
    if known is not None and Role.APPROVER not in known.roles:
        yield "this person is no approver."
    elif known is None and person in settings.machines:
        yield "this is a machine, which never decides."
    elif known is None and not settings.issuers:
        yield "this person is not in people, and without an issuer nobody else can sign in."


def _faults_of_keys(settings: Settings) -> Iterator[str]:
    for revoked in settings.signed_rules.file.rules.revoked if settings.signed_rules else ():
        try:
            parse_public_key(revoked.key)
        except BadSignature as error:
            yield f"revoked_keys: one of them cannot be used, so it would revoke nothing. {error}"
    holders, signing = settings.founders_keys(), settings.signing
    keys = [key for _, key in holders]
    for person, key in sorted(holders):
        place = f"{_place(settings, person)}, keys"
        try:
            kind = parse_public_key(key).kind
        except BadSignature as error:
            yield f"{place}: one of them cannot be used. {error}"
            continue
        if keys.count(key) > 1:
            yield f"{place}: another founder has one of them, too."
        if (signing.only_hardware or signing.only_device_bound) and not kind.is_hardware:
            yield f"{place}: one of them is not an authenticator's, and signing asks for that."
