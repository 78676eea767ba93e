"""Filing reads the account first, and refuses what cannot run or could never be approved."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.builders import ACCOUNT, ACTIVATE, CREATE, DEACTIVATE, DELETE, OTHER_ACCOUNT
from support.house import House

from service.aws.root import AwsRoots
from service.aws.sources import FixedSource
from service.db import audit, requests
from service.db.engine import read
from service.domain.actor import WORKER, Role
from service.domain.errors import Code, ServiceError
from service.domain.operation import OperationName
from service.simulated_aws import Refuse, SimulatedAws
from service.workflow.file import file
from service.workflow.people import suspend
from service.workflow.tokens import revoke_token


def refused(house: House, *args: Any, **kwargs: Any) -> Code:
    with pytest.raises(ServiceError) as refusal:
        house.file(*args, **kwargs)
    return refusal.value.code


def test_what_was_filed_is_in_the_database_with_its_event(house: House) -> None:
    filed = house.file(recipient="rita", ticket="OPS-1")

    with read(house.ctx.engine) as tx:
        assert requests.get(tx, filed.filing.request_id) == filed
        events = audit.page(tx, after=0, limit=10, request_id=filed.filing.request_id)
    assert filed.is_intact
    assert len(events) == 1
    assert filed.digest in events[0][1]


def test_what_was_observed_is_part_of_what_was_filed(house: House) -> None:
    spare = house.spare_key()
    observed = house.file(DEACTIVATE, spare).filing.observed
    assert observed.statuses == {house.signer: "Active", spare: "Active"}
    assert observed.signer_key_id == house.signer
    assert observed.mfa_enabled


def test_a_third_key_is_refused(house: House) -> None:
    house.spare_key()
    assert refused(house, CREATE) is Code.KEY_LIMIT_REACHED


def test_an_unknown_key_is_refused(house: House) -> None:
    assert refused(house, DELETE, "AKIANOSUCHKEY0000000") is Code.NO_SUCH_KEY


def test_a_key_in_that_status_already_is_refused(house: House) -> None:
    assert refused(house, ACTIVATE, house.spare_key()) is Code.ALREADY_IN_STATUS


@pytest.mark.parametrize("operation", [DEACTIVATE, DELETE])
def test_the_key_that_the_service_signs_with_is_refused_unless_accepted(house: House, operation: OperationName) -> None:
    house.spare_key()
    assert refused(house, operation, house.signer) is Code.SIGNING_KEY
    assert house.file(operation, house.signer, accept_lockout=True).filing.accept_lockout


def test_an_unknown_account_is_refused(house: House) -> None:
    assert refused(house, account_id="999988887777") is Code.UNKNOWN_ACCOUNT
    assert not house.aws.calls


def test_filing_takes_the_role(house: House) -> None:
    assert refused(house, by="carol") is Code.ROLE_REQUIRED


def test_too_few_possible_approvers_are_refused(house: House) -> None:
    house.change(directory=replace(house.ctx.directory, grants={}))  # nobody becomes an approver by a sign-in
    house.without_role("dave", Role.APPROVER)
    # bob and carol are left, and bob cannot approve what he asks for himself.
    assert refused(house, by="bob") is Code.NO_QUORUM
    assert refused(house, by="alice", recipient="carol") is Code.NO_QUORUM
    assert house.file(by="alice").filing.requester == "alice"


def test_one_open_request_for_the_same_thing(house: House) -> None:
    first = house.file(CREATE)
    assert refused(house, CREATE) is Code.DUPLICATE_REQUEST
    assert house.file(CREATE, account_id=OTHER_ACCOUNT).filing.account_id == OTHER_ACCOUNT
    house.approve(first)
    assert refused(house, CREATE) is Code.DUPLICATE_REQUEST


def test_the_recipient_is_a_person_that_is_known(house: House) -> None:
    assert refused(house, recipient="nobody") is Code.UNKNOWN_RECIPIENT
    assert refused(house, recipient="robo") is Code.UNKNOWN_RECIPIENT
    assert house.file().filing.recipient == "alice"


def test_a_machine_that_asks_for_a_key_names_its_recipient(house: House) -> None:
    assert refused(house, by="robo") is Code.RECIPIENT_REQUIRED
    assert house.file(by="robo", recipient="rita").filing.requester_kind == "machine"


def test_a_machine_may_file_the_rest_without(house: House) -> None:
    assert house.file(DEACTIVATE, house.spare_key(), by="robo").filing.recipient == "robo"


def test_an_account_that_cannot_be_read_files_nothing(house: House) -> None:
    house.aws.fault("ListAccessKeys", Refuse("AccessDenied"))
    assert refused(house) is Code.ACCOUNT_UNREACHABLE
    assert house.file().status == "pending"


def test_a_credential_that_is_not_root_is_refused(house: House) -> None:
    """An IAM user's key would silently manage that user's own keys."""

    with SimulatedAws([ACCOUNT], management_account=ACCOUNT) as aws:
        user = aws.management_credential()
        source = FixedSource(user.access_key_id, user.secret_access_key, aws.endpoint_url)
        house.change(roots=AwsRoots({ACCOUNT: source}))
        assert refused(house) is Code.ROOT_NOT_PROVED
        assert [call.action for call in aws.calls] == ["GetCallerIdentity"]


def test_an_idempotency_key_files_once(house: House) -> None:
    alice = house.actor("alice")
    first = file(house.ctx, alice, house.draft(), idempotency_key="k-1").request
    again = file(house.ctx, alice, house.draft(), idempotency_key="k-1").request
    assert again == first


def test_an_idempotency_key_is_good_for_one_draft(house: House) -> None:
    file(house.ctx, house.actor("alice"), house.draft(), idempotency_key="k-1")
    with pytest.raises(ServiceError) as refusal:
        file(house.ctx, house.actor("alice"), house.draft(ticket="other"), idempotency_key="k-1")
    assert refusal.value.code is Code.IDEMPOTENCY_KEY_REUSED


def test_idempotency_keys_of_two_requesters_are_two(house: House) -> None:
    file(house.ctx, house.actor("alice"), house.draft(), idempotency_key="k-1")
    other = house.draft(account_id=OTHER_ACCOUNT)
    assert file(house.ctx, house.actor("bob"), other, idempotency_key="k-1").request.filing.requester == "bob"


def _revoked(house: House) -> None:
    revoke_token(house.ctx, WORKER, house.actor("alice").credential)


def _suspended(house: House) -> None:
    suspend(house.ctx, WORKER, "alice", "They have left.")


@pytest.mark.parametrize(
    ("happens", "code"),
    [(_revoked, Code.INVALID_TOKEN), (_suspended, Code.SUSPENDED)],
)
def test_nothing_is_filed_for_somebody_who_was_barred_while_aws_was_asked(
    house: House, happens: Callable[[House], None], code: Code
) -> None:
    house.actor("alice")

    def bar() -> None:
        happens(house)
        house.clock.advance(timedelta(seconds=61))

    house.aws.on("GetAccountSummary", bar)
    assert refused(house) is code
    with read(house.ctx.engine) as tx:
        assert requests.count(tx) == 0


def test_nothing_is_filed_for_somebody_who_signs_in_with_less_while_aws_is_asked(house: House) -> None:
    who = house.by_provider("00u1", "requesters")

    def sign_in() -> None:
        house.clock.advance(timedelta(seconds=1))
        house.by_provider("00u1", "auditors")

    house.aws.on("GetAccountSummary", sign_in)
    with pytest.raises(ServiceError) as refusal:
        file(house.ctx, who, house.draft())
    assert refusal.value.code is Code.ROLE_REQUIRED
