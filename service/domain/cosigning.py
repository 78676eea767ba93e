"""When a witness is to cosign which head of the log, and what its refusals say.

All witnesses are asked for the same head where possible: a policy counts how many have cosigned one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.incident import is_to_come


class Contradiction(StrEnum):
    """How a witness's answer contradicts this log."""

    CUT = "it knows a larger log of this name: this one may have been cut"
    FORKED = "it knows another log of this name and size: this one may have been written anew"
    UNPROVED = "it knows a head that this log does not begin with: somebody may have rewritten it"


class NotCosigned(Exception):
    """A witness gave no good cosignature. The text quotes nothing of its answer."""


class Contradicted(NotCosigned):
    """A witness knows a head that this log does not lead to, by its answer. `size` is that of the head it knows."""

    def __init__(self, how: Contradiction, size: int) -> None:
        super().__init__(how.value)
        self.how = how
        self.size = size


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The last head that a witness cosigned: its size, and when that was kept. 0 and None: it never cosigned one.

    `behind_since` is the time of the first event after that head; None if there is none.
    """

    size: int
    at: datetime | None
    behind_since: datetime | None

    def waits_since(self, watched: datetime) -> datetime | None:
        """Return since when the log waits for this witness. It is watched since `watched`.

        Before that, a witness that never cosigned anything may not have been named yet.
        """
        if self.behind_since is None or self.size:
            return self.behind_since
        return max(self.behind_since, watched)


def size_due(log: int, last: Mapping[str, Cosigned], witness: str, now: datetime, interval: timedelta) -> int | None:
    """Return the size of the head that a witness is to cosign now, None if it need not. `log` is the log's size.

    A round begins when the log has grown and the last round began at least `interval` ago. Until then, whoever has not
    cosigned its head is asked for just that one.
    """
    own = last[witness].size
    newest = max(each.size for each in last.values())
    begun = min((each.at for each in last.values() if each.size == newest and each.at is not None), default=None)
    is_young = begun is not None and not is_to_come(begun, now) and now - begun < interval
    wanted = newest if is_young else log
    return wanted if own < wanted <= log else None
