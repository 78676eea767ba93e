"""What an operator is told of a provider and of its tokens: `doctor` and `token explain`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.installation import commanded, piped
from support.issuer import Issuer, issuing, key_of, public

from service.auth.api_tokens import mint
from service.cli.explain import CHECKS
from service.domain.actor import ActorKind
from service.domain.sign_in_checks import TokenCheck

SETTINGS = """
[database]
url = "sqlite:///{folder}/rootquorum.db"
[aws]
simulated = true
[accounts.111122223333]
name = "production"
[issuers.corp]
url = "{url}"
audience = ["rootquorum"]
{more}
[[issuers.corp.grants]]
group = "root-approvers"
roles = ["approver"]
[[issuers.corp.grants]]
group = "requesters"
roles = ["requester"]
accounts = ["111122223333"]
[machines.robo]
name = "Robo"
roles = ["requester"]
issuer = "corp"
login = "robot"
"""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


def configure(folder: Path, issuer: Issuer, more: str = "") -> None:
    (folder / "rootquorum.toml").write_text(SETTINGS.format(folder=folder, url=issuer.url, more=more))


# --- doctor ---


def doctor(folder: Path) -> str:
    return commanded(folder, "doctor", COLUMNS="300").stdout


def test_doctor_counts_the_keys_that_can_be_used(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    issuer.listed.append(public(key_of("RSA", which=1), use="enc"))
    assert "ok     issuer corp: 1 of its 2 keys can be used\n" in doctor(tmp_path)


@pytest.mark.parametrize("keys", [[], ["x"], [{"kid": "a", "kty": "oct", "k": "AAAA"}]])
def test_provider_without_a_usable_key_is_a_fault(tmp_path: Path, issuer: Issuer, keys: list[object]) -> None:
    configure(tmp_path, issuer)
    issuer.listed = keys
    assert f"fault  issuer corp: None of its {len(keys)} keys can verify signatures" in doctor(tmp_path)


FAULTS: dict[str, tuple[Callable[[Issuer], object], str]] = {
    "redirect": (
        lambda issuer: issuer.answers.update({"/keys": (302, {"Location": "/"}, b"")}),
        "Its keys cannot be used: the answer is a redirect",
    ),
    "page": (
        lambda issuer: issuer.answers.update({"/keys": (200, {}, b"<html>CANARY")}),
        "Its keys cannot be used: the answer is not a JSON object.",
    ),
    "issuer": (
        lambda issuer: issuer.metadata.update(issuer="https://[red]CANARY"),
        "Its metadata cannot be used: it names another issuer. Compare issuers.corp.url",
    ),
    "jwks_uri": (lambda issuer: issuer.metadata.pop("jwks_uri"), "Its metadata cannot be used: it names no jwks_uri."),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_says_which_fault_of_discovery_it_is(tmp_path: Path, issuer: Issuer, fault: str) -> None:
    configure(tmp_path, issuer)
    spoil, sentence = FAULTS[fault]
    spoil(issuer)
    said = doctor(tmp_path)
    assert f"fault  issuer corp: {sentence}" in said
    assert "CANARY" not in said


@pytest.mark.parametrize("missing", ["authorization_endpoint", "token_endpoint"])
def test_client_without_an_endpoint_is_a_fault(tmp_path: Path, issuer: Issuer, missing: str) -> None:
    configure(tmp_path, issuer, 'client_id = "rootquorum"')
    del issuer.metadata[missing]
    assert f"fault  issuer corp: Its metadata names no {missing}" in doctor(tmp_path)


def test_secret_that_the_provider_takes_in_no_way_is_a_fault(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer, 'client_id = "rootquorum"\nclient_secret = "s3cret"')
    issuer.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt", {"client_secret_post": 1}]
    said = doctor(tmp_path)
    assert "fault  issuer corp: It accepts a client's secret neither by client_secret_basic nor" in said
    assert "s3cret" not in said


# --- token explain ---


def explain(folder: Path, token: str | bytes, *options: str) -> CompletedProcess[str]:
    stdin = token if isinstance(token, bytes) else token.encode()
    done = piped(stdin, folder, "token", "explain", *options)
    assert not any(part in done.stdout + done.stderr for part in stdin.decode("latin-1").split(".") if len(part) > 8)
    return done


def words(done: CompletedProcess[str]) -> str:
    """What it says, however wide the terminal is."""
    return " ".join(done.stdout.split())


def test_good_token_is_explained_by_what_it_may_do(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    groups = ["root-approvers", "requesters", "football"]
    claims = issuer.claims(name="Erin [red]:skull:", groups=groups, auth_time=None, nonce="n")
    done = explain(tmp_path, issuer.sign(claims) + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert words(done) == (
        "Good: the service accepts it issuer corp checks passed all "
        f"person {issuer.url}#erin name Erin [red]:skull: roles approver requester, in 111122223333 "
        "decides no: A decision requires a token that says when you signed in (auth_time). "
        "not checked whether the person is suspended, or has presented a newer token since"
    )


def test_nothing_is_written_down_by_it(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    assert explain(tmp_path, issuer.sign()).returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["rootquorum.toml"]


def test_fresh_sign_in_decides(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    fresh = issuer.claims(auth_time=issuer.claims()["iat"])
    assert "yes, at this moment" in words(explain(tmp_path, f"Bearer {issuer.sign(fresh)}"))


def test_machine_of_the_settings_is_explained_as_one(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    done = explain(tmp_path, issuer.sign(issuer.claims(sub="robot", client_id="robot")))
    assert (done.returncode, "machine" in done.stdout, "robo" in done.stdout) == (0, True, True)


REFUSED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "opaque": (lambda _: "2YotnFZFEjr1zCsicMWpAA", "Refused: opaque"),
    "audience": (lambda issuer: issuer.sign(issuer.claims(aud="[red]CANARY")), "not in issuers.corp.audience"),
    "expired": (lambda issuer: issuer.sign(issuer.claims(exp=1)), "Refused: expired"),
    "signature": (lambda issuer: issuer.sign(key=key_of("RSA", which=1), kid=issuer.key["kid"]), "Refused: signature"),
    "unknown key": (lambda issuer: issuer.sign(kid="CANARY"), "Refused: unknown_key"),
    "no role": (lambda issuer: issuer.sign(issuer.claims(groups=["CANARY"])), "Refused: no_role"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_token_is_explained_by_the_check_that_it_fails(tmp_path: Path, issuer: Issuer, what: str) -> None:
    configure(tmp_path, issuer)
    make, sentence = REFUSED[what]
    done = explain(tmp_path, make(issuer))
    assert done.returncode == 3
    assert sentence in words(done)
    assert "CANARY" not in done.stdout + done.stderr


def test_every_check_of_a_providers_token_has_its_explanation() -> None:
    of_api_tokens = {TokenCheck.UNKNOWN, TokenCheck.REVOKED, TokenCheck.OWNER}
    assert {*CHECKS} == {*TokenCheck} - of_api_tokens


def test_offline_nobody_is_asked_and_the_signature_is_not_looked_at(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    foreign = issuer.sign(key=key_of("RSA", which=1))
    assert explain(tmp_path, foreign).returncode == 3
    issuer.asked.clear()

    done = explain(tmp_path, foreign, "--offline")

    assert (done.returncode, issuer.asked) == (0, [])
    assert "key and its signature, which were not checked" in words(done)
    assert explain(tmp_path, issuer.sign(issuer.claims(exp=1)), "--offline").returncode == 3


def test_provider_that_cannot_be_asked_is_no_fault_of_the_token(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    issuer.answers["/keys"] = (500, {}, b"")
    done = explain(tmp_path, issuer.sign())
    assert done.returncode == 4
    assert "doctor" in words(done)


@pytest.mark.parametrize("given", [b"", b" \n", b"x" * 64 * 1024 + b"x"])
def test_without_a_token_it_says_how_to_bring_one(tmp_path: Path, issuer: Issuer, given: bytes) -> None:
    configure(tmp_path, issuer)
    done = explain(tmp_path, given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Pipe a token in")


def test_api_token_is_none_of_a_provider(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    done = explain(tmp_path, mint(ActorKind.PERSON).reveal())
    assert done.returncode == 2
    assert "rootquorum token list" in words(done)


def test_any_bytes_are_refused_and_not_shown(tmp_path: Path, issuer: Issuer) -> None:
    configure(tmp_path, issuer)
    done = explain(tmp_path, b"\xff\x00\x1b[31m." + json.dumps("\ud800").encode() + b".")
    assert (done.returncode, "\x1b" in done.stdout) == (3, False)
