"""What `rootquorum policy check` calls impossible, no calls of the API reach."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from support.builders import ACCOUNT, CREATE, grouped, rules
from support.house import House

from service.domain.demands import Demand
from service.domain.electors import Memberships, electors_of
from service.domain.sufficing import Case, Search

APPROVERS = ("bob", "carol", "dave")
DEMANDS = (
    Demand(rule="both teams", approvals={"security": 1, "platform": 1}),
    Demand(rule="two of security", approvals={"security": 2}),
    Demand(rule="one of platform", approvals={"platform": 1}),
    Demand(rule="three", quorum=3),
)


class Calls:
    """Random calls by everybody on one request at a time, under rules and groups that a seed chooses."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.random = house, Random(seed)
        members = [" ".join(who for who in APPROVERS if self.random.random() < 0.7) for _ in range(2)]
        directory = grouped(house.ctx.directory, security=members[0], platform=members[1])
        house.change(directory=directory, rules=rules(*self.random.sample(DEMANDS, self.random.choice((1, 2)))))
        self.clients = {who: house.client(who) for who in ("alice", "rita", *APPROVERS)}

    def file(self) -> dict[str, Any]:
        body = {
            "account_id": ACCOUNT,
            "operation": CREATE,
            "justification": "The import needs it.",
            "recipient": "rita",
        }
        filed: dict[str, Any] = self.clients["alice"].post("/v1/requests", json=body).json()
        return filed

    def call(self, request: Mapping[str, Any]) -> None:
        who, path = self.random.choice([*self.clients]), f"/v1/requests/{request['id']}"
        if self.random.random() < 0.7:
            decision = {
                "decision": "approve",
                "digest": request["digest"],
                "comment": self.random.choice(["Yes.", "Again."]),
            }
            self.clients[who].post(f"{path}/decisions", json=decision)
        else:
            self.clients[who].post(f"{path}/execution")

    def suffice(self, people: frozenset[str]) -> bool:
        """Return what the search of `policy check` says of these people."""
        ctx = self.house.ctx
        memberships = Memberships(ctx.directory.groups, ctx.directory.grants.keys())
        electors = electors_of(ctx.directory, ACCOUNT, memberships, is_create=True)
        return any(True for _ in Case.of(ctx.policy_for(ACCOUNT, CREATE), electors).suffice(Search(people=people)))


@pytest.mark.parametrize("seed", range(12))
def test_only_people_who_suffice_by_the_search_get_a_request_approved(house: House, seed: int) -> None:
    calls = Calls(house, seed)
    request = calls.file()
    if request.get("code") == "no_quorum":  # so says the search
        assert not calls.suffice(frozenset(APPROVERS))
        return
    for _ in range(25):
        calls.call(request)
        shown = calls.clients["alice"].get(f"/v1/requests/{request['id']}").json()
        approved = frozenset(made["person"]["subject"] for made in shown["decisions"])
        assert calls.suffice(approved) is (shown["status"] != "pending"), (approved, shown["status"])
