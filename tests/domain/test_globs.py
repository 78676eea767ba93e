"""Many patterns at once match what each matches alone, and no set of them that a name can match is left out."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.builders import ACCOUNT, CREATE

from service.domain.demands import Demand
from service.domain.globs import Globs, TooMany
from service.domain.rules import Placement, Rule, Rules

_PATTERNS = st.lists(st.text("ab*?", min_size=1, max_size=4), min_size=1, max_size=4)


def alone(patterns: list[str], name: str) -> int:
    """Return the patterns that match by the rules' own code."""
    rules = Rules([Rule(demand=Demand(rule=f"{at}"), names=(pattern,)) for at, pattern in enumerate(patterns)])
    found = rules.matching(ACCOUNT, Placement(name=name), CREATE)
    return sum(1 << int(rule.name) for rule in found)


@given(_PATTERNS, st.text("abAc[]*\u00e4\u200b\uff41", max_size=6))
@example(["[ab]", "a\uff0a", "?*"], "A\u200bxy")
def test_patterns_match_as_the_rules_say(patterns: list[str], name: str) -> None:
    assert Globs(enumerate(patterns)).matching(name) == alone(patterns, name)


@given(_PATTERNS)
def test_every_set_of_patterns_that_a_name_can_match_is_found(patterns: list[str]) -> None:
    names = map("".join, itertools.chain(*(itertools.product("abc", repeat=size) for size in range(1, 7))))
    expected = {alone(patterns, name) for name in itertools.islice(names, 400)}

    found = dict(Globs(enumerate(patterns)).together(100_000))

    assert expected <= found.keys()
    assert all(alone(patterns, name) == matched for matched, name in found.items())


@given(_PATTERNS)
def test_only_names_within_one_pattern_are_found(patterns: list[str]) -> None:
    everything = dict(Globs(enumerate(patterns)).together(100_000))

    found = dict(Globs(enumerate(patterns)).together(100_000, within=0))

    assert found.keys() == {matched for matched in everything if matched & 1}


def test_patterns_that_cover_another_only_together_leave_no_name() -> None:
    """`p` and `p?*` together cover `p*`: so some rule applies to each name, and another one to each."""
    found = dict(Globs(enumerate(["p*", "p", "p?*"])).together(1_000, within=0))

    assert found == {0b011: "p", 0b101: "pp"}


def test_too_many_steps_are_given_up() -> None:
    patterns = [f"*{letter}*" for letter in "abcdefghijklmnopqrst"]

    with pytest.raises(TooMany):
        list(Globs(enumerate(patterns)).together(10_000))


def test_letters_that_change_beside_each_other_are_given_up() -> None:
    with pytest.raises(TooMany):
        list(Globs(enumerate(["e?", "?\u0301"])).together(10_000))


def test_a_thousand_patterns_of_teams_take_steps_as_many_as_they_have_letters() -> None:
    patterns = [f"team-{number:03}-*" for number in range(1_000)]

    found = dict(Globs(enumerate(patterns)).together(40_000))

    assert len(found) == 1_001
