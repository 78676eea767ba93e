"""The composition root: settings in, FastAPI out. Nothing else reads settings but the CLI."""

import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import anyio.to_thread
from fastapi import FastAPI

from service.api.build import build
from service.aws.root import AwsRoots
from service.aws.sources import FixedSource, ProfileSource, Source
from service.db.engine import connect
from service.settings import Settings
from service.worker import Worker
from service.workflow.context import Context

logger = logging.getLogger(__name__)

# What the worker takes of the connection pool.
_WORKER_CONNECTIONS = 1


@contextmanager
def compose(settings: Settings, *, with_aws: bool = True) -> Iterator[Context]:
    """Everything that the settings describe, until the end of the block; without AWS no account can be signed in to."""
    engine = connect(settings.database.url, connections=settings.database.connections)
    try:
        with _sources(settings if with_aws else None) as sources:
            yield Context(
                engine=engine,
                roots=AwsRoots(sources),
                accounts=settings.configured_accounts(),
                directory=settings.directory(),
                policy=settings.rules(),
                now=lambda: datetime.now(UTC),
                new_id=lambda: str(uuid.uuid4()),
            )
    finally:
        engine.dispose()


def create_app(ctx: Context, settings: Settings) -> FastAPI:
    """The service: the API, and the worker beside it where the settings want one."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # As many threads as connections: a thread never waits for one that another waiting thread holds.
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = settings.database.connections - _WORKER_CONNECTIONS
        if not settings.worker.enabled:
            yield
            return
        worker = Worker(ctx, settings.worker.interval)
        worker.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(worker.stop)

    return build(ctx, lifespan)


@contextmanager
def _sources(settings: Settings | None) -> Iterator[dict[str, Source]]:
    """Where each account's root credential comes from. All accounts are simulated, or none is."""
    if settings is None:
        yield {}
        return
    if not settings.aws.simulated:
        yield {
            account_id: ProfileSource(account.profile)
            for account_id, account in settings.accounts.items()
            if account.profile is not None
        }
        return
    # Only here: moto is an optional extra, and nothing of it is loaded beside real accounts.
    from service.aws.simulated import SimulatedAws  # noqa: PLC0415

    with SimulatedAws(list(settings.accounts), port=settings.aws.simulated_port) as aws:
        logger.warning(aws.banner())
        yield {
            account_id: FixedSource(
                aws.root_credential(account_id).access_key_id,
                aws.root_credential(account_id).secret_access_key,
                aws.endpoint_url,
            )
            for account_id in settings.accounts
        }
