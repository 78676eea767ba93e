"""Says who is told of an event in person, such as by mail."""

from datetime import datetime

from service.domain.event_table import EVENTS, Audience
from service.domain.request import OperationRequest, Status
from service.domain.standing import Standing


def audience(event: str, request: OperationRequest, standing: Standing, now: datetime) -> frozenset[str]:
    """Return the subjects of those who are told of an event about this request, as things stand now.

    Approvers are told what waits for their approval, until it no longer does, unless they are away. The requester and
    the recipient are told what became of it. When it is settled, everybody is who could approve it. Nobody is told who
    could not sign in. `standing` has all approvers.
    """
    filing, directory = request.filing, standing.directory
    told = EVENTS[event].told
    found: frozenset[str] = frozenset()
    if told is Audience.APPROVERS and request.status in {Status.PENDING, Status.APPROVED}:
        found = frozenset(who for who in standing.waited_for(request) if not directory.is_away(who, now))
    if told in {Audience.INVOLVED, Audience.EVERYBODY}:
        found = frozenset({filing.requester, filing.recipient})
    if told is Audience.EVERYBODY:
        found |= standing.approvers_of(request)
    return frozenset(who for who in found if directory.may_receive(who))
