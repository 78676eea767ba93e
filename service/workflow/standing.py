"""The standing of a request today: the people, tokens and rules by which it is judged."""

from collections.abc import Collection, Iterable, Sequence

from service.db import audit, people, tokens
from service.db.engine import Tx
from service.domain.actor import WORKER, Actor, ActorKind, Group
from service.domain.demands import SignedApprovals
from service.domain.directory import Directory
from service.domain.errors import Unavailable
from service.domain.policy import Policy
from service.domain.proof import is_sign_in
from service.domain.request import Decision, OperationRequest
from service.domain.signed import NOTHING_SIGNED, Signatures
from service.domain.standing import Standing
from service.workflow.context import Context
from service.workflow.rules_in_force import check_rules
from service.workflow.signatures import Pair, pairs_of, signatures_of

# So many approvers more than needed are read: some of them may not count after all, and answers name them.
_SPARE = 8


def standing_of(
    ctx: Context,
    tx: Tx,
    request: OperationRequest,
    actor: Actor | None = None,
    *,
    held: bool = False,
    all_approvers: bool = False,
    just_signed_in: bool = False,
    presented: Pair | None = None,
    stopping: bool = False,
) -> Standing:
    """Return today's people, tokens and policy, to judge this request and what `actor` does to it.

    Of those who could still decide it has as many as the quorum needs, if there are so many, or `all_approvers`.
    `just_signed_in` says that the actor's credential was checked in this snapshot of the database.
    `held` blocks suspensions, token revocations and newer rules until the transaction ends. Take every other lock
    before. `presented` are the statement and the signature of a decision that the actor is about to make.

    Raise Unavailable if the rules of this process are not those in force, or signatures cannot be judged. For somebody
    who is `stopping` the request, nothing is raised, and no signature counts that cannot be judged.
    """
    if held:
        audit.hold(tx)
        if not stopping:
            check_rules(ctx, tx)
    filing, (policy, has_moved) = request.filing, _under_rules(ctx, request)
    concerned = {filing.requester, filing.recipient, *(decision.person for decision in request.decisions)}
    concerned |= {subject for subject in (request.claimed_by, actor.subject if actor else None) if subject}
    owners, good = _credentials(ctx, tx, request.decisions, None if just_signed_in or actor == WORKER else actor)
    if actor is not None and just_signed_in:
        good = frozenset({actor.credential})
    try:
        signatures = _signatures(ctx, tx, [request], [policy], presented)
    except Unavailable:
        if not stopping:
            raise
        signatures = NOTHING_SIGNED
    if SignedApprovals.REQUIRED in {policy.signed_approvals, filing.signed_approvals}:
        concerned |= signatures.holders  # nobody else can approve
    directory = directory_for(
        ctx, tx, concerned, policy, account_id=filing.account_id, quorum=filing.quorum, all_approvers=all_approvers
    )
    return Standing(directory, owners, policy, good, has_moved=has_moved, signatures=signatures)


def standings_of(ctx: Context, tx: Tx, found: Sequence[OperationRequest], actor: Actor) -> list[Standing]:
    """Return the standing of each of these requests, to list what waits for `actor`, who has just signed in.

    It knows no other approvers.
    """
    made = [decision for request in found for decision in request.decisions]
    filings = [request.filing for request in found]
    concerned = {who for filing in filings for who in (filing.requester, filing.recipient)}
    concerned |= {actor.subject, *(decision.person for decision in made)}
    directory = ctx.directory.joined(people.some(tx, concerned))
    owners, _ = _credentials(ctx, tx, made, None)
    good = frozenset({actor.credential})
    ruled = [_under_rules(ctx, request) for request in found]
    signatures = _signatures(ctx, tx, found, [policy for policy, _ in ruled])
    return [
        Standing(directory, owners, policy, good, has_moved=has_moved, signatures=signatures)
        for policy, has_moved in ruled
    ]


def _signatures(
    ctx: Context,
    tx: Tx,
    found: Sequence[OperationRequest],
    policies: Iterable[Policy],
    presented: Pair | None = None,
) -> Signatures:
    """Read what judges the signatures of these requests' decisions. Nothing is read if none is there or demanded."""
    pairs = pairs_of(decision for request in found for decision in request.decisions)
    if presented is not None:
        pairs.add(presented)
    levels = {policy.signed_approvals for policy in policies}.union(
        request.filing.signed_approvals for request in found
    )
    # Without founders, no key counts as anybody's.
    is_sealed = bool(ctx.signing.founders) and any(request.filing.sealed_to is not None for request in found)
    if not pairs and not is_sealed and levels <= {SignedApprovals.OFF}:
        return NOTHING_SIGNED
    return signatures_of(ctx, tx, pairs)


def policy_of(ctx: Context, request: OperationRequest) -> Policy:
    """Return today's policy for a request, with the demands of today's rules and with those that were filed."""
    return _under_rules(ctx, request)[0]


def _under_rules(ctx: Context, request: OperationRequest) -> tuple[Policy, bool]:
    """Return today's policy for a request, and whether other rules apply because its account has moved."""
    filing = request.filing
    account_id, name, placement = filing.account_id, filing.operation.name, ctx.placement(filing.account_id)
    policy = ctx.policy.under([*filing.demands, *ctx.demands(account_id, name, placement)])
    has_moved = filing.placement is not None and ctx.rules.has_moved(account_id, filing.placement, placement, name)
    return policy, has_moved


def directory_for(
    ctx: Context,
    tx: Tx,
    subjects: Collection[str],
    policy: Policy,
    *,
    account_id: str,
    quorum: int = 0,
    all_approvers: bool = False,
) -> Directory:
    """Return the directory with these people, and besides them with as many approvers of the account as are needed.

    It has as many of each group that the policy demands. If there are fewer, or with `all_approvers`, it has them all.
    Of other approvers in the settings it does not know who is suspended.
    """
    needed = max(policy.quorum, quorum)
    others = ctx.directory.approvers_of(account_id).difference(subjects)
    named = [subject for subject in ctx.directory.index.approvers if subject in others]
    # Those in the settings, and the providers' groups: of all approvers, and of each group that is demanded.
    wanted = {"": (named, ctx.directory.approver_groups(account_id))} | {
        name: ([who for who in named if name in ctx.directory.groups_of(who)], group.provider_groups)
        for name, group in ctx.directory.groups.items()
        if name in policy.approvals
    }

    def first(limit: int | None) -> tuple[Directory, bool]:
        asked = dict.fromkeys(who for members, _ in wanted.values() for who in members[:limit])
        granted, *among = (groups for _, groups in wanted.values())
        found = people.concerned(tx, subjects, approvers=asked, groups=granted, among=among, named=named, limit=limit)
        directory = ctx.directory.joined(found)
        if limit is None:
            return directory, True
        known = directory.approvers_of(account_id).difference(subjects, set(named).difference(asked))
        return directory, all(
            sum(not name or name in directory.groups_of(who) for who in known) >= needed
            or (len(members) <= limit and sum(map(Group(provider_groups=groups).has, found)) < limit)
            for name, (members, groups) in wanted.items()
        )

    directory, is_enough = first(None if all_approvers else needed + _SPARE)
    return directory if is_enough else first(None)[0]


def _credentials(
    ctx: Context, tx: Tx, made: Iterable[Decision], actor: Actor | None
) -> tuple[dict[str, str], frozenset[str]]:
    """Return the owner of each credential that is good for a vote, and the actor's if it could sign in now.

    A provider's sign-in was proved when it was used; the directory has its person's current state.
    """
    used = {decision.credential: decision.person for decision in made}
    if actor is not None:
        used[actor.credential] = actor.subject
    owners = {credential: person for credential, person in used.items() if is_sign_in(credential)}
    stored = tokens.some(tx, used.keys() - owners.keys()) if len(owners) < len(used) else ()
    owners |= {
        token.id: token.subject for token in stored if token.kind is ActorKind.PERSON and token.revoked_at is None
    }
    if actor is None:
        return owners, frozenset()
    now = ctx.now()
    signs_in = is_sign_in(actor.credential) or any(
        token.id == actor.credential and token.signs_in(actor.subject, actor.kind, now) for token in stored
    )
    return owners, frozenset({actor.credential} if signs_in else ())
