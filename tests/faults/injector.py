"""What befalls the fleet, in an order that a seed gives, each time when the load has got some steps further.

Whom it befalls is in the middle of something: a replica has an execution to answer, a worker holds a lease.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from faults.fleet import LEASE_SECONDS, Fleet, FleetProcess
from faults.load import Load
from faults.proxy import Cut
from kill.processes import Process

from service.cli.waiting import wait_until

_AtWork = Callable[[], list[FleetProcess]]


class Injector:
    """`done` counts the faults by kind, those only that happened while there was a load."""

    def __init__(self, fleet: Fleet, load: Load, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._fleet, self._load = fleet, load
        self._random = random.Random(seed)
        self._thread = threading.Thread(target=self._go_on, name="faults")
        self._kinds: dict[str, Callable[[], bool]] = {
            "replica killed": lambda: self._kill(self._executing),
            "worker killed": lambda: self._kill(fleet.at_work),
            "PostgreSQL crashed": self._crash,
            "COMMIT lost": lambda: self._cut(Cut.BEFORE),
            "COMMIT's answer lost": lambda: self._cut(Cut.AFTER),
            "replica frozen": lambda: self._freeze(self._executing),
            "worker frozen": lambda: self._freeze(fleet.at_work),
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
                    self.done[kind] += self._kinds[kind]()
        except BaseException as error:  # noqa: BLE001  # raised again where somebody waits for it
            self._error = error

    def _wait_for_steps(self) -> bool:
        """Whether there is a load that has got further."""
        self._fleet.revive()
        goal = self._load.steps + self._every
        self._wait_until(lambda: self._load.steps >= goal, what="the load to get further")
        return not self._load.is_over.is_set()

    def _wait_until(self, condition: Callable[[], bool], *, what: str) -> None:
        """Or until the load is over: then nothing comes any more."""
        wait_until(lambda: self._load.is_over.is_set() or condition(), what=what)

    def _executing(self) -> list[FleetProcess]:
        found = zip(self._fleet.replicas, self._fleet.urls, strict=True)
        return [replica for replica, url in found if self._load.executing[url] > 0]

    def _stopped(self, at_work: _AtWork) -> FleetProcess | None:
        """Somebody who is at work now that it stands still, unless there is no more work."""
        while not self._load.is_over.is_set():
            self._wait_until(lambda: bool(at_work()), what="somebody at work")
            for victim in self._random.sample(found := at_work(), len(found)):
                _process(victim).signal(signal.SIGSTOP)
                if victim in at_work():
                    return victim
                _process(victim).signal(signal.SIGCONT)
        return None

    def _kill(self, at_work: _AtWork) -> bool:
        victim = self._stopped(at_work)
        if victim is None:
            return False
        _process(victim).kill()
        self._fleet.start(victim)
        return True

    def _freeze(self, at_work: _AtWork) -> bool:
        """For longer than a lease. How long that is, only a clock says."""
        victim = self._stopped(at_work)
        if victim is None:
            return False
        until = time.monotonic() + 2 * LEASE_SECONDS
        wait_until(lambda: time.monotonic() > until, what="the end of its leases")
        _process(victim).signal(signal.SIGCONT)
        return True

    def _crash(self) -> bool:
        self._fleet.server.crash()
        return True

    def _cut(self, how: Cut) -> bool:
        proxy = self._fleet.proxy
        so_far = len(proxy.cuts)
        proxy.cut_next_commit(how)
        self._wait_until(lambda: len(proxy.cuts) > so_far, what="a COMMIT to cut")
        return len(proxy.cuts) > so_far


def _process(member: FleetProcess) -> Process:
    assert member.process is not None
    return member.process
