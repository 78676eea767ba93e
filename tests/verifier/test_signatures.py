"""Signed approvals are judged from the log alone, and each forgery trips the finding that is about it."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.builders import NOON
from support.ledger import MemoryLog, executed
from support.signed_ledger import (
    FOUNDERS,
    KEYS,
    RULEBOOK,
    SIGNING,
    STRANGERS,
    Draft,
    Story,
    endorse,
    evidence_of,
    head,
    of_service,
    register,
    revoke,
)
from support.signers import (
    BACKUP_ELIGIBLE,
    ECDSA,
    ED25519,
    PASSKEY,
    PRESENT,
    RP_ID,
    SK_ED25519,
    VERIFIED,
    Signer,
    p256_of,
)
from support.signers import ORIGIN as PAGE
from support.tampering import KEY, changed_at, fields, findings

from service import verifier
from service.domain.canonical import timestamp
from service.verifier import Demands, Finding, Trust

SIGNERS = frozenset((person, signer.public.text) for person, signer in KEYS.items())


def found(data: bytes, trust: Trust | None = None) -> set[str]:
    """Return the names of the findings."""
    return {each.name for each in told(data, trust) if isinstance(each, Finding)}


def told(data: bytes, trust: Trust | None = None) -> list[Finding | str]:
    kept = verifier.Kept([], {}, trust or Trust())
    return list(verifier.all_told(verifier.check_file(io.BytesIO(data), [KEY], kept)))


def export(ledger: MemoryLog) -> bytes:
    return b"".join(ledger.export())


def evidence(ledger: MemoryLog, request_id: str) -> bytes:
    return json.dumps(evidence_of(ledger, request_id)).encode()


def in_export(story: Story, trust: Trust | None = None) -> set[str]:
    return found(export(story.told()[0]), trust)


def in_evidence(story: Story, trust: Trust | None = None) -> set[str]:
    return found(evidence(*story.told()), trust)


TRUSTS = {
    "the log": Trust(),
    "founders": Trust(founders=frozenset((person, FOUNDERS[person].public.text) for person in FOUNDERS)),
    "signers": Trust(signers=SIGNERS),
    "signers, all signed": Trust(signers=SIGNERS, all_signed=True),
}


@pytest.mark.parametrize("trust", TRUSTS.values(), ids=TRUSTS)
def test_signed_approvals_by_a_terminal_and_a_passkey_are_good(trust: Trust) -> None:
    assert in_export(Story(), trust) == set()
    assert in_evidence(Story(), trust) == set()


def test_a_log_without_signatures_is_judged_as_before() -> None:
    ledger, request_id = executed()
    assert findings(export(ledger)) == set()
    assert findings(json.dumps(ledger.evidence(request_id)).encode()) == set()


def _said(**changed: Any) -> Callable[[Draft], None]:
    return lambda draft: draft.said.update(changed)


def _by(signer: Signer, **said: Any) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.signer = signer
        draft.said |= said

    return change


def _for(namespace: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.namespace = namespace

    return change


def _old(draft: Draft) -> None:
    """Name the first head of the log, which nobody could still have seen."""
    draft.said["log"] = head(Story(unsigned=("bob", "carol")).told()[0], 1)


def _founder(signer: Signer, **signing: Any) -> dict[str, Any]:
    """Let bob have another key, sign with it, and demand something of signatures."""
    keys = {"bob": [ED25519.public.text, signer.public.text], "dave": [ECDSA.public.text]}
    return {"rulebook": RULEBOOK | {"signing": SIGNING | {"founders": keys} | signing}, "change": _by(signer)}


_HASH, _UUID = "0" * 64, "00000000-0000-4000-8000-000000000000"
_LATE = timestamp(NOON.replace(hour=13))[:19] + "Z"
_EARLY = timestamp(NOON.replace(hour=9))[:19] + "Z"
_COPIED = replace(PASSKEY, private=p256_of(b"copied"), flags=PRESENT | VERIFIED | BACKUP_ELIGIBLE)
APPROVALS = {
    # what was signed
    "unsigned": {"unsigned": ("bob",)},
    "not-a-statement": {"change": _said(more=1)},
    "another-service": {"change": _said(service="another.example/log")},
    "another-request": {"change": _said(request_id=_UUID)},
    "another-digest": {"change": _said(digest=_HASH)},
    "another-decision": {"change": _said(decision="reject")},
    "another-person": {"change": _by(ECDSA, person="dave")},
    "another-purpose": {"change": _said(drill=True)},
    "another-log": {"change": lambda draft: draft.said["log"].update(root=_HASH)},
    "too-old": {"change": _old},
    "wrong-time": {"change": _said(at=_LATE)},
    # by which key
    "another-namespace": {"change": _for("rules@rootquorum")},
    "malformed": {"data": {"signature": "-----BEGIN SSH SIGNATURE-----\n"}},
    "wrong-signature": {"data": {"signature": ED25519.sign(b"another", "decision@rootquorum")}},
    "unregistered": {"change": _by(STRANGERS)},
    "revoked": {"early": lambda ledger: revoke(ledger, ED25519)},
    "claimed-twice": {"early": lambda ledger: register(ledger, "mallory", ED25519)},
    # how
    "not-touched": _founder(replace(SK_ED25519, flags=VERIFIED)),
    "not-verified": _founder(replace(SK_ED25519, flags=PRESENT)),
    "wrong-site": _founder(replace(PASSKEY, private=p256_of(b"own"), origin="https://evil.example")),
    "not-hardware": _founder(ED25519, only_hardware=True),
    "not-device-bound": _founder(_COPIED, only_device_bound=True),
}


@pytest.mark.parametrize("name", APPROVALS)
def test_a_forged_approval_is_found_by_its_name_and_counts_for_nothing(name: str) -> None:
    story = Story(**APPROVALS[name])  # type: ignore[arg-type]
    assert in_export(story) == {name, "no-quorum"}
    assert in_evidence(story) == {name, "no-quorum"}


def test_the_table_has_every_finding_about_a_decision() -> None:
    of_facts = {"another-key", "of-oneself", "ahead-of-the-log", "by-no-key-that-counts", "not-endorsed"}
    of_vectors = {"unsupported-key", "weak-key", "another-hash"}  # tests/conformance has them
    assert APPROVALS.keys() == verifier.FAULTS.keys() - of_facts - of_vectors | {"unsigned"}


def test_a_statement_signed_ahead_or_long_before_its_head_is_found() -> None:
    ahead = {"size": 40, "root": _HASH}
    assert in_export(Story(change=_said(log=ahead))) == {"another-log", "no-quorum"}
    assert in_export(Story(change=_said(at=_EARLY))) == {"wrong-time", "no-quorum"}


def _circle(ledger: MemoryLog) -> None:
    """Let two strangers endorse each other."""
    for person, signer in (("bob", STRANGERS), ("mallory", SK_ED25519)):
        register(ledger, person, signer)
    endorse(ledger, "mallory", "bob", STRANGERS, by=SK_ED25519)
    endorse(ledger, "eve", "mallory", SK_ED25519, by=STRANGERS)


def _by_oneself(ledger: MemoryLog) -> None:
    register(ledger, "bob", STRANGERS)
    endorse(ledger, "bob", "bob", STRANGERS)


def _revoked_endorser(ledger: MemoryLog) -> None:
    register(ledger, "bob", STRANGERS)
    revoke(ledger, ECDSA)
    endorse(ledger, "dave", "bob", STRANGERS)


KEYS_OF_OTHERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "endorsed by one": ({"endorsers": ("bob",)}, {"not-endorsed"}),
    "endorsed by one twice": ({"endorsers": ("bob", "bob")}, {"not-endorsed"}),
    "endorsed by nobody": ({"endorsers": ()}, {"not-endorsed"}),
    "endorsed by a stranger": (
        {"early": lambda ledger: endorse(ledger, "eve", "carol", PASSKEY, by=STRANGERS), "endorsers": ("bob",)},
        {"by-no-key-that-counts", "not-endorsed"},
    ),
    "fewer than the rulebook's quorum": (
        {"rulebook": RULEBOOK | {"policy": {"quorum": 3, "decision_max_auth_age": 900}}},
        {"not-endorsed"},
    ),
    "endorsed in a circle": ({"early": _circle, "change": _by(STRANGERS)}, {"by-no-key-that-counts", "not-endorsed"}),
    "endorsed by oneself": ({"early": _by_oneself, "change": _by(STRANGERS)}, {"of-oneself", "not-endorsed"}),
    "endorsed by a revoked key": (
        {"early": _revoked_endorser, "change": _by(STRANGERS)},
        {"by-no-key-that-counts", "not-endorsed"},
    ),
    "endorsed for another log": (
        {"change_endorsement": _said(service="another.example/log")},
        {"another-service", "not-endorsed"},
    ),
    "endorsed over a log that never was": (
        {"change_endorsement": lambda draft: draft.said["log"].update(root=_HASH)},
        {"another-log", "not-endorsed"},
    ),
    "another key than was endorsed": (
        {"change_endorsement": _said(key=STRANGERS.public.text)},
        {"another-key", "not-endorsed"},
    ),
    "another person than was endorsed": (
        {"change_endorsement": _said(person="eve")},
        {"another-person", "not-endorsed"},
    ),
    "a decision as an endorsement": (
        {"change_endorsement": _for("decision@rootquorum")},
        {"another-namespace", "not-endorsed"},
    ),
    "registered by another key": (
        {"change_registration": _by(STRANGERS)},
        {"another-key", "unregistered"},
    ),
    "registered by another person": (
        {"change_registration": _said(person="eve")},
        {"another-person", "unregistered"},
    ),
    "endorsements by a compromised key": (
        {"early": lambda ledger: revoke(ledger, ECDSA, "compromised", 2)},
        {"not-endorsed"},
    ),
}


@pytest.mark.parametrize("name", KEYS_OF_OTHERS)
def test_a_key_that_founders_do_not_lead_to_counts_for_nothing(name: str) -> None:
    about, expected = KEYS_OF_OTHERS[name]
    assert in_export(Story(**about)) == {*expected, "no-quorum"}
    assert in_evidence(Story(**about)) == {*expected, "no-quorum"}


def test_a_retired_key_leaves_what_it_endorsed() -> None:
    assert in_export(Story(early=lambda ledger: revoke(ledger, ECDSA))) == set()
    assert in_export(Story(early=lambda ledger: revoke(ledger, ECDSA, "compromised", 8))) == set()


def test_an_approval_is_void_once_its_key_is_revoked() -> None:
    def later(ledger: MemoryLog) -> None:
        revoke(ledger, ED25519)

    assert in_export(Story(between=later)) == {"no-quorum"}
    assert in_evidence(Story(between=later)) == {"no-quorum"}


def test_an_approval_is_void_if_its_person_was_suspended_after_its_head() -> None:
    """Whatever its own time says, and although the person is reinstated."""

    def early(ledger: MemoryLog) -> None:
        for name in ("person.suspended", "person.reinstated"):
            of_service(ledger, name, person="bob")

    before = Story(early=early)
    assert in_export(before) == set()
    size = next(leaf["seq"] for leaf in before.told()[0].leaves if leaf["event"] == "person.suspended") - 1
    known = head(before.told()[0], size)
    ages = RULEBOOK | {"policy": {"quorum": 2, "decision_max_auth_age": 86_400}}
    assert in_export(Story(early=early, rulebook=ages)) == set()
    stale = Story(early=early, rulebook=ages)
    log = head(stale.told()[0], known["size"])
    assert in_export(replace(stale, change=_said(log=log))) == {"no-quorum"}


MODES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "off": ({"filing": {}}, set()),
    "enrolled, and everybody has a key": ({"filing": {"signed_approvals": "enrolled"}}, {"unsigned", "no-quorum"}),
    "enrolled, and they never had a key": (
        {"filing": {"signed_approvals": "enrolled"}, "endorsers": (), "unsigned": ("carol",)},
        set(),
    ),
    "enrolled, and their key was revoked": (
        {
            "filing": {"signed_approvals": "enrolled"},
            "unsigned": ("carol",),
            "early": lambda ledger: revoke(ledger, PASSKEY),
        },
        {"unsigned", "no-quorum"},
    ),
    "required": ({}, {"unsigned", "no-quorum"}),
    "required by a rule": (
        {
            "filing": {
                "demands": [{"rule": "signed", "signed_approvals": "required"}],
                "placement": {"name": "prod", "units": None, "tags": None},
            },
        },
        {"unsigned", "no-quorum", "not-allowed"},
    ),
    "required when it is executed": ({"filing": {}, "policy": {"signed_approvals": "required"}}, {"no-quorum"}),
    "enrolled when it is executed": ({"filing": {}, "policy": {"signed_approvals": "enrolled"}}, {"no-quorum"}),
    "something else": ({"filing": {"signed_approvals": "perhaps"}}, {"not-filed"}),
}


@pytest.mark.parametrize("name", MODES)
def test_an_unsigned_approval_counts_only_where_it_may(name: str) -> None:
    about, expected = MODES[name]
    assert in_export(Story(**{"unsigned": ("bob",), **about})) == expected


def test_an_auditor_can_demand_signatures_that_the_log_does_not() -> None:
    story = Story(unsigned=("bob", "carol"), filing={})
    assert in_export(story) == set()
    assert in_export(story, Trust(all_signed=True)) == {"unsigned", "no-quorum"}
    notes = [each for each in told(export(story.told()[0]), Trust(signers=SIGNERS)) if "not signed" in str(each)]
    assert notes == ["2 approvals are not signed, and did not have to be: --all-signed demands it"]


def test_founders_of_the_log_alone_are_the_word_of_its_settings() -> None:
    said = [str(each) for each in told(export(Story().told()[0])) if "whose keys count" in str(each)]
    assert len(said) == 1
    assert not [each for each in told(export(Story().told()[0]), Trust(signers=SIGNERS)) if "whose" in str(each)]


def test_keys_that_only_the_log_believes_count_for_nothing_against_the_auditors() -> None:
    """Whoever edits the settings can name founders, and whoever writes the log can write that they did."""
    mine = {"bob": STRANGERS.public.text, "dave": SK_ED25519.public.text}
    signing = SIGNING | {"founders": {person: [key] for person, key in mine.items()}}
    forged = Story(change=_by(STRANGERS), rulebook=RULEBOOK | {"signing": signing}, endorsers=())
    assert "unregistered" not in in_export(forged)
    assert in_export(forged, Trust(signers=SIGNERS)) == {"unregistered", "no-quorum"}
    assert "unregistered" in in_export(forged, TRUSTS["founders"])


def test_the_log_can_revoke_a_key_that_the_auditor_trusts() -> None:
    story = Story(early=lambda ledger: revoke(ledger, ED25519))
    assert in_export(story, Trust(signers=SIGNERS)) == {"revoked", "no-quorum"}


def test_an_auditor_makes_demands_of_their_own() -> None:
    def demanding(**demands: Any) -> set[str]:
        return in_export(Story(), Trust(demands=Demands(**{"user_verified": False, **demands})))

    assert demanding() == set()
    assert demanding(only_hardware=True) == {"not-hardware", "no-quorum"}
    assert demanding(rp_id="other.example", origins=frozenset({"https://other.example"})) >= {"wrong-site"}
    lax = Story(rulebook=RULEBOOK | {"signing": SIGNING | {"user_verified": False}})
    assert in_export(lax) == set()


def test_the_site_is_the_auditors_if_the_log_says_nothing_of_it() -> None:
    silent = Story(rulebook={"policy": RULEBOOK["policy"]}, endorsers=())
    site = Demands(rp_id=RP_ID, origins=frozenset({PAGE}))
    assert in_export(silent, Trust(signers=SIGNERS)) == {"wrong-site", "no-quorum"}
    assert in_export(silent, Trust(signers=SIGNERS, demands=site)) == set()


def test_a_rejection_need_not_be_signed_and_a_wrong_signature_of_one_is_found() -> None:
    ledger, request_id = Story().told()
    leaves = json.loads(json.dumps(ledger.leaves))
    for signed in (False, True):
        again = MemoryLog()
        for leaf in leaves:
            if leaf["event"] == "decision.recorded" and leaf["data"]["person"] == "carol":
                leaf["data"]["decision"] = "reject"
                if not signed:
                    leaf["data"] |= {"statement": None, "signature": None}
                again.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
                break
            again.append(**{name: value for name, value in leaf.items() if name not in {"seq", "previous"}})
        leaves = json.loads(json.dumps(ledger.leaves))
        assert found(export(again)) == ({"another-decision"} if signed else set())
    assert request_id


# An export that lost events.


def test_signatures_behind_a_gap_are_judged_by_themselves() -> None:
    ledger, _ = Story().told()
    lines = ledger.export()
    del lines[1]
    assert found(b"".join(lines)) == {"sequence-broken", "wrong-size"}
    assert found(b"".join(lines), Trust(signers=SIGNERS)) == {"sequence-broken", "wrong-size"}
    forged, _ = Story(**APPROVALS["another-digest"]).told()  # type: ignore[arg-type]
    lines = forged.export()
    del lines[1]
    assert found(b"".join(lines)) == {"sequence-broken", "wrong-size", "another-digest", "no-quorum"}


# Evidence.


def test_evidence_shows_that_the_log_had_the_heads_that_people_signed() -> None:
    ledger, request_id = Story().told()
    for wrong in ([], [{"size": 7, "proof": []}]):
        whole = evidence_of(ledger, request_id, heads=wrong)
        assert found(json.dumps(whole).encode()) >= {"another-log", "no-quorum"}


def test_evidence_without_the_events_of_keys_counts_none() -> None:
    ledger, request_id = Story().told()
    data = json.dumps(evidence_of(ledger, request_id, signing=[])).encode()
    assert found(data) == {"unregistered", "wrong-site", "no-quorum"}
    site = Demands(rp_id=RP_ID, origins=frozenset({PAGE}))
    assert found(data, Trust(signers=SIGNERS, demands=site)) == set()


def test_signed_decisions_take_the_second_version_of_evidence() -> None:
    ledger, request_id = Story().told()
    first = ledger.evidence(request_id)
    first["decisions"] = [
        {name: made[name] for name in made if name not in {"statement", "signature"}} for made in first["decisions"]
    ]
    assert "unknown-format" in found(json.dumps(first).encode())
    second = evidence_of(ledger, request_id)
    assert found(json.dumps(second | {"format": "rootquorum-evidence/1"}).encode()) == {"unknown-format"}
    assert found(json.dumps({**second, "more": 1}).encode()) == {"wrong-members"}


_WHOLE = evidence_of(*Story().told())


@pytest.mark.parametrize("how", ["change", "delete", "insert"])
@pytest.mark.parametrize("part", ["decisions", "signing", "heads"])
def test_every_field_changed_in_evidence_is_found(part: str, how: str) -> None:
    for path in fields(_WHOLE):
        if path[0] != part:
            continue
        if part == "signing" and len(path) == 2 and how == "delete":
            continue  # nobody can tell that a revocation is missing, which the page says
        assert found(json.dumps(changed_at(_WHOLE, path, how)).encode()), path


def test_events_of_keys_are_in_order_and_about_keys() -> None:
    ledger, request_id = Story().told()
    whole = evidence_of(ledger, request_id)
    backwards = whole | {"signing": whole["signing"][::-1]}
    assert "out-of-order" in found(json.dumps(backwards).encode())
    foreign = whole | {"signing": [*whole["signing"], whole["events"][0]]}
    assert found(json.dumps(foreign).encode()) == {"foreign-event"}


# Odd values.

ODD: list[object] = [None, True, 7, -1, "text", "\ud800", "", [], {}, [None], [[]], [{}], {"a": {"b": []}}, {"bob": 7}]
_PLACES = (
    ["rulebook"],
    ["rulebook", "policy"],
    ["rulebook", "policy", "quorum"],
    ["rulebook", "policy", "decision_max_auth_age"],
    ["rulebook", "signing"],
    *(["rulebook", "signing", name] for name in SIGNING),
    ["rulebook", "signing", "founders", "bob"],
    *([name] for name in ("person", "endorser", "key", "statement", "signature", "since", "reason", "decision")),
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("place", _PLACES, ids=".".join)
def test_nothing_odd_in_an_event_stops_the_verifier(place: list[str], odd: object) -> None:
    ledger, _ = Story(between=lambda log: revoke(log, ED25519)).told()
    lines = MemoryLog()
    for leaf in json.loads(json.dumps(ledger.leaves)):
        inner = leaf["data"]
        for name in place[:-1]:
            inner = inner.get(name, {})
        if place[-1] in inner:
            inner[place[-1]] = odd
        if odd == "\ud800":
            lines.leaves.append(leaf)
            continue
        lines.append_as_it_is(leaf)
    if odd != "\ud800":
        assert isinstance(found(export(lines)), set)
    replay = verifier.Replay(is_log=True, signing=verifier.Signing())
    for leaf in lines.leaves:
        assert all(isinstance(each, Finding | str) for each in replay.take(leaf))


@pytest.mark.parametrize(
    "odd", [*ODD, [{"size": 3}], [{"size": True, "proof": []}], [{"size": [], "proof": []}]], ids=repr
)
@pytest.mark.parametrize("member", ["signing", "heads"])
def test_nothing_odd_in_evidence_stops_the_verifier(member: str, odd: object) -> None:
    assert found(json.dumps(_WHOLE | {member: odd}).encode())
