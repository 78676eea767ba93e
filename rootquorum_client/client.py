"""The client: a method for each thing that people and their tooling do."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from rootquorum_client.errors import ClientError, Ended, NotAllowed, TimedOut, WrongAnswer
from rootquorum_client.models import (
    AccountDetail,
    Approver,
    ConfiguredAccount,
    CreatedKey,
    DrillReport,
    Me,
    Request,
    RequestSummary,
    RootCredentials,
    SealedKey,
    created_key,
    read,
    sealed_key,
)
from rootquorum_client.transport import Answer, Transport

_Read = TypeVar("_Read")

_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
# As the contract has it, and the second is RFC 9110's, in ASCII.
_IDEMPOTENCY_KEY, _ETAG = re.compile(r"[!-~]{1,255}"), re.compile(r'(W/)?"[!#-~]{0,200}"')
_NO_ITEMS = "The server's answer has no list of items."
_ANOTHER_REQUEST = "The server's answer is about another request."
_ACCEPTED = 202
_PAGE = 100
# A filing reads the account at AWS. An execution may take minutes there, and its answer comes once.
_FILING_SECONDS, _EXECUTION_SECONDS = 120.0, 900.0
_LARGEST_EVIDENCE_BYTES = 64 * 1024 * 1024
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _GROWTH = 1.0, 15.0, 1.5


class Client:
    """One server as one caller, for one thread. Close it, or use it in a `with`.

    `url` is https, or http on loopback; `token` is a provider's or an API token. Raise NotAllowed for anything else.
    Every method raises ClientError: see `errors`.

    Calls that read are repeated a few times while the service is busy or away, as `Retry-After` says. So are those that
    may be repeated by the contract: a filing, by its `Idempotency-Key`, a decision, a withdrawal and a receipt. An
    execution is never repeated.
    """

    def __init__(self, url: str, token: str) -> None:
        self._transport = Transport(url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def url(self) -> str:
        """Where the service is, without a slash at the end."""
        return self._transport.url

    def me(self) -> Me:
        """Return who the service says that you are."""
        return read(Me, self._get("/v1/me").document())

    def accounts(self) -> list[ConfiguredAccount]:
        """Return the accounts that the service knows."""
        return [read(ConfiguredAccount, each) for each in self._get("/v1/accounts").documents()]

    def account(self, account_id: str) -> AccountDetail:
        """Return an account, with what can be done there."""
        return read(AccountDetail, self._get(_account(account_id)).document())

    def root_credentials(self, account_id: str) -> RootCredentials:
        """Return the root credentials of an account, read from AWS now."""
        found = self._get(f"{_account(account_id)}/root-credentials", seconds=_FILING_SECONDS).document()
        return read(RootCredentials, found.get("root_credentials"))

    def requests(
        self,
        *,
        awaiting_me: bool = False,
        status: str | None = None,
        account_id: str | None = None,
        operation: str | None = None,
        requester: str | None = None,
        recipient: str | None = None,
        ticket: str | None = None,
    ) -> Iterator[RequestSummary]:
        """Yield the requests that you may see, newest first. Further pages are read as they are needed."""
        wanted = {
            "awaiting": "me" if awaiting_me else None,
            "status": status,
            "account_id": account_id,
            "operation": operation,
            "requester": requester,
            "recipient": recipient,
            "ticket": ticket,
        }
        yield from self._pages("/v1/requests", wanted, lambda each: read(RequestSummary, each))

    def request(self, request_id: str) -> Request:
        """Return a request, with its digest and with what you may do."""
        return _request(request_id, self._get(_path(request_id)).document())

    def drill_report(self, request_id: str) -> DrillReport:
        """Return who answered a drill, how fast and by which means, and who did not."""
        report = read(DrillReport, self._get(f"{_path(request_id)}/drill").document())
        if report.request_id != request_id.lower():
            raise WrongAnswer(_ANOTHER_REQUEST)
        return report

    def approvers(self) -> list[Approver]:
        """Return the approvers, with the last proof that each is there. Those without any come first."""
        found = self._get("/v1/approvers").document().get("items")
        if not isinstance(found, list):
            raise WrongAnswer(_NO_ITEMS)
        return [read(Approver, each) for each in found]

    def evidence(self, request_id: str) -> dict[str, Any]:
        """Return the evidence of a request, for `rootquorum audit verify`."""
        return self._get(f"{_path(request_id)}/evidence", largest=_LARGEST_EVIDENCE_BYTES).document()

    def events(self, request_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events of the audit log, or of one request, oldest first."""
        yield from self._pages("/v1/audit/events", {"request_id": request_id}, dict)

    def file(
        self,
        operation: str,
        account_id: str,
        justification: str,
        *,
        access_key_id: str | None = None,
        serial_number: str | None = None,
        certificate_id: str | None = None,
        bucket: str | None = None,
        queue_arn: str | None = None,
        recipient: str | None = None,
        ticket: str | None = None,
        lifetime: str | None = None,
        sealed_to: str | None = None,
        rotation: Mapping[str, str] | None = None,
        run_on_approval: bool | None = None,
        accept_lockout: bool | None = None,
        drill: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Request:
        """File a request. With the `idempotency_key` of an earlier call, return what that one filed. A `drill` is
        practice: nothing changes in AWS.

        `lifetime` is an ISO 8601 duration, such as `P30D`, and so is each step of a `rotation`. `sealed_to` is the
        recipient's age recipient or SSH public key, to which the secret of a new key is sealed. Which operation takes
        what is in openapi/openapi.json.
        """
        key = str(uuid4()) if idempotency_key is None else idempotency_key
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise NotAllowed("An idempotency key is 1 to 255 visible ASCII characters.")
        body = {
            "operation": operation,
            "account_id": account_id,
            "justification": justification,
            "access_key_id": access_key_id,
            "serial_number": serial_number,
            "certificate_id": certificate_id,
            "bucket": bucket,
            "queue_arn": queue_arn,
            "recipient": recipient,
            "ticket": ticket,
            "lifetime": lifetime,
            "sealed_to": sealed_to,
            "rotation": rotation,
            "run_on_approval": run_on_approval,
            "accept_lockout": accept_lockout,
            "drill": drill,
        }
        answer = self._transport.send(
            "POST",
            "/v1/requests",
            is_repeatable=True,
            seconds=_FILING_SECONDS,
            json=_given(body),
            headers={"Idempotency-Key": key},
        )
        return _written(answer, lambda found: read(Request, found))

    def approve(
        self,
        request_id: str,
        digest: str,
        *,
        comment: str | None = None,
        statement: str | None = None,
        signature: str | None = None,
    ) -> Request:
        """Approve what the digest is of: that of the request as you have read it."""
        signed = {"statement": statement, "signature": signature}
        return self._decide(request_id, {"decision": "approve", "digest": digest, "comment": comment, **signed})

    def reject(self, request_id: str, digest: str, comment: str) -> Request:
        """End a request, even if it is approved already."""
        return self._decide(request_id, {"decision": "reject", "digest": digest, "comment": comment})

    def withdraw(self, request_id: str) -> Request:
        """End a request of yours."""
        return self._post(request_id, "withdrawal")

    def execute(self, request_id: str) -> CreatedKey | SealedKey | Request:
        """Run an approved request, once. Return the new key if it creates one, and the request otherwise.

        The key is a `SealedKey` if the request has `sealed_to`, and else a `CreatedKey`.

        The status of the request is then `succeeded` or `in_doubt`; `delivered` for a drill of a create, whose receipt
        is confirmed like that of a key. Store the secret, then call `confirm_receipt`:
        without a receipt by `receipt_by` the service takes the key back.

        If an error has `may_have_acted`, read the request. A secret that was on the way is lost.
        """
        answer = self._transport.send("POST", f"{_path(request_id)}/execution", seconds=_EXECUTION_SECONDS)

        def result(document: dict[str, Any]) -> CreatedKey | SealedKey | Request:
            if answer.status != _ACCEPTED and "secret_access_key" in document:
                return created_key(document)
            if answer.status != _ACCEPTED and "sealed" in document:
                return sealed_key(document)
            return _request(request_id, document)

        return _written(answer, result)

    def confirm_receipt(self, request_id: str, *, sealed_sha256: str | None = None) -> Request:
        """Say that the secret has arrived, and keep the key. `sealed_sha256` is that of `SealedKey`, if it was one."""
        named = {} if sealed_sha256 is None else {"json": {"sealed_sha256": sealed_sha256}}
        return self._post(request_id, "receipt", **named)

    def cut_over(self, request_id: str, access_key_id: str, comment: str) -> Request:
        """Say that the old key of a rotation may be deactivated now, and how you know."""
        return self._post(request_id, "cut-over", json={"access_key_id": access_key_id, "comment": comment})

    def changes(self, request_id: str, *, timeout: float) -> Iterator[Request]:
        """Yield the request, and again whenever it has changed, until it is final or `timeout` seconds are over.

        In between it is asked for with its ETag: after a second, then less often, at most every 15 seconds.
        """
        ends_at, pause, etag = time.monotonic() + timeout, _SHORTEST_WAIT_SECONDS, ""
        while True:
            answer = self._get(_path(request_id), headers={"If-None-Match": etag} if _ETAG.fullmatch(etag) else {})
            if answer.is_unchanged:
                pause = min(pause * _GROWTH, _LONGEST_WAIT_SECONDS)
            else:
                etag, pause = answer.headers.get("ETag", ""), _SHORTEST_WAIT_SECONDS
                request = _request(request_id, answer.document())
                yield request
                if request.is_final:
                    return
            left = ends_at - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))

    def wait_until(self, request_id: str, statuses: Collection[str], *, timeout: float) -> Request:
        """Return the request once it has one of the statuses.

        Raise Ended if it is final with another one, TimedOut after `timeout` seconds.
        """
        for request in self.changes(request_id, timeout=timeout):
            if request.status in statuses:
                return request
            if request.is_final:
                raise Ended(request)
        raise TimedOut(f"The request is not {' or '.join(sorted(statuses))} after {timeout:g} seconds.")

    def _decide(self, request_id: str, body: Mapping[str, str | None]) -> Request:
        return self._post(request_id, "decisions", json=_given(body))

    def _post(self, request_id: str, what: str, **options: Any) -> Request:
        """Change a request by a call that may be repeated: the contract says that a repeat changes nothing."""
        answer = self._transport.send("POST", f"{_path(request_id)}/{what}", is_repeatable=True, **options)
        return _written(answer, lambda found: _request(request_id, found))

    def _get(self, path: str, **options: Any) -> Answer:
        return self._transport.send("GET", path, is_repeatable=True, **options)

    def _pages(
        self, path: str, wanted: Mapping[str, str | None], read_one: Callable[[dict[str, Any]], _Read]
    ) -> Iterator[_Read]:
        query, cursor = {**_given(wanted), "limit": _PAGE}, None
        while True:
            page = self._get(path, params=query if cursor is None else {**query, "cursor": cursor}).document()
            items, following = page.get("items"), page.get("next_cursor")
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise WrongAnswer(_NO_ITEMS)
            yield from map(read_one, items)
            if following is None:
                return
            if not isinstance(following, str) or not items or following == cursor:
                raise WrongAnswer("The server's answer has no cursor that leads on.")
            cursor = following


def _written(answer: Answer, result: Callable[[dict[str, Any]], _Read]) -> _Read:
    try:
        return result(answer.document())
    except ClientError as error:
        error.may_have_acted = True
        raise


def _request(request_id: str, document: dict[str, Any]) -> Request:
    """Read a request. Another one than was asked for is refused: nobody shall decide on it, or execute it."""
    request = read(Request, document)
    if request.id != request_id.lower():
        raise WrongAnswer(_ANOTHER_REQUEST)
    return request


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _path(request_id: str) -> str:
    if not _REQUEST_ID.fullmatch(request_id.lower()):
        raise NotAllowed("A request has a UUID as its id.")
    return f"/v1/requests/{request_id.lower()}"


def _account(account_id: str) -> str:
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise NotAllowed("The id of an account has 12 digits.")
    return f"/v1/accounts/{account_id}"
