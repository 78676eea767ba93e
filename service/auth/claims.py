"""A verified token's claims in, a Login out: who has signed in, a person or a machine, and with which groups."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.domain.errors import TokenCheck, bad_token
from service.domain.proof import Login, Proof
from service.domain.text import visible

_LONGEST_CLAIM = 255
# As the settings spell people; two spellings of one name would be two people.
_PERSON = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the settings say of an issuer: which tokens are meant for us, and which claims say who somebody is.

    With `client_id_as_audience` the claim `client_id` says whom a token is for that has no `aud`. `acr_values` are
    those that a decision takes.
    """

    name: str
    audience: frozenset[str]
    client_id_as_audience: bool = False
    acr_values: frozenset[str] = frozenset()
    person_claim: str | None
    name_claim: str
    groups_claim: str


def read_login(trust: Trust, claims: Mapping[str, Any]) -> Login:
    subject = _text(claims, "sub")
    if not subject:
        raise bad_token(TokenCheck.SUBJECT)
    proof = Proof(
        issuer=str(claims["iss"]),
        subject=subject,
        jti=_text(claims, "jti"),
        issued_at=_time(claims["iat"]),
        auth_time=None if claims.get("auth_time") is None else _time(claims["auth_time"]),
        acr=_acr(trust, claims),
        amr=_texts(claims.get("amr")),
    )
    return Login(
        issuer=trust.name,
        proof=proof,
        subject=_subject(trust, claims, proof),
        name=_name(trust, claims) or subject,
        groups=frozenset(_texts(claims.get(trust.groups_claim))),
        is_machine=_is_machine(claims),
    )


def _acr(trust: Trust, claims: Mapping[str, Any]) -> str | None:
    """How strong the sign-in was: `acr`, or of Entra ID's `acrs`, which has several values, one that is asked for."""
    return next((each for each in _texts(claims.get("acrs")) if each in trust.acr_values), _text(claims, "acr"))


def _subject(trust: Trust, claims: Mapping[str, Any], proof: Proof) -> str | None:
    if trust.person_claim is None:
        # No issuer has a fragment (Core, section 1.2): issuer and subject cannot run into each other.
        return f"{proof.issuer}#{proof.subject}"
    value = claims.get(trust.person_claim)
    person = str(value).lower() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return person if _PERSON.fullmatch(person) else None


def _name(trust: Trust, claims: Mapping[str, Any]) -> str:
    """To be shown, and never compared with anything."""
    name = _shown(claims, trust.name_claim) or _shown(claims, "preferred_username")
    email = _shown(claims, "email")
    return visible(f"{name} ({email})") if name and email else name or email


def _shown(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return visible(value) if isinstance(value, str) else ""


def _is_machine(claims: Mapping[str, Any]) -> bool:
    """Whether nobody has signed in: the subject is the client itself (RFC 9068, section 2.2), or the provider says so
    in its own way (Auth0 by `gty`, Entra ID by `idtyp`).
    """
    client = claims.get("client_id", claims.get("azp"))
    return client == claims["sub"] or claims.get("gty") == "client-credentials" or claims.get("idtyp") == "app"


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not _is_plain(value):
        raise bad_token()
    return str(value)


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        return ()
    return tuple(each for each in values if _is_plain(each))


def _is_plain(value: object) -> bool:
    """Whether every database can keep it: JSON may say half a surrogate pair, or a zero."""
    return isinstance(value, str) and len(value) <= _LONGEST_CLAIM and value.isprintable()


def _time(value: object) -> datetime:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise bad_token()
    return datetime.fromtimestamp(int(value), UTC)
