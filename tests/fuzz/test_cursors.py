"""Cursors that nobody was handed: a clear refusal, or the page that the true one gives."""

import base64
import os
import random
import string

import pytest
from support.builders import ACCOUNT, OTHER_ACCOUNT
from support.house import House

from service.api.paging import encode_place
from service.db.outbox import Place

CASES = 1000 if os.environ.get("FUZZ") == "long" else 100
READER = {"/v1/requests": "audrey", "/v1/audit/events": "audrey", "/v1/deliveries": "oscar"}
ODD = ["\x00", "\ud7ff", "٣", "=", "-_", "+/", " ", "0" * 5000, "9" * 19, "-1", "1e3", "\n", "%00", "é"]


def mangled(cursor: str, chance: random.Random) -> str:
    """`cursor`, changed in its Base64 or in the text beneath."""
    beneath = chance.random() < 0.7
    text = list(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode() if beneath else cursor)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(4):
            case 0:
                text[at : at + chance.randint(1, 8)] = []
            case 1:
                text.insert(at, chance.choice(ODD))
            case 2:
                text[at : at + 1] = [chance.choice(string.printable)]
            case _:
                text[at:at] = text[: chance.randint(1, 60)]
    made = "".join(text)
    return base64.urlsafe_b64encode(made.encode()).decode().rstrip("=") if beneath else made


@pytest.mark.parametrize("path", READER)
def test_a_mangled_cursor_is_refused_or_reads_what_is_there(house: House, path: str) -> None:
    house.file(account_id=ACCOUNT)
    house.file(account_id=OTHER_ACCOUNT)
    client, chance = house.client(READER[path]), random.Random(path)
    everything = client.get(path).json()["items"]
    true = client.get(path, params={"limit": 1}).json()["next_cursor"] or encode_place(Place(3, "siem"))
    for _ in range(CASES):
        cursor = mangled(str(true), chance)
        answer = client.get(path, params={"cursor": cursor})
        if answer.status_code == 200:
            assert all(item in everything for item in answer.json()["items"]), cursor
        else:
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), cursor
