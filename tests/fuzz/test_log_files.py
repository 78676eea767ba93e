"""Whatever is done to an export, to evidence, to a checkpoint or to a proof: a verdict, and never a wrong one.

`FUZZ=long` tries ten times as much. A case is its number: the same one mangles the same way every time.
"""

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.installation import commanded
from support.ledger import ORIGIN, SIGNER, STRANGER, MemoryLog, events_of, executed
from support.tampering import KEY, RULES, changed_at, fields, findings, told_of

from service import verifier
from service.domain.canonical import canonical
from service.domain.merkle import consistency_proof

_CASES = 2000 if os.environ.get("FUZZ") == "long" else 200
_COMMANDS = 1000 if os.environ.get("FUZZ") == "long" else 60

_LEDGER, _REQUEST = executed()
_SIZE = len(_LEDGER.leaves)
_EXPORT, _EVIDENCE, _NOTE = b"".join(_LEDGER.export()), _LEDGER.evidence(_REQUEST), _LEDGER.note().encode()
_KEPT = [_LEDGER.head(size) for size in range(1, _SIZE + 1)]

Chance = random.Random


def _bytes_of(chance: Chance, data: bytes) -> bytes:
    """Some bytes changed, gone, doubled, moved, or cut off."""
    for _ in range(chance.choice((1, 1, 1, 2, 9))):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        near = min(at + chance.randrange(4), len(data))
        data = chance.choice(
            (
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                data[:at]
                + bytes(chance.choices(b'"{}[],:\\\n\r\x00\xff\xed 0-e+', k=chance.randrange(1, 5)))
                + data[at:],
                data[:at] + data[near:],
                data[:at] + data[to:],
                data[:to] + data[at:to] + data[to:],
                data[to:] + data[:to],
                data[:at],
            )
        )
    return data


def _lines_of(chance: Chance, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    at, to = (chance.randrange(len(lines)) for _ in range(2))
    match chance.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case _:
            lines[at] = _bytes_of(chance, lines[at])
    return b"".join(lines)


def _deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


_JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 10**15, 2**53 - 1, "", "x", "\x1b[2J\u202e", "\u2028", "é" * 300),
    *([], {}, [[]], ["bob"], {"quorum": 0}, {"kind": "person"}, {"": ""}, "approve", "reject", "execution.started"),
    *("request.filed", "2026-11-23T12:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"),
    *("2026-02-30T00:00:00.000000Z", "\uff12026-11-23T12:00:00.000000Z", "oidc-", "token-of-bob", "0" * 64, "AAAA"),
)  # fmt: skip


def _value_of(chance: Chance, value: Any) -> Any:
    """Some fields others, gone or new, or with something in them that belongs elsewhere; the last may be deep."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.choice((1, 1, 2, 5))):
        paths = list(fields(value))
        if not paths:
            return None
        path = chance.choice(paths)
        match chance.randrange(6):
            case 0 | 1 | 2 as how:
                value = changed_at(value, path, ("change", "delete", "insert")[how])
            case 3:
                _put(value, path, json.loads(json.dumps(_at(value, chance.choice(paths)))))
            case _:
                _put(value, path, json.loads(json.dumps(chance.choice(_JUNK))))
    if chance.randrange(20) == 0 and (paths := list(fields(value))):
        _put(value, chance.choice(paths), _deep(chance.choice((100, 450, 900, 940, 960, 980, 990))))
    return value


def _put(value: Any, path: tuple[Any, ...], other: Any) -> None:
    _at(value, path[:-1])[path[-1]] = other


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def _mangled_export(chance: Chance) -> bytes:
    match chance.randrange(3):
        case 0:
            return _bytes_of(chance, _EXPORT)
        case 1:
            return _lines_of(chance, _EXPORT)
        case _:
            lines = _EXPORT.splitlines()
            at = chance.randrange(len(lines))
            lines[at] = _json(_value_of(chance, json.loads(lines[at])))
            return b"\n".join(lines) + b"\n"


def _mangled_evidence(chance: Chance) -> bytes:
    if chance.randrange(3) == 0:
        return _bytes_of(chance, json.dumps(_EVIDENCE, indent=chance.choice((None, 1))).encode())
    document = json.loads(json.dumps(_EVIDENCE))
    if chance.randrange(2):
        return _json(_value_of(chance, document))
    entry = chance.choice(document["events"])
    entry["leaf"] = _json(_value_of(chance, json.loads(entry["leaf"]))).decode()
    return _json(document)


def _mangled_note(chance: Chance) -> bytes:
    return chance.choice((_bytes_of, _lines_of))(
        chance, chance.choice((_NOTE, _LEDGER.note(signers=[SIGNER, STRANGER]).encode()))
    )


def _json(value: Any) -> bytes:
    try:
        return canonical(value)
    except (TypeError, ValueError, RecursionError):
        return b"[" * 5000


def _same_export(data: bytes) -> bool:
    return data.splitlines()[:_SIZE] == _EXPORT.splitlines()[:_SIZE]


def _same_evidence(data: bytes) -> bool:
    """The leaves and where they are; what is told of them has to be the same by the verdict itself."""
    told = json.loads(data)
    events = [(each["leaf"], each["inclusion"]) for each in told["events"]]
    of_outcome = {name: value for name, value in told.items() if name not in {"events", "keys", "checkpoint"}}
    return events == [(each["leaf"], each["inclusion"]) for each in _EVIDENCE["events"]] and of_outcome == {
        name: _EVIDENCE[name] for name in of_outcome
    }


def _same_note(data: bytes) -> bool:
    return data.split(b"\n\n")[0] == _NOTE.split(b"\n\n")[0]


@pytest.mark.parametrize(
    ("mangled", "is_same"),
    [(_mangled_export, _same_export), (_mangled_evidence, _same_evidence), (_mangled_note, _same_note)],
)
def test_what_was_mangled_has_a_verdict_and_is_good_only_where_it_says_the_same(
    mangled: Callable[[Chance], bytes], is_same: Callable[[bytes], bool]
) -> None:
    found = 0
    for case in range(_CASES):
        data = mangled(Chance(case))
        named = findings(data)
        assert named or is_same(data), (case, data)
        found += bool(named)
    assert found > _CASES * 0.8


def test_a_log_that_is_mangled_and_signed_anew_has_a_verdict_and_is_told_by_a_head_kept_before() -> None:
    """Every shape that an event can have gets as far as the rules."""
    judged = 0
    for case in range(_CASES):
        chance, ledger = Chance(case), MemoryLog()
        leaves = json.loads(json.dumps(_LEDGER.leaves))
        at = chance.randrange(_SIZE)
        if chance.randrange(4) == 0:
            leaves.insert(chance.randrange(_SIZE), chance.choice(leaves))
        leaves[at] = _value_of(chance, leaves[at])
        try:
            for leaf in leaves:
                ledger.append_as_it_is(leaf)
        except (TypeError, ValueError, RecursionError):
            continue  # of this no service could make a leaf
        export = b"".join(ledger.export())
        told = told_of(export)
        judged += any(isinstance(each, verifier.Finding) and each.name in RULES for each in told)
        assert _same_export(export) or "rewritten" in findings(export, *_KEPT), case
        if all("request_id" in leaf and leaf.get("seq") == at for at, leaf in enumerate(leaves, 1)):
            evidence = _EVIDENCE | {"events": events_of(ledger, _REQUEST), "checkpoint": ledger.note()}
            assert told_of(json.dumps(evidence).encode()), case
    assert judged > _CASES * 0.1


def test_a_mangled_proof_of_consistency_is_refused_or_proves_what_it_did() -> None:
    answer = {"first": 5, "second": _SIZE, "proof": _proof(5)}
    for case in range(_CASES):
        chance = Chance(case)
        data = _bytes_of(chance, _json(answer)) if chance.randrange(2) else _json(_value_of(chance, answer))
        try:
            sizes, proof = verifier.read_consistency(data)
        except ValueError:
            continue
        kept = verifier.Kept([verifier.read_head(_LEDGER.head(5))], {sizes: proof})
        signed = verifier.read_head(_LEDGER.head(_SIZE))
        told = list(verifier.all_told(verifier.compare_one(kept, signed)))
        assert told or (sizes, proof) == verifier.read_consistency(_json(answer)), case


def _proof(first: int) -> list[str]:
    return [verifier.to_base64(each) for each in consistency_proof(first, _SIZE, _LEDGER.read)]


def test_of_a_mangled_key_or_head_nothing_is_read_but_what_it_says() -> None:
    for case in range(_CASES):
        chance = Chance(case)
        key, head = (
            _bytes_of(chance, text.encode()).decode(errors="surrogateescape")
            for text in (SIGNER.verifier_key, _LEDGER.head(_SIZE))
        )
        with suppress(ValueError):
            assert verifier.read_key(key) == KEY, case
        with suppress(ValueError):
            read = verifier.read_head(head)
            assert f"{read.size}:{verifier.to_base64(read.root)}" == head, case


def test_the_command_ends_with_a_documented_exit_code_on_whatever_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "rootquorum.toml").write_text(f'[audit]\norigin = "{ORIGIN}"\n')
    (tmp_path / "key").write_text(SIGNER.verifier_key)
    for case in range(_COMMANDS):
        chance = Chance(case)
        files = [chance.choice((_mangled_export, _mangled_evidence, _mangled_note, _garbage))(chance) for _ in range(2)]
        for number, data in enumerate(files):
            (tmp_path / f"file{number}").write_bytes(data)
        command = ["audit", "verify", "--key", "@key", "file0"]
        if chance.randrange(2):
            command += [chance.choice(("--anchor", "--consistency")), "file1"]
        done = commanded(tmp_path, *command)
        assert done.returncode in {0, 1}, (case, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr, case


def _garbage(chance: Chance) -> bytes:
    return chance.choice(
        (b"", b"{", b"\x00" * 99, b"[" * 200_000, chance.randbytes(2000), b"{" + chance.randbytes(2000))
    )
