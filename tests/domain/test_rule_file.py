"""The file of rules: exactly its bytes are signed, and no two readers read it in two ways."""

import pytest
from support.rule_files import TEXT, following, signature, signed_by
from support.signing import BOB, CAROL

from service.domain.rule_file import NotRules, changes, digest_of, parse_rules, parse_signatures


def test_a_file_says_its_version_its_founders_and_its_quorum() -> None:
    read = parse_rules(TEXT.encode())
    assert (read.rules.version, read.rules.previous, read.rules.quorum) == (1, None, 2)
    assert read.rules.digest == digest_of(TEXT.encode())
    assert read.rules.founders == read.signing.founders == {("bob", BOB.public.text), ("carol", CAROL.public.text)}
    assert read.bytes == TEXT.encode()


_FAULTY: dict[str, tuple[str | bytes, str]] = {
    "no version": (TEXT.replace("version = 1", ""), "version"),
    "a version that is true": (TEXT.replace("version = 1", "version = true"), "version"),
    "a version of zero": (TEXT.replace("version = 1", "version = 0"), "version"),
    "a first version with one before": (TEXT.replace("= 1", f'= 1\nprevious = "{"0" * 64}"', 1), "previous"),
    "a second version with none before": (TEXT.replace("version = 1", "version = 2"), "previous"),
    "a digest in capitals": (TEXT.replace("= 1", f'= 2\nprevious = "{"A" * 64}"', 1), "previous"),
    "a name twice": (TEXT.replace("version = 1", "version = 1\nversion = 1"), "not TOML"),
    "a table twice": (TEXT + "[founders.bob]\nkeys = []\n", "not TOML"),
    "a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "byte order mark"),
    "bytes that are no text": (TEXT.encode() + b"# \xff", "UTF-8"),
    "a NUL at its end": (TEXT + "\0", "not TOML"),
    "machinery": (TEXT + '[database]\nurl = "x"\n', "something else"),
    "the file of itself": (TEXT.replace("[signing]", '[signing]\nrules_file = "x"'), "signing"),
    "more of an issuer than its grants": (TEXT + '[issuers.corp]\nurl = "x"\n', "only grants"),
    "a quorum of one": (TEXT.replace("[policy]", "[policy]\nquorum = 1"), "quorum"),
    "a quorum as text": (TEXT.replace("[policy]", '[policy]\nquorum = "2"'), "quorum"),
    "a founder without keys": (TEXT + "[founders.eve]\n", "founders"),
    "a founder who is a text": (
        TEXT.replace("[policy]", 'founders = "eve"\n[policy]').split("[founders")[0],
        "founders",
    ),
    "a demand of another type": (TEXT.replace("[signing]", '[signing]\nuser_verified = "no"'), "signing"),
    "too deep a nest": (f"x = {'[' * 3000}{']' * 3000}\n{TEXT}", "not TOML"),
    "too much": (TEXT + "#" * 300_000, "longer"),
}


@pytest.mark.parametrize("name", _FAULTY)
def test_another_file_is_no_rules(name: str) -> None:
    data, said = _FAULTY[name]
    with pytest.raises(NotRules, match=said):
        parse_rules(data if isinstance(data, bytes) else data.encode())


def test_signatures_stand_one_after_another_whatever_is_between_them() -> None:
    made = signed_by(TEXT, "bob", "carol").signatures
    assert parse_signatures("".join(made)) == made
    assert parse_signatures("\r\n\n".join([*made, *made])) == made
    assert parse_signatures("".join(made) + "half of one") == made


def test_more_signatures_than_people_are_refused() -> None:
    with pytest.raises(NotRules):
        parse_signatures("".join(signature(TEXT, BOB).replace("U1", f"{number:02}") for number in range(102)))


def test_each_difference_between_two_versions_is_told() -> None:
    rule = '\n[[rules]]\nname = "production"\nquorum = 3\n'
    first = parse_rules((TEXT + rule).encode())
    second = following(
        TEXT + rule, ('signed_approvals = "required"', 'signed_approvals = "off"'), ("quorum = 3", "quorum = 2")
    )
    assert changes(first, parse_rules(second.encode())) == [
        "policy.signed_approvals: required, then off",
        "rules.production.quorum: 3, then 2",
    ]
    assert f"founders.carol: new, keys {CAROL.public.text}" in changes(None, first)
    assert changes(first, parse_rules(following(TEXT + rule).encode())) == []
