"""A destination of the tests: the one thing that really leaves the building."""

from collections.abc import Callable
from dataclasses import dataclass, field

from service.domain.delivery import Answer, Attempt, Notice


@dataclass
class Post:
    """A destination: what it was sent, and how it answers."""

    answer: Callable[[Notice], Answer] = lambda _: Answer.DELIVERED
    only: frozenset[str] | None = None
    sent: list[Notice] = field(default_factory=list)

    def wants(self, event: str) -> bool:
        return self.only is None or event in self.only

    def deliver(self, notice: Notice) -> Attempt:
        self.sent.append(notice)
        return Attempt(self.answer(notice), "It said so.")

    @property
    def events(self) -> list[str]:
        return [notice.event for notice in self.sent]
