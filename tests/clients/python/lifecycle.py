"""What a program in Python does with the client that was generated for it, from the filing of a key to its end."""

import json
import sys
from pathlib import Path
from typing import Any

from client import AuthenticatedClient
from client.api.accounts import list_accounts
from client.api.audit import list_events
from client.api.decisions import decide
from client.api.execution import confirm_receipt, execute, execute_into_file
from client.api.requests import file_request, list_requests, read_request
from client.models import (
    Code,
    CreateAccessKey,
    CreatedKeyOut,
    DeleteAccessKey,
    FileName,
    NewDecision,
    NewDecisionDecision,
    Problem,
    RequestOut,
    ValidationProblem,
)

SERVICE = json.loads(Path("service.json").read_text())
JUSTIFICATION = "A lifecycle by a generated client."


def as_(person: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=SERVICE["url"], token=SERVICE["tokens"][person], timeout=60)


def approved(body: Any) -> str:
    filed = file_request.sync(client=as_("alice"), body=body)
    assert isinstance(filed, RequestOut), filed
    for person in ("bob", "carol"):
        page = list_requests.sync(client=as_(person), awaiting="me", limit=1)
        read = read_request.sync(page.items[0].id, client=as_(person))
        decision = NewDecision(decision=NewDecisionDecision.APPROVE, digest=read.digest)
        for _ in range(2):  # as after an answer that was lost
            decided = decide.sync(read.id, client=as_(person), body=decision)
            assert isinstance(decided, RequestOut), decided
    return filed.id


def main() -> None:
    listed = [account.account_id for account in list_accounts.sync(client=as_("alice"))]
    first, second = (account for account in listed if account in SERVICE["accounts"])
    create = {"operation": "create_access_key", "justification": JUSTIFICATION}

    path = approved(CreateAccessKey.from_dict(create | {"account_id": first, "lifetime": "P30D"}))
    key = execute.sync(path, client=as_("alice"))
    assert isinstance(key, CreatedKeyOut), key
    again = execute.sync(path, client=as_("alice"))
    assert isinstance(again, Problem), again
    assert again.code is Code.ALREADY_EXECUTED
    confirmed = confirm_receipt.sync(path, client=as_("alice"))

    into_file = approved(CreateAccessKey.from_dict(create | {"account_id": second}))
    file = execute_into_file.sync(into_file, FileName.CREDENTIALS_CSV, client=as_("alice"))

    deletion = {"operation": "delete_access_key", "justification": JUSTIFICATION, "account_id": first}
    deleted = execute.sync(
        approved(DeleteAccessKey.from_dict(deletion | {"access_key_id": key.access_key_id})), client=as_("alice")
    )

    wrong = CreateAccessKey(operation="create_acess_key", account_id=first, justification=JUSTIFICATION)
    misspelt = file_request.sync(client=as_("alice"), body=wrong)
    assert isinstance(misspelt, ValidationProblem), misspelt
    events = list_events.sync(client=as_("audrey"), request_id=path)

    json.dump(
        {
            "key": key.to_dict(),
            "again": again.code.value,
            "confirmed": [confirmed.status.value, confirmed.effect],
            "file": file,
            "deleted": [deleted.status.value, deleted.result.code],
            "misspelt": misspelt.to_dict(),
            "events": [event.event for event in events.items],
        },
        sys.stdout,
    )


main()
