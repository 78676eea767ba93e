"""What browsers get of the desk is made of its source."""

import served_files


def test_what_is_served_is_what_the_source_makes() -> None:
    assert served_files.is_current(), "make evidence"


def test_every_file_of_the_desk_is_served() -> None:
    assert served_files.contents(served_files.SERVED).keys() == served_files.contents(served_files.SOURCE).keys()
