"""Prints what a new contract takes from those who rely on an old one: `python tools/breaking.py OLD NEW`.

It exits with 1 if there is such a change. Clients send what the old contract says, and have to tolerate members and
values that it does not name. So a change is breaking if something sent is no longer taken, or something read is gone.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Limits of what is sent: a larger value of the former takes more, a smaller value of the latter.
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """A contract, and the schemas that it names."""

    document: Json

    def schema(self, found: Json) -> Json:
        """Follow references until there is a schema."""
        while "$ref" in found:
            *_, name = found["$ref"].split("/")
            found = self.document["components"]["schemas"][name]
        return found

    def alternatives(self, found: Json) -> dict[str, Json]:
        """Return the plain schemas of which one holds, by the name or the type of each."""
        inside = found.get("anyOf") or found.get("oneOf")
        if inside is None:
            name = str(found.get("$ref", "").rpartition("/")[2] or found.get("type"))
            return {name: self.schema(found)}
        return {name: each for choice in inside for name, each in self.alternatives(choice).items()}

    @property
    def operations(self) -> dict[str, Json]:
        paths = self.document["paths"].items()
        return {
            f"{method.upper()} {path}": each[method] for path, each in paths for method in _METHODS if method in each
        }


class Comparison:
    """Two contracts. Schemas that refer to themselves are compared once for each direction."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = Side(old), Side(new)
        self._seen: set[tuple[str, str, bool]] = set()

    def changes(self) -> Iterator[str]:
        """Yield a line for each breaking change."""
        old, new = self._old.operations, self._new.operations
        for name, operation in old.items():
            if name not in new:
                yield f"{name}: it is gone"
            else:
                yield from self._operation(name, operation, new[name])

    def _operation(self, name: str, old: Json, new: Json) -> Iterator[str]:
        before, after = ({(p["in"], p["name"]): p for p in each.get("parameters", ())} for each in (old, new))
        for where, parameter in before.items():
            if where not in after:
                yield f"{name}: the parameter {where[1]} is gone"
            else:
                yield from self._schemas(f"{name} {where[1]}", parameter["schema"], after[where]["schema"], sent=True)
        for where, parameter in after.items():
            if parameter.get("required") and not before.get(where, {}).get("required"):
                yield f"{name}: the parameter {where[1]} is required now"
        if "requestBody" in new and new["requestBody"].get("required") and "requestBody" not in old:
            yield f"{name}: a body is required now"
        yield from self._bodies(f"{name} body", old.get("requestBody", {}), new.get("requestBody", {}), sent=True)
        for status, response in old["responses"].items():
            if status not in new["responses"]:
                yield f"{name}: the answer {status} is gone"
            else:
                yield from self._bodies(f"{name} {status}", response, new["responses"][status], sent=False)

    def _bodies(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: {kind} is gone"
            elif "schema" in content:
                yield from self._schemas(where, content["schema"], new["content"][kind]["schema"], sent=sent)

    def _schemas(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), sent)
        if pair in self._seen:
            return
        self._seen.add(pair)
        before, after = self._old.alternatives(old), self._new.alternatives(new)
        if len(before) == len(after) == 1:
            yield from self._plain(where, *before.values(), *after.values(), sent=sent)
            return
        for name, each in before.items():
            if name in after:
                yield from self._plain(where, each, after[name], sent=sent)
            elif sent:
                yield f"{where}: {name} is not taken any more"
        if not sent and "null" in after.keys() - before.keys():
            yield f"{where}: it may be null now"

    def _plain(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        if old.get("type") != new.get("type"):
            yield f"{where}: its type was {old.get('type')} and is {new.get('type')}"
        yield from self._members(where, old, new, sent=sent)
        if sent:
            yield from _narrower(where, old, new)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
                yield from self._schemas(f"{where}[]", old[part], new[part], sent=sent)

    def _members(self, where: str, old: Json, new: Json, *, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must_before, must_after = set(old.get("required", ())), set(new.get("required", ()))
        for name, member in before.items():
            if name not in after:
                yield f"{where}.{name}: it is gone"
            else:
                yield from self._schemas(f"{where}.{name}", member, after[name], sent=sent)
        for name in sorted((must_after - must_before) if sent else (must_before - must_after) & after.keys()):
            yield f"{where}.{name}: it is required now" if sent else f"{where}.{name}: it may be missing now"


def _narrower(where: str, old: Json, new: Json) -> Iterator[str]:
    """Yield what a schema took and takes no longer."""
    taken = _values(new)
    for value in _values(old) or ():
        if taken is not None and value not in taken:
            yield f"{where}: {value} is not taken any more"
    for limit in (*_UPPER, *_LOWER):
        if limit not in new:
            continue
        is_narrower = limit not in old or (new[limit] < old[limit] if limit in _UPPER else new[limit] > old[limit])
        if is_narrower:
            yield f"{where}: {limit} was {old.get(limit)} and is {new[limit]}"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{where}: its pattern is another"
    if taken is not None and _values(old) is None:
        yield f"{where}: only some values are taken now"


def _values(schema: Json) -> list[Any] | None:
    """Return the only values that a schema takes; None if it takes others too."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


if __name__ == "__main__":
    found = list(Comparison(*(json.loads(Path(name).read_text()) for name in sys.argv[1:])).changes())
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(bool(found))
