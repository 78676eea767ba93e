"""An anchor is cosigned by witnesses, who see that the log only grew. The anchor is good without them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.builders import ORIGIN, SIGNER
from support.cosigning import Witness, WitnessServer, running_witness
from support.installation import commanded
from support.products.golang import is_there, running_go
from test_settings import GOOD, faults

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)

KEY = Witness("witness.example/w1").key


def configure(folder: Path, more: str = "") -> None:
    (folder / "rootquorum.toml").write_text(
        "[aws]\nsimulated = true\n[policy]\ndecision_requires_auth_time = false\n"
        '[accounts.111122223333]\nname = "production"\n[people.bob]\nname = "Bob"\nroles = ["approver"]\n'
        '[people.carol]\nname = "Carol"\nroles = ["approver"]\n'
        f'[notify]\nallowed_hosts = ["127.0.0.1"]\n[audit]\norigin = "{ORIGIN}"\n{more}'
    )


def grow(folder: Path) -> None:
    assert commanded(folder, "token", "create", "bob").returncode == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Set up a service with a key, and three events in its log."""
    folder = tmp_path_factory.mktemp("made")
    configure(folder)
    (folder / "log.key").write_text(commanded(folder, "audit", "key", "log.pem").stdout)
    configure(folder, '[audit.keys.first]\nkey_file = "log.pem"\n')
    assert commanded(folder, "migrate").returncode == 0
    for _ in range(3):
        grow(folder)
    (folder / "policy").write_text(f"witness north {KEY}\nquorum north\n")
    return folder


@pytest.fixture
def witness(made: Path, tmp_path: Path) -> Iterator[WitnessServer]:
    """Run a witness, and name it in the settings of a copy of the service."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    key = (tmp_path / "log.key").read_text().strip()
    with running_go() as go, running_witness(WitnessServer(Witness("witness.example/w1"), go, key, ORIGIN)) as server:
        configure(
            tmp_path,
            '[audit.keys.first]\nkey_file = "log.pem"\n'
            f'[audit.witnesses.north]\nurl = "{server.url}"\nverifier_key = "{KEY}"\n',
        )
        yield server


def anchored(folder: Path, name: str) -> str:
    """Anchor, and return what went wrong."""
    done = commanded(folder, "audit", "anchor", name)
    assert (folder / name).read_text() == done.stdout
    assert (done.returncode == 1) == ("not cosigned" in done.stderr)
    return done.stderr


def test_an_anchor_with_its_cosignature_satisfies_a_policy(tmp_path: Path, witness: WitnessServer) -> None:
    assert anchored(tmp_path, "one.note") == ""
    cosignature = (tmp_path / "one.note.north.cosignature").read_text()
    assert cosignature.startswith("\N{EM DASH} witness.example/w1 ")
    assert cosignature.count("\n") == 1
    (tmp_path / "both.note").write_text((tmp_path / "one.note").read_text() + cosignature)
    given = ("audit", "verify", "--key", "@log.key", "--witnesses", "policy")
    assert commanded(tmp_path, *given, "both.note").returncode == 0
    assert commanded(tmp_path, *given, "one.note").returncode == 1
    by_database = ("audit", "verify", "--database", "--witnesses", "policy", "--anchor")
    assert commanded(tmp_path, *by_database, "both.note").returncode == 0
    refused = commanded(tmp_path, *by_database, "one.note")
    assert (refused.returncode, refused.stderr) == (
        1,
        "No given anchor has the cosignatures that the policy demands.\n",
    )
    assert witness.size == 3


def test_the_witness_is_led_from_the_head_that_it_knows(tmp_path: Path, witness: WitnessServer) -> None:
    assert anchored(tmp_path, "one.note") == ""
    for _ in range(2):
        grow(tmp_path)
    assert anchored(tmp_path, "two.note") == ""
    assert witness.asked == ["old 0", "old 0", "old 3"]
    assert witness.size == 5


def test_a_repeated_anchor_keeps_its_first_cosignature(tmp_path: Path, witness: WitnessServer) -> None:
    assert anchored(tmp_path, "one.note") == ""
    kept = (tmp_path / "one.note.north.cosignature").read_bytes()
    again = anchored(tmp_path, "one.note")
    assert "was there already" in again
    assert (tmp_path / "one.note.north.cosignature").read_bytes() == kept
    assert witness.asked[-2:] == ["old 0", "old 3"]


def test_the_anchor_is_kept_without_a_witness_and_asked_for_again(tmp_path: Path, witness: WitnessServer) -> None:
    witness.faults.append((500, b"words of theirs"))
    said = anchored(tmp_path, "one.note")
    assert "Anchored, but not cosigned by north: answered 500. Repeat the command" in said
    assert not (tmp_path / "one.note.north.cosignature").exists()
    assert "not cosigned" not in anchored(tmp_path, "one.note")
    assert (tmp_path / "one.note.north.cosignature").exists()


def test_a_fault_of_a_witness_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = faults(f'{GOOD}[audit.witnesses.w]\nurl = "http://10.0.0.1/x?y"\nverifier_key = "x+1+AA=="')
    assert found == [
        "audit.witnesses.w.url: the URL is not https.",
        "audit.witnesses.w.url: it must not have a query; a path is appended to it.",
        "audit.witnesses.w.verifier_key: it is no key for cosignatures with Ed25519 (kind 04).",
        "audit.witnesses: they cosign what a key of audit.keys has signed, and there is none.",
    ]


def test_witnesses_are_different_few_and_given_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = "".join(
        f'[audit.witnesses.w{number}]\nurl = "https://w.example"\nverifier_key = "{key}"\n'
        for number, key in enumerate([KEY, *(Witness(f"witness.example/{each}").key for each in range(49)), KEY])
    )
    found = faults(
        f'{GOOD}[health]\ncosigned_within = "PT5M"\n[audit]\norigin = "{ORIGIN}"\n'
        f'[audit.keys.old]\nverifier_key = "{SIGNER.verifier_key}"\n{named}'
    )
    assert found == [
        "audit.witnesses.w50.verifier_key: w0 has the same key, so they are one witness.",
        "audit.witnesses: there are more than 50.",
        "health.cosigned_within: it has to be longer than audit.cosign_interval.",
    ]
