"""AWS accepts calls and never answers, or answers a byte a second: who waits for it keeps nobody else waiting."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
from kill.processes import ForkServer, furnish, once_it_works
from support.builders import CREATE
from support.house import House

from service.cli.waiting import wait_until
from service.domain.account import Account
from service.domain.request import OperationRequest
from service.simulated_aws import Trickle

_LONG = 60
# The API has 35 threads of these. So one person may wait for AWS on four of them.
CONNECTIONS, AT_ONCE = 40, 4
SILENT, SLOW, OTHER = (f"{number:012}" for number in range(1, 4))
ACCOUNTS = {number: Account(account_id=number, name=f"account-{number}") for number in (SILENT, SLOW, OTHER)}
READS = [f"/v1/accounts/{SILENT}/root-credentials"] * AT_ONCE


def test_others_are_answered_and_an_execution_ends_in_doubt(
    database_url: str, forks: ForkServer, tmp_path: Path
) -> None:
    go_on = threading.Event()

    def hang() -> None:
        go_on.wait(_LONG)

    with House.on(database_url, accounts=ACCOUNTS) as house, ThreadPoolExecutor(2 * AT_ONCE) as pool:
        more: dict[str, dict[str, object]] = {"database": {"connections": CONNECTIONS}}
        url = furnish(tmp_path, database_url, house.aws, drift_checks=False, accounts=ACCOUNTS.values(), more=more)
        requests = [house.approved(CREATE, account_id=number) for number in (SILENT, SLOW)]
        other = house.file(account_id=OTHER)
        house.aws.on("CreateAccessKey", hang, after=True, account_id=SILENT)
        house.aws.fault("CreateAccessKey", Trickle(1.0), account_id=SLOW)

        def call(person: str, method: str, path: str, body: object = None) -> httpx.Response:
            headers = {"Authorization": f"Bearer {house.token(person)}"}
            return httpx.request(method, f"{url}{path}", headers=headers, json=body, timeout=_LONG, verify=False)

        def execute(request: OperationRequest) -> httpx.Response:
            path = f"/v1/requests/{request.filing.request_id}/execution"
            return once_it_works(lambda: call("alice", "POST", path))

        for person in ("alice", "bob", "carol", "mallory"):
            house.token(person)
        with forks.started(tmp_path):
            wait_until(lambda: is_alive(url), what="the service")
            executions = [pool.submit(execute, request) for request in requests]
            wait_until(lambda: house.aws.count("CreateAccessKey") == 2, what="the creates")
            path = f"/v1/requests/{other.filing.request_id}"
            assert call("bob", "GET", path).is_success
            assert still_waiting(executions) == len(executions)
            house.aws.on("GetCallerIdentity", hang, times=100)
            so_far = house.aws.count("GetCallerIdentity")
            reads = [pool.submit(call, "mallory", "GET", path) for path in READS]
            wait_until(lambda: house.aws.count("GetCallerIdentity") == so_far + AT_ONCE, what="the reads")

            refused = call("mallory", "GET", READS[0])
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
            assert int(refused.headers["Retry-After"]) > 0
            decision = {"decision": "approve", "digest": other.digest}
            answers = [
                call("bob", "GET", "/v1/requests"),
                call("bob", "POST", f"{path}/decisions", decision),
                call("carol", "POST", f"{path}/decisions", decision),
            ]
            assert [answer.is_success for answer in answers] == [True] * 3
            # They wait three times as long as an execution, which may have been given up by now.
            assert still_waiting(reads) == AT_ONCE

            ended = [execution.result() for execution in executions]
            assert [(answer.status_code, answer.json()["status"]) for answer in ended] == [(202, "in_doubt")] * 2
            go_on.set()
            assert all(read.result().status_code in {200, 503} for read in reads)
        # The effect is there: nobody may say that it failed.
        assert [len(house.aws.keys(number)) for number in (SILENT, SLOW)] == [2, 2]
        assert [house.now(request).status for request in requests] == ["in_doubt", "in_doubt"]


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", verify=False).is_success
    except httpx.TransportError:
        return False


def still_waiting(calls: list[Future[httpx.Response]]) -> int:
    return sum(not call.done() for call in calls)
