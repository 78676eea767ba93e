"""The verifier is one file, which runs in an empty folder with nothing but `cryptography`."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bare import bare_python
from support.builders import NOON
from support.ledger import SIGNER, STRANGER, executed, executed_otherwise
from support.signed_ledger import KEYS, STRANGERS, Draft, Story, evidence_of
from support.tampering import KEY

from service import verifier
from service.domain.canonical import Document, canonical, timestamp
from service.domain.checkpoint import Checkpoint
from service.domain.merkle import EMPTY, leaf_hash
from service.signing.notes import sign_note

_SOURCE = Path(verifier.__file__)
_LEDGER, _REQUEST = executed()
_SIZE = len(_LEDGER.leaves)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an auditor has: the files, and checkpoints kept since before."""
    (tmp_path / "audit.jsonl").write_bytes(b"".join(_LEDGER.export()))
    (tmp_path / "evidence.json").write_text(json.dumps(_LEDGER.evidence(_REQUEST), indent=2))
    (tmp_path / "note").write_text(_LEDGER.note())
    (tmp_path / "old").write_text(_LEDGER.note(4))
    (tmp_path / "key").write_text(f"{SIGNER.verifier_key}\n{STRANGER.verifier_key}\n")
    changed, _ = executed_otherwise(lambda leaves: leaves[0]["data"].update(comment="\x1b[2Jgood"))
    (tmp_path / "changed.jsonl").write_bytes(b"".join(changed.export()))
    (tmp_path / "forged").write_text(_LEDGER.note(signers=[STRANGER]))
    return tmp_path


def _run(folder: Path, *arguments: str, key: str = SIGNER.verifier_key) -> int:
    os.chdir(folder)
    return verifier.main(["--key", key, *arguments])


@pytest.fixture(autouse=True)
def _stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_three_kinds_of_files_are_told_apart_and_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(folder, "audit.jsonl", "evidence.json", "note", "--head", _LEDGER.head(3), "--anchor", "old") == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if "not compared" not in line] == [
        "old: an anchor",
        "old: good",
        f"audit.jsonl: {_SIZE} events, root {_LEDGER.head(_SIZE).split(':')[1]}",
        "audit.jsonl: good",
        f"evidence.json: request '{_REQUEST}', 6 events, in the log of {_SIZE}",
        "evidence.json: good",
        f"note: a checkpoint of {_SIZE} events, root {_LEDGER.head(_SIZE).split(':')[1]}",
        "note: good",
    ]


def test_keys_are_read_from_a_file(folder: Path) -> None:
    assert _run(folder, "audit.jsonl", key="@key") == 0


@pytest.mark.parametrize("kept", ["--head", "--anchor"])
def test_a_finding_says_what_and_where(folder: Path, capsys: pytest.CaptureFixture[str], kept: str) -> None:
    assert _run(folder, "changed.jsonl", kept, _LEDGER.head(4) if kept == "--head" else "old") == 1
    finding, _, verdict = capsys.readouterr().out.splitlines()[-3:]
    root = _LEDGER.head(4).split(":")[1]
    assert finding.startswith("changed.jsonl: rewritten: sequence numbers 1 to 4: at size 4 ")
    assert f"has {root}, found " in finding
    assert verdict == "changed.jsonl: NOT as it should be"


def test_an_anchor_that_the_log_did_not_sign_is_a_finding(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(folder, "audit.jsonl", "--anchor", "forged") == 1
    assert "forged: unknown-signer: forged: none of the given keys" in capsys.readouterr().out


def test_one_bad_file_among_good_ones_is_a_finding(folder: Path) -> None:
    assert _run(folder, "audit.jsonl", "forged", "note") == 1


def test_what_a_file_says_is_shown_so_that_no_terminal_obeys_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = _LEDGER.evidence(_REQUEST) | {"digest": "\x1b[2J\u202e\ud800"}
    (folder / "evidence.json").write_text(json.dumps(evidence))
    assert _run(folder, "evidence.json") == 1
    assert capsys.readouterr().out.isascii()


def test_of_many_findings_of_a_kind_a_few_are_shown_and_all_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "audit.jsonl").write_bytes(b"{}\n" * 1000)
    assert _run(folder, "audit.jsonl") == 1
    out = capsys.readouterr().out
    assert out.count("sequence-broken: line") == 5
    assert "sequence-broken: 1000 in all" in out
    assert "not-an-event: 1000 in all" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "nonsense", "note"],
        ["--key", SIGNER.verifier_key.replace("+", "+0", 1), "note"],
        ["--key", "@absent", "note"],
        ["--key", SIGNER.verifier_key],
        ["note"],
        ["--key", SIGNER.verifier_key, "--head", "5", "note"],
        ["--key", SIGNER.verifier_key, "--head", "05:" + _LEDGER.head(5)[2:], "note"],
    ],
)
def test_misuse_ends_with_2(folder: Path, arguments: list[str]) -> None:
    os.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        verifier.main(arguments)
    assert ended.value.code == 2


def test_a_file_that_cannot_be_read_is_misuse(folder: Path) -> None:
    assert _run(folder, "absent") == 2
    assert _run(folder, "note", "--anchor", "absent") == 2


def test_the_verifier_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    imports = set[str]()
    for node in ast.walk(ast.parse(_SOURCE.read_text())):
        if isinstance(node, ast.Import):
            imports |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imports.add(str(node.module).split(".")[0])
    assert imports - sys.stdlib_module_names == {"cryptography"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_python(tmp_path_factory.mktemp("bare"))


@pytest.mark.parametrize(("file", "code"), [("audit.jsonl", 0), ("changed.jsonl", 1), ("absent", 2)])
def test_the_file_alone_runs_in_an_empty_folder(folder: Path, bare: Path, file: str, code: int) -> None:
    shutil.copy(_SOURCE, folder / "verifier.py")
    command = [str(bare), "-I", "verifier.py", "--key", "@key", "--anchor", "old", file]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_the_file_alone_judges_signed_approvals_by_a_list_of_signers(folder: Path, bare: Path) -> None:
    """It needs neither the service nor its word: the log's key, the evidence, and whose keys are whose."""
    shutil.copy(_SOURCE, folder / "verifier.py")
    for name, story in (("good", Story()), ("forged", Story(change=by_a_stranger))):
        (folder / name).write_text(json.dumps(evidence_of(*story.told())))
    (folder / "signers").write_text("".join(f"{person} {by.public.text}\n" for person, by in KEYS.items()))
    told = {}
    for name in ("good", "forged"):
        command = [str(bare), "-I", "verifier.py", "--key", "@key", "--signers", "signers", "--all-signed", name]
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
        told[name] = (done.returncode, "unregistered" in done.stdout, done.stderr)
    assert told == {"good": (0, False, ""), "forged": (1, True, "")}


def by_a_stranger(draft: Draft) -> None:
    draft.signer = STRANGERS


def _events(count: int) -> Iterator[bytes]:
    for seq in range(1, count + 1):
        known: Document = {"at": timestamp(NOON), "event": "log.read", "request_id": None, "actor": {}}
        yield canonical({**known, "seq": seq, "data": {"comment": "x" * 200}}) + b"\n"


def test_a_log_of_any_length_needs_the_memory_of_a_line() -> None:
    frontier = EMPTY
    for line in _events(8_000):
        frontier, _ = frontier.append(leaf_hash(line[:-1]))
    note = sign_note(Checkpoint(SIGNER.name, frontier.size, frontier.root()).text(), [SIGNER])

    def lines() -> Iterator[bytes]:
        yield from _events(8_000)
        yield canonical({"checkpoint": note}) + b"\n"

    tracemalloc.start()
    try:
        told = list(verifier.check_export(lines(), [KEY], []))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [str(each)[:12] for each in told] == ["8000 events,"]
    assert peak < 200_000  # the log has 2.5 MB


def test_every_finding_is_documented_and_every_documented_one_is_found() -> None:
    page = (_SOURCE.parents[1] / "docs" / "audit-log.md").read_text().partition("## Names of findings")[2]
    made = {
        argument.value
        for node in ast.walk(ast.parse(_SOURCE.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
        for argument in ast.walk(node.args[0])
        if isinstance(argument, ast.Constant) and argument.value != "-differs"
    }
    made |= verifier.FAULTS.keys()  # of signatures: `_found` makes these
    made |= {"rules-unsigned", "rules-older", "rules-foreign"}  # of the chain of rules
    made |= {f"{part}-differs" for part in ("request", "digest", "decisions", "policy", "outcome")}
    assert set(re.findall("`([a-z-]+)`", page)) == made


def test_a_file_of_another_kind_than_is_expected_is_a_finding(folder: Path) -> None:
    """Whoever hands over a checkpoint instead of the log has handed over nothing that an anchor is compared with."""
    assert _run(folder, "note", "--expect", "checkpoint") == 0
    assert _run(folder, "note", "--expect", "export") == 1
