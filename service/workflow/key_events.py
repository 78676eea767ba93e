"""The events that it takes to judge a request's signatures outside of the service. For evidence."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.db import audit
from service.db.engine import Tx
from service.db.proved_log import read_log
from service.domain.event_table import PERSON_REINSTATED, PERSON_SUSPENDED, RULES_SIGNED
from service.signing.faults import BadSignature
from service.signing.sshsig import key_of

Data = Mapping[str, Any]


def events_about_keys(tx: Tx, decisions: Sequence[Data]) -> list[tuple[int, str]]:
    """Return number and canonical JSON of the events about the keys that signed, and about those of their endorsers,
    and so on; of the versions of the signed rules, with the keys that signed those; and of the rulebooks that said
    otherwise than those before who are founders, and what counts.
    """
    events = [(seq, content) for seq, name, content in read_log(tx).about_keys if name not in _OF_PEOPLE]
    parsed = {seq: _data_of(content) for seq, content in events}
    rules = [(seq, content) for seq, name, content in read_log(tx).about_keys if name == RULES_SIGNED]
    signed = [*decisions, *(signature for seq, _ in rules for signature in _signatures_of(parsed[seq]))]
    concerned, more = set[str](), {key for made in signed for key in _signer_of(made)}
    while more:
        concerned |= more
        of_them = [data for data in parsed.values() if data.get("key") in more]
        more = {key for data in of_them for key in _signer_of(data)} - concerned
    about = [(seq, content) for seq, content in events if parsed[seq].get("key") in concerned]
    return sorted([*about, *rules, *_rules(tx)])


def sizes_in(said: Iterable[Data]) -> set[int]:
    """Return the sizes of the log that statements name, as far as they can be read."""
    return {size for data in said for size in size_in(data)}


def size_in(data: Data) -> Iterable[int]:
    """Yield the size of the log that the statement names, if there is one."""
    try:
        size = json.loads(data["statement"])["log"]["size"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return
    if type(size) is int and 0 <= size < 2**53:
        yield size


def _signer_of(data: Data) -> Iterable[str]:
    """Yield the key that says to have signed. Whether it did, nobody relies on here."""
    try:
        yield key_of(str(data.get("signature"))).text
    except BadSignature:
        return


_OF_PEOPLE = {PERSON_SUSPENDED, PERSON_REINSTATED}


def _data_of(content: str) -> Data:
    """Return the data of an event. One that the service did not write has none."""
    try:
        data = json.loads(content)["data"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _signatures_of(rules: Data) -> list[Data]:
    """Return each signature of a version of the rules as if an event of its own had it."""
    listed = rules.get("signatures")
    return [{"signature": each} for each in listed] if isinstance(listed, list) else []


def _rules(tx: Tx) -> Iterable[tuple[int, str]]:
    """Yield each `policy.changed` that differs from the one before in what judges signatures."""
    before: object = None
    for seq, content in audit.policies(tx):
        rulebook = _data_of(content).get("rulebook")
        policy = rulebook.get("policy") if isinstance(rulebook, dict) else None
        if not isinstance(rulebook, dict) or not isinstance(policy, dict):
            continue
        now = (rulebook.get("signing"), policy.get("quorum"), policy.get("decision_max_auth_age"))
        if now != before:
            yield seq, content
        before = now
