"""A house that browsers reach: the test has its AWS, its clock and its people at hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from support.house import House

from service.api.connection import Connection
from service.cli.waiting import free_port, wait_until


@contextmanager
def served(house: House, root_path: str = "") -> Iterator[str]:
    """Yield where the house is. `root_path` is what a proxy takes off its paths."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            house.app,
            host="127.0.0.1",
            port=port,
            root_path=root_path,
            http=Connection,
            lifespan="off",
            log_config=None,
        )
    )
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, what="the house")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
