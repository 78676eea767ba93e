"""An export is believed as it was written, and each thing that somebody changed in it is found and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledger import MemoryLog, executed
from support.tampering import RULES, changed_at, fields, findings, told_of

from service.domain.canonical import canonical

_LEDGER, _ = executed()
_EXPORT, _SIZE = _LEDGER.export(), len(_LEDGER.leaves)


def test_an_export_is_good() -> None:
    heads = [_LEDGER.head(size) for size in range(_SIZE + 1)]
    assert told_of(b"".join(_EXPORT), *heads) == [f"{_SIZE} events, root {heads[-1].split(':')[1]}"]


def test_an_empty_log_is_good() -> None:
    assert findings(b"".join(MemoryLog().export()), MemoryLog().head(0)) == set()


@given(st.integers(0, 40))
def test_an_export_of_any_size_is_good(size: int) -> None:
    ledger = MemoryLog()
    for _ in range(size):
        ledger.append(event="token.created", actor={}, data={})
    assert findings(b"".join(ledger.export()), *(ledger.head(each) for each in range(size + 1))) == set()


def _at(line: int, new: bytes) -> list[bytes]:
    return [*_EXPORT[:line], new, *_EXPORT[line + 1 :]]


@pytest.mark.parametrize("line", range(_SIZE))
def test_an_event_left_out_of_an_export_is_found(line: int) -> None:
    named = findings(b"".join([*_EXPORT[:line], *_EXPORT[line + 1 :]]))
    assert named == ({"sequence-broken", "wrong-size"} if line < _SIZE - 1 else {"wrong-size"})


@pytest.mark.parametrize("line", range(_SIZE))
def test_an_event_put_into_an_export_is_found(line: int) -> None:
    assert findings(b"".join([*_EXPORT[:line], _EXPORT[line], *_EXPORT[line:]])) == {"sequence-broken", "wrong-size"}


@pytest.mark.parametrize("line", range(_SIZE - 1))
def test_events_swapped_in_an_export_are_found(line: int) -> None:
    swapped = [*_EXPORT[:line], _EXPORT[line + 1], _EXPORT[line], *_EXPORT[line + 2 :]]
    assert findings(b"".join(swapped)) == {"sequence-broken", "wrong-root"}


@pytest.mark.parametrize("line", range(_SIZE + 1))
def test_an_export_cut_between_its_lines_is_found(line: int) -> None:
    expected = {"missing-checkpoint"} if line else {"not-a-note"}
    assert findings(b"".join(_EXPORT[:line])) == expected


@pytest.mark.parametrize("line", range(_SIZE + 1))
@pytest.mark.parametrize("keep", [1, -1])
def test_an_export_cut_within_a_line_is_found(line: int, keep: int) -> None:
    named = findings(b"".join([*_EXPORT[:line], _EXPORT[line][:keep]]))
    # Of a first line that is only "{" nobody can tell what it was to be.
    assert named == ({"not-json"} if (line, keep) == (0, 1) else {"unfinished-line", "missing-checkpoint"})


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
@pytest.mark.parametrize("line", range(_SIZE))
def test_every_field_changed_in_an_export_is_found(line: int, how: str) -> None:
    for path in fields(_LEDGER.leaves[line]):
        changed = canonical(changed_at(_LEDGER.leaves[line], path, how)) + b"\n"
        numbered = {"sequence-broken"} if path == ("seq",) and how != "insert" else set()
        assert findings(b"".join(_at(line, changed))) - RULES == {"wrong-root"} | numbered, path


_FIRST = canonical(_LEDGER.leaves[0])


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b" " + _FIRST, "not-canonical"),
        (_FIRST + b" ", "not-canonical"),
        (_FIRST + b"\r", "not-canonical"),
        (_FIRST.replace(b'"seq":1', b'"seq":1.0'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":1e0'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":NaN'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":-0'), "not-canonical"),
        (_FIRST.replace(b'"seq":1', b'"seq":9007199254740992'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":' + b"1" * 5000), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":1,"seq":1'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"s\\u0065q":1,"seq":1'), "not-json"),
        (_FIRST.replace(b'"seq":1', b'"seq":true'), "sequence-broken"),
        (_FIRST.replace(b'"seq":1', b'"seq":"1"'), "sequence-broken"),
        (_FIRST.replace("für".encode(), b"f\\u00fcr"), "not-canonical"),
        (_FIRST.replace("für".encode(), "für".encode("latin-1")), "not-json"),
        (_FIRST.replace("für".encode(), b"\\ud800"), "not-canonical"),
        (_FIRST.replace(b'"comment"', '"cömment"'.encode()), "not-json"),
        (_FIRST + b"{}", "not-json"),
        (_FIRST[:-1], "not-json"),
        (b"[" * 100_000, "not-json"),
        (b"[]", "not-an-event"),
        (b"", "not-json"),
    ],
)
def test_an_event_that_another_reader_could_read_otherwise_is_found(line: bytes, name: str) -> None:
    for each in (line, line.replace("für".encode(), b"for")):  # a line of ASCII is read by another decoder
        assert name in findings(b"".join([_EXPORT[0], each + b"\n", *_EXPORT[2:]]))
        if each.startswith(b"{"):
            assert name in findings(b"".join(_at(0, each + b"\n")))


def test_what_follows_the_checkpoint_is_found() -> None:
    for more in (b"\n", b"{}\n", _EXPORT[0], _EXPORT[-1]):
        assert findings(b"".join([*_EXPORT, more])) == {"trailing-garbage"}


def test_a_line_beside_the_events_is_found() -> None:
    null = b'{"checkpoint":null}\n'
    assert findings(b"".join([_EXPORT[0], null, *_EXPORT[1:]])) >= {"trailing-garbage", "not-a-note"}
    assert findings(b"".join([*_EXPORT[:-1], null])) == {"not-a-note"}
