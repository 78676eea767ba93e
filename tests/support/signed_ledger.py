"""A log with signed approvals: bob and dave are founders, carol's passkey is endorsed. Bob and carol approve."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from support.builders import NOON
from support.ledger import ORIGIN, Leaf, MemoryLog, executed
from support.signers import ECDSA, ED25519, PASSKEY, RP_ID, FileKey, Signer, ed25519_of
from support.signers import ORIGIN as PAGE

from service.domain.canonical import canonical, sha256, timestamp
from service.domain.merkle import consistency_proof, inclusion_proof, root_of

BEFORE = NOON - timedelta(hours=2)  # longer ago than `decision_max_auth_age` allows
STRANGERS = FileKey(private=ed25519_of(b"a stranger's"))
FOUNDERS: Mapping[str, Signer] = {"bob": ED25519, "dave": ECDSA}
KEYS: Mapping[str, Signer] = {**FOUNDERS, "carol": PASSKEY}
SIGNING = {
    "founders": {person: [signer.public.text] for person, signer in FOUNDERS.items()},
    "rp_id": RP_ID,
    "origins": [PAGE],
    "user_verified": True,
    "only_hardware": False,
    "only_device_bound": False,
}
RULEBOOK = {"policy": {"quorum": 2, "decision_max_auth_age": 900}, "signing": SIGNING}


@dataclass
class Draft:
    """What somebody is about to sign, and how."""

    said: dict[str, Any]
    signer: Signer
    namespace: str

    def signed(self) -> dict[str, Any]:
        data = canonical(self.said)
        return {"statement": data.decode(), "signature": self.signer.sign(data, self.namespace)}


Change = Callable[[Draft], None]


@dataclass
class Story:
    """How the log comes about. A change concerns what bob signs; `data` is put into his decision's event."""

    change: Change = lambda _draft: None
    data: Mapping[str, Any] = field(default_factory=dict)
    rulebook: Mapping[str, Any] = field(default_factory=lambda: RULEBOOK)
    endorsers: tuple[str, ...] = ("bob", "dave")
    filing: Mapping[str, Any] = field(default_factory=lambda: {"signed_approvals": "required"})
    policy: Mapping[str, Any] = field(default_factory=dict)  # of the execution
    unsigned: tuple[str, ...] = ()
    early: Callable[[MemoryLog], None] = lambda _ledger: None  # before the request is filed
    between: Callable[[MemoryLog], None] = lambda _ledger: None  # the approval and the execution
    change_endorsement: Change = lambda _draft: None
    change_registration: Change = lambda _draft: None
    request_id: str | None = None

    def told(self) -> tuple[MemoryLog, str]:
        """Return the log, and the id of the request."""
        ledger, (before, known_id) = MemoryLog(), executed()
        request_id = self.request_id or known_id
        of_service(ledger, "policy.changed", rulebook=self.rulebook)
        of_service(ledger, "log.read")
        register(ledger, "carol", PASSKEY, self.change_registration)
        for endorser in self.endorsers:
            endorse(ledger, endorser, "carol", PASSKEY, self.change_endorsement)
        self.early(ledger)
        digest = ""
        for leaf in json.loads(json.dumps(before.leaves).replace(known_id, request_id)):
            data, name = leaf["data"], leaf["event"]
            if name == "request.filed":
                data["filing"] |= self.filing
                digest = sha256(data["filing"])
            if "digest" in data:
                data["digest"] = digest
            if name == "decision.recorded" and data["person"] not in self.unsigned:
                data |= self._signed(ledger, leaf)
            if name == "execution.started":
                self.between(ledger)
                data["policy"] |= self.policy
            ledger.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
        return ledger, request_id

    def _signed(self, ledger: MemoryLog, leaf: Leaf) -> dict[str, Any]:
        data = leaf["data"]
        about = {name: data[name] for name in ("person", "decision", "digest")}
        draft = drafted(ledger, "decision", KEYS[data["person"]], request_id=leaf["request_id"], **about)
        if data["person"] != "bob":
            return draft.signed()
        self.change(draft)
        return {**draft.signed(), **self.data}


def drafted(ledger: MemoryLog, kind: str, signer: Signer, **about: Any) -> Draft:
    size = len(ledger.leaves)
    at = timestamp(NOON)[:19] + "Z"
    common = {"type": f"rootquorum-{kind}/1", "service": ORIGIN, "log": head(ledger, size), "at": at}
    return Draft(common | about, signer, f"{kind}@rootquorum")


def head(ledger: MemoryLog, size: int) -> dict[str, Any]:
    return {"size": size, "root": root_of(size, ledger.read).hex()}


def register(ledger: MemoryLog, person: str, signer: Signer, change: Change = lambda _: None) -> None:
    about = {"person": person, "key": signer.public.text}
    draft = drafted(ledger, "registration", signer, **about)
    change(draft)
    of_service(ledger, "signing_key.registered", **about, **draft.signed())


def endorse(
    ledger: MemoryLog,
    endorser: str,
    person: str,
    signer: Signer,
    change: Change = lambda _: None,
    *,
    by: Signer = ED25519,
) -> None:
    about = {"endorser": endorser, "person": person, "key": signer.public.text}
    draft = drafted(ledger, "enrolment", KEYS.get(endorser, by), **about)
    change(draft)
    of_service(ledger, "signing_key.endorsed", **about, **draft.signed())


def revoke(ledger: MemoryLog, signer: Signer, reason: str = "retired", since: int = 0) -> None:
    of_service(ledger, "signing_key.revoked", key=signer.public.text, reason=reason, since=since, by="operator")


def of_service(ledger: MemoryLog, name: str, **data: Any) -> None:
    acting = {"kind": "service", "subject": "rootquorum", "credential": "worker", "proof": None}
    ledger.append(at=timestamp(BEFORE), event=name, actor=acting, data=data)


def evidence_of(ledger: MemoryLog, request_id: str, **changed: Any) -> dict[str, Any]:
    """Return the evidence of a request with signed decisions, made as the format requires."""
    document = ledger.evidence(request_id)
    about_keys = [leaf for leaf in ledger.leaves if leaf["event"].startswith(("policy.changed", "signing_key."))]
    votes = [leaf["data"] for leaf in ledger.leaves if leaf["event"] == "decision.recorded"]
    unsigned = {"statement": None, "signature": None}
    told = ("person", "decision", "digest", "comment", "credential", "decided_at", "proof", *unsigned)
    named = [
        json.loads(data["statement"]) for data in (leaf["data"] for leaf in ledger.leaves) if data.get("statement")
    ]
    sizes = sorted({said["log"]["size"] for said in named})
    whole = document | {
        "format": "rootquorum-evidence/2",
        "decisions": [{name: (unsigned | made)[name] for name in told} for made in document["decisions"]],
        "signing": [_proved(ledger, leaf) for leaf in about_keys],
        "heads": [
            {"size": size, "proof": _base64(consistency_proof(size, len(ledger.leaves), ledger.read))}
            for size in sizes
            if size
        ],
    }
    assert len(votes) == len(document["decisions"])
    return json.loads(json.dumps(whole | changed))  # type: ignore[no-any-return]


def _proved(ledger: MemoryLog, leaf: Leaf) -> dict[str, Any]:
    proof = inclusion_proof(leaf["seq"] - 1, len(ledger.leaves), ledger.read)
    return {"leaf": canonical(leaf).decode(), "inclusion": _base64(proof)}


def _base64(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(hashed).decode() for hashed in hashes]
