"""Describes bodies by the names of their examples.

The examples take as long to make as fifty routes. A process makes them only when its contract is asked for.
"""

from typing import Any

Json = dict[str, Any]


def named(**bodies: tuple[str, object]) -> Json:
    """Return each example with its summary."""
    return {name: {"summary": summary, "value": value} for name, (summary, value) in bodies.items()}


def answer(description: str, *names: str, status: int = 200, headers: Json | None = None) -> dict[int | str, Json]:
    """Document a route's JSON response, with examples from `ANSWERS`."""
    content = {"application/json": {"examples": examples(*names)}}
    return {status: {"description": description, "content": content} | ({"headers": headers} if headers else {})}


def text(media_type: str, description: str, name: str) -> dict[int | str, Json]:
    """Document a route's text response, with an example from `ANSWERS`."""
    content = {media_type: {"schema": {"type": "string"}, "examples": examples(name)}}
    return {200: {"description": description, "content": content}}


def examples(*names: str) -> Json:
    """Refer to examples by name: FastAPI strips nulls from examples that stand in a route."""
    return {name: {"$ref": f"#/components/examples/{name}"} for name in names}


def bodies(group: str) -> Json:
    """Stand for a group of examples of a request's body. `fill` puts them there."""
    return {group: {}}


def fill(content: Json, groups: Json) -> None:
    """Replace what `bodies` left in a media type object by the examples of the group."""
    for group in groups.keys() & content.get("examples", {}).keys():
        content["examples"] = groups[group]
