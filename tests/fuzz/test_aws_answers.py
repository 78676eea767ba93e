"""Whatever becomes of an answer of AWS on its way, nobody is shown anything of it, and no effect is denied.

`make test` tries some, `make fuzz` thousands; a failure names its seed. The answers are those of the simulated AWS.
"""

import logging
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from fuzz.mangle import mangle
from support.answers import secrets_in
from support.builders import (
    ACCOUNT,
    ACTIVATE,
    ALLOW_PASSWORD,
    CREATE,
    DEACTIVATE,
    DEACTIVATE_MFA,
    DELETE,
    DELETE_CERTIFICATE,
    DELETE_PASSWORD,
    LOCKING,
    MANAGEMENT,
    MEMBER,
    NOON,
    UNLOCK_BUCKET,
    UNLOCK_QUEUE,
)
from support.house import House, manager_of, source_of
from support.logs import capture_logs

from service.aws.descriptions import Description
from service.aws.organization import Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.domain.account import Account, Part, SourceKind
from service.domain.capability import Plan
from service.domain.errors import Unavailable
from service.domain.operation import Operation, OperationName
from service.domain.outcome import Done, Outcome, Refused
from service.domain.request import Status
from service.simulated_aws import Refuse, Rewritten, SimulatedAws

_LONG = os.environ.get("FUZZ") == "long"
_BATCH = 20
BATCHES = range(60) if _LONG else range(3)
REQUESTS = range(150) if _LONG else range(8)

pytestmark = [
    pytest.mark.usefixtures("no_back_off", "torn_connections"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

_OWN = Account(account_id=ACCOUNT, name="production")
_MEMBER = Account(account_id=MEMBER, name="member", has_profile=False, organization="main", unlocks=True)
_CANARY = "canary/7f3a+91c2/0b44"
_READS = ("GetCallerIdentity", "ListAccessKeys", "GetAccountSummary", "GetAccessKeyLastUsed")
_READS_IN_SESSION = (*_READS, "AssumeRoot", "GetLoginProfile", "ListMFADevices", "ListSigningCertificates")
_ACTS = {
    CREATE: "CreateAccessKey",
    DEACTIVATE: "UpdateAccessKey",
    ACTIVATE: "UpdateAccessKey",
    DELETE: "DeleteAccessKey",
    DELETE_PASSWORD: "DeleteLoginProfile",
    ALLOW_PASSWORD: "CreateLoginProfile",
    DEACTIVATE_MFA: "DeactivateMFADevice",
    DELETE_CERTIFICATE: "DeleteSigningCertificate",
    UNLOCK_BUCKET: "DeleteBucketPolicy",
    UNLOCK_QUEUE: "SetQueueAttributes",
}
_DESCRIBING = ("ListRoots", "ListOrganizationalUnitsForParent", "ListAccountsForParent", "ListTagsForResource")
_NAMES = [CREATE] * 5 + list(_ACTS)  # the one whose answer holds a secret above all
_BY_KEY = frozenset({CREATE, DEACTIVATE, ACTIVATE})


@dataclass
class Wire:
    """What is changed on the way, and which secrets came by."""

    random: Random
    secrets: set[str] = field(default_factory=set)

    def change(self, answer: bytes) -> bytes:
        self.secrets.update(secrets_in(answer))
        return mangle(self.random, answer)

    def fault(self) -> Rewritten:
        """Of an answer to what was done; sometimes of one to what was not."""
        refused = Refuse("AccessDenied", 403, _CANARY) if self.random.random() < 0.15 else None
        return Rewritten(self.change, refused)

    def shown_in(self, told: str) -> list[str]:
        """The pieces of secrets that stand there: a mangled secret is one as well."""
        pieces = {secret[at : at + 12] for secret in {*self.secrets, _CANARY} for at in range(len(secret) - 11)}
        return [piece for piece in pieces if piece in told]


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws([ACCOUNT, MEMBER], management_account=MANAGEMENT) as aws:
        yield aws


def reset(aws: SimulatedAws) -> None:
    aws.reset_faults()
    for account in (ACCOUNT, MEMBER):
        for key_id in aws.keys(account).keys() - {aws.root_credential(account).access_key_id}:
            aws.delete_root_key(account, key_id)
        aws.set_summary(account, mfa=True, password=True, signing_certificates=True)


def state(aws: SimulatedAws, account: str) -> object:
    of_root = aws.keys(account), aws.password(account), aws.mfa_devices(account), aws.signing_certificates(account)
    return of_root, aws.policies(account)


def target(aws: SimulatedAws, name: OperationName, account: str) -> str | None:
    """Something that the operation changes."""
    match name:
        case OperationName.DEACTIVATE_ACCESS_KEY | OperationName.ACTIVATE_ACCESS_KEY | OperationName.DELETE_ACCESS_KEY:
            key = aws.create_root_key(account).access_key_id
            if name is ACTIVATE:
                aws.set_root_key_status(account, key, "Inactive")
            return key
        case OperationName.DEACTIVATE_MFA_DEVICE:
            return aws.mfa_devices(account)[0]
        case OperationName.DELETE_SIGNING_CERTIFICATE:
            return aws.add_signing_certificate(account)
        case OperationName.ALLOW_PASSWORD_RECOVERY:
            aws.set_summary(account, password=False)
        case OperationName.UNLOCK_S3_BUCKET_POLICY | OperationName.UNLOCK_SQS_QUEUE_POLICY:
            aws.add_bucket(account, f"locked-{account}", LOCKING)
            queue_arn = aws.add_queue(account, "locked", LOCKING)
            return f"locked-{account}" if name is UNLOCK_BUCKET else queue_arn
    return None


def roots(aws: SimulatedAws) -> AwsRoots:
    return AwsRoots(
        {ACCOUNT: source_of(aws, ACCOUNT)}, {"main": AssumedRoot(manager_of(aws), "us-east-1")}, now=lambda: NOON
    )


def act(aws: SimulatedAws, wire: Wire) -> str:
    """A write whose answer is mangled. What is certain to have had no effect had none, and what is done is done."""
    name = wire.random.choice(_NAMES)
    account = _OWN if name in _BY_KEY else _MEMBER
    on = target(aws, name, account.account_id)
    before = state(aws, account.account_id)
    source = SourceKind.PROFILE if account.has_profile else SourceKind.ASSUME_ROOT
    aws.fault(_ACTS[name], wire.fault(), times=wire.random.choice((1, 9)))
    operation = Operation(name, on)
    with roots(aws).sign_in(account, Plan(source, name, operation if operation.is_unlock else None)) as root:
        outcome: Outcome = root.perform(operation)
    happened = state(aws, account.account_id) != before
    assert not (isinstance(outcome, Refused) and happened), outcome
    assert not (isinstance(outcome, Done) and not happened), outcome
    return repr(outcome)


def look(aws: SimulatedAws, wire: Wire) -> str:
    """A read of which one answer is mangled."""
    account = wire.random.choice((_OWN, _MEMBER))
    source = SourceKind.PROFILE if account.has_profile else SourceKind.ASSUME_ROOT
    aws.fault(wire.random.choice(_READS if account is _OWN else _READS_IN_SESSION), wire.fault(), times=9)
    with roots(aws).sign_in(account, Plan(source)) as root:
        return repr(root.observe(NOON, *Part))


def list_organization(aws: SimulatedAws, wire: Wire) -> str:
    aws.fault("ListAccounts", wire.fault(), times=9)
    aws.fault("ListOrganizationsFeatures", wire.fault(), times=9)
    organization = Organization("main", manager_of(aws), Listing(refresh=timedelta(minutes=15)))
    with suppress(Unavailable):
        organization.accounts()
    return repr(organization.features())


def describe_organization(aws: SimulatedAws, wire: Wire) -> str:
    """A read of units and tags of which some answers are mangled."""
    aws.set_tags(ACCOUNT, {"env": _CANARY})
    for call in wire.random.sample(_DESCRIBING, 2):
        aws.fault(call, wire.fault(), times=wire.random.choice((1, 9)))
    refresh = timedelta(minutes=15)
    description = Description(units=True, tags=True, refresh=refresh)
    organization = Organization("main", manager_of(aws), Listing(refresh=refresh), description=description)
    organization.accounts()
    return repr(organization.readings())


_TRIES: tuple[Callable[[SimulatedAws, Wire], str], ...] = (
    *(act, act, act, look, look),
    list_organization,
    describe_organization,
)


@pytest.mark.parametrize("batch", BATCHES)
def test_nothing_of_a_mangled_answer_is_told_and_no_effect_is_denied(
    aws: SimulatedAws, caplog: pytest.LogCaptureFixture, batch: int
) -> None:
    caplog.set_level(logging.DEBUG)
    for seed in range(batch * _BATCH, (batch + 1) * _BATCH):
        wire = Wire(Random(seed))
        reset(aws)
        caplog.clear()
        try:
            told = wire.random.choice(_TRIES)(aws, wire)
        except Unavailable as refused:  # and nothing else
            told = f"{refused.exact}{refused.detail}{''.join(traceback.format_exception(refused))}"
        except BaseException as escaped:
            escaped.add_note(f"seed {seed}")
            raise
        assert not wire.shown_in(told + caplog.text), f"seed {seed}"


# For each request accounts of its own: one that is in doubt keeps others from the same account.
_OWNS = [f"1{number:011}" for number in REQUESTS]
_MEMBERS = [f"2{number:011}" for number in REQUESTS]
_ACCOUNTS = {found: Account(account_id=found, name="own") for found in _OWNS} | {
    found: Account(account_id=found, name="member", has_profile=False, organization="main", unlocks=True)
    for found in _MEMBERS
}


def test_no_request_ends_in_a_crash_or_in_a_refusal_of_what_was_done(
    tmp_path: Path, sqlite_template: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shutil.copy(sqlite_template, tmp_path / "rootquorum.db")
    seen = Wire(Random())
    with House.on(f"sqlite:///{tmp_path}/rootquorum.db", accounts=_ACCOUNTS) as house:
        for seed in REQUESTS:
            with capture_logs() as lines:
                answered = execute(house, Wire(Random(seed), seen.secrets), seed)
            told = f"{answered}{lines}{caplog.text}{''.join(capsys.readouterr())}"
            assert not seen.shown_in(told), f"seed {seed}"
            caplog.clear()
    assert seen.secrets
    assert not seen.shown_in("".join(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()))


def execute(house: House, wire: Wire, seed: int) -> str:
    """What is answered to whoever executes, without the secret that is meant for them."""
    name = wire.random.choice(_NAMES)
    account = (_OWNS if name in _BY_KEY else _MEMBERS)[seed]
    approved = house.approved(name, target(house.aws, name, account), account_id=account)
    before = state(house.aws, account)
    call = wire.random.choice([_ACTS[name]] * 3 + ["AssumeRoot", "GetCallerIdentity", "ListAccessKeys"])
    house.aws.fault(call, wire.fault(), times=wire.random.choice((1, 9)))
    answer = house.client("alice").post(f"/v1/requests/{approved.filing.request_id}/execution")
    house.aws.reset_faults()
    happened, now = state(house.aws, account) != before, house.now(approved)
    assert answer.status_code != 500, f"seed {seed}"
    assert not (now.status is Status.FAILED and happened), f"seed {seed}: {now.result}"
    assert not (now.status in {Status.SUCCEEDED, Status.DELIVERED} and not happened), f"seed {seed}: {now.result}"
    return "" if now.status is Status.DELIVERED else answer.text
