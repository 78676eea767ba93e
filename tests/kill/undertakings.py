"""All that the service does in AWS, each led up to the moment at which it begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from kill.processes import SERVED
from support.builders import (
    ACCOUNT,
    ACCOUNTS,
    ACTIVATE,
    ALLOW_PASSWORD,
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
from support.house import House, manager_of
from support.rotations import Rotation

from service.aws.organization import KnownAccounts, Organization
from service.domain.operation import OperationName
from service.domain.request import OperationRequest, Status
from service.domain.rotation_plan import RotationPlan
from service.simulated_aws import ConnectionLostAfter, Credential, SimulatedAws
from service.worker import run_pass
from service.workflow.decide import confirm_receipt

LIFETIME = timedelta(days=2)
# The worker has time to end it after a kill, and long before the deadline.
PLAN = RotationPlan(unused_for=timedelta(hours=1), deletion_wait=timedelta(hours=1))
REQUESTER = "alice"


@dataclass(frozen=True, kw_only=True)
class Undertaking:
    """`furnish` does by hand what has to be in AWS, and returns the id of what this is about, if it has one;
    `lead_up` brings a request to where the service acts: `by_worker` in its next pass, else when it is executed.
    """

    name: str
    lead_up: Callable[[House, str | None], OperationRequest | None]
    furnish: Callable[[House], str | None] = lambda _: None
    by_worker: bool = False
    is_drift_check: bool = False


@dataclass
class Scene:
    """An undertaking about to begin: what there was in AWS before all requests, and every secret seen so far."""

    house: House
    undertaking: Undertaking
    target: str | None
    before: dict[str, str]
    request: OperationRequest | None
    secrets: set[str] = field(default_factory=set)

    @classmethod
    @contextmanager
    def of(cls, undertaking: Undertaking, database_url: str) -> Iterator["Scene"]:
        with House.on(database_url, policy=policy_of(drift_checks=undertaking.is_drift_check)) as house:
            # The same accounts as the process serves.
            served = {account_id: ACCOUNTS[account_id] for account_id in SERVED}
            house.change(accounts=KnownAccounts(served, {"main": Organization("main", manager_of(house.aws))}))
            target = undertaking.furnish(house)
            before = credentials(house.aws)
            scene = cls(house, undertaking, target, before, undertaking.lead_up(house, target))
            scene.learn_secrets()
            yield scene

    @property
    def credentials(self) -> dict[str, Credential]:
        """The root key in the service's profile, where it is no longer the first one."""
        rotation = self.request
        if rotation is None or rotation.status is not Status.ROTATING or rotation.result is None:
            return {}
        new = str(rotation.result.access_key_id)
        return {ACCOUNT: Credential(new, self.house.aws.secrets(ACCOUNT)[new])}

    def learn_secrets(self) -> None:
        """AWS forgets the secret of a key that is deleted."""
        aws = self.house.aws
        self.secrets.add(aws.management_credential().secret_access_key)
        for account_id in SERVED:
            self.secrets.update(aws.secrets(account_id).values())

    def begin(self) -> None:
        """Here, by nobody disturbed."""
        if self.request is None or self.undertaking.by_worker:
            run_pass(self.house.ctx)
        else:
            self.house.execute(self.request, by=REQUESTER)


def credentials(aws: SimulatedAws) -> dict[str, str]:
    """All that the root users have: id, or account and `password`, → status."""
    found: dict[str, str] = {}
    for account_id in SERVED:
        found |= aws.keys(account_id)
        found |= dict.fromkeys(aws.mfa_devices(account_id), "enabled")
        found |= aws.signing_certificates(account_id)
        if aws.password(account_id):
            found[f"{account_id} password"] = "present"
        found |= aws.policies(account_id)
    return found


def executed(
    operation: OperationName,
    furnish: Callable[[House], str | None] = lambda _: None,
    *,
    account: str = ACCOUNT,
    by_worker: bool = False,
) -> Undertaking:
    """An approved request. `by_worker`: it runs by itself."""
    name = f"{operation}-by_{'worker' if by_worker else 'profile' if account == ACCOUNT else 'assume_root'}"

    def lead_up(house: House, target: str | None) -> OperationRequest:
        return house.approved(operation, target, account_id=account, run_on_approval=by_worker)

    return Undertaking(name=name, furnish=furnish, lead_up=lead_up, by_worker=by_worker)


def first_key(house: House) -> str:
    return house.signer


def spare_key(house: House) -> str:
    return house.spare_key()


def inactive_key(house: House) -> str:
    spare = house.spare_key()
    house.aws.set_root_key_status(ACCOUNT, spare, "Inactive")
    return spare


def key_of_member(house: House) -> str:
    return house.aws.create_root_key(MEMBER).access_key_id


def device_of_member(house: House) -> str:
    return house.aws.mfa_devices(MEMBER)[0]


def certificate_of_member(house: House) -> str:
    return house.aws.add_signing_certificate(MEMBER)


def locked_bucket(house: House) -> str:
    house.aws.add_bucket(MEMBER, "locked", LOCKING, region="eu-central-1")
    return "locked"


def locked_queue(house: House) -> str:
    return house.aws.add_queue(MEMBER, "locked", LOCKING, region="eu-central-1")


def no_password(house: House) -> None:
    house.aws.set_summary(MEMBER, password=False)


def unknown_key(house: House) -> str:
    """A key that appeared after the account was looked at for the first time."""
    run_pass(house.ctx)
    return house.spare_key()


def unconfirmed(house: House, _target: str | None) -> OperationRequest:
    request, _ = house.execute(house.approved(CREATE), by=REQUESTER)
    house.clock.advance(house.ctx.policy.receipt_window)
    return request


def expired(house: House, _target: str | None) -> OperationRequest:
    request, _ = house.execute(house.approved(CREATE, lifetime=LIFETIME), by=REQUESTER)
    confirm_receipt(house.ctx, house.actor(REQUESTER), request.filing.request_id)
    house.clock.advance(LIFETIME)
    return request


def released(house: House, target: str | None) -> OperationRequest:
    """A rotation whose users have moved, the service among them."""
    request, key = house.execute(house.approved(ROTATE, target, rotation=PLAN), by=REQUESTER)
    assert target is not None
    assert key is not None
    rotation = Rotation(house, request, target, key).receive().move()
    return rotation.release(REQUESTER)


def to_be_deleted(house: House, target: str | None) -> OperationRequest:
    """The same, when the wait is over."""
    request = released(house, target)
    run_pass(house.ctx)
    house.clock.advance(PLAN.deletion_wait)
    return request


def in_doubt(house: House, _target: str | None) -> OperationRequest:
    house.aws.fault("CreateAccessKey", ConnectionLostAfter())
    request, _ = house.execute(house.approved(CREATE), by=REQUESTER)
    house.clock.advance(max(house.ctx.policy.consistency_delay, house.ctx.roots.call_budget))
    return request


def and_deactivated(
    before: Callable[[House, str | None], OperationRequest],
) -> Callable[[House, str | None], OperationRequest]:
    """The same, a grace later: the key is inactive since `before`, and is to be deleted."""

    def lead_up(house: House, target: str | None) -> OperationRequest:
        request = before(house, target)
        run_pass(house.ctx)
        house.clock.advance(house.ctx.policy.rollback_grace)
        return request

    return lead_up


def next_look(house: House, _target: str | None) -> None:
    house.clock.advance(house.ctx.policy.drift_interval)


UNDERTAKINGS = (
    executed(CREATE),
    executed(ROTATE, first_key),
    executed(DEACTIVATE, spare_key),
    executed(ACTIVATE, inactive_key),
    executed(DELETE, spare_key),
    executed(DELETE, key_of_member, account=MEMBER),
    executed(DELETE_PASSWORD, account=MEMBER),
    executed(ALLOW_PASSWORD, no_password, account=MEMBER),
    executed(DEACTIVATE_MFA, device_of_member, account=MEMBER),
    executed(DELETE_CERTIFICATE, certificate_of_member, account=MEMBER),
    executed(UNLOCK_BUCKET, locked_bucket, account=MEMBER),
    executed(UNLOCK_QUEUE, locked_queue, account=MEMBER),
    executed(DEACTIVATE, spare_key, by_worker=True),
    Undertaking(name="rollback-deactivate", lead_up=unconfirmed, by_worker=True),
    Undertaking(name="rollback-delete", lead_up=and_deactivated(unconfirmed), by_worker=True),
    Undertaking(name="lifetime-deactivate", lead_up=expired, by_worker=True),
    Undertaking(name="lifetime-delete", lead_up=and_deactivated(expired), by_worker=True),
    Undertaking(name="rotation-deactivate", furnish=first_key, lead_up=released, by_worker=True),
    Undertaking(name="rotation-delete", furnish=first_key, lead_up=to_be_deleted, by_worker=True),
    Undertaking(name="reconcile-create", lead_up=in_doubt, by_worker=True),
    Undertaking(name="drift", furnish=unknown_key, lead_up=next_look, by_worker=True, is_drift_check=True),
)
