"""Patterns of the settings meet text that strangers choose."""

import time

import pytest

from service.settings import patterns


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("OPS-[0-9]+", "OPS-12", True),
        ("OPS-[0-9]+", "OPS-12 x", False),
        ("OPS-[0-9]+", "OPS-12\n", False),
        ("OPS-[0-9]+", "xOPS-12", False),
        ("A-1|B-1", "A-1x", False),
        ("A-1|B-1", "B-1", True),
        ("(?i)ops-[0-9]+", "OPS-1", True),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, *, matched: bool) -> None:
    assert patterns.matches(patterns.check(pattern), text) is matched


@pytest.mark.parametrize("pattern", ["(", "[", "(?=OPS)OPS-1", r"(A)\1", "a{1000}{1000}{1000}"])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="a regular expression"):
        patterns.check(pattern)


@pytest.mark.parametrize("pattern", ["([A-Z]+)+-1", "(a|aa)+", "(.*)*x", "(a?){200}a{200}"])
def test_no_pattern_makes_a_ticket_slow(pattern: str) -> None:
    def seconds(size: int) -> float:
        begun = time.process_time()
        patterns.matches(pattern, "a" * size + "!")
        return time.process_time() - begun

    patterns.matches(pattern, "")
    # A quadratic match takes 64 times as long.
    assert min(seconds(40_000) for _ in range(5)) < 24 * min(seconds(5_000) for _ in range(5)) + 0.02
