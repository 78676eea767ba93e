"""What is expected of an account, and what differs from it."""

from dataclasses import replace
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
    hidden,
)
from service.domain.operation import Operation, OperationName
from service.domain.outcome import CreatedKey, Done, Refused, ResultCode, Secret
from service.domain.request import OperationRequest, Result

OLD, NEW = "AKIAOLD0000000000000", "AKIANEW0000000000000"
HOUR = timedelta(hours=1)
SALT, OURS, THEIRS = "5a17", "aws+prod@example.com", "aws+prod@examp1e.com"
DONE = Done(signer_key_id=OLD, aws_request_id=None)


def seen(*, mfa: bool | None = True, email: str | None = None, **keys: str) -> Seen:
    return Seen(at=NOON + HOUR, keys=keys, mfa_enabled=mfa, email=email)


def expected(*, mfa: bool = True, email: str | None = None, **keys: str) -> Expectation:
    known = {key: ExpectedKey(status, Origin.ADOPTED) for key, status in keys.items()}
    return Expectation(account_id=ACCOUNT, checked_at=NOON, keys=known, mfa_enabled=mfa, email=email, salt=SALT)


def statuses(expectation: Expectation) -> dict[str, str]:
    return {key: known.status for key, known in expectation.keys.items()}


def executed(name: OperationName, target: str | None, outcome: Done | Refused = DONE) -> OperationRequest:
    request = approved(filed(operation=Operation(name, target)))
    return request.claim(by="alice", source=SourceKind.PROFILE, known_key_ids=(), now=NOON).settle(outcome, NOON + HOUR)


def created() -> OperationRequest:
    return executed(
        CREATE, None, Done(signer_key_id=OLD, aws_request_id=None, created=CreatedKey(NEW, Secret("s"), NOON))
    )


def test_a_drill_has_no_effect() -> None:
    request = executed(OperationName.DELETE_ACCESS_KEY, OLD)
    assert len(effects(request)) == 1
    assert effects(replace(request, filing=replace(request.filing, drill=True))) == ()


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
        (expected(email=OURS), seen(email=OURS), []),
        (expected(email=OURS), seen(email=THEIRS), [DriftKind.EMAIL_CHANGED]),
        (expected(email=OURS), seen(email=OURS.title()), [DriftKind.EMAIL_CHANGED]),
        (expected(email=OURS), seen(mfa=False, email=THEIRS), [DriftKind.MFA_LOST, DriftKind.EMAIL_CHANGED]),
        (expected(email=OURS), seen(), []),
        (expected(), seen(email=OURS), []),
    ],
)
def test_every_difference_is_one_drift(before: Expectation, now: Seen, kinds: list[DriftKind]) -> None:
    found = differences(before, now)
    assert [drift.kind for drift in found] == kinds
    after = before
    for drift in found:
        after = accept(after, drift)
    assert differences(after, now) == ()


def test_the_log_has_an_address_only_as_a_hash_that_no_guess_confirms() -> None:
    (drift,) = differences(expected(email=OURS), seen(email=THEIRS))
    said = drift.document(SALT)
    assert (said["expected"], said["found"]) == (hidden(OURS, SALT), hidden(THEIRS, SALT))
    assert expected(email=OURS).document["email"] == hidden(OURS, SALT) != hidden(OURS, "another")


def test_the_first_address_that_can_be_read_is_expected_and_its_salt_stays() -> None:
    after = expect(expected(), [], seen(email=OURS), "another")
    assert (after.email, after.salt) == (OURS, SALT)
    assert expect(replace(after, salt=""), [], seen(email=THEIRS), "another").salt == "another"
    assert expect(after, [], seen(email=THEIRS), "another").email == OURS


def test_what_is_there_at_the_first_look_is_adopted_unless_a_request_made_it() -> None:
    done = [Effect(NOON, "B", "Active", is_creation=True), Effect(NOON, "A", "Active")]
    adopted = adopt(ACCOUNT, seen(A="Active", B="Active"), done, SALT)
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
    after = expect(expected(A="Active", B="Active"), done, seen(mfa=False), "another")
    assert statuses(after) == {"A": "Active", "C": "Active"}
    assert after.keys["C"].origin is Origin.CREATED
    assert (after.mfa_enabled, after.checked_at) == (False, NOON + HOUR)
