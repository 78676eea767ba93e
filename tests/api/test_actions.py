"""What a caller is told they may do is what happens when they try: for everybody, in every status."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from support.builders import ACCOUNT, CREATE, DEACTIVATE, MEMBERS, NOON, ROTATE
from support.house import House

from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.db.engine import begin
from service.domain.account import SourceKind
from service.domain.actor import WORKER
from service.domain.outcome import CreatedKey, Done, InDoubt, Refused, Secret, of_aws
from service.domain.request import OperationRequest, Result, Status
from service.workflow.change import record
from service.workflow.standing import standing_of


def id_of(request: OperationRequest) -> str:
    return request.filing.request_id


CREATED = Done(
    signer_key_id="AKIASIGNER0000000000",
    aws_request_id=None,
    created=CreatedKey("AKIANEW0000000000000", Secret("s"), NOON),
)
Step = Callable[[OperationRequest, House], OperationRequest]


def claim(request: OperationRequest, house: House) -> OperationRequest:
    return request.claim(
        by=request.filing.recipient, source=SourceKind.PROFILE, known_key_ids=(house.signer,), now=house.clock()
    )


def settle(outcome: Done | Refused | InDoubt) -> Step:
    return lambda request, house: request.settle(outcome, house.clock())


# From the filing, or from the approval when the life begins with a claim.
LIVES: dict[Status, tuple[bool, tuple[Step, ...]]] = {
    Status.PENDING: (False, ()),
    Status.WITHDRAWN: (False, (lambda request, house: request.withdraw(house.clock()),)),
    Status.EXPIRED: (False, (lambda request, house: request.expire(house.clock()),)),
    Status.REJECTED: (False, (lambda request, house: request.become(Status.REJECTED, house.clock()),)),
    Status.APPROVED: (True, ()),
    Status.EXECUTING: (True, (claim,)),
    Status.IN_DOUBT: (True, (claim, settle(InDoubt(detail="lost")))),
    Status.FAILED: (True, (claim, settle(Refused(code=of_aws("AccessDenied"), detail="no")))),
    Status.DELIVERED: (True, (claim, settle(CREATED))),
    Status.SUCCEEDED: (True, (claim, settle(CREATED), lambda request, house: request.receive(house.clock()))),
    Status.ROTATING: (True, (claim, settle(CREATED), lambda request, house: request.receive(house.clock()))),
    Status.STOPPED: (
        True,
        (
            claim,
            settle(CREATED),
            lambda request, house: request.receive(house.clock()),
            lambda request, house: request.stop(Result(code="not_cut_over", detail="late"), house.clock()),
        ),
    ),
    Status.ROLLED_BACK: (
        True,
        (
            claim,
            settle(CREATED),
            lambda request, house: request.roll_back(Result(code="not_recorded", detail="gone"), house.clock()),
        ),
    ),
}


def reach(house: House, status: Status, filing: dict[str, Any]) -> OperationRequest:
    """A request in this status: by its own methods, as the workflow does it, but without AWS."""
    house.is_forged = True  # whoever it was in the workflow, here it is the worker
    approved, steps = LIVES[status]
    targets: dict[object, Callable[[], str | None]] = {CREATE: lambda: None, ROTATE: lambda: house.signer}
    target = targets.get(filing["operation"], house.spare_key)()
    request = house.file(target=target, **filing)
    if filing["operation"] is ROTATE:  # the service signs with another key than the old one
        spare = house.aws.create_root_key(ACCOUNT)
        source = FixedSource(spare.access_key_id, spare.secret_access_key, house.aws.endpoint_url)
        house.change(roots=AwsRoots({ACCOUNT: source}, now=house.clock))
    if approved:
        request = house.approve(request)
    for step in steps:
        after = step(request, house)
        with begin(house.ctx.engine) as tx:
            standing = standing_of(house.ctx, tx, request)
            record(house.ctx, tx, WORKER, request, after, at=house.clock(), standing=standing)
        request = after
    return request


ACTIONS = ["approve", "reject", "withdraw", "execute", "confirm_receipt", "cut_over"]


def attempt(house: House, subject: str, action: str, request: OperationRequest) -> Response:
    path = f"/v1/requests/{id_of(request)}"
    decision = {"digest": request.digest, "comment": "Because.", "decision": action}
    client = house.client(subject)
    match action:
        case "approve" | "reject":
            return client.post(f"{path}/decisions", json=decision)
        case "withdraw":
            return client.post(f"{path}/withdrawal")
        case "execute":
            return client.post(f"{path}/execution")
        case "cut_over":
            return client.post(f"{path}/cut-over", json={"access_key_id": house.signer, "comment": "Because."})
        case _:
            return client.post(f"{path}/receipt")


@pytest.fixture
def new_house(tmp_path: Path, sqlite_template: Path) -> Iterator[Callable[[], House]]:
    numbers = itertools.count()
    with ExitStack() as stack:

        def build() -> House:
            file = tmp_path / f"{next(numbers)}.db"
            shutil.copy(sqlite_template, file)
            return stack.enter_context(House.on(f"sqlite:///{file}"))

        yield build


FOR_RITA = {"operation": CREATE, "by": "alice", "recipient": "rita"}
OF_A_MACHINE = {"operation": DEACTIVATE, "by": "robo", "recipient": "alice"}
A_ROTATION = {"operation": ROTATE, "by": "alice", "recipient": "rita"}
OF_ROTATIONS = {Status.ROTATING, Status.STOPPED}
STORIES = [
    *((status, FOR_RITA) for status in Status if status not in OF_ROTATIONS),
    *((status, OF_A_MACHINE) for status in (Status.PENDING, Status.APPROVED)),
    *((status, A_ROTATION) for status in (Status.DELIVERED, *sorted(OF_ROTATIONS))),
]


DONE_ALREADY = {
    (Status.WITHDRAWN, "withdraw"),
    (Status.SUCCEEDED, "confirm_receipt"),
    *((status, "confirm_receipt") for status in OF_ROTATIONS),
}


@pytest.mark.parametrize(("status", "filing"), STORIES)
def test_actions_are_what_happens_when_tried(
    new_house: Callable[[], House], status: Status, filing: dict[str, Any]
) -> None:
    """For everybody. Refusals change nothing and share a house; what is allowed is tried in a new one.

    What its own person has done already is not allowed again, and not refused either: it changes nothing.
    """
    house = new_house()
    request = reach(house, status, filing)
    for subject in MEMBERS:
        shown = house.client(subject).get(f"/v1/requests/{id_of(request)}")
        if shown.status_code == 404:
            assert {attempt(house, subject, action, request).status_code for action in ACTIONS} == {404}
            continue
        assert [action["action"] for action in shown.json()["actions"]] == ACTIONS
        for action in shown.json()["actions"]:
            if action["allowed"]:
                another = new_house()
                answer = attempt(another, subject, action["action"], reach(another, status, filing))
                assert answer.status_code == 200, (subject, action)
            else:
                answer = attempt(house, subject, action["action"], request)
                if (status, action["action"]) in DONE_ALREADY and answer.status_code == 200:
                    assert house.now(request) == request
                    continue
                told = (action["code"], action["reason"])
                assert (answer.json()["code"], answer.json()["detail"]) == told, (subject, action)


def test_every_status_is_reached(new_house: Callable[[], House]) -> None:
    assert set(LIVES) == set(Status)
    for status in Status:
        house = new_house()
        request = reach(house, status, A_ROTATION if status in OF_ROTATIONS else FOR_RITA)
        assert house.client("audrey").get(f"/v1/requests/{id_of(request)}").json()["status"] == status
