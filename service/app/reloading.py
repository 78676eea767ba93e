"""Reads the settings again at SIGHUP, and takes from them what may change while the process runs."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from service.app.context import changed
from service.app.tls import is_served, read_again
from service.settings import FaultySettings, Settings, load, load_again
from service.settings.taken import differing, waiting
from service.worker import attempt
from service.workflow.announce import announce
from service.workflow.context import Context

logger = logging.getLogger(__name__)

Use = Callable[[Context], None]


class Reloading:
    """Replaces the Context of a running process. Each of `uses` gets the new one, or none does."""

    def __init__(self, settings: Settings, ctx: Context, *uses: Use) -> None:
        self._begun_with = settings
        self._settings = settings
        self._ctx = ctx
        self._uses = uses

    def reload(self) -> None:
        """Read the settings again, and take what is safe. With any fault, everything stays as it was.

        The log of the process says which. Raise Unavailable if the rules may not come into force, or could not be
        audited: then they stay as they were, too.
        """
        try:
            read = load()
            wanted = load_again(self._begun_with, read)
        except FaultySettings as faulty:
            for fault in faulty.faults:
                logger.warning("settings: %s", fault)
            logger.warning("the settings that were read again have faults: all stay as they were")
            return
        renew_tls = read_again()
        new = changed(self._ctx, wanted)
        # Before anybody uses them: whatever runs under these rules comes after this event in the log.
        announce(new)
        for use in self._uses:
            use(new)
        renew_tls()
        taken = ", ".join(differing(self._settings, wanted)) or "no change"
        if is_served():
            taken += "; certificate read again"
        self._settings, self._ctx = wanted, new
        logger.info("settings were read again; now in force: %s", taken)
        if waits := ", ".join(waiting(self._begun_with, read)):
            logger.warning("settings that changed, and wait for a restart: %s", waits)


# Whether a SIGHUP came since the settings were read, and nobody reloads yet.
_missed = threading.Event()


def note_signals() -> None:
    """Note each SIGHUP from now on, for `reloaded_by_signal`. Call this before the settings are read.

    By default the signal ends a process. If it was ignored, a role that was taken away while the process starts would
    last as long as the process. Nothing is noted outside of a process's main thread, where Python has no signals.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: _missed.set())
        # Whoever began this process may have blocked it until now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


@contextmanager
def reloaded_by_signal(reloading: Reloading) -> Iterator[None]:
    """Reload at each SIGHUP in this block, and at one that was noted before, in a thread of its own.

    Afterwards the signal is ignored. Nothing listens outside of a process's main thread, where Python has no signals.
    """
    # Its `put` may interrupt itself, as a signal's handler does.
    asked: SimpleQueue[bool] = SimpleQueue()

    def serve() -> None:
        while asked.get():
            attempt(reloading.reload, "the settings stay as they were", "reading the settings again failed")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    thread = threading.Thread(target=serve, name="reloading", daemon=True)
    thread.start()
    signal.signal(signal.SIGHUP, lambda *_: asked.put(True))  # noqa: FBT003  # no parameter of ours
    if _missed.is_set():
        _missed.clear()
        asked.put(True)  # noqa: FBT003
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        asked.put(False)  # noqa: FBT003
        thread.join()
