"""What people do at a site, stage by stage, the same at the service and at the floor."""

import json
from collections.abc import Sequence
from typing import Any

from measure import Call, Connection, Cost, Job
from sites import APPROVERS, REQUESTER, Site

_JUSTIFICATION = "Rotation of the break-glass key, due this quarter."
# For each request, in a round: reads of it, and of a page.
_READS, _PAGES = 4, 2

Requests = Sequence[dict[str, Any]]


class Round:
    """One pass over all accounts of a site: each has one request at a time. `page` is how many a list shows."""

    def __init__(self, site: Site, page: int) -> None:
        self._site, self._page = site, page
        self.costs: dict[str, Cost] = {}

    def run(self) -> dict[str, Cost]:
        """Return the cost of each stage per call."""
        requests = self._file()
        self._read(requests)
        self._decide(requests)
        self._post("execution", requests)
        self._post("receipt", requests)
        self._post("withdrawal", self._file())
        return self.costs

    def _file(self) -> Requests:
        filed: list[dict[str, Any]] = []
        jobs = [_filing(self._site, number, filed) for number in range(len(self._site.accounts))]
        self.costs["filing"] = self._site.server.run(jobs)
        return filed

    def _read(self, requests: Requests) -> None:
        token = self._site.tokens[APPROVERS[0]]
        paths = {
            "read one": [f"/v1/requests/{request['id']}" for request in requests] * _READS,
            "list": [f"/v1/requests?limit={self._page}"] * len(requests) * _PAGES,
            "awaiting=me": [f"/v1/requests?limit={self._page}&awaiting=me"] * len(requests) * _PAGES,
            "GET /v1/me": ["/v1/me"] * len(requests) * _READS,
        }
        for name, asked in paths.items():
            self.costs[name] = self._site.server.calls(Call("GET", path, token) for path in asked)

    def _decide(self, requests: Requests) -> None:
        self.costs["decision"] = self._site.server.calls(
            decision(self._site, request, person) for person in APPROVERS for request in requests
        )

    def _post(self, what: str, requests: Requests) -> None:
        self.costs[what] = self._site.server.calls(step(self._site, request, what) for request in requests)


def filing(site: Site, number: int) -> Call:
    """Return the filing of a create for an account."""
    account_id = site.accounts[number].account_id
    body = {"operation": "create_access_key", "account_id": account_id, "justification": _JUSTIFICATION}
    return Call("POST", "/v1/requests", site.tokens[REQUESTER], body, status=201)


def decision(site: Site, request: dict[str, Any], person: str) -> Call:
    body = {"decision": "approve", "digest": request["digest"]}
    return Call("POST", f"/v1/requests/{request['id']}/decisions", site.tokens[person], body)


def step(site: Site, request: dict[str, Any], what: str) -> Call:
    """Return a step of the requester's own. The floor wants to be told the account; the service ignores that."""
    path = f"/v1/requests/{request['id']}/{what}?account_id={request['account']['account_id']}"
    return Call("POST", path, site.tokens[REQUESTER])


def _filing(site: Site, number: int, filed: list[dict[str, Any]]) -> Job:
    def file(connection: Connection) -> None:
        filed.append(json.loads(connection.call(filing(site, number))))

    return file
