"""Authorization: a small evaluator of IAM policy documents.

It evaluates Effect, Action, NotAction, Resource and NotResource, but no conditions or policy variables. A Deny
with a Condition always applies and an Allow with one never does, so the simulation errs towards refusing.
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


@functools.cache
def task_policies() -> Mapping[str, Document]:
    """Return every root task policy by ARN, as published by AWS: moto includes copies of the managed policies."""
    managed = json.loads(aws_managed_policies_data)
    return {
        TASK_POLICY_PREFIX + name: policy["Document"]
        for name, policy in managed.items()
        if policy["Path"] == "/root-task/"
    }


def is_allowed(documents: Iterable[Document], action: str, resource: str) -> bool:
    """Return whether some statement allows it and none denies it, as for an IAM user."""
    effects = {s["Effect"] for d in documents for s in _statements(d) if _applies(s, action, resource)}
    return "Allow" in effects and "Deny" not in effects


def is_denied(document: Document, action: str, resource: str) -> bool:
    """Return whether some statement denies it.

    This limits a root session: root may do everything except what the task policy denies.
    """
    return any(s["Effect"] == "Deny" and _applies(s, action, resource) for s in _statements(document))


def _statements(document: Document) -> list[Mapping[str, Any]]:
    statements = document["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _applies(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if statement.get("Condition") and statement["Effect"] == "Allow":
        return False
    return _names(statement, "Action", action.lower()) and _names(statement, "Resource", resource)


def _names(statement: Mapping[str, Any], element: str, value: str) -> bool:
    negated = f"Not{element}" in statement
    patterns = statement[f"Not{element}" if negated else element]
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if element == "Action":  # actions ignore case, resources do not
        patterns = [pattern.lower() for pattern in patterns]
    return negated != any(_matches(pattern, value) for pattern in patterns)


def _matches(pattern: str, value: str) -> bool:
    wildcards = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wildcards, value) is not None
