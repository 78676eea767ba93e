"""The tables of the settings about who has to approve what."""

from datetime import date, time
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from service.domain.demands import SignedApprovals
from service.domain.operation import OperationName
from service.domain.policy import SMALLEST_QUORUM, ApprovalComment, FreshExecutions, Policy, SealedDelivery
from service.settings import patterns
from service.settings.checks import check_clock, check_comparable, check_date, check_visible, check_zone
from service.settings.values import (
    AccountId,
    DestinationName,
    DrillPeriod,
    Lifetime,
    Name,
    PersonId,
    Section,
    SubjectId,
    UnitId,
    Window,
)

_RULES = Policy()


class PolicySettings(Section):
    """The policy. Durations are ISO 8601, such as `PT8H`."""

    quorum: int = Field(
        default=SMALLEST_QUORUM,
        ge=SMALLEST_QUORUM,
        description=(
            "How many distinct approvers must approve; the requester and the recipient do not count. "
            "It is an error if `people` has fewer approvers, unless an issuer's `grants` can add "
            "some."
        ),
    )
    approval_window: Window = Field(
        default=_RULES.approval_window,
        description="From filing until the quorum must be reached. After that the request expires.",
    )
    execution_window: Window = Field(
        default=_RULES.execution_window,
        description="From the approval until the execution must begin. After that the request expires.",
    )
    receipt_window: Window = Field(
        default=_RULES.receipt_window,
        description=(
            "From the delivery of a new key until its receipt must be confirmed (`receipt_by`). After "
            "that an unconfirmed key is deactivated, unless it is in use."
        ),
    )
    rollback_grace: Window = Field(
        default=_RULES.rollback_grace,
        description="From the deactivation of an unconfirmed or expired key until its deletion.",
    )
    consistency_delay: Window = Field(
        default=_RULES.consistency_delay,
        description=(
            "How long after the claim the worker waits before it asks AWS about an execution in "
            "doubt. It always waits at least 255 seconds, the longest that an execution can take "
            "after its claim. Drift checks of an account also wait this long after something was done "
            "in it."
        ),
    )
    require_root_mfa: bool = Field(
        default=_RULES.require_root_mfa,
        description=(
            "Create a key only where AWS says that the root user has MFA. If AWS does not say, the "
            "request is refused too. GovCloud root users have no MFA, so with this no key can be "
            "created there."
        ),
    )
    lifetime_required: bool = Field(default=_RULES.lifetime_required, description="A create must give a `lifetime`.")
    max_lifetime: Lifetime | None = Field(
        default=_RULES.max_lifetime,
        description=(
            "The longest `lifetime` of a new key. If it is set, a create must give a lifetime, "
            "whatever `lifetime_required` says. Existing keys and filed requests stay as they are."
        ),
    )
    expiry_notice: Window = Field(
        default=_RULES.expiry_notice,
        description="How long before the end of a key's lifetime it is announced (`key.expiring`).",
    )
    drift_checks: bool = Field(
        default=_RULES.drift_checks,
        description=(
            "The worker checks for [drift](drift.md). Each check reads the account as its root user. "
            "In an account with only a profile it signs with the root key, which detectors of root "
            "usage report. `false` stops only the worker's checks; `rootquorum drift` and the API "
            "still check on demand."
        ),
    )
    drift_interval: Window = Field(
        default=_RULES.drift_interval,
        description="The worker checks an account again when its last check is older than this.",
    )
    drill_every: DrillPeriod | None = Field(
        default=_RULES.drill_every,
        description=(
            "When no [drill](drills.md) was completed for so long, the worker says so once "
            "(`drill.due`), and again after the next drill."
        ),
    )
    decision_max_auth_age: Window = Field(
        default=_RULES.decision_max_auth_age,
        description="The maximum age of the sign-in for a decision, by the token's `auth_time`.",
    )
    decision_requires_auth_time: bool = Field(
        default=_RULES.decision_requires_auth_time,
        description=(
            "A decision requires a token that says when its owner signed in. API tokens do not: "
            "without an issuer this is an error at the start. `false`: API tokens can decide, and for "
            "a provider's token without `auth_time` its time of issue counts."
        ),
    )
    decision_acr: frozenset[Name] = Field(
        default=_RULES.decision_acr,
        description=(
            "A decision requires a token with one of these `acr`, or one of `decision_amr`. If both "
            "are empty, any token qualifies. Entra ID's authentication contexts (`acrs`) count as "
            "well."
        ),
    )
    decision_amr: frozenset[Name] = Field(
        default=_RULES.decision_amr, description='The same for the methods in `amr`: `["hwk", "mfa"]`.'
    )
    approval_comment: ApprovalComment = Field(
        default=_RULES.approval_comment,
        description="Whether an approval needs a comment that says why. A rejection always does.",
    )
    signed_approvals: SignedApprovals = Field(
        default=_RULES.signed_approvals,
        description=(
            "Which approvals count only with [a signature by their approver's own "
            "key](signed-approvals.md). `enrolled`: those of people who have a key that counts. "
            "`required`: all. It is copied into each request; the stricter of then and now applies. "
            "It requires `audit.origin` and as many founders as `policy.quorum`."
        ),
    )
    sealed_delivery: SealedDelivery = Field(
        default=_RULES.sealed_delivery,
        description=(
            "Whether a create must name a key of its recipient's to which the secret is "
            "[sealed](sealed-delivery.md). `off`: it may."
        ),
    )
    execution_sign_in: FreshExecutions = Field(
        default=_RULES.execution_sign_in,
        description=(
            "Which executions require as fresh and strong a sign-in as a decision, by the four "
            "settings above. `creates`: those that create a key, whose response is the secret. `all`: "
            "all but the worker's. With `all`, a machine can execute only where API tokens can "
            "decide: use `run_on_approval` for its requests, or name a person as their recipient."
        ),
    )
    ticket_required: bool = Field(default=_RULES.ticket_required, description="A request must name a ticket.")
    ticket_pattern: Annotated[str, AfterValidator(patterns.check)] | None = Field(
        default=_RULES.ticket_pattern,
        title="regular expression",
        description=(
            'What a ticket\'s whole key must match: `"OPS-[0-9]+"`. Look-around and back-references '
            "are refused: matching takes linear time."
        ),
    )
    ticket_check: bool = Field(
        default=_RULES.ticket_check,
        description=(
            "When a request is filed, its ticket must exist and be in one of `ticket_states`. The "
            "service asks one of the `trackers`."
        ),
    )
    ticket_check_at_execution: bool = Field(
        default=_RULES.ticket_check_at_execution, description="The same, again before the execution."
    )
    ticket_states: frozenset[Name] | None = Field(
        default=_RULES.ticket_states,
        json_schema_extra={"default": "any"},
        description="The states in which a request may be filed, by the tracker's names.",
    )
    ticket_unchecked: bool = Field(
        default=_RULES.ticket_unchecked,
        description=(
            "While the tracker does not respond, a ticket passes unchecked; otherwise the response is "
            "`tracker_unreachable`."
        ),
    )
    escalate_to: frozenset[DestinationName] = Field(
        default=_RULES.escalate_to,
        title="list of names of webhooks, chats and syslog servers",
        description=(
            "Who also receives the second reminder (`request.waiting` at nine tenths of the approval "
            "window) and `request.stuck` (too few people are left who could approve), whatever their "
            "own `events` say. The first reminder is not sent to them by this setting."
        ),
    )


class ProviderGroupSettings(Section):
    """A group that an issuer states. `group` is a value of the issuer's groups claim."""

    issuer: str
    group: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class GroupSettings(Section):
    """A group of approvers, for rules. It gives nobody a role."""

    people: frozenset[PersonId] = Field(
        default=frozenset(),
        title="list of names",
        description="Members by their names, as under `people` or as their provider spells them.",
    )
    provider_groups: tuple[ProviderGroupSettings, ...] = Field(
        default=(),
        description=(
            'Members by a group that an issuer states: `{ issuer = "corp", group = "sec-approvers" '
            "}`. A person is a member after the first sign-in with that group."
        ),
    )


class ApprovalSettings(Section):
    """How many people of a group have to approve."""

    group: SubjectId
    at_least: int = Field(default=1, ge=1, le=100)


Clock = Annotated[time, AfterValidator(check_clock)]


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class HoursSettings(Section):
    """The hours in which what lets somebody in as root may run: from `opens` until just before `closes`.

    `closes` is on the next day if it is not later. `zone` is an IANA time zone. On the dates in `closed_on` nothing may
    run.
    """

    days: Annotated[frozenset[Day], Field(min_length=1)] = Field(
        default=frozenset(get_args(Day)),
        title="list of `mon` to `sun`",
        json_schema_extra={"default": "all"},
        description="The [hours](rules.md#hours) in which what lets somebody in as root may run: days.",
    )
    opens: Clock = Field(default=time(0), description="When they begin, by the clocks of the zone.")
    closes: Clock = Field(
        default=time(0), description="When they end; on the next day if it is not later than `opens`."
    )
    zone: Annotated[str, AfterValidator(check_zone)] = Field(
        title="IANA time zone", description="Such as `Europe/Zurich` or `UTC`."
    )
    closed_on: frozenset[Annotated[date, BeforeValidator(check_date)]] = Field(
        default=frozenset(), description='Dates on which nothing may run: `["2026-12-25"]`.'
    )


Tag = Annotated[str, StringConstraints(max_length=256), AfterValidator(check_comparable)]


Tags = Annotated[frozenset[Tag], Field(min_length=1)]


class RuleSettings(Section):
    """A rule. It applies to the accounts that one of `accounts`, `names`, `organizational_units` and `tags` selects, or
    to all; and to `operations`, or to all. All rules that apply count, and the strictest of each value.
    """

    name: Annotated[Name, AfterValidator(check_visible)] = Field(
        description="The name, which requests, the log and refusals show."
    )
    accounts: frozenset[AccountId] = Field(
        default=frozenset(),
        title="list of account ids",
        json_schema_extra={"default": "all"},
        description=("The accounts that the rule applies to. At most one of this and the next three may be set."),
    )
    names: tuple[Annotated[str, StringConstraints(max_length=100), AfterValidator(check_comparable)], ...] = Field(
        default=(),
        title="list of patterns",
        json_schema_extra={"default": "all"},
        description=("Accounts by their names. `*` and `?` are special; case and width of letters do not matter."),
    )
    organizational_units: frozenset[UnitId] = Field(
        default=frozenset(),
        title="list of ids",
        json_schema_extra={"default": "all"},
        description="Accounts in these units (`ou-…`), in units below them, or under this root (`r-…`).",
    )
    tags: dict[Annotated[str, StringConstraints(max_length=128), AfterValidator(check_comparable)], Tag | Tags] = Field(
        default={},
        title="table of texts or lists",
        json_schema_extra={"default": "all"},
        description=(
            'Accounts that have all of these tags, each with one of its values: `{ env = ["prod", '
            '"live"] }`. Case and width do not matter.'
        ),
    )
    operations: frozenset[OperationName] = Field(
        default=frozenset(),
        title="list of operations",
        json_schema_extra={"default": "all"},
        description="The operations that the rule applies to.",
    )
    approvals: tuple[ApprovalSettings, ...] = Field(
        default=(),
        description=(
            'How many of a group have to approve: `{ group = "security", at_least = 1 }`. One person '
            "meets one of these demands."
        ),
    )
    quorum: int | None = Field(
        default=None,
        ge=SMALLEST_QUORUM,
        le=100,
        description="How many must approve; the largest number counts, that of `[policy]` too.",
    )
    max_lifetime: Lifetime | None = Field(
        default=None, description="The longest lifetime of a new key; the shortest limit counts."
    )
    require_root_mfa: bool = Field(default=False, description="As `policy.require_root_mfa`.")
    ticket_required: bool = Field(default=False, description="As `policy.ticket_required`.")
    approval_comment: ApprovalComment = Field(
        default=ApprovalComment.OPTIONAL, description="As `policy.approval_comment`."
    )
    signed_approvals: SignedApprovals = Field(default=SignedApprovals.OFF, description="As `policy.signed_approvals`.")
    sealed_delivery: SealedDelivery = Field(default=SealedDelivery.OFF, description="As `policy.sealed_delivery`.")
    decision_amr: frozenset[Name] = Field(
        default=frozenset(),
        description=(
            "A decision requires a sign-in by one of these methods, in addition to what `[policy]` "
            "and other rules require."
        ),
    )
    hours: HoursSettings | None = None
