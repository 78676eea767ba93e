"""Regular expressions of the settings. Strangers choose the text that they are matched against.

Rust's engine, which pydantic brings, matches in time linear to the text (documentation of the crate `regex`). Python's
own can need exponential time for a pattern such as `([A-Z]+)+-1`.
"""

from functools import cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from service.settings.checks import wrong


def check(pattern: str) -> str:
    """Return the pattern. Raises ValueError if it is none, or one that needs look-around or a back-reference."""
    try:
        _compiled(pattern)
    except SchemaError:
        raise wrong("it has to be a regular expression without look-around and back-references") from None
    return pattern


def matches(pattern: str, text: str) -> bool:
    """Tell whether the pattern, which `check` accepted, matches the whole text."""
    try:
        _compiled(pattern).validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$", regex_engine="rust-regex"))
