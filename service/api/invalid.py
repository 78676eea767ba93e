"""Describes invalid input: where it is, in the contract's own names, and what is valid there. No input is echoed."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from service.domain.errors import Invalid, ServiceError

# pydantic's messages of these kinds, and our own, state only the rule. All others may quote the input.
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
    """List each place where the input does not have the documented form, with the reason."""
    contract = _Contract(request)
    found: list[Place] = []
    for fault in error.errors():
        # FastAPI parses a body as JSON only if a header declares it as JSON.
        is_unread = isinstance(error.body, bytes) and fault["loc"][0] == "body"
        place = _place(("header", "Content-Type"), _NO_JSON) if is_unread else contract.place(fault)
        if place not in found:
            found.append(place)
    return found


def refused_fields(request: Request, refusal: ServiceError) -> list[Place]:
    """List the place in the input that a rule refuses; empty if the rule is not about this input."""
    name = refusal.field if isinstance(refusal, Invalid) else None
    location = _Contract(request).location_of(name) if name else None
    return [_place(location, refusal.detail)] if location else []


def _place(location: Sequence[str | int], reason: str) -> Place:
    return {"location": [*location], "reason": reason}


class _Contract:
    """The contract of the route that was called."""

    def __init__(self, request: Request) -> None:
        document: Json = request.app.openapi()
        # Routes outside the contract have no operation.
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
            # pydantic puts the kind of body first; it is not a place in the body
            body = self._resolved({"$ref": choice["mapping"][location.pop(1)]})
        if kind == "extra_forbidden":  # the unknown name itself is input
            known = body.get("properties", {}) if location[0] == "body" else self._names(location[0])
            return _place(location[:-1], f"There is an unknown name here. Known names: {', '.join(known)}.")
        return _place(location, fault["msg"] if kind in _SAFE_MESSAGES else _OTHER_REASONS.get(kind, UNSAID))

    def location_of(self, name: str) -> tuple[str, str] | None:
        """Return the location of the parameter or field of this name, or None."""
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
