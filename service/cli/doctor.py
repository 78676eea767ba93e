"""`rootquorum doctor`: check everything that must be right before it is needed, without changing anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from service.app import compose
from service.app.destinations import Destination, destinations
from service.app.issuers import trusted
from service.auth.browser import BASIC, POST
from service.auth.claims import is_address
from service.auth.discovery import Discovered, Fault, Undiscovered
from service.auth.keys import ALGORITHMS
from service.auth.provider import Provider, new_client
from service.cli import aws_examined, premises, tls_examined
from service.cli.common import console, plainly, print_json
from service.cli.premises import spelled
from service.cli.prepared import load_settings
from service.cli.signing_examined import examined
from service.domain.account import Account, RootCredentials
from service.domain.actor import ActorKind
from service.domain.drift import DriftKind
from service.domain.errors import ServiceError
from service.domain.text import visible
from service.notify.mail import Mail
from service.notify.rest import Refused
from service.notify.tickets import Tickets
from service.outbound.guarded import Unreachable, Unsafe
from service.settings import IssuerSettings, Settings, path_of, settings_file
from service.workflow.accounts import Features, check_account, is_hopeless, organization_features
from service.workflow.context import Context
from service.workflow.deliver import disabled
from service.workflow.drift import unknown_to_database
from service.workflow.health import check_ready, last_pass, may_rewrite_history, try_to_write
from service.workflow.people import everybody
from service.workflow.tokens import list_tokens

# A worker records its passes every half minute.
_QUIET = timedelta(minutes=2)
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Remark:
    """The result of one check. `fault` is None if it is all right; otherwise `advice` says what to do.

    A warning is not a fault: it may be intended.
    """

    subject: str
    fault: str | None = None
    advice: str = ""
    is_warning: bool = False


def doctor(
    ctx: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check settings, database and every account, without changing anything. Exit 1 on any fault."""
    settings = load_settings(ctx.obj)
    with plainly(), compose(settings, with_aws=not settings.aws.simulated) as context:
        remarks = _findings(settings, settings_file(ctx.obj), context)
        # People see each line as soon as it is known.
        found = list(remarks) if as_json else [_said(remark) for remark in remarks]
    well = all(remark.fault is None for remark in found)
    if as_json:
        print_json({"well": well, "findings": [_document(remark) for remark in found]})
    if not well:
        raise typer.Exit(1)


def _said(remark: Remark) -> Remark:
    """Print the remark as a line, and return it."""
    if remark.fault is None:
        mark = "warn " if remark.is_warning else "ok   "
        console.print(f"{mark}  {remark.subject}", soft_wrap=True)
    else:
        console.print(f"fault  {remark.subject}: {remark.fault} {remark.advice}", style="red", soft_wrap=True)
    return remark


def _document(remark: Remark) -> dict[str, str | None]:
    """Return the remark for programs. `fault` and `advice` are null unless the result is a fault."""
    if remark.fault is not None:
        return {"result": "fault", "subject": remark.subject, "fault": remark.fault, "advice": remark.advice}
    result = "warning" if remark.is_warning else "ok"
    return {"result": result, "subject": remark.subject, "fault": None, "advice": None}


def _findings(settings: Settings, file: Path | None, context: Context) -> Iterator[Remark]:
    yield Remark(*premises.settings_file(file))
    unusable = _unusable(context)
    yield from [unusable] if unusable else [_rights(context), _worker(context)]
    if unusable is None and not settings.issuers:
        yield _approvers(context)
    yield from (Remark(*each) for each in examined(settings, None if unusable else context))
    yield from (Remark(*each) for each in tls_examined.examined(settings, context.now()))
    yield from _issuers(settings)
    yield from _claims(settings)
    if unusable is None:
        yield from _alike(context)
        yield from _addresses(settings, context)
    unwilling = frozenset() if unusable else disabled(context)
    for name, destination in destinations(settings).items():
        yield _destination(name, destination, is_disabled=name in unwilling)
    if settings.aws.simulated:
        yield Remark("accounts are simulated; no AWS to check")
        return
    # The listings come before the accounts, because they also say how those named in the settings are reached.
    yield from (Remark(*each) for each in aws_examined.examined(settings, context))
    yield from _idle_rules(context)
    accounts = list(context.accounts.configured())
    features = organization_features(context, accounts)
    for account in accounts:
        yield from _account(context, account, features, compare=unusable is None)


def _idle_rules(context: Context) -> Iterator[Remark]:
    """Warn of rules with a misspelt name, say: they protect nothing, and nobody would notice."""
    for rule in context.rules.idle(context.accounts.at_hand()):
        yield Remark(f"rule {visible(rule.name)}: it applies to no account that is known now", is_warning=True)


def _unusable(context: Context) -> Remark | None:
    """Return why the database cannot be used, or None if it can."""
    url = context.engine.url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        # Opening it would create it.
        return Remark("database", "There is no such file.", "Check database.url, then run `rootquorum migrate`.")
    try:
        check_ready(context)
        try_to_write(context, keep=False)
    except ServiceError as error:
        # It says itself what to do, where that is to migrate.
        return Remark("database", error.exact, "Check database.url.")
    return None


def _worker(context: Context) -> Remark:
    mark = last_pass(context)
    if mark is None:
        return Remark("worker: none has checked for due work here yet", is_warning=True)
    ago = context.now() - mark.at
    subject = f"worker: checked for due work at {mark.at:%Y-%m-%d %H:%M:%S} UTC, {spelled(ago)} ago (process {mark.by})"
    if ago < _QUIET:
        return Remark(subject)
    return Remark(f"{subject}. Unless one runs, nothing happens by itself", is_warning=True)


def _rights(context: Context) -> Remark:
    if may_rewrite_history(context):
        fault = "The service's role can change or delete the audit log: it owns it, or has the privileges."
        return Remark("database", fault, "Let another role own the tables, and run `rootquorum migrate --grant-to`.")
    return Remark("database")


def _approvers(context: Context) -> Remark:
    now = context.now()
    approvers = context.directory.all_approvers
    able = {token.subject for token in list_tokens(context) if token.revoked_at is None and token.expires_at > now}
    missing = sorted(approvers - able)
    if len(approvers) - len(missing) < context.policy.quorum:
        advice = f"Run `rootquorum token create` for: {', '.join(missing)}."
        return Remark("approvers", "Too few of them have a token to sign in with.", advice)
    return Remark("approvers")


def _issuers(settings: Settings) -> Iterator[Remark]:
    with new_client() as http:
        for trust, provider in trusted(settings, http):
            yield from _issuer(trust.name, settings.issuers[trust.name], provider)
    nameless = sorted(name for name, issuer in settings.issuers.items() if issuer.person_claim is None)
    if len(settings.issuers) > 1 and nameless:
        yield Remark(
            f"issuers without person_claim: {', '.join(nameless)}. A human with a login at two of them has two votes"
        )


def _claims(settings: Settings) -> Iterator[Remark]:
    for name, issuer in settings.issuers.items():
        if issuer.person_claim is not None and is_address(path_of(issuer.person_claim)):
            yield Remark(
                f"issuers.{name}.person_claim is an address: if it is reassigned, its new owner is taken for the old "
                "one. Use a claim that nobody can change, and that is never reassigned",
                is_warning=True,
            )


def _alike(context: Context) -> Iterator[Remark]:
    """Yield a remark for people with subjects that differ only in case."""
    directory, _ = everybody(context)
    subjects = sorted(subject for subject, found in directory.everybody.items() if found.kind is ActorKind.PERSON)
    spellings: dict[str, list[str]] = {}
    for subject in subjects:
        spellings.setdefault(subject.lower(), []).append(subject)
    for alike in spellings.values():
        if len(alike) > 1:
            yield Remark(
                f"people {', '.join(alike)}: they differ only in case. If they are one human, that one has "
                f"{len(alike)} votes: suspend all but one",
                is_warning=True,
            )


def _issuer(name: str, issuer: IssuerSettings, provider: Provider) -> Iterator[Remark]:
    """Check an issuer's metadata and keys and, if people sign in from the pages, what that requires."""
    subject = f"issuer {name}"
    try:
        found = provider.discover()
    except Undiscovered as error:
        yield Remark(subject, error.sentence, _ADVICE.get(error.fault, _USUAL_ADVICE).format(name=name))
        return
    if not found.usable:
        fault = f"None of its {found.listed} keys can verify signatures with an algorithm that is accepted here."
        yield Remark(subject, fault, f"Make it sign with one of {', '.join(ALGORITHMS)}, and a key id (kid).")
    else:
        yield Remark(f"{subject}: {found.usable} of its {found.listed} keys can be used")
    if issuer.client_id is not None:
        yield from _client(subject, issuer, provider, found)


def _client(subject: str, issuer: IssuerSettings, provider: Provider, found: Discovered) -> Iterator[Remark]:
    for name in ("authorization_endpoint", "token_endpoint"):
        if not provider.is_usable(found.metadata.get(name)):
            advice = "Nobody can sign in at the desk or in Swagger UI. Remove client_id, or have the provider fixed."
            yield Remark(subject, f"Its metadata names no {name}, or one without https.", advice)
    offered = found.metadata.get("token_endpoint_auth_methods_supported")
    if issuer.client_secret is not None and isinstance(offered, list) and not {BASIC, POST} & set(map(str, offered)):
        advice = "Register a public client, and remove client_secret."
        yield Remark(subject, f"It accepts a client's secret neither by {BASIC} nor by {POST}.", advice)


_USUAL_ADVICE = "Check issuers.{name}.url and discovery_url, and the network path to the provider."
_ADVICE = {
    Fault.TLS: "Check its certificate; SSL_CERT_FILE names the trusted certificates.",
    Fault.OTHER_ISSUER: "Compare issuers.{name}.url character by character. If it is right, also set discovery_issuer.",
    Fault.REDIRECT: "Set issuers.{name}.discovery_url to the address without the redirect.",
}


def _destination(name: str, destination: Destination, *, is_disabled: bool) -> Remark:
    """Check a destination. We sign in to a tracker and to a mail server; to any other destination we only connect."""
    subject = f"destination {name}"
    try:
        destination.check()
    except (Refused, Unreachable, Unsafe) as error:
        advice = f"Check its settings and notify.allowed_hosts; `rootquorum notify test {name}` shows more."
        return Remark(subject, f"Nothing can be delivered to it: {error}.", advice)
    if is_disabled:
        advice = "When it is fixed, an operator enables it by resending one of its deliveries."
        return Remark(subject, "It asked for no more events, and is disabled.", advice)
    return Remark(
        f"{subject}: {'it knows us' if isinstance(destination, Tickets | Mail) else 'reached; nothing was sent'}"
    )


def _addresses(settings: Settings, context: Context) -> Iterator[Remark]:
    """Warn of approvers whom no mail can tell what waits for them."""
    if not settings.mails:
        return
    directory, _ = everybody(context)
    approvers = [directory.everybody[who] for who in directory.all_approvers]
    missing = sorted(member.subject for member in approvers if member.email is None)
    if missing:
        shown = visible(", ".join(missing[:_MOST_NAMES]), longest=500) + (
            " and others" if len(missing) > _MOST_NAMES else ""
        )
        yield Remark(f"mails: {len(missing)} approvers have no known address: {shown}", is_warning=True)


def _account(context: Context, account: Account, features: Features, *, compare: bool) -> Iterator[Remark]:
    hopeless, seen = is_hopeless(account), None
    for check in check_account(context, account, features):
        subject = f"account {account.account_id} ({account.name}) by {check.source}"
        if check.observed is None and check.set_aside is not None and hopeless is None:
            yield Remark(f"{subject}: not used. {check.set_aside}")
            continue
        if check.observed is None:
            yield Remark(subject, check.fault or hopeless, "Check the account's profile and organization.")
            continue
        keys, mfa = len(check.observed.keys), _on_or_off(check.observed.mfa_enabled)
        yield Remark(f"{subject}: root proved, {keys} of 2 access keys, MFA {mfa}")
        seen = check.observed
    if seen is not None and compare:
        yield from _unknown(context, account, seen)


def _unknown(context: Context, account: Account, seen: RootCredentials) -> Iterator[Remark]:
    """Report what AWS has and the database does not know, mainly after a restore from an older backup."""
    for difference in unknown_to_database(context, account.account_id, seen) or ():
        key, found, expected = difference.access_key_id, difference.found, difference.expected
        fault = {
            DriftKind.UNEXPLAINED_KEY: f"AWS holds the root key {key} ({found}), which the database does not know.",
            DriftKind.KEY_VANISHED: f"The root key {key}, {expected} in the database, is gone from AWS.",
            DriftKind.STATUS_CHANGED: f"The root key {key} is {found} in AWS, and {expected} in the database.",
            DriftKind.MFA_LOST: "Its root user had MFA, and no longer has it.",
            DriftKind.EMAIL_CHANGED: "Its root user has another e-mail address than in the database.",
        }[difference.kind]
        advice = "Unless a request is being executed on it now, somebody must investigate."
        yield Remark(f"account {account.account_id} ({account.name})", fault, advice)


def _on_or_off(flag: bool | None) -> str:  # noqa: FBT001  # a value to show, not a switch
    return {True: "on", False: "off", None: "unknown"}[flag]
