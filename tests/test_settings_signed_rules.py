"""With a file of rules, nothing that a quorum signs can be set beside it."""

from pathlib import Path

import pytest
from support.rule_files import TEXT, signed_by, written
from support.signing import BOB, CAROL, SPARE

from service.app import compose
from service.settings import FaultySettings, Settings, load, load_for_audit

_MAIN = """
[audit]
origin = "rootquorum.example.com/log"
[signing]
rules_file = "rules.toml"
[accounts.111122223333]
name = "production"
profile = "prod"
"""
_ISSUER = """
[issuers.corp]
url = "https://login.example.com"
audience = ["rootquorum"]
person_claim = "email"
"""
_GRANT = '\n[[issuers.corp.grants]]\ngroup = "root"\nroles = ["approver"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path / "rules.toml", signed_by(TEXT, "bob"))
    return tmp_path


def loaded(folder: Path, text: str = _MAIN) -> Settings:
    (folder / "rootquorum.toml").write_text(text)
    return load(folder / "rootquorum.toml")


def the_fault(folder: Path, text: str = _MAIN) -> str:
    with pytest.raises(FaultySettings) as refusal:
        loaded(folder, text)
    return "; ".join(refusal.value.faults)


def test_the_rules_come_from_their_file(folder: Path) -> None:
    settings = loaded(folder)
    assert settings.people.keys() == {"alice", "bob", "carol", "dave"}
    assert settings.founders_keys() == {("bob", BOB.public.text), ("carol", CAROL.public.text)}
    assert settings.signed_rules == signed_by(TEXT, "bob", place=str(folder / "rules.toml"))
    with compose(settings, with_aws=False) as ctx:
        assert ctx.signed_rules == settings.signed_rules


def test_roles_by_a_provider_s_groups_come_from_the_rules_and_the_provider_from_the_settings(folder: Path) -> None:
    written(folder / "rules.toml", signed_by(TEXT + _GRANT))
    settings = loaded(folder, _MAIN + _ISSUER)
    assert [grant.group for grant in settings.issuers["corp"].grants] == ["root"]
    assert settings.issuers["corp"].url == "https://login.example.com"


@pytest.mark.parametrize(
    ("beside", "place"),
    [
        ("[policy]\nquorum = 2", "policy:"),
        ('[[rules]]\nname = "x"', "rules:"),
        ("[groups.all]\npeople = []", "groups:"),
        (f'[founders.eve]\nkeys = ["{BOB.public.text}"]', "founders:"),
        ('[people.eve]\nname = "Eve"\nroles = ["approver"]', "people:"),
        ('[machines.robo]\nname = "Robo"', "machines:"),
        (_ISSUER + _GRANT, "issuers.grants:"),
    ],
)
def test_what_the_rules_have_may_not_stand_in_the_settings(folder: Path, beside: str, place: str) -> None:
    found = the_fault(folder, f"{_MAIN}\n{beside}\n")
    assert found.startswith(place)
    assert str(folder / "rootquorum.toml") in found
    assert str(folder / "rules.toml") in found


def test_nor_may_what_signatures_have_to_prove(folder: Path) -> None:
    weaker = _MAIN.replace('rules_file = "rules.toml"', 'rules_file = "rules.toml"\nuser_verified = false')
    assert the_fault(folder, weaker).startswith("signing:")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ROOTQUORUM_POLICY__QUORUM", "2"),
        ("rootquorum_policy__signed_approvals", "off"),
        ("ROOTQUORUM_POLICY", '{"quorum": 2}'),
        ("ROOTQUORUM_RULES", "[]"),
        ("ROOTQUORUM_FOUNDERS", "{}"),
        ("ROOTQUORUM_FOUNDERS__EVE__KEYS", "[]"),
        ("ROOTQUORUM_PEOPLE__EVE__NAME", "Eve"),
        ("ROOTQUORUM_MACHINES__ROBO__NAME", "Robo"),
        ("ROOTQUORUM_SIGNING__USER_VERIFIED", "false"),
        ("ROOTQUORUM_SIGNING", '{"user_verified": false}'),
        ("ROOTQUORUM_ISSUERS__CORP__GRANTS", "[]"),
        ("ROOTQUORUM_ISSUERS__CORP", '{"grants": []}'),
        ("ROOTQUORUM_ISSUERS", '{"corp": {"grants": []}}'),
    ],
)
def test_nor_may_it_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = the_fault(folder, _MAIN + _ISSUER)
    assert variable in found
    assert "only" in found
    assert str(folder / "rules.toml") in found


def test_the_environment_may_name_the_file_and_set_machinery(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOTQUORUM_SIGNING__RULES_FILE", str(folder / "rules.toml"))
    monkeypatch.setenv("ROOTQUORUM_WORKER__ENABLED", "false")
    settings = loaded(folder, _MAIN.replace('[signing]\nrules_file = "rules.toml"', ""))
    assert settings.signed_rules is not None
    assert not settings.worker.enabled


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (TEXT.replace("version = 1", "version = 0"), "rules.toml: version"),
        (TEXT + "x", "Expected '=' after a key"),
        ("\ufeff" + TEXT, "byte order mark"),
        (TEXT.replace('roles = ["requester"]', 'rolles = ["requester"]'), "did you mean `roles`"),
        (TEXT + "[founders.eve]\nkeys = 1\n", "founders"),
        (TEXT.split("[founders.carol]")[0], "fewer than policy.quorum"),
    ],
)
def test_a_fault_of_the_rules_is_a_fault_of_the_settings(folder: Path, rules: str, said: str) -> None:
    (folder / "rules.toml").write_text(rules)
    assert said in the_fault(folder)


def test_an_unknown_name_in_the_rules_is_found_in_their_file(folder: Path) -> None:
    (folder / "rules.toml").write_text(TEXT.replace('name = "Alice"', 'name = "Alice"\nbadge = 7'))
    assert f"of {folder / 'rules.toml'}" in the_fault(folder)


def test_a_missing_file_of_rules_is_a_fault(folder: Path) -> None:
    (folder / "rules.toml").unlink()
    assert "there is no such file" in the_fault(folder)


def test_signatures_that_are_no_text_are_a_fault(folder: Path) -> None:
    (folder / "rules.toml.sigs").write_bytes(b"\xff")
    assert "rules.toml.sigs" in the_fault(folder)


def test_who_only_checks_the_log_needs_no_rules(folder: Path) -> None:
    (folder / "rules.toml").unlink()
    (folder / "rootquorum.toml").write_text(_MAIN)
    assert load_for_audit(folder / "rootquorum.toml").audit.origin == "rootquorum.example.com/log"


def test_a_revoked_key_that_is_none_is_a_fault(folder: Path) -> None:
    revoked = f'[[revoked_keys]]\nkey = "{SPARE.public.text}"\n'
    written(folder / "rules.toml", signed_by(TEXT + revoked))
    rules = loaded(folder).signed_rules
    assert rules is not None
    assert {each.key for each in rules.file.rules.revoked} == {SPARE.public.text}
    written(folder / "rules.toml", signed_by(TEXT + revoked.replace(SPARE.public.text, SPARE.public.text[:-2])))
    assert "revoked_keys: one of them cannot be used" in the_fault(folder)


def test_an_emergency_makes_the_rules_stricter(folder: Path) -> None:
    fingerprint = BOB.public.fingerprint
    settings = loaded(folder, f'{_MAIN}\n[emergency]\nquorum = 3\nrevoked_keys = ["{fingerprint}"]\n')
    assert settings.policy_in_force().quorum == 3
    assert settings.signing_in_force().revoked == {fingerprint}
    assert settings.signing_in_force().document()["revoked_keys"] == [fingerprint]


def test_an_emergency_cannot_make_them_weaker(folder: Path) -> None:
    written(folder / "rules.toml", signed_by(TEXT.replace("[policy]", "[policy]\nquorum = 3") + _THIRD))
    assert "can only be higher" in the_fault(folder, f"{_MAIN}\n[emergency]\nquorum = 2\n")


_THIRD = f'\n[founders.dave]\nkeys = ["{SPARE.public.text}"]\n'


def test_without_rules_to_sign_an_emergency_is_a_fault(folder: Path) -> None:
    written(folder / "rules.toml", signed_by(TEXT))
    text = TEXT.replace("version = 1", "") + _MAIN.replace('[signing]\nrules_file = "rules.toml"', "")
    assert "no effect" in the_fault(folder, f"{text}\n[emergency]\nquorum = 3\n")
