"""The partitions of AWS that can be simulated, and what their root users have.

Regions are those of IAM in botocore's `endpoints.json`. The source for what is missing where is the IAM pages
of the AWS GovCloud (US) and Amazon Web Services in China user guides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PartitionName = Literal["aws", "aws-us-gov", "aws-cn"]


@dataclass(frozen=True)
class Partition:
    """A partition. `name` is its name in ARNs; `region` is the region of its IAM."""

    name: str
    region: str
    has_root: bool = True
    has_sign_in: bool = True
    """Whether a root user has a password and MFA devices."""
    has_assume_root: bool = True


_PARTITIONS = (
    Partition("aws", "us-east-1"),
    Partition("aws-us-gov", "us-gov-west-1", has_sign_in=False, has_assume_root=False),
    Partition("aws-cn", "cn-north-1", has_root=False, has_sign_in=False, has_assume_root=False),
)


def find_partition(name: str) -> Partition:
    """Return a partition by name. Raise ValueError for one that is not simulated."""
    for partition in _PARTITIONS:
        if partition.name == name:
            return partition
    message = f"not a partition that is simulated: {name!r}"
    raise ValueError(message)
