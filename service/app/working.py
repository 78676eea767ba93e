"""Makes the worker from the settings."""

from service.settings import Settings
from service.worker import Worker
from service.workflow.context import Context


def new_worker(ctx: Context, settings: Settings) -> Worker:
    return Worker(ctx, settings.worker.interval, lease=settings.worker.lease, parallel=settings.worker.parallel)
