"""Every event, one row each. Everything that depends on an event's name derives from these rows.

Names are `noun.past`. They are stored in the audit log and sent to destinations, so a name never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import NewType

# The name of an event that has a row. Only this module makes one.
EventName = NewType("EventName", str)


class About(StrEnum):
    """The subject of an event."""

    REQUEST = "request"
    ACCOUNT = "account"
    PERSON = "person"
    SERVICE = "service"


class PublishedData(StrEnum):
    """Data that destinations receive with an event, under this name. `api/contract/webhooks.py` has the schemas."""

    WAITING = "waiting"
    DELIVERY = "delivery"
    DISABLED = "disabled"


class Audience(StrEnum):
    """The people whom some destinations tell of an event in person. `domain/audience.py` says who they are."""

    APPROVERS = "approvers"
    INVOLVED = "involved"
    EVERYBODY = "everybody"


class Severity(StrEnum):
    """How urgent an event is for whoever watches. The names, and their order, are those of OCSF."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class EventRow:
    """The properties of one event.

    `title` is one line for people. `published` events go to destinations; all others stay in the audit log.
    `before_execution` marks an event that can happen before an execution begins, and so without a quorum.
    `data` names the event's own data where destinations receive it. The service must have written all of that data.
    `is_judged` marks a request that is judged by the policy in force; the event then records that policy.
    `is_refusal` marks a refused attempt. Anybody who sees the request can cause any number of them.
    `told` says who is told in person; None for nobody. `severity` goes to destinations that sort by it.
    """

    name: str
    title: str
    about: About
    published: bool
    before_execution: bool
    data: PublishedData | None
    is_judged: bool
    is_refusal: bool
    told: Audience | None
    severity: Severity


_rows: dict[str, EventRow] = {}


def _add(
    name: str,
    title: str,
    *,
    about: About,
    published: bool,
    before_execution: bool,
    data: PublishedData | None = None,
    is_judged: bool = False,
    is_refusal: bool = False,
    told: Audience | None = None,
    severity: Severity = Severity.INFORMATIONAL,
) -> EventName:
    if name in _rows:
        raise ValueError(f"{name} has two rows")
    _rows[name] = EventRow(name, title, about, published, before_execution, data, is_judged, is_refusal, told, severity)
    return EventName(name)


_of_request = partial(_add, about=About.REQUEST, published=True)
_of_account = partial(_add, about=About.ACCOUNT, published=True)
# Destinations do not learn who signs in, and with what. That stays in the audit log.
_of_person = partial(_add, about=About.PERSON, published=False)
_of_service = partial(_add, about=About.SERVICE)

# A request, until it ends or its execution begins.
FILED = _of_request("request.filed", "Request filed", before_execution=True, is_judged=True, told=Audience.APPROVERS)
DECIDED = _of_request("decision.recorded", "Decision recorded", before_execution=True)
DECISION_DENIED = _of_request(
    "decision.denied", "Decision denied", before_execution=True, is_refusal=True, severity=Severity.LOW
)
REQUEST_WAITING = _of_request(
    "request.waiting",
    "Request waits for approval",
    before_execution=True,
    data=PublishedData.WAITING,
    told=Audience.APPROVERS,
)
REQUEST_STUCK = _of_request(
    "request.stuck",
    "Request is stuck: too few people can still approve it",
    before_execution=True,
    data=PublishedData.WAITING,
    told=Audience.INVOLVED,
    severity=Severity.LOW,
)
REQUEST_APPROVED = _of_request("request.approved", "Request approved", before_execution=True, told=Audience.EVERYBODY)
REQUEST_REJECTED = _of_request(
    "request.rejected", "Request rejected", before_execution=True, told=Audience.EVERYBODY, severity=Severity.LOW
)
REQUEST_WITHDRAWN = _of_request(
    "request.withdrawn", "Request withdrawn", before_execution=True, told=Audience.EVERYBODY
)
REQUEST_EXPIRED = _of_request("request.expired", "Request expired", before_execution=True, told=Audience.EVERYBODY)
EXECUTION_DENIED = _of_request(
    "execution.denied", "Execution denied", before_execution=True, is_refusal=True, severity=Severity.MEDIUM
)

# Its execution, and the key that it created.
EXECUTION_STARTED = _of_request(
    "execution.started", "Execution started", before_execution=False, is_judged=True, severity=Severity.LOW
)
EXECUTION_IN_DOUBT = _of_request(
    "execution.in_doubt",
    "Execution in doubt: AWS is being asked what happened",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.HIGH,
)
EXECUTION_UNRESOLVED = _of_request(
    "execution.unresolved",
    "Execution unresolved: somebody must look",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.CRITICAL,
)
EXECUTION_DELIVERED = _of_request(
    "execution.delivered",
    "Secret delivered, receipt awaited",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.LOW,
)
EXECUTION_SUCCEEDED = _of_request(
    "execution.succeeded", "Execution succeeded", before_execution=False, told=Audience.INVOLVED, severity=Severity.LOW
)
EXECUTION_FAILED = _of_request(
    "execution.failed", "Execution failed", before_execution=False, told=Audience.INVOLVED, severity=Severity.MEDIUM
)
RECEIPT_CONFIRMED = _of_request(
    "receipt.confirmed", "Receipt confirmed", before_execution=False, told=Audience.INVOLVED
)
RECEIPT_OVERDUE = _of_request(
    "receipt.overdue",
    "Receipt overdue, but the key is in use",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.MEDIUM,
)
RECEIPT_GIVEN_UP = _of_request(
    "receipt.given_up",
    "Receipt did not come: the key is being rolled back",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.HIGH,
)
KEY_ROLLED_BACK = _of_request(
    "key.rolled_back", "Key rolled back", before_execution=False, told=Audience.INVOLVED, severity=Severity.MEDIUM
)
KEY_QUARANTINED = _of_request(
    "key.quarantined",
    "Keys found that nobody can account for",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.CRITICAL,
)
KEY_DEACTIVATED = _of_request(
    "key.deactivated", "Key deactivated", before_execution=False, told=Audience.INVOLVED, severity=Severity.LOW
)
KEY_EXPIRING = _of_request(
    "key.expiring", "Key expires soon", before_execution=False, told=Audience.INVOLVED, severity=Severity.LOW
)
KEY_EXPIRY_FAILED = _of_request(
    "key.expiry_failed",
    "Key outlives its lifetime",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.HIGH,
)
KEY_RETIRED = _of_request(
    "key.retired", "Key retired", before_execution=False, told=Audience.INVOLVED, severity=Severity.LOW
)

# A rotation, after the receipt of its new key.
CUT_OVER_RELEASED = _of_request(
    "cut_over.released",
    "Somebody said that the old key may be deactivated",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.LOW,
)
ROTATION_WAITING = _of_request(
    "rotation.waiting", "Rotation waits for its cut-over", before_execution=False, told=Audience.INVOLVED
)
OLD_KEY_DEACTIVATED = _of_request(
    "old_key.deactivated",
    "Old key of a rotation deactivated",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.LOW,
)
OLD_KEY_DELETED = _of_request(
    "old_key.deleted",
    "Old key deleted: the rotation is done",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.LOW,
)
OLD_KEY_USED = _of_request(
    "old_key.used",
    "Old key was used after its deactivation",
    before_execution=False,
    told=Audience.INVOLVED,
    severity=Severity.HIGH,
)
ROTATION_STOPPING = _of_request(
    "rotation.stopping",
    "Rotation is being stopped",
    before_execution=False,
    told=Audience.EVERYBODY,
    severity=Severity.LOW,
)
ROTATION_STOPPED = _of_request(
    "rotation.stopped",
    "Rotation stopped: nothing more is done",
    before_execution=False,
    told=Audience.EVERYBODY,
    severity=Severity.LOW,
)

# An account.
ACCOUNT_ADOPTED = _of_account(
    "account.adopted", "Account adopted as it is", before_execution=True, severity=Severity.LOW
)
DRIFT_FOUND = _of_account("drift.found", "Drift found", before_execution=True, severity=Severity.HIGH)
DRIFT_RESOLVED = _of_account("drift.resolved", "Drift resolved", before_execution=True)
DRIFT_ACCEPTED = _of_account("drift.accepted", "Drift accepted", before_execution=True, severity=Severity.MEDIUM)

# People and their tokens.
PERSON_SEEN = _of_person("person.seen", "Person signed in for the first time", before_execution=True)
PERSON_CHANGED = _of_person("person.changed", "What is known of a person changed", before_execution=True)
PERSON_SUSPENDED = _of_person("person.suspended", "Person suspended", before_execution=True)
PERSON_REINSTATED = _of_person("person.reinstated", "Person reinstated", before_execution=True)
TOKEN_CREATED = _of_person("token.created", "API token created", before_execution=True)
TOKEN_REVOKED = _of_person("token.revoked", "API token revoked", before_execution=True)
KEY_REGISTERED = _of_person("signing_key.registered", "Signing key registered", before_execution=True)
KEY_ENDORSED = _of_person("signing_key.endorsed", "Signing key endorsed", before_execution=True)
KEY_REVOKED = _of_person("signing_key.revoked", "Signing key revoked", before_execution=True)
LOG_READ = _of_person("log.read", "Audit log read", before_execution=True)

# The rules.
POLICY_CHANGED = _of_service(
    "policy.changed",
    "A process began with other rules than the last one",
    before_execution=True,
    published=True,
    severity=Severity.MEDIUM,
)
RULES_SIGNED = _of_service(
    "rules.signed",
    "A version of the signed rules came into force",
    before_execution=True,
    published=True,
    severity=Severity.MEDIUM,
)

# The service's own health. Each second event ends what the first one began.
WORKER_SILENT = _of_service(
    "worker.silent",
    "No worker has made a pass for too long",
    before_execution=True,
    published=True,
    severity=Severity.HIGH,
)
WORKER_BACK = _of_service("worker.back", "A worker makes passes again", before_execution=True, published=True)
ANCHOR_OVERDUE = _of_service(
    "anchor.overdue",
    "Nobody has anchored the audit log's head for too long",
    before_execution=True,
    published=True,
    severity=Severity.MEDIUM,
)
ANCHOR_KEPT = _of_service(
    "anchor.kept", "The audit log's head is anchored again", before_execution=True, published=True
)
COSIGNATURE_OVERDUE = _of_service(
    "cosignature.overdue",
    "A witness has not cosigned the audit log's head for too long",
    before_execution=True,
    published=True,
    severity=Severity.MEDIUM,
)
COSIGNATURE_KEPT = _of_service(
    "cosignature.kept", "A witness has cosigned the audit log's head again", before_execution=True, published=True
)
WITNESS_CONTRADICTS = _of_service(
    "witness.contradicts",
    "A witness knows another audit log than this one",
    before_execution=True,
    published=True,
    severity=Severity.CRITICAL,
)
WITNESS_AGREES = _of_service(
    "witness.agrees",
    "A witness that contradicted the audit log has cosigned it",
    before_execution=True,
    published=True,
    severity=Severity.HIGH,
)
CLOCK_WRONG = _of_service(
    "clock.wrong",
    "The clock of a host disagrees with others",
    before_execution=True,
    published=True,
    severity=Severity.HIGH,
)
CLOCK_RIGHT = _of_service("clock.right", "The clock of a host agrees again", before_execution=True, published=True)

# Drills.
DRILL_IS_DUE = _of_service(
    "drill.due",
    "A drill is due: none was completed in the time that the policy sets",
    before_execution=True,
    published=True,
    severity=Severity.LOW,
)

# Destinations.
DELIVERY_FAILED = _of_service(
    "delivery.failed",
    "Delivery to a destination failed",
    before_execution=True,
    data=PublishedData.DELIVERY,
    published=True,
    severity=Severity.MEDIUM,
)
DELIVERY_REPEATED = _of_service("delivery.repeated", "Delivery sent again", before_execution=True, published=False)
DESTINATION_DISABLED = _of_service(
    "destination.disabled",
    "Destination disabled: it accepts nothing more",
    before_execution=True,
    data=PublishedData.DISABLED,
    published=True,
    severity=Severity.HIGH,
)

# Sent by `rootquorum notify test` alone; never in the audit log.
TEST = _of_service("notify.test", "A test: nothing has happened", before_execution=True, published=False)

EVENTS: Mapping[str, EventRow] = MappingProxyType(_rows)

PUBLISHED = frozenset(row.name for row in EVENTS.values() if row.published)
BEFORE_EXECUTION = frozenset(row.name for row in EVENTS.values() if row.before_execution)
JUDGED = frozenset(row.name for row in EVENTS.values() if row.is_judged)
REFUSALS = frozenset(row.name for row in EVENTS.values() if row.is_refusal)
# What decides whose signature counts. The index over these is in a migration: a change needs another one.
OF_KEYS = frozenset({KEY_REGISTERED, KEY_ENDORSED, KEY_REVOKED, PERSON_SUSPENDED})
# Those of which people are told in person.
TOLD = frozenset(row.name for row in EVENTS.values() if row.told is not None)
TITLES: Mapping[str, str] = {row.name: row.title for row in EVENTS.values()}
# The name under which destinations receive an event's own data.
SHOWN: Mapping[str, str] = {row.name: row.data.value for row in EVENTS.values() if row.data is not None}
