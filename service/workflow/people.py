"""What an operator does with people: list, suspend, reinstate."""

from dataclasses import replace

from service.db import audit, people, requests, tokens
from service.db.engine import begin, read, retried
from service.domain.actor import Actor, ActorKind, Person
from service.domain.directory import Directory
from service.domain.errors import Code, Conflict, NotFound
from service.domain.event_table import PERSON_REINSTATED, PERSON_SUSPENDED
from service.domain.events import Event
from service.workflow.context import Context
from service.workflow.tell import tell

_UNKNOWN = "No such person is known here. `rootquorum person list` has the names, as they are spelt."


@retried
def everybody(ctx: Context) -> tuple[Directory, dict[str, Person]]:
    """Return everybody who is known, and the stored records of people by subject. Raise Unavailable.

    Known are also people who had an API token, and whom the settings name no longer.
    """
    with read(ctx.engine) as tx:
        seen = people.every(tx)
        owners = {token.subject for token in tokens.every(tx) if token.kind is ActorKind.PERSON}
    recorded = {person.subject: person for person in seen}
    gone = [Person(subject=owner, name=owner) for owner in owners - recorded.keys() - ctx.directory.members.keys()]
    return ctx.directory.joined([*seen, *gone]), recorded


def suspend(ctx: Context, by: Actor, subject: str, reason: str) -> None:
    """Suspend a person: they cannot sign in, and all their votes on open requests are void.

    Raise NotFound if they are not known, Conflict if they are already suspended, Unavailable.
    """
    _mark(ctx, by, subject, reason, suspended=True)


def reinstate(ctx: Context, by: Actor, subject: str, reason: str) -> None:
    """Let a person sign in again. Their earlier votes stay void. Raise NotFound, Conflict, Unavailable."""
    _mark(ctx, by, subject, reason, suspended=False)


@retried
def _mark(ctx: Context, by: Actor, subject: str, reason: str, *, suspended: bool) -> None:
    with begin(ctx.engine) as tx:
        seen = people.lock(tx, subject)
        audit.hold(tx)  # what they vote after this is later than what is void from now on
        now = ctx.now()
        member = ctx.directory.joined([] if seen is None else [seen]).get(subject)
        # Named again, whoever left would have a token that works: so they can be suspended before that.
        is_gone = member is None and tokens.has_any(tx, subject, ActorKind.PERSON)
        if not is_gone and (member is None or member.kind is not ActorKind.PERSON):
            raise NotFound(Code.NOT_FOUND, _UNKNOWN)
        if (member is not None and member.is_suspended) is suspended:
            raise Conflict(Code.WRONG_STATUS, f"They are {'already suspended' if suspended else 'not suspended'}.")
        known = seen or Person(subject=subject, name=subject if member is None else member.name)
        person = replace(
            known,
            suspended_at=now if suspended else None,
            votes_since=known.void_until(now, requests.last_vote(tx, subject, now)),
        )
        if seen is None:
            people.add(tx, person)
        else:
            people.save(tx, person)
        event = Event(PERSON_SUSPENDED if suspended else PERSON_REINSTATED, {"person": subject, "reason": reason})
        tell(ctx, tx, event, actor=by, at=now)
