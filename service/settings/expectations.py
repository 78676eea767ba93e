"""A file of expectations: what has to hold for the rules, whoever changes them. It has no secrets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from service.domain.demands import Demand, strictest
from service.domain.expectation import Expectation
from service.domain.operation import OperationName
from service.domain.policy import SMALLEST_QUORUM
from service.domain.rules import Rule
from service.settings.checks import wrong
from service.settings.policy_sections import ApprovalSettings, Tag
from service.settings.values import AccountId, Name, PersonId, SubjectId, UnitId
from service.settings.words import Unreadable, read_toml, requirement


class FaultyExpectations(Exception):
    """The file cannot be used. `faults` has one sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _check_distinct(pair: tuple[str, str]) -> tuple[str, str]:
    if len(set(pair)) < len(pair):
        raise wrong("it has to be two different groups")
    return pair


class AssumeTable(_Table):
    """What to take for granted. Nobody is in both groups of a pair in `apart`."""

    apart: tuple[Annotated[tuple[SubjectId, SubjectId], AfterValidator(_check_distinct)], ...] = ()


_Groups = SubjectId | tuple[SubjectId, ...]


class ExpectTable(_Table):
    """An expectation. It selects accounts and operations as a rule does, and says at least one thing of them."""

    name: Name
    accounts: frozenset[AccountId] = frozenset()
    names: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = ()
    organizational_units: frozenset[UnitId] = frozenset()
    tags: dict[Annotated[str, StringConstraints(min_length=1, max_length=128)], Tag | frozenset[Tag]] = {}
    operations: frozenset[OperationName] = frozenset()
    needs: tuple[ApprovalSettings, ...] = ()
    quorum_at_least: int | None = Field(default=None, ge=SMALLEST_QUORUM + 1, le=100)
    never: tuple[Annotated[frozenset[PersonId], Field(min_length=SMALLEST_QUORUM)], ...] = ()
    no_two_of: _Groups = ()
    never_alone: _Groups = ()
    possible: bool | None = None
    also_without_any: int = Field(default=0, ge=0, le=5)
    named_only: bool = False

    @model_validator(mode="after")
    def _check_claims(self) -> "ExpectTable":
        claims = (self.needs, self.quorum_at_least, self.never, self.no_two_of, self.never_alone)
        if not any(claims) and self.possible is None:
            raise wrong("it expects nothing; say needs, quorum_at_least, never, no_two_of, never_alone or possible")
        if (self.also_without_any or self.named_only) and not self.possible:
            raise wrong("also_without_any and named_only require possible = true")
        return self

    def expectation(self) -> Expectation:
        selector = Rule(
            demand=Demand(rule=self.name),
            accounts=self.accounts,
            names=self.names,
            units=self.organizational_units,
            tags={key: frozenset({tag}) if isinstance(tag, str) else tag for key, tag in self.tags.items()},
            operations=self.operations,
        )
        return Expectation(
            selector=selector,
            needs=strictest({need.group: need.at_least} for need in self.needs),
            quorum_at_least=self.quorum_at_least,
            never=self.never,
            no_two_of=_listed(self.no_two_of),
            never_alone=_listed(self.never_alone),
            possible=self.possible,
            also_without_any=self.also_without_any,
            named_only=self.named_only,
        )


def _listed(groups: str | tuple[str, ...]) -> tuple[str, ...]:
    return (groups,) if isinstance(groups, str) else groups


def _check_any(expectations: tuple[ExpectTable, ...]) -> tuple[ExpectTable, ...]:
    if not expectations:
        raise wrong("it has to have one table or more, as [[expect]]")
    return expectations


class ExpectationFile(_Table):
    """The file. `apart` are pairs of groups of which nobody is said to be in both."""

    assume: AssumeTable = AssumeTable()
    expect: Annotated[tuple[ExpectTable, ...], AfterValidator(_check_any)] = Field(default=(), validate_default=True)

    @property
    def apart(self) -> tuple[frozenset[str], ...]:
        return tuple(map(frozenset, self.assume.apart))

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        return tuple(table.expectation() for table in self.expect)


def read_expectations(file: Path) -> ExpectationFile:
    """Read a file of expectations. Raise FaultyExpectations."""
    try:
        found = ExpectationFile(**read_toml(file))
    except FileNotFoundError:
        raise FaultyExpectations([f"There is no file {file}."]) from None
    except Unreadable as error:
        raise FaultyExpectations([str(error)]) from None
    except ValidationError as error:
        raise FaultyExpectations([*dict.fromkeys(_faults(error))]) from None
    names = [table.name for table in found.expect]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FaultyExpectations([f'Two expectations are named "{name}".' for name in twice])
    return found


def _faults(error: ValidationError) -> Iterator[str]:
    wanted: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False, include_input=False):
        kind, *place = fault["loc"]
        where = f"{kind} {int(place.pop(0)) + 1}" if kind == "expect" and place else str(kind)
        names = [part for part in place if isinstance(part, str)]
        if fault["type"] == "extra_forbidden":
            *table, unknown = [where, *names]
            yield f"{'.'.join(table) or 'It'}: there is nothing named {unknown}."
            continue
        # Pydantic names the choices of a union as well, such as `tuple[…]`.
        named = [name for name in names if not re.search(r"\[|^constrained-", name)]
        wanted.setdefault(".".join([where, *named]), []).append(requirement(fault))
    for where, all_wanted in wanted.items():
        yield f"{where}: {', or '.join(dict.fromkeys(all_wanted))}."
