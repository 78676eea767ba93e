"""The examples of the contract. Together they show one rotation.

Carol asks for a new root key of the account "production", for Grace. Dave and Erin approve, Grace executes; weeks
later Carol has the old key deleted. Domain code makes the examples, so digests, warnings and actions are those of the
service. Nothing here is a secret.
"""

from dataclasses import replace
from importlib.metadata import version

from pydantic import BaseModel

from service.api import drill_views, views
from service.api.contract import life, log_examples
from service.api.contract.described import Json, named
from service.api.contract.signing_examples import SigningExamples
from service.api.key_files import FILES, FileName, profile_of
from service.api.paging import encode_cursor, encode_sequence
from service.api.schemas import drill_outputs, inputs, log_outputs, outputs
from service.aws.errors import LOST
from service.db.decisions import LastDecision
from service.domain.account import ACTIVE, INACTIVE, AccessKey
from service.domain.delivery import GIVE_UP_AFTER, Delivery, DeliveryStatus
from service.domain.drift import Drift, DriftFinding, DriftKind, Expectation, ExpectedKey, Origin
from service.domain.events import between, filed
from service.domain.operation import OperationName
from service.domain.outcome import CreatedKey, Done, InDoubt, SealedKey, Secret
from service.domain.request import OperationRequest, Verdict
from service.domain.selection import Cursor, Listed
from service.domain.statement import LogHead
from service.workflow.drift import DriftCheck, OpenDrift
from service.workflow.drills import Answer, Approver, DrillReport

_MEMBER = "444455556666"
_OLD_KEY, _NEW_KEY = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"


# --- requests ---


def _filing(operation: OperationName, summary: str, justification: str, **fields: object) -> tuple[str, Json]:
    asked = {
        "operation": operation.value,
        "account_id": life.ACCOUNT.account_id,
        "justification": justification,
    }
    return summary, asked | fields


FILINGS = named(
    create_access_key=_filing(
        OperationName.CREATE_ACCESS_KEY,
        "A new key for somebody else",
        inputs.EXAMPLE_JUSTIFICATION,
        ticket="OPS-4711",
        recipient="grace",
        lifetime="P90D",
    ),
    rotate_access_key=_filing(
        OperationName.ROTATE_ACCESS_KEY,
        "A new key in place of the old one, as one story",
        "The key is a year old.",
        access_key_id=_OLD_KEY,
        recipient="grace",
        rotation={"unused_for": "P7D", "cut_over_within": "P30D", "deletion_wait": "P7D"},
    ),
    deactivate_access_key=_filing(
        OperationName.DEACTIVATE_ACCESS_KEY,
        "An emergency: run as soon as it is approved",
        "The key was found in a public repository.",
        access_key_id=_OLD_KEY,
        run_on_approval=True,
    ),
    activate_access_key=_filing(
        OperationName.ACTIVATE_ACCESS_KEY,
        "Activate an inactive key",
        "A job that still needs the old key was found.",
        access_key_id=_OLD_KEY,
    ),
    delete_access_key=_filing(
        OperationName.DELETE_ACCESS_KEY,
        "The end of a rotation",
        "Inactive for a week, nobody missed it.",
        access_key_id=_OLD_KEY,
        ticket="OPS-4712",
    ),
    delete_login_profile=_filing(
        OperationName.DELETE_LOGIN_PROFILE,
        "No root password in a member account",
        "Member accounts need no root password.",
        account_id=_MEMBER,
    ),
    allow_password_recovery=_filing(
        OperationName.ALLOW_PASSWORD_RECOVERY,
        "Somebody has to sign in as root again",
        "The payment settings can be changed by root only.",
        account_id=_MEMBER,
        ticket="OPS-4713",
    ),
    deactivate_mfa_device=_filing(
        OperationName.DEACTIVATE_MFA_DEVICE,
        "A lost MFA device",
        "The device was lost in the move.",
        account_id=_MEMBER,
        serial_number=f"arn:aws:iam::{_MEMBER}:mfa/root-account-mfa-device",
    ),
    delete_signing_certificate=_filing(
        OperationName.DELETE_SIGNING_CERTIFICATE,
        "An old certificate",
        "Nothing has signed with X.509 for years.",
        account_id=_MEMBER,
        certificate_id="TA7SMP42TDN5Z26OBPJE7EXAMPLE",
    ),
    unlock_s3_bucket_policy=_filing(
        OperationName.UNLOCK_S3_BUCKET_POLICY,
        "A bucket that locks its owners out",
        "The new bucket policy denies everybody, us included.",
        account_id=_MEMBER,
        bucket="example-logs",
    ),
    unlock_sqs_queue_policy=_filing(
        OperationName.UNLOCK_SQS_QUEUE_POLICY,
        "A queue that locks its owners out",
        "The new queue policy denies everybody, us included.",
        account_id=_MEMBER,
        queue_arn=f"arn:aws:sqs:eu-central-1:{_MEMBER}:orders",
    ),
)
# --- one request, from its filing on ---

_OLD = AccessKey(
    access_key_id=_OLD_KEY,
    status=ACTIVE,
    created_at=life.at("01-05T14:03:12"),
    last_used_at=life.at("03-01T22:40:00"),
    last_used_service="s3",
)
_REQUEST = life.filed_by_carol(
    "0eb8d567-53ad-4c46-af16-01c60ded94ee",
    FILINGS["create_access_key"]["value"],
    life.observed(life.at("03-02T09:14:05"), _OLD_KEY, _OLD),
)
_BY_DAVE = life.decided(_REQUEST, life.DAVE, 17)
_APPROVED = life.decided(_BY_DAVE, life.ERIN, 48)
_KEY = CreatedKey(_NEW_KEY, Secret(outputs.PLACEHOLDER), life.at("03-02T10:20:06"))
_SEALED_KEY = SealedKey(
    _NEW_KEY,
    "-----BEGIN AGE ENCRYPTED FILE-----\n"
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSB6KzJNTUY3WkFPZzRFWWRM\n"
    "RzRLbURVcU1mOUVHQnRwN1k0eGhhaDViSHhNCkxHekptak9iMzJvNlBzZ0dHbkYx\n"
    "VGFJS2pXS1phTDJCTVRnQzZSYkk1Y2MKLT4gN1FHLHkxdyotZ3JlYXNlIFRTcSBK\n"
    "aG1qT2c1JiBbIXxdICNSCis2dDFYeVZIcThpaTdIazBZNU91OVFaa1Z4SHhDZmcK\n"
    "LS0tIDJ0ZEdsODREd3J5UWJ5S2lZR1ZiZ1FJTlljN1lqZjBOYnpveW41Wm1lRDQK\n"
    "dFrW5W8YUzleRQUno3RTxgE7k2uUpNC5ju7o+mUVnwKvMo77sdDBL5V+cTNIy2Es\n"
    "r0bF2SVKIB4x2BDFhJEt/Wj49lvdIYxzsQ==\n"
    "-----END AGE ENCRYPTED FILE-----\n",
    life.at("03-02T10:20:06"),
)
_DONE = Done(signer_key_id=_OLD_KEY, aws_request_id="6f9c1c0a-1b64-4f0e-9a43-7b1d0c5e2a11")
_DELIVERED = life.executed(_APPROVED, life.GRACE, replace(_DONE, created=_KEY))
_LOST = InDoubt(detail=LOST, signer_key_id=_OLD_KEY)
_NO = "The old key is still in use."
_ACTIVATED = "An old key was activated"

_SIGNING = SigningExamples(_REQUEST, LogHead(9, "ab" * 32), life.at("03-02T09:30:00"))
DECISIONS = named(
    approve=("Approve", {"decision": "approve", "digest": _REQUEST.digest}),
    signed=(
        "Approve, with a signature",
        {"decision": "approve", "digest": _REQUEST.digest, **_SIGNING.decision()},
    ),
    reject=("Reject, with a reason", {"decision": "reject", "digest": _REQUEST.digest, "comment": _NO}),
)

RECEIPTS = named(sealed=("Of a sealed key", {"sealed_sha256": _SEALED_KEY.sha256}))
_ROTATION = life.executed(
    life.decided(
        life.decided(
            life.filed_by_carol(
                "8d0c3a52-5d0e-4a4e-9f57-6f7d1a9b2c31", FILINGS["rotate_access_key"]["value"], _REQUEST.filing.observed
            ),
            life.DAVE,
            17,
        ),
        life.ERIN,
        48,
    ),
    life.GRACE,
    replace(_DONE, created=_KEY),
)
_RELEASED = _ROTATION.receive(life.at("03-02T10:24:00")).release(life.at("03-04T11:00:00"))
CUT_OVERS = named(
    go=("The users have moved", {"access_key_id": _OLD_KEY, "comment": "All of them have the new key since Tuesday."})
)

# Two weeks later the old key is inactive, and the service signs with the new one.
_NEW = AccessKey(
    access_key_id=_NEW_KEY,
    status=ACTIVE,
    created_at=_KEY.created_at,
    last_used_at=life.at("03-16T08:01:00"),
    last_used_service="iam",
)
_LATER = life.observed(life.at("03-16T08:30:00"), _NEW_KEY, replace(_OLD, status=INACTIVE), _NEW)
_DELETION = life.filed_by_carol("3c9e1f60-7a43-4e0e-9d0e-5f1c2b7a8d14", FILINGS["delete_access_key"]["value"], _LATER)
_DELETED = life.executed(
    life.decided(life.decided(_DELETION, life.DAVE, 5), life.ERIN, 12),
    life.CAROL,
    replace(_DONE, signer_key_id=_NEW_KEY, aws_request_id="a7d0e7c2-52b5-4d8e-8a0b-3c9f61e0d2b4"),
)

# --- drift and the log ---

_EXPECTED = Expectation(
    account_id=life.ACCOUNT.account_id,
    checked_at=_LATER.observed_at,
    keys={_OLD_KEY: ExpectedKey(INACTIVE, Origin.ADOPTED), _NEW_KEY: ExpectedKey(ACTIVE, Origin.CREATED)},
    mfa_enabled=True,
    email="aws-production@example.com",
)
_FINDING = DriftFinding(
    id="b1f0a9c4-0c3d-4a52-9a77-2f6b8d1e5c30",
    drift=Drift(
        account_id=life.ACCOUNT.account_id,
        kind=DriftKind.STATUS_CHANGED,
        access_key_id=_OLD_KEY,
        expected=INACTIVE,
        found=ACTIVE,
    ),
    found_at=_LATER.observed_at,
    closed_at=None,
    accepted_by=None,
)
_ACCEPTED = replace(_FINDING, closed_at=life.at("03-16T09:02:00"), accepted_by=life.HEIDI.subject)
ACCEPTANCES = named(known=("A known change", {"comment": "Activated in the console, for the incident OPS-4720."}))


def _log() -> list[Json]:
    happened = [
        (life.CAROL, _REQUEST.filing.filed_at, filed(_REQUEST)),
        *((life.DAVE, _BY_DAVE.decisions[-1].decided_at, event) for event in between(_REQUEST, _BY_DAVE)),
        *((life.ERIN, _APPROVED.decisions[-1].decided_at, event) for event in between(_BY_DAVE, _APPROVED)),
    ]
    signed_in = [(life.signed_in(by, at), at, event) for by, at, event in happened]
    return log_examples.records(signed_in, _REQUEST.filing.request_id)


_LOG = _log()


def _events() -> log_outputs.AuditPageOut:
    items = [log_outputs.AuditEventOut.model_validate(event) for event in _LOG]
    return log_outputs.AuditPageOut(items=items, next_cursor=None, resume_cursor=encode_sequence(len(items)))


def _drilled() -> tuple[DrillReport, list[Approver]]:
    """A drill that Dave approved after seventeen minutes, and Erin not yet."""
    drill = OperationRequest.file(replace(_REQUEST.filing, drill=True))
    decided = life.decided(drill, life.DAVE, 17)
    proof = life.signed_in(life.DAVE, decided.decisions[0].decided_at).proof
    by_dave = Answer(
        decision=Verdict.APPROVE, at=decided.decisions[0].decided_at, methods=proof.amr if proof else None, key=None
    )
    last = LastDecision(by_dave.at, drill.filing.request_id, is_drill=True, is_signed=False)
    report = DrillReport(decided, life.DIRECTORY, {life.DAVE.subject: by_dave, life.ERIN.subject: None})
    return report, [
        Approver(life.ERIN.subject, life.ERIN.name, None, None),
        Approver(life.DAVE.subject, life.DAVE.name, by_dave.at, last),
    ]


_REPORT, _APPROVERS = _drilled()


def _page() -> outputs.RequestPageOut:
    following = Cursor(_REQUEST.filing.filed_at, _REQUEST.filing.request_id)
    listed = Listed(_REQUEST.filing, _REQUEST.digest, _REQUEST.status, _REQUEST.execute_by)
    page = views.page_out(life.account_name, life.DIRECTORY, [listed], encode_cursor(following))
    return outputs.RequestPageOut.model_validate(page)


_FAILED = Delivery(
    id="3d0a5a8e-6d5f-4f0e-9d53-1f3ad8b7f0c2",
    seq=1,
    destination="siem",
    stream=_REQUEST.filing.request_id,
    event="request.filed",
    request_id=_REQUEST.filing.request_id,
    ticket=_REQUEST.filing.ticket,
    body="{}",
    status=DeliveryStatus.FAILED,
    attempts=17,
    detail="There was no answer.",
    created_at=_REQUEST.filing.filed_at,
    due_at=_REQUEST.filing.filed_at + GIVE_UP_AFTER,
    give_up_at=_REQUEST.filing.filed_at + GIVE_UP_AFTER,
    ended_at=_REQUEST.filing.filed_at + GIVE_UP_AFTER,
)
_AGAIN = replace(
    _FAILED,
    status=DeliveryStatus.PENDING,
    attempts=0,
    detail=None,
    give_up_at=_FAILED.due_at + GIVE_UP_AFTER,
    ended_at=None,
)


# --- responses ---


def _whole(summary: str, value: BaseModel) -> tuple[str, object]:
    return summary, value.model_dump(mode="json")


def _file(name: FileName) -> str:
    return FILES[name].write(_KEY, profile_of(life.ACCOUNT.account_id))


_ACCOUNT = replace(
    life.ACCOUNT,
    organization="main",
    units=frozenset({"r-ab12", "ou-ab12-workload", "ou-ab12-prod0001"}),
    tags={"env": "prod", "owner": "platform"},
)
_LISTED = views.account_out(_ACCOUNT)

ANSWERS = named(
    filed=_whole("As Carol sees it", life.shown_to(life.CAROL, _REQUEST)),
    preview=_whole("Before Carol files it", life.previewed_by(life.CAROL, _REQUEST)),
    page=_whole("Requests that wait for Dave", _page()),
    pending=_whole("As Dave sees it before he decides", life.shown_to(life.DAVE, _REQUEST)),
    withdrawn=_whole("Withdrawn by Carol", life.shown_to(life.CAROL, _REQUEST.withdraw(life.at("03-02T09:20:00")))),
    approved=_whole("The second approval, by Erin", life.shown_to(life.ERIN, _APPROVED)),
    rejected=_whole(
        "A rejection, by Dave",
        life.shown_to(life.DAVE, life.decided(_REQUEST, life.DAVE, 17, Verdict.REJECT, _NO)),
    ),
    created_key=_whole("A new key, for Grace only", views.created_key_out(_DELIVERED, _KEY)),
    sealed_key=_whole("A new key, sealed", views.sealed_key_out(_DELIVERED, _SEALED_KEY)),
    rootkey=("rootkey.csv", _file(FileName.ROOTKEY_CSV)),
    credentials=("credentials.csv", _file(FileName.CREDENTIALS_CSV)),
    profile=("profile.ini", _file(FileName.PROFILE_INI)),
    executed=_whole("Any other operation: the request", life.shown_to(life.CAROL, _DELETED)),
    in_doubt=_whole(
        "A create, as Grace sees it",
        life.shown_to(life.GRACE, life.executed(_APPROVED, life.GRACE, _LOST)),
    ),
    received=_whole("Confirmed by Grace", life.shown_to(life.GRACE, _DELIVERED.receive(life.at("03-02T10:24:00")))),
    drill_report=_whole("A drill that Erin has not answered", drill_views.report_out(_REPORT)),
    approvers=_whole(
        "Erin never gave a sign of life",
        drill_outputs.ApproversOut(items=[drill_views.approver_out(each) for each in _APPROVERS]),
    ),
    released=_whole("As Grace sees it", life.shown_to(life.GRACE, _RELEASED)),
    me=_whole(
        "Dave, an approver",
        outputs.MeOut(
            subject=life.DAVE.subject,
            name=life.DAVE.name,
            kind=life.DAVE.kind.value,
            roles=sorted(life.DAVE.roles),
            can_decide=True,
        ),
    ),
    accounts=("One account", [_LISTED.model_dump(mode="json")]),
    account=_whole(
        "An account of an organization, with its own root key",
        views.account_detail_out(_ACCOUNT, _EXPECTED, life.policy_for),
    ),
    live=_whole(
        "After the rotation",
        outputs.AccountCredentialsOut(account=_LISTED, root_credentials=views.credentials_out(_LATER)),
    ),
    drift=_whole(
        _ACTIVATED, views.drift_out(life.account_name, OpenDrift((_FINDING,), _EXPECTED.checked_at, never_checked=0))
    ),
    drift_check=_whole(
        _ACTIVATED, views.drift_check_out(life.account_name, DriftCheck(_EXPECTED, (_FINDING,), adopted=False))
    ),
    accepted=_whole("Accepted by Heidi", views.finding_out(life.account_name, _ACCEPTED)),
    deliveries=_whole(
        "A failed delivery", outputs.DeliveryPageOut(items=[views.delivery_out(_FAILED)], next_cursor=None)
    ),
    redelivery=_whole("Redelivered by Heidi", views.delivery_out(_AGAIN)),
    events=_whole("A request until its approval", _events()),
    **log_examples.answers(_LOG),
    **_SIGNING.answers(),
    ok=_whole("Ready", outputs.HealthOut(status="ok")),
    alive=_whole("Alive", outputs.AliveOut(status="ok", version=version("rootquorum"))),
)

# Of the bodies that requests have, by the name that `described.bodies` gives to the group.
BODIES = {
    "filings": FILINGS,
    "decisions": DECISIONS,
    "receipts": RECEIPTS,
    "cut-overs": CUT_OVERS,
    "acceptances": ACCEPTANCES,
    **{group: named(**bodies) for group, bodies in _SIGNING.bodies().items()},
}
