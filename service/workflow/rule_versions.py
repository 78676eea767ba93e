"""The versions of the signed rules that came into force, for those who check them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.db import people
from service.db.engine import read, retried
from service.domain.errors import Code, NotFound
from service.domain.permissions import check_may_see_keys
from service.domain.roster import roster_at
from service.domain.rule_file import SignedRules
from service.signing.public_keys import PublicKey, parse_public_key
from service.workflow.context import Context
from service.workflow.keys import Keys, keys_of
from service.workflow.sign_in import Caller, recording_sign_ins, signed_in


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signed a version. `person` is whose it was; None if it did not count then."""

    key: PublicKey
    person: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version with those who signed it. `name_of` has the names of people."""

    signed: SignedRules
    recorded_at: datetime | None
    signers: tuple[Signer, ...]
    is_in_force: bool
    name_of: Callable[[str], str]


@retried
@recording_sign_ins
def every_version(ctx: Context, caller: Caller) -> Sequence[Version]:
    """Return the versions that came into force, oldest first; none if the service has no signed rules.

    Raise Unauthenticated, Forbidden, Unavailable.
    """
    with read(ctx.engine) as tx:
        check_may_see_keys(signed_in(ctx, tx, caller))
        keys = keys_of(ctx, tx)
        signers = [_signers(keys, number) for number in range(len(keys.chain.in_force))]
        subjects = {each.person for found in signers for each in found if each.person is not None}
        directory = ctx.directory.joined(people.some(tx, subjects - ctx.directory.members.keys()))
    recorded = {each.position: each.signed for each in keys.recorded}
    times = {event.seq - 1: event.at for event in keys.events}
    newest, first = keys.chain.in_force[-1:], keys.recorded[0].position if keys.recorded else 0
    return [
        Version(
            signed=recorded[max(event.position, first)],
            recorded_at=times[max(event.position, first)],
            signers=signed_by,
            is_in_force=event in newest,
            name_of=directory.name_of,
        )
        for event, signed_by in zip(keys.chain.in_force, signers, strict=True)
    ]


def one_version(ctx: Context, caller: Caller, number: int) -> Version:
    """Return a version that came into force. Raise NotFound, and what `every_version` raises."""
    found = [each for each in every_version(ctx, caller) if each.signed.file.rules.version == number]
    if not found:
        raise no_such_version()
    return found[0]


def no_such_version() -> NotFound:
    return NotFound(Code.NOT_FOUND, "There is no such version of the rules.")


def _signers(keys: Keys, number: int) -> tuple[Signer, ...]:
    """Return who signed, by the roster of when the version was recorded. Founders of the first may sign their own."""
    event = keys.chain.in_force[number]
    before = keys.chain.in_force[:number] or (event,)
    owners = roster_at(max(event.position, 0), before, keys.facts).owners
    return tuple(Signer(parse_public_key(key), owners.get(key)) for key in sorted(event.signers))
