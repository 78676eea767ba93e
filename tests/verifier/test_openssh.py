"""What the verifier extracts, OpenSSH verifies. What OpenSSH does not look at, the verifier does."""

import base64
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.ledger import SIGNER
from support.products import openssh
from support.signed_ledger import KEYS, RULEBOOK, SIGNING, Story, evidence_of
from support.signers import (
    ECDSA,
    ED25519,
    PASSKEY,
    PRESENT,
    SK_ECDSA,
    SK_ED25519,
    VERIFIED,
    Signer,
    bytes_of,
    p256_of,
    text_of,
)

from service import verifier

pytestmark = pytest.mark.skipif(openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here")


def _accepts(command: str) -> bool:
    """Run what the verifier printed."""
    found = openssh.find()
    assert found is not None
    path = f"{Path(found).parent}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", command], env={"PATH": path}, capture_output=True, check=False)
    assert done.returncode in {0, 255}, done
    return done.returncode == 0


def _extract(folder: Path, capsys: pytest.CaptureFixture[str], story: Story, *more: str) -> list[str]:
    """Return the commands that the verifier prints for what is good in a story's export."""
    (folder / "audit.jsonl").write_bytes(b"".join(story.told()[0].export()))
    arguments = ["--key", SIGNER.verifier_key, *more, "--extract", str(folder / "out"), str(folder / "audit.jsonl")]
    verifier.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    return [line.partition(": ")[2] for line in lines if "ssh-keygen" in line]


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Extract an approval from a terminal, and one by a passkey."""
    return _extract(tmp_path, capsys, Story())


def test_openssh_accepts_every_extracted_approval(commands: list[str]) -> None:
    assert len(commands) == 2
    assert all(map(_accepts, commands))


@pytest.mark.parametrize("who", [0, 1], ids=["terminal", "passkey"])
def test_openssh_refuses_it_after_one_flipped_byte(commands: list[str], who: int) -> None:
    folder = Path(shlex.split(commands[who].strip("()"))[1])
    for name, flipped in _flipped(folder):
        original = (folder / name).read_bytes()
        (folder / name).write_bytes(flipped)
        assert not _accepts(commands[who]), name
        (folder / name).write_bytes(original)
    assert _accepts(commands[who])


def _flipped(folder: Path) -> Iterator[tuple[str, bytes]]:
    statement, signature = ((folder / name).read_bytes() for name in ("statement", "statement.sig"))
    for at in range(0, len(statement), 9):
        yield "statement", _flip(statement, at)
    blob = bytes_of(signature.decode())
    # Of the bytes before, OpenSSH accepts another version.
    for at in range(len(b"SSHSIG") + 4, len(blob), 9):
        yield "statement.sig", text_of(_flip(blob, at)).encode()
    person, kind, key = (folder / "allowed_signers").read_text().split()
    other = base64.b64encode(_flip(base64.b64decode(key), -30)).decode()
    yield "allowed_signers", f"{person} {kind} {other}\n".encode()


def _flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# What OpenSSH says "Good" to, because it does not look at it. Each key is a founder's.
ACCEPTED: dict[str, tuple[Signer, dict[str, Any]]] = {
    "not-touched": (replace(SK_ED25519, flags=VERIFIED), {}),
    "not-verified": (replace(SK_ECDSA, flags=PRESENT), {}),
    "wrong-site": (replace(PASSKEY, private=p256_of(b"own"), origin="https://evil.example"), {}),
    "not-hardware": (ED25519, {"only_hardware": True}),
    "not-device-bound": (replace(SK_ED25519, flags=PRESENT | VERIFIED | 0x08), {"only_device_bound": True}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_openssh_accepts_and_the_rules_do_not_is_found_and_not_extracted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    signer, demands = ACCEPTED[name]
    keys = {"bob": [ED25519.public.text, signer.public.text], "dave": [ECDSA.public.text]}
    rulebook = RULEBOOK | {"signing": SIGNING | {"founders": keys} | demands}

    def sign(draft: Any) -> None:
        draft.signer = signer

    story = Story(rulebook=rulebook, change=sign)
    ledger, _ = story.told()
    data = next(leaf["data"] for leaf in ledger.leaves if leaf["event"] == "decision.recorded")
    plain = openssh.Verifier(tmp_path, signer.public.text)
    assert plain.accepts(data["signature"], data["statement"].encode(), "decision@rootquorum")

    commands = _extract(tmp_path, capsys, story)
    found = [each.name for each in _found(ledger)]
    assert name in found
    assert not any(" bob " in command for command in commands)


def _found(ledger: Any) -> Iterator[verifier.Finding]:
    replay = verifier.Signing("log.example/rootquorum", verifier.Past(verifier.signed_sizes(ledger.export())))
    for each in verifier.check_export(ledger.export(), [verifier.read_key(SIGNER.verifier_key)], [], replay):
        if isinstance(each, verifier.Finding):
            yield each


def test_a_name_that_means_something_to_a_shell_or_to_openssh_means_nothing(tmp_path: Path) -> None:
    ledger, _ = Story().told()
    data = next(leaf["data"] for leaf in ledger.leaves if leaf["event"] == "decision.recorded")
    for person in ("#bob", "-f x", '*,!"', "bob; touch x", "J\u00fcrgen", "\u4e2d", "$(id)", "https://idp.example#sub"):
        signed = verifier.Signed("id", 7, person, ED25519.public.text, 1, data["statement"], data["signature"])
        command = verifier.extracted(signed, tmp_path / "a folder's")
        assert command.isascii()
        assert _accepts(command), person
    assert [path.name for path in tmp_path.iterdir()] == ["a folder's"]


def test_what_is_extracted_from_evidence_is_that_from_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, request_id = Story().told()
    (tmp_path / "evidence.json").write_text(json.dumps(evidence_of(ledger, request_id)))
    signers = [f"{person} {signer.public.text} {person}@laptop" for person, signer in KEYS.items()]
    (tmp_path / "allowed_signers").write_text("\n".join(["# our approvers", "", *signers]))
    arguments = ["--key", SIGNER.verifier_key, "--signers", str(tmp_path / "allowed_signers"), "--all-signed"]
    assert verifier.main([*arguments, "--extract", str(tmp_path / "out"), str(tmp_path / "evidence.json")]) == 0
    printed = capsys.readouterr().out.splitlines()
    commands = [line.partition(": ")[2] for line in printed if "ssh-keygen" in line]
    assert len(commands) == 2
    assert all(map(_accepts, commands))
    # An extracted file is one that the verifier reads.
    extracted = (tmp_path / "out").glob("*/allowed_signers")
    assert {person for path in extracted for person, _ in verifier.read_signers(path)} == {"bob", "carol"}


GOOD = f"bob {ED25519.public.text}"
FILES: dict[str, str] = {
    "options": f'bob namespaces="decision@rootquorum" {ED25519.public.text}',
    "an authority": f"bob cert-authority {ED25519.public.text}",
    "a pattern": f"*@example.com {ED25519.public.text}",
    "all but one": f"!bob {ED25519.public.text}",
    "two people of one key": f"bob,dave {ED25519.public.text}",
    "two lines of one key": f"{GOOD}\ndave {ED25519.public.text}",
    "no key": "bob",
    "no person": ED25519.public.text,
    "another kind": "bob ecdsa-sha2-nistp384 AAAA",
    "a key cut short": GOOD[:-8],
    "nobody": f",{ED25519.public.text}",
    "another line for some readers": f"{GOOD}\rdave {ECDSA.public.text}",
    "a person in other spaces": f"bob\u00a0{ED25519.public.text}",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_signers_that_says_more_than_keys_is_misuse(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "signers").write_text(FILES[name])
    for option in ("--signers", "--founders"):
        with pytest.raises(SystemExit) as ended:
            verifier.main(["--key", SIGNER.verifier_key, option, str(tmp_path / "signers"), "x"])
        assert ended.value.code == 2
        assert "line" in capsys.readouterr().err


def test_a_file_of_signers_is_read_as_openssh_reads_it(tmp_path: Path) -> None:
    text = f'# ours\n\n  "Bob B." {ED25519.public.text} a comment, with "quotes"\r\ndave\t{ECDSA.public.text}\n'
    (tmp_path / "signers").write_text(text)
    assert verifier.read_signers(tmp_path / "signers") == {
        ("Bob B.", ED25519.public.text),
        ("dave", ECDSA.public.text),
    }


def test_a_comment_of_a_signer_adds_no_other(tmp_path: Path) -> None:
    """Some readers end a line where OpenSSH does not."""
    for end in ("\u2028", "\x0b", "\x1c", "\u0085"):
        (tmp_path / "signers").write_text(f"{GOOD} laptop{end}dave {ECDSA.public.text}\n")
        assert verifier.read_signers(tmp_path / "signers") == {("bob", ED25519.public.text)}


def test_a_file_of_signers_without_a_key_counts_none(tmp_path: Path) -> None:
    (tmp_path / "signers").write_text("# nobody\n")
    assert verifier.read_signers(tmp_path / "signers") == frozenset()


def test_an_export_through_a_pipe_is_read_twice_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b"".join(Story().told()[0].export()))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat audit.jsonl > {pipe.name}"], cwd=tmp_path):
        assert verifier.main(["--key", SIGNER.verifier_key, str(pipe)]) == 0
