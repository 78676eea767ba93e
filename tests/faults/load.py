"""The load: complete lives of keys, each on an account of its own, by clients who repeat only what may be repeated."""

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
from faults.fleet import Served
from support.builders import JUSTIFICATION

_PATIENCE_SECONDS = 90
_LOOK_AGAIN_SECONDS = 0.05
_ANSWER_SECONDS = 10
_OVER = {"succeeded", "failed", "rolled_back", "expired", "in_doubt"}
# In doubt, refused or failed, and the database away. A 500 is never right.
# Nothing was done: a replica had no place for one more call, or could not reach something.
_LATER = {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS}
_UNFINISHED = {httpx.codes.ACCEPTED, httpx.codes.CONFLICT, *_LATER}
_AT_ONCE = 4


class CutShort(Exception):  # nothing is wrong; a key's life ended earlier
    """Nobody will ever have the secret, or it is not known yet what became of an execution."""


class Load:
    """What clients did and saw. `steps` counts what went well, so that faults can be paced by it.

    `acknowledged` is what was answered to have happened, each as a request and the audit event that has to tell it;
    `answers` are the bodies of all answers, `executing` the executions that each URL has not answered yet.
    """

    def __init__(
        self, fleet: Served, http: httpx.Client | None = None, worker_seconds: float = _ANSWER_SECONDS * 2
    ) -> None:
        self.fleet = fleet
        self.acknowledged: Counter[tuple[str, str]] = Counter()
        self.answers: list[str] = []
        self.executing: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.steps = 0
        self.is_over = threading.Event()
        self._lock = threading.Lock()
        self._turn = itertools.count()
        self._tokens = {person: fleet.token(person) for person in ("alice", "bob", "carol")}
        one_call = httpx.Limits(max_keepalive_connections=0)
        self._worker_seconds = worker_seconds
        self._http = http or httpx.Client(timeout=_ANSWER_SECONDS, limits=one_call)

    def run(self, accounts: list[str]) -> None:
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for done in [pool.submit(self._live, account) for account in accounts]:
                    done.result()
        finally:
            self.is_over.set()

    @contextmanager
    def steady(self, accounts: list[str]) -> Iterator[None]:
        """On each account one life follows the other until the end of the block, and the last ones end well."""

        def go_on(account: str) -> None:
            while not self.is_over.is_set() and self._live(account):
                pass

        with ThreadPoolExecutor(len(accounts)) as pool:
            lives = [pool.submit(go_on, account) for account in accounts]
            try:
                yield
            finally:
                self.is_over.set()
            for life in lives:
                life.result()

    def _live(self, account: str) -> bool:
        """A key is made, confirmed, deactivated by a worker, and deleted. False if its life ended earlier."""
        try:
            create = self._approved(account, "create_access_key")
            self._execute(create, "execution.delivered")
            # 409: it was confirmed, and only the answer lost.
            self._repeat("alice", "POST", f"/v1/requests/{create}/receipt", unless=409)
            self._acknowledge(create, "receipt.confirmed")
            key = self._look(create)["result"]["access_key_id"]
            deactivate = self._approved(account, "deactivate_access_key", access_key_id=key, run_on_approval=True)
            self._wait_for_worker(deactivate)
            self._execute(self._approved(account, "delete_access_key", access_key_id=key), "execution.succeeded")
        except CutShort as why:
            self._count(self.ended, str(why))
            return False
        self._count(self.ended, "whole life")
        return True

    def _approved(self, account: str, operation: str, **about: Any) -> str:
        body = {"account_id": account, "operation": operation, "justification": JUSTIFICATION, **about}
        filed = self._repeat("alice", "POST", "/v1/requests", body, key=str(uuid.uuid4())).json()
        self._acknowledge(filed["id"], "request.filed")
        for person in ("bob", "carol"):
            decision = {"decision": "approve", "digest": filed["digest"]}
            # 409: it was recorded, and only the answer lost.
            self._repeat(person, "POST", f"/v1/requests/{filed['id']}/decisions", decision, unless=409)
            self._acknowledge(filed["id"], "decision.recorded")
            self._step()
        return str(filed["id"])

    def _execute(self, request_id: str, event: str) -> None:
        """Once; and again only where the request says that nothing has begun."""
        while True:
            answer = self._once("alice", "POST", f"/v1/requests/{request_id}/execution")
            if answer is not None and answer.status_code == httpx.codes.OK:
                self._acknowledge(request_id, event)
                self._step()
                return
            assert answer is None or answer.status_code in _UNFINISHED, answer.text
            status = self._look(request_id)["status"]
            if status != "approved":
                refused = "answer lost" if answer is None else answer.json().get("code", answer.status_code)
                raise CutShort(f"{refused}, {status}")
            self._count(self.repeated, "execution")

    def _wait_for_worker(self, request_id: str) -> None:
        """What a killed worker was at stays `executing` for longer than anybody waits here."""
        deadline = time.monotonic() + self._worker_seconds
        while (status := self._look(request_id)["status"]) not in _OVER and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_SECONDS)
        if status != "succeeded":
            raise CutShort(f"by worker, {status}")
        self._acknowledge(request_id, "execution.succeeded")
        self._step()

    def _look(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._repeat("alice", "GET", f"/v1/requests/{request_id}").json()
        return found

    def _repeat(
        self, person: str, method: str, path: str, body: object = None, *, key: str = "", unless: int | None = None
    ) -> httpx.Response:
        """Until it is answered: a lost answer, a 429 and a 503 are asked again, of the next replica."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        what = "look" if method == "GET" else path.rpartition("/")[2]
        while time.monotonic() < deadline:
            answer = self._once(person, method, path, body, key=key)
            if answer is not None and (answer.is_success or answer.status_code == unless):
                return answer
            assert answer is None or answer.status_code in _LATER, answer.text
            assert answer is None or int(answer.headers["retry-after"]) > 0
            self._count(self.repeated, what)
            time.sleep(_LOOK_AGAIN_SECONDS)
        raise TimeoutError(f"{method} {path}")

    def _once(
        self, person: str, method: str, path: str, body: object = None, *, key: str = ""
    ) -> httpx.Response | None:
        """None for an answer that was lost, or never given."""
        url = self.fleet.urls[next(self._turn) % len(self.fleet.urls)]
        headers = {"Authorization": f"Bearer {self._tokens[person]}"} | ({"Idempotency-Key": key} if key else {})
        is_execution = path.endswith("/execution")
        self._count(self.executing, url, is_execution)
        try:
            answer = self._http.request(method, f"{url}{path}", json=body, headers=headers)
        except httpx.TransportError:
            return None
        finally:
            self._count(self.executing, url, -is_execution)
        with self._lock:
            self.answers.append(answer.text)
        return answer

    def _acknowledge(self, request_id: str, event: str) -> None:
        with self._lock:
            self.acknowledged[request_id, event] += 1

    def _step(self) -> None:
        with self._lock:
            self.steps += 1

    def _count(self, counter: Counter[str], what: str, times: int = 1) -> None:
        with self._lock:
            counter[what] += times
