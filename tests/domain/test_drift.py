"""What is expected of an account, and what differs from it."""

from datetime import timedelta

import pytest
from support.builders import ACCOUNT, ACTIVATE, CREATE, DEACTIVATE, DEACTIVATE_MFA, DELETE, NOON, approved
from support.builders import request as filed

from service.domain.account import SourceKind
from service.domain.drift import (
    DriftKind,
    Effect,
    Expectation,
    ExpectedKey,
    Origin,
    Seen,
    accept,
    adopt,
    differences,
    effects,
    expect,
)
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, Refused, ResultCode, Secret
from service.domain.request import OperationRequest, Result

OLD, NEW = "AKIAOLD0000000000000", "AKIANEW0000000000000"
HOUR = timedelta(hours=1)
DONE = Done(signer_key_id=OLD, aws_request_id=None)


def seen(*, mfa: bool | None = True, **keys: str) -> Seen:
    return Seen(at=NOON + HOUR, keys=keys, mfa_enabled=mfa)


def expected(*, mfa: bool = True, **keys: str) -> Expectation:
    known = {key: ExpectedKey(status, Origin.ADOPTED) for key, status in keys.items()}
    return Expectation(account_id=ACCOUNT, checked_at=NOON, keys=known, mfa_enabled=mfa)


def statuses(expectation: Expectation) -> dict[str, str]:
    return {key: known.status for key, known in expectation.keys.items()}


def executed(name: OperationName, target: str | None, outcome: Done | Refused = DONE) -> OperationRequest:
    request = approved(filed(operation=Operation(name, target)))
    return request.claim(by="alice", source=SourceKind.PROFILE, known_key_ids=(), now=NOON).settle(outcome, NOON + HOUR)


def created() -> OperationRequest:
    return executed(
        CREATE, None, Done(signer_key_id=OLD, aws_request_id=None, created=CreatedKey(NEW, Secret("s"), NOON))
    )


@pytest.mark.parametrize(
    ("before", "now", "kinds"),
    [
        (expected(A="Active"), seen(A="Active"), []),
        (expected(), seen(A="Active"), [DriftKind.UNEXPLAINED_KEY]),
        (expected(A="Active"), seen(), [DriftKind.KEY_VANISHED]),
        (expected(A="Active"), seen(A="Inactive"), [DriftKind.STATUS_CHANGED]),
        (expected(A="Active"), seen(B="Active"), [DriftKind.KEY_VANISHED, DriftKind.UNEXPLAINED_KEY]),
        (expected(), seen(mfa=False), [DriftKind.MFA_LOST]),
        (expected(mfa=False), seen(mfa=False), []),
        (expected(mfa=False), seen(mfa=True), []),
        (expected(), seen(mfa=None), []),
    ],
)
def test_every_difference_is_one_drift(before: Expectation, now: Seen, kinds: list[DriftKind]) -> None:
    found = differences(before, now)
    assert [drift.kind for drift in found] == kinds
    after = before
    for drift in found:
        after = accept(after, drift)
    assert differences(after, now) == ()


def test_what_is_there_at_the_first_look_is_adopted_unless_a_request_made_it() -> None:
    done = [Effect(NOON, "B", "Active", is_creation=True), Effect(NOON, "A", "Active")]
    adopted = adopt(ACCOUNT, seen(A="Active", B="Active"), done)
    assert {key: known.origin for key, known in adopted.keys.items()} == {"A": "adopted", "B": "created"}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (created(), [Effect(NOON + HOUR, NEW, "Active", is_creation=True)]),
        (executed(DEACTIVATE, OLD), [Effect(NOON + HOUR, OLD, "Inactive")]),
        (executed(ACTIVATE, OLD), [Effect(NOON + HOUR, OLD, "Active")]),
        (executed(DELETE, OLD), [Effect(NOON + HOUR, OLD, None)]),
        (executed(DEACTIVATE_MFA, "arn:aws:iam::1:mfa/x"), [Effect(NOON + HOUR, None, None)]),
        (executed(DELETE, OLD, Refused(code=ResultCode.NOT_DONE, detail="x")), []),
        (executed(CREATE, None, Refused(code=ResultCode.NOT_DONE, detail="x")), []),
        (
            created().deactivated(NOON + 2 * HOUR).roll_back(Result(code="x", detail="x", access_key_id=NEW), NOON),
            [
                Effect(NOON + HOUR, NEW, "Active", is_creation=True),
                Effect(NOON + 2 * HOUR, NEW, "Inactive"),
                Effect(NOON, NEW, None),
            ],
        ),
    ],
)
def test_what_a_request_did(request_: OperationRequest, wanted: list[Effect]) -> None:
    assert list(effects(request_)) == wanted


def test_the_expectation_moves_by_what_was_done_since_in_its_order() -> None:
    done = [
        Effect(NOON + 3 * HOUR, "A", "Active"),
        Effect(NOON + HOUR, "A", "Inactive"),
        Effect(NOON + 2 * HOUR, "B", None),
        Effect(NOON + HOUR, "C", "Active", is_creation=True),
        Effect(NOON + HOUR, "D", "Inactive"),  # about a key that nobody explains, which does not explain it
        Effect(NOON + HOUR, None, None),
    ]
    after = expect(expected(A="Active", B="Active"), done, seen(mfa=False))
    assert statuses(after) == {"A": "Active", "C": "Active"}
    assert after.keys["C"].origin is Origin.CREATED
    assert (after.mfa_enabled, after.checked_at) == (False, NOON + HOUR)
