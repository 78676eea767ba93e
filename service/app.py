"""The composition root: settings in, FastAPI out. Only this module and the CLI read settings."""

import logging
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import anyio.to_thread
import httpx

from service import logs
from service.auth.browser import BrowserClient
from service.auth.claims import Trust
from service.auth.oidc import Verifier
from service.auth.provider import Provider, new_client
from service.aws.kms import KmsSigner
from service.aws.organization import KnownAccounts, Listing, Organization
from service.aws.root import AwsRoots
from service.aws.signer import AssumedRoot
from service.aws.sources import FixedSource, ProfileSource, Source
from service.db.engine import connect
from service.db.reader import connect_to_read
from service.domain.evidence import LogKey
from service.notify.chat import Chat
from service.notify.inbound import Source as HookSource
from service.notify.products import HOOKS, PRODUCTS, Access
from service.notify.tickets import Tickets
from service.notify.webhooks import Webhook, signer
from service.outbound import guarded
from service.settings import (
    AuditSettings,
    IssuerSettings,
    LogKeySettings,
    OrganizationSettings,
    Settings,
    TrackerSettings,
    load,
    path_of,
    patterns,
)
from service.signing.ed25519 import from_pem
from service.signing.notes import Remembering
from service.signing.notes import Signer as LogSigner
from service.worker import Worker
from service.workflow.context import Context, Log

if TYPE_CHECKING:
    from fastapi import FastAPI

    from service.api.sign_ins import SignIns
    from service.simulated_aws import Credential

logger = logging.getLogger(__name__)

# The simulated organization's management account; no example in the docs uses this id.
_SIMULATED_MANAGEMENT = "999999999999"


@contextmanager
def compose(settings: Settings, *, with_aws: bool = True, read_only: bool = False) -> Iterator[Context]:
    """Build everything that the settings describe, for one block. Without AWS, no account can be signed in to.

    `read_only` leaves SQLite's file unchanged, and raises Unavailable if there is none.
    """
    new_engine = connect_to_read if read_only else connect
    engine = new_engine(settings.database.url, connections=settings.database.connections)
    receivers = destinations(settings)
    try:
        with _sources(settings if with_aws else None) as (profiles, organizations):
            yield Context(
                engine=engine,
                roots=AwsRoots(
                    profiles,
                    {
                        name: AssumedRoot(source, settings.organizations[name].region)
                        for name, source in organizations.items()
                    },
                ),
                accounts=KnownAccounts(
                    settings.configured_accounts(),
                    {
                        name: Organization(name, source, _listing(settings.organizations[name]))
                        for name, source in organizations.items()
                    },
                ),
                directory=settings.directory(),
                policy=settings.rules(),
                now=lambda: datetime.now(UTC),
                new_id=lambda: str(uuid.uuid4()),
                destinations=receivers,
                trackers=[each for each in receivers.values() if isinstance(each, Tickets)],
                public_url=settings.server.public_url,
                delivery_retention=settings.notify.retention,
                log=_log(settings.audit),
                has_form=patterns.matches,
            )
    finally:
        engine.dispose()


def destinations(settings: Settings, client: httpx.BaseTransport | None = None) -> dict[str, Webhook | Chat | Tickets]:
    """Return the destinations in the settings, by name. `client` sends to them; None makes a new one."""
    client = client or guarded.new_client(settings.notify.allowed_hosts)
    webhooks: dict[str, Webhook | Chat | Tickets] = {
        name: Webhook(
            name=name,
            url=webhook.url,
            secrets=tuple(map(signer, webhook.all_secrets())),
            client=client,
            events=webhook.events,
        )
        for name, webhook in settings.webhooks.items()
    }
    chats = {name: Chat(chat.secret_url(), client, chat.events) for name, chat in settings.chats.items()}
    return webhooks | chats | {name: tickets(tracker, client) for name, tracker in settings.trackers.items()}


def tickets(settings: TrackerSettings, client: httpx.BaseTransport) -> Tickets:
    """Make a tracker's destination from its settings. Raises OSError, UnicodeError."""
    product = PRODUCTS[settings.kind]
    access = Access(
        client=client,
        url=settings.url.rstrip("/"),
        secret=settings.secret(),
        user=settings.user or "",
        repository=settings.repository or "",
        table=settings.table or "",
    )
    only = None if settings.pattern is None else partial(patterns.matches, settings.pattern)
    pattern = product.pattern(access.repository)
    return Tickets(product.connect(access), pattern, settings.states, settings.events, only)


def _log(audit: AuditSettings) -> Log:
    """Return the log's signers, whose keys are in the settings or in KMS, and all public keys for verifiers."""
    signers = {name: _signer(audit.origin or "", key) for name, key in audit.keys.items()}
    return Log(
        origin=audit.origin or "",
        signers=[signer for signer in signers.values() if signer is not None],
        keys=[
            LogKey(key.verifier_key or (signer.verifier_key if signer else ""), key.since, key.until)
            for key, signer in zip(audit.keys.values(), signers.values(), strict=True)
        ],
    )


def _signer(origin: str, key: LogKeySettings) -> LogSigner | None:
    """Return the key's signer, or None for a key that no longer signs."""
    if key.kms_key is not None and key.verifier_key is not None:
        # Cached, because anybody who is signed in may request the head in a loop.
        return Remembering(KmsSigner(key.verifier_key, key.kms_key, ProfileSource(key.profile), key.region))
    pem = key.pem()
    return None if pem is None else from_pem(origin, pem)


def hooks(settings: Settings) -> dict[str, HookSource]:
    """Return what reads the messages of each hook, by its name. Raises OSError, UnicodeError."""
    return {
        name: HOOKS[hook.kind].source(hook.all_secrets(), hook.repository or "")
        for name, hook in settings.hooks.items()
    }


def create_app(settings: Settings) -> "FastAPI":
    """Return the service: the API, and the worker in the same process if the settings enable it."""
    # Imported here, because the routes and their dependencies are a fifth of what a command would load for nothing.
    from service.api.build import build  # noqa: PLC0415
    from service.api.waiting import Places  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[None]:
        # The worker has a thread for each account that it works on, and one that finds what is due.
        working = settings.worker.parallel + 1 if settings.worker.enabled else 0
        # As many threads as connections, so that threads never wait for each other's connections.
        threads = settings.database.connections - working
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        with compose(settings) as ctx, new_client() as http:
            app.state.ctx, app.state.sign_ins = ctx, sign_ins(settings, http)
            app.state.hooks, app.state.places = hooks(settings), Places(threads)
            if not settings.worker.enabled:
                yield
                return
            worker = new_worker(ctx, settings)
            worker.start()
            try:
                with finished_by_signals(worker):
                    yield
            finally:
                await anyio.to_thread.run_sync(worker.stop)

    return build(None, lifespan)


def one_of_several() -> "FastAPI":
    """Create the app in one of uvicorn's own processes, which get only the environment."""
    settings = load()
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    return create_app(settings)


def new_worker(ctx: Context, settings: Settings) -> Worker:
    return Worker(ctx, settings.worker.interval, lease=settings.worker.lease, parallel=settings.worker.parallel)


@contextmanager
def finished_by_signals(worker: Worker) -> Iterator[None]:
    """Make the worker begin nothing new once a signal has arrived.

    uvicorn ends the lifespan only after the running requests, and an execution can take its whole time budget.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def finish(number: int, frame: FrameType | None) -> None:
        worker.finish()
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, finish)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def sign_ins(settings: Settings, http: httpx.Client) -> "SignIns":
    from service.api.sign_ins import FailedSignIns, SignIns  # noqa: PLC0415  # as above

    issuers = trusted(settings, http)
    providers = {trust.name: provider for trust, provider in issuers}
    return SignIns(
        Verifier(issuers),
        {
            name: BrowserClient(
                provider=providers[name],
                http=http,
                client_id=issuer.client_id,
                client_secret=None if issuer.client_secret is None else issuer.client_secret.get_secret_value(),
                scopes=issuer.scopes,
                sends=issuer.sends,
                max_age=int(settings.policy.decision_max_auth_age.total_seconds()),
                acr_values=" ".join(sorted(settings.policy.decision_acr)),
                authorization_parameters=issuer.authorization_parameters,
                token_parameters=issuer.token_parameters,
            )
            for name, issuer in settings.issuers.items()
            if issuer.client_id is not None
        },
        FailedSignIns(settings.server.failed_sign_ins),
    )


def trusted(settings: Settings, http: httpx.Client) -> list[tuple[Trust, Provider]]:
    """Return each issuer in the settings with the provider that supplies its keys."""
    return [(_trust(name, issuer, settings), _provider(issuer, http)) for name, issuer in settings.issuers.items()]


def _provider(issuer: IssuerSettings, http: httpx.Client) -> Provider:
    return Provider(
        issuer.url, http, address=issuer.discovery_url, metadata_issuer=issuer.discovery_issuer or issuer.url
    )


def _trust(name: str, issuer: IssuerSettings, settings: Settings) -> Trust:
    only = issuer.people_have
    return Trust(
        name=name,
        audience=issuer.audience,
        client_id_as_audience=issuer.client_id_as_audience,
        acr_values=settings.policy.decision_acr,
        person_claim=None if issuer.person_claim is None else path_of(issuer.person_claim),
        name_claim=path_of(issuer.name_claim),
        groups_claim=path_of(issuer.groups_claim),
        groups_separator=issuer.groups_separator,
        absent_groups_are_none=issuer.groups_absent == "none",
        people_have=None if only is None else (path_of(only.claim), only.values),
    )


def _listing(organization: OrganizationSettings) -> Listing | None:
    if not organization.list_accounts:
        return None
    return Listing(refresh=organization.refresh, allow=organization.allow, deny=organization.deny)


@contextmanager
def _sources(settings: Settings | None) -> Iterator[tuple[dict[str, Source], dict[str, Source]]]:
    """Provide the AWS credentials of each account that has a profile, and of each organization.

    Either all are simulated, or none is.
    """
    if settings is None:
        yield {}, {}
        return
    if not settings.aws.simulated:
        yield (
            {name: ProfileSource(account.profile) for name, account in settings.accounts.items() if account.profile},
            {name: ProfileSource(found.profile) for name, found in settings.organizations.items() if found.profile},
        )
        return
    # Imported here: moto is an optional extra, and must not be loaded with real accounts.
    from service.simulated_aws import SimulatedAws  # noqa: PLC0415

    management = _SIMULATED_MANAGEMENT if settings.organizations else None
    with SimulatedAws(list(settings.accounts), management_account=management, port=settings.aws.simulated_port) as aws:
        logger.warning(aws.banner())

        def source(credential: "Credential") -> FixedSource:
            return FixedSource(credential.access_key_id, credential.secret_access_key, aws.endpoint_url)

        yield (
            {account_id: source(aws.root_credential(account_id)) for account_id in settings.accounts},
            {name: source(aws.management_credential()) for name in settings.organizations},
        )
