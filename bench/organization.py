"""Measures an organization of many simulated accounts: `accounts check` and drift passes, time and calls per account.

`python bench/organization.py 500 16`: accounts, and how many in parallel. The simulated AWS shares this process and its
interpreter lock, so times are the service's cost, not AWS's latency; the calls are those that AWS would see. The last
line is a ratio: the same pass with one account that hangs for five seconds, against the pass without.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from service.app import compose
from service.cli.side_by_side import for_each_account
from service.db.schema import migrate
from service.domain.account import Account
from service.settings import load
from service.simulated_aws import Delay, SimulatedAws
from service.workflow.accounts import check_account, organization_features
from service.workflow.context import Context
from service.workflow.drift import check_drift

MANAGEMENT = "999900001111"
SETTINGS = """
[database]
url = "sqlite:///{folder}/bench.db"
[organizations.main]
profile = "manager"
list_accounts = true
deny = ["{management}"]
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
"""
console = Console(highlight=False)


def measure(
    aws: SimulatedAws, accounts: list[Account], what: str, call: Callable[[Account], object], at_once: int
) -> float:
    """Return the seconds for all accounts, and print the cost per account."""
    calls, start = len(aws.calls), time.perf_counter()
    for_each_account(accounts, call, parallel=at_once, what=what)
    seconds = time.perf_counter() - start
    each = seconds / len(accounts) * 1000
    per_account = (len(aws.calls) - calls) / len(accounts)
    console.print(
        f"{what}: {seconds:.1f} s, {each:.0f} ms and {per_account:.2f} calls per account, {at_once} at a time"
    )
    return seconds


def run(aws: SimulatedAws, context: Context, at_once: int) -> None:
    start = time.perf_counter()
    accounts = list(context.accounts.every())
    console.print(
        f"{len(accounts)} accounts listed in {time.perf_counter() - start:.2f} s, {aws.count('ListAccounts')} calls"
    )
    features = organization_features(context, accounts)
    measure(aws, accounts, "accounts check", lambda a: check_account(context, a, features), at_once)
    measure(aws, accounts, "first drift pass", lambda a: check_drift(context, a), at_once)
    plain = measure(aws, accounts, "second drift pass", lambda a: check_drift(context, a), at_once)
    aws.fault("ListAccessKeys", Delay(5.0), account_id=accounts[0].account_id)
    slow = measure(
        aws, accounts, "drift pass with an account that hangs for 5 s", lambda a: check_drift(context, a), at_once
    )
    console.print(f"the slow account made the pass {slow / plain:.2f} times as long")


def main(size: int, at_once: int) -> None:
    members = [f"{100_000_000_000 + number}" for number in range(size)]
    with tempfile.TemporaryDirectory() as name, SimulatedAws(members, management_account=MANAGEMENT) as aws:
        folder = Path(name)
        key = aws.management_credential()
        (folder / "aws-config").write_text(
            f"[profile manager]\nendpoint_url = {aws.endpoint_url}\n"
            f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
        )
        (folder / "rootquorum.toml").write_text(SETTINGS.format(folder=folder, management=MANAGEMENT))
        os.environ["AWS_CONFIG_FILE"] = str(folder / "aws-config")
        with compose(load(folder / "rootquorum.toml")) as context:
            migrate(context.engine)
            run(aws, context, at_once)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
