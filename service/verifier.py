"""Checks what Rootquorum's audit log says, without Rootquorum and without trusting it.

    python verifier.py --key KEY [--anchor FILE] [--head SIZE:ROOT] [--consistency FILE] [--expect KIND] FILE …

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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_LARGEST_INTEGER = 2**53 - 1
_LONGEST_LINE, _LONGEST_DOCUMENT = 1 << 24, 1 << 28
_LONGEST_SHOWN, _SHOWN_OF_A_KIND = 120, 5
_LEAST_QUORUM = 2
_MOST_SIGNATURES = 100  # C2SP's signed-note asks readers for 16 at least

_EVIDENCE = "rootquorum-evidence/1"
_MEMBERS = {"format", "request", "digest", "decisions", "policy", "outcome", "events", "checkpoint", "keys"}
_EVENT = {"seq": int, "at": str, "event": str, "request_id": str, "actor": dict, "data": dict}
_FILING = {"id": str, "requester": str, "recipient": str, "quorum": int}
_DECIDED, _STARTED = "decision.recorded", "execution.started"
_NOT_STARTED = {"pending", "approved", "rejected", "withdrawn", "expired"}


class Finding(Exception):
    """Something is not as it should be: what kind of thing, where, and what was expected and found."""

    def __init__(self, name: str, place: str, text: str) -> None:
        super().__init__(f"{name}: {place}: {text}")
        self.name = name


# A check yields what it finds and, as plain text, what else there is to say. It raises what it cannot go on after.
Told = Iterator[Finding | str]
Event = dict[str, Any]


def shown(value: object) -> str:
    """A value of the file's, short, and with nothing in it that a terminal would obey."""
    text = ascii(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


# JSON. RFC 8785's form of a value without floats, and with ASCII names, is the sorted compact one.


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="surrogatepass")


def read_json(data: bytes, place: str, *, exact: bool = True) -> Any:
    """A value that every reader reads alike; `exact` is for one in its canonical form."""
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_float
        )
        form = canonical(value)
    except (ValueError, RecursionError) as error:
        raise Finding("not-json", place, shown(str(error))) from None
    if exact and data != form:
        raise Finding("not-canonical", place, difference(form, data))
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs) or not all(map(str.isascii, members)):
        raise ValueError(f"a name is there twice, or is not ASCII: {shown([name for name, _ in pairs])}")
    return members


def _integer(text: str) -> int:
    if abs(number := int(text)) > _LARGEST_INTEGER:
        raise ValueError(f"an integer is beyond 2^53-1: {shown(text)}")
    return number


def _float(text: str) -> None:
    raise ValueError(f"expected an integer, found {shown(text)}")


def difference(expected: bytes, found: bytes) -> str:
    """Where the two first differ."""
    pairs = enumerate(zip(expected, found, strict=False))
    at = next((at for at, (one, other) in pairs if one != other), min(len(expected), len(found)))
    near = slice(max(0, at - 30), at + 50)
    return f"at byte {at + 1} expected {expected[near]!r}, found {found[near]!r}"


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


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to from the leaf's hash (2.1.3.2). ValueError for a proof of another place."""
    if not 0 <= index < size:
        raise ValueError(f"a log of {size} leaves has no leaf {index}")
    return _climb(index, size - 1, leaf, proof)[1]


def check_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> None:
    """ValueError unless the proof shows that the log with the second root begins with that with the first (2.1.4.2)."""
    if not 0 < first <= second:
        raise ValueError(f"a log of {second} leaves cannot be shown to begin with one of {first}")
    at, last = (first - 1, second - 1) if first < second else (0, 0)
    while at & 1:  # to the last of the perfect subtrees of the first
        at, last = at >> 1, last >> 1
    # Where there is but one, its root is known, and not in the proof.
    path = [*proof] if at else [first_root, *proof]
    if not path or _climb(at, last, path[0], path[1:]) != (first_root, second_root):
        raise ValueError(f"it is not shown that the log of {second} leaves begins with that of {first}")


def _climb(at: int, last: int, node: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots above a node, by the hashes beside the way: of the tree that ends with it, and of all of it."""
    smaller = larger = node
    for sibling in path:
        if not last:
            raise ValueError("the proof is too long")
        if at & 1 or at == last:
            smaller, larger = node_hash(sibling, smaller), node_hash(sibling, larger)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            larger = node_hash(larger, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return smaller, larger


# The signed head: C2SP's checkpoint in a signed note.


@dataclass(frozen=True)
class Key:
    """An Ed25519 key whose holder is believed, with the id that its signatures' lines carry."""

    text: str
    name: str
    id: bytes
    public: bytes


@dataclass(frozen=True)
class Head:
    """How large the log was, and the root over it, as `source` has it."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True)
class Kept:
    """What is known from elsewhere: heads, and by their two sizes the proofs that one log begins with another."""

    heads: list[Head]
    proofs: dict[tuple[int, int], list[bytes]]


def from_base64(text: object, length: int) -> bytes:
    """ValueError, if this is not the one way to write so many bytes."""
    decoded = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    if len(decoded) != length or to_base64(decoded) != text:
        raise ValueError(f"{shown(text)} is no Base64 of {length} bytes")
    return decoded


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read_key(text: str) -> Key:
    """From `name+id+Base64`. Raises ValueError."""
    name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
    decoded = from_base64(encoded, 33)
    expected = hashlib.sha256(name.encode() + b"\n" + decoded).digest()[:4]
    if not name or decoded[0] != 1 or key_id != expected.hex():
        raise ValueError(f"{shown(text)} is no Ed25519 key as a name, an id that is theirs, and Base64 with + between")
    return Key(text, name, expected, decoded[1:])


def read_head(text: str) -> Head:
    """From `size:root`, as a ticket or a webhook has it. Raises ValueError."""
    size, _, root = text.partition(":")
    if not re.fullmatch("0|[1-9][0-9]{0,15}", size):
        raise ValueError(f"{shown(text)} is no size and root in Base64 with : between them")
    head = Head(int(size), from_base64(root, 32), f"the head {text}")
    if not head.size and head.root != Tree().root():
        raise ValueError(f"{shown(text)} is not the head of an empty log")
    return head


def read_consistency(data: bytes) -> tuple[tuple[int, int], list[bytes]]:
    """The two sizes and the proof, from what `/v1/audit/proofs/consistency` answers. Raises ValueError."""
    try:
        told = read_json(data, "the proof", exact=False)
        return (int(told["first"]), int(told["second"])), [from_base64(each, 32) for each in told["proof"]]
    except (TypeError, LookupError, Finding) as error:
        raise ValueError(f"expected an object with first, second and proof: {error}") from None


def open_checkpoint(note: object, keys: Sequence[Key], place: str) -> Head:
    """The head that a note tells, if one of the keys signed it that has the log's own name."""
    text, signers = open_note(note, keys, place)
    origin, size, root = [*text.removesuffix("\n").split("\n", 2), "", ""][:3]
    if all(key.name != origin for key in signers):
        names = sorted({key.name for key in signers})
        raise Finding("wrong-origin", place, f"expected one of {shown(names)}, found {shown(origin)}")
    try:
        known = read_head(f"{size}:{root}")
    except ValueError as error:
        raise Finding("not-a-checkpoint", place, f"expected three lines, origin, size and root: {error}") from None
    return Head(known.size, known.root, place)


def open_note(note: object, keys: Sequence[Key], place: str) -> tuple[str, list[Key]]:
    """The text of a signed note, and which of the keys signed it: at least one."""
    if not isinstance(note, str) or any(letter < " " and letter != "\n" for letter in note):
        raise Finding("not-a-note", place, "expected text of whole lines")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or lines.count("\n") > _MOST_SIGNATURES:
        raise Finding("not-a-note", place, "expected text, an empty line, and lines of signatures, 100 at most")
    text += "\n"
    signers = [key for line in lines[:-1].split("\n") for key in _signer(line, text, keys, place)]
    if not signers:
        raise Finding("unknown-signer", place, "none of the given keys signed it")
    return text, signers


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


def compare(heads: Iterable[Head], size: int, root: bytes) -> Told:
    """Hold the root at this size against what is known of it from elsewhere."""
    for head in heads:
        if head.size == size and head.root != root:
            text = f"at size {size} {head.source} has {to_base64(head.root)}, found {to_base64(root)}"
            yield Finding("rewritten", f"sequence numbers 1 to {size}", text)


def compare_one(kept: Kept, signed: Head) -> Told:
    """The same where nothing but the signed head is at hand: with one of another size a proof has to connect it."""
    yield from compare(kept.heads, signed.size, signed.root)
    for head in kept.heads:
        smaller, larger = sorted((head, signed), key=lambda each: each.size)
        proof = kept.proofs.get((smaller.size, larger.size))
        if smaller.size == larger.size or not smaller.size:
            continue  # compared, or the empty log, with which every log begins
        if proof is None:
            yield f"{head.source} is of another size: not compared without a proof of consistency"
            continue
        try:
            check_consistency(smaller.size, larger.size, smaller.root, larger.root, proof)
        except ValueError as error:
            yield Finding("rewritten", f"sequence numbers 1 to {smaller.size}", f"{head.source}: {error}")


# An export: a line for each event, from the first, and the checkpoint over just these as the last line.


def check_export(lines: Iterable[bytes], keys: Sequence[Key], heads: Sequence[Head]) -> Told:
    """Needs the memory of one line, however long the log is."""
    tree, seq, end = Tree(), 0, None
    sizes = {head.size for head in heads}
    yield from compare(heads, 0, tree.root())
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if end is not None:
            yield Finding("trailing-garbage", place, "the checkpoint is not the last line")
            break
        try:
            event = _read_line(line, place)
        except Finding as finding:
            yield finding
            event = {"seq": seq + 1}
        if event.keys() == {"checkpoint"}:
            end = event
            continue
        seq, found = seq + 1, event.get("seq")
        if type(found) is not int or found != seq:
            yield Finding("sequence-broken", place, f"expected seq {seq}, found {shown(found)}")
            seq = found if type(found) is int else seq  # so that one gap is found once
        tree.append(line.removesuffix(b"\n"))
        if tree.size in sizes:
            yield from compare(heads, tree.size, tree.root())
    for head in heads:
        if head.size > tree.size:
            yield Finding("cut", "the end", f"{head.source} is of {head.size} events, and only {tree.size} are here")
    if end is None:
        raise Finding("missing-checkpoint", "the end", "expected a line with the checkpoint")
    _check_total(tree, open_checkpoint(end["checkpoint"], keys, "the checkpoint"))
    yield f"{tree.size} events, root {to_base64(tree.root())}"


def _read_line(line: bytes, place: str) -> Event:
    if not line.endswith(b"\n"):
        raise Finding("unfinished-line", place, f"no end of the line within {len(line)} bytes")
    event = read_json(line[:-1], place)
    if not isinstance(event, dict):
        raise Finding("not-an-event", place, f"expected an object, found {shown(event)}")
    return event


def _check_total(tree: Tree, signed: Head) -> None:
    if signed.size != tree.size:
        raise Finding("wrong-size", "the checkpoint", f"expected {signed.size} events as signed, found {tree.size}")
    if signed.root != tree.root():
        text = f"expected {to_base64(signed.root)} as signed, found {to_base64(tree.root())}"
        raise Finding("wrong-root", f"sequence numbers 1 to {tree.size}", text)


# Evidence: one request's events, each proved to be in the log, and what they say of it.


def check_evidence(data: bytes, keys: Sequence[Key], kept: Kept) -> Told:
    """The events are the truth: first that they are the log's, then that nothing else is told, then the rules."""
    document = read_json(data, "the document", exact=False)
    if not isinstance(document, dict) or document.keys() != _MEMBERS:
        found = shown(sorted(document) if isinstance(document, dict) else document)
        raise Finding("wrong-members", "the document", f"expected {sorted(_MEMBERS)}, found {found}")
    if document["format"] != _EVIDENCE:
        raise Finding("unknown-format", "the document", f"expected {_EVIDENCE}, found {shown(document['format'])}")
    signed = open_checkpoint(document["checkpoint"], keys, "the checkpoint")
    yield from compare_one(kept, signed)
    entries, events = document["events"] if isinstance(document["events"], list) else [], list[Event]()
    for number, entry in enumerate(entries, 1):
        try:
            events.append(_read_event(entry, signed, f"event {number}"))
        except Finding as finding:
            yield finding
    if not events or len(events) < len(entries):
        raise Finding("missing-event", "the events", f"of {len(entries)}, {len(events)} are the log's")
    yield from _check_chain(events)
    _check_filing(events)
    for name, expected in _retold(events).items():
        if canonical(expected) != canonical(document[name]):
            text = difference(canonical(expected), canonical(document[name]))
            yield Finding(f"{name}-differs", "the document", f"{name}: {text}")
    yield from _check_rules(events)
    yield from _strange_keys(document["keys"], {key.text for key in keys})
    yield f"request {shown(events[0]['request_id'])}, {len(events)} events, in the log of {signed.size}"


def _read_event(entry: object, signed: Head, place: str) -> Event:
    """The event, which the proof beside it shows to be in the log at its sequence number."""
    if not isinstance(entry, dict) or entry.keys() != {"leaf", "inclusion"} or type(entry["inclusion"]) is not list:
        raise Finding("wrong-members", place, f"expected a leaf and its inclusion, found {shown(entry)}")
    leaf = str(entry["leaf"]).encode(errors="surrogatepass")
    event = read_json(leaf, place)
    if not isinstance(event, dict) or any(type(event.get(name)) is not kind for name, kind in _EVENT.items()):
        raise Finding("not-an-event", place, f"found {shown(event)}")
    place = f"seq {event['seq']}"
    try:
        proof = [from_base64(each, 32) for each in entry["inclusion"]]
        root = root_from_inclusion(event["seq"] - 1, signed.size, leaf_hash(leaf), proof)
    except ValueError as error:
        raise Finding("not-included", place, str(error)) from None
    if root != signed.root:
        text = f"expected a proof that leads to {to_base64(signed.root)}, found one that leads to {to_base64(root)}"
        raise Finding("not-included", place, text)
    return event


def _check_chain(events: Sequence[Event]) -> Told:
    """That these are one request's events in their order, and that none between them was left out."""
    request_id, before = events[0]["request_id"], None
    for event in events:
        place, seq = f"seq {event['seq']}", event["seq"]
        if event["request_id"] != request_id:
            yield Finding("foreign-event", place, f"expected {shown(request_id)}, found {shown(event['request_id'])}")
        if before is not None and before >= seq:
            yield Finding("out-of-order", place, f"it stands behind seq {before}")
        if canonical(event.get("previous", before)) != canonical(before):
            yield Finding("left-out", place, f"expected {before} before it, it says {shown(event['previous'])}")
        before = seq
    if unchained := sum("previous" not in event for event in events):
        yield f"{unchained} events are of a version that did not name the one before: gaps do not show"


def _check_filing(events: Sequence[Event]) -> None:
    first, filing = events[0], events[0]["data"].get("filing")
    place = f"seq {first['seq']}"
    if first["event"] != "request.filed" or not isinstance(filing, dict):
        raise Finding("not-filed", place, f"expected request.filed, found {shown(first['event'])}")
    if any(type(filing.get(name)) is not kind for name, kind in _FILING.items()):
        raise Finding("not-filed", place, f"expected {sorted(_FILING)} among what was filed")
    if filing["id"] != first["request_id"]:
        text = f"expected the id {shown(first['request_id'])}, found {shown(filing['id'])}"
        raise Finding("not-filed", place, text)
    digest = hashlib.sha256(canonical(filing)).hexdigest()
    for event in events:
        if event["event"] in {"request.filed", _STARTED} and event["data"].get("digest") != digest:
            text = f"expected {digest}, found {shown(event['data'].get('digest'))}"
            raise Finding("wrong-digest", f"seq {event['seq']}", text)


def _retold(events: Sequence[Event]) -> dict[str, Any]:
    """What the rest of the document has to say, made of the events alone."""
    filed = events[0]
    started = [event["data"] for event in events if event["event"] == _STARTED]
    reached = [(event["data"]["status"], event["at"]) for event in events if "status" in event["data"]]
    results = [event["data"]["result"] for event in events if "result" in event["data"]]
    status, at = reached[-1] if reached else ("pending", filed["at"])
    return {
        "request": filed["data"]["filing"],
        "digest": filed["data"]["digest"],
        "decisions": [
            {
                **{name: event["data"].get(name) for name in ("person", "decision", "digest", "comment", "credential")},
                "decided_at": event["at"],
                "proof": event["actor"].get("proof"),
            }
            for event in events
            if event["event"] == _DECIDED
        ],
        "policy": {
            "filed": filed["data"].get("policy"),
            "executed": started[0].get("policy") if started else None,
        },
        "outcome": {"status": status, "at": at, "result": results[-1] if results else None},
    }


def _check_rules(events: Sequence[Event]) -> Told:
    """That it ran at most once, and only after enough others had approved exactly what was filed."""
    for event in events:
        by = event["actor"]
        if event["event"] == _DECIDED and (by.get("kind"), by.get("subject")) != (
            "person",
            event["data"].get("person"),
        ):
            yield Finding("not-own-decision", f"seq {event['seq']}", f"found {shown(by)}")
    starts = [at for at, event in enumerate(events) if event["event"] == _STARTED]
    for at in starts[1:]:
        yield Finding("executed-twice", f"seq {events[at]['seq']}", "an execution had started before")
    if starts:
        yield from _check_votes(events[0]["data"], events[: starts[0]], events[starts[0]])
    elif beyond := {str(event["data"]["status"]) for event in events if "status" in event["data"]} - _NOT_STARTED:
        text = f"expected {_STARTED}, found only what comes after it: {shown(sorted(beyond))}"
        yield Finding("not-started", "the events", text)


def _check_votes(filed: dict[str, Any], before: Sequence[Event], start: Event) -> Told:
    """Each person's last decision counts, and the quorum that was filed, or that in force where it is stricter."""
    filing, policy, place = filed["filing"], start["data"].get("policy"), f"seq {start['seq']}"
    votes = {str(event["data"].get("person")): event["data"] for event in before if event["event"] == _DECIDED}
    rejecting = {person for person, vote in votes.items() if vote.get("decision") != "approve"}
    approving = {person for person in votes.keys() - rejecting if votes[person].get("digest") == filed["digest"]}
    own = approving & {filing["requester"], filing["recipient"]}
    in_force = policy.get("quorum") if isinstance(policy, dict) else None
    needed = max(_LEAST_QUORUM, filing["quorum"], in_force if type(in_force) is int else 0)
    if rejecting:
        yield Finding("executed-against", place, f"{shown(sorted(rejecting))} had rejected it")
    if own:
        yield Finding("own-approval", place, f"{shown(sorted(own))} approved what they asked for or receive")
    if len(approving - own) < needed:
        text = f"expected {needed} others who approved this digest, found {shown(sorted(approving - own))}"
        yield Finding("no-quorum", place, text)


def _strange_keys(listed: object, believed: set[str]) -> Told:
    """Whom the document would have believed means nothing."""
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("key") not in believed:
            yield f"the document lists a key that was not given: {shown(entry)}"


# The command.


def check_file(file: BinaryIO, keys: Sequence[Key], kept: Kept, expected: str | None = None) -> Told:
    """Which of the three a file is shows in its first line. An anchor is worth most against an export."""
    first = file.readline(_LONGEST_LINE)
    kind = "checkpoint" if not first.startswith(b"{") else "evidence" if _is_evidence(first) else "export"
    if expected not in {None, kind}:
        raise Finding("another-kind", "the file", f"expected {expected}, found {kind}")
    if kind == "checkpoint":
        signed = open_checkpoint(_text(first + file.read(_LONGEST_LINE)), keys, "the note")
        yield from compare_one(kept, signed)
        yield f"a checkpoint of {signed.size} events, root {to_base64(signed.root)}"
    elif kind == "evidence":
        yield from check_evidence(first + file.read(_LONGEST_DOCUMENT), keys, kept)
    else:
        yield from check_export(chain([first], iter(lambda: file.readline(_LONGEST_LINE), b"")), keys, kept.heads)


def _is_evidence(first: bytes) -> bool:
    """A document over several lines, or one with members that no event has; of an export each line is an object."""
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return first.strip() == b"{"
    return isinstance(value, dict) and not {"format", "events"}.isdisjoint(value)


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")  # no signature is good for what is not UTF-8


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[Key], Kept]:
    parser = argparse.ArgumentParser(
        description="Check Rootquorum's audit log, evidence of a request, or a checkpoint."
    )
    parser.add_argument("--key", action="append", required=True, help="a key to believe, or @ and a file of such lines")
    parser.add_argument("--anchor", action="append", default=[], type=Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument("--head", action="append", default=[], help="size:root, as a ticket or a webhook has it")
    parser.add_argument(
        "--consistency", action="append", default=[], type=Path, help="a proof for heads of another size"
    )
    parser.add_argument("--expect", choices=("export", "evidence", "checkpoint"), help="what each file has to be")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        return options, read_keys(options.key), read_kept(options.head, options.consistency)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def read_keys(texts: Iterable[str]) -> list[Key]:
    """Each text is a key, or @ and the path of a file of them. Raises OSError, ValueError."""
    listed = (Path(text[1:]).read_text().split() if text.startswith("@") else [text] for text in texts)
    return [read_key(text) for text in chain.from_iterable(listed)]


def read_kept(heads: Iterable[str], proofs: Iterable[Path]) -> Kept:
    """Heads as tickets have them, and files of proofs of consistency. Raises OSError, ValueError."""
    return Kept([read_head(text) for text in heads], dict(read_consistency(path.read_bytes()) for path in proofs))


def _checks(
    files: Iterable[Path], anchors: Iterable[Path], keys: Sequence[Key], kept: Kept, expected: str | None
) -> Iterator[tuple[Path, Told]]:
    for path in anchors:
        yield path, _anchor(path, keys, kept.heads)
    for path in files:
        with path.open("rb") as file:
            yield path, check_file(file, keys, kept, expected)


def _anchor(path: Path, keys: Sequence[Key], heads: list[Head]) -> Told:
    """One more of the heads that the files are held against."""
    heads.append(open_checkpoint(_text(path.read_bytes()), keys, str(path)))
    yield "an anchor"


def all_told(told: Told) -> Told:
    """With what it raises in the end."""
    try:
        yield from told
    except Finding as finding:
        yield finding


def _print(path: Path, told: Told) -> int:
    """How many findings there are; of each kind the first few are shown."""
    counts = Counter[str]()
    for each in all_told(told):
        if isinstance(each, Finding):
            counts[each.name] += 1
        if isinstance(each, str) or counts[each.name] <= _SHOWN_OF_A_KIND:
            print(f"{path}: {each}")
    for name, count in counts.items():
        if count > _SHOWN_OF_A_KIND:
            print(f"{path}: {name}: {count} in all")
    print(f"{path}: {'NOT as it should be' if counts else 'good'}")
    return counts.total()


def report(
    files: Iterable[Path], anchors: Iterable[Path], keys: Sequence[Key], kept: Kept, expected: str | None = None
) -> int:
    """0 when all is well, 1 after a finding, 2 when a file cannot be read."""
    try:
        return min(1, sum([_print(*check) for check in _checks(files, anchors, keys, kept, expected)]))
    except OSError as error:
        print(error, file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> int:
    options, keys, kept = _options(arguments)
    return report(options.files, options.anchor, keys, kept, options.expect)


if __name__ == "__main__":
    sys.exit(main())
