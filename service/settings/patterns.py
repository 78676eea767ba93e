"""Regular expressions from the settings. They are matched against untrusted text.

Rust's engine, which comes with pydantic, matches in linear time (documentation of the crate `regex`). Python's own can
take exponential time for a pattern such as `([A-Z]+)+-1`.
"""

from functools import cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from service.settings.checks import wrong


def check(pattern: str) -> str:
    """Return the pattern. Raise ValueError if it is invalid, or needs look-around or a back-reference."""
    try:
        _compiled(pattern)
    except SchemaError:
        raise wrong("it has to be a regular expression without look-around and back-references") from None
    return pattern


def matches(pattern: str, text: str) -> bool:
    """Return whether the pattern, which `check` accepted, matches the whole text."""
    try:
        _compiled(pattern).validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$", regex_engine="rust-regex"))
