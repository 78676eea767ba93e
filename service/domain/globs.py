"""Many patterns of names at once: which of them match a name, and which can match one together."""

from collections import deque
from collections.abc import Iterable, Iterator

from service.domain.rules import folded


class TooMany(Exception):
    """There are more cases than can be looked through."""


class Globs:
    """Patterns with * and ?, each with a number. Answers are sets of these numbers, as the bits of an int.

    All patterns run as one automaton, whose state is an int: a bit for each place in each pattern. Source: the
    bit-parallel simulation of Baeza-Yates and Gonnet (Shift-And).
    """

    def __init__(self, patterns: Iterable[tuple[int, str]]) -> None:
        self._letters: dict[str, int] = {}
        self._any_letter = self._loops = self._starts = 0
        self._ends: dict[int, int] = {}
        self._places: dict[int, int] = {}
        place = 0
        for number, pattern in patterns:
            begin, self._starts = place, self._starts | 1 << place
            for letter in folded(pattern):
                if letter == "*":
                    self._loops |= 1 << place
                    continue
                if letter == "?":
                    self._any_letter |= 1 << place
                else:
                    self._letters[letter] = self._letters.get(letter, 0) | 1 << place
                place += 1
            self._ends[place] = 1 << number
            place += 1
            self._places[number] = self._places.get(number, 0) | ((1 << place) - (1 << begin))
        self._last_places = sum(1 << end for end in self._ends)

    def matching(self, name: str) -> int:
        """Return the patterns that match the name."""
        state = self._starts
        for letter in folded(name):
            state = self._after(state, letter)
        return self._ended(state)

    def together(self, limit: int, within: int | None = None) -> Iterator[tuple[int, str]]:
        """Yield each set of patterns that match one name and no other pattern does, with a shortest such name.

        With `within`, only names that the pattern of this number matches count. Raise TooMany after `limit` steps.
        """
        letters = [*sorted(self._letters), _other(self._letters)]
        needed = -1 if within is None else self._places[within]
        found: set[int] = set()
        seen, waiting = {self._starts}, deque([(self._starts, "")])
        steps = 0
        while waiting:
            state, name = waiting.popleft()
            for letter in letters:
                steps += 1
                if steps > limit:
                    raise TooMany
                after = self._after(state, letter)
                if not after & needed and within is not None:
                    continue
                ended = self._ended(after)
                if ended not in found and (within is None or ended >> within & 1):
                    if folded(name + letter) != name + letter:
                        raise TooMany  # letters that become others beside each other are not modelled
                    found.add(ended)
                    yield ended, name + letter
                if after not in seen:
                    seen.add(after)
                    waiting.append((after, name + letter))

    def _after(self, state: int, letter: str) -> int:
        moving = self._letters.get(letter, 0) | self._any_letter
        return (state & moving) << 1 | state & self._loops

    def _ended(self, state: int) -> int:
        found, ends = 0, state & self._last_places
        while ends:
            lowest = ends & -ends
            found |= self._ends[lowest.bit_length() - 1]
            ends ^= lowest
        return found


def _other(letters: Iterable[str]) -> str:
    """Return a letter that is in no pattern: it stands for all of these."""
    taken = set(letters)
    plain = (letter for letter in map(chr, range(ord("0"), 0x1100)) if letter.isalnum())
    return next(letter for letter in plain if letter not in taken and folded(f"a{letter}a") == f"a{letter}a")
