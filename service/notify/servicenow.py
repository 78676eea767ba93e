"""ServiceNow, by its Table API: a work note on the record for each event.

Source: ServiceNow's documentation of the Table API and of encoded query strings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.notify.markup import work_note
from service.notify.message import Message
from service.notify.rest import Forbidden, NotFound, Refused, Rest, part

TICKET_PATTERN = re.compile("[A-Z][A-Z_]{1,19}[0-9]{4,20}")

_ANY_TIME = datetime.min.replace(tzinfo=UTC)
_JOURNAL = "/api/now/table/sys_journal_field"
_HARMLESS = re.compile("[A-Za-z0-9_-]+")
_SYS_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """The records of `table`, by their number such as `INC0010023`. Only staff can read work notes."""

    rest: Rest
    table: str

    def check(self) -> None:
        """Read any record and any work note, which changes nothing. Raise Refused, Unreachable, Unsafe.

        ServiceNow silently omits what we may not read, so this cannot detect a missing right.
        """
        for path in (self._path, _JOURNAL):
            part(list, self.rest.call("GET", path, query={"sysparm_limit": 1, "sysparm_fields": "sys_id"}), "result")

    def has_comment(self, ticket: str, marker: str, _since: datetime) -> bool:
        """Find the note. Return False also if we may not read work notes."""
        return self._has_note(
            _term("element_id", "=", self._record(ticket)["sys_id"]),
            _term("element", "=", "work_notes"),
            _term("value", "LIKE", marker),
            marker=marker,
        )

    def comment(self, ticket: str, message: Message) -> None:
        """Write the note, and check that it is there: without the right to write a field, ServiceNow ignores it and
        answers 200. If no work note at all is visible to us, trust the answer.
        """
        self._change(ticket, {"work_notes": work_note(message)})
        if not self.has_comment(ticket, message.marker, _ANY_TIME) and self._has_note():
            raise Refused("the record did not take the work note")

    def state(self, ticket: str) -> str:
        """Return the state as the service's user sees it, in that user's language."""
        return self._record(ticket)["state"]

    def move(self, ticket: str, state: str) -> None:
        changed = self._change(ticket, {"state": state}, sysparm_input_display_value="true")
        if part(str, changed, "state") != state:
            raise Refused("the record did not take that state")

    def _has_note(self, *conditions: str, marker: str = "") -> bool:
        query: dict[str, str | int] = {
            "sysparm_query": "^".join(conditions),
            "sysparm_fields": "value",
            "sysparm_limit": 1,
        }
        try:
            found = part(list, self.rest.call("GET", _JOURNAL, query=query), "result")
        except Forbidden:
            return False
        # ServiceNow ignores a condition that it does not understand, and then returns any note.
        return any(marker in part(str, note, "value") for note in found)

    @property
    def _path(self) -> str:
        return f"/api/now/table/{self.table}"

    def _record(self, ticket: str) -> Mapping[str, str]:
        answer = self.rest.call(
            "GET",
            self._path,
            query={
                "sysparm_query": _term("number", "=", ticket),
                "sysparm_fields": "sys_id,number,state",
                "sysparm_display_value": "true",
                "sysparm_limit": 2,
            },
        )
        found = [
            {name: part(str, record, name) for name in ("sys_id", "number", "state")}
            for record in part(list, answer, "result")
        ]
        # Drop records with another number: ServiceNow ignored the condition.
        found = [record for record in found if record["number"] == ticket and _SYS_ID.fullmatch(record["sys_id"])]
        if not found:
            raise NotFound("no record has that number")
        if len(found) > 1:
            raise Refused("two records have that number")
        return found[0]

    def _change(self, ticket: str, change: Mapping[str, str], **how: str) -> Any:
        sys_id = self._record(ticket)["sys_id"]
        query = {"sysparm_fields": "state", "sysparm_display_value": "true", **how}
        return part(dict, self.rest.call("PATCH", f"{self._path}/{sys_id}", change, query=query), "result")


def _term(column: str, operator: str, value: str) -> str:
    """Make one condition of an encoded query. It has no escapes, and `^` would begin another. Raise Refused."""
    if not _HARMLESS.fullmatch(value):
        raise Refused("the query cannot hold that value")
    return f"{column}{operator}{value}"
