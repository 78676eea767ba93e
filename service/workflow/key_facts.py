"""What one event about a key proves, from the bytes that people signed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from service.db.tree import PastHead
from service.domain.canonical import parse_timestamp
from service.domain.event_table import KEY_ENDORSED, KEY_REGISTERED, KEY_REVOKED, RULES_SIGNED
from service.domain.roster import Endorsement, Reason, Registration, Revocation, RevokedBy
from service.domain.rule_file import SignedRules
from service.domain.signed import Signing
from service.signing import proofs
from service.signing.demands import Demands, demands_of
from service.signing.faults import BadSignature
from service.workflow.context import Context
from service.workflow.rule_events import NOT_OURS, SAYS_ANOTHER, rules_of

Row: TypeAlias = tuple[int, str, str]
Fact: TypeAlias = Registration | Endorsement | Revocation | SignedRules


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """An event about a key: its number, name, time and data, and what it proves.

    `fact` is the reason if it proves nothing. `at` is None and `data` empty if the row cannot be read.
    """

    seq: int
    name: str
    at: datetime | None
    data: Mapping[str, Any]
    fact: Fact | str


def demands_of_facts(signing: Signing) -> Demands:
    """Return what a recorded registration or endorsement has to meet.

    The kind of the key was checked when it was recorded. A stricter setting shall not undo what people have proved.
    """
    return replace(demands_of(signing), only_hardware=False, only_device_bound=False)


def parsed(row: Row) -> tuple[datetime | None, Mapping[str, Any]]:
    """Return the event's time and data. A row whose content is not that event has none."""
    seq, name, content = row
    try:
        event = json.loads(content)
        at, data = parse_timestamp(event["at"]), event["data"]
        is_it = event["seq"] == seq and event["event"] == name and isinstance(data, dict)
    except (ValueError, TypeError, LookupError, RecursionError):
        is_it = False
    return (at, data) if is_it else (None, {})


def key_event(
    ctx: Context,
    row: Row,
    at: datetime | None,
    data: Mapping[str, Any],
    *,
    heads: Mapping[int, PastHead],
    signing: Signing,
) -> KeyEvent:
    """Return the event with what it proves, by the demands of `signing` on its time."""
    seq, name, _ = row

    def root_at(size: int) -> str | None:
        # A statement over a head that came after it was signed ahead.
        return heads[size].root if size < seq and size in heads else None

    if name == RULES_SIGNED:
        return KeyEvent(seq, name, at, data, rules_of(data))
    log = proofs.Log(ctx.log.origin, root_at)
    return KeyEvent(seq, name, at, data, _fact(name, data, log, demands_of_facts(signing), seq - 1))


def _fact(name: str, data: Mapping[str, Any], log: proofs.Log, wanted: Demands, position: int) -> Fact | str:
    """Return what an event proves, or the reason why it proves nothing."""
    try:
        if name == KEY_REGISTERED:
            registered = proofs.registration(*_bytes(data), log, wanted, position=position)
            return _same(registered, data, person=registered.person, key=registered.key)
        if name == KEY_ENDORSED:
            endorsed = proofs.endorsement(*_bytes(data), log, wanted, position=position)
            about = {"person": endorsed.person, "key": endorsed.key, "endorser": endorsed.endorser}
            return _same(endorsed, data, **about)
        if name == KEY_REVOKED:
            return Revocation(
                key=str(data["key"]),
                reason=Reason(data["reason"]),
                since=_whole(data["since"]),
                by=RevokedBy(data["by"]),
                position=position,
            )
    except BadSignature as error:
        return str(error)
    except (ValueError, TypeError, LookupError):
        return NOT_OURS
    return "The event proves nothing."


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError("not a whole number")
    return number


def _same(fact: Fact, data: Mapping[str, Any], **about: str) -> Fact | str:
    return fact if all(data.get(name) == value for name, value in about.items()) else SAYS_ANOTHER


def _bytes(data: Mapping[str, Any]) -> tuple[bytes, str]:
    return encoded(str(data["statement"])), str(data["signature"])


def encoded(text: str) -> bytes:
    """Return the bytes of a text. Those of a lone surrogate are no UTF-8, so no reader takes them."""
    return text.encode(errors="surrogatepass")
