"""With a policy, a log counts only as far as the demanded witnesses have cosigned a head of it."""

import io
import json
from pathlib import Path

import pytest
from support.cosigning import Witness
from support.ledger import MemoryLog, executed
from support.tampering import KEY

from service import verifier
from service.domain.canonical import canonical
from service.domain.merkle import consistency_proof

_LEDGER, _REQUEST = executed()
_SIZE, _NOTE = len(_LEDGER.leaves), _LEDGER.note()
W1, W2, W3 = (Witness(f"witness.example/w{number}") for number in (1, 2, 3))
_WITNESSES = "".join(f"witness w{number} {each.key}\n" for number, each in enumerate((W1, W2, W3), 1))
TWO = f"# whom we trust\n{_WITNESSES}\ngroup ours 2 w1 w2 w3\nquorum ours\n"


def kept(
    policy: str, *anchors: str, folder: Path, proofs: dict[tuple[int, int], list[bytes]] | None = None
) -> verifier.Kept:
    found = verifier.Kept([], proofs or {}, policy=verifier.read_policy(policy))
    for number, note in enumerate(anchors):
        file = folder / f"anchor-{number}"
        file.write_text(note)
        found.heads.append(verifier.read_anchor(file, [KEY], found))
    return found


def told(data: bytes, known: verifier.Kept) -> list[str]:
    """Return the names of findings, and notes about witnesses."""
    said = verifier.all_told(verifier.check_file(io.BytesIO(data), [KEY], known))
    return [
        each.name if isinstance(each, verifier.Finding) else each
        for each in said
        if isinstance(each, verifier.Finding) or "witness" in each or "cosigned" in each
    ]


@pytest.mark.parametrize(
    ("policy", "by", "good"),
    [
        ("quorum w1", [W1], True),
        ("quorum w1", [W2], False),
        ("group g 2 w1 w2 w3\nquorum g", [W1, W3], True),
        ("group g 2 w1 w2 w3\nquorum g", [W1], False),
        ("group g 2 w1 w2 w3\nquorum g", [W1, W1], False),
        ("group g any w1 w2\nquorum g", [W2], True),
        ("group g any w1 w2\nquorum g", [W3], False),
        ("group g all w1 w2\nquorum g", [W1], False),
        ("group a any w1 w2\ngroup b all a w3\nquorum b", [W2, W3], True),
        ("group a any w1 w2\ngroup b all a w3\nquorum b", [W1, W2], False),
        ("group a any w1 w2\ngroup b all a w3\nquorum b", [], False),
    ],
)
def test_a_checkpoint_needs_the_quorum_of_the_policy(
    tmp_path: Path, policy: str, by: list[Witness], *, good: bool
) -> None:
    note = _NOTE + "".join(each.line(_NOTE) for each in by)
    found = told(note.encode(), kept(_WITNESSES + policy, folder=tmp_path))
    assert ("not-witnessed" not in found) is good
    assert any(each.startswith("cosigned: ") and "2023-03-20T12:25:47+00:00" in each for each in found) is good


def test_without_a_policy_cosignatures_are_passed_over() -> None:
    assert told((_NOTE + W1.line(_NOTE)).encode(), verifier.Kept([], {})) == []


def test_a_cosignature_is_of_this_checkpoint_and_of_its_time(tmp_path: Path) -> None:
    other = W1.line(_LEDGER.note(_SIZE - 1))
    later = W1.line(_NOTE)
    moved = later[:-60] + ("A" if later[-60] != "A" else "B") + later[-59:]
    _, name, encoded = later.split(" ")
    short = f"— {name} {encoded[:-5]}\n"
    for line in (other, moved, short):
        assert told((_NOTE + line).encode(), kept(TWO, folder=tmp_path)) in (
            ["wrong-cosignature"],
            ["not-a-cosignature"],
        )


def test_the_logs_own_signature_is_needed_all_the_same(tmp_path: Path) -> None:
    text = _NOTE.rpartition("\n\n")[0] + "\n\n"
    assert told((text + W1.line(text) + W2.line(text)).encode(), kept(TWO, folder=tmp_path)) == ["unknown-signer"]


def _cosigned(size: int) -> str:
    note = _LEDGER.note(size)
    return note + W1.line(note) + W2.line(note)


def test_an_export_counts_by_a_cosigned_anchor_and_says_how_far(tmp_path: Path) -> None:
    export = b"".join(_LEDGER.export())
    assert told(export, kept(TWO, folder=tmp_path)) == ["not-witnessed"]
    assert told(export, kept(TWO, _LEDGER.note(_SIZE), folder=tmp_path)) == ["not-witnessed"]
    assert told(export, kept(TWO, _cosigned(_SIZE), folder=tmp_path)) == []
    seen = f"witnesses have seen its first {_SIZE - 2} events, and not the 2 after them"
    assert told(export, kept(TWO, _cosigned(_SIZE - 2), folder=tmp_path)) == [seen]


def test_evidence_needs_a_cosigned_head_that_is_held_against_it(tmp_path: Path) -> None:
    evidence = json.dumps(_LEDGER.evidence(_REQUEST)).encode()
    before = _SIZE - 2
    proof = {(before, _SIZE): consistency_proof(before, _SIZE, _LEDGER.read)}
    assert "not-witnessed" in told(evidence, kept(TWO, _cosigned(before), folder=tmp_path))
    assert "not-witnessed" not in told(evidence, kept(TWO, _cosigned(before), folder=tmp_path, proofs=proof))


def test_a_rewritten_log_with_a_good_signature_is_found_by_what_witnesses_saw(tmp_path: Path) -> None:
    other = MemoryLog()
    for leaf in _LEDGER.leaves[:-1]:
        other.append_as_it_is(leaf)
    note = other.note()
    rewritten = b"".join([*_LEDGER.export()[: _SIZE - 1], canonical({"checkpoint": note}) + b"\n"])
    assert "cut" in told(rewritten, kept(TWO, _cosigned(_SIZE), folder=tmp_path))


@pytest.mark.parametrize(
    "policy",
    [
        "",
        _WITNESSES,
        "quorum none",
        f"{_WITNESSES}quorum w4",
        f"{_WITNESSES}quorum w1\nquorum w2",
        f"quorum w1\n{_WITNESSES}",
        f"{_WITNESSES}witness w1 {Witness('w').key}\nquorum w1",
        f"{_WITNESSES}witness w4 {W1.key}\nquorum w1",
        f"witness none {W1.key}\nquorum none",
        f"{_WITNESSES}group g 0 w1 w2\nquorum g",
        f"{_WITNESSES}group g 3 w1 w2\nquorum g",
        f"{_WITNESSES}group g -1 w1 w2\nquorum g",
        f"{_WITNESSES}group g any\nquorum g",
        f"{_WITNESSES}group g all\nquorum g",
        f"{_WITNESSES}group g 2 w1 w1\nquorum g",
        f"{_WITNESSES}group g any g\nquorum g",
        f"{_WITNESSES}group g any h\ngroup h any w1\nquorum g",
        f"log {KEY.text}\n{_WITNESSES}quorum w1",
        f"witness w1 {KEY.text}\nquorum w1",
        f"witness w1 {W1.key[:-4]}AAA=\nquorum w1",
        f"{_WITNESSES}quorum w1 w2",
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(policy: str) -> None:
    with pytest.raises(ValueError, match=r"line|quorum|key|Base64"):
        verifier.read_policy(policy)


def test_the_command_takes_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy").write_text(TWO)
    (tmp_path / "note").write_text(_cosigned(_SIZE))
    (tmp_path / "plain").write_text(_NOTE)
    given = ["--key", KEY.text, "--witnesses", str(tmp_path / "policy")]
    assert verifier.main([*given, str(tmp_path / "note")]) == 0
    assert "cosigned: w1 at 2023-03-20T12:25:47+00:00, w2 at" in capsys.readouterr().out
    assert verifier.main([*given, str(tmp_path / "plain")]) == 1
    assert "not-witnessed" in capsys.readouterr().out
    (tmp_path / "policy").write_text("quorum none")
    with pytest.raises(SystemExit, match="2"):
        verifier.main([*given, str(tmp_path / "plain")])
