"""Caches what botocore, httpx and moto would compute again for each session, client and call with the same result.

The tests make thousands of them. The cache contains no credentials.
"""

import os
from collections.abc import Callable
from functools import cache
from inspect import CO_VARKEYWORDS
from ssl import SSLContext
from typing import Any

import httpx._transports.default
from botocore import hooks
from botocore.client import ClientCreator
from botocore.model import ServiceModel
from moto.core import responses


def keep_what_never_changes() -> None:
    """Patch all three in this process, for good."""
    hooks.accepts_kwargs = _quick(hooks.accepts_kwargs)
    _copy_no_handlers()
    hooks.EventAliaser.__init__ = _sharing_names(hooks.EventAliaser.__init__)  # type: ignore[method-assign]
    ClientCreator._create_methods = _keeping(ClientCreator._create_methods)  # type: ignore[attr-defined]
    responses.method_names_from_class = cache(responses.method_names_from_class)  # type: ignore[attr-defined]
    transports = httpx._transports.default
    transports.create_ssl_context = _trusting(transports.create_ssl_context)  # type: ignore[attr-defined]


def _trusting(create: Callable[..., SSLContext]) -> Callable[..., SSLContext]:
    """Read the authorities of each place once. A client that gets no context of its own never changes it."""
    made: dict[tuple[str | None, ...], SSLContext] = {}

    def trusting(*, verify: Any, cert: Any, trust_env: bool) -> SSLContext:
        if verify is not True or cert is not None or not trust_env:
            return create(verify=verify, cert=cert, trust_env=trust_env)
        place = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if place not in made:
            made[place] = create()
        return made[place]

    return trusting


def _quick(accepts_kwargs: Callable[..., Any]) -> Callable[..., Any]:
    """Read from a function's code what botocore gets from `inspect`."""

    def quick(function: Any) -> Any:
        code = getattr(function, "__code__", None)
        return accepts_kwargs(function) if code is None else code.co_flags & CO_VARKEYWORDS

    return quick


def _copy_no_handlers() -> None:
    """Let all emitters share their handlers, of which each client copies hundreds to add a few.

    What adds a handler makes the nodes on the way to it anew, so that nobody else has it.
    """
    trie: Any = hooks._PrefixTrie  # type: ignore[attr-defined]
    remove, copied_whole = trie.remove_item, trie.__copy__

    def copied(self: Any) -> Any:
        new = trie()
        new._root = self._root
        return new

    def append_item(self: Any, key: str, value: object, section: int = 1) -> None:
        node = self._root = dict(self._root)
        for part in key.split("."):
            children = node["children"] = dict(node["children"])
            node = children[part] = dict(children.get(part) or {"chunk": part, "children": {}, "values": None})
        values = [list(each) for each in node["values"] or ((), (), ())]
        values[section].append(value)
        node["values"] = hooks.NodeList(*values)

    def remove_item(self: Any, key: str, value: object) -> None:
        self._root = copied_whole(self)._root
        remove(self, key, value)

    trie.__copy__, trie.append_item, trie.remove_item = copied, append_item, remove_item


def _sharing_names(init: Callable[..., None]) -> Callable[..., None]:
    """Share the cache of event names, which come from one table; each emitter would fill its own."""
    names: dict[str, str] = {}

    def sharing(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._alias_name_cache = names

    return sharing


def _keeping(create: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Keep a service's methods, from which each client makes its own class."""
    made: dict[str, dict[str, Any]] = {}

    def keeping(self: Any, service_model: ServiceModel) -> dict[str, Any]:
        name = service_model.service_name
        if name not in made:
            made[name] = create(self, service_model)
        return dict(made[name])

    return keeping
