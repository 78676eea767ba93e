"""The desk's canonical bytes, hashes, words and proofs of the tree are those of the service."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof.in_node import PROOF, Proofs, Refused
from support.ledger import SIGNER, STRANGER, MemoryLog

from service import verifier
from service.domain.canonical import canonical
from service.domain.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from service.signing import faults
from service.signing.words import words

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_NAMES = st.text(st.characters(max_codepoint=127))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner),
    max_leaves=20,
)


@given(value=_VALUES)
def test_canonical_bytes_are_those_of_the_service(proofs: Proofs, value: Any) -> None:
    assert proofs.call("digests", "canonical", {"in": value}) == canonical({"in": value})
    assert proofs.call("digests", "digestOf", [value]) == hashlib.sha256(canonical([value])).digest()
    assert proofs.call("canonical", "readCanonical", canonical([value])) == [value]


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), {"ä": 1}, "\ud800", ["\udc00x"]])
def test_what_has_no_canonical_form_is_refused(proofs: Proofs, value: Any) -> None:
    text = json.dumps(value)
    assert proofs.fault("canonical", "readCanonical", text.encode()) is not None


_ODD = (
    '{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"__proto__":1,"__proto__":1}', "1.0", "1e2", "-0", "01", "+1", ".5", "1.",
    "NaN", "Infinity", "-Infinity", "9007199254740992", "-9007199254740992", '"\t"', '"\\x"', '"\\u12"', "'a'", "[1,]",
    "{,}", '{"a"}', '{"a":}', "[1 2]", "", " ", "1 1", "tru", "nulll", '"a', "\ufeff1", "[", "]", "{", '{"a":1',
    "\u00a01",
    '{"ä":1}', "[" * 1000 + "]" * 1000, "/**/1", "\x0b1", '"\\ud800"', '"\x7f"', '"\u2028"', '{"a":true,"b":[null]}',
    '{"constructor":1,"__proto__":{"toString":2}}', '[1,"\\u00e9"]', " {} ", '{"b":1,"a":2}',
)  # fmt: skip


@pytest.mark.parametrize("text", _ODD)
@pytest.mark.parametrize("exact", [True, False])
def test_json_is_read_as_the_verifier_reads_it(proofs: Proofs, text: str, *, exact: bool) -> None:
    try:
        expected, code = verifier.read_json(text.encode(), "it", exact=exact), None
    except verifier.Finding as finding:
        expected, code = None, finding.name
    call = ("readCanonical", text.encode()) if exact else ("readJson", text)
    assert proofs.fault("canonical", *call) == code
    if code is None:
        assert proofs.call("canonical", "canonicalText", proofs.call("canonical", *call)).encode() == (
            canonical(expected) if text != '"\\ud800"' else b'"\\ud800"'
        )


@given(text=st.text(st.sampled_from('{}[]":,0123.eE-+ \\u"abtfnrulse\n')))
def test_any_text_is_json_for_both_or_for_neither(proofs: Proofs, text: str) -> None:
    try:
        verifier.read_json(text.encode(), "it", exact=False)
    except verifier.Finding:
        assert proofs.fault("canonical", "readJson", text) == "not-json"
    else:
        assert proofs.fault("canonical", "readJson", text) is None


@given(data=st.binary(max_size=300))
def test_hashes_and_encodings(proofs: Proofs, data: bytes) -> None:
    assert proofs.call("digest", "sha256", data) == hashlib.sha256(data).digest()
    assert proofs.call("digest", "sha512", data) == hashlib.sha512(data).digest()
    assert proofs.call("digest", "hex", data) == data.hex()
    assert proofs.call("bytes", "fromHex", data.hex()) == data
    assert proofs.call("bytes", "base64", data) == verifier.to_base64(data)
    assert proofs.call("bytes", "fromBase64", verifier.to_base64(data)) == data


@pytest.mark.parametrize("text", ["AB==", "AA", "A", "AA= =", "AAA=\n", "AA-_", "AA==AA==", "é"])
def test_base64_has_one_form(proofs: Proofs, text: str) -> None:
    assert proofs.fault("bytes", "fromBase64", text) == "RangeError"


def test_a_digest_is_shown_in_groups(proofs: Proofs) -> None:
    assert proofs.call("digest", "groups", "0123456789") == ["0123", "4567", "89"]


def test_the_words_are_the_same_list(proofs: Proofs) -> None:
    twice = bytes(each for byte in range(256) for each in (byte, byte))
    assert proofs.call("words", "words", twice) == list(words(twice))


def test_the_sentences_of_faults_are_those_of_the_verifier(proofs: Proofs) -> None:
    assert verifier.FAULTS.keys() >= {*faults.Fault}
    assert proofs.call("faults", "FAULTS") == verifier.FAULTS


def _log(size: int) -> MemoryLog:
    ledger = MemoryLog()
    for number in range(size):
        ledger.append(event="log.read", data={"number": number}, actor={})
    return ledger


_LOG = _log(70)


@given(data=st.data())
def test_proofs_of_inclusion_are_those_of_the_service(proofs: Proofs, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    leaf = canonical(_LOG.leaves[index])
    proof, hashed = inclusion_proof(index, size, _LOG.read), leaf_hash(leaf)
    assert proofs.call("merkle", "leafHash", leaf) == hashed
    assert proofs.call("merkle", "rootFromInclusion", index, size, hashed, proof) == root_of(size, _LOG.read)
    changed, at, how = data.draw(st.tuples(st.integers(-1, 70), st.integers(0, 80), st.sampled_from("-+")))
    other = proof[:-1] if how == "-" else [*proof, hashed]
    for arguments in ((changed, size, hashed, proof), (index, at, hashed, proof), (index, size, hashed, other)):
        try:
            expected = verifier.root_from_inclusion(*arguments)
        except ValueError:
            assert proofs.fault("merkle", "rootFromInclusion", *arguments) == "RangeError"
        else:
            assert proofs.call("merkle", "rootFromInclusion", *arguments) == expected


@given(data=st.data())
def test_proofs_of_consistency_are_those_of_the_service(proofs: Proofs, data: st.DataObject) -> None:
    second = data.draw(st.integers(1, 70))
    first = data.draw(st.integers(1, second))
    roots = (root_of(first, _LOG.read), root_of(second, _LOG.read))
    proof = consistency_proof(first, second, _LOG.read)
    assert proofs.call("merkle", "isConsistent", first, second, *roots, proof) is True
    sizes = data.draw(st.tuples(st.integers(-1, 80), st.integers(-1, 80)))
    given_proof = data.draw(st.sampled_from([proof, proof[1:], [*proof, roots[0]], proof[::-1], []]))
    try:
        verifier.check_consistency(*sizes, *roots, given_proof)
    except ValueError:
        expected = False
    else:
        expected = True
    assert proofs.call("merkle", "isConsistent", *sizes, *roots, given_proof) is expected


def test_sizes_beyond_32_bits_are_read(proofs: Proofs) -> None:
    size, leaf = 2**40 + 12345, bytes(32)
    for index in (0, 2**31, 2**40, size - 1):
        proof = [bytes([number]) * 32 for number in range(60)]
        for length in range(60):
            try:
                expected = verifier.root_from_inclusion(index, size, leaf, proof[:length])
            except ValueError:
                continue
            assert proofs.call("merkle", "rootFromInclusion", index, size, leaf, proof[:length]) == expected
            break
        else:
            pytest.fail("no proof has the right length")


def _checkpoint(proofs: Proofs, note: object, *keys: str) -> Any:
    """Return the size and root, or the code of the refusal."""
    try:
        head = proofs.call(
            "note", "openCheckpoint", note, [proofs.call("note", "parseVerifierKey", key) for key in keys]
        )
    except Refused as refused:
        return str(refused)
    return head["size"], head["root"]


def _judged(note: str, *keys: str) -> Any:
    try:
        head = verifier.open_checkpoint(note, [verifier.read_key(key) for key in keys], "it")
    except verifier.Finding as finding:
        return finding.name
    return head.size, head.root


_KEY, _OTHER = SIGNER.verifier_key, STRANGER.verifier_key


def test_a_checkpoint_is_opened_with_the_logs_key(proofs: Proofs) -> None:
    note = _LOG.note()
    assert _checkpoint(proofs, note, _KEY) == (70, root_of(70, _LOG.read))
    assert _checkpoint(proofs, note, _OTHER) == "unknown-signer"
    assert _checkpoint(proofs, _LOG.note(signers=(SIGNER, STRANGER)), _OTHER) == (70, root_of(70, _LOG.read))
    assert _checkpoint(proofs, _LOG.note(origin="another"), _KEY) == "wrong-origin"
    assert _checkpoint(proofs, None, _KEY) == "not-a-note"


def test_a_changed_checkpoint_is_refused_as_by_the_verifier(proofs: Proofs) -> None:
    note = _LOG.note(signers=(SIGNER, STRANGER))
    for at in range(len(note)):
        for changed in (note[:at] + note[at + 1 :], note[:at] + "A" + note[at + 1 :], note[:at] + "\n" + note[at:]):
            assert _checkpoint(proofs, changed, _KEY) == _judged(changed, _KEY), changed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        _KEY.upper(),
        _KEY + "=",
        _KEY[:-1],
        _KEY.replace("log.", "lag."),
        _KEY.replace("+", "++", 1),
        f"{_KEY}\n",
    ],
)
def test_what_is_no_key_of_a_log_is_refused(proofs: Proofs, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the texts differ
        verifier.read_key(text)
    assert proofs.fault("note", "parseVerifierKey", text) == "not-a-key"


def test_what_an_approver_loads_is_small() -> None:
    """Comments included. Only auditors load what checks evidence. `briefing.js` has words alone."""
    of_auditors = {"document.js", "evidence.js", "event.js"}
    sizes = {file.name: file.stat().st_size for file in PROOF.glob("*.js") if file.name != "briefing.js"}
    assert sum(size for name, size in sizes.items() if name not in of_auditors) < 45_000
    assert sum(sizes.values()) < 65_000
