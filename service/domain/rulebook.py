"""The rulebook: everything that says who may do what. Its digest names it, and its document can be compared."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.actor import Member
from service.domain.canonical import Document, Json, sha256
from service.domain.demands import SignedApprovals
from service.domain.directory import Directory
from service.domain.event_table import POLICY_CHANGED
from service.domain.events import Event
from service.domain.policy import Policy
from service.domain.rules import Rules

# More differences than anybody reads at once.
_MOST = 100
# Texts that could be read as something else: as two, as nothing, or as more of the line.
_DOUBTFUL = re.compile(r'[",;\\]|: |^\s|\s$|^(|none|yes|no)$')
_DOUBTFUL_IN_LIST = re.compile(rf"{_DOUBTFUL.pattern}|\s")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policy, the rules, the people with their roles and groups, and what signatures have to prove.

    `accounts` maps the accounts in the settings to their names, which rules can match. `signing` includes the founders.
    It is empty if the settings say nothing of it.
    """

    policy: Policy
    rules: Rules
    directory: Directory
    accounts: Mapping[str, str] = field(default_factory=dict)
    signing: Document = field(default_factory=dict)

    def document(self) -> Document:
        """Return it as JSON. Lists of named things are ordered by their names."""
        directory = self.directory
        grants: list[Json] = [
            {
                "issuer": issuer,
                "group": grant.group,
                "roles": list[Json](sorted(grant.roles)),
                "accounts": None if grant.accounts is None else list[Json](sorted(grant.accounts)),
            }
            for issuer, granted in sorted(directory.grants.items())
            for grant in sorted(granted, key=lambda grant: (grant.group, sorted(grant.roles)))
        ]
        return {
            "policy": self.policy.document(),
            "rules": self.rules.document(),
            "groups": {name: group.document() for name, group in directory.groups.items()},
            "members": {subject: _member(member) for subject, member in directory.members.items()},
            "grants": grants,
            "accounts": dict(self.accounts),
            **({"signing": self.signing} if self.signing else {}),
        }


def strictest_signing(rulebook: Mapping[str, Any]) -> SignedApprovals:
    """Return the strictest demand of signatures in the document of a rulebook, for any account.

    Raise ValueError, TypeError or LookupError for anything else.
    """
    asked = [rulebook["policy"].get("signed_approvals"), *(rule.get("signed_approvals") for rule in rulebook["rules"])]
    return SignedApprovals.strictest(SignedApprovals(each) for each in asked if each is not None)


def _member(member: Member) -> Document:
    limits = {role.value: list[Json](sorted(accounts)) for role, accounts in member.limits.items()}
    login = None if member.login is None else list[Json](member.login)
    return {"kind": member.kind.value, "roles": list[Json](sorted(member.roles)), "accounts": limits, "login": login}


def change(before: Document | None, now: Document) -> Event | None:
    """Return the event that these rules differ from the ones before, None if they do not."""
    digest = sha256(now)
    previous = None if before is None else sha256(before)
    if digest == previous:
        return None
    changes = list(differences({} if before is None else before, now))
    return Event(
        POLICY_CHANGED,
        {
            "digest": digest,
            "previous": previous,
            "changes": list[Json](changes[:_MOST]),
            "others": max(0, len(changes) - _MOST),
            "rulebook": now,
        },
    )


def differences(before: Json, now: Json, where: str = "") -> Iterator[str]:
    """Yield a line for each value that differs, such as `policy.quorum: 2, then 3`."""
    old, new = _named(before), _named(now)
    # No list of named things differs from one of some.
    old, new = {} if new and not before else old, {} if old and not now else new
    if old is None or new is None:
        if before != now:
            yield f"{where}: {_shown(before)}, then {_shown(now)}"
        return
    for name in sorted(old.keys() | new.keys()):
        place = f"{where}.{name}" if where else name
        if name not in old:
            yield f"{place}: new, {_shown(new[name])}" if where else f"{place}: new"
        elif name not in new:
            yield f"{place}: gone; it was {_shown(old[name])}"
        else:
            yield from differences(old[name], new[name], place)


def _named(value: Json) -> Mapping[str, Json] | None:
    """Return a mapping, and a list of rules or grants, by the names to show; None for anything else."""
    if isinstance(value, Mapping):
        return {_text(name): each for name, each in value.items()}
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        return {_name(each): each for each in value}
    return None


def _name(value: Any) -> str:
    return _text(str(value["rule"])) if "rule" in value else _shown(value)


def _shown(value: Json) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(_item, value)) or "none"
        case Mapping():
            return "; ".join(f"{_text(name)} {_shown(value[name])}" for name in sorted(value)) or "none"
        case str():
            return _text(value)
        case _:
            return str(value)


def _item(value: Json) -> str:
    """Return an item of a list. What has parts stands in brackets."""
    match value:
        case str():
            return _text(value, _DOUBTFUL_IN_LIST)
        case list() | tuple() | Mapping():
            return f"({_shown(value)})"
        case _:
            return _shown(value)


def _text(value: str, doubtful: re.Pattern[str] = _DOUBTFUL) -> str:
    """Return a text, as JSON if it could be read as something else."""
    is_seen = value.isprintable()
    return value if is_seen and not doubtful.search(value) else json.dumps(value, ensure_ascii=not is_seen)
