"""`rootquorum rules`: people read what changes, sign it in a terminal, and the service starts with it."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from support.approvers import Installation, Ran, installation
from support.at_terminal import answering
from support.installation import commanded, rootquorum, serving
from support.products import openssh
from support.rule_files import TEXT, following, signed_by, written
from support.signing import BOB, CAROL, DAVE, SPARE

from service.cli.waiting import free_port
from service.client.rules import left_counting
from service.domain.rule_file import digest_of, parse_rules, parse_signatures

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)

_RULE = '\n[[rules]]\nname = "production"\nquorum = 3\n'


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """The founders' keys, and Eve's."""
    found = {}
    for person in ("ann", "ben", "cid", "eve"):
        (tmp_path / person).mkdir()
        found[person] = openssh.generate(tmp_path / person, "ed25519")
    return found


@pytest.fixture
def first(tmp_path: Path, keys: dict[str, Path]) -> Path:
    founders = "".join(
        f'[founders.{who}]\nkeys = ["{keys[who].with_suffix(".pub").read_text().strip()}"]\n'
        for who in ("ann", "ben", "cid")
    )
    file = tmp_path / "rules.toml"
    file.write_text(f'version = 1\n\n[policy]\nsigned_approvals = "required"\n\n{founders}')
    return file


@pytest.fixture
def second(tmp_path: Path, first: Path) -> Path:
    file = tmp_path / "second.toml"
    file.write_text(following(first.read_text()) + _RULE)
    return file


def run(folder: Path, *arguments: str, answer: str = "yes") -> Ran:
    with answering(answer) as at:
        done = commanded(folder, "rules", *arguments)
    return Ran(done.returncode, done.stdout, done.stderr, at.seen)


def sign(second: Path, key: Path, first: Path, answer: str = "yes") -> Ran:
    return run(second.parent, "sign", str(second), "--key", str(key), "--previous", str(first), answer=answer)


def test_a_person_reads_each_difference_before_they_sign(first: Path, second: Path, keys: dict[str, Path]) -> None:
    done = sign(second, keys["ann"], first)
    assert (done.code, done.out) == (0, f"Signed. The signature is in {second}.sigs.\n")
    assert "rules.production: new, name production; quorum 3" in done.seen
    assert digest_of(second.read_bytes()) in "".join(done.seen.split())
    verifier = openssh.Verifier(second.parent, keys["ann"].with_suffix(".pub").read_text())
    [signature] = parse_signatures(second.with_name("second.toml.sigs").read_text())
    assert verifier.accepts(signature, second.read_bytes(), "rules@rootquorum")


def test_whoever_does_not_say_yes_signs_nothing(first: Path, second: Path, keys: dict[str, Path]) -> None:
    done = sign(second, keys["ann"], first, answer="y")
    assert (done.code, done.error) == (1, "Nothing was signed.\n")
    assert not second.with_name("second.toml.sigs").exists()


def test_signatures_are_added_once_for_each_key(first: Path, second: Path, keys: dict[str, Path]) -> None:
    for person in ("ann", "ben", "ann"):
        done = sign(second, keys[person], first)
        assert done.code == 0
    assert done.out == "You have signed this version with this key already.\n"
    assert len(parse_signatures(second.with_name("second.toml.sigs").read_text())) == 2


def test_the_version_before_has_to_be_the_one_that_the_file_names(
    first: Path, second: Path, keys: dict[str, Path]
) -> None:
    first.write_text(first.read_text() + "# Another one.\n")
    done = sign(second, keys["ann"], first)
    assert (done.code, done.seen) == (1, "")
    assert "not the version 1" in done.error


def test_without_the_version_before_nothing_is_signed(second: Path, keys: dict[str, Path]) -> None:
    done = run(second.parent, "sign", str(second), "--key", str(keys["ann"]))
    assert (done.code, done.seen) == (2, "")


@pytest.mark.parametrize("broken", ["version = 1\nversion = 2\n", "\ufeffversion = 1\n", "version = 1\n[aws]\n"])
def test_what_is_no_file_of_rules_is_not_signed(first: Path, keys: dict[str, Path], broken: str) -> None:
    first.write_text(broken)
    done = run(first.parent, "sign", str(first), "--key", str(keys["ann"]))
    assert (done.code, done.seen) == (1, "")
    assert "no file of rules" in done.error


def test_who_has_signed_is_shown_and_how_many_are_missing(first: Path, second: Path, keys: dict[str, Path]) -> None:
    sign(second, keys["ann"], first)
    sign(second, keys["eve"], first)
    shown = run(second.parent, "show", str(second), "--previous", str(first)).out
    assert "1 of 2 people" in shown
    assert f"{openssh.fingerprint(keys['ann'].with_suffix('.pub').read_text())} ann" in shown
    assert "of nobody who is known here" in shown
    assert digest_of(second.read_bytes()) in shown
    assert "version = 3" in shown
    alone = run(second.parent, "show", str(second)).out
    assert "unknown: give --previous" in alone
    assert "trusted when the service sees it first" in run(first.parent, "show", str(first)).out


def test_a_file_alone_does_not_say_whose_keys_signed_it(second: Path, first: Path, keys: dict[str, Path]) -> None:
    evil = second.with_name("evil.toml")
    ben, eve = (keys[who].with_suffix(".pub").read_text().strip() for who in ("ben", "eve"))
    evil.write_text(second.read_text().replace(ben, eve))
    sign(evil, keys["eve"], first)
    shown = run(evil.parent, "show", str(evil)).out
    [signer] = [line.split() for line in shown.splitlines() if line.startswith("signed by")]
    assert signer == ["signed", "by", openssh.fingerprint(eve)]
    assert "ben" not in shown
    assert "2 of 2 people" in run(evil.parent, "show", str(evil), "--previous", str(first)).out


def test_a_signature_counts_only_if_it_meets_what_the_version_before_demands(tmp_path: Path) -> None:
    first = tmp_path / "first.toml"
    first.write_text(TEXT)
    untouched = signed_by(following(TEXT), "bob", replace(CAROL, flags=0))
    second = written(tmp_path / "second.toml", untouched)
    shown = run(tmp_path, "show", str(second), "--previous", str(first)).out
    assert "1 of 2 people" in shown
    assert "carol (does not count: Nobody touched the authenticator.)" in shown


def test_whoever_would_sign_in_vain_is_told(first: Path, keys: dict[str, Path]) -> None:
    first.write_text(first.read_text() + "[signing]\nonly_hardware = true\n")
    second = first.with_name("second.toml")
    second.write_text(following(first.read_text()))
    done = sign(second, keys["ann"], first)
    assert done.code == 1
    assert "would not count" in done.error
    assert not second.with_name("second.toml.sigs").exists()


def test_a_key_of_somebody_whom_the_file_no_longer_names_is_a_warning_above_the_question(
    first: Path, second: Path, keys: dict[str, Path]
) -> None:
    cid = " ".join(keys["cid"].with_suffix(".pub").read_text().split()[:2])
    second.write_text(second.read_text().replace("[founders.cid]", "[founders.charles]"))
    seen = " ".join(sign(second, keys["ann"], first, answer="no").seen.split())
    assert f"cid is not named any more, but {openssh.fingerprint(cid)} may go on to sign for them" in seen
    assert seen.index("differs") < seen.index("WARNING") < seen.index("Shall these be the rules?")
    assert "Keys that others endorsed for them, only the server knows" in seen
    second.write_text(f'{second.read_text()}\n[[revoked_keys]]\nkey = "{cid}"\n')
    seen = " ".join(sign(second, keys["ann"], first, answer="no").seen.split())
    assert "may go on to sign" not in seen
    assert "reason retired" in seen


def test_without_a_change_of_people_there_is_no_warning(first: Path, second: Path, keys: dict[str, Path]) -> None:
    assert "WARNING" not in sign(second, keys["ann"], first, answer="no").seen


@pytest.mark.parametrize(
    "broken",
    ["rules = 1\n", f"policy{'.a' * 3000} = 1\n", f"people = {'[' * 100}{']' * 100}\n", "people = []\n"],
)
def test_a_file_in_another_form_is_refused_in_one_line(first: Path, keys: dict[str, Path], broken: str) -> None:
    odd = first.with_name("odd.toml")
    odd.write_text(f"version = 1\n{broken}")
    for command in (["diff", str(first), str(odd)], ["show", str(odd)], ["sign", str(odd), "--key", str(keys["ann"])]):
        done = run(first.parent, *command)
        assert (done.code, done.out, done.seen, done.error.count("\n")) == (1, "", "", 1)
        assert "is no file of rules" in done.error


def test_a_revoked_key_with_a_letter_too_few_is_refused(first: Path, keys: dict[str, Path]) -> None:
    line = " ".join(keys["eve"].with_suffix(".pub").read_text().split()[:2])
    first.write_text(f'{first.read_text()}\n[[revoked_keys]]\nkey = "{line[:-1]}"\n')
    done = run(first.parent, "show", str(first))
    assert (done.code, done.error.count("\n")) == (1, 1)
    assert "cannot be used" in done.error


def test_two_files_are_compared(first: Path, second: Path) -> None:
    found = run(first.parent, "diff", str(first), str(second))
    assert (found.code, found.out) == (1, "rules.production: new, name production; quorum 3\n")
    assert run(first.parent, "diff", str(first), str(first)).code == 0


# --- with the service ---


def test_the_settings_become_a_first_version_and_a_quorum_signs_the_second(tmp_path: Path) -> None:
    with installation(tmp_path) as installed:
        settings = tmp_path / "rootquorum.toml"
        before = tomllib.loads(settings.read_text())
    done = commanded(tmp_path, "rules", "init")
    assert done.returncode == 0, done.stderr
    assert "[policy]" in done.stdout
    rules = tmp_path / "rules.toml"
    tables = parse_rules(rules.read_bytes()).tables
    assert tables == {name: before[name] for name in ("policy", "people", "founders")}
    left = "\n".join(
        line for line in settings.read_text().splitlines() if line not in rules.read_text().splitlines() or not line
    )
    settings.write_text(left + '\n[signing]\nrules_file = "rules.toml"\n')

    port = free_port()
    with serving(tmp_path, port):
        served = Installation(f"http://127.0.0.1:{port}", tmp_path)
        [version] = served.call("ann", "GET", "/v1/rules")["items"]
        assert version["digest"] == digest_of(rules.read_bytes())
        rules.write_text(following(rules.read_text()) + _RULE)
        for person in ("ann", "ben"):
            command = ("rules", "sign", str(rules), "--key", str(installed.key(person)))
            signed = served.run(person, *command)
            assert signed.code == 0, signed.error
            if person == "ann":
                refused = commanded(tmp_path, "person", "list")
                assert refused.returncode == 1
                assert "1 more have to sign it, of ben, cid" in refused.stderr
        shown = served.run("cid", "rules", "show", str(rules)).out
        assert "0 of 2 people" in shown
    with serving(tmp_path, port):
        served = Installation(f"http://127.0.0.1:{port}", tmp_path)
        assert [each["version"] for each in served.call("ann", "GET", "/v1/rules")["items"]] == [1, 2]
        approved = served.approve("ann", served.file())
        assert approved.code == 0, approved.error
        assert digest_of(rules.read_bytes()) in "".join(approved.seen.split())


def test_init_names_the_file_from_the_folder_of_the_settings(tmp_path: Path) -> None:
    with installation(tmp_path):
        pass
    (tmp_path / "elsewhere").mkdir()
    done = commanded(tmp_path, "rules", "init", "elsewhere/my rules.toml")
    assert 'rules_file = "elsewhere/my rules.toml"' in done.stdout
    (tmp_path / "etc").mkdir()
    (tmp_path / "rootquorum.toml").rename(tmp_path / "etc" / "rootquorum.toml")
    done = commanded(tmp_path, "--config", "etc/rootquorum.toml", "rules", "init", "here.toml")
    assert 'rules_file = "../here.toml"' in done.stdout, done.stderr


def test_keys_of_people_whom_a_file_no_longer_names_are_told_from_those_of_others() -> None:
    before, now = parse_rules(TEXT.encode()), parse_rules(following(TEXT, ("people.dave", "people.david")).encode())
    holders = {DAVE.public.text: "dave", BOB.public.text: "bob", SPARE.public.text: "erin"}
    assert [*left_counting(before, now, holders)] == [("dave", DAVE.public.text), ("erin", SPARE.public.text)]
    # Groups of a provider may give Erin a role, whom no version ever named.
    grant = '[[issuers.corp.grants]]\ngroup = "root"\nroles = ["approver"]\n'
    now = parse_rules((following(TEXT, ("people.dave", "people.david")) + grant).encode())
    assert [*left_counting(before, now, holders)] == [("dave", DAVE.public.text)]


def test_a_process_with_unsigned_rules_does_not_start_and_says_what_is_missing(tmp_path: Path) -> None:
    with installation(tmp_path):
        pass
    assert commanded(tmp_path, "rules", "init").returncode == 0
    settings, rules = tmp_path / "rootquorum.toml", tmp_path / "rules.toml"
    moved = rules.read_text().splitlines()
    left = [line for line in settings.read_text().splitlines() if line not in moved or not line]
    settings.write_text("\n".join(left) + '\n[signing]\nrules_file = "rules.toml"\n')
    port = free_port()
    with serving(tmp_path, port):
        pass
    for broken in (following(rules.read_text()), rules.read_text().replace('"ANN"', '"EVE"')):
        rules.write_text(broken)
        done = rootquorum(tmp_path, "serve")
        assert done.returncode == 1
        assert "The rules are not in force" in done.stderr
        assert done.stderr.count("\n") == 1
    settings.write_text(settings.read_text().replace('rules_file = "rules.toml"', ""))
    settings.write_text(settings.read_text() + "\n".join(moved[1:]))
    done = rootquorum(tmp_path, "serve")
    assert done.returncode == 1
    assert "the settings have none" in done.stderr


def test_doctor_says_whether_the_rules_are_in_force(tmp_path: Path) -> None:
    with installation(tmp_path):
        pass
    assert commanded(tmp_path, "rules", "init").returncode == 0
    settings, rules = tmp_path / "rootquorum.toml", tmp_path / "rules.toml"
    moved = rules.read_text().splitlines()
    left = [line for line in settings.read_text().splitlines() if line not in moved or not line]
    settings.write_text("\n".join(left) + '\n[signing]\nrules_file = "rules.toml"\n')
    assert "They come into force when the service starts" in commanded(tmp_path, "doctor").stdout
    port = free_port()
    with serving(tmp_path, port):
        pass
    digest = digest_of(rules.read_bytes())
    assert f"ok     rules: version 1, {digest}, in force" in commanded(tmp_path, "doctor").stdout
    rules.write_text(following(rules.read_text()))
    said = commanded(tmp_path, "doctor")
    assert said.returncode == 1
    assert "2 more have to sign it, of ann, ben, cid" in said.stdout
