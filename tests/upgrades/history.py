"""A history of everything: each operation, each status, and something in each table. Release data is made of it."""

from contextlib import suppress
from datetime import timedelta

from pyrage import x25519
from support.builders import (
    ACCOUNT,
    ACCOUNTS,
    ACTIVATE,
    ALLOW_PASSWORD,
    BOTH,
    CREATE,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    LOCKING,
    MEMBER,
    ROTATE,
    UNLOCK_BUCKET,
    UNLOCK_QUEUE,
    policy_of,
)
from support.commits import FOR_GOOD, commits_failing
from support.destinations import Post
from support.house import House, manager_of, source_of
from support.rotations import PLAN
from support.signing import SIGNING, approve, begin_signing, enrol, restart

from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.aws.sources import FixedSource
from service.domain.account import Account
from service.domain.actor import WORKER
from service.domain.delivery import Answer
from service.domain.errors import ServiceError
from service.domain.operation import OperationName
from service.domain.outcome import SealedKey
from service.domain.request import OperationRequest, Verdict
from service.simulated_aws import ConnectionLostAfter, Refuse
from service.worker import run_pass
from service.workflow.decide import confirm_receipt, decide, withdraw
from service.workflow.drift import accept_drift, check_drift, open_drift
from service.workflow.people import reinstate, suspend
from service.workflow.rotate import release
from service.workflow.tokens import list_tokens, revoke_token

# Each story has an account of its own, so that no key is in the way of another story.
_OWN = [f"0000000001{number:02}" for number in range(16)]
HISTORY_ACCOUNTS = ACCOUNTS | {number: Account(account_id=number, name=f"account-{number}") for number in _OWN}
LIFETIME = timedelta(days=2)


def live(house: House) -> None:
    """Let everything happen in this house, whose accounts are `HISTORY_ACCOUNTS`."""
    away, gone = Post(answer=lambda _: Answer.AGAIN), Post(answer=lambda _: Answer.GONE)
    house.change(destinations={"siem": Post(), "away": away, "gone": gone})
    _executed(house)
    _ended_by_time(house)
    _people_and_tokens(house)
    _drift(house)
    _signed(house)
    _still_open(house)
    run_pass(house.ctx)
    assert house.client().get("/readyz").is_success
    assert house.client("audrey").get("/v1/audit/events").is_success


def as_settings_say(house: House) -> None:
    """Restart with the settings that the history ended with."""
    restart(house, signing=SIGNING, policy=policy_of())


def _ended_by_time(house: House) -> None:
    stopped, never_confirmed, expires, ends = _OWN[:4]
    rotation = _delivered(house, stopped, ROTATE, house.aws.root_credential(stopped).access_key_id, rotation=PLAN)
    _confirm(house, rotation)
    _confirm(house, _delivered(house, expires, lifetime=LIFETIME))
    house.file(account_id=ends)
    _delivered(house, never_confirmed)
    for _ in range(12):
        house.clock.advance(timedelta(days=1))
        run_pass(house.ctx)


def _executed(house: House) -> None:
    def spare(account_id: str = ACCOUNT) -> str:
        return house.aws.create_root_key(account_id).access_key_id

    _run(house, DEACTIVATE, key := spare())
    _run(house, ACTIVATE, key)
    _run(house, DELETE, key)
    _run(house, DELETE, spare(MEMBER), account_id=MEMBER)
    _run(house, DELETE_PASSWORD, account_id=MEMBER)
    house.aws.set_summary(BOTH, password=False)
    _run(house, ALLOW_PASSWORD, account_id=BOTH)
    _run(house, DEACTIVATE_MFA, house.aws.mfa_devices(MEMBER)[0], account_id=MEMBER)
    _run(house, DELETE_CERTIFICATE, house.aws.add_signing_certificate(MEMBER), account_id=MEMBER)
    house.aws.add_bucket(MEMBER, "locked", LOCKING, region="eu-central-1")
    _run(house, UNLOCK_BUCKET, "locked", account_id=MEMBER)
    queue = house.aws.add_queue(MEMBER, "locked", LOCKING, region="eu-central-1")
    _run(house, UNLOCK_QUEUE, queue, account_id=MEMBER)
    _run(house, drill=True)
    account = _OWN[4]
    house.approved(DEACTIVATE, spare(account), account_id=account, run_on_approval=True)
    run_pass(house.ctx)
    to = str(x25519.Identity.generate().to_public())
    sealed, file = house.executed(house.approved(account_id=_OWN[5], sealed_to=to))
    assert isinstance(file, SealedKey)
    confirm_receipt(house.ctx, house.actor("alice"), sealed.filing.request_id, sealed_sha256=file.sha256)
    house.aws.fault("CreateAccessKey", Refuse("AccessDenied"))
    with suppress(ServiceError):
        house.execute(house.approved(account_id=_OWN[6]))
    _rotated(house, _OWN[7])


def _rotated(house: House, account_id: str) -> None:
    old = house.aws.root_credential(account_id).access_key_id
    rotation, key = house.execute(house.approved(ROTATE, old, account_id=account_id, rotation=PLAN))
    assert key is not None
    _confirm(house, rotation)
    sources = {number: source_of(house.aws, number) for number, found in HISTORY_ACCOUNTS.items() if found.has_profile}
    sources[account_id] = FixedSource(key.access_key_id, key.secret.reveal(), house.aws.endpoint_url)
    assumed = AssumedRoot(manager_of(house.aws), "us-east-1")
    house.change(roots=AwsRoots(sources, {"main": assumed}, now=house.clock))
    house.aws.set_last_used(account_id, old, house.clock() - PLAN.unused_for)
    request_id = rotation.filing.request_id
    release(house.ctx, house.actor("alice"), request_id, access_key_id=old, comment="All have moved.")


def _people_and_tokens(house: House) -> None:
    rejected = house.file(account_id=_OWN[8])
    about, digest = rejected.filing.request_id, rejected.digest
    decide(house.ctx, house.actor("bob"), about, Verdict.REJECT, digest=digest, comment="Not this quarter.")
    withdraw(house.ctx, house.actor("alice"), house.file(account_id=_OWN[8]).filing.request_id)
    erin = house.by_provider("erin", "root-approvers", email="erin@example.com")
    request = house.file(account_id=_OWN[8], recipient="rita", ticket="OPS-4711")
    decide(house.ctx, erin, request.filing.request_id, Verdict.APPROVE, digest=request.digest, comment=None)
    house.execute(house.approve(request, "bob"), by="rita")
    confirm_receipt(house.ctx, house.actor("rita"), request.filing.request_id)
    for change in (suspend, reinstate, suspend):
        change(house.ctx, WORKER, "dave", "On leave.")
    house.token("mallory")
    [token] = [token for token in list_tokens(house.ctx) if token.subject == "mallory"]
    revoke_token(house.ctx, WORKER, token.id)
    house.forget_token("mallory")
    reinstate(house.ctx, WORKER, "dave", "Back again.")
    house.forget_token("dave")


def _drift(house: House) -> None:
    for account_id in (ACCOUNT, MEMBER):
        account = HISTORY_ACCOUNTS[account_id]
        check_drift(house.ctx, account)
        house.aws.create_root_key(account_id)
        house.clock.advance(house.ctx.policy.drift_interval)
        check_drift(house.ctx, account)
    accepted, *_ = open_drift(house.ctx, house.actor("oscar"), ACCOUNT).findings
    accept_drift(house.ctx, house.actor("oscar"), accepted.id, "The console.")


def _signed(house: House) -> None:
    begin_signing(house)
    enrol(house, "dave", None, "bob", "carol")
    request = house.file(account_id=_OWN[9])
    approve(house, request, "bob")
    approved = approve(house, request, "dave")
    house.execute(approved)
    _confirm(house, approved)
    as_settings_say(house)


def _still_open(house: House) -> None:
    """End with somebody killed in the middle of a create."""
    house.file(account_id=_OWN[14])
    house.approved(account_id=_OWN[15])
    _delivered(house, _OWN[10])
    rotating = _OWN[11]
    key = house.aws.root_credential(rotating).access_key_id
    _confirm(house, _delivered(house, rotating, ROTATE, key, rotation=PLAN))
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    house.execute(house.approved(account_id=_OWN[12]))
    claimed = house.approved(account_id=_OWN[13])
    with commits_failing(house, after="CreateAccessKey", done=False, times=FOR_GOOD), suppress(ServiceError):
        house.execute(claimed)


def _run(house: House, operation: OperationName = CREATE, target: str | None = None, **about: object) -> None:
    house.execute(house.approved(operation, target, **about))


def _delivered(
    house: House, account_id: str, operation: OperationName = CREATE, target: str | None = None, **about: object
) -> OperationRequest:
    executed, _ = house.execute(house.approved(operation, target, account_id=account_id, **about))
    return executed


def _confirm(house: House, request: OperationRequest) -> None:
    confirm_receipt(house.ctx, house.actor("alice"), request.filing.request_id)
