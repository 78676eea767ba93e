"""The service's calls to AWS, made in the plainest way, for what the service is compared with.

`none` makes none. `kept` keeps the clients of each account; `new` makes clients for each filing and execution.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3


class Aws:
    """AWS at an endpoint. The access key id names the account: see `instant_aws.py`."""

    def __init__(self, mode: str, endpoint_url: str) -> None:
        self._mode, self._endpoint_url = mode, endpoint_url
        self._session, self._lock = boto3.Session(region_name="us-east-1"), threading.Lock()
        self._kept: dict[str, tuple[Any, Any]] = {}

    @contextmanager
    def _clients(self, account_id: str) -> Iterator[tuple[Any, Any]]:
        if account_id in self._kept:
            yield self._kept[account_id]
            return
        with self._lock:  # a session is not for several threads
            sts, iam = (
                self._session.client(
                    name,
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id=f"AKIA{account_id}",
                    aws_secret_access_key="secret",
                )
                for name in ("sts", "iam")
            )
        yield sts, iam
        if self._mode == "kept":
            self._kept[account_id] = (sts, iam)
        else:
            sts.close()
            iam.close()

    def look(self, account_id: str) -> None:
        """Read what a filing reads."""
        if self._mode == "none":
            return
        with self._clients(account_id) as (sts, iam):
            sts.get_caller_identity()
            for key in iam.list_access_keys()["AccessKeyMetadata"]:
                iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
            iam.get_account_summary()
            iam.list_mfa_devices()

    def create(self, account_id: str) -> str:
        """Make a key as an execution does, which looks twice before. Return its id."""
        if self._mode == "none":
            return "AKIANEW0000000000000"
        with self._clients(account_id) as (sts, iam):
            sts.get_caller_identity()
            for _ in range(2):
                iam.list_access_keys()
                iam.get_account_summary()
            return str(iam.create_access_key()["AccessKey"]["AccessKeyId"])
