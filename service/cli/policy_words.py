"""The words of `rootquorum policy`: people, accounts and policies, as JSON and as text."""

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from service.cli.common import console
from service.cli.terminal import shown
from service.domain.canonical import Document, Json
from service.domain.electors import Electors, Part
from service.domain.hours import Hours
from service.domain.operation import OperationName
from service.domain.policy import Policy
from service.domain.realm import Site

# More than anybody reads in one line, or below one heading. JSON has all of them.
MOST_NAMES = 8
MOST_ACCOUNTS = 5
MOST_FINDINGS = 10


def say(text: str, indent: int = 0) -> None:
    """Print a line, on a terminal in as many as its width needs. What comes from outside cannot begin one."""
    blank = " " * indent
    if not console.is_terminal:
        console.print(blank + text, soft_wrap=True)
        return
    lines = textwrap.wrap(
        shown(text),
        console.width,
        initial_indent=blank,
        subsequent_indent=f"{blank}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(line, soft_wrap=True)


def several(names: Collection[str], word: str = "and", most: int = MOST_NAMES) -> str:
    """Name some of them, and count the others."""
    some = list(names)[:most]
    left = len(names) - len(some)
    if left:
        return f"{', '.join(some)} {word} {left:,} more"
    return f" {word} ".join(filter(None, [", ".join(some[:-1]), *some[-1:]]))


def part_document(part: Part, electors: Electors, within: str | None = None) -> Document:
    """Return who they are. `signed_in_with` are groups, each of a provider, one of each list has to be stated."""
    own = [] if part.kind.stated is None else [[part.kind.stated]]
    groups = (part.condition, "" if within is None or within in part.kind.sure else within)
    wanted = [group for group in dict.fromkeys(groups) if group]
    stated = own + [list(electors.memberships.giving.get(group, ())) for group in wanted]
    return {
        "number": part.number,
        "people": list[Json](part.kind.people),
        "stands_for": part.place or None,
        "signed_in_with": [[{"issuer": issuer, "group": group} for issuer, group in some] for some in stated],
    }


def part_text(part: Mapping[str, Any]) -> str:
    people, number = part["people"], part["number"]
    if not people:
        who = f"{number} {'person' if number == 1 else 'people'}"
    else:
        who = several(people) if len(people) == number else f"{number} of {several(people, 'or')}"
    signed = [
        " or ".join(f"group {each['group']} of issuer {each['issuer']}" for each in some)
        for some in part["signed_in_with"]
    ]
    verb = "signs" if number == 1 else "sign"
    return f"{who} who {verb} in with {' and '.join(signed)}" if signed else who


def people_text(parts: Iterable[Mapping[str, Any]]) -> str:
    """Name people, those together who are alike, whatever they stand for."""
    alike: dict[str, dict[str, Any]] = {}
    for part in parts:
        who = str((part["people"], part["signed_in_with"]))
        first = alike.setdefault(who, {**part, "number": 0})
        first["number"] += part["number"]
    simple = [part for part in alike.values() if len(part["people"]) == part["number"] and not part["signed_in_with"]]
    names = sorted(who for part in simple for who in part["people"])
    others = [part_text(part) for part in alike.values() if part not in simple]
    return "; and ".join([*([several(names)] if names else []), *others])


def places_document(places: Iterable[tuple[Site, OperationName]]) -> list[Json]:
    """Return the accounts, each with its operations. `is_example` is an account that an organization may list."""
    found: dict[tuple[object, ...], tuple[Site, list[OperationName]]] = {}
    for site, name in places:
        tags = None if site.placement.tags is None else frozenset(site.placement.tags.items())
        key = (site.account_id, site.placement.name, site.placement.units, tags)
        found.setdefault(key, (site, []))[1].append(name)
    return [
        {
            "account_id": site.account_id,
            "is_example": site.is_other,
            **site.placement.document(),
            "operations": list[Json](sorted(names)),
        }
        for site, names in found.values()
    ]


def say_places(places: Sequence[Mapping[str, Any]], indent: int) -> None:
    for place in places[:MOST_ACCOUNTS]:
        say(_place_text(place), indent)
    if len(places) > MOST_ACCOUNTS:
        say(f"and on {len(places) - MOST_ACCOUNTS:,} more", indent)


def _place_text(place: Mapping[str, Any]) -> str:
    names = place["operations"]
    others = sorted({*OperationName} - {*names})
    but = f" but {' and '.join(others)}" if others else ""
    what = ", ".join(names) if len(names) <= len(others) else f"every operation{but}"
    of = "such an account as" if place["is_example"] else "account"
    units, tags = place["units"], place["tags"]
    where = [] if not units else [f"in {' and '.join(units)}"]
    where += [] if not tags else [f"with {' and '.join(_tag(tag) for tag in tags)}"]
    if units == [] and tags == []:
        where.append("where no rule by unit or tag applies")
    return ", ".join([f"{what} on {of} {place['account_id']} ({place['name']})", *where])


def _tag(tag: Mapping[str, str]) -> str:
    return f"tag {tag['key']} = {tag['value']}"


def policy_lines(policy: Policy, base: Policy) -> list[tuple[str, str, str | None]]:
    """Return each value of a policy, and what [policy] says if it differs."""
    found = []
    for each in fields(policy):
        value, usual = getattr(policy, each.name), getattr(base, each.name)
        if each.name != "rules" and (value or usual or each.name not in {"approvals", "methods", "hours"}):
            found.append((each.name, value_text(value), None if value == usual else value_text(usual)))
    return found


def value_text(value: Any) -> str:
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, Hours):
        return "; ".join(f"{name} {value_text(each)}" for name, each in value.document().items())
    if isinstance(value, Mapping):
        return ", ".join(f"{number} of {group}" for group, number in value.items()) or "none"
    if isinstance(value, frozenset | tuple | list):
        return ", ".join(map(value_text, sorted(value) if isinstance(value, frozenset) else value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _duration(value: timedelta) -> str:
    """Return it as in the settings, such as P1DT12H."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days}D" if value.days else ""
    rest = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    return f"P{days}{'T' if rest or not days else ''}{rest or ('' if days else '0S')}"
