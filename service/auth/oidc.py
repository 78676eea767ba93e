"""Verify a provider's JWT: return a Login, or refuse (RFC 7519, RFC 8725, RFC 9068, OpenID Connect Core 1.0)."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from service.auth.claims import Trust, read_login
from service.auth.keys import ALGORITHMS, Key
from service.auth.provider import Provider
from service.auth.unverified import read
from service.domain.errors import Unauthenticated, UnknownKey, bad_token
from service.domain.policy import CLOCK_SKEW
from service.domain.proof import Login
from service.domain.sign_in_checks import TokenCheck

# RFC 9068 names the type of access tokens; ID tokens have no type, or `JWT`. A logout token has another.
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
# Seconds since 1970 that a datetime can represent: until the year 9999.
_EARLIEST, _LATEST = 0, 253_402_300_799

_SIGNATURES = jwt.PyJWS()
_SIGNATURES.register_algorithm("Ed25519", OKPAlgorithm())


class Verifier:
    """Verifies tokens of the issuers in the settings."""

    def __init__(self, issuers: Iterable[tuple[Trust, Provider]], clock: Callable[[], float] = time.time) -> None:
        self._issuers = {provider.issuer: (trust, provider) for trust, provider in issuers}
        self._clock = clock

    def verify(self, token: str) -> Login:
        """Return the login of a valid token.

        Raise Unauthenticated, always with the same sentence; UnknownKey or Unavailable if the key is not known. The
        first two carry the failed check and the issuer. Keys come only from the metadata of an issuer in the settings:
        `jwk`, `jku`, `x5u` and the like in a token are ignored.
        """
        header, claims = read(token)
        trust, provider = self._trusted(claims)
        try:
            return self._verified(token, header, claims, trust, provider)
        except (Unauthenticated, UnknownKey) as refusal:
            refusal.issuer = trust.name
            raise

    def _verified(
        self, token: str, header: Mapping[str, Any], claims: Mapping[str, Any], trust: Trust, provider: Provider
    ) -> Login:
        algorithm, kid = _algorithm(header), _kid(header)
        # Before the key: an expired token is refused for good, even if its key is gone by now.
        _check_times(claims, self._clock())
        self.check_signature(token, provider, algorithm, kid)
        _check_audience(trust, claims)
        return read_login(trust, claims)

    def check_signature(self, token: str, provider: Provider, algorithm: str, kid: str) -> None:
        """Raise Unauthenticated unless a key of the provider signed this. Raise UnknownKey, Unavailable."""
        usable = [key for key in provider.keys(kid) if algorithm in key.algorithms]
        if not usable:
            raise bad_token(TokenCheck.KEY)
        # A provider may publish several keys under one id.
        if not any(_has_signed(key, token, algorithm) for key in usable):
            raise bad_token(TokenCheck.SIGNATURE)

    def _trusted(self, claims: Mapping[str, Any]) -> tuple[Trust, Provider]:
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise bad_token(TokenCheck.ISSUER)
        return self._issuers[issuer]


def _algorithm(header: Mapping[str, Any]) -> str:
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise bad_token(TokenCheck.ALGORITHM)
    if "crit" in header:
        raise bad_token(TokenCheck.CRITICAL)
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise bad_token(TokenCheck.TYPE)
    return algorithm


def _kid(header: Mapping[str, Any]) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise bad_token(TokenCheck.KEY_ID)
    return kid


def _has_signed(key: Key, token: str, algorithm: str) -> bool:
    try:
        _SIGNATURES.decode(token, key.public, algorithms=[algorithm], options={"enforce_minimum_key_length": True})
    except (jwt.PyJWTError, ValueError):
        return False
    return True


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raise Unauthenticated for a token that has expired or is not yet valid, allowing for clock skew."""
    skew = CLOCK_SKEW.total_seconds()
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    begins = _seconds(claims, "nbf") if "nbf" in claims else issued
    if expires <= now - skew:
        raise bad_token(TokenCheck.EXPIRED)
    if max(issued, begins) > now + skew:
        raise bad_token(TokenCheck.NOT_YET_VALID)


def _seconds(claims: Mapping[str, Any], name: str) -> int | float:
    """Return a NumericDate (RFC 7519, section 2) within the range of a datetime. Raise Unauthenticated."""
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not _EARLIEST <= value <= _LATEST:
        raise bad_token(TokenCheck.TIMES)
    return value


def _check_audience(trust: Trust, claims: Mapping[str, Any]) -> None:
    """Raise Unauthenticated for a token that is issued for another audience."""
    said = claims.get("aud")
    if trust.client_id_as_audience and "aud" not in claims and isinstance(claims.get("client_id"), str):
        said = claims["client_id"]
    audience = [said] if isinstance(said, str) else said
    if not isinstance(audience, list) or not all(isinstance(each, str) for each in audience):
        raise bad_token(TokenCheck.AUDIENCE)
    if trust.audience.isdisjoint(audience):
        raise bad_token(TokenCheck.AUDIENCE)
