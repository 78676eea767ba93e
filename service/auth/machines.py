"""Whether a token was issued to a person or a program. No standard claim says so; each provider has its own signs."""

from collections.abc import Callable, Mapping
from typing import Any

from service.domain.proof import Proof

Claims = Mapping[str, Any]

# Claims that name the client: RFC 9068, OpenID Connect Core, Okta, Entra ID and AD FS, older versions of Keycloak.
_CLIENTS = ("client_id", "azp", "cid", "appid", "clientId")
# Claims that name a user in tokens of Entra ID and AD FS.
_USERS = ("upn", "unique_name", "preferred_username", "scp")
_NAMES = ("sub", "preferred_username", "username", *_CLIENTS)


def _is_generated(name: object) -> bool:
    """Return whether it is the name of a user that Keycloak or authentik generates for a client."""
    return isinstance(name, str) and (
        name.startswith("service-account-") or (name.startswith("ak-") and name.endswith("-client_credentials"))
    )


def _says(claims: Claims, name: str, *values: str) -> bool:
    """Return whether a claim is, or lists, one of the values, ignoring case and the difference of `_` and `-`."""
    found = claims.get(name)
    found = found if isinstance(found, list) else [found]
    return any(isinstance(each, str) and each.lower().replace("_", "-") in values for each in found)


def _text(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _same(one: object, other: object) -> bool:
    """Return whether two names are equal, ignoring case: a program spelled in two ways is not a person."""
    return isinstance(one, str) and isinstance(other, str) and one.casefold() == other.casefold()


# Any one of these is enough. The words go into the refusal.
_SIGNS: Mapping[str, Callable[[Claims], bool]] = {
    # RFC 9068, section 2.2. Okta names the client in `cid`, Cognito in `client_id`, Google in `azp`.
    "its subject is its client": lambda c: any(_same(c.get(name), c["sub"]) for name in _CLIENTS),
    # Auth0; PingAM writes `(age!robot)` for a client and `(usr!ann)` for a user.
    "its subject is a client": lambda c: (
        _text(c, "sub").lower().endswith("@clients") or _text(c, "sub").lower().startswith("(age!")
    ),
    # Auth0 and FusionAuth (`gty`), Cloud Foundry's UAA (`grant_type`).
    "it was issued for client credentials": lambda c: (
        _says(c, "gty", "client-credentials") or _says(c, "grant_type", "client-credentials")
    ),
    # Entra ID; `device` is another value.
    "its idtyp is not user": lambda c: "idtyp" in c and c["idtyp"] != "user",
    # Entra ID without the optional claim `idtyp`: a person's `sub` differs per application, a program's does not.
    "its subject is its oid": lambda c: _same(c.get("oid"), c["sub"]),
    # Oracle and WSO2.
    "its subject has the type client": lambda c: _says(c, "sub_type", "client") or _says(c, "aut", "application"),
    "it has the name of a service account": lambda c: any(_is_generated(c.get(name)) for name in _NAMES),
    # Keycloak's mappers for service accounts only.
    "it names the host of its client": lambda c: "clientHost" in c or "clientAddress" in c,
    # Without a user, Okta omits `uid`, and Cloud Foundry's UAA (which has `cid` too) omits `user_id`.
    "it has a client and no user": lambda c: "cid" in c and "uid" not in c and "user_id" not in c,
    "it has an application and no user": lambda c: "appid" in c and not any(name in c for name in _USERS),
    # Cognito.
    "it is an access token without a user": lambda c: c.get("token_use") == "access" and "username" not in c,
    "its mail address is a service account's": lambda c: _text(c, "email").lower().endswith("gserviceaccount.com"),
    # authentik gives programs an `auth_time` too, but no session, nonce or method.
    "its provider has no session for it": lambda c: (
        _text(c, "acr").startswith("goauthentik.io/") and not any(c.get(name) for name in ("sid", "amr", "nonce"))
    ),
    # RFC 8693, section 4.1: somebody else acts for the subject.
    "somebody else acts for its subject": lambda c: c.get("act") is not None,
}


def machine_sign(claims: Claims) -> str | None:
    """Return the sign, in words, that no person has signed in; None if there is none."""
    return next((sign for sign, is_there in _SIGNS.items() if is_there(claims)), None)


def person_sign(claims: Claims, proof: Proof) -> bool:
    """Return whether standard claims show that a person has signed in, independent of the settings.

    `auth_time` and `amr` describe a user's sign-in, `nonce` a browser's (OpenID Connect Core, section 2).
    Keycloak's `auth_time` was 0 for programs. Entra ID states the kind of user in `idtyp`.
    """
    has_signed_in = proof.auth_time is not None and proof.auth_time.timestamp() > 0
    return has_signed_in or bool(proof.amr) or bool(_text(claims, "nonce")) or claims.get("idtyp") == "user"
