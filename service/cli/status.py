"""`rootquorum status`: what the service is doing now, and what needs attention. It reads the database alone."""

import json
import math
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from service.app import compose
from service.cli.common import console, plainly, print_whole
from service.cli.premises import spelled
from service.cli.prepared import load_settings
from service.cli.terminal import Table
from service.domain.canonical import timestamp
from service.domain.concern import Concern, concerns
from service.domain.incident import Incident, wrong_clocks
from service.domain.request import TERMINAL, Status
from service.domain.state import NEVER, State
from service.workflow.clocks import read_clocks
from service.workflow.context import Context
from service.workflow.health import check_readable
from service.workflow.state import read_state
from service.workflow.watch import open_incidents

# Where `rootquorum worker` would refuse to start.
_WITHIN_SERVE = "Restart `rootquorum serve`, without --no-worker, or read its log."


def status(
    ctx: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every metric.")] = False,
) -> None:
    """Show what the service is doing now, and what needs attention. Exit 1 if anything does."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=False, read_only=True) as context:
        check_readable(context)
        state = read_state(context)
        found = concerns(state, settings.limits(), _hosts_with_wrong_clocks(context))
        if settings.database.is_for_one_process:
            found = [replace(each, advice=_WITHIN_SERVE) if each.runbook == "no-worker" else each for each in found]
        if as_json:
            _print_json(context, state, found, settings.metrics.accounts)
        else:
            _print(state, found)
    if found:
        raise typer.Exit(1)


def _hosts_with_wrong_clocks(context: Context) -> list[str]:
    """Return the hosts of which was told that their clock is wrong, and this one if it is wrong now."""
    prefix = f"{Incident.CLOCK} "
    hosts = {name.removeprefix(prefix) for name in open_incidents(context) if name.startswith(prefix)}
    here = {socket.gethostname()} if wrong_clocks(read_clocks(context), context.limits) else set[str]()
    return sorted(hosts | here)


def _print_json(context: Context, state: State, found: Sequence[Concern], most_accounts: int) -> None:
    """Print the concerns, and the metrics that describe state. What never happened is null there."""
    from service.api.exposition import state_families

    metrics = {
        family.name: [{"labels": sample.labels, "value": _number(sample.value)} for sample in family.samples]
        for family in state_families(state, most_accounts)
    }
    shown = {
        "at": timestamp(context.now()),
        "concerns": [{"what": each.what, "advice": each.advice, "runbook": each.runbook} for each in found],
        "metrics": metrics,
    }
    console.print(json.dumps(shown, allow_nan=False), soft_wrap=True)


def _number(value: float) -> float | int | None:
    if math.isinf(value):
        return None
    return int(value) if value == int(value) else value


def _print(state: State, found: Sequence[Concern]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in _rows(state):
        table.add_row(*row)
    print_whole(table)
    for concern in found:
        console.print("")
        console.print(concern.what, style="red", soft_wrap=True)
        console.print(f"  {concern.advice} docs/runbooks/{concern.runbook}.md", soft_wrap=True)
    if not found:
        console.print("")
        console.print("Nothing needs attention.")


def _rows(state: State) -> Iterator[tuple[str, str]]:
    unfinished = {each: state.of(each) for each in Status if each not in TERMINAL}
    ended = {each: state.of(each) for each in Status if each in TERMINAL}
    yield "open requests", _counted(unfinished)
    yield "ended, of the last 30 days", _counted(ended)
    yield "oldest that waits for approval", _age(state.oldest_pending)
    yield "receipts overdue", str(state.receipts_overdue)
    yield "accounts", f"{len(state.accounts)}, the oldest drift check {_ago(state.oldest_check)}"
    yield "open drift findings", str(sum(state.findings.values()))
    yield "worker's last pass", _ago(state.worker_quiet)
    late = {step: lag for step, lag in state.lags.items() if lag}
    yield "steps that are due", ", ".join(f"{step} for {spelled(lag)}" for step, lag in late.items()) or "none"
    for name, queue in sorted(state.queues.items()):
        is_disabled = ", disabled" if name in state.disabled else ""
        yield f"deliveries to {name}", f"{queue.waiting} waiting, {queue.failed} failed{is_disabled}"
    yield "events in the audit log", str(state.audit_events)
    if state.is_log_signed:
        yield "last anchor", f"{_ago(state.anchor_age)}, of {state.anchored_size} events"
    for name, witness in sorted(state.witnesses.items()):
        yield f"last cosignature of {name}", f"{_ago(witness.age)}, {witness.events} events came after it"


def _counted(counts: dict[Status, int]) -> str:
    return ", ".join(f"{count} {status.value}" for status, count in counts.items() if count) or "none"


def _age(age: timedelta) -> str:
    return spelled(age) if age else "none"


def _ago(age: timedelta) -> str:
    return "never" if age == NEVER else f"{spelled(age)} ago"
