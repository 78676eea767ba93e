"""A simulated AWS in this process: moto's IAM behind a real HTTP endpoint, with a root user per account.

boto3 signs and speaks HTTP to it as to AWS. What moto 5.2 lacks is added: root principals with all that they
have, keys that stop working, sts:AssumeRoot with task policies, an organization with its accounts and their
states, partitions, propagation delay, and faults on demand. In this order:

    simulation    the object: life, calls, what goes wrong
    state         what is seen and changed without a call
    server        HTTP, and lost connections
    wire          a request is taken apart, its signature checked
    keys          whose key is it, and does it work yet
    policy        may the signer do that
    accounts      the steps above and below, in order, for all accounts
    root          moto's account, with a root user
    actions       moto does it, as the signer
    sessions      AssumeRoot, which moto has not
    organization  which accounts there are, and who manages them
    partition     what is different in GovCloud and China
    answers       errors and JSON, as the protocol asked in has them
    faults        what goes wrong on the way

Several may run at once, even with the same account ids: nothing is shared between them.
One simulation is one partition. Of AWS's services it has IAM; in STS, GetCallerIdentity and AssumeRoot; in AWS
Organizations, ListAccounts.
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
]
