"""People that the service has seen, or that an operator has suspended."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    RowMapping,
    Select,
    and_,
    bindparam,
    insert,
    select,
    tuple_,
    union_all,
    update,
)

from service.db.columns import insert_into
from service.db.engine import Tx
from service.db.tables import people, person_groups
from service.domain.actor import Person, Word
from service.domain.canonical import Document, Json, canonical, parse_timestamp, timestamp


def add(tx: Tx, person: Person) -> None:
    """Insert a person. Raise IntegrityError if the person exists already."""
    tx.execute(insert(people).values(subject=person.subject, **_columns(person)))


def save(tx: Tx, person: Person) -> None:
    tx.execute(update(people).where(people.c.subject == person.subject).values(**_columns(person)))


def get(tx: Tx, subject: str) -> Person | None:
    return _one(tx.execute(select(people).where(people.c.subject == subject)).mappings().one_or_none())


def lock(tx: Tx, subject: str) -> Person | None:
    """Return the person with the row locked until the transaction ends."""
    query = select(people).where(people.c.subject == subject).with_for_update()
    return _one(tx.execute(query).mappings().one_or_none())


def held(tx: Tx, subject: str, name: str) -> Person:
    """Return the person with the row locked. Insert a row called `name` if there is none."""
    person = lock(tx, subject)
    if person is not None:
        return person
    row = insert_into(tx, people).values(subject=subject, **_columns(Person(subject=subject, name=name)))
    tx.execute(row.on_conflict_do_nothing())
    return lock(tx, subject) or Person(subject=subject, name=name)


def some(tx: Tx, subjects: Collection[str]) -> Sequence[Person]:
    """Return the known people among `subjects`."""
    return concerned(tx, subjects) if subjects else []


def concerned(
    tx: Tx,
    subjects: Collection[str],
    *,
    approvers: Collection[str] = (),
    groups: Collection[tuple[str, str]] = (),
    among: Sequence[Collection[tuple[str, str]]] = (),
    named: Collection[str] = (),
    limit: int | None = None,
) -> Sequence[Person]:
    """Return the known people among `subjects` and `approvers`. Without a `limit`, return only suspended approvers.

    Add people who are in one of `groups` (issuer, group) and not suspended. For each set in `among`, add those of them,
    and of the people in `named`, who are in one of its groups. Each addition has at most `limit` people, all for None.
    Somebody may be returned more than once.
    """
    among = [each for each in among if each]
    if limit is not None:  # then all of these are wanted
        subjects, approvers = {*subjects, *approvers}, ()
    query = _concerned(bool(approvers), bool(groups), len(among), limit is None)
    values = {"subjects": list(subjects), "approvers": list(approvers), "groups": sorted(groups), "most": limit}
    sets = {f"among_{number}": sorted(each) for number, each in enumerate(among)}
    return [person_of(row) for row in tx.execute(query, {**values, **sets, "named": list(named)}).mappings()]


# Built once, since building takes longer than executing.
@lru_cache(maxsize=64)
def _concerned(approvers: bool, groups: bool, among: int, everybody: bool) -> Executable:  # noqa: FBT001  # the cache's key
    parts = [select(people).where(people.c.subject.in_(bindparam("subjects", expanding=True)))]
    if approvers:
        is_asked = people.c.subject.in_(bindparam("approvers", expanding=True))
        parts.append(select(people).where(is_asked, people.c.suspended_at.is_not(None)))
    of_groups = people.c.subject.in_(_members("groups"))
    conditions: list[ColumnElement[bool]] = [of_groups] if groups else []
    is_named = people.c.subject.in_(bindparam("named", expanding=True))
    for number in range(among):
        # A look-up for each approver: a group can have many people who are none.
        is_in = _members(f"among_{number}").where(person_groups.c.subject == people.c.subject).exists()
        conditions += [and_(is_in, each) for each in ([of_groups, is_named] if groups else [is_named])]
    for condition in conditions:
        members = select(people).where(people.c.suspended_at.is_(None), condition)
        parts.append(select((members if everybody else members.limit(bindparam("most"))).subquery()))
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _members(groups: str) -> Select[str]:
    """Return who is in one of the groups in this parameter."""
    pair = tuple_(person_groups.c.issuer, person_groups.c.group)
    return select(person_groups.c.subject).where(pair.in_(bindparam(groups, expanding=True)))


def every(tx: Tx) -> Sequence[Person]:
    """Return all people, by subject."""
    return [person_of(row) for row in tx.execute(select(people).order_by(people.c.subject)).mappings()]


def _one(row: RowMapping | None) -> Person | None:
    return person_of(row) if row else None


def _columns(person: Person) -> dict[str, object]:
    return {
        "name": person.name,
        "issuer": person.issuer,
        "groups": canonical(sorted(person.groups)).decode(),
        "seen_at": person.seen_at,
        "proved_at": person.proved_at,
        "votes_since": person.votes_since,
        "suspended_at": person.suspended_at,
        "words": canonical({issuer: _document(word) for issuer, word in person.words.items()}).decode(),
        "spelling": person.spelling,
        "email": person.email,
        "email_at": person.email_at,
    }


def _document(word: Word) -> Document:
    return {"groups": list[Json](sorted(word.groups)), "proved_at": timestamp(word.proved_at)}


def person_of(row: Mapping[str, Any] | RowMapping) -> Person:
    groups, words = json.loads(row["groups"]), json.loads(row["words"])
    return Person(
        **{**row, "groups": frozenset(groups), "words": {issuer: _word(word) for issuer, word in words.items()}}
    )


def _word(document: Mapping[str, Any]) -> Word:
    return Word(frozenset(document["groups"]), parse_timestamp(document["proved_at"]))
