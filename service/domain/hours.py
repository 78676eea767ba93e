"""The hours in which a rule lets an operation run that lets somebody in as root."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.canonical import Document, Json

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The days to search for the next opening: a year and the longest closing that anybody would write.
_SEARCHED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open on `days` (0 is Monday) from `opens` until just before `closes`, by the clocks of the IANA time zone `zone`.

    If `closes` is not after `opens`, it is on the next day. Nothing is open on a date in `closed_on`, nor in the hours
    that begin on it. In a zone that this host does not know, it is never open.
    """

    days: frozenset[int]
    opens: time
    closes: time
    zone: str
    closed_on: frozenset[date] = frozenset()

    def is_open(self, now: datetime) -> bool:
        """Return whether the clocks of the zone are within the hours. A change of the clocks moves the hours."""
        try:
            local = now.astimezone(ZoneInfo(self.zone))
        except (ZoneInfoNotFoundError, ValueError):
            return False
        today, clock = local.date(), local.time()
        if self.opens < self.closes:
            return self.opens <= clock < self.closes and self._is_open_on(today)
        if clock >= self.opens:
            return self._is_open_on(today)
        return clock < self.closes and self._is_open_on(today - timedelta(days=1)) and today not in self.closed_on

    def openings(self, now: datetime) -> Iterator[datetime]:
        """Yield when it opens after `now`, soonest first, in UTC."""
        try:
            zone = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            return
        today = now.astimezone(zone).date()
        for days in range(_SEARCHED):
            # A time that the clocks skip is taken as the same time before they changed.
            opens = datetime.combine(today + timedelta(days=days), self.opens, zone).astimezone(UTC)
            if opens > now and self.is_open(opens):
                yield opens

    def document(self) -> Document:
        return {
            "days": [DAYS[day] for day in sorted(self.days)],
            "opens": self.opens.isoformat("minutes"),
            "closes": self.closes.isoformat("minutes"),
            "zone": self.zone,
            "closed_on": list[Json](sorted(day.isoformat() for day in self.closed_on)),
        }

    @classmethod
    def from_document(cls, document: Any) -> "Hours":
        """Invert `document`. Raise KeyError, TypeError or ValueError for anything else."""
        return cls(
            days=frozenset(DAYS.index(day) for day in document["days"]),
            opens=time.fromisoformat(document["opens"]),
            closes=time.fromisoformat(document["closes"]),
            zone=str(document["zone"]),
            closed_on=frozenset(date.fromisoformat(day) for day in document["closed_on"]),
        )

    def _is_open_on(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.closed_on


def are_open(hours: Collection[Hours], now: datetime) -> bool:
    """Return whether all of these hours are open; True if there are none."""
    return all(each.is_open(now) for each in hours)


def next_opening(hours: Collection[Hours], now: datetime) -> datetime | None:
    """Return when all of these hours are open next, in UTC. None if that is more than a year away."""
    return min((at for each in hours for at in each.openings(now) if are_open(hours, at)), default=None)
