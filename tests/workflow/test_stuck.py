"""Deliveries that one destination does not take, by the hundred: they hold up no others, they are not forgotten, and a
destination that is down does not hear of them all the time.

A pass is made whenever the worker would make one; nobody sleeps.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, takewhile

import pytest
from support.builders import Watch
from support.destinations import Post
from support.house import House

from service.db import outbox
from service.db.engine import begin, read
from service.db.outbox import Wanted
from service.domain.actor import WORKER
from service.domain.delivery import GIVE_UP_AFTER, Answer, DeliveryStatus, Notice
from service.domain.event_table import DRIFT_FOUND
from service.domain.events import Event
from service.worker import Backoff, run_pass
from service.workflow.tell import tell

INTERVAL = timedelta(seconds=2)


@dataclass
class StuckDestination:
    """A destination that does not take what is about `stuck` accounts; each of them is a stream of its own."""

    house: House
    stuck: set[str] = field(default_factory=set)
    is_down: bool = False

    def __post_init__(self) -> None:
        self.post = Post(self._answer)
        self.tried: Counter[str] = Counter()
        self.numbers = count(1)
        self.watch = Watch()
        self.backoff = Backoff(self.watch, chance=lambda: 0)
        self.house.change(destinations={"desk": self.post})

    def _answer(self, notice: Notice) -> Answer:
        account = str(notice.document["data"]["account_id"])  # type: ignore[index, call-overload]
        self.tried[account] += 1
        return Answer.AGAIN if self.is_down or account in self.stuck else Answer.DELIVERED

    def files(self, many: int, *, stuck: bool = False) -> list[str]:
        accounts = [f"{next(self.numbers):012}" for _ in range(many)]
        self.stuck.update(accounts if stuck else ())
        ctx = self.house.ctx
        with begin(ctx.engine) as tx:
            for account in accounts:
                tell(ctx, tx, Event(DRIFT_FOUND, {"account_id": account}), actor=WORKER, at=ctx.now())
        return accounts

    def passes(self, during: timedelta, every: timedelta = INTERVAL) -> Iterator[timedelta]:
        """When each was made, from now on."""
        for number in takewhile(lambda number: number * every < during, count()):
            run_pass(self.house.ctx, self.backoff)
            yield number * every
            self.house.clock.advance(every)
            self.watch.seconds += every.total_seconds()

    def waited(self, account: str, during: timedelta, every: timedelta = INTERVAL) -> timedelta:
        """Until it was told of this."""
        return next(at for at in self.passes(during, every) if self.tried[account])

    def statuses(self) -> Counter[DeliveryStatus]:
        with read(self.house.ctx.engine) as tx:
            found = [outbox.page(tx, Wanted(status=status), after=None, limit=1000) for status in DeliveryStatus]
        return Counter(delivery.status for each in found for delivery in each)


@pytest.fixture
def desk(sqlite_house: House) -> StuckDestination:
    return StuckDestination(sqlite_house)


@pytest.mark.parametrize("many", [20, 60, 300])
def test_what_is_new_waits_for_no_pass_behind_what_was_tried_in_vain(desk: StuckDestination, many: int) -> None:
    desk.files(many, stuck=True)
    list(desk.passes(timedelta(minutes=20), every=timedelta(seconds=10)))
    assert min(desk.tried.values()) > 1
    for _ in range(3):
        [new] = desk.files(1)
        assert desk.waited(new, timedelta(minutes=1)) == timedelta(0)


@pytest.mark.parametrize("many", [60, 300])
def test_what_is_new_waits_minutes_behind_what_is_as_new_and_not_taken(desk: StuckDestination, many: int) -> None:
    desk.files(many, stuck=True)
    [last] = desk.files(1)
    assert desk.waited(last, timedelta(minutes=10)) < timedelta(minutes=3)


def test_what_failed_once_has_its_turn_among_hundreds_that_fail_always(desk: StuckDestination) -> None:
    desk.files(300, stuck=True)
    list(desk.passes(timedelta(minutes=30), every=timedelta(seconds=20)))
    [once] = desk.files(1, stuck=True)
    list(desk.passes(INTERVAL))
    assert desk.tried.pop(once) == 1
    desk.stuck.remove(once)
    assert desk.waited(once, timedelta(hours=1), every=timedelta(seconds=20)) <= timedelta(minutes=35)


def test_what_is_tried_again_has_its_turn_beside_more_that_is_new_than_a_pass_sends(desk: StuckDestination) -> None:
    """And is given up after a day, as anything else."""
    [stuck] = desk.files(1, stuck=True)
    attempts = []
    for _ in desk.passes(GIVE_UP_AFTER + timedelta(hours=1), every=timedelta(hours=1)):
        attempts.append(desk.tried[stuck])
        desk.files(60)
    assert attempts[:6] == [1, 2, 3, 4, 5, 6]
    assert desk.statuses()[DeliveryStatus.FAILED] == 1


def test_one_that_is_down_is_left_alone_however_much_there_is_to_tell(desk: StuckDestination) -> None:
    """Nine passes of each kind in its first minutes, and then one in a pause, though pauses are as short as can be."""
    desk.is_down = True
    desk.backoff = Backoff(desk.watch, chance=lambda: 1)
    desk.files(300)
    heard = [0]
    for at in desk.passes(timedelta(hours=1), every=timedelta(seconds=5)):
        heard.append(desk.tried.total())
        if at % timedelta(minutes=1) == timedelta(0):
            desk.files(1)
    first, pause = 600 // 5, 150 // 5
    assert heard[first] <= 9 * 2 * 50
    assert max(later - before for before, later in zip(heard[first:], heard[first + pause :], strict=False)) <= 2 * 50
    desk.is_down = False
    list(desk.passes(timedelta(minutes=6), every=timedelta(seconds=2)))
    assert desk.statuses() == {DeliveryStatus.DELIVERED: 360}


def test_one_that_is_down_is_left_alone_though_nothing_is_due_for_moments(desk: StuckDestination) -> None:
    desk.is_down = True
    heard = []
    for at in desk.passes(timedelta(hours=1)):
        heard.append(desk.tried.total())
        if at % timedelta(seconds=20) == timedelta(0):
            desk.files(1)
    assert len(set(heard)) <= 2 * (9 + 3600 // 300)
