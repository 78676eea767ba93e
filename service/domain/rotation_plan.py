"""The plan of a rotation: how long each of its steps waits. It is filed, so the digest covers it."""

from dataclasses import dataclass
from datetime import timedelta

from service.domain.canonical import Document, Json, seconds

# AWS reports the last use of a key hours late, and the worker looks once an hour.
SHORTEST_STEP, LONGEST_STEP = timedelta(hours=1), timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPlan:
    """What a rotation waits for once the new key has arrived.

    The old key is deactivated when it has been unused for `unused_for`, or when somebody says so. Neither happens later
    than `cut_over_within` after the receipt. The old key is deleted `deletion_wait` after its deactivation.
    Raise ValueError for a step that is too short or too long, and for a cut-over that would always be too late.
    """

    unused_for: timedelta = timedelta(days=7)
    cut_over_within: timedelta = timedelta(days=30)
    deletion_wait: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        for step in (self.unused_for, self.cut_over_within, self.deletion_wait):
            if not SHORTEST_STEP <= step <= LONGEST_STEP:
                raise ValueError("a step of a rotation takes from one hour to 366 days")
        if self.unused_for >= self.cut_over_within:
            raise ValueError("the old key could never have been unused for so long before the deadline")

    def document(self) -> Document:
        """Return the durations in seconds."""
        return {
            "unused_for_seconds": seconds(self.unused_for),
            "cut_over_within_seconds": seconds(self.cut_over_within),
            "deletion_wait_seconds": seconds(self.deletion_wait),
        }

    @classmethod
    def from_document(cls, said: Json) -> "RotationPlan":
        """Invert `document`. Raise ValueError for anything else."""
        if not isinstance(said, dict) or said.keys() != cls().document().keys():
            raise ValueError("a plan of a rotation has these three durations")
        if not all(type(value) is int and 0 < value <= seconds(LONGEST_STEP) for value in said.values()):
            raise ValueError("a duration is a number of seconds")
        steps = {name.removesuffix("_seconds"): timedelta(seconds=float(str(value))) for name, value in said.items()}
        return cls(**steps)
