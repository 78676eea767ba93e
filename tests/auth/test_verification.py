"""Which of a provider's keys is taken, and the name of the check that a token fails: told to the operator alone."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.builders import Watch
from support.issuer import Issuer, key_of, public, trusting

from service.auth.keys import ALGORITHMS
from service.auth.oidc import Verifier
from service.domain.errors import Unauthenticated
from service.domain.sign_in_checks import TokenCheck

NOW = int(time.time())


def failed(issuer: Issuer, http: httpx.Client, token: str, **trust: Any) -> TokenCheck | None:
    """The check that the token fails; None for one that is good."""
    try:
        issuer.verifier(http, **trust).verify(token)
    except Unauthenticated as refusal:
        return refusal.check
    return None


def key_for(algorithm: str) -> dict[str, str]:
    kind = ALGORITHMS[algorithm]
    return key_of(kind["kty"], kind.get("crv"))


# --- algorithms ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_token_by_any_algorithm_of_the_list_is_good(issuer: Issuer, http: httpx.Client, algorithm: str) -> None:
    key = key_for(algorithm)
    issuer.listed = [public(key)]
    assert failed(issuer, http, issuer.sign(key=key, alg=algorithm)) is None


@pytest.mark.parametrize(("kind", "curve", "algorithm"), [("EC", "secp256k1", "ES256K"), ("oct", 256, "HS256")])
def test_no_other_algorithm_is_taken(
    issuer: Issuer, http: httpx.Client, kind: str, curve: str | int, algorithm: str
) -> None:
    key = key_of(kind, curve)
    issuer.listed = [key]
    assert failed(issuer, http, issuer.sign(key=key, alg=algorithm)) is TokenCheck.ALGORITHM


@pytest.mark.parametrize("named", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None, ""])
def test_ed25519_has_two_names(issuer: Issuer, http: httpx.Client, named: str, published: str | None) -> None:
    key = key_of("OKP", "Ed25519")
    issuer.listed = [public(key) | {"alg": published}]
    assert failed(issuer, http, issuer.sign(key=key, alg=named)) is None


def test_key_for_one_algorithm_is_not_taken_for_another(issuer: Issuer, http: httpx.Client) -> None:
    issuer.listed = [public(issuer.key, alg="RS256")]
    assert failed(issuer, http, issuer.sign(alg="RS512")) is TokenCheck.KEY


# --- keys of a JWKS ---


def shared(key: dict[str, str], **changes: object) -> dict[str, object]:
    """A published key under the id that all have in these tests."""
    return public(key, **({"kid": "one"} | changes))


BESIDE: dict[str, Callable[[], object]] = {
    "for encryption": lambda: shared(key_of("RSA", which=1), use="enc"),
    "for another algorithm": lambda: shared(key_of("RSA", which=1), alg="RSA-OAEP-256"),
    "that only signs": lambda: shared(key_of("RSA", which=1), key_ops=["sign"]),
    "of a curve": lambda: shared(key_of("EC")),
    "of a symmetric kind": lambda: {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
    "of the same kind": lambda: shared(key_of("RSA", which=1)),
    "that is broken": lambda: {"kty": "RSA", "kid": "one", "n": "AQAB", "e": 3},
    "without an id": lambda: public(key_of("RSA", which=1), kid=None),
    "that is no object": lambda: "one",
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("last", [True, False])
def test_key_is_found_beside_another_of_the_same_id(
    issuer: Issuer, http: httpx.Client, beside: str, *, last: bool
) -> None:
    issuer.listed = [shared(issuer.key), BESIDE[beside]()]
    if last:
        issuer.listed.reverse()
    assert failed(issuer, http, issuer.sign(kid="one")) is None


def test_each_of_several_keys_of_one_id_and_kind_is_good(issuer: Issuer, http: httpx.Client) -> None:
    other, foreign = key_of("RSA", which=1), key_of("RSA", which=2)
    issuer.listed = [shared(issuer.key), shared(other)]
    tokens = [issuer.sign(key=key, kid="one") for key in (issuer.key, other, foreign)]
    assert [failed(issuer, http, token) for token in tokens] == [None, None, TokenCheck.SIGNATURE]


@pytest.mark.parametrize(
    "said",
    [
        {"use": None},
        {"use": ""},
        {"alg": None},
        {"alg": ""},
        {"use": None, "alg": None, "key_ops": None},
        {"key_ops": []},
        {"key_ops": ""},
        {"key_ops": ["verify"]},
        {"key_ops": ["verify", "sign"], "use": "sig"},
    ],
)
def test_what_a_key_leaves_empty_says_nothing(issuer: Issuer, http: httpx.Client, said: dict[str, object]) -> None:
    issuer.listed = [public(issuer.key) | said]
    assert failed(issuer, http, issuer.sign()) is None


@pytest.mark.parametrize(
    "said",
    [
        {"use": "enc"},
        {"use": ["sig"]},
        {"use": 1},
        {"alg": "RS384"},
        {"alg": ["RS256"]},
        {"key_ops": ["encrypt"]},
        {"key_ops": {"verify": True}},
        {"kty": "EC"},
        {"kty": ["RSA"]},
        {"n": 1},
        {"n": "é"},
        {"e": None},
        {"e": "AQ"},
        {"n": ""},
    ],
)
def test_key_that_is_for_something_else_or_broken_is_not_taken(
    issuer: Issuer, http: httpx.Client, said: dict[str, object]
) -> None:
    issuer.listed = [public(issuer.key) | said]
    assert failed(issuer, http, issuer.sign()) is TokenCheck.KEY


def test_private_part_that_a_provider_publishes_is_not_read(issuer: Issuer, http: httpx.Client) -> None:
    issuer.listed = [issuer.key | {"p": "not a prime"}]
    assert failed(issuer, http, issuer.sign()) is None


@pytest.mark.filterwarnings("ignore:.*[Kk]ey")  # making a short key is what libraries warn of
def test_short_key_is_not_taken(issuer: Issuer, http: httpx.Client) -> None:
    key = key_of("RSA", 1024)
    issuer.listed = [public(key)]
    assert failed(issuer, http, issuer.sign(key=key)) is TokenCheck.KEY


# --- the name of the check ---


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def altered(issuer: Issuer) -> str:
    head, _, signature = issuer.sign().split(".")
    return f"{head}.{part(issuer.claims(sub='boss'))}.{signature}"


def padded(issuer: Issuer) -> str:
    head, claims, signature = issuer.sign().split(".")
    return f"{head}=.{claims}.{signature}"


def with_claims(**changes: object) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.sign(issuer.claims(**changes))


REFUSED: dict[str, tuple[Callable[[Issuer], str], TokenCheck]] = {
    "opaque": (lambda _: "2YotnFZFEjr1zCsicMWpAA", TokenCheck.OPAQUE),
    "encrypted, in five parts": (lambda _: f"{part({'alg': 'dir'})}..a.b.c", TokenCheck.OPAQUE),
    "large": (with_claims(filler="x" * 16 * 1024), TokenCheck.SIZE),
    "no Base64": (lambda _: "a.b.c", TokenCheck.MALFORMED),
    "Base64 with padding": (padded, TokenCheck.MALFORMED),
    "no object": (lambda _: f"{part([])}.{part({})}.x", TokenCheck.MALFORMED),
    "no number of JSON": (with_claims(exp=float("nan")), TokenCheck.MALFORMED),
    "another issuer": (with_claims(iss="https://other.example.com"), TokenCheck.ISSUER),
    "no issuer": (with_claims(iss=None), TokenCheck.ISSUER),
    "alg none": (lambda issuer: f"{part({'alg': 'none'})}.{part(issuer.claims())}.", TokenCheck.ALGORITHM),
    "critical header": (lambda issuer: issuer.sign(crit=["x"]), TokenCheck.CRITICAL),
    "logout token": (lambda issuer: issuer.sign(typ="logout+jwt"), TokenCheck.TYPE),
    "no key named": (lambda issuer: issuer.sign(kid=None), TokenCheck.KEY_ID),
    "unknown key": (lambda issuer: issuer.sign(kid="other"), TokenCheck.UNKNOWN_KEY),
    "key of another type": (
        lambda issuer: issuer.sign(key=key_of("EC"), alg="ES256", kid=issuer.key["kid"]),
        TokenCheck.KEY,
    ),
    "signature of another key": (
        lambda issuer: issuer.sign(key=key_of("RSA", which=1), kid=issuer.key["kid"]),
        TokenCheck.SIGNATURE,
    ),
    "altered": (altered, TokenCheck.SIGNATURE),
    "expired": (with_claims(exp=NOW - 120), TokenCheck.EXPIRED),
    "never expires": (with_claims(exp=None), TokenCheck.TIMES),
    "expires in words": (with_claims(exp=str(NOW + 300)), TokenCheck.TIMES),
    "expires after all time": (with_claims(exp=10**400), TokenCheck.TIMES),
    "not yet valid": (with_claims(nbf=NOW + 3600), TokenCheck.NOT_YET_VALID),
    "issued in the future": (with_claims(iat=NOW + 3600), TokenCheck.NOT_YET_VALID),
    "another audience": (with_claims(aud="wiki"), TokenCheck.AUDIENCE),
    "no audience": (with_claims(aud=None), TokenCheck.AUDIENCE),
    "client in the place of the audience": (with_claims(aud=None, client_id="rootquorum"), TokenCheck.AUDIENCE),
    "nobody's": (with_claims(sub=None), TokenCheck.SUBJECT),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusal_names_the_check_and_says_the_caller_nothing_of_it(
    issuer: Issuer, http: httpx.Client, what: str
) -> None:
    make, check = REFUSED[what]
    with pytest.raises(Unauthenticated) as refused:
        issuer.verifier(http).verify(make(issuer))
    assert refused.value.check is check
    assert refused.value.detail == "The token is unknown, expired, revoked, or not meant for this service."


def test_refusal_names_the_issuer_as_the_settings_do(issuer: Issuer, http: httpx.Client) -> None:
    with pytest.raises(Unauthenticated) as refused:
        issuer.verifier(http, name="staff").verify(issuer.sign(issuer.claims(aud="wiki")))
    assert refused.value.issuer == "staff"


def test_expired_token_is_refused_before_its_provider_is_asked(issuer: Issuer, http: httpx.Client) -> None:
    """Its key may be gone by now; who retries until it is known would do so for ever."""
    token = issuer.sign(issuer.claims(exp=NOW - 120), kid="gone")
    assert failed(issuer, http, token) is TokenCheck.EXPIRED
    assert issuer.asked == []


def test_clock_decides_what_is_expired(issuer: Issuer, http: httpx.Client) -> None:

    watch = Watch()
    watch.seconds = NOW
    verifier = Verifier([(trusting(), issuer.provider(http))], watch)
    token = issuer.sign(issuer.claims(iat=NOW, exp=NOW + 300))
    watch.seconds = NOW + 329
    assert verifier.verify(token).proof.subject == "erin"
    watch.seconds = NOW + 330
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


# --- whom a token is for ---


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"aud": None, "client_id": "rootquorum"}, None),
        ({"aud": None, "client_id": "wiki"}, TokenCheck.AUDIENCE),
        ({"aud": None, "client_id": ["rootquorum"]}, TokenCheck.AUDIENCE),
        ({"aud": None}, TokenCheck.AUDIENCE),
        ({"aud": "wiki", "client_id": "rootquorum"}, TokenCheck.AUDIENCE),
        ({"aud": [], "client_id": "rootquorum"}, TokenCheck.AUDIENCE),
        ({"aud": "", "client_id": "rootquorum"}, TokenCheck.AUDIENCE),
        ({"aud": ["rootquorum"]}, None),
    ],
)
def test_client_stands_for_the_audience_only_where_there_is_none(
    issuer: Issuer, http: httpx.Client, claims: dict[str, object], check: TokenCheck | None
) -> None:
    """As in Cognito's access tokens."""
    token = issuer.sign(issuer.claims(**claims))
    assert failed(issuer, http, token, client_id_as_audience=True) is check


# --- how strong a sign-in was ---


@pytest.mark.parametrize(
    ("claims", "acr"),
    [
        ({"acrs": ["c1", "c2"]}, "c2"),
        ({"acr": "1", "acrs": ["c2"]}, "c2"),
        ({"acr": "1", "acrs": ["c1"]}, "1"),
        ({"acrs": "c2"}, "c2"),
        ({"acrs": {"c2": True}}, None),
        ({"acrs": [["c2"], 2, None]}, None),
        ({"acr": "c2"}, "c2"),
    ],
)
def test_one_of_entras_contexts_counts_if_it_is_asked_for(
    issuer: Issuer, http: httpx.Client, claims: dict[str, object], acr: str | None
) -> None:
    verifier = issuer.verifier(http, acr_values=frozenset({"c2", "gold"}))
    assert verifier.verify(issuer.sign(issuer.claims(**claims))).proof.acr == acr
