"""A client of Rootquorum's HTTP API: for tooling, and for the commands of people.

It stands alone: it imports nothing of the service, and needs only httpx.

    from rootquorum_client import Client, Operation, Status

    with Client("https://rootquorum.example.com", token) as client:
        request = client.file(Operation.CREATE_ACCESS_KEY, "111122223333", "Rotation of the break-glass key.")
        client.wait_until(request.id, {Status.APPROVED}, timeout=3600)

Every error is a `ClientError`. A refusal of the service is a `Problem`, with the stable `code` of docs/problems.md.
"""

from rootquorum_client.client import Client
from rootquorum_client.errors import ClientError, Ended, NoAnswer, NotAllowed, Problem, TimedOut, WrongAnswer
from rootquorum_client.models import (
    AccessKey,
    Account,
    AccountDetail,
    Action,
    Actor,
    Approver,
    Capability,
    Caution,
    Certificate,
    Clocks,
    ConfiguredAccount,
    CreatedKey,
    Decision,
    Demand,
    DrillAnswer,
    DrillReport,
    LastDecision,
    Me,
    Missing,
    Operation,
    PossibleApprover,
    Quorum,
    Request,
    Requester,
    RequestSummary,
    ResourcePolicy,
    Result,
    RootCredentials,
    Rotation,
    SealedKey,
    SealedTo,
    Status,
)
from rootquorum_client.secret import Secret

__all__ = [
    "AccessKey",
    "Account",
    "AccountDetail",
    "Action",
    "Actor",
    "Approver",
    "Capability",
    "Caution",
    "Certificate",
    "Client",
    "ClientError",
    "Clocks",
    "ConfiguredAccount",
    "CreatedKey",
    "Decision",
    "Demand",
    "DrillAnswer",
    "DrillReport",
    "Ended",
    "LastDecision",
    "Me",
    "Missing",
    "NoAnswer",
    "NotAllowed",
    "Operation",
    "PossibleApprover",
    "Problem",
    "Quorum",
    "Request",
    "RequestSummary",
    "Requester",
    "ResourcePolicy",
    "Result",
    "RootCredentials",
    "Rotation",
    "SealedKey",
    "SealedTo",
    "Secret",
    "Status",
    "TimedOut",
    "WrongAnswer",
]
