"""Process many accounts in parallel, with a progress bar."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.common import errors
from service.domain.account import Account

T = TypeVar("T")


def for_each_account(accounts: Sequence[Account], call: Callable[[Account], T], *, parallel: int, what: str) -> list[T]:
    """Return the result of `call` for each account, in their order. The bar is on stderr, and only on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found: dict[str, T] = {}
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task(what, total=len(accounts))
        with ThreadPoolExecutor(parallel) as pool:
            running = {pool.submit(call, account): account.account_id for account in accounts}
            for done in as_completed(running):
                found[running[done]] = done.result()
                progress.advance(task)
    return [found[account.account_id] for account in accounts]
