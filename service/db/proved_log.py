"""The audit log as the contents of its events tell it. A process reads all of it once, and then what is new.

The owner of the tables can change the columns beside a content, and the nodes of the tree. So what judges signatures
relies on neither: each event is hashed, in order and without a gap, up to the stored root. What a process has read or
written can no longer be hidden from it, moved or changed. A log that was rewritten before the process began is not
noticed here: that takes a head which was kept elsewhere.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, bindparam, select

from service.db import tree
from service.db.engine import Tx, after_commit
from service.db.faults import Interrupted
from service.db.tables import audit_events, audit_tree
from service.db.tree import Head
from service.domain.demands import SignedApprovals
from service.domain.errors import Code, Unavailable
from service.domain.event_table import (
    EXECUTION_FAILED,
    EXECUTION_SUCCEEDED,
    FILED,
    KEY_RETIRED,
    KEY_ROLLED_BACK,
    OF_KEYS,
    PERSON_REINSTATED,
    POLICY_CHANGED,
    REFUSALS,
    REQUEST_EXPIRED,
    REQUEST_REJECTED,
    REQUEST_WITHDRAWN,
    RULES_SIGNED,
)
from service.domain.merkle import EMPTY, Frontier, leaf_hash
from service.domain.rulebook import strictest_signing

_BATCH = 5000
# After these nothing is done for a request any more.
_LAST = {
    REQUEST_REJECTED,
    REQUEST_WITHDRAWN,
    REQUEST_EXPIRED,
    EXECUTION_FAILED,
    EXECUTION_SUCCEEDED,
    KEY_ROLLED_BACK,
    KEY_RETIRED,
}
_ABOUT_KEYS = OF_KEYS | {PERSON_REINSTATED, RULES_SIGNED}
# The members of an event after its data, in RFC 8785's order. No text of a person stands among them.
_TAIL = re.compile(
    r',"event":"([a-z_.]+)"(?:,"previous":(?:null|[0-9]+))?,"request_id":(?:null|"([^"\\]+)"),"seq":([0-9]+)\}\Z'
)
_LONGEST_TAIL = 300


@dataclass(frozen=True, slots=True)
class Life:
    """One request in the log: the number of its filing, and the digest of its events but refusals."""

    filed: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedLog:
    """The log up to `frontier`.

    `about_keys` has number, name and content of each event that decides whose signature counts, in order: the events of
    keys, and the versions of the signed rules. `lives` has each request for which something may still be done; None is
    a request that has ended, which lives no second time.
    `asked_since` maps a demand of signatures to the number of the first rulebook with it.
    """

    frontier: Frontier = EMPTY
    about_keys: tuple[tuple[int, str, str], ...] = ()
    lives: Mapping[str, Life | None] = field(default_factory=dict)
    asked_since: Mapping[SignedApprovals, int] = field(default_factory=dict)


def read_log(tx: Tx) -> ProvedLog:
    """Read what is new, and return the log.

    Raise Unavailable if it is not what this process has read and written, or has a gap. Raise Interrupted if this
    transaction may only have begun before others read on.
    """
    reading = _Reading(_KNOWN.get(tx.engine, ProvedLog()), _WRITTEN.get(tx.engine))
    while reading.take(tx):
        pass
    now = reading.log()
    # What this transaction appended may still be rolled back.
    if tx not in _APPENDED:
        _remember(tx.engine, now)
    return now


def _remember(engine: Engine, now: ProvedLog) -> None:
    with _LOCK:
        if now.frontier.size > _KNOWN.get(engine, ProvedLog()).frontier.size:
            _KNOWN[engine] = now


def appended(tx: Tx, head: Head) -> None:
    """Note the head with which this transaction leaves the log. Once it is committed, the log has to have it."""
    is_first = tx not in _APPENDED
    _APPENDED[tx] = head
    if is_first:
        after_commit(tx, lambda: _wrote(tx.engine, _APPENDED[tx]))


def _wrote(engine: Engine, head: Head) -> None:
    with _LOCK:
        if head.size > _WRITTEN.get(engine, head._replace(size=0)).size:
            _WRITTEN[engine] = head


def digest_of(contents: Iterable[str]) -> bytes:
    """Return the digest of a request's events, oldest first, without refusals: that of its `Life`."""
    digest = b""
    for content in contents:
        digest = _joined(digest, content)
    return digest


_LOCK = threading.Lock()
_KNOWN: WeakKeyDictionary[Engine, ProvedLog] = WeakKeyDictionary()
_WRITTEN: WeakKeyDictionary[Engine, Head] = WeakKeyDictionary()
_APPENDED: WeakKeyDictionary[Tx, Head] = WeakKeyDictionary()


def _joined(digest: bytes, content: str) -> bytes:
    return hashlib.sha256(digest + leaf_hash(content.encode())).digest()


# From the last event that is known, so that there is a row unless the log is empty.
_FROM = (
    select(
        audit_events.c.seq,
        audit_events.c.content,
        select(audit_tree.c.size).scalar_subquery().label("tree_size"),
        select(audit_tree.c.root).scalar_subquery().label("tree_root"),
    )
    .where(audit_events.c.seq >= bindparam("from"))
    .order_by(audit_events.c.seq)
    .limit(_BATCH)
)


class _Reading:
    """Reads on from a known log. `written` is the head of what this process committed last."""

    def __init__(self, known: ProvedLog, written: Head | None) -> None:
        self._known, self._frontier, self._written = known, known.frontier, written
        self._about_keys = list[tuple[int, str, str]]()
        self._lives: dict[str, Life | None] | None = None
        self._asked_since = dict(known.asked_since)

    def take(self, tx: Tx) -> bool:
        """Read a batch of events. Return whether there may be more."""
        start = self._frontier.size
        rows = tx.execute(_FROM, {"from": start}).all()
        if rows:
            self._check(rows[0].tree_size, rows[0].tree_root)
        if start and (not rows or rows[0].seq != start):
            raise _shorter()
        for row in rows[1 if start else 0 :]:
            if row.seq != self._frontier.size + 1:
                raise tree.not_of_its_events()
            self._frontier, _ = self._frontier.append(leaf_hash(row.content.encode()))
            self._learn(row.seq, row.content)
            self._check(row.tree_size, row.tree_root)
            if self._written is not None:
                self._check(*self._written)
        if len(rows) == _BATCH:
            return True
        if rows and rows[0].tree_size > self._frontier.size:
            raise tree.not_of_its_events()
        if self._written is not None and self._written.size > self._frontier.size:
            raise _shorter()
        return False

    def _check(self, size: int, root: str) -> None:
        """Compare with the root at a size, if it is the present one.

        The stored root may be behind: an earlier version appends without it.
        """
        if self._frontier.size == size and self._frontier.root().hex() != root:
            is_known = size == self._known.frontier.size or Head(size, root) == self._written
            raise Unavailable(Code.UNAVAILABLE, _OTHER) if is_known else tree.not_of_its_events()

    def _learn(self, seq: int, content: str) -> None:
        found = _TAIL.search(content, max(0, len(content) - _LONGEST_TAIL))
        if found is None or int(found[3]) != seq:
            return  # the service did not write it
        name, request_id = found[1], found[2]
        if name in _ABOUT_KEYS:
            self._about_keys.append((seq, name, content))
        elif name == POLICY_CHANGED:
            self._learn_demand(seq, content)
        if request_id is not None and name not in REFUSALS:
            self._live(request_id, name, seq, content)

    def _learn_demand(self, seq: int, content: str) -> None:
        try:
            level = strictest_signing(json.loads(content)["data"]["rulebook"])
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return
        # Whoever asks for more asks for less, too.
        for less in [*SignedApprovals][: [*SignedApprovals].index(level) + 1]:
            self._asked_since.setdefault(less, seq)

    def _live(self, request_id: str, name: str, seq: int, content: str) -> None:
        if self._lives is None:
            self._lives = dict(self._known.lives)
        life = self._lives.get(request_id)
        if name in _LAST:
            self._lives[request_id] = None
        elif life is not None:
            self._lives[request_id] = Life(life.filed, _joined(life.digest, content))
        elif name == FILED and request_id not in self._lives:
            self._lives[request_id] = Life(seq, _joined(b"", content))

    def log(self) -> ProvedLog:
        if self._frontier.size == self._known.frontier.size:
            return self._known
        return ProvedLog(
            frontier=self._frontier,
            about_keys=(*self._known.about_keys, *self._about_keys),
            lives=self._known.lives if self._lives is None else self._lives,
            asked_since=self._asked_since,
        )


_OTHER = (
    "The log is not the one that this process has read and written; `rootquorum audit verify --database` says what was "
    "changed. After a restore, restart the process."
)


def _shorter() -> Interrupted:
    """Return the refusal of a log that lacks what is known of it, or of a transaction that began before."""
    return Interrupted(Code.UNAVAILABLE, _OTHER)
