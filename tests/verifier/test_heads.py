"""A head is believed when the log's own key signed it; one that was kept elsewhere shows what was written anew."""

import json
from base64 import b64encode

import pytest
from support.ledger import ORIGIN, SIGNER, STRANGER, MemoryLog, executed, executed_otherwise
from support.tampering import findings, findings_in, told_of

from service import verifier
from service.domain.canonical import canonical
from service.domain.merkle import consistency_proof
from service.signing.notes import sign_note

_LEDGER, _REQUEST = executed()
_EXPORT, _EVIDENCE, _SIZE = _LEDGER.export(), _LEDGER.evidence(_REQUEST), len(_LEDGER.leaves)


def test_a_checkpoint_is_good() -> None:
    assert findings(_LEDGER.note().encode(), _LEDGER.head(_SIZE)) == set()


# What was changed in a checkpoint, wherever it stands.


def _signed(note: str) -> list[bytes]:
    return [
        note.encode(),
        b"".join([*_EXPORT[:-1], canonical({"checkpoint": note}) + b"\n"]),
        json.dumps(_EVIDENCE | {"checkpoint": note}).encode(),
    ]


_NOTE = _LEDGER.note()


@pytest.mark.parametrize(
    ("note", "name"),
    [
        (_NOTE.replace(f"\n{_SIZE}\n", f"\n{_SIZE - 1}\n"), "wrong-signature"),
        (_NOTE.replace(ORIGIN, "log.example/other", 1), "wrong-signature"),
        (_NOTE[:-3] + ("A" if _NOTE[-4] != "A" else "B") + _NOTE[-2:], "wrong-signature"),
        (_NOTE + _NOTE.splitlines()[-1][:-3] + "AA=\n", "wrong-signature"),
        (_LEDGER.note(signers=[STRANGER]), "unknown-signer"),
        (_LEDGER.note(origin="log.example/other"), "wrong-origin"),
        (_NOTE[:-1], "not-a-note"),
        (_NOTE.replace("\n", "\r\n"), "not-a-note"),
        (_NOTE + "trailing\n", "not-a-note"),
        (_NOTE.replace("—", "-"), "not-a-note"),
        ("", "not-a-note"),
    ],
)
def test_a_checkpoint_that_is_not_the_logs_is_found(note: str, name: str) -> None:
    for data in _signed(note):
        assert findings(data) == {name}


_B64 = _LEDGER.head(_SIZE).split(":")[1]
_LINE = _NOTE.splitlines()[-1] + "\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n",
        f"{ORIGIN}\n1\n",
        f"{ORIGIN}\n1\n{_B64}\nextension\n",
        f"{ORIGIN}\n1\n{_B64}\n\n",
        f"{ORIGIN}\n01\n{_B64}\n",
        f"{ORIGIN}\n-1\n{_B64}\n",
        f"{ORIGIN}\n+1\n{_B64}\n",
        f"{ORIGIN}\n 1\n{_B64}\n",
        f"{ORIGIN}\n1e3\n{_B64}\n",
        f"{ORIGIN}\n١\n{_B64}\n",  # noqa: RUF001  # a digit, but not ASCII's
        f"{ORIGIN}\n{10**19}\n{_B64}\n",
        f"{ORIGIN}\n1\nAAAA\n",
        f"{ORIGIN}\n1\n{_B64[:-1]}\n",
        f"{ORIGIN}\n1\n{'A' * 42}B=\n",  # bits that no encoder writes
        f"{ORIGIN}\n1\n{_B64} \n",
        f"{ORIGIN}\n1\n{'_' * 42}8=\n",
        f"{ORIGIN}\n0\n{_B64}\n",  # not the root of an empty log
        f"{ORIGIN}\n1:{_B64}\n",  # as tickets have it
    ],
)
def test_what_the_log_signed_and_is_no_checkpoint_is_found(text: str) -> None:
    for data in _signed(sign_note(text, [SIGNER])):
        assert findings(data) == {"not-a-checkpoint"}


@pytest.mark.parametrize(
    ("note", "name"),
    [
        (_NOTE.removesuffix(_LINE), "not-a-note"),
        (_NOTE.replace("\n\n", "\n"), "not-a-note"),
        (_NOTE.replace("—", "– "), "not-a-note"),  # noqa: RUF001  # an en dash
        (_NOTE.replace("— ", "—  "), "not-a-note"),
        (_NOTE.replace(_LINE, _LINE.replace("rootquorum ", "root+quorum ")), "not-a-note"),
        (_NOTE.replace(_LINE, _LINE.replace("rootquorum ", "rootquorum  ")), "not-a-note"),
        (_NOTE.replace(_LINE, _LINE.replace("rootquorum ", "root\u202equorum ")), "unknown-signer"),
        (_NOTE.replace(_LINE, "— log AAAAAA==\n"), "unknown-signer"),
        (_NOTE + "\x00", "not-a-note"),
        (_NOTE + _LINE * 100, "not-a-note"),
        (f"\n\n{_LINE}", "wrong-signature"),
    ],
)
def test_what_is_no_note_of_the_logs_is_found(note: str, name: str) -> None:
    for data in _signed(note):
        assert findings(data) == {name}


def test_a_strangers_signature_beside_the_logs_is_passed_over() -> None:
    for data in _signed(_LEDGER.note(signers=[STRANGER, SIGNER])):
        assert findings(data) == set()


def test_a_checkpoint_of_another_size_or_root_is_found() -> None:
    alone, export, _ = _signed(_LEDGER.note(8))
    assert (findings(alone), findings(export)) == (set(), {"wrong-size"})
    other, _ = executed_otherwise(lambda leaves: leaves[0].update(at="2026-11-23T12:00:01.000000Z"))
    _, export, evidence = _signed(other.note())
    assert findings(export) == {"wrong-root"}
    assert findings(evidence) == {"not-included", "missing-event"}


# What was kept elsewhere.


@pytest.mark.parametrize("size", range(1, _SIZE + 1))
def test_a_log_that_was_rewritten_and_signed_anew_is_found_by_any_head_kept_before(size: int) -> None:
    again, _ = executed_otherwise(lambda leaves: leaves[0].update(at="2026-11-23T12:00:01.000000Z"))
    assert findings(b"".join(again.export())) == set()
    assert findings(b"".join(again.export()), _LEDGER.head(size)) == {"rewritten"}


def test_a_head_kept_before_the_change_does_not_accuse() -> None:
    again, _ = executed_otherwise(lambda leaves: leaves[5].update(at="2026-11-23T12:00:01.000000Z"))
    assert findings(b"".join(again.export()), _LEDGER.head(5)) == set()
    assert findings(b"".join(again.export()), _LEDGER.head(6)) == {"rewritten"}


def test_a_log_that_was_cut_and_signed_anew_is_found() -> None:
    cut, _ = executed_otherwise(lambda leaves: leaves.__delitem__(slice(6, None)))
    assert findings(b"".join(cut.export())) == set()
    assert findings(b"".join(cut.export()), _LEDGER.head(7)) == {"cut"}


def test_two_heads_of_one_size_are_found() -> None:
    again, _ = executed_otherwise(lambda leaves: leaves[0].update(at="2026-11-23T12:00:01.000000Z"))
    assert findings(again.note().encode(), _LEDGER.head(_SIZE)) == {"rewritten"}
    assert findings_in(again.evidence(_REQUEST)) == set()
    assert findings(json.dumps(again.evidence(_REQUEST)).encode(), _LEDGER.head(_SIZE)) == {"rewritten"}


def test_a_head_that_evidence_cannot_be_held_against_is_noted() -> None:
    note, _ = told_of(json.dumps(_EVIDENCE).encode(), _LEDGER.head(8))
    assert note == f"the head {_LEDGER.head(8)} is of another size: not compared without a proof of consistency"


# Heads of another size than the one that is at hand: a proof connects them.


def _proved(first: int, second: int, ledger: MemoryLog = _LEDGER) -> bytes:
    proof = [b64encode(part).decode() for part in consistency_proof(first, second, ledger.read)]
    return json.dumps({"first": first, "second": second, "proof": proof}).encode()


@pytest.mark.parametrize("size", range(_SIZE))
def test_a_head_of_another_size_is_compared_by_a_proof_of_consistency(size: int) -> None:
    proofs = [_proved(size, _SIZE)] if size else []
    for data in (_LEDGER.note().encode(), json.dumps(_EVIDENCE).encode()):
        assert len(told_of(data, _LEDGER.head(size), proofs=proofs)) == 1


def test_a_checkpoint_from_before_the_head_is_compared_as_well() -> None:
    assert len(told_of(_LEDGER.note(4).encode(), _LEDGER.head(9), proofs=[_proved(4, 9)])) == 1


@pytest.mark.parametrize("size", range(1, _SIZE))
def test_a_log_that_does_not_begin_with_what_was_kept_is_found(size: int) -> None:
    again, _ = executed_otherwise(lambda leaves: leaves[0].update(at="2026-11-23T12:00:01.000000Z"))
    for ledger in (_LEDGER, again):
        proofs = [_proved(size, _SIZE, ledger)]
        assert findings(again.note().encode(), _LEDGER.head(size), proofs=proofs) == {"rewritten"}
        assert findings(json.dumps(again.evidence(_REQUEST)).encode(), _LEDGER.head(size), proofs=proofs) == {
            "rewritten"
        }


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"first": [], "second": 2, "proof": []}',
        b'{"first": 1e400, "second": 2, "proof": []}',
        b'{"first": 1, "second": 2, "proof": ["AAAA"]}',
        b'{"first": 1, "second": 2, "proof": 5}',
    ],
)
def test_what_is_no_proof_is_misuse(proof: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|no Base64"):
        verifier.read_consistency(proof)
