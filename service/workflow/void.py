"""Voids for good the votes of people who are no longer approvers.

A sign-in with fewer rights and a suspension void votes at once. A change of the settings is no event: it is noticed by
the worker, or when somebody decides on or executes a request with such a vote.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from service.db import audit, backlog, people, requests
from service.db.backlog import Due
from service.db.engine import Tx, retried
from service.domain.actor import WORKER, Person
from service.domain.directory import Directory
from service.domain.event_table import PERSON_CHANGED
from service.domain.events import known_as
from service.domain.request import OperationRequest, Status, Verdict
from service.domain.standing import Standing
from service.workflow.context import Context
from service.workflow.tell import tell


def with_lost_votes(ctx: Context, tx: Tx) -> list[Due]:
    """Return requests with a vote that would count again if its person became an approver again."""
    votes = backlog.open_votes(tx)
    directory = ctx.directory.joined(people.some(tx, {person for _, person in votes}))
    return list({due: None for due, person in votes if not directory.is_approver(person, due.account_id)})


class VotesLost(Exception):
    """A vote on this request must become void before anything else happens to it."""


def check_no_vote_is_lost(request: OperationRequest, standing: Standing) -> None:
    """Raise VotesLost if a vote would count again if its person became an approver again."""
    if any(True for _ in _lost(request, standing.directory)):
        raise VotesLost


def _lost(request: OperationRequest, directory: Directory) -> Iterator[str]:
    """Yield the people who approved an undecided request, but are no approvers today, and whose vote is not void."""
    if request.status not in {Status.PENDING, Status.APPROVED}:
        return
    for made in request.decisions:
        member = directory.get(made.person)
        is_void = member is not None and member.votes_since is not None and made.decided_at < member.votes_since
        is_approver = directory.is_approver(made.person, request.filing.account_id)
        if made.verdict is Verdict.APPROVE and not is_void and not is_approver:
            yield made.person


@retried
def void_lost_votes(ctx: Context, request_id: str) -> None:
    """Void such votes for good. Raise Conflict, Unavailable.

    All votes of these people become void, on other requests too, as after a sign-in with fewer rights.
    """
    with ctx.begin() as tx:
        request, now = requests.lock(tx, request_id), ctx.now()
        if request is None:
            return
        cast = {made.person: made.decided_at for made in request.decisions}
        known = people.some(tx, cast)
        lost = sorted(set(_lost(request, ctx.directory.joined(known))) - _voided(known, cast))
        locked = [people.held(tx, subject, ctx.directory.name_of(subject)) for subject in lost]
        audit.hold(tx)
        # Judged again: somebody else may have voided them, or they may have just signed in.
        lost = sorted(set(_lost(request, ctx.directory.joined(locked))) - _voided(locked, cast))
        voided = [
            replace(person, votes_since=person.void_until(now, requests.last_vote(tx, person.subject, now)))
            for person in locked
            if person.subject in lost
        ]
        # A vote from a clock that is years ahead stays out of reach. It does not count either.
        voided = [person for person in voided if person.subject in _voided([person], cast)]
        for person in voided:
            people.save(tx, person)
        events = [known_as(PERSON_CHANGED, person, ctx.directory.as_member(person)) for person in voided]
        tell(ctx, tx, *events, actor=WORKER, at=now)


def _voided(known: Iterable[Person], cast: Mapping[str, datetime]) -> set[str]:
    """Return whose vote is void already. A person whom the settings call a machine is in no directory."""
    return {
        person.subject
        for person in known
        if person.votes_since is not None and cast[person.subject] < person.votes_since
    }
