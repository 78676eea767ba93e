"""The standing of a request: which decisions count today, and of whom approvals are missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.demands import Missing, SignedApprovals, Tally
from service.domain.directory import Directory
from service.domain.errors import Code, Conflict
from service.domain.policy import Policy
from service.domain.request import Decision, OperationRequest, Status, Verdict
from service.domain.signed import NOTHING_SIGNED, Objection, Signatures


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts of today: the directory with roles, the owner of each unrevoked credential, and the policy in force.

    The policy is that of one request, with the demands of the rules. `good` are the credentials with which the present
    actor could sign in now. `has_moved` says that other rules apply because the account was renamed, moved or tagged.
    `signatures` is what the log holds of keys, and what was proved of the decisions' signatures.
    """

    directory: Directory
    owners: Mapping[str, str]
    policy: Policy
    good: frozenset[str] = frozenset()
    has_moved: bool = False
    signatures: Signatures = NOTHING_SIGNED

    def void_because(self, request: OperationRequest, decision: Decision) -> str | None:
        """Explain why a decision does not count today. Return None if it counts."""
        if decision.person in {request.filing.requester, request.filing.recipient}:
            return "It is the requester's or the recipient's own."
        approver = self.directory.get(decision.person)
        if approver is None or not self.directory.is_approver(decision.person, request.filing.account_id):
            return "This person is no longer an approver of this account."
        if approver.votes_since is not None and decision.decided_at < approver.votes_since:
            return "This person lost the role, or was suspended, after it was made."
        if self.owners.get(decision.credential) != decision.person:
            return "The credential that it was made with was revoked, or is not this person's."
        return self._wrong_in(request, decision)

    def _wrong_in(self, request: OperationRequest, decision: Decision) -> str | None:
        """Explain why a decision does not count, whoever made it."""
        if decision.digest != request.digest:
            return "It was made on another digest than that of the request."
        if decision.verdict is Verdict.APPROVE and self.policy.lacks_comment(decision.comment):
            return "It has no comment, which an approval of this request requires now."
        objection = self._objection(request, decision) if decision.verdict is Verdict.APPROVE else None
        return None if objection is None else objection.why

    def _objection(self, request: OperationRequest, decision: Decision) -> Objection | None:
        return self.signatures.objection(
            request, decision, self.signed_approvals(request), self.policy.decision_max_auth_age
        )

    def signed_approvals(self, request: OperationRequest) -> SignedApprovals:
        """Return which approvals have to be signed: by the filing, or by today's policy if that is stricter."""
        return SignedApprovals.strictest([self.policy.signed_approvals, request.filing.signed_approvals])

    def check_signed(self, request: OperationRequest, decision: Decision) -> None:
        """Raise why the signature of a new decision, or its absence, does not do: Forbidden, Invalid or Conflict."""
        objection = self._objection(request, decision)
        if objection is not None:
            raise objection.refusal()

    def approvers_of(self, request: OperationRequest) -> frozenset[str]:
        """Return who could approve it: approvers of its account, without its requester and its recipient, and without
        those who have to sign and have no key that counts.

        These are the known ones; `workflow/standing.py` says how many of them a standing has.
        """
        level = self.signed_approvals(request)
        others = self.directory.approvers_of(request.filing.account_id) - {
            request.filing.requester,
            request.filing.recipient,
        }
        return frozenset(person for person in others if self.signatures.can_approve(person, level))

    def waited_for(self, request: OperationRequest) -> frozenset[str]:
        """Return whose approval would bring it on. Nobody's would if it is barred."""
        if self.barred_because(request) is not None:
            return frozenset()
        if request.status is Status.PENDING and self.has_quorum(request):
            # Votes suffice again after some were void. One more is needed, even a repeated one.
            return self.approvers_of(request)
        others, tally = self.approvers_of(request) - self._approvers_so_far(request), self._tally(request)
        return frozenset(person for person in others if tally.helps(self.directory.groups_of(person)))

    def barred_because(self, request: OperationRequest) -> Conflict | None:
        """Return why the request cannot go on, whoever approves it. None if it can."""
        return self.lost_participant(request) or (Conflict(Code.ACCOUNT_MOVED) if self.has_moved else None)

    def lost_participant(self, request: OperationRequest) -> Conflict | None:
        """Return why the requester or the recipient can no longer take part; None if both still can."""
        filing = request.filing
        if any(self.directory.is_suspended(who) for who in (filing.requester, filing.recipient)):
            return Conflict(Code.PARTICIPANT_SUSPENDED)
        if not self.directory.may_ask(filing.requester, filing.requester_kind, filing.account_id):
            return Conflict(Code.REQUESTER_LOST_ROLE)
        # A machine may be the recipient of its own request, but never of a secret.
        is_requester = filing.recipient == filing.requester and not filing.operation.is_create
        if not is_requester and not self.directory.may_receive(filing.recipient):
            return Conflict(Code.RECIPIENT_GONE)
        return None

    def approvals(self, request: OperationRequest) -> int:
        """Count the people whose approvals count today."""
        return len(self._approvers_so_far(request))

    def _approvers_so_far(self, request: OperationRequest) -> frozenset[str]:
        return frozenset(
            decision.person
            for decision in request.decisions
            if decision.verdict is Verdict.APPROVE and self.void_because(request, decision) is None
        )

    def needed(self, request: OperationRequest) -> int:
        """Return the quorum in the filing, or today's if that is stricter."""
        return max(self.policy.quorum, request.filing.quorum)

    def missing(self, request: OperationRequest) -> tuple[Missing, ...]:
        """Return the approvals that are still missing, of groups and of anybody; empty with a quorum."""
        return self._tally(request).missing

    def has_quorum(self, request: OperationRequest) -> bool:
        """Return whether the approvals that count are as many as needed, and from the groups that are demanded."""
        return not self.missing(request)

    def would_help(self, request: OperationRequest, person: str) -> bool:
        """Return whether this person's approval would meet a demand that the others' do not meet."""
        return self._tally(request, without=person).helps(self.directory.groups_of(person))

    def missing_even_with(
        self, request: OperationRequest, others: frozenset[str], *, may_grow: bool = False
    ) -> tuple[Missing, ...]:
        """Return the approvals that would still be missing if all these approved, too.

        With `may_grow`, so would enough people whom a provider's groups can still bring (see `with_growth`).
        """
        people = self._approvers_so_far(request) | others
        groups = {person: self.directory.groups_of(person) for person in people}
        needed = self.needed(request)
        if may_grow:
            groups = with_growth(groups, self.directory, needed)
        return Tally(self.policy.approvals, needed, groups).missing

    def demanded_groups(self, request: OperationRequest) -> Mapping[str, list[str]]:
        """Return the people whose approvals count today, each with those of their groups that are demanded."""
        demanded = self.policy.approvals.keys()
        return {
            person: sorted(self.directory.groups_of(person) & demanded) for person in self._approvers_so_far(request)
        }

    def _tally(self, request: OperationRequest, *, without: str | None = None) -> Tally:
        people = self._approvers_so_far(request) - {without}
        groups = {person: self.directory.groups_of(person) for person in people}
        return Tally(self.policy.approvals, self.needed(request), groups)


def with_growth(groups: Mapping[str, frozenset[str]], directory: Directory, needed: int) -> dict[str, frozenset[str]]:
    """Return people with the groups into which a sign-in can put them, and `needed` more if it can make approvers."""
    growing = directory.growing_groups
    grown = {person: of | growing for person, of in groups.items()}
    # No subject has a blank, so these are nobody.
    return grown | {f" {number}": growing for number in range(needed if directory.may_grow else 0)}
