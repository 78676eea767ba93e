"""A provider's JWT in, a Login out, or a refusal (RFC 7519, RFC 8725, RFC 9068, OpenID Connect Core 1.0)."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from service.auth.provider import Jwk, Provider
from service.domain.errors import bad_token
from service.domain.proof import Login, Proof
from service.domain.rules import CLOCK_SKEW
from service.domain.text import visible

# The only ones, each with the type of key that it takes. What a token says of its algorithm chooses among these.
ALGORITHMS: Mapping[str, Mapping[str, str]] = {
    "RS256": {"kty": "RSA"},
    "PS256": {"kty": "RSA"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
# RFC 9068 names access tokens; ID tokens have no type, or this one. A logout token has another.
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_LONGEST_TOKEN = 16 * 1024
_LONGEST_CLAIM = 255
# As the settings spell people; two spellings of one name would be two people.
_PERSON = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the settings say of an issuer: which tokens are meant for us, and which claims say who somebody is."""

    name: str
    audience: frozenset[str]
    person_claim: str | None
    name_claim: str
    groups_claim: str


class Verifier:
    """Knows a token of each issuer in the settings from anything else."""

    def __init__(self, issuers: Iterable[tuple[Trust, Provider]]) -> None:
        self._issuers = {provider.issuer: (trust, provider) for trust, provider in issuers}

    def verify(self, token: str) -> Login:
        """Raises Unauthenticated with one sentence for all that can be wrong; Unavailable for a key nobody knows.

        Where the key is to be found is the settings' word, through the issuer's metadata: `jwk`, `jku`, `x5u` and the
        like in a token are never looked at.
        """
        header, claimed = _read(token)
        issuer = claimed.get("iss")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise bad_token()
        trust, provider = self._issuers[issuer]
        algorithm = _algorithm(header)
        key = _usable(provider.key(_kid(header)), algorithm)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=sorted(trust.audience),
                issuer=issuer,
                leeway=CLOCK_SKEW,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
            return _login(trust, claims)
        except (jwt.PyJWTError, OverflowError, ValueError) as error:
            raise bad_token() from error


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified, and strictly read: with a name twice, each reader could take another value."""
    parts = token.split(".") if len(token) <= _LONGEST_TOKEN else []
    try:
        header, claims, _signature = parts
        return _object(header), _object(claims)
    except (ValueError, RecursionError) as error:
        raise bad_token() from error


def _object(part: str) -> dict[str, Any]:
    document = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=_once)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  # a value is wrong, not our code
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name stands there twice")
    return document


def _algorithm(header: Mapping[str, Any]) -> str:
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or "crit" in header:
        raise bad_token()
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise bad_token()
    return algorithm


def _kid(header: Mapping[str, Any]) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise bad_token()
    return kid


def _usable(key: Jwk, algorithm: str) -> jwt.PyJWK:
    """The key, if it is one for this algorithm and for signatures. Raises Unauthenticated."""
    fits = all(key.get(name) == value for name, value in ALGORITHMS[algorithm].items())
    if not fits or key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        raise bad_token()
    try:
        return jwt.PyJWK(dict(key), algorithm)
    except jwt.PyJWTError as error:
        raise bad_token() from error


def _login(trust: Trust, claims: Mapping[str, Any]) -> Login:
    subject = _text(claims, "sub")
    if not subject:
        raise bad_token()
    proof = Proof(
        issuer=str(claims["iss"]),
        subject=subject,
        jti=_text(claims, "jti"),
        issued_at=_time(claims["iat"]),
        auth_time=None if claims.get("auth_time") is None else _time(claims["auth_time"]),
        acr=_text(claims, "acr"),
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
