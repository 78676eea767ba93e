"""A provider's token in, a person or a machine out, or a refusal. The provider is a real one; what no provider would
sign is signed here with its own key.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from httpx2 import Response
from support.builders import MEMBERS, Watch, policy_of
from support.house import House
from support.products.canaille import Canaille, trust_in

from service.api.sign_ins import FailedSignIns, SignIns
from service.auth import provider as of_provider
from service.auth.oidc import Verifier

Claims = dict[str, object]


@pytest.fixture
def house(sqlite_house: House) -> House:
    """What a token says does not depend on the database."""
    return sqlite_house


@pytest.fixture(autouse=True)
def trusted(house: House, provider: Canaille, http: httpx.Client, watch: Watch) -> None:
    """The service trusts the provider under the name "corp", and knows nothing of it yet."""
    trust_it(house, provider, http, watch)


def trust_it(house: House, provider: Canaille, http: httpx.Client, watch: Watch, **changes: Any) -> None:
    known = of_provider.Provider(provider.issuer, http, watch)
    house.app.state.sign_ins = SignIns(
        Verifier([(replace(trust_in(provider), **changes), known)]), failures=FailedSignIns(10_000)
    )


def me(house: House, token: str) -> Response:
    client = TestClient(house.app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)
    return client.get("/v1/me")


def code(house: House, token: str) -> tuple[int, str | None]:
    answer = me(house, token)
    return answer.status_code, answer.json().get("code")


# --- who is let in ---


def test_person_who_signed_in_at_the_provider_is_known_by_issuer_and_subject(house: House, provider: Canaille) -> None:
    provider.add_person("erin", "root-approvers")

    answer = me(house, provider.sign_in("erin").id_token)

    assert answer.json() == {
        "subject": f"{provider.issuer}#erin",
        "name": "Erin (erin@example.com)",
        "kind": "person",
        "roles": ["approver"],
        "can_decide": True,
    }


def test_sign_in_at_the_provider_is_fresh_enough_for_a_decision(house: House, provider: Canaille) -> None:
    provider.add_person("fay", "root-approvers")
    house.change(policy=policy_of(decision_requires_auth_time=True, decision_amr=frozenset({"pwd"})))
    request = house.file()
    token = provider.sign_in("fay", max_age="900").id_token

    client = TestClient(house.app, headers={"Authorization": f"Bearer {token}"})
    path = f"/v1/requests/{request.filing.request_id}/decisions"
    answer = client.post(path, json={"decision": "approve", "digest": request.digest})

    assert answer.status_code == 200, answer.text
    assert json.loads(house.events(request)[-1])["actor"]["proof"]["amr"] == ["pwd"]
    assert token not in "".join(house.events(request))


def test_old_sign_in_is_told_how_to_do_better(house: House, provider: Canaille) -> None:
    house.change(policy=policy_of(decision_requires_auth_time=True, decision_acr=frozenset({"gold"})))
    request = house.file()
    old = provider.sign(provider.claims(auth_time=int(time.time()) - 3600, acr="gold"))

    client = TestClient(house.app, headers={"Authorization": f"Bearer {old}"})
    path = f"/v1/requests/{request.filing.request_id}/decisions"
    answer = client.post(path, json={"decision": "approve", "digest": request.digest})

    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_again")
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age="900", acr_values="gold"'
    )


def test_whoever_has_no_role_is_told_so(house: House, provider: Canaille) -> None:
    provider.add_person("greg", "football")
    answer = me(house, provider.sign_in("greg").id_token)
    assert (answer.status_code, answer.json()["code"]) == (403, "no_role")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


def test_person_claim_names_the_human_behind_several_logins(
    house: House, provider: Canaille, http: httpx.Client, watch: Watch
) -> None:
    trust_it(house, provider, http, watch, person_claim=("employee_id",))
    logins = [("erin", "E4711"), ("erin.admin", "E4711"), ("erin.test", 4711)]
    tokens = [provider.sign(provider.claims(sub=sub, employee_id=employee)) for sub, employee in logins]
    assert [me(house, token).json()["subject"] for token in tokens] == ["E4711", "E4711", "4711"]


@pytest.mark.parametrize("employee", [None, "", True, ["e4711"], {"id": 1}, "é4711", "e 4711", "x" * 256, 1.5])
def test_without_the_person_claim_nobody_is_known(
    house: House, provider: Canaille, http: httpx.Client, watch: Watch, employee: object
) -> None:
    trust_it(house, provider, http, watch, person_claim=("employee_id",))
    assert code(house, provider.sign(provider.claims(employee_id=employee))) == (403, "no_role")


def test_mail_address_is_shown_and_never_compared(house: House, provider: Canaille) -> None:
    tokens = [provider.sign(provider.claims(sub=sub, email="boss@example.com", name="Boss")) for sub in ("a", "b")]
    shown = [me(house, token).json() for token in tokens]
    assert shown[0]["name"] == shown[1]["name"] == "Boss (boss@example.com)"
    assert shown[0]["subject"] != shown[1]["subject"]


@pytest.mark.parametrize("odd", ["\ud800", "\0", "", " ", 7, ["Erin"], {}, "E" * 1000])
def test_odd_name_keeps_nobody_out(house: House, provider: Canaille, odd: object) -> None:
    answer = me(house, provider.sign(provider.claims(name=odd, email=odd, amr=[odd])))
    assert answer.json()["name"] in {"erin", "E" * 100}


def test_name_cannot_deceive_whoever_reads_it(house: House, provider: Canaille) -> None:
    token = provider.sign(provider.claims(name="Bob\u202e\x1b[31m\n", email="b\u200b@example.com"))
    assert me(house, token).json()["name"] == "Bob[31m (b@example.com)"


@pytest.mark.parametrize(
    "claims", [{"client_id": "erin"}, {"azp": "erin"}, {"gty": "client-credentials"}, {"idtyp": "app"}]
)
def test_machine_that_the_settings_do_not_name_is_nobody(house: House, provider: Canaille, claims: Claims) -> None:
    assert code(house, provider.sign(provider.claims(**claims))) == (403, "no_role")


def test_machine_of_the_settings_files_and_does_not_decide(house: House, provider: Canaille) -> None:
    robo = replace(MEMBERS["robo"], login=("corp", "robot"))
    house.change(directory=replace(house.ctx.directory, members=MEMBERS | {"robo": robo}))
    token = provider.sign(provider.claims(sub="robot", client_id="robot"), typ="at+jwt")
    client = TestClient(house.app, headers={"Authorization": f"Bearer {token}"})

    filed = client.post(
        "/v1/requests",
        json={
            "operation": "create_access_key",
            "account_id": "111122223333",
            "justification": "Rotation of the old key.",
            "recipient": "rita",
        },
    )
    path = f"/v1/requests/{filed.json()['id']}/decisions"
    refused = client.post(path, json={"decision": "approve", "digest": filed.json()["digest"]})

    assert (filed.status_code, filed.json()["requester"]["subject"]) == (201, "robo")
    assert (refused.status_code, refused.json()["code"]) == (403, "machine_may_not_decide")


# --- algorithms and keys ---


@pytest.mark.parametrize(
    ("kind", "curve", "alg"),
    [("RSA", 2048, "RS256"), ("RSA", 2048, "PS256"), ("EC", "P-256", "ES256"), ("OKP", "Ed25519", "EdDSA")],
)
def test_each_algorithm_of_the_list_is_taken(house: House, provider: Canaille, kind: str, curve: Any, alg: str) -> None:
    key = provider.publish(kind, curve)
    assert code(house, provider.sign(provider.claims(), key, alg)) == (200, None)


@pytest.mark.filterwarnings("ignore:.*[Kk]ey")  # making a short key is what libraries warn of
@pytest.mark.parametrize(
    ("kind", "curve", "alg"),
    [("EC", "secp256k1", "ES256K"), ("RSA", 1024, "RS256")],
)
def test_no_other_algorithm_is_and_no_short_key(
    house: House, provider: Canaille, kind: str, curve: Any, alg: str
) -> None:
    key = provider.publish(kind, curve)
    assert code(house, provider.sign(provider.claims(), key, alg)) == (401, "invalid_token")


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def unsigned(provider: Canaille, alg: str) -> str:
    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': provider.keys[0]['kid']})}.{part(provider.claims())}."


def public_pem(provider: Canaille) -> bytes:
    public: Any = jwt.PyJWK(provider.keys[0], "RS256").key.public_key()
    encoded: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def hmac_by_public_key(provider: Canaille) -> str:
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    head = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': provider.keys[0]['kid']})}.{part(provider.claims())}"
    mac = hmac.new(public_pem(provider), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_own_key(provider: Canaille, **header: Any) -> str:
    """Signed by somebody else's key."""
    from support.products.canaille import new_key  # noqa: PLC0415

    return provider.sign(provider.claims(), new_key("RSA"), **header)


def with_embedded_key(provider: Canaille) -> str:
    from support.products.canaille import new_key  # noqa: PLC0415

    own = new_key("RSA")
    public = {name: own[name] for name in ("kty", "n", "e", "kid")}
    return provider.sign(provider.claims(), own, jwk=public, kid=provider.keys[0]["kid"])


def signed_as_it_is(provider: Canaille, claims: str) -> str:
    header = {"kid": provider.keys[0]["kid"]}
    return jwt.api_jws.encode(claims.encode(), jwt.PyJWK(provider.keys[0], "RS256").key, "RS256", headers=header)


def duplicated(provider: Canaille) -> str:
    """A provider's bug more than an attack: properly signed, and two readers could read two things."""
    return signed_as_it_is(provider, json.dumps(provider.claims())[:-1] + ', "sub": "boss"}')


def tampered(provider: Canaille) -> str:
    head, _, signature = provider.sign(provider.claims()).split(".")
    return f"{head}.{part(provider.claims(sub='boss'))}.{signature}"


NOW = int(time.time())
ATTACKS: dict[str, Callable[[Canaille], str]] = {
    "alg none": lambda p: unsigned(p, "none"),
    "alg None": lambda p: unsigned(p, "None"),
    "HS256 with the public key": hmac_by_public_key,
    "alg is no text": lambda p: f"{part({'alg': ['RS256'], 'kid': p.keys[0]['kid']})}.{part(p.claims())}.x",
    "claims of somebody else": tampered,
    "wrong issuer": lambda p: p.sign(p.claims(iss="https://evil.example.com")),
    "issuer with a slash more": lambda p: p.sign(p.claims(iss=p.issuer + "/")),
    "issuer is a list": lambda p: signed_as_it_is(p, json.dumps(p.claims(iss=[p.issuer]))),
    "token of another tenant": lambda p: p.sign(p.claims(iss=p.issuer.replace("localhost", "tenant.localhost"))),
    "wrong audience": lambda p: p.sign(p.claims(aud="somebody")),
    "no audience": lambda p: p.sign(p.claims(aud=None)),
    "expired": lambda p: p.sign(p.claims(exp=NOW - 120)),
    "never expires": lambda p: p.sign(p.claims(exp=None)),
    "issued before all time": lambda p: p.sign(p.claims(iat=-(10**15))),
    "not yet valid": lambda p: p.sign(p.claims(nbf=NOW + 3600)),
    "issued in the future": lambda p: p.sign(p.claims(iat=NOW + 3600)),
    "issued at no time": lambda p: p.sign(p.claims(iat=None)),
    "nobody's": lambda p: p.sign(p.claims(sub=None)),
    "subject is empty": lambda p: p.sign(p.claims(sub="")),
    "subject is half a character": lambda p: p.sign(p.claims(sub="\ud800")),
    "subject with a zero": lambda p: p.sign(p.claims(sub="erin\0")),
    "missing kid": lambda p: p.sign(p.claims(), kid=None),
    "foreign kid": by_own_key,
    "key of its own under our kid": lambda p: by_own_key(p, kid=p.keys[0]["kid"]),
    "embedded jwk": with_embedded_key,
    "jku": lambda p: by_own_key(p, jku="https://evil.example.com/keys"),
    "x5u": lambda p: by_own_key(p, x5u="https://evil.example.com/cert"),
    "critical extension": lambda p: p.sign(p.claims(), crit=["exp"]),
    "logout token": lambda p: p.sign(p.claims(), typ="logout+jwt"),
    "duplicate claims": duplicated,
    "1 MB": lambda p: p.sign(p.claims(filler="x" * 1024 * 1024)),
    "deeply nested": lambda _: f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.e30",
    "three dots": lambda _: "...",
    "not base64": lambda _: "a.b.c",
    "no JSON object": lambda _: f"{part([])}.{part([])}.x",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused_with_the_same_sentence_as_any_other(house: House, provider: Canaille, attack: str) -> None:
    answer = me(house, ATTACKS[attack](provider))

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == "The token is unknown, expired, revoked, or not meant for this service."


def test_id_token_for_another_client_is_refused(house: House, provider: Canaille) -> None:
    provider.add_person("hana", "root-approvers")
    tokens = provider.sign_in("hana", client_id=provider.foreign_client_id)
    assert code(house, tokens.id_token) == (401, "invalid_token")
    assert code(house, provider.sign_in("hana").id_token) == (200, None)


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_token_does_not_say_where_its_key_is(house: House, provider: Canaille, header: str) -> None:
    """Nobody is asked but the provider: whoever listens there hears nothing."""
    provider.asked.clear()
    token = by_own_key(provider, **{header: f"{provider.issuer}/evil"})
    assert code(house, token) == (401, "invalid_token")
    assert set(provider.asked) == {"/.well-known/openid-configuration", "/oauth/jwks.json"}


def test_clock_of_the_provider_may_be_ahead_by_half_a_minute(house: House, provider: Canaille) -> None:
    now = int(time.time())
    assert code(house, provider.sign(provider.claims(iat=now + 20, nbf=now + 20))) == (200, None)
    assert code(house, provider.sign(provider.claims(exp=now - 20))) == (200, None)


# --- the provider's keys ---


def jwks_asked(provider: Canaille) -> int:
    return provider.asked.count("/oauth/jwks.json")


def test_keys_are_fetched_once_for_many_tokens(house: House, provider: Canaille) -> None:
    provider.asked.clear()
    assert {code(house, provider.sign(provider.claims(jti=str(n)))) for n in range(5)} == {(200, None)}
    assert jwks_asked(provider) == 1


def test_new_key_of_the_provider_is_found_and_the_old_one_stays_good(
    house: House, provider: Canaille, watch: Watch
) -> None:
    old = provider.sign(provider.claims())
    assert code(house, old) == (200, None)
    provider.rotate()
    watch.seconds += 61

    assert code(house, provider.sign(provider.claims())) == (200, None)
    assert code(house, old) == (200, None)


def test_unknown_kid_asks_again_once_a_minute_at_most(house: House, provider: Canaille, watch: Watch) -> None:
    assert code(house, provider.sign(provider.claims())) == (200, None)
    provider.asked.clear()
    watch.seconds += 61

    answers = [code(house, by_own_key(provider)) for _ in range(3)]
    assert answers == [(401, "invalid_token"), *[(503, "provider_unreachable")] * 2]
    assert jwks_asked(provider) == 1

    watch.seconds += 61
    code(house, by_own_key(provider))
    assert jwks_asked(provider) == 2


def test_provider_that_is_away_does_not_stop_tokens_whose_key_is_known(
    house: House, provider: Canaille, watch: Watch
) -> None:
    token = provider.sign(provider.claims())
    assert code(house, token) == (200, None)
    provider.stop()
    try:
        for wait in (0, 61, 3600):
            watch.seconds += wait
            assert code(house, token) == (200, None)
        assert code(house, by_own_key(provider)) == (503, "provider_unreachable")
        watch.seconds += 24 * 3600
        assert code(house, token) == (503, "provider_unreachable")
    finally:
        provider.start()
    watch.seconds += 61
    assert code(house, token) == (200, None)


def test_provider_that_was_never_there_is_503_and_found_when_it_comes(
    house: House, provider: Canaille, watch: Watch
) -> None:
    provider.stop()
    try:
        answer = me(house, provider.sign(provider.claims()))
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unreachable")
        assert answer.headers["retry-after"] == "10"
    finally:
        provider.start()
    watch.seconds += 10
    assert code(house, provider.sign(provider.claims())) == (200, None)


def test_metadata_of_another_issuer_is_not_believed(
    house: House, provider: Canaille, http: httpx.Client, watch: Watch
) -> None:
    alias = provider.issuer.replace("localhost", "127.0.0.1")
    known = of_provider.Provider(alias, http, watch)
    house.app.state.sign_ins = SignIns(Verifier([(trust_in(provider), known)]))
    assert code(house, provider.sign(provider.claims(iss=alias))) == (503, "provider_unreachable")


# --- failed sign-ins ---


def test_failed_sign_ins_are_limited_by_address_and_good_ones_are_not(house: House, provider: Canaille) -> None:
    good = provider.sign(provider.claims())
    house.app.state.sign_ins = replace(house.app.state.sign_ins, failures=FailedSignIns(per_minute=3))

    answers = [code(house, token) for token in ("x", "rqp_x", f"rqm_{'0' * 46}", "x")]

    assert answers == [(401, "invalid_token")] * 3 + [(429, "too_many_failures")]
    assert me(house, "x").headers["retry-after"] == "60"
    assert code(house, good) == (200, None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_addresses_of_one_subscriber_count_as_one(house: House, one: str, other: str, *, same: bool) -> None:
    house.app.state.sign_ins = SignIns(failures=FailedSignIns(per_minute=1))
    headers = {"Authorization": "Bearer x"}
    answers = [
        TestClient(house.app, client=(address, 1)).get("/v1/me", headers=headers).status_code
        for address in (one, other)
    ]
    assert answers == [401, 429 if same else 401]


def test_nobody_there_is_no_failure(house: House) -> None:
    house.app.state.sign_ins = SignIns(failures=FailedSignIns(per_minute=1))
    answers = [house.client().get("/v1/me") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
