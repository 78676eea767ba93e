"""Writes the differences of two settings files as JSON and as text."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.cli.policy_words import part_document, people_text, places_document, say, say_places, value_text
from service.domain.canonical import Document, Json
from service.domain.loosening import Gain
from service.domain.policy_diff import Differences, Found, compare
from service.domain.realm import Realm
from service.domain.rulebook import differences
from service.domain.situations import Book
from service.domain.strictness import Change, role_changes
from service.settings import Settings

# Tables whose differences are told above, or are nobody's right.
_JUDGED = {"policy", "rules", "groups", "people", "machines", "signing", "founders", "emergency"}
# The settings of an issuer for signing in from a browser. They do not say whose tokens are trusted.
_OF_CLIENTS = {"client_id", "client_secret", "scopes", "sends", "authorization_parameters", "token_parameters"}


def compared(old: tuple[Settings, Realm], new: tuple[Settings, Realm]) -> Document:
    """Return what differs. `becomes_possible` says whether something does that was not, or that cannot be told."""
    (before, old_realm), (now, new_realm) = old, new
    told = list(differences(old_realm.rulebook.document(), new_realm.rulebook.document()))
    told += _accounts_told(old_realm, new_realm)
    old_book, new_book = Book(old_realm), Book(new_realm)
    roles = [*role_changes(old_realm.rulebook.directory, new_realm.rulebook.directory), *_sign_in_changes(before, now)]
    found = compare(old_realm, new_realm) if told or roles else Differences()
    return {
        "differs": bool(told or roles),
        "becomes_possible": found.is_looser or any(change.is_looser for change in roles),
        "gave_up": found.gave_up,
        "possible": [_change_document(*each, new_book) for each in found.possible.items()],
        "impossible": [_change_document(*each, old_book) for each in found.impossible.items()],
        "values": [_value_document(*each) for each in found.values.items()],
        "roles": [{"what": change.what, "becomes_possible": change.is_looser} for change in roles],
        "served": _served(found.served, new_realm),
        "no_longer_served": _served(found.dropped, old_realm),
        "differences": list[Json](told),
        "not_judged": list[Json](_others(before, now)),
    }


def _change_document(gains: tuple[Gain, ...], found: Found, book: Book) -> Document:
    """Return sets of people, and where they suffice in this book and not in the other."""
    site, name = next((site, name) for (_, name), site in found.places.items())
    electors = book.electors(site.account_id, name)
    return {
        "people": [[part_document(part, electors) for part in gain.people] for gain in gains],
        "needed": [
            {"number": gain.least, "groups": None if gain.groups is None else list[Json](sorted(gain.groups))}
            for gain in gains
        ],
        "rules_before": [rule.name for rule in found.rules[0]],
        "rules_after": [rule.name for rule in found.rules[1]],
        "places": _places(found),
    }


def _value_document(value: tuple[Change, Any, Any], found: Found) -> Document:
    change, before, now = value
    return {
        "name": change.what,
        "before": value_text(before),
        "after": value_text(now),
        "becomes_possible": change.is_looser,
        "places": _places(found),
    }


def _places(found: Found) -> list[Json]:
    return places_document((site, name) for (_, name), site in found.places.items())


def _served(accounts: list[str], realm: Realm) -> list[Json]:
    return [each if each in realm.said else "any other that an organization lists" for each in accounts]


def _accounts_told(old: Realm, new: Realm) -> Iterator[str]:
    yield from differences(dict(old.accounts), dict(new.accounts), "accounts")
    listed = [
        [{"allow": sorted(each.allow), "deny": sorted(each.deny)} for each in realm.listings] for realm in (old, new)
    ]
    if listed[0] != listed[1] or old.has_organizations != new.has_organizations:
        yield "organizations: other accounts may be listed"


def _sign_in_changes(old: Settings, new: Settings) -> Iterator[Change]:
    """Yield the providers whose tokens are trusted otherwise. Who signs in by them cannot be told from settings.

    Also yield whether other keys or other signatures count.
    """
    if old.signing_in_force() != new.signing_in_force():
        yield Change("founders, or what signatures have to prove, are others", is_looser=True)
    for name in sorted(old.issuers.keys() | new.issuers.keys()):
        before, now = old.issuers.get(name), new.issuers.get(name)
        if now is None:
            yield Change(f"issuer {name} is gone", is_looser=False)
        elif before is None:
            yield Change(f"issuer {name} is new: it says who signs in", is_looser=True)
        elif before.model_dump(exclude=_OF_CLIENTS | {"grants"}) != now.model_dump(exclude=_OF_CLIENTS | {"grants"}):
            yield Change(f"issuer {name} was changed: it may say of others who signs in", is_looser=True)


def _others(old: Settings, new: Settings) -> Iterator[str]:
    """Yield the tables that differ in what nothing here judges."""
    for name in sorted(type(old).model_fields.keys() - _JUDGED):
        before, now = (_not_judged(name, getattr(settings, name)) for settings in (old, new))
        if isinstance(before, dict) and isinstance(now, dict):
            both = before.keys() & now.keys()  # others are told above
            before, now = ({key: some[key] for key in both} for some in (before, now))
        if before != now:
            yield name


def _not_judged(name: str, table: Any) -> Any:
    """Return what is not judged of a table."""
    match name:
        case "accounts":
            return {key: each.model_dump(exclude={"name"}) for key, each in table.items()}
        case "organizations":
            return {key: each.model_dump(exclude={"list_accounts", "allow", "deny"}) for key, each in table.items()}
        case "issuers":
            return {key: each.model_dump(include=_OF_CLIENTS) for key, each in table.items()}
        case _:
            return table if not isinstance(table, dict) else [*sorted(table.items(), key=lambda item: item[0])]


def say_compared(document: Mapping[str, Any]) -> None:
    for key, heading in (("possible", "Becomes possible"), ("impossible", "Becomes impossible")):
        if document[key]:
            say(heading)
        for change in document[key]:
            for people, needed in zip(change["people"], change["needed"], strict=True):
                say(f"{people_text(people)} ({'before' if key == 'possible' else 'now'}: {_needed(needed)})", 2)
            say_places(change["places"], 4)
    if document["values"]:
        say("Other values of the policy")
    for value in document["values"]:
        say(f"{_mark(value)}{value['name']}: {value['before']}, then {value['after']}", 2)
        say_places(value["places"], 4)
    _say_list("Roles and sign-in", [f"{_mark(role)}{role['what']}" for role in document["roles"]])
    _say_list("Accounts that become served: something becomes possible there", document["served"])
    _say_list("Accounts no longer served", document["no_longer_served"])
    _say_list("Settings that differ", document["differences"])
    if document["not_judged"]:
        say(f"Not judged, but different: {', '.join(document['not_judged'])}.")
    if document["gave_up"]:
        say("There are too many cases to look through, so something may become possible.")
    say(_result(document))


def _say_list(heading: str, lines: list[str]) -> None:
    if lines:
        say(heading)
    for line in lines:
        say(line, 2)


def _mark(change: Mapping[str, Any]) -> str:
    return "looser: " if change["becomes_possible"] else ""


def _needed(needed: Mapping[str, Any]) -> str:
    number, groups = needed["number"], needed["groups"]
    return f"{number} approvals needed" if groups is None else f"{number} needed for {' or '.join(groups)}"


def _result(document: Mapping[str, Any]) -> str:
    if document["becomes_possible"]:
        return "Something becomes possible that was not."
    return "Nothing becomes possible." if document["differs"] else "No difference in who may approve what."
