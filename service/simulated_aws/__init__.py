"""A simulated AWS in this process: moto's IAM behind a real HTTP endpoint, with a root user per account.

boto3 signs and sends real HTTP requests to it. It adds what moto 5.2 lacks: root principals with all their
credentials, keys that stop working, sts:AssumeRoot with task policies, an organization with its accounts and
their states, partitions, propagation delay, and faults on demand. In reading order:

    simulation    the object: start and stop, recorded calls, faults
    state         what tests read and change without a call
    server        HTTP, and lost connections
    wire          parses a request and checks its signature
    keys          whose key it is, and whether it works yet
    policy        whether the signer may do it
    accounts      runs the steps above and below, for all accounts
    root          moto's account, with a root user
    actions       lets moto act as the signer
    sessions      AssumeRoot, which moto lacks
    resources     buckets and queues, with their policies only
    organization  which accounts there are, their units and tags, and who manages them
    partition     what differs in GovCloud and China
    answers       errors and JSON in the caller's protocol
    faults        injected faults and hooks

Several simulations may run at once, even with the same account ids: they share nothing.
One simulation is one partition. It has these AWS services: IAM; from STS, GetCallerIdentity and AssumeRoot; from S3,
ListBuckets and the policies of buckets; from SQS, GetQueueUrl and the policies of queues; from AWS Organizations,
ListAccounts, ListRoots, ListOrganizationalUnitsForParent, ListAccountsForParent and, for accounts, ListTagsForResource.
"""

from __future__ import annotations

from service.simulated_aws.faults import (
    ConnectionLostAfter,
    ConnectionLostBefore,
    Delay,
    Fault,
    Refuse,
    Rewritten,
    ServerError,
    ServerErrorAfter,
    Throttle,
    Trickle,
)
from service.simulated_aws.keys import Credential
from service.simulated_aws.partition import PartitionName
from service.simulated_aws.root import AccountState
from service.simulated_aws.simulation import Call, SimulatedAws

__all__ = [
    "AccountState",
    "Call",
    "ConnectionLostAfter",
    "ConnectionLostBefore",
    "Credential",
    "Delay",
    "Fault",
    "PartitionName",
    "Refuse",
    "Rewritten",
    "ServerError",
    "ServerErrorAfter",
    "SimulatedAws",
    "Throttle",
    "Trickle",
]
