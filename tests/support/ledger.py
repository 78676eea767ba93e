"""A log as the service writes it, with exports and evidence. The verifier must accept it, and reject altered ones."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.builders import NOON, actor, decision, request, standing

from service.domain.account import SourceKind
from service.domain.actor import WORKER, Actor
from service.domain.canonical import canonical, sha256, timestamp
from service.domain.checkpoint import Checkpoint
from service.domain.event_table import (
    CUT_OVER_RELEASED,
    KEY_DEACTIVATED,
    KEY_RETIRED,
    OLD_KEY_DEACTIVATED,
    TOKEN_CREATED,
    EventName,
)
from service.domain.events import Event, between, filed, marked, taken_away
from service.domain.merkle import EMPTY, Frontier, Node, inclusion_proof, leaf_hash, root_of
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, Drilled, Secret
from service.domain.request import OperationRequest, Result, Verdict
from service.domain.rotation_plan import RotationPlan
from service.signing.ed25519 import Ed25519Signer
from service.signing.notes import sign_note

ORIGIN = "log.example/rootquorum"
SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"k" * 32))
STRANGER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
POLICY = {"approvers": ["bob", "carol"], "quorum": 2}

# Of a sign-in at a provider, and what the log calls that.
PROOF = {
    "issuer": "https://login.example.com",
    "subject": "00u1",
    "jti": None,
    "issued_at": timestamp(NOON),
    "auth_time": timestamp(NOON),
    "acr": None,
    "amr": ["pwd", "otp"],
}
SIGNED_IN = {"credential": f"oidc-{sha256(PROOF)[:32]}", "proof": PROOF}

Leaf = dict[str, Any]


@dataclass
class MemoryLog:
    """A log in memory. Its events need not be true."""

    leaves: list[Leaf] = field(default_factory=list)
    frontier: Frontier = EMPTY
    stored: dict[Node, bytes] = field(default_factory=dict)
    names_previous: bool = True

    def append(self, **changed: Any) -> Leaf:
        """Append an event, numbered and chained like the service's, except for `changed`."""
        seq, request_id = len(self.leaves) + 1, changed.get("request_id")
        mine = [leaf["seq"] for leaf in self.leaves if request_id is not None and leaf["request_id"] == request_id]
        before = {"previous": mine[-1] if mine else None} if self.names_previous else {}
        leaf = {"seq": seq, "at": timestamp(NOON), "request_id": None, **before, **changed}
        self.append_as_it_is(leaf)
        return leaf

    def append_as_it_is(self, leaf: Leaf) -> None:
        hashed = leaf_hash(canonical(leaf))
        self.stored[Node(0, len(self.leaves))] = hashed
        self.frontier, completed = self.frontier.append(hashed)
        self.stored |= completed
        self.leaves.append(leaf)

    def tell(self, event: Event, who: Actor, request_id: str | None = None, at: datetime = NOON, **more: Any) -> Leaf:
        acting = {"kind": who.kind.value, "subject": who.subject, "credential": who.credential, "proof": None}
        said = {**event.data, **more}
        return self.append(at=timestamp(at), event=event.name, request_id=request_id, actor=acting, data=said)

    def note(self, size: int | None = None, signers: Sequence[Ed25519Signer] = (SIGNER,), origin: str = ORIGIN) -> str:
        size = len(self.leaves) if size is None else size
        return sign_note(Checkpoint(origin, size, root_of(size, self.read)).text(), signers)

    def head(self, size: int) -> str:
        return f"{size}:{base64.b64encode(root_of(size, self.read)).decode()}"

    def export(self) -> list[bytes]:
        lines = [canonical(leaf) + b"\n" for leaf in self.leaves]
        return [*lines, canonical({"checkpoint": self.note()}) + b"\n"]

    def evidence(self, request_id: str, **changed: Any) -> dict[str, Any]:
        """Return the evidence of a request, made from its events as the format requires."""
        mine = [leaf for leaf in self.leaves if leaf["request_id"] == request_id]
        started = [leaf for leaf in mine if leaf["event"] == "execution.started"]
        reached = [leaf for leaf in mine if "status" in leaf["data"]]
        votes = [leaf for leaf in mine if leaf["event"] == "decision.recorded"]
        document = {
            "format": "rootquorum-evidence/1",
            "request": mine[0]["data"]["filing"],
            "digest": mine[0]["data"]["digest"],
            "decisions": [
                {**vote["data"], "decided_at": vote["at"], "proof": vote["actor"]["proof"]} for vote in votes
            ],
            "policy": {
                "filed": mine[0]["data"].get("policy"),
                "executed": started[0]["data"].get("policy") if started else None,
            },
            "outcome": {
                "status": reached[-1]["data"]["status"] if reached else "pending",
                "at": (reached or mine)[-1 if reached else 0]["at"],
                "result": next((leaf["data"]["result"] for leaf in reached[::-1] if "result" in leaf["data"]), None),
            },
            "events": events_of(self, request_id),
            "checkpoint": self.note(),
            "keys": [{"key": SIGNER.verifier_key, "since": None, "until": None}],
        }
        return json.loads(json.dumps(document | changed))  # type: ignore[no-any-return]

    def read(self, nodes: Any) -> dict[Node, bytes]:
        return {node: self.stored[node] for node in nodes}


def events_of(ledger: MemoryLog, request_id: str) -> list[Any]:
    """Return the request's events, each with the proof that it is in the current log."""
    return [
        {
            "leaf": canonical(leaf).decode(),
            "inclusion": [
                base64.b64encode(hashed).decode()
                for hashed in inclusion_proof(leaf["seq"] - 1, len(ledger.leaves), ledger.read)
            ],
        }
        for leaf in ledger.leaves
        if leaf["request_id"] == request_id
    ]


def executed() -> tuple[MemoryLog, str]:
    """A log in which one request was filed, approved by two and executed, among the events of others; and its id."""
    ledger, claimed = _claimed(operation=Operation(OperationName.DELETE_ACCESS_KEY, "AKIAEXAMPLE000000001"))
    _go_on(ledger, claimed, claimed.settle(Done(signer_key_id="AKIASIGNER0000000000", aws_request_id="r-1"), NOON))
    _other(ledger)
    return ledger, claimed.filing.request_id


def retired() -> tuple[MemoryLog, str]:
    """A log in which a key was made and confirmed, and deleted at the end of its lifetime."""
    ledger, delivered = _delivered(lifetime=LIFETIME)
    end = NOON + LIFETIME
    received = delivered.receive(NOON + timedelta(minutes=5))
    _go_on(ledger, delivered, received, by("rita"), at=NOON + timedelta(minutes=5))
    _go_on(ledger, received, received.announce_expiry(end - GRACE), at=end - GRACE)
    _name_key(ledger, KEY_DEACTIVATED, delivered, end)
    _name_key(ledger, KEY_RETIRED, delivered, end + GRACE)
    return ledger, delivered.filing.request_id


def taken_back() -> tuple[MemoryLog, str]:
    """A log in which a key was made that nobody confirmed, and deleted."""
    ledger, delivered = _delivered()
    late = NOON + timedelta(minutes=15)
    given_up = delivered.give_up(late)
    _go_on(ledger, delivered, given_up, at=late)
    _name_key(ledger, KEY_DEACTIVATED, delivered, late)
    result = Result(code="unconfirmed", detail="Gone.", access_key_id=NEW_KEY, aws_request_id="r-4")
    _go_on(ledger, given_up, given_up.roll_back(result, late + GRACE), at=late + GRACE)
    return ledger, delivered.filing.request_id


def drilled() -> tuple[MemoryLog, str]:
    """A log in which a key was made in a drill, and its receipt confirmed."""
    ledger, claimed = _claimed(drill=True, lifetime=LIFETIME)
    delivered = _go_on(ledger, claimed, claimed.settle(Drilled(), NOON), by("rita"))
    _go_on(ledger, delivered, delivered.receive(NOON), by("rita"))
    return ledger, claimed.filing.request_id


OLD_KEY = "AKIAEXAMPLE000000001"
PLAN = RotationPlan()


def rotated() -> tuple[MemoryLog, str]:
    """A log in which a key was replaced: the recipient said after a day that its users had moved."""
    ledger, rotating = _rotating()
    request_id, later = rotating.filing.request_id, NOON + timedelta(days=1)
    said = Event(CUT_OVER_RELEASED, {"access_key_id": OLD_KEY, "comment": "All have moved."})
    ledger.tell(said, by("rita"), request_id, at=later)
    done = Done(signer_key_id=NEW_KEY, aws_request_id="r-5")
    ledger.tell(taken_away(OLD_KEY_DEACTIVATED, OLD_KEY, done), WORKER, request_id, at=later)
    cut_over, end = rotating.release(later).cut_over(later), later + PLAN.deletion_wait
    result = Result(code="rotated", detail="Gone.", access_key_id=NEW_KEY, aws_request_id="r-6")
    _go_on(ledger, cut_over, cut_over.rotated(result, end), at=end)
    return ledger, request_id


def stopped() -> tuple[MemoryLog, str]:
    """A log in which an approver stopped a rotation after its receipt."""
    ledger, rotating = _rotating()
    later = NOON + timedelta(days=1)
    no = decision(rotating, "bob", Verdict.REJECT, decided_at=later)
    stopping = _go_on(ledger, rotating, rotating.decide(no, standing().has_quorum), by("bob"), at=later)
    result = Result(code="rotation_rejected", detail="Both are there.", access_key_id=NEW_KEY)
    _go_on(ledger, stopping, stopping.stop(result, later), at=later)
    return ledger, rotating.filing.request_id


def _rotating() -> tuple[MemoryLog, OperationRequest]:
    operation = Operation(OperationName.ROTATE_ACCESS_KEY, OLD_KEY)
    ledger, delivered = _delivered(operation=operation, rotation=PLAN)
    at = NOON + timedelta(minutes=5)
    return ledger, _go_on(ledger, delivered, delivered.receive(at), by("rita"), at=at)


LIFETIME, GRACE = timedelta(days=30), timedelta(hours=24)
NEW_KEY = "AKIAEXAMPLE000000009"


def _delivered(**about: object) -> tuple[MemoryLog, OperationRequest]:
    ledger, claimed = _claimed(**about)
    created = CreatedKey(NEW_KEY, Secret("s"), NOON)
    done = Done(signer_key_id="AKIASIGNER0000000000", aws_request_id="r-1", created=created)
    return ledger, _go_on(ledger, claimed, claimed.settle(done, NOON), by("rita"))


def _claimed(**about: object) -> tuple[MemoryLog, OperationRequest]:
    ledger, asked = MemoryLog(), request(**about)
    request_id = asked.filing.request_id
    _other(ledger)
    ledger.tell(marked(filed(asked), asked), by("alice"), request_id, policy=POLICY)
    _other(ledger)
    for person in ("bob", "carol"):
        decided = asked.decide(decision(asked, person, decided_at=NOON), standing().has_quorum)
        asked = _go_on(ledger, asked, decided, by(person))
        _other(ledger)
    claimed = asked.claim(by="rita", source=SourceKind.PROFILE, known_key_ids=("AKIAEXAMPLE000000001",), now=NOON)
    return ledger, _go_on(ledger, asked, claimed, by("rita"), policy=POLICY)


def _go_on(
    ledger: MemoryLog,
    before: OperationRequest,
    after: OperationRequest,
    who: Actor = WORKER,
    at: datetime = NOON,
    **more: Any,
) -> OperationRequest:
    for event in between(before, after):
        ledger.tell(marked(event, after), who, after.filing.request_id, at=at, **more)
    return after


def _name_key(ledger: MemoryLog, name: EventName, delivered: OperationRequest, at: datetime) -> None:
    event = taken_away(name, NEW_KEY, Done(signer_key_id="AKIASIGNER0000000000", aws_request_id="r-3"))
    ledger.tell(event, WORKER, delivered.filing.request_id, at=at)


def executed_otherwise(
    change: Callable[[list[Leaf]], None], story: Callable[[], tuple[MemoryLog, str]] = executed
) -> tuple[MemoryLog, str]:
    """The same log, had the service itself written something else: numbered, chained and signed as any other."""
    ledger, request_id = story()
    leaves: list[Leaf] = json.loads(json.dumps(ledger.leaves))
    change(leaves)
    again = MemoryLog()
    for leaf in leaves:
        again.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
    return again, request_id


# The owner of the token that each next unrelated event creates, always before that owner acts.
_OWNERS = ("alice", "bob", "carol", "rita", "dave")


def _other(ledger: MemoryLog) -> None:
    owner = _OWNERS[sum(leaf["event"] == "token.created" for leaf in ledger.leaves)]
    about = {"token_id": f"token-of-{owner}", "subject": owner, "comment": "für später"}
    ledger.tell(Event(TOKEN_CREATED, about), by("oscar"))


def by(person: str) -> Actor:
    """Return the actor, with the token that the log says was created for them."""
    return actor(person, credential=f"token-of-{person}")
