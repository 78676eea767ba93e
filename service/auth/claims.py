"""Turn a verified token's claims into a Login: who signed in, whether a person or a machine, and with which groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.auth.machines import machine_sign, person_sign
from service.domain.actor import is_subject
from service.domain.errors import bad_token
from service.domain.mailbox import is_mailbox
from service.domain.proof import Login, Proof, Unsaid
from service.domain.sign_in_checks import TokenCheck
from service.domain.text import visible

# The name of a claim; if there are several, they are a path into nested objects.
ClaimPath = tuple[str, ...]

_LONGEST_CLAIM = 255
# Endings of the names of claims whose values look like mail addresses, without `_` and `-`.
_ADDRESSES = ("upn", "userprincipalname", "preferredusername", "uniquename")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An issuer's settings: which tokens are meant for us, and which claims identify somebody.

    With `client_id_as_audience`, `client_id` is the audience of a token without `aud`. `acr_values` are those that a
    decision accepts. `people_have` is a claim and the values of it that only people have.
    """

    name: str
    audience: frozenset[str]
    client_id_as_audience: bool = False
    acr_values: frozenset[str] = frozenset()
    person_claim: ClaimPath | None = None
    name_claim: ClaimPath = ("name",)
    groups_claim: ClaimPath = ("groups",)
    groups_separator: str | None = None
    absent_groups_are_none: bool = False
    people_have: tuple[ClaimPath, frozenset[str | bool]] | None = None


def read_login(trust: Trust, claims: Mapping[str, Any]) -> Login:
    """Read the Login from the claims. Raise Unauthenticated for a token without a readable `sub` or `iat`.

    An optional claim of a wrong type counts as absent; a rule that needs it refuses the login.
    """
    subject = claims.get("sub")
    issued_at = _time(claims.get("iat"))
    if not isinstance(subject, str) or not subject or not _is_plain(subject):
        raise bad_token(TokenCheck.SUBJECT)
    if issued_at is None:
        raise bad_token(TokenCheck.TIMES)
    proof = Proof(
        issuer=str(claims["iss"]),
        subject=subject,
        jti=_text(claims.get("jti")),
        issued_at=issued_at,
        auth_time=_time(claims.get("auth_time")),
        acr=_acr(trust, claims),
        amr=_texts(claims.get("amr")),
    )
    who, formerly = _subject(trust, claims, proof)
    return Login(
        issuer=trust.name,
        proof=proof,
        subject=who,
        formerly=formerly,
        name=_name(trust, claims) or subject,
        groups=_groups(trust, claims),
        machine_by=_machine_by(trust, claims, proof),
        email=_email(claims),
    )


def _acr(trust: Trust, claims: Mapping[str, Any]) -> str | None:
    """Return the strength of the sign-in: a required value from Entra ID's list `acrs`, else `acr`."""
    asked = (each for each in _texts(claims.get("acrs")) if each in trust.acr_values)
    return next(asked, _text(claims.get("acr")))


# --- who ---


def _subject(trust: Trust, claims: Mapping[str, Any], proof: Proof) -> tuple[str | Unsaid, str | None]:
    """Return the subject, and the one that earlier versions derived from the same claim if it differs."""
    if trust.person_claim is None:
        # An issuer has no fragment (Core, section 1.2), so the # is unambiguous.
        return f"{proof.issuer}#{proof.subject}", None
    value = _at(claims, trust.person_claim)
    if value is None:
        return Unsaid.ELSEWHERE if _is_elsewhere(trust.person_claim, claims) else Unsaid.ABSENT, None
    spelled = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not is_subject(spelled):
        return Unsaid.UNREADABLE, None
    if _is_mail(trust.person_claim) and not _is_verified(claims, trust.person_claim):
        return Unsaid.UNVERIFIED, None
    # Addresses and Windows names (`CORP\ann`) ignore case, whatever the claim is called.
    if "@" in spelled or "\\" in spelled:
        return spelled.lower(), None
    return spelled, spelled.lower() if spelled != spelled.lower() else None


def is_address(path: ClaimPath) -> bool:
    """Return whether a claim holds addresses. An address can be reassigned; its new owner is taken for the old one."""
    return _is_mail(path) or _plain_name(path).endswith(_ADDRESSES)


def _is_mail(path: ClaimPath) -> bool:
    return "mail" in _plain_name(path)


def _plain_name(path: ClaimPath) -> str:
    return path[-1].replace("_", "").replace("-", "").lower()


def _is_verified(claims: Mapping[str, Any], path: ClaimPath) -> bool:
    """Return whether the address is marked as verified: `email_verified` is true beside `email`.

    Only a JSON boolean counts, not a string (Core, section 5.1).
    """
    return _at(claims, (*path[:-1], f"{path[-1]}_verified")) is True


def _name(trust: Trust, claims: Mapping[str, Any]) -> str:
    """Return a name for display only; it is never compared."""
    name = _shown(claims, trust.name_claim) or _shown(claims, ("preferred_username",))
    email = _shown(claims, ("email",))
    return visible(f"{name} ({email})") if name and email else name or email


def _email(claims: Mapping[str, Any]) -> str | Unsaid:
    """Return the mail address that the provider has verified (Core, section 5.1)."""
    address = claims.get("email")
    if address is None:
        return Unsaid.ABSENT
    if not isinstance(address, str) or not is_mailbox(address):
        return Unsaid.UNREADABLE
    return address if _is_verified(claims, ("email",)) else Unsaid.UNVERIFIED


def _shown(claims: Mapping[str, Any], path: ClaimPath) -> str:
    value = _at(claims, path)
    return visible(value) if isinstance(value, str) else ""


# --- a person, or a machine ---


def _machine_by(trust: Trust, claims: Mapping[str, Any], proof: Proof) -> str | None:
    """Return why this counts as a machine, or None for a person. Without proof of a person it is a machine."""
    sign = machine_sign(claims)
    if sign is not None:
        return sign
    if trust.people_have is None:
        return None if person_sign(claims, proof) else "nothing in its token shows that a person has signed in"
    path, wanted = trust.people_have
    value = _at(claims, path)
    values = value if isinstance(value, list) else [value]
    # Compare types too: 1 == True in Python.
    has_it = any(type(one) is type(other) and one == other for one in values for other in wanted)
    return None if has_it else "its token lacks the value that, by the settings, only people have"


# --- groups ---


def _groups(trust: Trust, claims: Mapping[str, Any]) -> frozenset[str] | Unsaid:
    if _is_elsewhere(trust.groups_claim, claims):
        return Unsaid.ELSEWHERE
    value = _at(claims, trust.groups_claim)
    if value is None:
        return frozenset() if trust.absent_groups_are_none else Unsaid.ABSENT
    if isinstance(value, str):
        return _named_in(value, trust.groups_separator)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return frozenset(value)
    return Unsaid.UNREADABLE


def _is_elsewhere(path: ClaimPath, claims: Mapping[str, Any]) -> bool:
    """Return whether the token holds a reference instead of the claim.

    That is `_claim_names` (Core, section 5.6.2), or Entra ID's `hasgroups` and `groups:src1` for too many groups.
    """
    names = claims.get("_claim_names")
    return (
        (isinstance(names, Mapping) and path[0] in names)
        or (path == ("groups",) and claims.get("hasgroups") not in (None, False, "false"))
        or any(name.startswith(f"{path[0]}:src") for name in claims)
    )


def _named_in(text: str, separator: str | None) -> frozenset[str] | Unsaid:
    """Return the groups in one string. A string that looks like JSON is never split into names."""
    stripped = text.strip()
    if stripped[:1] + stripped[-1:] in {"[]", "{}"}:
        return Unsaid.UNREADABLE
    if separator is None:
        return frozenset({text}) if stripped else Unsaid.UNREADABLE
    return frozenset(name for part in text.split(separator) if (name := part.strip())) or Unsaid.UNREADABLE


# --- values ---


def _at(claims: Mapping[str, Any], path: ClaimPath) -> object:
    """Return the value at the path, or None if there is none."""
    value: object = claims
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _is_plain(value) else None


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        return ()
    return tuple(each for each in values if isinstance(each, str) and _is_plain(each))


def _is_plain(value: str) -> bool:
    """Return whether every database can store it: JSON can contain a lone surrogate, or U+0000."""
    return len(value) <= _LONGEST_CLAIM and value.isprintable()


def _time(value: object) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (OverflowError, ValueError, OSError):
        return None
