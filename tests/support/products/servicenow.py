"""The part of ServiceNow's Table API that we use, by its documentation: "Table API" (the methods, `sysparm_query`,
`sysparm_fields`, `sysparm_limit`, `sysparm_display_value`, `sysparm_input_display_value`), "Encoded query strings"
(`^` between conditions, `=` and `LIKE`), and "Journal fields" (an entry is a row of `sys_journal_field`).

Everything undocumented is refused. One documented case is not: a condition on a missing column is ignored.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from support.products.trackers import Asked, Comment, Product, TrackerRefusal

SYS_ID = "9d385017c611228701d22104cc95c371"
_TABLE = "/api/now/table/"
_QUERY = {"sysparm_query", "sysparm_fields", "sysparm_limit", "sysparm_display_value"}
_STATES = {"1": "open", "7": "closed"}


class ServiceNowProduct(Product):
    """A ServiceNow with one incident."""

    authorization = "Basic cm9vdHF1b3J1bTpzZXJ2aWNlbm93LXBhc3N3b3Jk"

    def __init__(self) -> None:
        super().__init__()
        # Other records that a careless query would also find.
        self.incidents: list[Mapping[str, str]] = []
        # If off, it ignores the notes and answers as if it had written them.
        self.may_write_notes = True
        # Without the right to read notes it returns none, or answers 403.
        self.shows_notes: Literal["all", "none", "403"] = "all"

    def answer(self, asked: Asked) -> Any:
        match asked.method, asked.path.removeprefix(_TABLE):
            case "GET", "incident":
                return self._list(asked.query, [self._incident(), *self.incidents], {"number", "sys_id", "state"})
            case "GET", "sys_journal_field" if self.shows_notes == "403":
                raise TrackerRefusal(403)
            case "GET", "sys_journal_field":
                notes = [
                    {"sys_id": "0" * 32, "element_id": SYS_ID, "element": "work_notes", "value": note.body}
                    for note in self.comments
                    if self.shows_notes == "all"
                ]
                return self._list(asked.query, notes, {"sys_id", "element_id", "element", "value"})
            case "PATCH", path if path == f"incident/{SYS_ID}":
                return self._changed(asked)
        raise TrackerRefusal(404)

    def _incident(self) -> Mapping[str, str]:
        return {"number": "INC0010012", "sys_id": SYS_ID, "state": self.state}

    def _list(self, query: Mapping[str, str], rows: Sequence[Mapping[str, str]], columns: set[str]) -> Any:
        if set(query) - _QUERY or not query["sysparm_limit"].isdigit():
            raise TrackerRefusal(400)
        for condition in filter(None, query.get("sysparm_query", "").split("^")):
            found = re.fullmatch("([a-z_]+)(=|LIKE)(.*)", condition)
            if found and found[1] in columns:
                rows = [row for row in rows if _holds(row[found[1]], found[2], found[3])]
        fields = query["sysparm_fields"].split(",")
        shown = [{name: row[name] for name in fields if name in row} for row in rows]
        return {"result": shown[: int(query["sysparm_limit"])]}

    def _changed(self, asked: Asked) -> Any:
        how = asked.query.get("sysparm_input_display_value", "false")
        if set(asked.query) - _QUERY - {"sysparm_input_display_value"} or how not in {"true", "false"}:
            raise TrackerRefusal(400)
        if not asked.body or set(asked.body) - {"work_notes", "state"}:
            raise TrackerRefusal(400)
        if "work_notes" in asked.body and self.may_write_notes:
            self.comments.append(Comment(asked.body["work_notes"]))
        if "state" in asked.body:
            given = asked.body["state"]
            shown = given if how == "true" else _STATES.get(given, given)
            self.state = shown if shown in _STATES.values() else self.state
        return {"result": {name: self._incident()[name] for name in asked.query["sysparm_fields"].split(",")}}


def _holds(value: str, operator: str, wanted: str) -> bool:
    return value == wanted if operator == "=" else wanted in value
