"""Keeps what botocore would work out again for each session and each client, and which is the same every time.

The tests make thousands of both. Nothing that is kept knows a credential.
"""

from collections.abc import Callable
from inspect import CO_VARKEYWORDS
from typing import Any

from botocore import hooks
from botocore.client import ClientCreator
from botocore.model import ServiceModel


def keep_what_never_changes() -> None:
    """Patch botocore in this process, for good."""
    hooks.accepts_kwargs = _quick(hooks.accepts_kwargs)
    hooks.EventAliaser.__init__ = _sharing_names(hooks.EventAliaser.__init__)  # type: ignore[method-assign]
    ClientCreator._create_methods = _keeping(ClientCreator._create_methods)  # type: ignore[attr-defined]


def _quick(accepts_kwargs: Callable[..., Any]) -> Callable[..., Any]:
    """Read from a function's code what botocore asks `inspect` for."""

    def quick(function: Any) -> Any:
        code = getattr(function, "__code__", None)
        return accepts_kwargs(function) if code is None else code.co_flags & CO_VARKEYWORDS

    return quick


def _sharing_names(init: Callable[..., None]) -> Callable[..., None]:
    """Which event is called how follows from one table; each emitter would fill a cache of its own."""
    names: dict[str, str] = {}

    def sharing(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._alias_name_cache = names

    return sharing


def _keeping(create: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A service's operations as methods; each client has a class of its own, made of them."""
    made: dict[str, dict[str, Any]] = {}

    def keeping(self: Any, service_model: ServiceModel) -> dict[str, Any]:
        name = service_model.service_name
        if name not in made:
            made[name] = create(self, service_model)
        return dict(made[name])

    return keeping
