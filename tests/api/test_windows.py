"""How many failures an address has in a minute."""

from service.api.windows import Window


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_no_more_than_so_many_in_any_minute() -> None:
    window = Window(2, clock := Clock())
    found = []
    for clock.seconds in (0, 30, 59.9, 60, 89.9, 90):
        found.append((window.left("a"), window.hit("a")))
    assert found == [(2, True), (1, True), (0, False), (1, True), (0, False), (1, True)]


def test_what_is_refused_does_not_count() -> None:
    window = Window(1, clock := Clock())
    assert [window.hit("a") for clock.seconds in (0, 59, 60)] == [True, False, True]


def test_each_subject_has_its_own() -> None:
    window = Window(1, Clock())
    assert [window.hit(each) for each in "abab"] == [True, True, False, False]
    assert window.left("c") == 1


def test_a_flood_of_subjects_is_forgotten_and_no_recent_failure_is() -> None:
    window = Window(2, clock := Clock())
    for clock.seconds, turn in ((0.0, "old"), (59.0, "recent"), (60.0, "new")):
        for number in range(1000):
            window.hit(f"{turn} {number}")
    assert [window.left(f"{turn} 7") for turn in ("old", "recent", "new")] == [2, 1, 1]
    assert len(window._at) < 3000
