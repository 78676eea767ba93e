"""The secret of a new key."""

import hmac
from typing import NoReturn


class Secret:
    """A secret that only `reveal()` shows.

    repr, str and format hide it. It cannot be pickled or copied, so it gets into no cache and no queue by accident.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash could be compared with those of guesses

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")
