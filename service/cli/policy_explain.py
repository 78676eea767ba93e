"""Writes who could approve an operation on an account, as JSON and as text."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from service.cli.policy_words import places_document, policy_lines, say, say_places, several
from service.domain.actor import Role
from service.domain.canonical import Document, Json, timestamp
from service.domain.demands import Demand
from service.domain.electors import ANYBODY
from service.domain.globs import TooMany
from service.domain.operation import OperationName
from service.domain.realm import Realm, Site, sites
from service.domain.rules import Placement, Rule
from service.domain.situations import Book, reason
from service.domain.sufficing import Case, Search


@dataclass(frozen=True, slots=True)
class Asked:
    """The question about an account. None means not known; units and tags are all that the account has."""

    operation: OperationName
    requester: str | None
    recipient: str | None
    without: tuple[str, ...]
    name: str | None
    units: list[str] | None
    tags: list[str] | None

    def left_out(self) -> dict[str, str]:
        """Return who cannot approve, and why."""
        found = dict.fromkeys(self.without, "is absent")
        receives = self.recipient or self.requester
        if receives is not None:
            found[receives] = "receives it"
        if self.requester is not None:
            found[self.requester] = "files it"
        return found


def explained(realm: Realm, account: str, asked: Asked) -> Document:
    """Return the rules, the policy, and who could approve it. Raise ValueError with a sentence for what is unknown."""
    book = Book(realm)
    site = _site(realm, account, asked)
    _check_people(realm, asked)
    applying = book.applying(site)
    rules, policy = book.rules_for(applying, asked.operation), book.policy(applying, asked.operation)
    case = book.case(site, applying, asked.operation)
    left_out = asked.left_out()
    return {
        "account_id": site.account_id,
        **site.placement.document(),
        "operation": asked.operation.value,
        "rules": [{"name": rule.name, "why": reason(rule, site.placement)} for rule in rules],
        "policy": [
            {"name": name, "value": value, "of_policy": usual}
            for name, value, usual in policy_lines(policy, realm.rulebook.policy)
        ],
        "demands": [_demand(case, place, left_out) for place, number in case.places.items() if number],
        "left_out": [
            {"subject": who, "name": realm.rulebook.directory.name_of(who), "why": why} for who, why in left_out.items()
        ],
        "away": _away(realm, case),
        "may_file": _may_file(realm, site, asked),
        **_verdict(book, site, applying, asked, left_out),
        **_blocked(book, site),
    }


def _site(realm: Realm, account: str, asked: Asked) -> Site:
    named = [account_id for account_id, name in realm.accounts.items() if name == account]
    if account in realm.accounts:
        named = [account]
    if len(named) > 1:
        raise ValueError(f"Several accounts have that name: {', '.join(sorted(named))}.")
    if not named and not (len(account) == len("111122223333") and account.isdecimal() and account.isascii()):
        raise ValueError("The settings name no account like that. Of others, give the id.")
    if not named and not realm.may_serve(account):
        raise ValueError(f"Account {account} is not in the settings, and no organization may list it.")
    account_id = named[0] if named else account
    name = realm.accounts.get(account_id, asked.name)
    if asked.name is not None and name != asked.name:
        raise ValueError("The account's name is in the settings; --name is for accounts that an organization lists.")
    tags = None
    if asked.tags is not None:
        if not all(tag.partition("=")[1] for tag in asked.tags):
            raise ValueError("A tag is given as key=value.")
        tags = {tag.partition("=")[0]: tag.partition("=")[2] for tag in asked.tags}
    units = None if asked.units is None else frozenset(asked.units)
    return Site(account_id, Placement(name=name, units=units, tags=tags))


def _check_people(realm: Realm, asked: Asked) -> None:
    directory = realm.rulebook.directory
    for who in filter(None, (asked.requester, asked.recipient, *asked.without)):
        # Of somebody whom a provider signs in, the settings know nothing.
        if who not in directory.members and not any(directory.grants.values()):
            raise ValueError(f"The settings name nobody called {who}.")


def _demand(case: Case, place: str, left_out: Collection[str]) -> Document:
    """Return who could stand for a group or, for a demand of anybody, who could approve at all."""
    people: list[Json] = []
    if_stated: list[Json] = []
    memberships = case.electors.memberships
    unknown: list[tuple[str, str]] = []
    for kind in case.electors.kinds:
        if not kind.people and kind.stated is not None:
            unknown.append(kind.stated)
        elif place == ANYBODY or place in kind.sure:
            people += [who for who in kind.people if who not in left_out]
        elif memberships.giving.get(place):
            if_stated += [who for who in kind.people if who not in left_out]
    stated = unknown if place == ANYBODY else list(memberships.giving.get(place, ()))
    return {
        "group": place or None,
        "number": case.places[place],
        "people": sorted(people, key=str),
        "if_stated": sorted(if_stated, key=str),
        "anybody_who_signs_in": bool(unknown),
        "stated": [{"issuer": issuer, "group": group} for issuer, group in stated],
    }


def _away(realm: Realm, case: Case) -> list[Json]:
    now, directory = datetime.now(UTC), realm.rulebook.directory
    people = sorted(who for kind in case.electors.kinds for who in kind.people if directory.is_away(who, now))
    until = {who: directory.members[who].away_until for who in people}
    return [{"subject": who, "until": timestamp(at)} for who, at in until.items() if at is not None]


def _may_file(realm: Realm, site: Site, asked: Asked) -> bool | None:
    """Return whether the requester may file it, None if that is not asked or only a provider tells."""
    member = realm.rulebook.directory.members.get(asked.requester or "")
    return None if member is None else member.has(Role.REQUESTER, on=site.account_id)


def _verdict(book: Book, site: Site, applying: int, asked: Asked, left_out: Collection[str]) -> Document:
    """Return whether who is left suffices: `yes`, `if_providers_say_so`, or `no` with what is missing."""
    for can, named_only in (("yes", True), ("if_providers_say_so", False)):
        case = _reduced(book.case(site, applying, asked.operation, named_only=named_only), left_out)
        if next(case.suffice(Search()), None) is not None:
            return {"can_be_approved": can, "missing": None}
    return {"can_be_approved": "no", "missing": case.lacking()}


def _reduced(case: Case, left_out: Collection[str]) -> Case:
    kinds = []
    for kind in case.electors.kinds:
        people = tuple(who for who in kind.people if who not in left_out)
        if people or not kind.people:
            kinds.append(replace(kind, people=people))
    return replace(case, electors=replace(case.electors, kinds=tuple(kinds), is_asked=True))


def _blocked(book: Book, site: Site) -> Document:
    """Return whose absence blocks which operations, and what nobody can get approved, of all accounts."""
    everywhere = Rule(demand=Demand(rule=""))
    needed: dict[str, list[tuple[Site, OperationName]]] = {}
    impossible: list[tuple[Site, OperationName]] = []
    known: dict[tuple[object, ...], tuple[frozenset[str], bool]] = {}
    try:
        for each in sites(book.realm, everywhere, strictest=True):
            there = site if each.account_id == site.account_id and not each.is_other else each
            rules = book.applying(there)
            for name in OperationName:
                case = book.case(there, rules, name)
                if case.key not in known:
                    known[case.key] = case.needed_people(), case.blocked_without(0) is None
                people, is_possible = known[case.key]
                for who in sorted(people):
                    needed.setdefault(who, []).append((there, name))
                if not is_possible:
                    impossible.append((there, name))
    except TooMany:
        return {"one_absence_blocks": None, "nobody_can_approve": None}
    return {
        "one_absence_blocks": [
            {"subject": who, "places": places_document(places)} for who, places in sorted(needed.items())
        ],
        "nobody_can_approve": places_document(impossible),
    }


def say_explained(document: Mapping[str, Any]) -> None:
    name = document["name"]
    say(f"{document['operation']} on {document['account_id']}{'' if name is None else f' ({name})'}")
    say("Rules that apply")
    for rule in document["rules"] or [{"name": "none", "why": "[policy] alone holds"}]:
        say(f"{rule['name']}: {rule['why']}", 2)
    say("Policy in force (* is by a rule)")
    for value in document["policy"]:
        usual = value["of_policy"]
        marked = f"* {value['name']}: {value['value']} (policy: {usual})"
        say(f"  {value['name']}: {value['value']}" if usual is None else marked, 2)
    say("Demands, and who could meet them")
    for demand in document["demands"]:
        for line in _demand_lines(demand):
            say(line, 2)
    for heading, lines in _people_lines(document):
        say(heading)
        for line in lines:
            say(line, 2)
    say(_verdict_text(document))
    _say_blocked(document)


def _demand_lines(demand: Mapping[str, Any]) -> Iterator[str]:
    group, number = demand["group"], demand["number"]
    stated = " or ".join(f"group {each['group']} of issuer {each['issuer']}" for each in demand["stated"])
    found = [several(demand["people"])] if demand["people"] else []
    if demand["if_stated"]:
        found.append(f"any of {several(demand['if_stated'])} who signs in with {stated}")
    if demand["anybody_who_signs_in"] and stated:
        found.append(f"{'any other approver who' if group else 'whoever'} signs in with {stated}")
    what = f"{number} of {group}" if group else f"{number} of any approver"
    yield f"{what}: {'; and '.join(found) or 'nobody'}"


def _people_lines(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if document["left_out"]:
        yield "Left out", [f"{each['subject']} {each['why']}" for each in document["left_out"]]
    if document["away"]:
        yield (
            "Away, though their approvals count",
            [f"{each['subject']}, until {each['until']}" for each in document["away"]],
        )
    if document["may_file"] is False:
        yield "The requester may not file requests for this account.", []


def _verdict_text(document: Mapping[str, Any]) -> str:
    match document["can_be_approved"]:
        case "yes":
            return "The people who are named here suffice."
        case "if_providers_say_so":
            return "It can be approved only if providers state these groups of enough people."
        case _:
            return f"Nobody can get it approved: {document['missing']}."


def _say_blocked(document: Mapping[str, Any]) -> None:
    absences, impossible = document["one_absence_blocks"], document["nobody_can_approve"]
    if absences is None:
        say("What one absence would block: there are too many cases to look through.")
        return
    say("What one absence would block" if absences else "No single absence would block anything.")
    for absence in absences:
        say(f"without {absence['subject']}:", 2)
        say_places(absence["places"], 4)
    if impossible:
        say("What nobody can get approved")
        say_places(impossible, 2)
    say("People whom an operator suspended are in the database; they are not known here.")
