"""Voids for good the votes of people who are no longer approvers.

A sign-in with fewer rights and a suspension void votes at once. A change of the settings is no event: it is noticed by
the worker, or when somebody decides on or executes a request with such a vote.
"""

from dataclasses import replace
from datetime import datetime

from service.db import backlog, people, requests
from service.db.backlog import Due
from service.db.engine import Tx
from service.domain.actor import Person
from service.domain.event_table import PERSON_CHANGED
from service.domain.events import Event, known_as
from service.domain.request import OperationRequest, Status, Verdict
from service.workflow.context import Context


def with_lost_votes(ctx: Context, tx: Tx) -> list[Due]:
    """Return requests with a vote that would count again if its person became an approver again."""
    votes = backlog.open_votes(tx)
    directory = ctx.directory.joined(people.some(tx, {person for _, person in votes}))
    return list({due: None for due, person in votes if not directory.is_approver(person, due.account_id)})


def void_lost_votes(ctx: Context, tx: Tx, request: OperationRequest, now: datetime) -> list[Event]:
    """Void such votes on a locked request for good. Return the events to publish at the end of the transaction.

    All votes of these people become void, on other requests too, as after a sign-in with fewer rights.
    """
    cast = {made.person: made.decided_at for made in request.decisions if made.verdict is Verdict.APPROVE}
    if request.status not in {Status.PENDING, Status.APPROVED} or not cast:
        return []

    def is_lost(subject: str, seen: Person | None) -> bool:
        today = ctx.directory.joined([] if seen is None else [seen])
        is_void = seen is not None and seen.votes_since is not None and cast[subject] < seen.votes_since
        return not is_void and not today.is_approver(subject, request.filing.account_id)

    known = {person.subject: person for person in people.some(tx, cast)}
    events = []
    for subject in sorted(person for person in cast if is_lost(person, known.get(person))):
        person = people.held(tx, subject, ctx.directory.name_of(subject))
        if is_lost(subject, person):  # check again: somebody else may have voided them, or they may have just signed in
            voided = replace(person, votes_since=person.void_until(now, requests.last_vote(tx, subject, now)))
            people.save(tx, voided)
            events.append(known_as(PERSON_CHANGED, voided, ctx.directory.as_member(voided)))
    return events
