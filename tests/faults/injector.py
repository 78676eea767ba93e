"""What befalls the fleet, in an order that a seed gives, each time when the load has got some steps further."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from faults.fleet import LEASE_SECONDS, Fleet, Member
from faults.load import Load
from faults.proxy import Cut

from service.cli.waiting import wait_until


class Injector:
    """`done` counts the faults by kind."""

    def __init__(self, fleet: Fleet, load: Load, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._fleet, self._load = fleet, load
        self._random = random.Random(seed)
        self._thread = threading.Thread(target=self._go_on, name="faults")
        self._kinds: dict[str, Callable[[], None]] = {
            "replica killed": lambda: self._kill(self._random.choice(fleet.replicas)),
            "worker killed": lambda: self._kill(self._random.choice(fleet.workers)),
            "PostgreSQL crashed": fleet.server.crash,
            "COMMIT lost": lambda: self._cut(Cut.BEFORE),
            "COMMIT's answer lost": lambda: self._cut(Cut.AFTER),
            "replica frozen": lambda: self._freeze(self._random.choice(fleet.replicas)),
            "worker frozen": lambda: self._freeze(self._random.choice(fleet.workers)),
        }
        self._error: BaseException | None = None

    @property
    def kinds(self) -> set[str]:
        return set(self._kinds)

    def start(self, every_steps: int) -> None:
        self._every = every_steps
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _go_on(self) -> None:
        try:
            while not self._load.is_over.is_set():
                round_of_all = list(self._kinds)
                self._random.shuffle(round_of_all)
                for kind in round_of_all:
                    if not self._wait_for_steps():
                        return
                    self._kinds[kind]()
                    self.done[kind] += 1
        except BaseException as error:  # noqa: BLE001  # raised again where somebody waits for it
            self._error = error

    def _wait_for_steps(self) -> bool:
        """Whether there is a load that has got further."""
        goal = self._load.steps + self._every
        wait_until(lambda: self._load.is_over.is_set() or self._load.steps >= goal, what="the load to get further")
        return not self._load.is_over.is_set()

    def _kill(self, member: Member) -> None:
        assert member.process is not None
        member.process.kill()
        self._fleet.start(member)

    def _cut(self, how: Cut) -> None:
        so_far = len(self._fleet.proxy.cuts)
        self._fleet.proxy.cut_next_commit(how)
        wait_until(lambda: self._load.is_over.is_set() or len(self._fleet.proxy.cuts) > so_far, what="a COMMIT to cut")

    def _freeze(self, member: Member) -> None:
        """For longer than a lease. How long that is, only a clock says."""
        assert member.process is not None
        member.process.signal(signal.SIGSTOP)
        until = time.monotonic() + 2 * LEASE_SECONDS
        wait_until(lambda: time.monotonic() > until, what="the end of its leases")
        member.process.signal(signal.SIGCONT)
