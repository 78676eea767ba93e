"""`GET /v1/requests?awaiting=me`: whom a request waits for, at each point of its life."""

from datetime import timedelta

from factories import DEACTIVATE, MEMBERS, House

from service.domain.actor import Role


def waiting(house: House) -> set[str]:
    """Everybody whose list holds a request."""
    lists = {subject: house.client(subject).get("/v1/requests?awaiting=me").json()["items"] for subject in MEMBERS}
    return {subject for subject, items in lists.items() if items}


def test_pending_request_awaits_approvers_who_have_not_decided(house: House) -> None:
    request = house.file(recipient="dave")
    house.approve(request, "bob")

    assert waiting(house) == {"carol"}  # bob has decided, dave would receive


def test_approved_create_awaits_its_recipient(house: House) -> None:
    house.approved(recipient="rita")
    assert waiting(house) == {"rita"}


def test_approved_operation_on_a_key_awaits_requester_and_recipient(house: House) -> None:
    house.approved(DEACTIVATE, house.spare_key(), recipient="rita")
    assert waiting(house) == {"alice", "rita"}


def test_what_runs_by_itself_awaits_nobody(house: House) -> None:
    house.approved(DEACTIVATE, house.spare_key(), run_on_approval=True)
    assert waiting(house) == set()


def test_outstanding_receipt_awaits_the_recipient(house: House) -> None:
    delivered, _ = house.execute(house.approved(recipient="rita"), by="rita")
    assert waiting(house) == {"rita"}
    house.client("rita").post(f"/v1/requests/{delivered.filing.request_id}/receipt")
    assert waiting(house) == set()


def test_overdue_request_awaits_nobody(house: House) -> None:
    house.file()
    house.clock.advance(timedelta(days=3))
    assert waiting(house) == set()


def test_an_approved_request_that_lost_a_vote_awaits_another_approver_and_nobody_else(house: House) -> None:
    approved = house.approved(recipient="rita")
    house.without_role("bob", Role.APPROVER)
    assert waiting(house) == {"dave"}
    house.approve(approved, "dave")
    assert waiting(house) == {"rita"}
