"""Checks what Rootquorum's audit log says, without Rootquorum and without trusting it.

    python verifier.py --key KEY [--anchor FILE] [--head SIZE:ROOT] FILE …

A file is an export of the log, the evidence of one request, or a checkpoint; docs/audit-log.md says what is in them.
This one file needs Python 3.11 and `cryptography`, and nothing else of the service. In its order: JSON, the tree, the
signed head, an export, evidence, the command. It ends with 0 when all is well, 1 after a finding, 2 when misused.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_LARGEST_INTEGER = 2**53 - 1
_LONGEST_LINE, _LONGEST_DOCUMENT = 1 << 24, 1 << 28
_SHOWN_OF_A_KIND = 5
_LEAST_QUORUM = 2

_EVIDENCE = "rootquorum-evidence/1"
_MEMBERS = {"format", "request", "digest", "decisions", "policy", "outcome", "events", "checkpoint", "keys"}
_LEAF = {"seq": int, "at": str, "event": str, "request_id": str, "actor": dict, "data": dict}
_FILING = {"id": str, "requester": str, "recipient": str, "quorum": int}
_DECIDED, _STARTED = "decision.recorded", "execution.started"
_NOT_STARTED = {"pending", "approved", "rejected", "withdrawn", "expired"}


class Finding(Exception):
    """Something is not as it should be: what kind of thing, where, and what was expected and found."""

    def __init__(self, name: str, place: str, text: str) -> None:
        super().__init__(f"{name}: {place}: {text}")
        self.name = name


@dataclass
class Report:
    """What came of checking one file. Of each kind of finding only the first few are kept."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    summary: str = ""

    def add(self, finding: Finding) -> None:
        self.counts[finding.name] += 1
        if self.counts[finding.name] <= _SHOWN_OF_A_KIND:
            self.findings.append(finding)

    def attempt(self, check: Callable[[], Any]) -> Any:
        """What the check gives, or None after a finding."""
        try:
            return check()
        except Finding as finding:
            return self.add(finding)


def shown(value: object) -> str:
    """A value of the file's, short, and with nothing in it that a terminal would obey."""
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:120]}…"  # noqa: PLR2004


# JSON. RFC 8785's form of a value without floats, and with ASCII names, is the sorted compact one.


def read_json(data: bytes, place: str) -> Any:
    """A value that every reader reads alike: UTF-8, no name twice, no floats, no integer beyond 2^53-1."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, count in Counter(name for name, _ in pairs).items():
            if count > 1:
                raise Finding("duplicated-name", place, f"{shown(name)} is there {count} times")
            if not name.isascii():
                raise Finding("not-canonical", place, f"the name {shown(name)} is not ASCII")
        return dict(pairs)

    def no_float(text: str) -> None:
        raise Finding("float", place, f"expected an integer, found {shown(text)}")

    def integer(text: str) -> int:
        if len(text) > len(str(-_LARGEST_INTEGER)) or abs(int(text)) > _LARGEST_INTEGER:
            raise Finding("not-canonical", place, "an integer is beyond 2^53-1")
        return int(text)

    try:
        return json.loads(
            data.decode(), object_pairs_hook=members, parse_float=no_float, parse_constant=no_float, parse_int=integer
        )
    except json.JSONDecodeError as error:
        name = "trailing-garbage" if error.msg == "Extra data" else "not-json"
        raise Finding(name, place, f"{error.msg} at byte {error.pos + 1}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise Finding("not-json", place, type(error).__name__) from None


def read_canonical(data: bytes, place: str) -> Any:
    value = read_json(data, place)
    try:
        expected = canonical(value)
    except (UnicodeEncodeError, RecursionError) as error:
        raise Finding("not-canonical", place, type(error).__name__) from None
    if data != expected:
        at = next((i for i, (a, b) in enumerate(zip(data, expected, strict=False)) if a != b), len(expected))
        window = slice(at, at + 20)
        raise Finding("not-canonical", place, f"at byte {at + 1} expected {expected[window]!r}, found {data[window]!r}")
    return value


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def difference(expected: Any, found: Any, path: str) -> str | None:
    """Where the two first differ, in JSON's eyes, to which true is not 1."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        parts = [difference(expected[name], found[name], f"{path}.{name}") for name in expected]
        return next(filter(None, parts), None)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        parts = [difference(*pair, f"{path}[{at}]") for at, pair in enumerate(zip(expected, found, strict=True))]
        return next(filter(None, parts), None)
    if json.dumps(expected, sort_keys=True) == json.dumps(found, sort_keys=True):
        return None
    return f"at {path} expected {shown(expected)}, found {shown(found)}"


# The tree: RFC 9162, section 2.


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A log's tree, of which only the roots of the perfect subtrees are kept, largest first."""

    def __init__(self) -> None:
        self.size, self.perfect = 0, list[bytes]()

    def append(self, leaf: bytes) -> None:
        joined, size = leaf_hash(leaf), self.size
        while size & 1:  # a subtree of the same size stands to its left
            joined, size = node_hash(self.perfect.pop(), joined), size >> 1
        self.perfect.append(joined)
        self.size += 1

    def root(self) -> bytes:
        if not self.perfect:
            return hashlib.sha256().digest()
        root = self.perfect[-1]
        for left in reversed(self.perfect[:-1]):
            root = node_hash(left, root)
        return root


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that the proof leads to from the leaf's hash (RFC 9162, 2.1.3.2), or None for one of a wrong length."""
    at, last, root = index, size - 1, leaf
    for sibling in proof:
        if last <= 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


# The signed head: C2SP's checkpoint in a signed note.


@dataclass(frozen=True)
class Key:
    """An Ed25519 key whose holder is believed, with the id that its signatures' lines carry."""

    name: str
    id: bytes
    public: bytes


@dataclass(frozen=True)
class Head:
    """How large the log was, and the root over it, as `source` has it."""

    size: int
    root: bytes
    source: str


def from_base64(text: object, length: int) -> bytes | None:
    """The bytes, if that is the one way to write so many."""
    try:
        decoded = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return None
    return decoded if len(decoded) == length and base64.b64encode(decoded).decode() == text else None


def read_key(text: str) -> Key:
    """From `name+id+Base64`. Raises ValueError."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    decoded = from_base64(encoded, 33)
    if not name or decoded is None or decoded[0] != 1:
        raise ValueError(f"{shown(text)} is no key of Ed25519 as a name, an id and Base64 with + between them")
    expected = hashlib.sha256(name.encode() + b"\n" + decoded).digest()[:4]
    if key_id != expected.hex():
        raise ValueError(f"the id of the key {shown(name)} is {shown(key_id)}, not {expected.hex()}")
    return Key(name, expected, decoded[1:])


def read_head(text: str) -> Head:
    """From `size:root`, as a ticket or a webhook has it. Raises ValueError."""
    size, _, encoded = text.partition(":")
    root = from_base64(encoded, 32)
    if root is None or not re.fullmatch("0|[1-9][0-9]{0,15}", size):
        raise ValueError(f"{shown(text)} is no size and root in Base64 with : between them")
    return Head(int(size), root, f"the head {text}")


def open_checkpoint(note: object, keys: Sequence[Key], place: str) -> Head:
    """The head that a note tells, if one of the keys signed it that has the log's own name."""
    if not isinstance(note, str) or any(letter < " " and letter != "\n" for letter in note):
        raise Finding("not-a-note", place, "expected text of whole lines")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Finding("not-a-note", place, "expected text, an empty line, and lines of signatures")
    signers = {key.name for line in lines[:-1].split("\n") for key in _signer(line, f"{text}\n", keys, place)}
    if not signers:
        raise Finding("unknown-signer", place, "none of the given keys signed it")
    told = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)", text)
    root = told and from_base64(told[3], 32)
    if told is None or root is None:
        raise Finding("not-a-checkpoint", place, "expected three lines: origin, size and root")
    if told[1] not in signers:
        raise Finding("wrong-origin", place, f"expected one of {shown(sorted(signers))}, found {shown(told[1])}")
    return Head(int(told[2]), root, place)


def _signer(line: str, text: str, keys: Sequence[Key], place: str) -> Iterator[Key]:
    """The key that made the signature on this line; none for the line of a stranger, which is passed over."""
    parts = re.fullmatch("\N{EM DASH} ([^ +]+) ([A-Za-z0-9+/]+={0,2})", line)
    if parts is None or len(parts[2]) % 4:
        raise Finding("not-a-note", place, f"{shown(line)} is no signature's line")
    signature = base64.b64decode(parts[2])
    for key in keys:
        if (key.name, key.id) == (parts[1], signature[:4]):
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], text.encode())
            except (InvalidSignature, UnicodeEncodeError):
                raise Finding("wrong-signature", place, f"that of {shown(key.name)} is not of this text") from None
            yield key


def compare(heads: Iterable[Head], size: int, root: Callable[[], bytes], report: Report) -> None:
    """Hold the root at this size against what is known of it from elsewhere."""
    for head in heads:
        if head.size == size and head.root != root():
            text = f"at size {size} {head.source} has {base64_of(head.root)}, found {base64_of(root())}"
            report.add(Finding("rewritten", f"sequence numbers 1 to {size}", text))


def compare_one(heads: Iterable[Head], signed: Head, report: Report) -> None:
    """The same where nothing but the signed head is at hand: of another size nothing can be told."""
    compare(heads, signed.size, lambda: signed.root, report)
    report.notes += [f"{head.source} is of another size: not compared" for head in heads if head.size != signed.size]


def base64_of(root: bytes) -> str:
    return base64.b64encode(root).decode()


# An export: a line for each event, from the first, and the checkpoint over just these as the last line.


def check_export(
    lines: Iterable[bytes],
    keys: Sequence[Key],
    heads: Sequence[Head],
    report: Report,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Needs the memory of one line, however long the log is. `progress` is told of each event."""
    tree, seq, end = Tree(), 0, None
    compare(heads, 0, tree.root, report)
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if end is not None:
            report.add(Finding("trailing-garbage", place, "the checkpoint is not the last line"))
            break
        event = report.attempt(partial(_read_line, line, place))
        if event is not None and event.keys() == {"checkpoint"}:
            end = event
            continue
        seq = seq + 1 if event is None else _check_seq(event.get("seq"), seq + 1, place, report)
        tree.append(line.removesuffix(b"\n"))
        compare(heads, tree.size, tree.root, report)
        progress(tree.size)
    for head in heads:
        if head.size > tree.size:
            text = f"{head.source} is of {head.size} events, and only {tree.size} are here"
            report.add(Finding("cut", "the end", text))
    if end is None:
        raise Finding("missing-checkpoint", "the end", "expected a line with the checkpoint")
    _check_total(tree, open_checkpoint(end["checkpoint"], keys, "the checkpoint"))
    report.summary = f"{tree.size} events, root {base64_of(tree.root())}"


def _read_line(line: bytes, place: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise Finding("unfinished-line", place, f"no end of the line within {len(line)} bytes")
    value = read_canonical(line[:-1], place)
    if not isinstance(value, dict):
        raise Finding("not-an-event", place, f"expected an object, found {shown(value)}")
    return value


def _check_seq(found: object, expected: int, place: str, report: Report) -> int:
    """The sequence number to count on from: that which is there, so that one gap is found once."""
    if type(found) is int and found == expected:
        return expected
    report.add(Finding("sequence-broken", place, f"expected seq {expected}, found {shown(found)}"))
    return found if type(found) is int else expected


def _check_total(tree: Tree, signed: Head) -> None:
    if signed.size != tree.size:
        raise Finding("wrong-size", "the checkpoint", f"expected {signed.size} events as signed, found {tree.size}")
    if signed.root != tree.root():
        text = f"expected {base64_of(signed.root)} as signed, found {base64_of(tree.root())}"
        raise Finding("wrong-root", f"sequence numbers 1 to {tree.size}", text)


# Evidence: one request's events, each proved to be in the log, and what they say of it.


def check_evidence(data: bytes, keys: Sequence[Key], heads: Sequence[Head], report: Report) -> None:
    """The events are the truth: first that they are the log's, then that nothing else is told, then the rules."""
    document = read_json(data, "the document")
    if not isinstance(document, dict) or document.keys() != _MEMBERS:
        found = shown(sorted(document) if isinstance(document, dict) else document)
        raise Finding("wrong-members", "the document", f"expected {sorted(_MEMBERS)}, found {found}")
    if document["format"] != _EVIDENCE:
        raise Finding("unknown-format", "the document", f"expected {_EVIDENCE}, found {shown(document['format'])}")
    signed = open_checkpoint(document["checkpoint"], keys, "the checkpoint")
    compare_one(heads, signed, report)
    events = document["events"] if isinstance(document["events"], list) else []
    leaves = [report.attempt(partial(_read_leaf, *entry, signed)) for entry in enumerate(events, 1)]
    if not leaves or None in leaves:
        report.add(Finding("missing-event", "the events", f"of {len(leaves)} events not all are the log's"))
        return
    _check_chain(leaves, report)
    _check_filing(leaves)
    for name, told in _told(leaves).items():
        if (differs := difference(told, document[name], name)) is not None:
            report.add(Finding(f"{name}-differs", "the document", differs))
    _check_rules(leaves, report)
    _note_keys(document["keys"], keys, report)
    report.summary = f"request {shown(leaves[0]['request_id'])}, {len(leaves)} events, in the log of {signed.size}"


def _read_leaf(number: int, entry: object, signed: Head) -> dict[str, Any]:
    """The event, which the proof beside it shows to be in the log at its sequence number."""
    place = f"event {number}"
    if not isinstance(entry, dict) or entry.keys() != {"leaf", "inclusion"} or type(entry["inclusion"]) is not list:
        raise Finding("wrong-members", place, f"expected a leaf and its inclusion, found {shown(entry)}")
    text = str(entry["leaf"]).encode(errors="surrogatepass")
    leaf: Any = read_canonical(text, place)
    if not isinstance(leaf, dict) or any(type(leaf.get(name)) is not kind for name, kind in _LEAF.items()):
        raise Finding("not-an-event", place, f"found {shown(leaf)}")
    proof = [hashed for each in entry["inclusion"] if (hashed := from_base64(each, 32))]
    found = None
    if 1 <= leaf["seq"] <= signed.size and len(proof) == len(entry["inclusion"]):
        found = root_from_inclusion(leaf["seq"] - 1, signed.size, leaf_hash(text), proof)
    if found != signed.root:
        led = "nowhere" if found is None else f"to {base64_of(found)}"
        why = f"expected a proof that leads to {base64_of(signed.root)}, found one that leads {led}"
        raise Finding("not-included", f"seq {leaf['seq']}", why)
    return leaf


def _check_chain(leaves: Sequence[dict[str, Any]], report: Report) -> None:
    """That these are one request's events in their order, and that none between them was left out."""
    unchained = 0
    for before, leaf in zip([None, *leaves], leaves, strict=False):
        place = f"seq {leaf['seq']}"
        if leaf["request_id"] != leaves[0]["request_id"]:
            text = f"expected {shown(leaves[0]['request_id'])}, found {shown(leaf['request_id'])}"
            report.add(Finding("foreign-event", place, text))
        if before and before["seq"] >= leaf["seq"]:
            report.add(Finding("out-of-order", place, f"it stands behind seq {before['seq']}"))
        if "previous" not in leaf:
            unchained += 1
        elif differs := difference(leaf["previous"], before and before["seq"], "the event before"):
            report.add(Finding("left-out", place, differs))
    if unchained:
        report.notes.append(f"{unchained} events are of a version that did not name the one before: gaps do not show")


def _check_filing(leaves: Sequence[dict[str, Any]]) -> None:
    first, filing = leaves[0], leaves[0]["data"].get("filing")
    place = f"seq {first['seq']}"
    if first["event"] != "request.filed" or not isinstance(filing, dict):
        raise Finding("not-filed", place, f"expected request.filed, found {shown(first['event'])}")
    if any(type(filing.get(name)) is not kind for name, kind in _FILING.items()):
        raise Finding("not-filed", place, f"expected {sorted(_FILING)} among what was filed")
    if filing["id"] != first["request_id"]:
        text = f"expected the id {shown(first['request_id'])}, found {shown(filing['id'])}"
        raise Finding("not-filed", place, text)
    digest = hashlib.sha256(canonical(filing)).hexdigest()
    for leaf in leaves:
        if leaf["event"] in {"request.filed", _STARTED} and leaf["data"].get("digest") != digest:
            text = f"expected {digest}, found {shown(leaf['data'].get('digest'))}"
            raise Finding("wrong-digest", f"seq {leaf['seq']}", text)


def _told(leaves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the rest of the document has to say, made of the events alone."""
    filed = leaves[0]
    started = [leaf for leaf in leaves if leaf["event"] == _STARTED]
    reached = [(leaf["data"]["status"], leaf["at"]) for leaf in leaves if "status" in leaf["data"]]
    results = [leaf["data"]["result"] for leaf in leaves if "result" in leaf["data"]]
    status, at = reached[-1] if reached else ("pending", filed["at"])
    return {
        "request": filed["data"]["filing"],
        "digest": filed["data"]["digest"],
        "decisions": [
            {
                **{name: leaf["data"].get(name) for name in ("person", "decision", "digest", "comment", "credential")},
                "decided_at": leaf["at"],
                "proof": leaf["actor"].get("proof"),
            }
            for leaf in leaves
            if leaf["event"] == _DECIDED
        ],
        "policy": {
            "filed": filed["data"].get("policy"),
            "executed": started[0]["data"].get("policy") if started else None,
        },
        "outcome": {"status": status, "at": at, "result": results[-1] if results else None},
    }


def _check_rules(leaves: Sequence[dict[str, Any]], report: Report) -> None:
    """That it ran at most once, and only after enough others had approved exactly what was filed."""
    for leaf in leaves:
        by = leaf["actor"]
        if leaf["event"] == _DECIDED and (by.get("kind"), by.get("subject")) != ("person", leaf["data"].get("person")):
            report.add(Finding("not-own-decision", f"seq {leaf['seq']}", f"found {shown(by)}"))
    starts = [at for at, leaf in enumerate(leaves) if leaf["event"] == _STARTED]
    for at in starts[1:]:
        report.add(Finding("executed-twice", f"seq {leaves[at]['seq']}", "an execution had started before"))
    if starts:
        _check_votes(leaves[0]["data"], leaves[: starts[0]], f"seq {leaves[starts[0]]['seq']}", report)
    elif beyond := {str(leaf["data"]["status"]) for leaf in leaves if "status" in leaf["data"]} - _NOT_STARTED:
        text = f"expected {_STARTED}, found only what comes after it: {shown(sorted(beyond))}"
        report.add(Finding("not-started", "the events", text))


def _check_votes(filed: dict[str, Any], before: Sequence[dict[str, Any]], place: str, report: Report) -> None:
    filing = filed["filing"]
    votes = {str(leaf["data"].get("person")): leaf["data"] for leaf in before if leaf["event"] == _DECIDED}
    rejecting = {person for person, vote in votes.items() if vote.get("decision") != "approve"}
    approving = {person for person in votes.keys() - rejecting if votes[person].get("digest") == filed["digest"]}
    own = approving & {filing["requester"], filing["recipient"]}
    needed = max(_LEAST_QUORUM, filing["quorum"])
    if rejecting:
        report.add(Finding("executed-against", place, f"{shown(sorted(rejecting))} had rejected it"))
    if own:
        report.add(Finding("own-approval", place, f"{shown(sorted(own))} approved what they asked for or receive"))
    if len(approving - own) < needed:
        text = f"expected {needed} others who approved this digest, found {shown(sorted(approving - own))}"
        report.add(Finding("no-quorum", place, text))


def _note_keys(listed: object, keys: Sequence[Key], report: Report) -> None:
    """Whom the document would have believed means nothing."""
    names = [entry.get("key") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    for name in names:
        try:
            believed = read_key(str(name)) in keys
        except ValueError:
            believed = False
        if not believed:
            report.notes.append(f"the document lists a key that was not given: {shown(name)}")


# The command.


def check_file(
    file: BinaryIO,
    keys: Sequence[Key],
    heads: Sequence[Head],
    progress: Callable[[int], None],
    expected: str | None = None,
) -> Report:
    """Which of the three a file is shows in its first line. An anchor is worth most against an export."""
    report = Report()
    first = file.readline(_LONGEST_LINE)
    kind = "checkpoint" if not first.startswith(b"{") else "evidence" if _is_evidence(first) else "export"
    if expected not in {None, kind}:
        report.add(Finding("another-kind", "the file", f"expected {expected}, found {kind}"))
        return report
    try:
        if kind == "checkpoint":
            head = open_checkpoint(_text(first + file.read(_LONGEST_LINE), "the note"), keys, "the note")
            compare_one(heads, head, report)
            report.summary = f"a checkpoint of {head.size} events, root {base64_of(head.root)}"
        elif kind == "evidence":
            check_evidence(first + file.read(_LONGEST_DOCUMENT), keys, heads, report)
        else:
            lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
            check_export(chain([first], lines), keys, heads, report, progress)
    except Finding as finding:
        report.add(finding)
    return report


def _is_evidence(first: bytes) -> bool:
    """A document over several lines, or one with members that no event has; of an export each line is an object."""
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return first.strip() == b"{"
    return isinstance(value, dict) and not {"format", "events"}.isdisjoint(value)


def _text(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Finding("not-a-note", place, "it is not UTF-8") from None


def _count(events: int) -> None:
    if events % 10_000 == 0:
        sys.stderr.write(f"{events} events\r")  # what is printed next stands over it


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[Key], list[Head]]:
    parser = argparse.ArgumentParser(
        description="Check Rootquorum's audit log, evidence of a request, or a checkpoint."
    )
    parser.add_argument("--key", action="append", required=True, help="a key to believe, or @ and a file of such lines")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument("--head", action="append", default=[], help="size:root, as a ticket or a webhook has it")
    parser.add_argument("--expect", choices=("export", "evidence", "checkpoint"), help="what each file has to be")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        texts = [Path(key[1:]).read_text().split() if key.startswith("@") else [key] for key in options.key]
        keys = [read_key(text) for text in chain.from_iterable(texts)]
        return options, keys, [read_head(text) for text in options.head]
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _run(options: argparse.Namespace, keys: Sequence[Key], heads: list[Head]) -> Iterator[tuple[Path, Report]]:
    for path in options.anchor:
        report = Report(summary="an anchor")
        try:
            heads.append(open_checkpoint(_text(path.read_bytes(), str(path)), keys, str(path)))
        except Finding as finding:
            report.add(finding)
        yield path, report
    for path in options.files:
        with path.open("rb") as file:
            progress = _count if sys.stderr.isatty() else lambda _: None
            yield path, check_file(file, keys, heads, progress, options.expect)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well, 1 after a finding, 2 when a file cannot be read."""
    options, keys, heads = _options(arguments)
    found = 0
    try:
        for path, report in _run(options, keys, heads):
            found += report.counts.total()
            for line in (*report.findings, *(f"note: {note}" for note in report.notes)):
                print(f"{path}: {line}")
            for name, count in report.counts.items():
                if count > _SHOWN_OF_A_KIND:
                    print(f"{path}: {name}: {count} in all")
            print(f"{path}: {'NOT as it should be' if report.counts else f'good: {report.summary}'}")
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
