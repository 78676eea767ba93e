"""What each call costs the database. Counts are asserted here; times are measured in `bench/`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response
from support.builders import ACCOUNT, grouped, rules
from support.house import House
from support.signing import begin_signing, signed

from service.db import people, tree
from service.db.engine import begin, connect, read
from service.domain.actor import Person, Word
from service.domain.demands import Demand
from service.domain.directory import Directory
from service.domain.incident import Limits
from service.domain.request import OperationRequest
from service.workflow.decide import withdraw
from service.workflow.health import note_pass
from service.workflow.standing import standing_of


@dataclass(frozen=True)
class Cost:
    """How many transactions a call took, how many of them could write, and how many statements were in them."""

    transactions: int
    writing: int
    statements: int


@pytest.fixture
def house(either_house: House) -> House:
    return either_house


def cost(house: House, call: Callable[[], Response], status: int = 200) -> Cost:
    with house.statements() as sent:
        assert call().status_code == status
    begins = [statement for statement, _ in sent if statement.startswith("BEGIN")]
    return Cost(len(begins), begins.count("BEGIN"), len(sent) - len(begins))


FILING = {"account_id": ACCOUNT, "operation": "create_access_key", "justification": "The import needs it today."}


# This process has not yet looked for rules in the log. Each later step of a process alone has a statement less for it.
FIRST_FILING = Cost(3, 1, 11)


def decides(house: House, person: str, filed: dict[str, Any]) -> Callable[[], Response]:
    decision = {"decision": "approve", "digest": filed["digest"]}
    return lambda: house.client(person).post(f"/v1/requests/{filed['id']}/decisions", json=decision)


def test_each_step_of_a_life_costs_few_statements(house: House) -> None:
    alice, bob = house.client("alice"), house.client("bob")
    for person in ("carol", "dave"):
        house.token(person)
    assert cost(house, lambda: alice.post("/v1/requests", json=FILING), 201) == FIRST_FILING
    [filed] = alice.get("/v1/requests").json()["items"]
    path = f"/v1/requests/{filed['id']}"
    assert cost(house, lambda: bob.get("/v1/me")) == Cost(1, 0, 1)
    assert cost(house, lambda: bob.get("/v1/requests")) == Cost(1, 0, 2)
    assert cost(house, lambda: bob.get("/v1/requests", params={"awaiting": "me"})) == Cost(1, 0, 3)
    assert cost(house, lambda: bob.get(path)) == Cost(1, 0, 3)
    assert cost(house, decides(house, "bob", filed)) == Cost(1, 1, 12)
    assert cost(house, lambda: bob.get(path)) == Cost(1, 0, 4)  # and whether the vote's API token is still good
    assert cost(house, decides(house, "carol", filed)) == Cost(1, 1, 12)
    assert cost(house, lambda: alice.post(f"{path}/execution")) == Cost(4, 2, 22)
    assert cost(house, lambda: alice.post(f"{path}/receipt")) == Cost(1, 1, 10)


def test_what_stops_an_execution_takes_no_transaction_of_its_own(house: House) -> None:
    """The clock of the database, and the mark of the last worker, come with the first read."""
    house.change(limits=Limits(clock_tolerance=timedelta(days=36500), worker_silence=timedelta(hours=1)))
    note_pass(house.ctx)
    path = f"/v1/requests/{house.approved().filing.request_id}"
    asks_for_time = house.ctx.engine.dialect.name == "postgresql"
    assert cost(house, lambda: house.client("alice").post(f"{path}/execution")) == Cost(4, 2, 23 + asks_for_time)


def test_readiness_takes_two_transactions_until_the_next_write(house: House) -> None:
    client = house.client()
    assert client.get("/readyz").status_code == 200
    begun = cost(house, lambda: client.get("/readyz"))
    assert (begun.transactions, begun.writing) == (2, 0)


def test_rules_cost_no_statement_and_a_list_of_requests_under_rules_three(house: House) -> None:
    both_teams = Demand(rule="both teams", approvals={"security": 1, "platform": 1})
    grouped_people = grouped(house.ctx.directory, security="bob", platform="carol")
    house.change(directory=grouped_people, rules=rules(both_teams, names=("prod*",)))
    alice, bob = house.client("alice"), house.client("bob")
    for person in ("carol", "dave"):
        house.token(person)
    assert cost(house, lambda: alice.post("/v1/requests", json=FILING), 201) == FIRST_FILING
    [filed] = alice.get("/v1/requests").json()["items"]
    path = f"/v1/requests/{filed['id']}"
    assert cost(house, lambda: bob.get("/v1/requests")) == Cost(1, 0, 2)
    # The requests with their decisions, and the people who take part in them.
    assert cost(house, lambda: bob.get("/v1/requests", params={"awaiting": "me"})) == Cost(1, 0, 6)
    assert cost(house, lambda: bob.get(path)) == Cost(1, 0, 3)
    assert cost(house, decides(house, "bob", filed)) == Cost(1, 1, 12)
    assert cost(house, decides(house, "carol", filed)) == Cost(1, 1, 12)
    assert cost(house, lambda: alice.post(f"{path}/execution")) == Cost(4, 2, 22)


def test_a_signed_decision_costs_two_statements_more(house: House) -> None:
    """One reads what the log has of keys, the other the heads of the log that were signed."""
    request = begin_signing(house).file()
    path = f"/v1/requests/{request.filing.request_id}"
    signed_by(house, request, "bob")()  # who has read the keys once
    decides = signed_by(house, request, "carol")
    assert cost(house, decides) == Cost(1, 1, 15)
    assert cost(house, lambda: house.client("bob").get(path)) == Cost(1, 0, 6)


def signed_by(house: House, request: OperationRequest, person: str) -> Callable[[], Response]:
    statement, signature = signed(house, request, person)
    decision = {"decision": "approve", "digest": request.digest, "statement": statement, "signature": signature}
    client = house.client(person)
    return lambda: client.post(f"/v1/requests/{request.filing.request_id}/decisions", json=decision)


def test_a_withdrawal_is_one_transaction(house: House) -> None:
    path, alice = f"/v1/requests/{house.file().filing.request_id}", house.client("alice")
    assert cost(house, lambda: alice.post(f"{path}/withdrawal")) == Cost(1, 1, 10)


def test_rules_are_looked_up_and_the_tree_read_where_another_process_wrote_the_last_event(house: House) -> None:
    request, stopped = house.file(), house.file(account_id="444455556666")
    filed = house.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    other = connect(house.ctx.engine.url.render_as_string(hide_password=False), connections=1)
    withdraw(replace(house.ctx, engine=other), house.actor("alice"), stopped.filing.request_id)
    other.dispose()
    assert cost(house, decides(house, "bob", filed)) == Cost(1, 1, 15)


def test_the_edge_of_the_tree_is_read_where_another_process_wrote_the_last_event(house: House) -> None:
    house.file()
    [filed] = house.client("bob").get("/v1/requests").json()["items"]
    first = decides(house, "bob", filed)
    tree._EDGES.clear()
    assert cost(house, first) == Cost(1, 1, 14)


@pytest.fixture
def crowded(house: House) -> House:
    """Three hundred people are known; five of them are approvers by group."""
    now = house.clock()
    with begin(house.owner) as tx:
        for number in range(300):
            groups = frozenset({"root-approvers" if number % 60 == 0 else "requesters"})
            subject = f"corp#{number}"
            people.add(tx, Person(subject=subject, name="Ann", groups=groups, words={"corp": Word(groups, now)}))
    return house


def test_a_standing_has_only_those_who_take_part_and_as_many_approvers_as_the_quorum_needs(crowded: House) -> None:
    request = crowded.file()
    with read(crowded.ctx.engine) as tx:
        some = standing_of(crowded.ctx, tx, request, crowded.actor("bob"))
        whole = standing_of(crowded.ctx, tx, request, all_approvers=True)
    assert len(some.directory.seen) <= 7
    assert len(whole.approvers_of(request)) == 3 + 5


def test_approvers_by_group_are_found_among_all_who_are_known(crowded: House) -> None:
    """The settings alone have too few, so `few_approvers` would warn otherwise."""
    members = {name: who for name, who in crowded.ctx.directory.members.items() if name not in {"carol", "dave"}}
    crowded.change(directory=Directory(members, crowded.ctx.directory.grants))
    request = crowded.file()
    shown = crowded.client("bob").get(f"/v1/requests/{request.filing.request_id}").json()
    assert "few_approvers" not in {warning["code"] for warning in shown["warnings"]}


def test_a_provider_s_token_takes_a_transaction_of_its_own_only_if_it_says_something_new(house: House) -> None:
    def transactions(*groups: str) -> int:
        with house.statements() as sent:
            house.by_provider("erin", *groups)
        return sum(statement.startswith("BEGIN") for statement, _ in sent)

    assert transactions("root-approvers") == 3  # in vain, to record it, and again
    assert transactions("root-approvers") == 1
    house.clock.advance(timedelta(seconds=1))
    assert transactions("root-approvers", "requesters") == 3
