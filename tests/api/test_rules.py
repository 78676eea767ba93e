"""Who has signed the rules, over HTTP."""

from support.house import House
from support.rule_files import TEXT, following, signed_by
from support.signing import BOB, CAROL, SPARE

from service.workflow.announce import announce

SECOND = following(TEXT, ('name = "Alice"', 'name = "Alicia"'))


def started(house: House) -> House:
    for rules in (signed_by(TEXT, "bob"), signed_by(SECOND, "bob", "carol", SPARE)):
        house.change(signed_rules=rules)
        announce(house.ctx)
    return house


def test_each_version_is_listed_with_its_signers_and_the_last_is_in_force(house: House) -> None:
    first, second = started(house).client("audrey").get("/v1/rules").json()["items"]
    assert (first["version"], first["previous"], first["is_in_force"]) == (1, None, False)
    assert (second["version"], second["previous"], second["is_in_force"]) == (2, first["digest"], True)
    assert [(each["fingerprint"], each["person"]["subject"]) for each in first["signers"]] == [
        (BOB.public.fingerprint, "bob")
    ]
    signers = {each["fingerprint"]: each["person"] and each["person"]["name"] for each in second["signers"]}
    assert signers == {
        BOB.public.fingerprint: "Bob",
        CAROL.public.fingerprint: "Carol",
        SPARE.public.fingerprint: None,
    }


def test_a_version_has_its_file_and_its_signatures(house: House) -> None:
    found = started(house).client("bob").get("/v1/rules/2").json()
    assert found["text"] == SECOND
    assert found["signatures"] == list(signed_by(SECOND, "bob", "carol", SPARE).signatures)


def test_who_sees_no_keys_sees_no_rules(house: House) -> None:
    assert started(house).client("alice").get("/v1/rules").status_code == 403


def test_without_signed_rules_there_is_no_version(house: House) -> None:
    assert house.client("audrey").get("/v1/rules").json() == {"items": []}
    assert house.client("audrey").get("/v1/rules/1").status_code == 404
