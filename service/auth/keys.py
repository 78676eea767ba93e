"""A provider's keys (JWKS, RFC 7517): which of them verify signatures, and with which algorithms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys

# The only accepted algorithms, each with its type of key (RFC 7518, RFC 8037). A token's `alg` can only select one of
# these. RFC 9864 calls EdDSA with this curve Ed25519.
ALGORITHMS: Mapping[str, Mapping[str, str]] = {
    "RS256": {"kty": "RSA"},
    "RS384": {"kty": "RSA"},
    "RS512": {"kty": "RSA"},
    "PS256": {"kty": "RSA"},
    "PS384": {"kty": "RSA"},
    "PS512": {"kty": "RSA"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "ES512": {"kty": "EC", "crv": "P-521"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "Ed25519": {"kty": "OKP", "crv": "Ed25519"},
}
_ED25519 = frozenset({"EdDSA", "Ed25519"})
_SHORTEST_RSA_BITS = 2048
# The members of a public key. Anything else that a provider publishes is ignored, even a private part.
_PUBLIC = {"kty", "crv", "n", "e", "x", "y"}


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the algorithms that it may verify: at least one."""

    public: AllowedPublicKeys
    algorithms: frozenset[str]


def read_keys(listed: Iterable[object]) -> dict[str, tuple[Key, ...]]:
    """Return the usable keys by id. An id can have several keys, or none if its keys are not usable.

    Keys without an id are left out, because a token must name its key.
    """
    found: dict[str, tuple[Key, ...]] = {}
    for jwk in listed:
        if not isinstance(jwk, Mapping) or not isinstance(jwk.get("kid"), str) or not jwk["kid"]:
            continue
        key = _read(jwk)
        found[jwk["kid"]] = found.get(jwk["kid"], ()) + (() if key is None else (key,))
    return found


def _read(jwk: Mapping[str, Any]) -> Key | None:
    """Return the key, or None if it is not for signatures, fits no accepted algorithm, is broken or is too short."""
    algorithms = _algorithms(jwk)
    if not algorithms or not _may_verify(jwk):
        return None
    try:
        public = jwt.PyJWK({name: jwk[name] for name in _PUBLIC & jwk.keys()}, min(algorithms - {"Ed25519"})).key
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError, UnsupportedAlgorithm):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < _SHORTEST_RSA_BITS:
        return None
    return Key(public, algorithms)


def _algorithms(jwk: Mapping[str, Any]) -> frozenset[str]:
    """Return the algorithms for this type of key, restricted to the key's own `alg` if it has one."""
    fitting = frozenset(
        name for name, kind in ALGORITHMS.items() if all(jwk.get(part) == value for part, value in kind.items())
    )
    only = jwk.get("alg")
    if only is None or only == "":
        return fitting
    named = _ED25519 if only in ("EdDSA", "Ed25519") else frozenset({only} if isinstance(only, str) else ())
    return fitting & named


def _may_verify(jwk: Mapping[str, Any]) -> bool:
    """Return whether `use` and `key_ops` permit verification. Empty means no restriction (RFC 7517, 4.2 and 4.3)."""
    use, operations = jwk.get("use"), jwk.get("key_ops")
    if use not in (None, "", "sig"):
        return False
    return operations in (None, "", []) or (isinstance(operations, list) and "verify" in operations)
