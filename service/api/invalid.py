"""What is wrong with an input: where, by the contract's own names, and what may stand there. Nothing is echoed."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from service.domain.errors import Invalid, ServiceError

# pydantic's messages of these kinds speak of the rule only, as do our own; all others may quote what was sent.
_SAFE_MESSAGES = {
    "bool_parsing",
    "bool_type",
    "enum",
    "greater_than_equal",
    "int_parsing",
    "int_type",
    "less_than_equal",
    "literal_error",
    "missing",
    "of_ours",
    "string_pattern_mismatch",
    "string_too_long",
    "string_too_short",
    "string_type",
}
_OTHER_REASONS = {
    "json_invalid": "This is not JSON.",
    "model_attributes_type": "This is not a JSON object.",
}
_NO_JSON = "Send the body as application/json."
UNSAID = "This value is not valid here."

Json = Mapping[str, Any]
Place = dict[str, object]


def invalid_fields(request: Request, error: RequestValidationError) -> list[Place]:
    """Name each place of an input that does not have the documented form, and say why."""
    contract = _Contract(request)
    found: list[Place] = []
    for fault in error.errors():
        # FastAPI reads JSON where a header says that it is JSON.
        is_unread = isinstance(error.body, bytes) and fault["loc"][0] == "body"
        place = _place(("header", "Content-Type"), _NO_JSON) if is_unread else contract.place(fault)
        if place not in found:
            found.append(place)
    return found


def refused_fields(request: Request, refusal: ServiceError) -> list[Place]:
    """Name the place of an input that a rule refuses; none where the rule is about something else than this input."""
    name = refusal.field if isinstance(refusal, Invalid) else None
    location = _Contract(request).location_of(name) if name else None
    return [_place(location, refusal.detail)] if location else []


def _place(location: Sequence[str | int], reason: str) -> Place:
    return {"location": [*location], "reason": reason}


class _Contract:
    """Holds what the contract says of the route that was asked."""

    def __init__(self, request: Request) -> None:
        document: Json = request.app.openapi()
        # Of routes that are not in the contract nothing is known.
        operations: Json = document["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
        operation: Json = operations.get(request.method.lower(), {})
        self._schemas: Json = document["components"]["schemas"]
        self._parameters: list[Json] = operation.get("parameters", [])
        content: Json = operation.get("requestBody", {}).get("content", {})
        self._body = self._resolved(content.get("application/json", {}).get("schema", {}))

    def place(self, fault: Json) -> Place:
        kind, location = fault["type"], list(fault["loc"])
        choice: Json = self._body.get("discriminator", {"mapping": {}})
        if kind in {"union_tag_invalid", "union_tag_not_found"}:
            return _place([*location, choice["propertyName"]], f"Send one of: {', '.join(choice['mapping'])}.")
        body = self._body
        if location[0] == "body" and location[1:2] and location[1] in choice["mapping"]:
            # pydantic's word for which kind of body it is, and no place in it
            body = self._resolved({"$ref": choice["mapping"][location.pop(1)]})
        if kind == "extra_forbidden":  # the unknown name itself is input
            known = body.get("properties", {}) if location[0] == "body" else self._names(location[0])
            return _place(location[:-1], f"There is a name that is not known here. Known are: {', '.join(known)}.")
        return _place(location, fault["msg"] if kind in _SAFE_MESSAGES else _OTHER_REASONS.get(kind, UNSAID))

    def location_of(self, name: str) -> tuple[str, str] | None:
        """Find where a parameter or a field of this name stands; None where there is none."""
        for parameter in self._parameters:
            if parameter["name"] == name:
                return parameter["in"], name
        bodies = [self._resolved(body) for body in self._body.get("oneOf", [self._body])]
        return ("body", name) if any(name in body.get("properties", {}) for body in bodies) else None

    def _names(self, kind: str) -> list[str]:
        return [parameter["name"] for parameter in self._parameters if parameter["in"] == kind]

    def _resolved(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        return self._schemas[reference.rpartition("/")[2]] if reference else schema
