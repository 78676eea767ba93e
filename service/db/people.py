"""People that the service has seen, or that an operator has suspended."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Executable, RowMapping, bindparam, insert, select, tuple_, union_all, update

from service.db.columns import INSERT
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
    row = INSERT[tx.dialect.name](people).values(subject=subject, **_columns(Person(subject=subject, name=name)))
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
    groups: Sequence[Collection[tuple[str, str]]] = (),
    limit: int | None = None,
) -> Sequence[Person]:
    """Return the known people among `subjects` and `approvers`. Without a `limit`, return only suspended approvers.

    For each set of `groups` (issuer, group) add people who are in one of them and not suspended: at most `limit`, all
    for None. Somebody may be returned more than once.
    """
    groups = [each for each in groups if each]
    query = _concerned(bool(approvers), len(groups), limit is None)
    values = {"subjects": list(subjects), "approvers": list(approvers), "most": limit}
    sets = {f"groups_{number}": sorted(each) for number, each in enumerate(groups)}
    return [person_of(row) for row in tx.execute(query, values | sets).mappings()]


# Built once, since building takes longer than executing.
@lru_cache(maxsize=64)
def _concerned(approvers: bool, groups: int, everybody: bool) -> Executable:  # noqa: FBT001  # a key of the cache
    parts = [select(people).where(people.c.subject.in_(bindparam("subjects", expanding=True)))]
    if approvers:
        named = select(people).where(people.c.subject.in_(bindparam("approvers", expanding=True)))
        parts.append(named.where(people.c.suspended_at.is_not(None)) if everybody else named)
    pair = tuple_(person_groups.c.issuer, person_groups.c.group)
    for number in range(groups):
        of_groups = select(person_groups.c.subject).where(pair.in_(bindparam(f"groups_{number}", expanding=True)))
        members = select(people).where(people.c.suspended_at.is_(None), people.c.subject.in_(of_groups))
        parts.append(select((members if everybody else members.limit(bindparam("most"))).subquery()))
    return parts[0] if len(parts) == 1 else union_all(*parts)


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
