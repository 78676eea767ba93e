"""Authorization: a small evaluator of IAM policy documents.

It evaluates Effect, Action, NotAction, Resource, NotResource, and the condition operators for equal and similar
strings. With any other operator a Deny applies and an Allow does not, so the simulation errs towards refusing.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

TASK_POLICY_PREFIX = "arn:aws:iam::aws:policy/root-task/"
Document = Mapping[str, Any]
Keys = Mapping[str, str]  # the condition keys of a request; a key without a value is absent
_VARIABLE = re.compile(r"\$\{([\w:]+)\}")
_OPERATOR = re.compile(r"String(?P<negated>Not)?(?P<kind>Equals|Like)(?P<lenient>IfExists)?")


@functools.cache
def task_policies() -> Mapping[str, Document]:
    """Return every root task policy by ARN, as published by AWS: moto includes copies of the managed policies."""
    managed = json.loads(aws_managed_policies_data)
    return {
        TASK_POLICY_PREFIX + name: policy["Document"]
        for name, policy in managed.items()
        if policy["Path"] == "/root-task/"
    }


def is_allowed(documents: Iterable[Document], action: str, resource: str, keys: Keys) -> bool:
    """Return whether some statement allows it and none denies it, as for an IAM user."""
    effects = {s["Effect"] for d in documents for s in _statements(d) if _applies(s, action, resource, keys)}
    return "Allow" in effects and "Deny" not in effects


def is_denied(document: Document, action: str, resource: str, keys: Keys) -> bool:
    """Return whether some statement denies it.

    This limits a root session: root may do everything except what the task policy denies.
    """
    return any(s["Effect"] == "Deny" and _applies(s, action, resource, keys) for s in _statements(document))


def _statements(document: Document) -> list[Mapping[str, Any]]:
    statements = document["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _applies(statement: Mapping[str, Any], action: str, resource: str, keys: Keys) -> bool:
    if not _is_met(statement.get("Condition", {}), keys, unknown=statement["Effect"] == "Deny"):
        return False
    return _names(statement, "Action", action.lower()) and _names(statement, "Resource", resource)


def _is_met(condition: Mapping[str, Mapping[str, Any]], keys: Keys, *, unknown: bool) -> bool:
    """Return whether every part is met. An operator that is not evaluated counts as `unknown`."""
    return all(
        _compares(operator, keys.get(key), values, keys, unknown=unknown)
        for operator, parts in condition.items()
        for key, values in parts.items()
    )


def _compares(operator: str, value: str | None, values: Any, keys: Keys, *, unknown: bool) -> bool:
    match = _OPERATOR.fullmatch(operator)
    if match is None:
        return unknown
    is_negated = match["negated"] is not None
    if value is None:  # by IAM's rules for absent keys
        return is_negated or match["lenient"] is not None
    wanted = [_VARIABLE.sub(lambda found: keys.get(found[1], ""), each) for each in _listed(values)]
    is_like = match["kind"] == "Like"
    return is_negated != any(_matches(each, value) if is_like else each == value for each in wanted)


def _names(statement: Mapping[str, Any], element: str, value: str) -> bool:
    negated = f"Not{element}" in statement
    patterns = _listed(statement[f"Not{element}" if negated else element])
    if element == "Action":  # actions ignore case, resources do not
        patterns = [pattern.lower() for pattern in patterns]
    return negated != any(_matches(pattern, value) for pattern in patterns)


def _listed(found: str | list[str]) -> list[str]:
    return [found] if isinstance(found, str) else found


def _matches(pattern: str, value: str) -> bool:
    wildcards = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wildcards, value) is not None
