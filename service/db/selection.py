"""SQL conditions for the requests that a reader wants and may see."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select, true

from service.db.tables import api_tokens, decisions, people, requests
from service.domain.actor import Directory, Member, Role
from service.domain.operation import OperationName
from service.domain.proof import SIGN_IN_PREFIX
from service.domain.request import Status, Verdict
from service.domain.selection import Awaiting, Reader, Selection

_FEW = 20


def conditions(selection: Selection) -> list[ColumnElement[bool]]:
    """Return the conditions of a selection, except for its reader (see `seen_by`)."""
    columns = {
        requests.c.status: selection.status,
        requests.c.account_id: selection.account_id,
        requests.c.operation: selection.operation,
        requests.c.requester: selection.requester,
        requests.c.ticket: selection.ticket,
        requests.c.recipient: selection.recipient,
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in columns.items() if value is not None]
    if selection.awaiting is not None:
        found += [requests.c.ended_at.is_(None), _awaits(selection.awaiting)]
    return found


def seen_by(reader: Reader) -> list[ColumnElement[bool]]:
    """Return disjoint conditions for what a reader may see, each served in order by an index.

    One OR would force a sort.
    """
    files, receives = requests.c.requester == reader.subject, requests.c.recipient == reader.subject
    accounts = sorted(reader.accounts)
    if len(accounts) <= _FEW:
        of_accounts = [requests.c.account_id == account_id for account_id in accounts]
    else:
        of_accounts = [requests.c.account_id.in_(accounts)]  # so many that a scan of all requests soon finds enough
    return [files, and_(receives, ~files), *(and_(of, ~files, ~receives) for of in of_accounts)]


def _awaits(awaiting: Awaiting) -> ColumnElement[bool]:
    """Return the condition for lists that `actions` is for one request: this person may approve, execute or confirm it.

    Two cases are left to the request's own page. An action may require a fresher sign-in. And a request that is blocked
    because its requester or recipient was lost still waits for somebody to reject or withdraw it.
    """
    person, now = awaiting.person, awaiting.now
    decided = exists().where(_counts(awaiting), decisions.c.person == person)
    has_quorum = _has_quorum(awaiting)
    may_decide = and_(
        _votes_now(awaiting),
        requests.c.requester != person,
        requests.c.recipient != person,
    )
    executes = and_(
        requests.c.run_on_approval.is_(False),
        has_quorum,
        or_(
            requests.c.recipient == person,
            and_(requests.c.operation != OperationName.CREATE_ACCESS_KEY, requests.c.requester == person),
        ),
    )
    receives = and_(requests.c.recipient == person, requests.c.unconfirmed_at.is_(None))
    # A CASE by status: for one condition of many ORs, PostgreSQL would scan several indexes and sort.
    return case(
        # If votes suffice again after some were void, it takes one more vote, even a repeated one, to approve it.
        (requests.c.status == Status.PENDING, and_(requests.c.approve_by > now, may_decide, or_(~decided, has_quorum))),
        (
            requests.c.status == Status.APPROVED,
            and_(requests.c.execute_by > now, or_(executes, and_(may_decide, ~decided, ~has_quorum))),
        ),
        (requests.c.status == Status.DELIVERED, receives),
        else_=false(),
    )


def _votes_now(awaiting: Awaiting) -> ColumnElement[bool]:
    """Return the condition that a vote by this person would count now."""
    member = awaiting.directory.get(awaiting.person)
    if member is None or (member.votes_since is not None and awaiting.now < member.votes_since):
        return false()
    return _approves(awaiting.directory, awaiting.person)


def _approves(directory: Directory, person: str) -> ColumnElement[bool]:
    """Return the condition that this person is an approver of the request's account today."""
    member = directory.get(person)
    if member is None or not member.approves:
        return false()
    limit = member.limits.get(Role.APPROVER)
    return true() if limit is None else requests.c.account_id.in_(limit)


def _has_quorum(awaiting: Awaiting) -> ColumnElement[bool]:
    """Return `Standing.has_quorum` as a condition for lists. It never decides whether a request may run."""
    counted = select(func.count()).select_from(decisions).where(_counts(awaiting)).scalar_subquery()
    return and_(counted >= awaiting.quorum, counted >= requests.c.quorum)


def _counts(awaiting: Awaiting) -> ColumnElement[bool]:
    """Return the condition that a row of decisions is an approval that counts. Constraints ensure the rest."""
    token_is_good = exists().where(
        api_tokens.c.id == decisions.c.credential,
        api_tokens.c.subject == decisions.c.person,
        api_tokens.c.revoked_at.is_(None),
    )
    return and_(
        decisions.c.request_id == requests.c.id,
        decisions.c.decision == Verdict.APPROVE,
        or_(*_is_of_an_approver(awaiting.directory)),
        ~_is_void(),
        or_(decisions.c.credential.startswith(SIGN_IN_PREFIX), token_is_good),
    )


def _is_of_an_approver(directory: Directory) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that its person is an approver of the account today.

    Most approvers have no limits; they share a list.
    """
    person, members = decisions.c.person, {who: directory.get(who) for who in directory.all_approvers}
    limits = {who: member.limits[Role.APPROVER] for who, member in members.items() if member and _is_limited(member)}
    yield person.in_(sorted(members.keys() - limits.keys()))
    for who, accounts in sorted(limits.items()):
        yield and_(person == who, requests.c.account_id.in_(accounts))


def _is_limited(member: Member) -> bool:
    return Role.APPROVER in member.limits


def _is_void() -> ColumnElement[bool]:
    """Return the condition that its person is suspended, or lost the role after it."""
    return exists().where(
        people.c.subject == decisions.c.person,
        or_(people.c.suspended_at.is_not(None), decisions.c.decided_at < people.c.votes_since),
    )
