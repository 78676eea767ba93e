"""Signing keys: who has which, and what becomes of them. The audit log is their only store.

Each change is an event that has the bytes that were signed. `signatures.py` reads them.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from service.db import audit, people, tree
from service.db.engine import Tx, begin, read, retried
from service.db.proved_log import read_log
from service.domain.actor import Actor
from service.domain.canonical import Document
from service.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound, log_too_small
from service.domain.event_table import KEY_ENDORSED, KEY_REGISTERED, KEY_REVOKED
from service.domain.events import Event
from service.domain.permissions import check_may_hold_key, check_may_revoke_keys, check_may_see_keys, check_signs
from service.domain.policy import CLOCK_SKEW, check_fresh
from service.domain.roster import Holder, KeyFault, Reason, Registration, Revocation, RevokedBy
from service.domain.signed import OF_KEY, OF_STATEMENT
from service.domain.statement import (
    AnyStatement,
    NotAStatement,
    StatementFault,
    parse_enrolment,
    parse_registration,
)
from service.signing import proofs
from service.signing.demands import demands_of
from service.signing.faults import BadSignature, Fault
from service.signing.public_keys import PublicKey, parse_public_key
from service.workflow.context import Context
from service.workflow.key_facts import encoded
from service.workflow.keys import Keys, keys_of
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in
from service.workflow.signatures import Pair
from service.workflow.tell import tell

# A person's registrations, for good: whoever judges a signature reads them all.
MOST_KEYS = 20
# How often a person may say of a key that it was compromised earlier than they said before. An operator may always.
_MOST_REVOCATIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key of a person. `fault` is why it does not count; None if it does.

    `name` is the person's own, None for a founder's key, which nobody registers. `endorsers` are the people whose
    endorsements count.
    """

    person: str
    key: PublicKey
    name: str | None
    is_founder: bool
    fault: KeyFault | None
    endorsers: tuple[str, ...]
    registered_at: datetime | None
    revocations: tuple[Revocation, ...]

    @property
    def id(self) -> str:
        """Return the SHA-256 of the key in Base64 that can stand in a path: the fingerprint in another alphabet."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.key.blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Listing:
    """Keys, the names of people, and how many endorsements a key needs."""

    keys: Sequence[SigningKey]
    name_of: Callable[[str], str]
    needed: int


def named_log(ctx: Context) -> str:
    """Return the log's name, which is in every statement. Raise Conflict if it has none."""
    if not ctx.log.origin:
        raise Conflict(Code.LOG_WITHOUT_NAME)
    return ctx.log.origin


@retried
@recording_sign_ins
def own_keys(ctx: Context, caller: Caller) -> Listing:
    """Return the caller's keys. Raise Unauthenticated, Forbidden, Unavailable."""
    with read(ctx.engine) as tx:
        actor = signed_in(ctx, tx, caller)
        check_signs(actor)
        return listing(ctx, tx, [each for each in all_keys(ctx, tx) if each.person == actor.subject])


@retried
@recording_sign_ins
def every_key(ctx: Context, caller: Caller) -> Listing:
    """Return everybody's keys. Raise Unauthenticated, Forbidden, Unavailable."""
    with read(ctx.engine) as tx:
        check_may_see_keys(signed_in(ctx, tx, caller))
        return listing(ctx, tx, all_keys(ctx, tx))


@retried
def known_keys(ctx: Context) -> list[SigningKey]:
    """Return everybody's keys, for whoever runs the service. Raise Unavailable."""
    with read(ctx.engine) as tx:
        return all_keys(ctx, tx)


def listing(ctx: Context, tx: Tx, found: Sequence[SigningKey]) -> Listing:
    subjects = {each.person for each in found} | {person for each in found for person in each.endorsers}
    directory = ctx.directory.joined(people.some(tx, subjects - ctx.directory.members.keys()))
    in_force = keys_of(ctx, tx).chain.in_force
    # The roster asks for the quorum of the signed rules. A higher one of an emergency is only asked of approvals.
    return Listing(found, directory.name_of, in_force[-1].rules.quorum if in_force else ctx.policy.quorum)


def all_keys(ctx: Context, tx: Tx, keys: Keys | None = None) -> list[SigningKey]:
    """Return founders' keys, by person, then those that were registered, the oldest first."""
    keys = keys_of(ctx, tx) if keys is None else keys
    revoked = [event.fact for event in keys.events if isinstance(event.fact, Revocation)]
    founders = sorted(ctx.signing.founders)
    registered: dict[Holder, tuple[str, datetime | None]] = {}
    for event in keys.events:
        if isinstance(event.fact, Registration):
            label = str(event.data.get("name"))
            registered.setdefault((event.fact.person, event.fact.key), (label, event.at))
    return [
        SigningKey(
            person=holder[0],
            key=parse_public_key(holder[1]),
            name=registered[holder][0] if holder in registered else None,
            is_founder=holder in ctx.signing.founders,
            fault=keys.roster.fault(*holder),
            endorsers=tuple(sorted(keys.roster.endorsers.get(holder, ()))),
            registered_at=registered[holder][1] if holder in registered else None,
            revocations=tuple(each for each in revoked if each.key == holder[1]),
        )
        for holder in dict.fromkeys([*founders, *registered])
    ]


@retried
@recording_sign_ins
def register(ctx: Context, caller: Caller, name: str, signed: Pair) -> Listing:
    """Record that the caller has a key, by which the statement is signed. A repeat changes nothing.

    Raise Unauthenticated, Forbidden, Invalid or Conflict with the reason; Unavailable.
    """
    with begin(ctx.engine) as tx:
        audit.hold(tx)
        actor = signed_in(ctx, tx, caller)
        check_may_hold_key(actor)
        said = _parsed(signed, parse_registration)
        if said.person != actor.subject:
            raise _wrong(OF_STATEMENT[StatementFault.ANOTHER_PERSON])
        log, wanted = _log_of(ctx, tx, said), demands_of(ctx.signing)
        with _refusing_bad_signatures():
            position = read_log(tx).frontier.size
            proved = proofs.registration(encoded(signed[0]), signed[1], log, wanted, position=position)
        found = all_keys(ctx, tx)
        own = [each for each in found if each.key.text == proved.key]
        if any(each.person != actor.subject for each in own):
            raise Conflict(Code.KEY_TAKEN)
        if any(each.fault is KeyFault.REVOKED for each in own):
            raise Conflict(Code.KEY_REVOKED)
        if own:
            return listing(ctx, tx, own)
        if sum(each.person == actor.subject and each.name is not None for each in found) >= MOST_KEYS:
            raise Conflict(Code.TOO_MANY_KEYS, most=MOST_KEYS)
        check_fresh(actor, ctx.policy, ctx.now(), what="The registration of a key")
        key = parse_public_key(proved.key)
        about = {"person": actor.subject, "name": name, "key": key.text, "fingerprint": key.fingerprint}
        return _told(ctx, tx, actor, Event(KEY_REGISTERED, {**about, **_bytes_of(signed)}), key.text)


@retried
@recording_sign_ins
def endorse(ctx: Context, caller: Caller, key_id: str, signed: Pair) -> Listing:
    """Record that the caller vouches for somebody else's key. A repeat changes nothing.

    Raise NotFound, Unauthenticated, Forbidden, Invalid or Conflict with the reason; Unavailable.
    """
    with begin(ctx.engine) as tx:
        audit.hold(tx)
        actor = signed_in(ctx, tx, caller)
        keys = keys_of(ctx, tx)
        target = endorsable(ctx, tx, actor, key_id, keys)
        said = _parsed(signed, parse_enrolment)
        if said.endorser != actor.subject:
            raise _wrong(OF_STATEMENT[StatementFault.ANOTHER_PERSON])
        if (said.person, said.key) != (target.person, target.key.text):
            raise _wrong("The statement is about another key.")
        log, wanted = _log_of(ctx, tx, said), demands_of(ctx.signing)
        with _refusing_bad_signatures():
            proved = proofs.endorsement(encoded(signed[0]), signed[1], log, wanted, position=read_log(tx).frontier.size)
        fault = keys.roster.fault(actor.subject, proved.by_key)
        if fault is not None:
            raise Forbidden(Code.KEY_NOT_ENDORSED, f"{Code.KEY_NOT_ENDORSED.sentence} {OF_KEY[fault]}")
        if actor.subject in target.endorsers:
            return listing(ctx, tx, [target])
        check_fresh(actor, ctx.policy, ctx.now(), what="An endorsement")
        about = {"person": target.person, "key": target.key.text, "endorser": actor.subject}
        return _told(ctx, tx, actor, Event(KEY_ENDORSED, {**about, **_bytes_of(signed)}), target.key.text)


def endorsable(ctx: Context, tx: Tx, actor: Actor, key_id: str, keys: Keys | None = None) -> SigningKey:
    """Return the key that the actor may endorse. Raise Forbidden, NotFound, Conflict."""
    check_may_hold_key(actor)
    named_log(ctx)
    # If two people claim a key, none of their endorsements makes it count.
    target = _known(all_keys(ctx, tx, keys), key_id)[0]
    if target.person == actor.subject:
        raise Forbidden(Code.SELF_ENDORSEMENT)
    if target.fault is KeyFault.REVOKED:
        raise Conflict(Code.KEY_REVOKED)
    return target


@retried
@recording_sign_ins
def revoke(
    ctx: Context, caller: Caller, key_id: str, reason: Reason, since: int | None = None, *, by: RevokedBy
) -> Listing:
    """Record that a key no longer counts: one of the caller's, or anybody's if they are an operator.

    `since` is the head from which a compromised key is not to be trusted; None for its beginning. A repeat, or a weaker
    revocation than there is, changes nothing. Raise NotFound, Unauthenticated, Forbidden, Invalid, Unavailable.
    """
    with begin(ctx.engine) as tx:
        audit.hold(tx)
        actor = signed_in(ctx, tx, caller)
        if by is RevokedBy.OPERATOR:
            check_may_revoke_keys(actor)
        else:
            check_signs(actor)
        if reason is Reason.COMPROMISED:
            # It reaches what the key endorsed, and so other people's keys. To retire a key is always easy.
            check_fresh(actor, ctx.policy, ctx.now(), what="A revocation of a compromised key")
        mine = [each for each in all_keys(ctx, tx) if by is RevokedBy.OPERATOR or each.person == actor.subject]
        found, size = _known(mine, key_id), read_log(tx).frontier.size
        if since is not None and since > size:
            raise log_too_small("since")
        first = size if reason is Reason.RETIRED else since or 0
        new = Revocation(key=found[0].key.text, reason=reason, since=first, by=by, position=size)
        earlier = found[0].revocations
        is_enough = by is RevokedBy.PERSON and len(earlier) >= _MOST_REVOCATIONS
        if is_enough or any(each.end <= new.end for each in earlier):
            return listing(ctx, tx, found)
        key = found[0].key
        about: Document = {
            "person": found[0].person,
            "key": key.text,
            "fingerprint": key.fingerprint,
            "reason": reason.value,
            "since": first,
            "by": by.value,
        }
        return _told(ctx, tx, actor, Event(KEY_REVOKED, about), key.text)


def _parsed(signed: Pair, parse: Callable[[bytes], AnyStatement]) -> AnyStatement:
    try:
        return parse(encoded(signed[0]))
    except NotAStatement:
        raise _wrong(Fault.NOT_A_STATEMENT.sentence) from None


def _log_of(ctx: Context, tx: Tx, said: AnyStatement) -> proofs.Log:
    """Return the log, as far as a new statement needs it. Raise Conflict if it is too old, Invalid for its time."""
    origin, now, size = named_log(ctx), ctx.now(), said.head.size
    head = tree.past_heads(tx, [size], read_log(tx).frontier).get(size)
    if head is not None and head.next_at is not None and now - head.next_at > ctx.policy.decision_max_auth_age:
        raise Conflict(Code.STATEMENT_TOO_OLD)
    if said.at > now + CLOCK_SKEW:
        raise _wrong(OF_STATEMENT[StatementFault.WRONG_TIME])
    return proofs.Log(origin, lambda _: None if head is None else head.root)


@contextmanager
def _refusing_bad_signatures() -> Iterator[None]:
    try:
        yield
    except BadSignature as error:
        raise _wrong(str(error)) from None


def _known(found: Sequence[SigningKey], key_id: str) -> list[SigningKey]:
    known = [each for each in found if each.id == key_id]
    if not known:
        raise no_such_key()
    return known


def no_such_key() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such signing key.")


def _told(ctx: Context, tx: Tx, actor: Actor, event: Event, key: str) -> Listing:
    tell(ctx, tx, event, actor=actor, at=ctx.now())
    return listing(ctx, tx, [each for each in all_keys(ctx, tx) if each.key.text == key])


def _bytes_of(signed: Pair) -> Document:
    statement, signature = signed
    return {"statement": statement, "signature": signature}


def _wrong(why: str) -> Invalid:
    return Invalid(Code.WRONG_SIGNATURE, why=why)
