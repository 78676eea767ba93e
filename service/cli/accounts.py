"""`rootquorum accounts check` and `rootquorum drift`: check every account from this host."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from service.app import compose
from service.cli.common import console, errors, fail, plainly, print_whole
from service.cli.prepared import load_settings, operator
from service.cli.side_by_side import for_each_account
from service.cli.terminal import Table
from service.domain.account import Account, Reading
from service.domain.capability import is_readable
from service.domain.drift import DriftFinding
from service.domain.errors import ServiceError
from service.workflow.accounts import SourceCheck, check_account, is_hopeless, organization_features
from service.workflow.context import Context
from service.workflow.drift import DriftCheck, check_drift
from service.workflow.health import check_ready
from service.workflow.rules_in_force import check_acceptable

Parallel = Annotated[int, typer.Option(min=1, max=64, help="How many accounts at a time.")]


def check(ctx: typer.Context, parallel: Parallel = 16) -> None:
    """Sign in to each account with each source, reading only.

    Exit 1 if any configured account cannot serve, or if units or tags that the settings ask for are not known.
    """
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings) as context:
        accounts, all_listed = _known(context)
        readings = {name: context.accounts.readings(name) for name in settings.organizations}
        features = organization_features(context, accounts)
        found = for_each_account(
            accounts, lambda account: check_account(context, account, features), parallel=parallel, what="Accounts"
        )
        configured = {account.account_id: is_hopeless(account) for account in context.accounts.configured()}
    checks = [source for sources in found for source in sources]
    _print_checks(checks)
    all_read = _print_readings(readings)
    hopeless = {account_id: why for account_id, why in configured.items() if why is not None}
    for account_id, why in hopeless.items():
        errors.print(f"{account_id} is configured, but nothing can be done there: {why}", style="red", soft_wrap=True)
    if hopeless or not all_listed or not all_read or any(source.fault for source in checks):
        raise typer.Exit(1)


def _known(context: Context) -> tuple[list[Account], bool]:
    """Return the known accounts, and whether these are all.

    If an organization cannot be listed, the accounts known from other sources are still returned.
    """
    try:
        return list(context.accounts.every()), True
    except ServiceError as error:
        errors.print(error.exact, style="red", soft_wrap=True)
        return list(context.accounts.at_hand()), False


def _print_checks(checks: Iterable[SourceCheck]) -> None:
    """Print one row per source. Each reason for a refusal is printed once below, however many accounts it affects."""
    notes: dict[str, int] = {}
    table = Table(box=None, header_style="bold")
    for name in ("account", "name", "source", "root proved", "keys", "MFA", "features", "refused"):
        table.add_column(name, no_wrap=True)
    for found in checks:
        state = found.observed
        table.add_row(
            found.account.account_id,
            found.account.name,
            found.source.value,
            "yes" if state else ("NO" if found.fault else "-") + _note(notes, found.fault or found.set_aside or ""),
            "" if state is None else f"{len(state.keys)} of 2",
            "" if state is None else {True: "on", False: "off", None: "?"}[state.mfa_enabled],
            "" if found.features is None else ", ".join(map(_short, sorted(found.features))) or "none",
            "" if state is None else "".join(_note(notes, sentence) for sentence in _refused(found)).strip(),
            style="red" if found.fault else None,
        )
    print_whole(table)
    for sentence, number in notes.items():
        console.print(f"({number}) {sentence}", soft_wrap=True)


def needed(reading: Reading) -> str:
    """Return what the organization's profile must be allowed for a read."""
    *first, last = reading.permissions
    return f"Its profile needs {', '.join(first)} and {last}." if first else f"Its profile needs {last}."


def _print_readings(readings: Mapping[str, Sequence[Reading]]) -> bool:
    """Print a line for each reading, and return whether everything is known."""
    for name, read in readings.items():
        for reading in read:
            if reading.fault is None:
                console.print(f"organization {name}: {reading.what} of {reading.known} accounts read", soft_wrap=True)
            else:
                errors.print(f"{reading.fault} {needed(reading)}", style="red", soft_wrap=True)
    return all(reading.fault is None for read in readings.values() for reading in read)


def _refused(found: SourceCheck) -> Iterable[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in found.refused.items():
        by_reason.setdefault(reason, []).append(name.value)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def _note(notes: dict[str, int], sentence: str) -> str:
    return f" ({notes.setdefault(sentence, len(notes) + 1)})"


def _short(feature: str) -> str:
    """Return `credentials` for AWS's RootCredentialsManagement, `sessions` for RootSessions."""
    return feature.removeprefix("Root").removesuffix("Management").lower()


def drift(ctx: typer.Context, parallel: Parallel = 8) -> None:
    """Check every account for drift now. Exit 1 if any finding is open, or an account could not be read."""
    settings = load_settings(ctx.obj)
    if settings.aws.simulated:
        fail("Each process has its own simulated AWS; ask the service instead: POST /v1/accounts/{id}/drift-check.")
    with plainly(), compose(settings) as context:
        check_ready(context)
        check_acceptable(context)
        known, all_listed = _known(context)
        accounts = [account for account in known if is_readable(account)]
        checks = for_each_account(
            accounts,
            lambda account: _check_drift(context, account),
            parallel=min(parallel, settings.database.connections),
            what="Drift",
        )
    failed = [(account, found) for account, found in zip(accounts, checks, strict=True) if isinstance(found, str)]
    adopted = sum(isinstance(found, DriftCheck) and found.adopted for found in checks)
    findings = [finding for found in checks if isinstance(found, DriftCheck) for finding in found.open]
    if adopted:
        console.print(f"{adopted} accounts were checked for the first time; what they have is expected from now on.")
    if findings:
        _print_findings(findings)
    for account, why in failed:
        errors.print(f"{account.account_id} ({account.name}): {why}", style="red", soft_wrap=True)
    console.print(f"{len(accounts) - len(failed)} of {len(accounts)} accounts read, {len(findings)} findings open.")
    if findings or failed or not all_listed:
        raise typer.Exit(1)


def _check_drift(context: Context, account: Account) -> DriftCheck | str:
    try:
        return check_drift(context, account, operator())
    except ServiceError as error:
        return error.exact


def _print_findings(findings: Iterable[DriftFinding]) -> None:
    table = Table(box=None, header_style="bold")
    for name in ("account", "what", "access key", "expected", "found", "since", "id"):
        table.add_column(name, no_wrap=True)
    for finding in findings:
        drift = finding.drift
        # Letters beyond ASCII are escaped: in an address many look like others.
        states = [
            state and state.encode("ascii", "backslashreplace").decode() for state in (drift.expected, drift.found)
        ]
        about = [drift.account_id, drift.kind.value, drift.access_key_id, *states]
        table.add_row(*(part or "-" for part in about), f"{finding.found_at:%Y-%m-%d %H:%M}", finding.id)
    print_whole(table)
