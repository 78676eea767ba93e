"""The settings and the tokens in docs/providers.md: each provider's person is a person, and its machine is none.

The claims are signed with a key of this test, and a provider is played that publishes it.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.house import House
from support.products.canaille import new_key, signed_by

from service.api.sign_ins import FailedSignIns
from service.app.issuers import sign_ins
from service.domain.actor import Actor, ActorKind, Role
from service.domain.errors import Code, Forbidden, ServiceError
from service.settings import Settings, load
from service.workflow.sign_in import sign_in as actor_of

Claims = dict[str, Any]

_PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
_SECTIONS = {
    section.split("\n", 1)[0]: dict(zip(("settings", "person", "machine"), blocks, strict=True))
    for section in _PAGE.split("\n## ")[1:]
    if (blocks := re.findall(r"```(?:toml|json)\n(.*?)```", section, flags=re.DOTALL))
}
_KEY = new_key("RSA")
_ACCOUNT = '\n[accounts.111122223333]\nname = "production"\nprofile = "root"\n'

# Whom the claims name here.
PEOPLE = {
    "Keycloak": "E4711",
    "Okta": "00ujmkLgagxeRrAg20g3",
    "Entra ID": "cccccccc-0000-0000-0000-000000000003",
    "Auth0": "E4711",
    "Cognito": (
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI#aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    ),
    "Google": "110169484474386276334",
    "Ping": "E4711",
    "AD FS": "E4711",
    "authentik": "https://auth.example.com/application/o/rootquorum/#5a5a5a5a-0000-0000-0000-000000000001",
}
# Their machines cannot sign in by a token: it names no subject.
WITHOUT_MACHINES = ("Ping", "AD FS")


@pytest.fixture
def house(sqlite_house: House) -> House:
    """What a token says does not depend on the database."""
    return sqlite_house


@pytest.fixture
def settings(provider_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "rootquorum.toml"
    file.write_text(_SECTIONS[provider_name]["settings"] + _ACCOUNT)
    return load(file)


def answer(request: httpx.Request) -> httpx.Response:
    """A provider that names itself as it was asked, and publishes the key."""
    base = str(request.url).removesuffix("/.well-known/openid-configuration")
    if request.url.path.endswith("/jwks"):
        public = {name: _KEY[name] for name in ("kty", "n", "e", "kid")}
        return httpx.Response(200, json={"keys": [public]})
    # Some issuers end with a slash, which is not doubled to ask them.
    issuer = next(url for url in re.findall(r'^url = "(.*)"$', _PAGE, flags=re.MULTILINE) if url.rstrip("/") == base)
    return httpx.Response(200, json={"issuer": issuer, "jwks_uri": f"{base}/jwks"})


def claims(provider_name: str, whose: str, **changes: Any) -> Claims:
    """Those of the page, as they would be now."""
    of_page: Claims = json.loads(_SECTIONS[provider_name][whose])
    shift = int(time.time()) - int(of_page["iat"])
    moved = {
        name: value + shift if name in {"iat", "exp", "nbf", "auth_time"} and isinstance(value, int) else value
        for name, value in of_page.items()
    }
    return {name: value for name, value in (moved | changes).items() if value is not None}


@contextmanager
def signing_in(house: House, settings: Settings) -> Iterator[Any]:
    """What the service makes of claims, with the settings of the page."""
    house.change(directory=settings.directory(), policy=settings.policy_in_force())
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        verifier = sign_ins(settings, http, FailedSignIns()).verifier

        def sign_in(said: Claims) -> Actor:
            return actor_of(house.ctx, verifier.verify(signed_by(_KEY, said)))

        yield sign_in


def test_every_provider_of_the_page_is_tried() -> None:
    assert list(_SECTIONS) == list(PEOPLE)


@pytest.mark.parametrize("provider_name", PEOPLE)
def test_person_of_the_provider_is_that_person_with_the_role(
    house: House, settings: Settings, provider_name: str
) -> None:
    with signing_in(house, settings) as sign_in:
        ann = sign_in(claims(provider_name, "person"))
    assert (ann.kind, ann.subject, ann.roles) == (ActorKind.PERSON, PEOPLE[provider_name], {Role.APPROVER})
    assert ann.proof is not None
    assert (ann.proof.auth_time is None) is (provider_name == "Google")


@pytest.mark.parametrize("provider_name", [name for name in PEOPLE if name not in WITHOUT_MACHINES])
def test_machine_of_the_provider_is_the_machine_of_the_settings(
    house: House, settings: Settings, provider_name: str
) -> None:
    with signing_in(house, settings) as sign_in:
        robot = sign_in(claims(provider_name, "machine"))
    assert (robot.kind, robot.subject, robot.roles) == (ActorKind.MACHINE, "rotation-bot", {Role.REQUESTER})


@pytest.mark.parametrize("provider_name", [name for name in PEOPLE if name not in WITHOUT_MACHINES])
@pytest.mark.parametrize("people_have", ["as on the page", "not said"])
def test_machine_that_the_settings_do_not_name_is_nobody(
    house: House, settings: Settings, provider_name: str, people_have: str
) -> None:
    """Even with everything that a person of the provider is known by."""
    person = claims(provider_name, "person")
    (issuer,) = settings.issuers.values()
    if people_have == "not said":
        issuer = issuer.model_copy(update={"people_have": None})
    stranger = settings.model_copy(update={"issuers": dict.fromkeys(settings.issuers, issuer), "machines": {}})
    claim = issuer.person_claim if isinstance(issuer.person_claim, str) else "employee_id"
    named = {} if claim in {"sub", "oid"} else {claim: person.get(claim)}
    groups = {name: person[name] for name in person if "group" in name}
    with signing_in(house, stranger) as sign_in, pytest.raises(Forbidden, match="counts as a machine") as refusal:
        sign_in(claims(provider_name, "machine", **named, **groups))
    assert refusal.value.code is Code.NO_ROLE


@pytest.mark.parametrize("provider_name", WITHOUT_MACHINES)
def test_machine_whose_token_names_no_subject_is_refused(house: House, settings: Settings, provider_name: str) -> None:
    with signing_in(house, settings) as sign_in, pytest.raises(ServiceError) as refusal:
        sign_in(claims(provider_name, "machine"))
    assert refusal.value.code is Code.INVALID_TOKEN


@pytest.mark.parametrize("provider_name", WITHOUT_MACHINES)
def test_machine_is_one_even_if_its_token_were_completed(house: House, settings: Settings, provider_name: str) -> None:
    person, machine = claims(provider_name, "person"), claims(provider_name, "machine")
    completed = {name: person[name] for name in ("iss", "aud")} | {"sub": machine.get("sub", "robot")}
    groups = {name: person[name] for name in person if "group" in name or name == "employee_id"}
    with signing_in(house, settings) as sign_in, pytest.raises(Forbidden, match="counts as a machine"):
        sign_in(machine | completed | groups)


@pytest.mark.parametrize("provider_name", [name for name in PEOPLE if name != "Google"])
def test_person_whose_groups_are_elsewhere_is_told_so(house: House, settings: Settings, provider_name: str) -> None:
    person = claims(provider_name, "person")
    (issuer,) = settings.issuers.values()
    name = issuer.groups_claim if isinstance(issuer.groups_claim, str) else issuer.groups_claim[0]
    with signing_in(house, settings) as sign_in:
        sign_in(person)
        with pytest.raises(Forbidden, match="only a reference to your groups"):
            sign_in(claims(provider_name, "person", **{name: None, "_claim_names": {name: "src1"}}))
        assert sign_in(person).roles == {Role.APPROVER}
