"""SQL conditions for the requests that a reader wants and may see."""

from functools import lru_cache

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    String,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from service.db.columns import UtcDateTime
from service.db.tables import api_tokens, decisions, people, requests
from service.domain.actor import Role
from service.domain.directory import Directory
from service.domain.operation import KINDS
from service.domain.proof import SIGN_IN_PREFIX
from service.domain.request import Status, Verdict
from service.domain.selection import Awaiting, Reader, Selection

_FEW = 20
_MAKING_KEYS = sorted(name for name, kind in KINDS.items() if kind.makes_key)

_FILTERS: dict[str, ColumnElement[bool]] = {
    name: requests.c[name] == bindparam(f"wanted_{name}")
    for name in ("status", "account_id", "operation", "requester", "ticket", "recipient")
}
_IS_OPEN = requests.c.ended_at.is_(None)


def conditions(selection: Selection) -> tuple[list[ColumnElement[bool]], dict[str, object]]:
    """Return the conditions of a selection, except for its reader (see `seen_by`), and their parameters' values.

    Each condition is the same object every time, so that a query can be kept for them.
    """
    wanted = {name: value for name in _FILTERS if (value := getattr(selection, name)) is not None}
    found = [_FILTERS[name] for name in wanted]
    values: dict[str, object] = {f"wanted_{name}": value for name, value in wanted.items()}
    if selection.awaiting is None:
        return found, values
    awaits, theirs = _awaits(selection.awaiting)
    return [*found, _IS_OPEN, awaits], values | theirs


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


_PERSON = bindparam("their_person", type_=String)
_NOW = bindparam("their_now", type_=UtcDateTime)
_QUORUM = bindparam("their_quorum", type_=Integer)
_ARE_RULED = bindparam("are_ruled", type_=Boolean)

# The accounts of an approver; None for all.
_Accounts = frozenset[str] | None


def _awaits(awaiting: Awaiting) -> tuple[ColumnElement[bool], dict[str, object]]:
    limits = _limits(awaiting.directory)
    return _condition(_votes_in(awaiting), limits), {
        "their_person": awaiting.person,
        "their_now": awaiting.now,
        "their_quorum": awaiting.quorum,
        "are_ruled": awaiting.are_ruled,
        "approvers": sorted(awaiting.directory.all_approvers.difference(who for who, _ in limits)),
    }


# Built once for each kind of reader, since building takes longer than most lists.
@lru_cache(maxsize=64)
def _condition(votes_in: _Accounts, limits: tuple[tuple[str, frozenset[str]], ...]) -> ColumnElement[bool]:
    """Return the condition for lists that `actions` is for one request: this person may approve, execute or confirm it.

    Two cases are left to the request's own page. An action may require a fresher sign-in. And a request that is blocked
    because its requester or recipient was lost still waits for somebody to reject or withdraw it. With rules or
    signed approvals, it finds too many (see `Awaiting`).
    """
    counts = _counts(limits)
    decided = exists().where(counts, decisions.c.person == _PERSON)
    # `Standing.has_quorum` for lists. It never decides whether a request may run.
    counted = select(func.count()).select_from(decisions).where(counts).scalar_subquery()
    has_quorum = counted >= case((requests.c.quorum > _QUORUM, requests.c.quorum), else_=_QUORUM)
    is_pending, is_approved = requests.c.status == Status.PENDING, requests.c.status == Status.APPROVED
    is_in_time = or_(and_(is_pending, requests.c.approve_by > _NOW), and_(is_approved, requests.c.execute_by > _NOW))
    is_ruled = or_(_ARE_RULED, requests.c.placement.is_not(None), requests.c.signed_approvals.is_not(None))
    may_decide = and_(
        true() if votes_in is None else requests.c.account_id.in_(sorted(votes_in)),
        requests.c.requester != _PERSON,
        requests.c.recipient != _PERSON,
    )
    executes = and_(
        is_approved,
        requests.c.run_on_approval.is_(False),
        or_(
            requests.c.recipient == _PERSON,
            and_(requests.c.operation.not_in(_MAKING_KEYS), requests.c.requester == _PERSON),
        ),
    )
    receives = and_(requests.c.recipient == _PERSON, requests.c.unconfirmed_at.is_(None))
    # A CASE: for one condition of many ORs, PostgreSQL would scan several indexes and sort. It counts votes only once:
    # a statement of more than 4,096 characters is parsed by psycopg each time.
    return case(
        (requests.c.status == Status.DELIVERED, receives),
        # If votes suffice again after some were void, it takes one more vote, even a repeated one, to approve it.
        (and_(is_in_time, has_quorum), or_(executes, and_(may_decide, or_(is_pending, is_ruled)))),
        (is_in_time, and_(may_decide, or_(is_ruled, ~decided))),
        else_=false(),
    )


def _votes_in(awaiting: Awaiting) -> _Accounts:
    """Return the accounts in which a vote by this person would count now."""
    member = awaiting.directory.get(awaiting.person)
    if member is None or not member.approves:
        return frozenset()
    if member.votes_since is not None and awaiting.now < member.votes_since:
        return frozenset()
    return member.limits.get(Role.APPROVER)


def _limits(directory: Directory) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the approvers who are limited to some accounts, with these."""
    members = ((who, directory.get(who)) for who in directory.all_approvers)
    return tuple(
        sorted(
            (who, member.limits[Role.APPROVER])
            for who, member in members
            if member is not None and Role.APPROVER in member.limits
        )
    )


def _counts(limits: tuple[tuple[str, frozenset[str]], ...]) -> ColumnElement[bool]:
    """Return the condition that a row of decisions is an approval that counts. Constraints ensure the rest."""
    person = decisions.c.person
    token_is_good = exists().where(
        api_tokens.c.id == decisions.c.credential,
        api_tokens.c.subject == person,
        api_tokens.c.revoked_at.is_(None),
    )
    is_approver = or_(
        person.in_(bindparam("approvers", expanding=True)),
        *(and_(person == who, requests.c.account_id.in_(sorted(accounts))) for who, accounts in limits),
    )
    return and_(
        decisions.c.request_id == requests.c.id,
        decisions.c.decision == Verdict.APPROVE,
        is_approver,
        ~_is_void(),
        or_(decisions.c.credential.startswith(SIGN_IN_PREFIX), token_is_good),
    )


def _is_void() -> ColumnElement[bool]:
    """Return the condition that its person is suspended, or lost the role after it."""
    return exists().where(
        people.c.subject == decisions.c.person,
        or_(people.c.suspended_at.is_not(None), decisions.c.decided_at < people.c.votes_since),
    )
