"""The code of a refusal."""

from collections.abc import Callable

from service.domain.errors import Code, ServiceError


def code_of(call: Callable[[], object]) -> Code | None:
    """Return the code by which a call is refused, None if it is not."""
    try:
        call()
    except ServiceError as refusal:
        return refusal.code
    return None
