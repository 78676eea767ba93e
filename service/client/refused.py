"""The one exception of a client."""

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """The reason why nothing was done, as a sentence for the person. It may quote the server, so show it as text.

    `may_have_acted` is true if the server may have done it all the same, since no answer came. `problem` is what the
    server answered with a refusal of its own.
    """

    def __init__(
        self, sentence: str, *, may_have_acted: bool = False, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(sentence)
        self.may_have_acted = may_have_acted
        self.problem = problem
