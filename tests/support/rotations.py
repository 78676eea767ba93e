"""Rotations for tests: each as far as the test needs it."""

from dataclasses import dataclass
from datetime import timedelta

from support.builders import ACCOUNT, ROTATE
from support.house import House

from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.domain.outcome import CreatedKey
from service.domain.request import OperationRequest
from service.domain.rotation_plan import RotationPlan
from service.worker import run_pass
from service.workflow.decide import confirm_receipt
from service.workflow.rotate import release

PLAN = RotationPlan(unused_for=timedelta(days=2), cut_over_within=timedelta(days=10), deletion_wait=timedelta(days=3))
CHECKED = "All users of the old key have the new one."


@dataclass
class Rotation:
    """A rotation of the key that the service signs with, which is the only one that leaves a place for a new one."""

    house: House
    request: OperationRequest
    old: str
    key: CreatedKey

    @property
    def new(self) -> str:
        return self.key.access_key_id

    @property
    def id(self) -> str:
        return self.request.filing.request_id

    @property
    def keys(self) -> tuple[str | None, ...]:
        """Return the statuses of the old and of the new key in AWS."""
        found = self.house.aws.keys(ACCOUNT)
        return found.get(self.old), found.get(self.new)

    def now(self) -> OperationRequest:
        return self.house.now(self.request)

    def receive(self) -> "Rotation":
        confirm_receipt(self.house.ctx, self.house.actor("alice"), self.id)
        return self

    def move(self) -> "Rotation":
        """Put the new key into the service's profile, so that it signs with the old one no more."""
        source = FixedSource(self.new, self.key.secret.reveal(), self.house.aws.endpoint_url)
        self.house.change(roots=AwsRoots({ACCOUNT: source}, now=self.house.clock))
        self.used(timedelta(0))
        return self

    def used(self, ago: timedelta) -> None:
        """Let somebody have used the old key so long ago."""
        self.house.aws.set_last_used(ACCOUNT, self.old, self.house.clock() - ago)

    def release(self, by: str = "alice") -> OperationRequest:
        ctx = self.house.ctx
        return release(ctx, self.house.actor(by), self.id, access_key_id=self.old, comment=CHECKED).request

    def after(self, time: timedelta) -> OperationRequest:
        """Return the request after so long, and one pass of the worker."""
        self.house.clock.advance(time)
        run_pass(self.house.ctx)
        return self.now()

    def waited(self) -> "Rotation":
        """Go on until the old key is inactive, and its deletion is due."""
        self.move()
        self.after(PLAN.unused_for)
        self.house.clock.advance(PLAN.deletion_wait)
        return self


def delivered(house: House, **changes: object) -> Rotation:
    """Return a rotation whose new key was handed over to alice and not confirmed yet."""
    old = house.signer
    request, key = house.execute(house.approved(ROTATE, old, **{"rotation": PLAN, **changes}))
    assert key is not None
    return Rotation(house, request, old, key)


def received(house: House, **changes: object) -> Rotation:
    """Return a rotation whose new key was confirmed. The service still signs with the old one."""
    return delivered(house, **changes).receive()
