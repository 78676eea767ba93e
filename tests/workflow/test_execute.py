"""An approved request runs, once, by the right one, and only on what was approved."""

from factories import CREATE, House


def test_recipient_gets_the_new_key_once(house: House) -> None:
    approved = house.approved(recipient="rita")

    request, key = house.execute(approved, by="rita")

    assert request.status == "delivered"
    assert key is not None
    assert house.aws.keys(request.filing.account_id)[key.access_key_id] == "Active"
    assert house.aws.count("CreateAccessKey") == 1
    assert request.filing.operation.name is CREATE
