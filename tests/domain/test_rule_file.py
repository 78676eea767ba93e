"""The file of rules: exactly its bytes are signed, and no two readers read it in two ways."""

import pytest
from support.rule_files import TEXT, following, signature, signed_by
from support.signers import Signer
from support.signing import BOB, CAROL, SPARE

from service.domain.roster import Reason, RevokedKey
from service.domain.rule_file import NotRules, changes, digest_of, parse_rules, parse_signatures


def test_a_file_says_its_version_its_founders_and_its_quorum() -> None:
    read = parse_rules(TEXT.encode())
    assert (read.rules.version, read.rules.previous, read.rules.quorum) == (1, None, 2)
    assert read.rules.digest == digest_of(TEXT.encode())
    assert read.rules.founders == read.signing.founders == {("bob", BOB.public.text), ("carol", CAROL.public.text)}
    assert read.bytes == TEXT.encode()


def _revoking(signer: Signer, more: str = "") -> str:
    return f'{TEXT}\n[[revoked_keys]]\nkey = "{signer.public.text} laptop"\n{more}\n'


def test_a_file_says_which_keys_never_count_again() -> None:
    assert parse_rules(TEXT.encode()).rules.revoked == frozenset()
    retired = parse_rules(_revoking(SPARE).encode()).rules.revoked
    assert retired == {RevokedKey(SPARE.public.text, Reason.RETIRED, 0)}
    stolen = _revoking(SPARE, 'reason = "compromised"\nsince = 4711')
    assert parse_rules(stolen.encode()).rules.revoked == {RevokedKey(SPARE.public.text, Reason.COMPROMISED, 4711)}
    [line] = changes(parse_rules(TEXT.encode()), parse_rules(stolen.encode()))
    assert line == f"revoked_keys.{SPARE.public.text}: new, reason compromised; since 4711"


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
    "names nested too deep": (f"{TEXT}[policy{'.a' * 3000}]\n", "nested too deeply"),
    "lists nested too deep": (f"{TEXT}[people.eve]\nroles = {'[' * 40}{']' * 40}\n", "nested too deeply"),
    "rules that are a number": (
        TEXT.replace("[policy]", "rules = 1\n[policy]"),
        "rules: it has to be a list of tables",
    ),
    "rules of which one is a text": (TEXT.replace("[policy]", 'rules = ["x"]\n[policy]'), "rules: it has to be a list"),
    "people who are a list": (TEXT.replace("[policy]", "machines = []\n[policy]"), "machines: it has to be a table"),
    "a revoked key that is a text": (TEXT.replace("[policy]", 'revoked_keys = ["x"]\n[policy]'), "revoked_keys"),
    "revoked keys as a table": (f"{TEXT}[revoked_keys]\nkey = 'ssh-ed25519 AAAA'\n", "revoked_keys"),
    "a revoked key that is none": (f"{TEXT}[[revoked_keys]]\nreason = 'retired'\n", "revoked_keys"),
    "a misspelt member of a revoked key": (_revoking(BOB, "sinze = 1"), "revoked_keys"),
    "another reason": (_revoking(BOB, 'reason = "stolen"'), "reason"),
    "a reason that is a list": (_revoking(BOB, "reason = []"), "reason"),
    "since, of a retired key": (_revoking(BOB, "since = 7"), "since"),
    "since before the log": (_revoking(BOB, 'reason = "compromised"\nsince = -1'), "since"),
    "since that is true": (_revoking(BOB, 'reason = "compromised"\nsince = true'), "since"),
    "a key revoked twice": (f"{_revoking(BOB)}[[revoked_keys]]\nkey = '{BOB.public.text} again'\n", "twice"),
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
    assert f'founders.carol: new, keys "{CAROL.public.text}"' in changes(None, first)
    assert changes(first, parse_rules(following(TEXT + rule).encode())) == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ('names = ["prod*", "payments*"]', 'names = ["prod*, payments*"]'),
        ('names = ["prod a"]', 'names = ["prod", "a"]'),
        ("names = []", 'names = [""]'),
        ('names = ["none"]', "names = []"),
        ('names = [["a", "b"], "c"]', 'names = [["a"], ["b", "c"]]'),
        ('units = { a = "x; b y" }', 'units = { a = "x", b = "y" }'),
        ("operations = true", 'operations = "yes"'),
    ],
)
def test_two_values_that_differ_are_never_shown_alike(before: str, now: str) -> None:
    files = [parse_rules(f'{TEXT}[[rules]]\nname = "p"\n{each}\n'.encode()) for each in (before, now)]
    old, new = ({line for line in changes(None, each) if line.startswith("rules")} for each in files)
    assert old != new
    for line in changes(*files):
        one, separator, other = line.partition(", then ")
        assert not separator or one.partition(": ")[2] != other


def test_a_name_or_a_text_cannot_pass_for_another_line_of_the_differences() -> None:
    evil = '[groups."x: 2, then 3\\npolicy.quorum"]\npeople = ["a\\u200b"]\n'
    [line] = [each for each in changes(None, parse_rules((TEXT + evil).encode())) if each.startswith("groups")]
    assert line == r'groups."x: 2, then 3\npolicy.quorum": new, people "a\u200b"'
