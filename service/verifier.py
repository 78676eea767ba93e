"""Checks what Rootquorum's audit log says, without Rootquorum and without trusting it.

    python verifier.py --key KEY [--anchor FILE] [--head SIZE:ROOT] [--consistency FILE] [--expect KIND]
        [--signers FILE | --founders FILE | --rules FILE] [--all-signed] [--witnesses FILE] [--extract DIR] FILE …

A file is an export of the log, the evidence of one request, or a checkpoint; docs/audit-log.md says what is in them.
This one file needs Python 3.11 and `cryptography`, and nothing else of the service. In its order: JSON, the tree, the
signed head, witnesses, people's signatures, their statements, whose key counts, signed rules, what may become of a
request, an export, evidence, the command. It ends with 0 when all is well, 1 after a finding, 2 when misused.

It is one file although it is long: whoever checks copies and reads one thing, and no half of it can be left behind.
"""

import argparse
import base64
import hashlib
import json
import re
import shlex
import shutil
import sys
import tempfile
import tomllib
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from functools import lru_cache
from heapq import merge
from itertools import chain, groupby
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard, TypeVar
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

_LARGEST_INTEGER = 2**53 - 1
_LONGEST_LINE, _LONGEST_DOCUMENT = 1 << 24, 1 << 28
_LONGEST_SHOWN, _SHOWN_OF_A_KIND = 120, 5
# What signed-note and tlog-cosignature call the kinds of keys.
_ED25519, _COSIGNATURE = 1, 4
_COSIGNATURE_BYTES = 8 + 64
_MOST_SIGNATURES = 100  # C2SP's signed-note asks readers for 16 at least

_MEMBERS = {"format", "request", "digest", "decisions", "policy", "outcome", "events", "checkpoint", "keys"}
_SIGNED_MEMBERS, _HEAD = {"signing", "heads"}, {"size", "proof"}
_EVIDENCE_1, _EVIDENCE_2 = "rootquorum-evidence/1", "rootquorum-evidence/2"


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


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> bytes:
    return _ENCODER.encode(value).encode(errors="surrogatepass")


def are_same(one: object, other: object) -> bool:
    """To Python, true is the same as 1."""
    return (type(one) is type(other) is int and one == other) or canonical(one) == canonical(other)


def read_json(data: bytes, place: str, *, exact: bool = True) -> Any:
    """A value that every reader reads alike; `exact` is for one in its canonical form."""
    try:
        # The canonical form has a name once, and what is ASCII has ASCII names. So nearly all need no look at each.
        if exact and data.isascii() and data == canonical(value := _DECODER.decode(data.decode())):
            return value
        value = _CHECKING_DECODER.decode(data.decode())
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


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_float)
_CHECKING_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_float
)


def difference(expected: bytes, found: bytes) -> str:
    """Say where the two first differ."""
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
    """What is known from elsewhere: heads, by their two sizes the proofs that one log begins with another, whose
    signatures count, and which witnesses are demanded. `witnessed` are those of the heads that witnesses cosigned.
    """

    heads: list[Head]
    proofs: dict[tuple[int, int], list[bytes]]
    trust: "Trust" = field(default_factory=lambda: Trust())  # noqa: PLW0108  # it is defined further down
    policy: "WitnessPolicy | None" = None
    witnessed: list[Head] = field(default_factory=list)


def from_base64(text: object, length: int) -> bytes:
    """ValueError, if this is not the one way to write so many bytes."""
    decoded = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    if len(decoded) != length or to_base64(decoded) != text:
        raise ValueError(f"{shown(text)} is no Base64 of {length} bytes")
    return decoded


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def read_key(text: str) -> Key:
    """Read `name+id+Base64`. Raise ValueError."""
    return _read_key(text, _ED25519)


def _read_key(text: str, kind: int) -> Key:
    name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
    decoded = from_base64(encoded, 33)
    expected = hashlib.sha256(name.encode() + b"\n" + decoded).digest()[:4]
    if not name or decoded[0] != kind or key_id != expected.hex():
        raise ValueError(f"{shown(text)} is no Ed25519 key as a name, an id that is theirs, and Base64 with + between")
    return Key(text, name, expected, decoded[1:])


def read_head(text: str) -> Head:
    """Read `size:root`, the form in tickets and webhooks. Raise ValueError."""
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
    """Compare kept heads with a signed head alone. A head of another size needs a consistency proof."""
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


# Witnesses: C2SP's tlog-cosignature, and who is demanded: a policy in the form of Sigsum's.


@dataclass(frozen=True)
class Cosignature:
    """By which witness, named as in the policy, and when: in seconds since 1970."""

    witness: str
    at: int


@dataclass(frozen=True)
class WitnessPolicy:
    """The witnesses' keys, of each group how many of which members it takes, and what is demanded: one of the names."""

    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    quorum: str

    def is_met(self, found: set[str], name: str | None = None) -> bool:
        name = self.quorum if name is None else name
        if name not in self.groups:
            return name in found
        count, members = self.groups[name]
        return sum(self.is_met(found, member) for member in members) >= count


def read_witness(text: str) -> Key:
    """Read a witness's key: `name+id+Base64`, of the kind for cosignatures with Ed25519. Raise ValueError."""
    return _read_key(text, _COSIGNATURE)


def read_policy(text: str) -> WitnessPolicy:
    """Read lines `witness NAME KEY`, `group NAME any|all|NUMBER MEMBER…` and one `quorum NAME`. Raise ValueError.

    A name comes before its use, so no group is its own member. A key has one name, so nobody counts twice.
    """
    witnesses, groups, quorum = dict[str, Key](), dict[str, tuple[int, tuple[str, ...]]](), None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        known = {*witnesses, *groups}
        match words:
            case ["witness", name, key, *url] if name not in {*known, "none"} and len(url) <= 1:
                witnesses[name] = read_witness(key)
                if [each.public for each in witnesses.values()].count(witnesses[name].public) > 1:
                    raise ValueError(f"line {number}: two witnesses have the same key")
            case ["group", name, count, *members] if name not in {*known, "none"}:
                groups[name] = _count(count, len(members)), tuple(members)
                if not known.issuperset(members) or len({*members}) < len(members) or not groups[name][0]:
                    raise ValueError(f"line {number}: expected any, all or a number, and so many names from above")
            case ["quorum", name] if quorum is None and name in known:
                quorum = name
            case _:
                raise ValueError(f"line {number}: {shown(line)} is no witness, group or quorum, or its name is wrong")
    if quorum is None:
        raise ValueError("there is no quorum")
    return WitnessPolicy(witnesses, groups, quorum)


def _count(text: str, members: int) -> int:
    """How many of so many members; 0 if that is none, or more than there are."""
    count = {"any": 1, "all": members}.get(text, int(text) if re.fullmatch("[1-9][0-9]{0,3}", text) else 0)
    return count if count <= members else 0


def cosignatures(note: str, policy: WitnessPolicy, place: str) -> list[Cosignature]:
    """The cosignatures of the policy's witnesses on a note that `open_note` has opened; others are passed over."""
    text, _, lines = note.rpartition("\n\n")
    found = []
    for line in lines.removesuffix("\n").split("\n"):
        name, _, encoded = line.removeprefix("\N{EM DASH} ").partition(" ")
        signature = base64.b64decode(encoded)
        for witness, key in policy.witnesses.items():
            if (key.name, key.id) == (name, signature[:4]):
                found.append(Cosignature(witness, _cosigned_at(key, signature[4:], f"{text}\n", place)))
    return found


def _cosigned_at(key: Key, signature: bytes, text: str, place: str) -> int:
    at = int.from_bytes(signature[:8])
    message = f"cosignature/v1\ntime {at}\n{text}"
    if len(signature) != _COSIGNATURE_BYTES or at >= 1 << 63:
        raise Finding("not-a-cosignature", place, f"that of {shown(key.name)} is no time and Ed25519's 64 bytes")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature[8:], message.encode())
    except (InvalidSignature, UnicodeEncodeError):
        raise Finding("wrong-cosignature", place, f"that of {shown(key.name)} is not of this text") from None
    return at


def check_witnessed(note: object, signed: Head, kept: Kept, *, is_log: bool = False) -> Told:
    """That the demanded witnesses cosigned this head, or a kept one that is held against it.

    In a whole log each smaller head is held against it. Any other head takes a proof of consistency.
    """
    if kept.policy is None:
        return
    found = cosignatures(str(note), kept.policy, signed.source)
    if kept.policy.is_met({each.witness for each in found}):
        yield f"cosigned: {_told_cosignatures(found)}"
        return
    sizes = [
        head.size
        for head in kept.witnessed
        if head.size == signed.size
        or (is_log and head.size < signed.size)
        or tuple(sorted((head.size, signed.size))) in kept.proofs
    ]
    if not sizes:
        text = f"expected cosignatures of {shown(kept.policy.quorum)}, found {_told_cosignatures(found) or 'none'}"
        yield Finding("not-witnessed", signed.source, text)
    elif max(sizes) < signed.size:
        yield f"witnesses have seen its first {max(sizes)} events, and not the {signed.size - max(sizes)} after them"


def _told_cosignatures(found: Iterable[Cosignature]) -> str:
    return ", ".join(f"{each.witness} at {_moment_of(each.at)}" for each in found)


def _moment_of(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return f"{seconds} seconds since 1970"


# Signatures: OpenSSH's of files (its PROTOCOL.sshsig), and those of passkeys in the same form (its PROTOCOL.u2f). What
# OpenSSH reads but does not write is refused, so that two readers cannot disagree. conformance/README.md has the rules.

# Each fault is a finding of the same name.
FAULTS = {
    "malformed": "it is not in the form that OpenSSH writes",
    "unsupported-key": "keys of this kind are not accepted",
    "weak-key": "the key is too weak",
    "another-namespace": "it was made for another purpose",
    "another-hash": "it is not over SHA-512",
    "wrong-signature": "it is not of these bytes by this key",
    "not-hardware": "the key is not one of an authenticator",
    "not-touched": "nobody touched the authenticator",
    "not-verified": "the authenticator did not verify its user",
    "not-device-bound": "the key can be copied to other devices",
    "wrong-site": "it was made for another site",
    "not-a-statement": "these bytes are not a statement of this type",
    "another-service": "the statement is for another log",
    "another-request": "the statement is about another request",
    "another-digest": "the statement is about another filing",
    "another-decision": "the statement says another decision",
    "another-person": "the statement is another person's",
    "another-purpose": "the statement says otherwise of whether it is a drill",
    "another-key": "the statement, the signature and the event are not all of one key",
    "another-log": "this log did not have the head that the statement names",
    "too-old": "the head that the statement names was too old",
    "wrong-time": "the statement's time contradicts the log",
    "unregistered": "nothing says that the key is theirs",
    "revoked": "the key was revoked",
    "claimed-twice": "two people claim the key",
    "not-endorsed": "too few people whose keys count endorsed the key",
    "of-oneself": "nobody endorses their own key",
    "ahead-of-the-log": "the endorsement names a head that was still to come",
    "by-no-key-that-counts": "the endorser's key did not count",
}

_DECISION, _REGISTRATION, _ENROLMENT, _OF_RULES = (
    f"{kind}@rootquorum" for kind in ("decision", "registration", "enrolment", "rules")
)
_ED25519_BYTES, _POINT_BYTES = 32, 65  # uncompressed
_SMALLEST_RSA_BITS, _LARGEST_RSA_BITS, _RSA_EXPONENT = 3072, 16384, 65537
_P = 2**255 - 19
_Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021454
# Ed25519's points of small order, without the sign of x: anybody can sign as such a "key".
_SMALL_ORDER = {0, 1, _P - 1, _Y8, _P - _Y8}
_WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
_ARMOR = ("-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n")
_LONGEST_SIGNED = 16 * 1024  # a statement, or the text of a signature
_LONGEST_APPLICATION = 255
# The flags of an authenticator (W3C Web Authentication, section 6.1).
_TOUCHED, _VERIFIED, _COPYABLE, _ATTESTED, _EXTENDED = 0x01, 0x04, 0x08 | 0x10, 0x40, 0x80


class Bad(Exception):
    """A signature, a key or a statement proves nothing, because of one of FAULTS."""

    def __init__(self, fault: str) -> None:
        super().__init__(FAULTS[fault])
        self.fault = fault


class _Reader:
    """Reads the SSH protocol's types of data (RFC 4251, section 5). Raises Bad if the bytes are not there."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def take(self, count: int) -> bytes:
        if len(self._rest) < count:
            raise Bad("malformed")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count))

    def string(self) -> bytes:
        return self.take(self.number(4))

    def text(self) -> str:
        """Read visible ASCII and spaces."""
        text = self.string().decode("latin-1")
        if not text.isascii() or not text.isprintable():
            raise Bad("malformed")
        return text

    def positive(self) -> int:
        """Read a number above zero in its one encoding."""
        encoded = self.string()
        number = int.from_bytes(encoded, signed=True)
        if number <= 0 or number.to_bytes(number.bit_length() // 8 + 1) != encoded:
            raise Bad("malformed")
        return number

    def end(self) -> None:
        if self._rest:
            raise Bad("malformed")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that people sign with. `application` is empty unless the private key is in an authenticator."""

    kind: str
    blob: bytes
    application: str
    material: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey = field(repr=False, compare=False)

    @property
    def text(self) -> str:
        return f"{self.kind} {to_base64(self.blob)}"


def read_public_key(text: str) -> PublicKey:
    """Read the kind and the Base64 of a key, in its one form. Raise Bad."""
    try:
        key = _public_key(base64.b64decode(text.partition(" ")[2], validate=True))
    except ValueError:
        raise Bad("malformed") from None
    if key.text != text:
        raise Bad("malformed")
    return key


def _public_key(blob: bytes) -> PublicKey:
    reader = _Reader(blob)
    material: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
    match kind := reader.text():
        case "ssh-ed25519" | "sk-ssh-ed25519@openssh.com":
            material = _ed25519(reader.string())
        case "ecdsa-sha2-nistp256" | "sk-ecdsa-sha2-nistp256@openssh.com":
            material = _p256(reader.text(), reader.string())
        case "ssh-rsa":
            material = _rsa(reader.positive(), reader.positive())
        case _:
            raise Bad("unsupported-key")
    application = ""
    if kind.startswith("sk-"):
        application = reader.text()
        if not 0 < len(application) <= _LONGEST_APPLICATION or " " in application:
            raise Bad("malformed")
    reader.end()
    return PublicKey(kind, blob, application, material)


def _ed25519(raw: bytes) -> Ed25519PublicKey:
    y = int.from_bytes(raw, "little") % 2**255
    if len(raw) != _ED25519_BYTES or y >= _P:
        raise Bad("malformed")
    if y in _SMALL_ORDER:
        raise Bad("weak-key")
    return Ed25519PublicKey.from_public_bytes(raw)


def _p256(curve: str, point: bytes) -> EllipticCurvePublicKey:
    if curve != "nistp256" or len(point) != _POINT_BYTES:
        raise Bad("malformed")
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except ValueError:
        raise Bad("malformed") from None


def _rsa(exponent: int, modulus: int) -> RSAPublicKey:
    if not _SMALLEST_RSA_BITS <= modulus.bit_length() <= _LARGEST_RSA_BITS or exponent != _RSA_EXPONENT:
        raise Bad("weak-key")
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise Bad("malformed") from None


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator says of a signature. `origin` is the page that asked for it, None for a terminal."""

    flags: int
    origin: str | None
    is_framed: bool


@dataclass(frozen=True, slots=True)
class Demands:
    """What a signature has to prove beyond its key; OpenSSH asks for none of it. Without `rp_id` no passkey will do."""

    rp_id: str | None = None
    origins: frozenset[str] = frozenset()
    user_verified: bool = True
    only_hardware: bool = False
    only_device_bound: bool = False


def verify_signature(armored: str, message: bytes, namespace: str) -> tuple[PublicKey, Assertion | None]:
    """Return the key that signed the message and, if it is in an authenticator, what that says. Raise Bad."""
    reader = _Reader(_unarmored(armored))
    if reader.take(10) != b"SSHSIG\0\0\0\1":
        raise Bad("malformed")
    blob, own_namespace, reserved, hash_name, signature = (reader.string() for _ in range(5))
    reader.end()
    if reserved:
        raise Bad("malformed")
    key = _public_key(blob)
    if own_namespace != namespace.encode():
        raise Bad("another-namespace")
    if hash_name != b"sha512":
        raise Bad("another-hash")
    parts = (own_namespace, b"", hash_name, hashlib.sha512(message).digest())
    return key, _verify(key, _Reader(signature), b"SSHSIG" + b"".join(map(_string, parts)))


def _unarmored(text: str) -> bytes:
    """The bytes of a signature, if the text is exactly what OpenSSH writes for them."""
    begin, end = _ARMOR
    try:
        inner = text.removeprefix(begin).removesuffix(end).replace("\n", "")
        blob = b"" if len(text) > _LONGEST_SIGNED else base64.b64decode(inner, validate=True)
    except ValueError:
        raise Bad("malformed") from None
    encoded = to_base64(blob)
    lines = [encoded[at : at + 70] + "\n" for at in range(0, len(encoded), 70)]
    if text != begin + "".join(lines) + end:
        raise Bad("malformed")
    return blob


def _verify(key: PublicKey, reader: _Reader, signed: bytes) -> Assertion | None:
    algorithm, raw = reader.text(), reader.string()
    in_browser = algorithm == _WEBAUTHN and key.kind == "sk-ecdsa-sha2-nistp256@openssh.com"
    if not in_browser and algorithm != ("rsa-sha2-512" if key.kind == "ssh-rsa" else key.kind):
        raise Bad("malformed")
    if not key.application:
        reader.end()
        _check_raw(key, raw, signed)
        return None
    flags, counter = reader.take(1), reader.take(4)
    origin, client_data, extensions = (
        (reader.text(), reader.string(), reader.string()) if in_browser else (None, signed, b"")
    )
    reader.end()
    if flags[0] & _ATTESTED or bool(flags[0] & _EXTENDED) != bool(extensions):
        raise Bad("malformed")
    is_framed = origin is not None and _is_framed(client_data, origin, signed)
    head = hashlib.sha256(key.application.encode()).digest() + flags + counter
    _check_raw(key, raw, head + extensions + hashlib.sha256(client_data).digest())
    return Assertion(flags[0], origin, is_framed)


def _check_raw(key: PublicKey, raw: bytes, signed: bytes) -> None:
    try:
        match key.material:
            case Ed25519PublicKey() as ed25519:
                if len(raw) != 2 * _ED25519_BYTES:
                    raise Bad("malformed")
                ed25519.verify(raw, signed)
            case EllipticCurvePublicKey() as p256:
                reader = _Reader(raw)
                r, s = reader.positive(), reader.positive()
                reader.end()
                p256.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
            case rsa:
                if len(raw) != (rsa.key_size + 7) // 8:
                    raise Bad("malformed")
                rsa.verify(raw, signed, PKCS1v15(), SHA512())
    except InvalidSignature:
        raise Bad("wrong-signature") from None


def _is_framed(client_data: bytes, origin: str, challenge: bytes) -> bool:
    """Whether the page stood inside another one, in what a browser says of this challenge and origin. Raise Bad.

    It begins with type, challenge and origin (W3C Web Authentication, section 5.8.1.1). OpenSSH ignores the rest.
    """
    if {'"', "\\"} & {*origin}:
        raise Bad("malformed")
    encoded = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
    if not client_data.startswith(f'{{"type":"webauthn.get","challenge":"{encoded}","origin":"{origin}"'.encode()):
        raise Bad("wrong-signature")
    try:
        said = json.loads(client_data.decode(), object_pairs_hook=_unrepeated, parse_constant=_float)
    except (ValueError, RecursionError):
        raise Bad("malformed") from None
    return said.get("crossOrigin", False) is not False or "topOrigin" in said


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members


def unmet(key: PublicKey, assertion: Assertion | None, demands: Demands) -> list[str]:
    """The faults of a good signature that does not prove what is demanded."""
    if assertion is None:
        return ["not-hardware"] if demands.only_hardware or demands.only_device_bound else []
    flags, origin = assertion.flags, assertion.origin
    in_terminal = origin is None and key.application.startswith("ssh:")
    on_site = key.application == demands.rp_id and origin in demands.origins and not assertion.is_framed
    return [
        *(["not-touched"] if not flags & _TOUCHED else []),
        *(["not-verified"] if demands.user_verified and not flags & _VERIFIED else []),
        *(["not-device-bound"] if demands.only_device_bound and flags & _COPYABLE else []),
        *(["wrong-site"] if not in_terminal and not on_site else []),
    ]


# Statements: what people sign.

_SKEW = 30 * 1_000_000  # how far the signer's clock, or another of a fleet, may be off; in microseconds
_LONGEST_PERSON = 1024
_HEX = "[0-9a-f]{64}"
_FORMS = {
    "service": "[!-*,-~]{1,200}",
    "at": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "request_id": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "digest": _HEX,
    "decision": "approve|reject",
    "key": "[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}",
}
_MEMBERS_OF = {
    _DECISION: {"request_id", "digest", "decision", "person"},
    _REGISTRATION: {"person", "key"},
    _ENROLMENT: {"endorser", "person", "key"},
}
# Invisible letters, marks and a symbol beyond the categories below: Unicode's Default_Ignorable_Code_Point.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def read_statement(data: bytes, namespace: str) -> dict[str, Any]:
    """Read what is signed in a namespace, if it is its own canonical form with exactly the members. Raise Bad."""
    try:
        said = read_json(data if len(data) <= _LONGEST_SIGNED else b"", "the statement")
        is_statement = _is_statement(said, namespace)
    except (ValueError, Finding):
        is_statement = False
    if not is_statement:
        raise Bad("not-a-statement")
    return said  # type: ignore[no-any-return]  # a statement is an object


def _is_statement(said: Any, namespace: str) -> bool:
    """Whether a value has the members of a statement, each in its form. Raise ValueError for a thirteenth month."""
    if not isinstance(said, dict):
        return False
    # A decision on a drill says so. One on a real request says nothing of it.
    marked = {"drill"} if namespace == _DECISION and said.get("drill") is True else set()
    if said.keys() != {"type", "service", "log", "at", *marked, *_MEMBERS_OF[namespace]}:
        return False
    log = said["log"]
    is_head = isinstance(log, dict) and log.keys() == {"size", "root"} and type(log["size"]) is int
    return (
        is_head
        and log["size"] >= 0
        and _has_form(_HEX, log["root"])
        and said["type"] == f"rootquorum-{namespace.partition('@')[0]}/1"
        and all(_is_member(name, value) for name, value in said.items() if name not in {"type", "log", *marked})
        and datetime.fromisoformat(said["at"]).isoformat(timespec="seconds") == said["at"].replace("Z", "+00:00")
    )


def _has_form(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_member(name: str, value: object) -> bool:
    if name in {"person", "endorser"}:
        return isinstance(value, str) and 0 < len(value) <= _LONGEST_PERSON and not any(map(_is_unseen, value))
    return _has_form(_FORMS[name], value)


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn"} or _UNSEEN.match(letter) is not None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the statement of a decision has to say. Times are in microseconds since 1970.

    `oldest_size` is the smallest size that was not too old. `had_head` says whether the log had the head that the
    statement names, and `head_at` is the time of the last event that is known to be in it, None if none is known.
    """

    service: str | None
    request_id: str
    digest: str
    decision: str
    person: str
    drill: bool
    oldest_size: int
    had_head: bool
    head_at: int | None
    recorded_at: int


def disagreements(said: dict[str, Any], expected: Expected) -> list[str]:
    """The faults of a decision's statement that says something else."""
    at = _microseconds(said["at"]) or 0
    earliest = None if expected.head_at is None else expected.head_at // _SECOND * _SECOND - _SKEW
    wrong = {
        "another-service": said["service"] != expected.service,
        "another-request": said["request_id"] != expected.request_id,
        "another-digest": said["digest"] != expected.digest,
        "another-decision": said["decision"] != expected.decision,
        "another-person": said["person"] != expected.person,
        "another-purpose": ("drill" in said) is not expected.drill,
        "another-log": not expected.had_head,
        "too-old": said["log"]["size"] < expected.oldest_size,
        "wrong-time": at > expected.recorded_at + _SKEW or (earliest is not None and at < earliest),
    }
    return [fault for fault, is_wrong in wrong.items() if is_wrong]


# Whose key counts: founders', and those that a quorum of others endorsed whose keys counted. Positions are indexes of
# leaves; the head `n` contains the positions below `n`.

Holder = tuple[str, str]  # a person, and the text of their key


@dataclass(frozen=True, slots=True)
class Rules:
    """What rules in force from a position on say of keys."""

    position: int
    quorum: int
    founders: frozenset[Holder]


@dataclass(frozen=True, slots=True)
class Endorsement:
    position: int
    head: int
    endorser: Holder
    holder: Holder


@dataclass(slots=True)
class Facts:
    """What the log says of keys until now, in its order. `revoked` has the first heads at which keys do not count."""

    rules: list[Rules] = field(default_factory=list)
    registered: list[tuple[int, Holder]] = field(default_factory=list)
    endorsements: list[Endorsement] = field(default_factory=list)
    revoked: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Roster:
    """The person of each key that counts, why the other keys do not count, and why endorsements do not.

    `enrolled` are the people who have a key that counts, or had one once: a forged revocation, of the key or of one
    that endorsed it, leaves the duty to sign.
    """

    owners: dict[str, str]
    faults: dict[Holder, str]
    void: dict[Endorsement, str]
    enrolled: frozenset[str]

    def fault(self, holder: Holder) -> str | None:
        """Why this person's key does not count, None if it does."""
        return None if self.owners.get(holder[1]) == holder[0] else self.faults.get(holder, "unregistered")


def roster_at(at: int, facts: Facts) -> Roster:
    """Judge every key at a head that contains all the facts, anew each time, from signatures."""
    registered = _earliest((holder, position + 1) for position, holder in facts.registered)
    founded = ((holder, rules.position + 1) for rules in facts.rules for holder in rules.founders)
    claimed = _earliest(chain(registered.items(), founded))
    revoked = _earliest(facts.revoked)
    claims = dict[str, list[int]]()
    for (_, key), head in claimed.items():
        claims.setdefault(key, []).append(head)
    disputed = {key: sorted(heads)[1] for key, heads in claims.items() if len(heads) > 1}
    positions, endorsers = [rules.position for rules in facts.rules], dict[Holder, set[str]]()

    def is_vouched_for(holder: Holder, head: int) -> bool:
        in_force = bisect_left(positions, head)
        rules = facts.rules[in_force - 1] if in_force else Rules(-1, _LEAST_QUORUM, frozenset())
        return holder in rules.founders or len(endorsers.get(holder, ())) >= rules.quorum

    def fault(holder: Holder, head: int) -> str | None:
        in_force = bisect_left(positions, head)
        is_founder = in_force > 0 and holder in facts.rules[in_force - 1].founders
        if not is_founder and registered.get(holder, head + 1) > head:
            return "unregistered"
        if revoked.get(holder[1], head + 1) <= head:
            return "revoked"
        if disputed.get(holder[1], head + 1) <= head:
            return "claimed-twice"
        return None if is_vouched_for(holder, head) else "not-endorsed"

    void = dict[Endorsement, str]()
    for _, together in groupby(facts.endorsements, key=lambda each: each.position):
        judged = [(each, _void_because(each, fault)) for each in together]
        void |= {each: why for each, why in judged if why is not None}
        for each in (each for each, why in judged if why is None):
            endorsers.setdefault(each.holder, set()).add(each.endorser[0])
    verdicts = {holder: fault(holder, at) for holder in claimed}
    return Roster(
        owners={key: person for (person, key), why in verdicts.items() if why is None},
        faults={holder: why for holder, why in verdicts.items() if why is not None},
        void=void,
        enrolled=frozenset(
            person
            for person, _ in _counted_once(
                {holder for holder, why in verdicts.items() if why is None or is_vouched_for(holder, at)},
                {holder: endorsers.get(holder, set()) for holder in verdicts},
                [each for each, why in void.items() if why == "by-no-key-that-counts"],
                facts.rules[-1].quorum if facts.rules else _LEAST_QUORUM,
            )
        ),
    )


def _counted_once(
    once: set[Holder], endorsers: dict[Holder, set[str]], void: Iterable[Endorsement], least: int
) -> set[Holder]:
    """Whose key counts, or did: a revocation of it, or of a key that endorsed it, leaves the duty to sign."""
    more = once
    while more:
        vouched = {holder: set(people) for holder, people in endorsers.items() if holder not in once}
        for each in void:
            if each.holder in vouched and each.endorser in once:
                vouched[each.holder].add(each.endorser[0])
        more = {holder for holder, people in vouched.items() if len(people) >= least}
        once = once | more
    return once


def _void_because(each: Endorsement, fault: Callable[[Holder, int], str | None]) -> str | None:
    if each.endorser[0] == each.holder[0]:
        return "of-oneself"
    if each.head > each.position:
        return "ahead-of-the-log"
    return None if fault(each.endorser, each.position) is None else "by-no-key-that-counts"


_Named = TypeVar("_Named", bound=Hashable)


def _earliest(heads: Iterable[tuple[_Named, int]]) -> dict[_Named, int]:
    earliest = dict[_Named, int]()
    for name, head in heads:
        earliest[name] = min(head, earliest.get(name, head))
    return earliest


# Signed rules: which version was in force when. A version has the digest of the one before, and is in force once a
# quorum of people has signed it whose keys counted under that one. The first is trusted because it was seen first.
# For an auditor who has a version, the first holds from the beginning of the log: settings prove nothing to them.


@dataclass(frozen=True, slots=True)
class SignedRules:
    """A version of the rules, as far as it concerns keys. `digest` is the SHA-256 of its file."""

    version: int
    digest: str
    previous: str | None
    quorum: int
    founders: frozenset[Holder]
    demands: Demands
    # Keys that it revokes, each with the head from which it is not to be trusted; None for a retired one.
    revoked: frozenset[tuple[str, int | None]] = frozenset()


def read_rules(data: bytes) -> SignedRules:
    """Read a file of rules. Raise ValueError."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    try:
        document = tomllib.loads(data.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    version, previous = document.get("version"), document.get("previous")
    quorum = _object(document, "policy").get("quorum", _LEAST_QUORUM)
    if type(version) is not int or type(quorum) is not int or quorum < _LEAST_QUORUM:
        raise ValueError("version and policy.quorum are whole numbers")
    if (previous is None) != (version == 1) or not isinstance(previous, str | None):
        raise ValueError("every version but the first names the one before")
    founders = set[Holder]()
    for person, founder in _object(document, "founders").items():
        for line in _texts(founder.get("keys") if isinstance(founder, dict) else None):
            try:
                founders.add((person, read_public_key(" ".join(line.split()[:2])).text))
            except Bad as bad:
                raise ValueError(f"a founder's key: {bad}") from None
    demands, digest = _demands_of_log(_object(document, "signing")), hashlib.sha256(data).hexdigest()
    revoked = frozenset(_revoked(document.get("revoked_keys", [])))
    return SignedRules(version, digest, previous, quorum, frozenset(founders), demands, revoked)


def _revoked(listed: object) -> Iterator[tuple[str, int | None]]:
    known = set[str]()
    for each in listed if isinstance(listed, list) else [None]:
        said = {} if not isinstance(each, dict) or each.keys() - {"key", "reason", "since"} else each
        reason, since = said.get("reason", "retired"), said.get("since", 0)
        try:
            key = read_public_key(" ".join(str(said.get("key")).split()[:2])).text
        except Bad as bad:
            raise ValueError(f"a revoked key: {bad}") from None
        is_compromised = reason == "compromised"
        if key in known or not (is_compromised or reason == "retired"):
            raise ValueError("a revoked key stands once, as retired or as compromised")
        if type(since) is not int or since < 0 or ("since" in said and not is_compromised):
            raise ValueError("a compromised key is revoked since a size of the log")
        known.add(key)
        yield key, since if is_compromised else None


def signed_approvals_of(file: bytes) -> str:
    """Return which approvals a version demands to be signed. A word that is not known demands all of them."""
    said = _object(tomllib.loads(file.decode()), "policy").get("signed_approvals", _STRICTNESS[0])
    return said if isinstance(said, str) and said in _STRICTNESS else _STRICTNESS[-1]


def recorded_rules(event: Event) -> tuple[bytes, SignedRules]:
    """Return the file of the version in an event, and what it says. Raise ValueError."""
    data = event["data"]
    file = str(data.get("text")).encode()
    rules = read_rules(file)
    if [data.get(name) for name in ("version", "digest", "previous")] != [rules.version, rules.digest, rules.previous]:
        raise ValueError("version, digest or previous are not those of the file")
    return file, rules


def first_rules(leaves: Iterable[bytes]) -> bytes | None:
    """Return the file of the first version of the rules in a log, None if there is none."""
    return next((file for leaf in leaves if (file := rules_in(leaf)) is not None), None)


def rules_in(leaf: bytes) -> bytes | None:
    """Return the file of the version that an event records, None if it is another event."""
    if b'"event":"rules.signed"' not in leaf:
        return None
    with suppress(ValueError, RecursionError):
        event = json.loads(leaf)
        if is_event(event) and event["event"] == _RULES_SIGNED:
            return recorded_rules(event)[0]
    return None


class RuleChain:
    """The versions that came into force, as the log goes on. `known` are their digests, `newest` is the last, and
    `signed` says which approvals that one demands to be signed.
    """

    def __init__(self) -> None:
        self.newest: SignedRules | None = None
        self.known, self.signed = set[str](), _STRICTNESS[0]

    def fault(self, rules: SignedRules) -> tuple[str, str] | None:
        """Why a version cannot follow the newest one, whoever signed it: the finding and its text."""
        newest = self.newest
        if newest is None:
            return None
        if rules.version < newest.version:
            return "rules-older", f"version {rules.version} after version {newest.version}"
        if rules.version != newest.version + 1 or rules.previous != newest.digest:
            return "rules-foreign", f"version {rules.version} does not follow version {newest.version}"
        return None

    def follow(self, file: bytes, rules: SignedRules) -> None:
        self.newest, self.signed = rules, signed_approvals_of(file)
        self.known.add(rules.digest)


class Past:
    """What is known of the log as it was: roots at the sizes that statements name, and times of events."""

    def __init__(self, wanted: Iterable[int] = ()) -> None:
        self._wanted, self._roots = frozenset(wanted), {0: Tree().root().hex()}
        self._times = list[tuple[int, int]]()

    def note(self, size: int, event: Event, root: Callable[[], bytes]) -> None:
        """Remember the event that made the log this large, if a statement names the size."""
        if size in self._wanted:
            self._roots[size] = root().hex()
        if (size in self._wanted or size - 1 in self._wanted) and (at := _time(event.get("at"))) is not None:
            self._times.append((size, at))

    def had(self, size: int, root: str) -> bool:
        return self._roots.get(size) == root

    def last_within(self, size: int) -> int | None:
        """The time of the last known event that a log of this size has."""
        at = self._count_within(size)
        return self._times[at - 1][1] if at else None

    def first_beyond(self, size: int) -> int | None:
        at = self._count_within(size)
        return self._times[at][1] if at < len(self._times) else None

    def _count_within(self, size: int) -> int:
        return bisect_right(self._times, size, key=lambda known: known[0])


class _PastOfEvidence(Past):
    """The same, by proofs that the signed log begins with the logs that statements name."""

    def __init__(self, signed: Head, proofs: dict[int, list[bytes]], events: Iterable[Event]) -> None:
        super().__init__()
        self._signed, self._proofs = signed, proofs
        self._times = sorted((event["seq"], _moment(event)) for event in events)

    def had(self, size: int, root: str) -> bool:
        if not size:
            return super().had(size, root)
        try:
            proof = self._proofs.get(size, [])
            check_consistency(size, self._signed.size, bytes.fromhex(root), self._signed.root, proof)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Trust:
    """What the auditor knows of keys, and demands. Where it is None, the log's own word is taken.

    `signers` are all keys that count. `founders` are those that others' endorsements have to lead to. Of `demands`,
    those that are stricter than the log's hold, and its site if it names one. `all_signed` demands that every approval
    is signed, whatever the requests say. `rules` is any version of the signed rules, which has to be among the log's.
    """

    signers: frozenset[Holder] | None = None
    founders: frozenset[Holder] | None = None
    demands: Demands | None = None
    all_signed: bool = False
    rules: SignedRules | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """What signatures are held against: the name of this log, what it was, and what the auditor trusts.

    `has_rules` says that the versions of the signed rules are among the events. `first_rules` is the file of the first
    of them. `extract` is the folder into which good approvals are written.
    """

    service: str | None = None
    past: Past = field(default_factory=Past)
    trust: Trust = Trust()
    extract: Path | None = None
    has_rules: bool = True
    first_rules: bytes | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A good decision: its bytes, its signature, by which key of whose, and the size of the log that it names."""

    request_id: str
    seq: int
    person: str
    key: str
    head: int
    statement: str
    signature: str


# The rules: what may become of a request, as its events tell it. Evidence, an export and the service's own check of its
# database are all held against this.

_LEAST_QUORUM = 2
_SECOND = 1_000_000  # times are in microseconds
# How far the clocks of a fleet may be apart, and how long two transactions may have been at work at once.
_TOLERANCE = 60 * _SECOND

_EVENT = {"seq": int, "at": str, "event": str, "actor": dict, "data": dict}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_FILING = {
    "id": str,
    "operation": str,
    "requester": str,
    "requester_kind": str,
    "recipient": str,
    "run_on_approval": bool,
    "quorum": int,
    "filed_at": str,
    "approve_by": str,
    "execution_window_seconds": int,
}
_FILED, _DECIDED, _APPROVED, _STARTED = "request.filed", "decision.recorded", "request.approved", "execution.started"
_DELIVERED, _SUCCEEDED, _ROLLED_BACK = "execution.delivered", "execution.succeeded", "key.rolled_back"
_RECEIVED, _SUSPENDED, _REINSTATED = "receipt.confirmed", "person.suspended", "person.reinstated"
_RELEASED, _OLD_DEACTIVATED, _OLD_DELETED = "cut_over.released", "old_key.deactivated", "old_key.deleted"
_ROTATION_STOPPING, _ROTATION_STOPPED = "rotation.stopping", "rotation.stopped"
_OF_PEOPLE = {"person.seen", "person.changed", _SUSPENDED, _REINSTATED}
_OF_TOKENS = {"token.created", "token.revoked"}
_REGISTERED, _ENDORSED, _RULES_CHANGED = "signing_key.registered", "signing_key.endorsed", "policy.changed"
_RULES_SIGNED = "rules.signed"
_OF_SIGNING = {_REGISTERED, _ENDORSED, "signing_key.revoked", _RULES_CHANGED, _RULES_SIGNED}
# Whether approvals have to be signed: nobody's, those of people who have a key, everybody's.
_STRICTNESS = ("off", "enrolled", "required")
_UNDECIDED = ("pending", "approved")
# The status that each event leads to, and those that it may follow.
LIFE = {
    _APPROVED: ("approved", ("pending",)),
    "request.rejected": ("rejected", _UNDECIDED),
    "request.withdrawn": ("withdrawn", _UNDECIDED),
    "request.expired": ("expired", _UNDECIDED),
    _STARTED: ("executing", ("approved",)),
    "execution.in_doubt": ("in_doubt", ("executing",)),
    _DELIVERED: ("delivered", ("executing",)),
    _SUCCEEDED: ("succeeded", ("executing", "in_doubt")),
    "execution.failed": ("failed", ("executing", "in_doubt")),
    _RECEIVED: ("succeeded", ("delivered",)),
    _ROLLED_BACK: ("rolled_back", ("delivered",)),
    _OLD_DELETED: ("succeeded", ("rotating",)),
    _ROTATION_STOPPED: ("stopped", ("rotating",)),
}
_ROTATING = "rotating"  # what a receipt leads to, if a rotation goes on with it
_WITH_A_KEY = ("rotating", "succeeded", "stopped")
# What the worker does about a delivered key, each at most once, and the status in which it may.
_GIVEN_UP, _OVERDUE, _DEACTIVATED, _RETIRED = "receipt.given_up", "receipt.overdue", "key.deactivated", "key.retired"
_OF_KEYS = {
    _GIVEN_UP: ("delivered",),
    _OVERDUE: ("delivered",),
    _DEACTIVATED: ("delivered", *_WITH_A_KEY),
    "key.expiring": ("delivered", *_WITH_A_KEY),
    "key.expiry_failed": ("delivered", *_WITH_A_KEY),
    _RETIRED: _WITH_A_KEY,
}
# What is said of a rotation besides, each at most once, and the status in which it may.
_OF_ROTATIONS = {
    _RELEASED: ("rotating",),
    "rotation.waiting": ("rotating",),
    _OLD_DEACTIVATED: ("rotating",),
    _ROTATION_STOPPING: ("delivered", "rotating"),
}
_AT_AN_END = {_OLD_DELETED, _ROTATION_STOPPED}
# How a rotation may end that somebody stopped; and how long a call to AWS may take that had begun before.
_BY_PEOPLE = {"rotation_rejected", "rotation_withdrawn"}
_LONGEST_CALL = 600 * _SECOND
_STEPS = {"unused_for_seconds", "cut_over_within_seconds", "deletion_wait_seconds"}
_SHORTEST_STEP, _LONGEST_STEP = 3600, 366 * 86400
_OF_LIFETIMES = {"key.expiring", "key.expiry_failed", _RETIRED}
_NAMING_THE_KEY = {_DEACTIVATED, "key.expiry_failed", _RETIRED}  # the others say status, digest and result
# What a roll-back says that takes back at once a key of which nobody ever had the secret.
_NEVER_SEEN = {"not_recorded", "secret_withheld"}
# How a drill ends that came to its call. None was sent.
_DRILLED = "drilled"
# What somebody does by deciding; and what comes before there is a result.
_BY_DECISION = {_APPROVED, "request.rejected"}
_BEFORE_AN_END = {*_BY_DECISION, "request.withdrawn", "request.expired", _STARTED}
ENDS = {name for name, (reached, _) in LIFE.items() if not any(reached in before for _, before in LIFE.values())}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAKING_KEYS = {"create_access_key", "rotate_access_key"}
_LETTING_IN = {*_MAKING_KEYS, "allow_password_recovery"}
_WORKER = ("service", "rootquorum")
_LONGEST_SIGN_IN = "decision_max_auth_age"  # in seconds; and how old the head may be that a signed decision names
_SIGN_IN = "oidc-"  # begins the credential of a sign-in at a provider; any other is the id of an API token


def is_event(value: object) -> TypeGuard[Event]:
    return (
        isinstance(value, dict)
        and all(type(value.get(name)) is kind for name, kind in _EVENT.items())
        and isinstance(value.get("request_id", 0), str | None)
        and _time(value["at"]) is not None
    )


def _time(text: object) -> int | None:
    """Microseconds since 1970 of a time in the log's one form."""
    return _microseconds(text) if isinstance(text, str) and _TIME.fullmatch(text) else None


@lru_cache(maxsize=256)  # each event is asked for its own several times; whatever gets here is short
def _microseconds(text: str) -> int | None:
    try:
        return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except ValueError:
        return None


def _moment(event: Event) -> int:
    return _time(event["at"]) or 0


def _place(event: Event) -> str:
    return f"seq {event['seq']}, request {shown(event['request_id'])}"


@dataclass(frozen=True, slots=True)
class _Vote:
    """An approval that counts, until something makes it void.

    A signed one has the `key`, and the size of the log that its signer knew; both are None where it was not judged.
    """

    seq: int
    at: int
    credential: str
    is_signed: bool
    key: str | None
    head: int | None


@dataclass(slots=True)
class _Request:
    """What has to be remembered of a request until it ends, and then until a lifetime that it gave a key has ended.

    `last` is the number of its latest event. Times and durations are microseconds; `lifetime` None for no end.
    """

    digest: str
    requester: tuple[str, str]
    recipient: str
    is_create: bool
    is_sealed: bool
    lets_in: bool
    runs_by_itself: bool
    quorum: int
    window: int
    receipt_window: int
    grace: int
    lifetime: int | None
    demands: "_Demands"
    longest_sign_in: int | None
    is_drill: bool
    deadline: int
    last: int
    at: int
    status: str = "pending"
    approvals: dict[str, _Vote] = field(default_factory=dict)  # by person
    rejections: set[str] = field(default_factory=set)
    deciders: set[bytes] = field(default_factory=set)  # whose decisions there were, and who executed: `_who`
    executor: set[bytes] = field(default_factory=set)
    known_keys: set[str] = field(default_factory=set)
    key: "_Key | None" = None
    rotation: "_Rotation | None" = None


@dataclass(slots=True)
class _Rotation:
    """The plan of a rotation, and what has become of its old key; `done` are the names of these events.

    Times and durations are microseconds.
    """

    old_key: object
    unused_for: int
    cut_over_within: int
    deletion_wait: int
    received_at: int | None = None
    cut_over_at: int | None = None
    stopping_at: int | None = None
    done: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Demands:
    """What the rules of a filing demand: how many of each group, at least so many people, methods of which a sign-in
    has one for each rule, a comment, hours, a lifetime of at most that in microseconds, a ticket, MFA for a new key,
    a sealed secret, and signatures (one of `_STRICTNESS`).
    """

    rules: list[str] = field(default_factory=list)
    approvals: dict[str, int] = field(default_factory=dict)
    quorum: int = 0
    methods: tuple[frozenset[str], ...] = ()
    comment: bool = False
    hours: tuple[dict[str, Any], ...] = ()
    lifetime: int | None = None
    ticket: bool = False
    mfa: bool = False
    sealed: bool = False
    signed: str = "off"


@dataclass(slots=True)
class _Key:
    """What was delivered, and what the worker did about it; `done` are the names of these events."""

    result: Event
    receipt_by: int
    expires_at: str | None
    deactivated_at: int | None = None
    done: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Person:
    """What voided somebody's votes, in order, and since when they are suspended.

    `marks` void all votes of before them in the log: number and time. `since` void all votes of before these times.
    `suspensions` are marks that also void what was signed without knowing of them.
    """

    marks: list[tuple[int, int]] = field(default_factory=list)
    suspensions: list[tuple[int, int]] = field(default_factory=list)
    since: list[int] = field(default_factory=list)
    suspended_at: int | None = None

    def mark(self, seq: int, at: int, *, suspended: bool) -> None:
        self.marks.append((seq, at))
        self.count_from(at)
        if not suspended:
            self.suspended_at = None
            return
        self.suspensions.append((seq, at))
        if self.suspended_at is None:
            self.suspended_at = at

    def count_from(self, since: int) -> None:
        if not self.since or since > self.since[-1]:
            self.since.append(since)

    def void_at(self, vote: _Vote) -> int | None:
        """Return when the vote became void."""
        mark, since = bisect_left(self.marks, (vote.seq, 0)), bisect_right(self.since, vote.at)
        times = [at for _, at in self.marks[mark : mark + 1]] + self.since[since : since + 1]
        times += [at for seq, at in self.suspensions if vote.head is not None and seq > vote.head]
        return min(times, default=self.suspended_at)


@dataclass(slots=True)
class _Token:
    """An API token; `owner` None for one that was made before the first event that is here."""

    owner: str | None
    revoked_at: int | None = None


class Signatures:
    """Judges what people signed, and keeps whose keys count as the log goes on."""

    def __init__(self, signing: Signing) -> None:
        trust = signing.trust
        self._signing, self._trust, self._facts = signing, trust, Facts()
        self._given = trust.founders if trust.signers is None else trust.signers
        if self._given is not None:
            self._facts.rules.append(Rules(-1, _LEAST_QUORUM, self._given))
        self._roster: Roster | None = None  # None after another fact
        self._demands, self._chain = _stricter(Demands(), trust.demands), RuleChain()
        self._longest: int | None = None
        self._position, self._is_whole, self._believed_the_log = 0, True, False
        self._recorded: str | None = None  # the digest of the last version in force that an event has recorded
        if trust.rules is not None and signing.first_rules is not None:
            self._bring_into_force(signing.first_rules, read_rules(signing.first_rules), -1)

    @property
    def in_force(self) -> tuple[int, str]:
        """The quorum of the signed rules in force, and which approvals they demand to be signed."""
        newest = self._chain.newest
        return (0, _STRICTNESS[0]) if newest is None or not self._is_whole else (newest.quorum, self._chain.signed)

    @property
    def roster(self) -> Roster:
        if self._roster is None:
            self._roster = roster_at(self._position, self._facts)
        return self._roster

    def key_fault(self, person: str, key: str) -> str | None:
        """Why a key does not count for a person. None if it does, or if events are missing that might say it."""
        return self.roster.fault((person, key)) if self._is_whole or self._trust.signers is not None else None

    def lose(self) -> None:
        """Take note that events are missing: heads are not compared, and only `signers` says whose keys count."""
        self._is_whole = False

    def notes(self) -> Told:
        trusted = self._trust.rules
        if trusted is not None and self._is_whole and trusted.digest not in self._chain.known:
            text = f"version {trusted.version}, {trusted.digest}, never came into force here"
            if not self._signing.has_rules:
                text = f"{_EVIDENCE_1} has no versions of the rules: get the evidence anew"
            yield Finding("other-rules", "the rules that were given", text)
        if trusted is not None or not self._believed_the_log:
            return
        if self._chain.newest is not None:
            yield "whose keys count is as the first rules in the log say: --rules FILE says it from elsewhere"
        else:
            yield (
                "whose keys count is as the log says that the settings said: "
                "--signers or --founders FILE says it from elsewhere"
            )

    def learn(self, event: Event) -> Told:
        """Remember what an event says of keys, as far as signatures prove it."""
        name, data, position = event["event"], event["data"], event["seq"] - 1
        self._position, self._roster = event["seq"], None
        if name == _RULES_CHANGED:
            yield from self._change_rules(event)
        elif name == _RULES_SIGNED:
            yield from self._follow_rules(event)
        elif name in {_REGISTERED, _ENDORSED}:
            faults = list(self._believe(event))
            yield from _found(event, faults)
        elif isinstance(key := data.get("key"), str):
            since = data.get("since")
            is_earlier = data.get("reason") == "compromised" and type(since) is int and since <= position
            self._facts.revoked.append((key, since if is_earlier else position + 1))

    def _change_rules(self, event: Event) -> Told:
        book = _object(event["data"], "rulebook")
        policy, said = _object(book, "policy"), _object(book, "signing")
        self._longest, quorum = _duration(policy, _LONGEST_SIGN_IN), policy.get("quorum")
        if self._chain.newest is not None or self._trust.rules is not None:
            return  # only the signed rules say whose keys count, and what they have to prove
        self._demands = _stricter(_demands_of_log(said), self._trust.demands)
        if self._trust.signers is not None:
            return
        holders = set(self._given or ())
        for person, keys in _object(said, "founders").items() if self._given is None else ():
            for key in sorted(_texts(keys)):
                try:
                    holders.add((person, read_public_key(key).text))
                except Bad as bad:
                    yield from _found(event, [bad.fault])
        least = max(_LEAST_QUORUM, quorum if type(quorum) is int else 0)
        self._facts.rules.append(Rules(event["seq"] - 1, least, frozenset(holders)))

    def _follow_rules(self, event: Event) -> Told:
        """Bring a version of the signed rules into force, if people whose keys count say so."""
        place = _place(event)
        try:
            file, rules = recorded_rules(event)
        except ValueError as error:
            yield Finding("not-rules", place, str(error))
            return
        if not self._is_whole:
            return
        newest = self._chain.newest
        if newest is None or rules.digest != newest.digest:  # the version in force may be recorded again
            fault = self._chain.fault(rules) or self._unsigned(file, rules, event)
            if fault is not None:
                name, text = fault
                yield Finding(name, place, text)
                return
            if newest is None and self._given is None:
                self._facts.rules.clear()  # it holds from the beginning of the log, as founders in the settings did
            self._bring_into_force(file, rules, -1 if newest is None else event["seq"] - 1)
        self._recorded = rules.digest

    def _bring_into_force(self, file: bytes, rules: SignedRules, position: int) -> None:
        self._chain.follow(file, rules)
        self._demands = _stricter(rules.demands, self._trust.demands)
        if self._given is None:
            self._facts.rules.append(Rules(position, rules.quorum, rules.founders))
        # For good: a later version that leaves one out does not take it back.
        end = position + 1
        self._facts.revoked += [(key, end if since is None else min(since, end)) for key, since in rules.revoked]
        self._roster = None

    def _unsigned(self, file: bytes, rules: SignedRules, event: Event) -> tuple[str, str] | None:
        before = self._chain.newest
        if before is None:
            return None
        owners, people = roster_at(event["seq"] - 1, self._facts).owners, set[str]()
        listed = event["data"].get("signatures")
        for armored in listed if isinstance(listed, list) else []:
            with suppress(Bad):
                key, assertion = verify_signature(str(armored), file, _OF_RULES)
                if key.text in owners and not unmet(key, assertion, self._demands):
                    people.add(owners[key.text])
        missing = before.quorum - len(people)
        if missing <= 0:
            return None
        return "rules-unsigned", f"version {rules.version}: {missing} of {before.quorum} signatures are missing"

    def rules_fault(self, said: object) -> str | None:
        """Why a request that is filed now cannot name these rules. None if it can, or if events are missing."""
        if not self._is_whole or not self._signing.has_rules or said == self._recorded:
            return None
        return f"expected {self._recorded}, which were in force, found {shown(said)}"

    def _believe(self, event: Event) -> Iterator[str]:
        """Add a registration or an endorsement to the facts. Yield what is wrong with it, and then do not."""
        data, position, is_endorsement = event["data"], event["seq"] - 1, event["event"] == _ENDORSED
        try:
            # Stricter rules about keys do not undo what was proved before.
            demands = replace(self._demands, only_hardware=False, only_device_bound=False)
            said, key, faults = _proved(event, _ENROLMENT if is_endorsement else _REGISTRATION, demands)
            of = read_public_key(said["key"]).text
        except Bad as bad:
            yield bad.fault
            return
        holder, head = (said["person"], of), said["log"]["size"]
        if said["service"] != self._signing.service:
            faults.append("another-service")
        if self._is_whole and not self._had(said, event):
            faults.append("another-log")
        if any(data.get(name) != said[name] for name in ("person", "endorser") if name in said):
            faults.append("another-person")
        if data.get("key") != of or (not is_endorsement and key.text != of):
            faults.append("another-key")
        yield from faults
        if faults or self._trust.signers is not None:
            return
        if not is_endorsement:
            self._facts.registered.append((position, holder))
            return
        endorsement = Endorsement(position, head, (said["endorser"], key.text), holder)
        self._facts.endorsements.append(endorsement)
        void = roster_at(position + 1, self._facts).void.get(endorsement)
        if void is not None and self._is_whole:
            yield void

    def _had(self, said: dict[str, Any], event: Event) -> bool:
        """Whether the log had the head that a statement names, when it was recorded."""
        size = said["log"]["size"]
        return size < event["seq"] and self._signing.past.had(size, said["log"]["root"])

    def judge(self, event: Event, request: _Request) -> tuple[list[str], Signed | None]:
        """The faults of a signed decision, and what is signed if there are none."""
        data = event["data"]
        try:
            said, key, faults = _proved(event, _DECISION, self._demands)
        except Bad as bad:
            return [bad.fault], None
        size = said["log"]["size"]
        expected = Expected(
            service=self._signing.service,
            request_id=event["request_id"],
            digest=request.digest,
            decision=str(data.get("decision")),
            person=str(data.get("person")),
            drill=request.is_drill,
            oldest_size=size + 1 if self._is_whole and self._is_old(size, event, request) else 0,
            had_head=self._had(said, event) or not self._is_whole,
            head_at=self._signing.past.last_within(size) if self._is_whole else None,
            recorded_at=_moment(event),
        )
        faults += disagreements(said, expected)
        of_key = self.key_fault(said["person"], key.text)
        faults += [] if of_key is None else [of_key]
        self._believed_the_log |= self._given is None
        if faults:
            return faults, None
        about = (event["request_id"], event["seq"], said["person"], key.text, size)
        return [], Signed(*about, data["statement"], data["signature"])

    def _is_old(self, size: int, event: Event, request: _Request) -> bool:
        """Whether the log had grown beyond this size longer ago than a sign-in may be."""
        known = [each for each in (self._longest, request.longest_sign_in) if each is not None]
        beyond = self._signing.past.first_beyond(size)
        return bool(known) and beyond is not None and beyond <= _moment(event) - max(known) - _TOLERANCE


def _proved(event: Event, namespace: str, demands: Demands) -> tuple[dict[str, Any], PublicKey, list[str]]:
    """What was signed, by which key, and which demands the signature does not meet. Raise Bad."""
    statement, signature = event["data"].get("statement"), event["data"].get("signature")
    data = statement.encode(errors="surrogatepass") if isinstance(statement, str) else b""
    said = read_statement(data, namespace)
    key, assertion = verify_signature(signature if isinstance(signature, str) else "", data, namespace)
    return said, key, unmet(key, assertion, demands)


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    return found if isinstance(found := document.get(name), dict) else {}


def _found(event: Event, faults: Iterable[str]) -> Iterator[Finding]:
    for fault in faults:
        person = shown(event["data"].get("person"))
        yield Finding(fault, _place(event), f"{event['event']} of {person}: {FAULTS[fault]}")


def _demands_of_log(said: dict[str, Any]) -> Demands:
    rp_id = said.get("rp_id")
    return Demands(
        rp_id=rp_id if isinstance(rp_id, str) else None,
        origins=frozenset(_texts(said.get("origins"))),
        user_verified=said.get("user_verified") is not False,
        only_hardware=said.get("only_hardware") is True,
        only_device_bound=said.get("only_device_bound") is True,
    )


def _stricter(of_log: Demands, given: Demands | None) -> Demands:
    if given is None:
        return of_log
    site = of_log if given.rp_id is None else given
    return Demands(
        rp_id=site.rp_id,
        origins=site.origins,
        user_verified=of_log.user_verified or given.user_verified,
        only_hardware=of_log.only_hardware or given.only_hardware,
        only_device_bound=of_log.only_device_bound or given.only_device_bound,
    )


class Replay:
    """Holds events against the rules, one after the other.

    It remembers requests that have not ended, those whose key has a lifetime that has not ended, people and tokens;
    and with `signing`, all that is said of keys that people sign with. Without it, signatures are not judged.

    A log has all events, evidence those of one request: then nothing is known of people, of tokens and of numbers.
    """

    def __init__(self, *, is_log: bool, signing: Signing | None = None) -> None:
        self.open = dict[str, _Request]()
        self._signing, self._signatures = signing, None if signing is None else Signatures(signing)
        self._unsigned = 0
        self._knows_filings, self._knows_others = True, is_log
        self._people, self._tokens = dict[str, _Person](), dict[str, _Token]()
        self._strangers, self._unjudged = set[str](), 0
        self._without_policy = 0

    def lose(self) -> None:
        """Take note that events are missing here: what they may have changed is not judged any more."""
        self._knows_filings = self._knows_others = False
        self._unjudged += len(self.open)
        self._strangers |= self.open.keys()
        self.open.clear()
        if self._signatures is not None:
            self._signatures.lose()

    def take(self, event: Event) -> Told:
        """Yield what the next event breaks."""
        if not is_event(event):
            yield Finding("not-an-event", f"seq {shown(event.get('seq'))}", f"found {shown(event)}")
            self.lose()
            return
        name, request = event["event"], self.open.get(event["request_id"])
        if name in _OF_PEOPLE | _OF_TOKENS | _OF_SIGNING:
            self._learn(event)
            if name in _OF_SIGNING and self._signatures is not None:
                yield from self._signatures.learn(event)
            if event["request_id"] is not None:
                yield Finding("wrong-request", _place(event), f"{name} is about no request")
        if name == _FILED:
            yield from self._file(event, request)
        elif request is not None:
            yield from self._continue(event, request)
        elif name in LIFE or name in _OF_KEYS or name in _OF_ROTATIONS or name == _DECIDED:
            yield from self._miss(event)

    def notes(self) -> Told:
        """Say what could not be judged, and find what can only be found at the end."""
        if self._unjudged:
            yield f"{self._unjudged} requests were not judged: their filing, or another event of theirs, is not here"
        if self._without_policy:
            yield (
                f"{self._without_policy} executions are of a version that did not say which quorum was in force: "
                "judged by the quorum that was filed"
            )
        if self._unsigned:
            yield f"{self._unsigned} approvals are not signed, and did not have to be: --all-signed demands it"
        if self._signatures is not None:
            yield from self._signatures.notes()

    def _learn(self, event: Event) -> None:
        """Remember what an event says about people and tokens."""
        name, data, at = event["event"], event["data"], _moment(event)
        token_id = str(data.get("token_id"))
        if name in _OF_PEOPLE:
            person = self._people.setdefault(str(data.get("person")), _Person())
            if name in {_SUSPENDED, _REINSTATED}:
                person.mark(event["seq"], at, suspended=name == _SUSPENDED)
            elif (since := _time(data.get("votes_since"))) is not None:
                person.count_from(since)
        elif name == "token.created":
            self._tokens.setdefault(token_id, _Token(str(data.get("subject"))))
        elif name == "token.revoked":
            token = self._tokens.setdefault(token_id, _Token(None))
            token.revoked_at = at if token.revoked_at is None else token.revoked_at

    def _is_suspended(self, subject: str, at: int) -> bool:
        person = self._people.get(subject)
        suspended_at = None if person is None else person.suspended_at
        return suspended_at is not None and abs(at - suspended_at) >= _TOLERANCE

    def _miss(self, event: Event) -> Told:
        """Find fault with an event of a request that is not open."""
        request_id = event["request_id"]
        if self._knows_filings:
            yield Finding("not-open", _place(event), f"{event['event']}: it had ended, or was never filed")
        elif request_id not in self._strangers:
            self._strangers.add(request_id)
            self._unjudged += 1
        # One with a lifetime is done with when its key is.
        is_end = event["event"] in ENDS and event["data"].get("status") != _ROTATING
        if event["event"] == _RETIRED or (is_end and "expires_at" not in event["data"]):
            self._strangers.discard(request_id)

    def _file(self, event: Event, twin: _Request | None) -> Told:
        place, data, filing = _place(event), event["data"], event["data"].get("filing")
        if twin is not None or (self._knows_others and event.get("previous") is not None):
            yield Finding("filed-twice", place, "there were events of this request before")
            if twin is not None:
                twin.last = event["seq"]
                return
        if not isinstance(filing, dict) or any(type(filing.get(name)) is not kind for name, kind in _FILING.items()):
            yield Finding("not-filed", place, f"expected {sorted(_FILING)} among what was filed")
            return
        request_id, deadline = event["request_id"], _time(filing["approve_by"])
        if filing["id"] != request_id or deadline is None:
            text = f"expected its id and a time to approve by, found {shown([filing['id'], filing['approve_by']])}"
            yield Finding("not-filed", place, text)
            return
        digest = hashlib.sha256(canonical(filing)).hexdigest()
        if data.get("digest") != digest:
            yield Finding("wrong-digest", place, f"expected {digest}, found {shown(data.get('digest'))}")
        if filing["filed_at"] != event["at"]:
            text = f"it says that it was filed at {shown(filing['filed_at'])}, and was at {event['at']}"
            yield Finding("time-contradicts", place, text)
        if self._signatures is not None and (wrong := self._signatures.rules_fault(filing.get("rules"))) is not None:
            yield Finding("other-rules", place, wrong)
        lifetime, demands = _duration(filing, "lifetime_seconds"), _demands(filing)
        yield from _check_asked(event, filing, demands)
        rotation = _rotation(filing)
        if (filing["operation"] == "rotate_access_key" or "rotation" in filing) and rotation is None:
            yield Finding("not-filed", place, f"this is no plan of a rotation: {shown(filing.get('rotation'))}")
        self.open[request_id] = request = _Request(
            digest=digest,
            requester=(filing["requester_kind"], filing["requester"]),
            recipient=filing["recipient"],
            is_create=filing["operation"] in _MAKING_KEYS,
            is_sealed="sealed_to" in filing,
            lets_in=filing["operation"] in _LETTING_IN,
            runs_by_itself=filing["run_on_approval"],
            quorum=filing["quorum"],
            window=filing["execution_window_seconds"] * _SECOND,
            receipt_window=_duration(filing, "receipt_window_seconds") or 0,
            grace=_duration(filing, "rollback_grace_seconds") or 0,
            lifetime=lifetime,
            demands=demands or _Demands(),
            longest_sign_in=_duration(_object(data, "policy"), _LONGEST_SIGN_IN),
            is_drill=filing.get("drill") is True,
            deadline=deadline,
            last=event["seq"],
            at=_moment(event),
            rotation=None if filing.get("drill") is True else rotation,
        )
        yield from _check_marked(event, request)
        yield from self._check_actor(event, [request.requester])

    def _continue(self, event: Event, request: _Request) -> Told:
        place, data, at = _place(event), event["data"], _moment(event)
        if self._knows_others and not are_same(event.get("previous", request.last), request.last):
            text = f"expected {request.last} before it, it says {shown(event['previous'])}"
            yield Finding("left-out", place, text)
        if at < request.at - _TOLERANCE:
            yield Finding("time-contradicts", place, f"it is of {event['at']}, before what it follows")
        request.last, request.at = event["seq"], max(request.at, at)
        yield from _check_marked(event, request)
        if event["event"] == _DECIDED:
            yield from self._decide(event, request)
        elif event["event"] in LIFE:
            yield from self._step(event, request)
        elif event["event"] in _OF_KEYS:
            yield from self._treat(event, request)
        elif event["event"] in _OF_ROTATIONS:
            yield from self._rotate(event, request)
        elif data.get("status", request.status) != request.status:
            text = f"it says {shown(data['status'])} of a request that is {request.status}"
            yield Finding("wrong-step", place, text)

    def _decide(self, event: Event, request: _Request) -> Told:
        """A decision counts that nothing is wrong with."""
        data = event["data"]
        person, credential = str(data.get("person")), str(data.get("credential"))
        found, signed = self._check_signature(event, request)
        broken = [*self._check_decision(event, request), *self._check_credential(event), *found]
        yield from broken
        request.deciders.add(_who(event))
        request.approvals.pop(person, None)
        if data.get("decision") != "approve":
            request.rejections.add(person)
        elif not broken:
            key, head = (None, None) if signed is None else (signed.key, signed.head)
            request.approvals[person] = _Vote(event["seq"], _moment(event), credential, _is_signed(event), key, head)
            if signed is not None and self._signing is not None and self._signing.extract is not None:
                yield extracted(signed, self._signing.extract)

    def _check_signature(self, event: Event, request: _Request) -> tuple[list[Finding], Signed | None]:
        """The findings about a decision's signature, and what is signed. A rejection need not be."""
        person, is_approval = event["data"].get("person"), event["data"].get("decision") == "approve"
        signatures, trust = self._signatures, Trust() if self._signing is None else self._signing.trust
        if _is_signed(event):
            faults, signed = ([], None) if signatures is None else signatures.judge(event, request)
            return [*_found(event, faults)], signed
        wanted = ["required" if trust.all_signed else request.demands.signed, self._in_force[1]]
        if is_approval and any(self._has_to_sign(person, each) for each in wanted):
            return [Finding("unsigned", _place(event), f"{shown(person)} did not sign it")], None
        is_given = any(each is not None for each in (trust.signers, trust.founders, trust.rules))
        self._unsigned += is_approval and is_given
        return [], None

    @property
    def _in_force(self) -> tuple[int, str]:
        """The quorum of the signed rules in force, and which approvals they demand to be signed."""
        return (0, _STRICTNESS[0]) if self._signatures is None else self._signatures.in_force

    def _has_to_sign(self, person: object, wanted: object) -> bool:
        enrolled = frozenset[str]() if self._signatures is None else self._signatures.roster.enrolled
        is_enrolled = isinstance(person, str) and person in enrolled
        return wanted == "required" or (wanted == "enrolled" and is_enrolled)

    def _is_signed_enough(self, person: str, vote: _Vote, wanted: Iterable[object]) -> bool:
        """Whether an approval is signed by a key that still counts, or need not be signed.

        The service locks the log before it judges. So no key was revoked at the same time.
        """
        if not vote.is_signed:
            return not any(self._has_to_sign(person, each) for each in wanted)
        return self._signatures is None or vote.key is None or self._signatures.key_fault(person, vote.key) is None

    def _check_decision(self, event: Event, request: _Request) -> Told:
        place, data, by, at = _place(event), event["data"], event["actor"], _moment(event)
        said = ["person", data.get("person"), data.get("credential")]
        if not isinstance(said[1], str) or [by.get("kind"), by.get("subject"), by.get("credential")] != said:
            yield Finding("not-own-decision", place, f"expected it in person, found {shown(by)}")
        if data.get("decision") == "approve" and data.get("person") in (request.requester[1], request.recipient):
            text = f"{shown(data['person'])} approved what they asked for or receive"
            yield Finding("own-approval", place, text)
        yield from _check_digest(event, request)
        # A rotation can be rejected until its old key is gone.
        is_stop = data.get("decision") == "reject" and request.status in _OF_ROTATIONS[_ROTATION_STOPPING]
        is_stop = is_stop and request.rotation is not None
        if request.status not in _UNDECIDED and not is_stop:
            yield Finding("wrong-step", place, f"a decision on a request that is {request.status}")
        if at >= request.deadline + _TOLERANCE and not is_stop:
            yield Finding("too-late", place, "a decision after the time for it was over")
        if self._is_suspended(str(data.get("person")), at):
            yield Finding("suspended", place, f"{shown(data.get('person'))} was suspended")
        if data.get("decision") == "approve":
            yield from _check_manner(event, request.demands)

    def _step(self, event: Event, request: _Request) -> Told:
        """A request goes on from where a step leads, even a wrong one; but nothing takes an execution back."""
        name, data = event["event"], event["data"]
        reached, before = LIFE[name]
        if name == _RECEIVED and request.rotation is not None:
            reached = _ROTATING
        if request.status not in before or data.get("status") != reached:
            yield _misstep(event, request)
            if name == _APPROVED or (name == _STARTED and request.status not in _UNDECIDED):
                return
        yield from _check_digest(event, request)
        yield from self._check_result(event, request)
        yield from self._check_who(event, request)
        if name == _APPROVED:
            yield from self._check_quorum(event, request)
            yield from _check_clock(event, "execute_by", request.window)
            request.deadline = _moment(event) + request.window
        elif name == _STARTED:
            yield from self._check_start(event, request)
        elif name in (_DELIVERED, _SUCCEEDED):
            yield from self._deliver(event, request)
        elif request.rotation is not None:
            yield from self._go_on(event, request, request.rotation)
        request.status = reached
        key = request.key if name in {_RECEIVED, *_AT_AN_END} else None
        has_end = key is not None and key.expires_at is not None and _RETIRED not in key.done
        if name in ENDS and reached != _ROTATING and not has_end:
            del self.open[event["request_id"]]

    def _check_who(self, event: Event, request: _Request) -> Told:
        name = event["event"]
        alone = {
            "request.withdrawn": request.requester,
            "request.expired": _WORKER,
            _RECEIVED: ("person", request.recipient),
            _ROLLED_BACK: _WORKER,
            _OLD_DELETED: _WORKER,
            _ROTATION_STOPPED: _WORKER,
        }
        if name == "request.withdrawn" and _is_hook(event):
            return  # a tracker closed the ticket that the request names; it can end a request and do nothing else
        if name in alone:
            yield from self._check_actor(event, [alone[name]])
            yield from _check_not_early(event, request)
            if name == _RECEIVED and request.key is not None and _GIVEN_UP in request.key.done:
                yield Finding("wrong-step", _place(event), f"{name} after {_GIVEN_UP}")
        elif name in _BY_DECISION:
            yield from _check_same(event, request.deciders)
        elif name != _STARTED:
            yield from _check_same(event, request.executor, or_worker=True)

    def _deliver(self, event: Event, request: _Request) -> Told:
        """A create delivers its key, which somebody confirms or the worker takes back; nothing else does."""
        name, data = event["event"], event["data"]
        if request.is_create is not (name == _DELIVERED):
            text = f"{name} of what makes {'a' if request.is_create else 'no'} key"
            yield Finding("wrong-step", _place(event), text)
        if name == _DELIVERED:
            expires_at, result = data.get("expires_at"), data.get("result")
            lifetime = None if request.is_drill else request.lifetime
            if lifetime is not None:
                yield from _check_clock(event, "expires_at", lifetime)
            elif expires_at is not None:
                yield Finding("wrong-clock", _place(event), "the key was asked for without an end, or in a drill")
            request.key = _Key(
                result=result if isinstance(result, dict) else {},
                receipt_by=_moment(event) + request.receipt_window,
                expires_at=expires_at if lifetime is not None and _time(expires_at) is not None else None,
            )

    def _treat(self, event: Event, request: _Request) -> Told:
        """Judge what the worker does to a delivered key."""
        name, place, data, key = event["event"], _place(event), event["data"], request.key
        yield from self._check_actor(event, [_WORKER])
        if (
            key is None
            or request.status not in _OF_KEYS[name]
            or name in key.done
            or (key.expires_at is None and name in _OF_LIFETIMES)
            or request.is_drill
        ):
            yield Finding("wrong-step", place, f"{name} of a request that is {request.status}")
        if name not in _NAMING_THE_KEY:
            if data.get("status") != request.status:
                yield Finding(
                    "wrong-step", place, f"{name}: expected {request.status}, found {shown(data.get('status'))}"
                )
            yield from _check_digest(event, request)
            yield from self._check_result(event, request)
        elif key is not None and data.get("access_key_id") != key.result.get("access_key_id"):
            text = f"{name}: expected {shown(key.result.get('access_key_id'))}, which was delivered, found "
            yield Finding("wrong-key", place, text + shown(data.get("access_key_id")))
        yield from _check_not_early(event, request)
        if key is not None:
            key.done.add(name)
            if name == _DEACTIVATED and key.deactivated_at is None:
                key.deactivated_at = _moment(event)
        if name == _RETIRED and request.status != _ROTATING:
            del self.open[event["request_id"]]

    def _rotate(self, event: Event, request: _Request) -> Told:
        """Judge what is said of a rotation before it ends."""
        name, place, data, rotation, at = event["event"], _place(event), event["data"], request.rotation, _moment(event)
        involved = [who for who in (request.requester, ("person", request.recipient)) if who[0] == "person"]
        if rotation is None or request.status not in _OF_ROTATIONS[name] or name in rotation.done:
            yield Finding("wrong-step", place, f"{name} of a request that is {request.status}")
        if name == _ROTATION_STOPPING:
            # By whoever rejected it at that moment, or by its requester.
            is_rejected = event["actor"].get("subject") in request.rejections
            yield from (
                self._check_who_stops(event, request) if is_rejected else self._check_actor(event, [request.requester])
            )
            yield from _check_digest(event, request)
            yield from self._check_result(event, request)
        else:
            yield from self._check_actor(event, involved if name == _RELEASED else [_WORKER])
        if rotation is None:
            return
        if name in {_RELEASED, _OLD_DEACTIVATED} and data.get("access_key_id") != rotation.old_key:
            text = f"{name}: expected {shown(rotation.old_key)}, which is replaced, found "
            yield Finding("wrong-key", place, text + shown(data.get("access_key_id")))
        if name == _OLD_DEACTIVATED:
            yield from _check_cut_over(event, rotation)
            rotation.cut_over_at = at
        elif name == _ROTATION_STOPPING:
            rotation.stopping_at = at
        elif rotation.stopping_at is not None:
            yield Finding("wrong-step", place, f"{name} after {_ROTATION_STOPPING}")
        rotation.done.add(name)

    def _check_who_stops(self, event: Event, request: _Request) -> Told:
        yield from _check_same(event, request.deciders)
        yield from self._check_credential(event)

    def _go_on(self, event: Event, request: _Request, rotation: _Rotation) -> Told:
        """Judge the receipt and the end of a rotation."""
        name, place, at, result = event["event"], _place(event), _moment(event), event["data"].get("result")
        said = result if isinstance(result, dict) else {}
        if name == _RECEIVED:
            rotation.received_at = at
        elif name == _OLD_DELETED:
            if rotation.cut_over_at is None or at < rotation.cut_over_at + rotation.deletion_wait - _TOLERANCE:
                text = f"the old key had not been inactive for {rotation.deletion_wait // _SECOND} seconds"
                yield Finding("too-early", place, f"{name}: {text}")
            yield from _check_not_stopped(event, rotation, said)
        elif name == _ROTATION_STOPPED and said.get("code") in _BY_PEOPLE and rotation.stopping_at is None:
            yield Finding("wrong-step", place, f"{name} without {_ROTATION_STOPPING}")
        if name in _AT_AN_END and request.key is not None:
            request.key.result = said

    def _check_result(self, event: Event, request: _Request) -> Told:
        """Hold what became of the execution, and the end of a lifetime, against what was delivered."""
        name, place, data, key = event["event"], _place(event), event["data"], request.key
        found, expires_at = data.get("result"), data.get("expires_at")
        if name in _BEFORE_AN_END:
            is_right = found is None
        elif not isinstance(found, dict):
            is_right = False
        elif key is None:  # none is known before the delivery, and a lost one never
            new = found.get("access_key_id")
            is_new = new is None if request.is_drill else isinstance(new, str) and new not in request.known_keys
            is_sealed = "sealed_sha256" not in found if request.is_drill else _is_sealed_as(request, found)
            is_right = is_new and is_sealed if name == _DELIVERED else new is None
        elif name == _ROLLED_BACK or name in _AT_AN_END:
            is_right = found.get("access_key_id") == key.result.get("access_key_id")
        else:
            is_right = found == key.result
        if isinstance(found, dict) and name in (_DELIVERED, _SUCCEEDED):
            is_right = is_right and (found.get("code") == _DRILLED) is request.is_drill
        if isinstance(found, dict) and request.is_drill:
            is_right = is_right and found.get("aws_request_id") is None
        if not is_right:
            yield Finding("wrong-result", place, f"{name}: {shown(found)} is not what can have become of it")
        if name != _DELIVERED and expires_at != (None if key is None else key.expires_at):
            yield Finding("wrong-clock", place, f"{name}: the lifetime of the key ends at {shown(expires_at)}")

    def _check_start(self, event: Event, request: _Request) -> Told:
        place, at = _place(event), _moment(event)
        receiving = ("person", request.recipient)
        runners = [receiving] if request.is_create else [request.requester, receiving]
        if request.runs_by_itself and not request.is_create:
            runners.append(_WORKER)
        yield from self._check_actor(event, runners)
        known = event["data"].get("known_key_ids")
        if not isinstance(known, list) or len(_texts(known)) != len(known):
            yield Finding("wrong-result", place, f"expected the ids of the keys that there were, found {shown(known)}")
        request.executor, request.known_keys = {_who(event)}, _texts(known)
        yield from _check_fresh(event, request)
        yield from _check_hours(event, request)
        if at >= request.deadline + _TOLERANCE:
            yield Finding("too-late", place, "an execution after the time for it was over")
        for who in sorted({request.requester[1], request.recipient}):
            if self._is_suspended(who, at):
                yield Finding("suspended", place, f"{shown(who)}, who asked for it or receives it, was suspended")
        if request.rejections:
            yield Finding("executed-against", place, f"{shown(sorted(request.rejections))} had rejected it")
        yield from self._check_quorum(event, request)

    def _check_quorum(self, event: Event, request: _Request) -> Told:
        """Hold what counts against the quorum that was filed, or that in force where it is stricter."""
        place, at, policy = _place(event), _moment(event), event["data"].get("policy")
        in_force = policy.get("quorum") if isinstance(policy, dict) else None
        if event["event"] == _STARTED and "policy" not in event["data"]:
            self._without_policy += 1  # versions before schema 0008 did not say it
        elif event["event"] == _STARTED and type(in_force) is not int:
            yield Finding("no-policy", place, "it does not say which quorum was in force")
        quorum_of_rules, signed_by_rules = self._in_force
        needed = max(_LEAST_QUORUM, request.quorum, in_force if type(in_force) is int else 0, quorum_of_rules)
        of_groups = dict(request.demands.approvals)
        if event["event"] == _STARTED:
            asked = _counts(policy.get("approvals", {})) if isinstance(policy, dict) else {}
            if asked is None:
                yield Finding("no-policy", place, f"these are no demands of groups: {shown(policy)}")
            for group, count in (asked or {}).items():
                of_groups[group] = max(of_groups.get(group, 0), count)
        wanted = [request.demands.signed, _object(event["data"], "policy").get("signed_approvals"), signed_by_rules]
        votes = {who: vote for who, vote in request.approvals.items() if self._is_signed_enough(who, vote, wanted)}
        voided = {person: self._void_at(person, vote) for person, vote in votes.items()}
        counting = [person for person, void in voided.items() if void is None]
        # What voided them may have been at work at the same time, and have come into the log a moment before.
        perhaps = [person for person, void in voided.items() if void is not None and abs(at - void) < _TOLERANCE]
        if len(counting) + len(perhaps) < needed:
            text = f"expected {needed} others who approved this digest, found {shown(sorted(counting + perhaps))}"
            yield Finding("no-quorum", place, text)
            return
        said = event["data"].get("groups")
        groups = {person: _texts(said.get(person)) if isinstance(said, dict) else set() for person in voided}
        # The log says who is in which group when an execution begins; before that the service alone knows it.
        demanded = of_groups if event["event"] == _STARTED else {}
        if _met(demanded, {person: groups[person] for person in counting + perhaps}) < sum(demanded.values()):
            text = f"expected {shown(demanded)} of these groups, each another person, found {shown(said)}"
            yield Finding("no-quorum", place, text)
        elif len(counting) < needed or _met(demanded, {who: groups[who] for who in counting}) < sum(demanded.values()):
            yield f"{place}: the approvals of {shown(sorted(perhaps))} became void within a minute of {event['event']}"

    def _void_at(self, person: str, vote: _Vote) -> int | None:
        """Return when an approval became void, or None if it counts."""
        token, known = self._tokens.get(vote.credential), self._people.get(person)
        times = (
            None if token is None else token.revoked_at,
            None if known is None else known.void_at(vote),
        )
        return min((each for each in times if each is not None), default=None)

    def _check_actor(self, event: Event, expected: Sequence[tuple[str, str]]) -> Told:
        by = event["actor"]
        if (by.get("kind"), by.get("subject")) not in expected:
            text = f"{event['event']}: expected one of {shown(expected)}, found {shown(by)}"
            yield Finding("wrong-actor", _place(event), text)
        yield from self._check_credential(event)

    def _check_credential(self, event: Event) -> Told:
        """The service needs none. A sign-in is named by what proved it. An API token is its owner's; the log says whose
        it is, and when it was revoked.
        """
        by, credential = event["actor"], str(event["actor"].get("credential"))
        proof = by.get("proof")
        if _is_worker(event):
            return
        if credential.startswith(_SIGN_IN):
            named = _SIGN_IN + hashlib.sha256(canonical(proof)).hexdigest()[:32]
            if credential != named or not isinstance(proof, dict):
                text = f"no proof is there of the sign-in {shown(credential)}"
                yield Finding("wrong-credential", _place(event), text)
            return
        if proof is not None:
            yield Finding("wrong-credential", _place(event), f"{shown(credential)} is no sign-in, which has a proof")
        if not self._knows_others:
            return
        token = self._tokens.get(credential)
        if token is None or token.owner != by.get("subject"):
            text = f"no event says that the token {shown(credential)} was made for {shown(by.get('subject'))}"
            yield Finding("wrong-credential", _place(event), text)
        elif token.revoked_at is not None and abs(_moment(event) - token.revoked_at) >= _TOLERANCE:
            yield Finding("wrong-credential", _place(event), f"the token {shown(credential)} had been revoked")


def _is_sealed_as(request: _Request, result: dict[str, Any]) -> bool:
    """Whether a delivery names the SHA-256 of a sealed file, exactly where the secret had to be sealed."""
    named = result.get("sealed_sha256")
    if not request.is_sealed:
        return "sealed_sha256" not in result
    return isinstance(named, str) and re.fullmatch("[0-9a-f]{64}", named) is not None


def _rotation(filing: dict[str, Any]) -> _Rotation | None:
    """Return the plan of a filing's rotation; None if it is none, or that is not what a plan looks like."""
    said = filing.get("rotation")
    if filing["operation"] != "rotate_access_key" or not isinstance(said, dict) or said.keys() != _STEPS:
        return None
    if not all(type(each) is int and _SHORTEST_STEP <= each <= _LONGEST_STEP for each in said.values()):
        return None
    return _Rotation(
        old_key=filing.get("access_key_id"),
        unused_for=said["unused_for_seconds"] * _SECOND,
        cut_over_within=said["cut_over_within_seconds"] * _SECOND,
        deletion_wait=said["deletion_wait_seconds"] * _SECOND,
    )


def _check_cut_over(event: Event, rotation: _Rotation) -> Told:
    """That the old key was deactivated after the receipt, when it was unused or somebody said so, and not too late.

    A call whose answer was lost is recorded when it is found out, and then without a request id of AWS.
    """
    place, at, received_at = _place(event), _moment(event), rotation.received_at
    is_seen = event["data"].get("aws_request_id") is not None
    wait = 0 if _RELEASED in rotation.done else rotation.unused_for
    if received_at is None or at < received_at + wait - _TOLERANCE:
        yield Finding("too-early", place, f"{event['event']}: nobody had said so, and its time was not over")
    elif is_seen and at > received_at + rotation.cut_over_within + _LONGEST_CALL:
        yield Finding("too-late", place, f"{event['event']}: the time for it was over")
    yield from _check_not_stopped(event, rotation, event["data"])


def _check_not_stopped(event: Event, rotation: _Rotation, said: dict[str, Any]) -> Told:
    """That nothing was begun after somebody had stopped the rotation."""
    if rotation.stopping_at is None or said.get("aws_request_id") is None:
        return
    if _moment(event) > rotation.stopping_at + _LONGEST_CALL:
        yield Finding("wrong-step", _place(event), f"{event['event']} after {_ROTATION_STOPPING}")


def _is_part(name: str, value: object) -> bool:
    """Whether a demand may have a part of this name with this value."""
    match name:
        case "rule":
            return isinstance(value, str)
        case "approvals":
            return _counts(value) is not None
        case "quorum" | "max_lifetime_seconds":
            return type(value) is int
        case "require_root_mfa" | "ticket_required" | "approval_comment" | "sealed_delivery":
            return value is True
        case "decision_amr":
            return isinstance(value, list) and bool(value) and len(_texts(value)) == len(value)
        case _:
            is_strictness = name == "signed_approvals" and value in _STRICTNESS
            return is_strictness or (name == "hours" and _are_hours(value))


def _demands(filing: dict[str, Any]) -> _Demands | None:
    """Return what the rules of a filing demand, None if that is not what demands look like."""
    said = filing.get("demands", [])
    if not isinstance(said, list) or not all(
        isinstance(each, dict) and "rule" in each and all(_is_part(name, value) for name, value in each.items())
        for each in said
    ):
        return None
    signed = [each.get("signed_approvals", "off") for each in (filing, *said)]
    if any(each not in _STRICTNESS for each in signed):
        return None
    approvals: dict[str, int] = {}
    for demand in said:
        for group, count in demand.get("approvals", {}).items():
            approvals[group] = max(approvals.get(group, 0), count)
    lifetimes = [demand["max_lifetime_seconds"] * _SECOND for demand in said if "max_lifetime_seconds" in demand]
    return _Demands(
        rules=sorted(demand["rule"] for demand in said),
        approvals=approvals,
        quorum=max((demand.get("quorum", 0) for demand in said), default=0),
        methods=tuple(frozenset(demand["decision_amr"]) for demand in said if "decision_amr" in demand),
        comment=any("approval_comment" in demand for demand in said),
        hours=tuple(demand["hours"] for demand in said if "hours" in demand),
        lifetime=min(lifetimes, default=None),
        ticket=any("ticket_required" in demand for demand in said),
        mfa=any("require_root_mfa" in demand for demand in said),
        sealed=any("sealed_delivery" in demand for demand in said),
        signed=max(signed, key=_STRICTNESS.index),
    )


# More of a group than anybody would demand.
_MOST_OF_A_GROUP = 1000


def _counts(value: object) -> dict[str, int] | None:
    """Return how many of each group are demanded; None for what says something else."""
    if not isinstance(value, dict) or not all(
        type(count) is int and 0 < count <= _MOST_OF_A_GROUP for count in value.values()
    ):
        return None
    return value


def _met(demanded: dict[str, int], groups: dict[str, set[str]]) -> int:
    """How many of the demanded approvals there are if each person stands for one: a maximum matching."""
    places = [group for group, count in demanded.items() for _ in range(min(count, len(groups)))]
    taken: dict[int, str] = {}
    return sum(_seat(person, places, groups, taken) for person in sorted(groups))


def _seat(person: str, places: list[str], groups: dict[str, set[str]], taken: dict[int, str]) -> bool:
    """Find a place for one more person, by moving others if necessary. Breadth first, so that nothing recurses."""
    came_from: dict[int, tuple[int | None, str]] = {}
    waiting: list[tuple[int | None, str]] = [(None, person)]
    for left, who in waiting:  # it grows meanwhile
        for place, group in enumerate(places):
            if group not in groups[who] or place in came_from:
                continue
            came_from[place] = left, who
            if place in taken:
                waiting.append((place, taken[place]))
                continue
            free: int | None = place
            while free is not None:
                before, taken[free] = came_from[free]
                free = before
            return True
    return False


def _check_asked(event: Event, filing: dict[str, Any], demands: _Demands | None) -> Told:
    """That what was filed is what the policy of the same event allows, and demands what its rules demand."""
    place, data, policy = _place(event), event["data"], event["data"].get("policy")
    said = policy if isinstance(policy, dict) else {}
    in_force = said.get("quorum")
    if "policy" in data and (type(in_force) is not int or in_force > filing["quorum"]):
        text = f"expected the quorum in force, {shown(in_force)}, or more, found {filing['quorum']}"
        yield Finding("wrong-quorum", place, text)
    if demands is None:
        yield Finding("not-filed", place, f"these are no demands of rules: {shown(filing.get('demands'))}")
        return
    least = max(sum(demands.approvals.values()), demands.quorum)
    if least > filing["quorum"]:
        text = f"expected a quorum of {least}, as the demands of the rules say, found {filing['quorum']}"
        yield Finding("wrong-quorum", place, text)
    limits = [each for each in (_duration(said, "max_lifetime"), demands.lifetime) if each is not None]
    longest, asked = min(limits, default=None), _duration(filing, "lifetime_seconds")
    is_create = filing["operation"] in _MAKING_KEYS
    if is_create and longest is not None and (asked is None or asked > longest):
        found = shown(filing.get("lifetime_seconds"))
        yield Finding(
            "not-allowed", place, f"expected a lifetime of at most {longest // _SECOND} seconds, found {found}"
        )
    if (said.get("ticket_required") is True or demands.ticket) and filing.get("ticket") is None:
        yield Finding("not-allowed", place, "expected a ticket")
    observed = filing.get("observed")
    if is_create and demands.mfa and not (isinstance(observed, dict) and observed.get("mfa_enabled") is True):
        yield Finding("not-allowed", place, "expected that the root user has MFA")
    is_sealed = isinstance(filing.get("sealed_to"), str)
    if is_sealed is not ("sealed_to" in filing) or (is_sealed and not is_create):
        yield Finding("not-filed", place, f"nothing can be sealed to {shown(filing['sealed_to'])}")
    if is_create and not is_sealed and (said.get("sealed_delivery") == "required" or demands.sealed):
        yield Finding("not-allowed", place, "expected a key to which the secret is sealed")
    if demands.rules != sorted(_texts(said.get("rules"))):
        text = f"expected the rules {shown(said.get('rules'))}, found {shown(demands.rules)}"
        yield Finding("not-allowed", place, text)


def _check_hours(event: Event, request: _Request) -> Told:
    """That what lets somebody in began within all hours that were filed, and that the policy of the event has."""
    policy = event["data"].get("policy")
    in_force = policy.get("hours", []) if isinstance(policy, dict) else []
    if not request.lets_in:
        return
    if not isinstance(in_force, list) or not all(map(_are_hours, in_force)):
        yield Finding("outside-hours", _place(event), f"these are no hours: {shown(in_force)}")
        return
    for hours in [*request.demands.hours, *in_force]:
        try:
            is_open = _is_open(hours, _moment(event))
        except (LookupError, ValueError, OSError):
            yield f"{_place(event)}: {shown(hours['zone'])} is not among the time zones here: its hours were not judged"
        except OverflowError:
            yield Finding("outside-hours", _place(event), f"{event['at']} is no time of that zone")
        else:
            if not is_open:
                yield Finding("outside-hours", _place(event), f"expected it within {shown(hours)}")


_CLOCK, _DATE = re.compile(r"[0-2][0-9]:[0-5][0-9]"), re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _are_hours(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"days", "opens", "closes", "zone", "closed_on"}:
        return False
    days, dates = value["days"], value["closed_on"]
    return (
        isinstance(days, list)
        and _texts(days) <= set(_DAYS)
        and len(_texts(days)) == len(days) > 0
        and isinstance(dates, list)
        and len(_texts(dates)) == len(dates)
        and all(_DATE.fullmatch(day) for day in dates)
        and all(isinstance(value[name], str) and _CLOCK.fullmatch(value[name]) for name in ("opens", "closes"))
        and isinstance(value["zone"], str)
    )


def _is_open(hours: dict[str, Any], at: int) -> bool:
    """Whether a time is within hours. Raise LookupError or ValueError for a zone that is not here, OverflowError."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(ZoneInfo(hours["zone"]))
    opens, closes = clock.fromisoformat(hours["opens"]), clock.fromisoformat(hours["closes"])
    began = local.date()
    if opens >= closes and local.time() < opens:
        if local.time() >= closes or began.isoformat() in hours["closed_on"]:
            return False
        began -= timedelta(days=1)
    elif not opens <= local.time() or (opens < closes and local.time() >= closes):
        return False
    return _DAYS[began.weekday()] in hours["days"] and began.isoformat() not in hours["closed_on"]


def _check_manner(event: Event, demands: _Demands) -> Told:
    """That an approval was made as the rules of the filing demand: with a comment, by a strong sign-in."""
    proof = event["actor"].get("proof")
    amr = _texts(proof.get("amr")) if isinstance(proof, dict) else set()
    if demands.comment and not event["data"].get("comment"):
        yield Finding("no-comment", _place(event), "the rules demand a comment that says why")
    if any(methods.isdisjoint(amr) for methods in demands.methods):
        yield Finding("stale-sign-in", _place(event), "the sign-in was weaker than the rules demand")


def _is_signed(event: Event) -> bool:
    return any(event["data"].get(name) is not None for name in ("statement", "signature"))


def _is_worker(event: Event) -> bool:
    by = event["actor"]
    return (by.get("kind"), by.get("subject")) == _WORKER and (by.get("credential"), by.get("proof")) == (
        "worker",
        None,
    )


def _is_hook(event: Event) -> bool:
    by = event["actor"]
    is_named = by.get("kind") == "machine" and str(by.get("subject")).startswith("hook:")
    return is_named and (by.get("credential"), by.get("proof")) == ("hook", None)


def _who(event: Event) -> bytes:
    return canonical([event["actor"].get(name) for name in ("kind", "subject", "credential", "proof")])


def _check_same(event: Event, expected: set[bytes], *, or_worker: bool = False) -> Told:
    """That it was done by one who did what led to it, and by the same credential, whatever has become of that since."""
    by, name = event["actor"], event["event"]
    if or_worker and _is_worker(event):
        return
    if not expected and name != "request.rejected":
        return  # what led to it is missing, which is a finding of its own
    if _who(event) not in expected:
        text = f"{name}: expected one of {shown(sorted(expected))}, found {shown(by)}"
        yield Finding("wrong-actor", _place(event), text)


def _check_marked(event: Event, request: _Request) -> Told:
    """That each event of a drill says that it is of one, and no event of a real request does."""
    if (found := event["data"].get("drill")) is not (True if request.is_drill else None):
        what = "a drill" if request.is_drill else "a real request"
        yield Finding(
            "wrong-mark", _place(event), f"{event['event']} of {what} says {shown(found)} of whether it is a drill"
        )


def _check_digest(event: Event, request: _Request) -> Told:
    found = event["data"].get("digest")
    if found != request.digest:
        yield Finding("wrong-digest", _place(event), f"expected {request.digest}, found {shown(found)}")


def _check_clock(event: Event, name: str, window: int) -> Told:
    """That the time `name` is a window later than its event."""
    found = _time(event["data"].get(name))
    if found is None or abs(found - _moment(event) - window) >= _TOLERANCE:
        text = f"expected {name} {window // _SECOND} seconds after {event['at']}, found "
        yield Finding("wrong-clock", _place(event), text + shown(event["data"].get(name)))


def _check_not_early(event: Event, request: _Request) -> Told:
    """That a key is taken away when its receipt or its lifetime is over, and deleted when the grace is."""
    name, data, key, at = event["event"], event["data"], request.key, _moment(event)
    result = data if name == _RETIRED else data.get("result") if name == _ROLLED_BACK else None
    said = result if isinstance(result, dict) else {}
    if key is None or name not in {_GIVEN_UP, _OVERDUE, _DEACTIVATED, _RETIRED, _ROLLED_BACK}:
        return
    if name == _ROLLED_BACK and str(said.get("code")) in _NEVER_SEEN:
        return
    ends = [] if key.expires_at is None else [_time(key.expires_at) or 0]
    if request.status == "delivered" and (name != _DEACTIVATED or _GIVEN_UP in key.done):
        ends.append(key.receipt_by)
    if not ends or at < min(ends) - _TOLERANCE:
        yield Finding("too-early", _place(event), f"{name}: neither its receipt nor its lifetime was over")
    elif said.get("aws_request_id") is not None and (
        key.deactivated_at is None or at < key.deactivated_at + request.grace - _TOLERANCE
    ):
        text = f"{name}: the key had not been inactive for {request.grace // _SECOND} seconds"
        yield Finding("too-early", _place(event), text)


def _check_fresh(event: Event, request: _Request) -> Told:
    """That whoever executed was signed in as freshly and as strongly as the policy of the same event demands."""
    policy, by = event["data"].get("policy"), event["actor"]
    if not isinstance(policy, dict) or "execution_sign_in" not in policy or by.get("kind") == "service":
        return  # versions that did not name it did not ask either
    if not request.is_create and policy["execution_sign_in"] != "all":
        return
    proof = by["proof"] if isinstance(by.get("proof"), dict) else None
    said, wanted = proof or {}, {name: _texts(policy.get(f"decision_{name}")) for name in ("acr", "amr")}
    strong = not wanted["acr"].isdisjoint(_texts([said.get("acr")])) or not wanted["amr"].isdisjoint(
        _texts(said.get("amr"))
    )
    methods = policy.get("methods")
    wanted_of_rules = [*request.demands.methods, *(map(_texts, methods) if isinstance(methods, list) else ())]
    is_weak = any(each.isdisjoint(_texts(said.get("amr"))) for each in wanted_of_rules)
    if (any(wanted.values()) and not strong) or is_weak:
        yield Finding("stale-sign-in", _place(event), "the sign-in was weaker than the policy demands")
    signed_in_at, longest = _time(said.get("auth_time")), _duration(policy, _LONGEST_SIGN_IN)
    if policy.get("decision_requires_auth_time") and signed_in_at is None:
        yield Finding("stale-sign-in", _place(event), "it does not say when they signed in")
    elif proof is not None and longest is not None:
        signed_in_at = _time(said.get("issued_at")) if signed_in_at is None else signed_in_at
        age = None if signed_in_at is None else _moment(event) - signed_in_at
        if age is None or not -_TOLERANCE <= age <= longest + _TOLERANCE:
            text = f"expected a sign-in of the last {longest // _SECOND} seconds, found {shown(said)}"
            yield Finding("stale-sign-in", _place(event), text)


def _texts(values: object) -> set[str]:
    return {each for each in values if isinstance(each, str)} if isinstance(values, list) else set()


def _duration(document: dict[str, Any], name: str) -> int | None:
    found = document.get(name)
    return found * _SECOND if type(found) is int else None


def _misstep(event: Event, request: _Request) -> Finding:
    name, place = event["event"], _place(event)
    if name == _STARTED and request.status not in _UNDECIDED:
        return Finding("executed-twice", place, "an execution had started before")
    if request.status in _UNDECIDED and request.status not in LIFE[name][1] and name not in {_APPROVED, _STARTED}:
        return Finding("not-started", place, f"{name}: no execution had started")
    text = f"{name}, which says {shown(event['data'].get('status'))}, cannot follow on {request.status}"
    return Finding("wrong-step", place, text)


# An export: a line for each event, from the first, and the checkpoint over just these as the last line.


def signed_sizes(leaves: Iterable[bytes]) -> Iterator[int]:
    """The sizes of the log that statements in its events name: heads to remember when the events are checked."""
    for leaf in leaves:
        if b'"statement":"' in leaf:
            try:
                size = json.loads(json.loads(leaf)["data"]["statement"])["log"]["size"]
            except (ValueError, LookupError, TypeError, RecursionError):
                continue
            if type(size) is int:
                yield size


def _origin(note: object) -> str | None:
    return note.partition("\n")[0] if isinstance(note, str) else None


def _signing_of(lines: Iterable[bytes], trust: Trust, extract: Path | None) -> Signing:
    """Read an export for what has to be known when it is checked: its log's name, the heads that people signed, and
    the first version of the rules.
    """
    service: str | None = None
    first: bytes | None = None

    def leaves() -> Iterator[bytes]:
        nonlocal service, first
        for line in lines:
            first = rules_in(line) if first is None else first
            if line.startswith(b'{"checkpoint":'):
                with suppress(ValueError, RecursionError):
                    service = _origin(json.loads(line)["checkpoint"])
            yield line

    past = Past(signed_sizes(leaves()))
    return Signing(service, past, trust, extract, first_rules=first)


def check_export(
    lines: Iterable[bytes],
    keys: Sequence[Key],
    heads: Sequence[Head],
    signing: Signing | None = None,
    kept: Kept | None = None,
) -> Told:
    """Each line once, and no more of them in memory than `Replay` remembers. No signature is good without `signing`."""
    signing = Signing() if signing is None else signing
    tree, seq, end, replay = Tree(), 0, None, Replay(is_log=True, signing=signing)
    sizes = {head.size for head in heads}
    yield from compare(heads, 0, tree.root())
    for number, line in enumerate(lines, 1):
        place = f"line {number}"
        if end is not None:
            yield Finding("trailing-garbage", place, "the checkpoint is not the last line")
            break
        event: Event = {}
        try:
            event = _read_line(line, place)
        except Finding as finding:
            yield finding
            replay.lose()
            seq += 1
        else:
            if event.keys() == {"checkpoint"}:
                end = event
                continue
            seq = yield from _take(event, seq + 1, place, replay)
        tree.append(line.removesuffix(b"\n"))
        signing.past.note(tree.size, event, tree.root)
        if tree.size in sizes:
            yield from compare(heads, tree.size, tree.root())
    for head in (each for each in heads if each.size > tree.size):
        yield Finding("cut", "the end", f"{head.source} is of {head.size} events, and only {tree.size} are here")
    yield from replay.notes()
    if end is None:
        raise Finding("missing-checkpoint", "the end", "expected a line with the checkpoint")
    signed = open_checkpoint(end["checkpoint"], keys, "the checkpoint")
    _check_total(tree, signed)
    if kept is not None:
        yield from check_witnessed(end["checkpoint"], signed, kept, is_log=True)
    yield f"{tree.size} events, root {to_base64(tree.root())}"


def _take(event: Event, expected: int, place: str, replay: Replay) -> Generator[Finding | str, None, int]:
    """The number to go on from, so that one gap is found once."""
    found = event.get("seq")
    if type(found) is not int or found != expected:
        yield Finding("sequence-broken", place, f"expected seq {expected}, found {shown(found)}")
        replay.lose()
    yield from replay.take(event)
    return found if type(found) is int else expected


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


def check_evidence(data: bytes, keys: Sequence[Key], kept: Kept, extract: Path | None = None) -> Told:
    """The events are the truth: first that they are the log's, then that nothing else is told, then the rules."""
    document = _read_document(data)
    signed = open_checkpoint(document["checkpoint"], keys, "the checkpoint")
    yield from compare_one(kept, signed)
    yield from check_witnessed(document["checkpoint"], signed, kept)
    entries, events = document["events"] if isinstance(document["events"], list) else [], list[Event]()
    for number, entry in enumerate(entries, 1):
        try:
            events.append(_read_event(entry, signed, f"event {number}"))
        except Finding as finding:
            yield finding
    if not events or len(events) < len(entries):
        raise Finding("missing-event", "the events", f"of {len(entries)}, {len(events)} are the log's")
    yield from _check_chain(events)
    if events[0]["event"] != _FILED:
        raise Finding("not-filed", _place(events[0]), f"expected {_FILED}, found {shown(events[0]['event'])}")
    signing = yield from _read_signing(document, signed)
    if document["format"] == _EVIDENCE_1 and any(event["event"] == _DECIDED and _is_signed(event) for event in events):
        yield Finding("unknown-format", "the document", f"expected {_EVIDENCE_2} for signed decisions")
    for name, expected in _retold(events, document["format"]).items():
        if canonical(expected) != canonical(document[name]):
            text = difference(canonical(expected), canonical(document[name]))
            yield Finding(f"{name}-differs", "the document", f"{name}: {text}")
    past = _PastOfEvidence(signed, _read_heads(document), [*signing, *events])
    has_rules = document["format"] == _EVIDENCE_2
    first = first_rules(map(canonical, signing))
    held = Signing(_origin(document["checkpoint"]), past, kept.trust, extract, has_rules, first)
    replay = Replay(is_log=False, signing=held)
    for event in merge(signing, events, key=lambda event: event["seq"]):
        yield from replay.take(event)
    yield from replay.notes()
    yield from _strange_keys(document["keys"], {key.text for key in keys})
    yield f"request {shown(events[0]['request_id'])}, {len(events)} events, in the log of {signed.size}"


def _read_document(data: bytes) -> dict[str, Any]:
    document = read_json(data, "the document", exact=False)
    members = (
        _MEMBERS | _SIGNED_MEMBERS if isinstance(document, dict) and _SIGNED_MEMBERS & document.keys() else _MEMBERS
    )
    if not isinstance(document, dict) or document.keys() != members:
        found = shown(sorted(document) if isinstance(document, dict) else document)
        raise Finding("wrong-members", "the document", f"expected {sorted(members)}, found {found}")
    known = _EVIDENCE_1 if members == _MEMBERS else _EVIDENCE_2
    if document["format"] != known:
        raise Finding("unknown-format", "the document", f"expected {known}, found {shown(document['format'])}")
    return document


def _read_event(entry: object, signed: Head, place: str) -> Event:
    """The event, which the proof beside it shows to be in the log at its sequence number."""
    if not isinstance(entry, dict) or entry.keys() != {"leaf", "inclusion"} or type(entry["inclusion"]) is not list:
        raise Finding("wrong-members", place, f"expected a leaf and its inclusion, found {shown(entry)}")
    leaf = str(entry["leaf"]).encode(errors="surrogatepass")
    event = read_json(leaf, place)
    if not is_event(event):
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


def _read_signing(document: dict[str, Any], signed: Head) -> Generator[Finding, None, list[Event]]:
    """The events that say whose keys count, each of them in the log, in its order."""
    entries, found = document.get("signing", []), list[Event]()
    if not isinstance(entries, list):
        raise Finding("wrong-members", "signing", f"expected a list, found {shown(entries)}")
    for number, entry in enumerate(entries, 1):
        event = _read_event(entry, signed, f"event {number} of signing")
        if event["event"] not in _OF_SIGNING:
            yield Finding("foreign-event", f"seq {event['seq']}", f"it says nothing of keys: {shown(event['event'])}")
        elif found and found[-1]["seq"] >= event["seq"]:
            yield Finding("out-of-order", f"seq {event['seq']}", f"it stands behind seq {found[-1]['seq']}")
        else:
            found.append(event)
    return found


def _read_heads(document: dict[str, Any]) -> dict[int, list[bytes]]:
    """The proofs that the signed log begins with the logs that statements name, by their sizes."""
    heads = document.get("heads", [])
    if not isinstance(heads, list) or any(not isinstance(head, dict) or head.keys() != _HEAD for head in heads):
        raise Finding("wrong-members", "heads", f"expected a list of {sorted(_HEAD)}, found {shown(heads)}")
    try:
        return {int(head["size"]): [from_base64(each, 32) for each in head["proof"]] for head in heads}
    except (TypeError, ValueError) as error:
        raise Finding("wrong-members", "heads", f"expected sizes and proofs: {shown(str(error))}") from None


def _check_chain(events: Sequence[Event]) -> Told:
    """That these are one request's events in their order, and that none between them was left out."""
    request_id, before = events[0]["request_id"], None
    for event in events:
        place, seq = f"seq {event['seq']}", event["seq"]
        if event["request_id"] != request_id:
            yield Finding("foreign-event", place, f"expected {shown(request_id)}, found {shown(event['request_id'])}")
        if before is not None and before >= seq:
            yield Finding("out-of-order", place, f"it stands behind seq {before}")
        if not are_same(event.get("previous", before), before):
            yield Finding("left-out", place, f"expected {before} before it, it says {shown(event['previous'])}")
        before = seq
    if unchained := sum("previous" not in event for event in events):
        yield f"{unchained} events are of a version that did not name the one before: gaps do not show"


def _retold(events: Sequence[Event], version: str) -> dict[str, Any]:
    """Build the rest of the document from the events alone."""
    told = ["person", "decision", "digest", "comment", "credential"]
    told += ["statement", "signature"] if version == _EVIDENCE_2 else []
    filed = events[0]
    started = [event["data"] for event in events if event["event"] == _STARTED]
    reached = [(event["data"]["status"], event["at"]) for event in events if "status" in event["data"]]
    results = [event["data"]["result"] for event in events if "result" in event["data"]]
    status, at = reached[-1] if reached else ("pending", filed["at"])
    return {
        "request": filed["data"].get("filing"),
        "digest": filed["data"].get("digest"),
        "decisions": [
            {
                **{name: event["data"].get(name) for name in told},
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


def _strange_keys(listed: object, believed: set[str]) -> Told:
    """Note keys that the document lists and the caller does not trust."""
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or str(entry.get("key")) not in believed:
            yield f"the document lists a key that was not given: {shown(entry)}"


# The command.


_SIGNER = re.compile(r'[ \t]*(?:"([^"\r]+)"|([^ \t\r"]+))[ \t]+([^ \t\r]+)[ \t]+([^ \t\r]+)(?:[ \t][^\r]*)?')


def read_signers(path: Path) -> frozenset[Holder]:
    """Read a file of OpenSSH's allowed signers, whose lines are people, the kind of a key, and the key. Each person is
    one, so neither patterns nor options are read. Raise OSError, ValueError.
    """
    owners = dict[str, str]()
    # Whatever else ends a line elsewhere, such as U+2028, does not for OpenSSH.
    for number, line in enumerate(path.read_bytes().decode().split("\n"), 1):
        if not line.strip() or line.lstrip(" \t").startswith("#"):
            continue
        parts = _SIGNER.fullmatch(line.removesuffix("\r"))
        people = [] if parts is None else (parts[1] or parts[2]).split(",")
        if parts is None or not all(people) or any({*"*?!"} & {*person} for person in people):
            raise ValueError(
                f"{path}: line {number}: expected people, the kind of a key, and the key, without patterns"
            )
        try:
            key = read_public_key(f"{parts[3]} {parts[4]}").text
        except Bad as bad:
            text = f"{path}: line {number}: {bad}; options are not read"
            raise ValueError(text) from None
        if len(people) > 1 or owners.setdefault(key, people[0]) != people[0]:
            raise ValueError(f"{path}: line {number}: a key is one person's")
    return frozenset((person, key) for key, person in owners.items())


def extracted(signed: Signed, folder: Path) -> str:
    """Write an approval for `ssh-keygen` into a folder of its own, and say how it verifies it. Raise OSError.

    Letters of the person that would mean something to OpenSSH or to a shell are written as `_`, but not in the
    statement.
    """
    own = folder / f"{signed.request_id}-{signed.seq}"
    own.mkdir(parents=True, exist_ok=True)
    name = re.sub("^[#-]|[^A-Za-z0-9@._:/#+=-]", "_", signed.person)
    (own / "statement").write_bytes(signed.statement.encode())
    (own / "statement.sig").write_bytes(signed.signature.encode())
    (own / "allowed_signers").write_bytes(f"{name} {signed.key}\n".encode())
    command = (
        f"ssh-keygen -Y verify -f allowed_signers -I {shlex.quote(name)} -n {_DECISION} -s statement.sig < statement"
    )
    return f"(cd {shlex.quote(str(own))} && {command})"


def check_file(
    file: BinaryIO, keys: Sequence[Key], kept: Kept, expected: str | None = None, extract: Path | None = None
) -> Told:
    """Check a file of any of the three kinds; its first line shows which. Anchors help most with an export."""
    if not file.seekable():  # an export is read twice
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield from check_file(copy, keys, kept, expected, extract)
        return
    first = file.readline(_LONGEST_LINE)
    kind = "checkpoint" if not first.startswith(b"{") else "evidence" if _is_evidence(first) else "export"
    if expected not in {None, kind}:
        raise Finding("another-kind", "the file", f"expected {expected}, found {kind}")
    if kind == "checkpoint":
        note = _text(first + file.read(_LONGEST_LINE))
        signed = open_checkpoint(note, keys, "the note")
        yield from compare_one(kept, signed)
        yield from check_witnessed(note, signed, kept)
        yield f"a checkpoint of {signed.size} events, root {to_base64(signed.root)}"
    elif kind == "evidence":
        yield from check_evidence(first + file.read(_LONGEST_DOCUMENT), keys, kept, extract)
    else:
        signing = _signing_of(chain([first], _lines(file)), kept.trust, extract)
        file.seek(0)
        yield from check_export(_lines(file), keys, kept.heads, signing, kept)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(_LONGEST_LINE), b"")


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
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--signers", type=Path, help="whose keys count: a file of OpenSSH's allowed signers")
    whose.add_argument("--founders", type=Path, help="the same of those whom endorsements have to lead to")
    whose.add_argument("--rules", type=Path, help="any version of the signed rules that somebody gave you")
    parser.add_argument("--all-signed", action="store_true", help="every approval has to be signed")
    parser.add_argument("--rp-id", help="the RP id of passkeys, instead of the log's")
    parser.add_argument("--origin", action="append", default=[], help="the address of their page, such as https://…")
    parser.add_argument("--user-verified", action="store_true", help="authenticators have to verify their users")
    parser.add_argument("--only-hardware", action="store_true", help="keys have to be in authenticators")
    parser.add_argument("--only-device-bound", action="store_true", help="and not on any other device")
    parser.add_argument("--witnesses", type=Path, metavar="FILE", help="a policy: whose cosignatures are demanded")
    parser.add_argument("--extract", type=Path, metavar="DIR", help="write signed approvals for ssh-keygen")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if (options.rp_id is None) == bool(options.origin):
        parser.error("--rp-id and --origin belong together")
    demands = Demands(
        rp_id=options.rp_id,
        origins=frozenset(options.origin),
        user_verified=options.user_verified,
        only_hardware=options.only_hardware,
        only_device_bound=options.only_device_bound,
    )
    try:
        trust = read_trust(
            options.signers, options.founders, options.rules, demands=demands, all_signed=options.all_signed
        )
        kept = read_kept(options.head, options.consistency, trust, options.witnesses)
        return options, read_keys(options.key), kept
    except (OSError, ValueError) as error:
        parser.error(str(error))


def read_keys(texts: Iterable[str]) -> list[Key]:
    """Each text is a key, or @ and the path of a file of them. Raises OSError, ValueError."""
    listed = (Path(text[1:]).read_text().split() if text.startswith("@") else [text] for text in texts)
    return [read_key(text) for text in chain.from_iterable(listed)]


def read_trust(
    signers: Path | None,
    founders: Path | None,
    rules: Path | None = None,
    *,
    demands: Demands | None = None,
    all_signed: bool = False,
) -> Trust:
    """Files of allowed signers, and one of rules. Raise OSError, ValueError."""
    people, first = (None if path is None else read_signers(path) for path in (signers, founders))
    try:
        version = None if rules is None else read_rules(rules.read_bytes())
    except ValueError as error:
        text = f"{rules}: it is no file of rules: {error}"
        raise ValueError(text) from None
    return Trust(people, first, demands, all_signed, version)


def read_kept(
    heads: Iterable[str], proofs: Iterable[Path], trust: Trust | None = None, witnesses: Path | None = None
) -> Kept:
    """Heads as tickets have them, and files of proofs of consistency and of a policy. Raises OSError, ValueError."""
    try:
        policy = None if witnesses is None else read_policy(witnesses.read_text())
    except ValueError as error:
        text = f"{witnesses}: {error}"
        raise ValueError(text) from None
    proved = dict(read_consistency(path.read_bytes()) for path in proofs)
    return Kept([read_head(text) for text in heads], proved, trust or Trust(), policy)


def _checks(
    files: Iterable[Path],
    anchors: Iterable[Path],
    keys: Sequence[Key],
    kept: Kept,
    expected: str | None,
    *,
    extract: Path | None,
) -> Iterator[tuple[Path, Told]]:
    for path in anchors:
        yield path, _anchor(path, keys, kept)
    for path in files:
        with path.open("rb") as file:
            yield path, check_file(file, keys, kept, expected, extract)


def _anchor(path: Path, keys: Sequence[Key], kept: Kept) -> Told:
    """One more of the heads that the files are held against."""
    kept.heads.append(read_anchor(path, keys, kept))
    yield "an anchor, and cosigned" if kept.heads[-1] in kept.witnessed else "an anchor"


def read_anchor(path: Path, keys: Sequence[Key], kept: Kept) -> Head:
    """Read a kept checkpoint, and note it if the demanded witnesses cosigned it. Raise Finding, OSError."""
    note = _text(path.read_bytes())
    head = open_checkpoint(note, keys, str(path))
    if kept.policy is not None:
        found = cosignatures(note, kept.policy, str(path))
        if kept.policy.is_met({each.witness for each in found}):
            kept.witnessed.append(head)
    return head


def all_told(told: Told) -> Told:
    """Yield everything, with the Finding that ends it."""
    try:
        yield from told
    except Finding as finding:
        yield finding
    except RecursionError:
        yield Finding("not-json", "the file", "it is nested too deeply")


def _print(path: Path, told: Told) -> int:
    """Print the first findings of each kind. Return how many there are in all."""
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
    files: Iterable[Path],
    anchors: Iterable[Path],
    keys: Sequence[Key],
    kept: Kept,
    expected: str | None = None,
    *,
    extract: Path | None = None,
) -> int:
    """0 when all is well, 1 after a finding, 2 when a file cannot be read."""
    try:
        return min(1, sum([_print(*check) for check in _checks(files, anchors, keys, kept, expected, extract=extract)]))
    except OSError as error:
        print(error, file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> int:
    options, keys, kept = _options(arguments)
    return report(options.files, options.anchor, keys, kept, options.expect, extract=options.extract)


if __name__ == "__main__":
    sys.exit(main())
