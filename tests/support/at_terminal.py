"""A person at the terminal of a command: what they read there, and what they answer."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from service.cli import remotely

_ASKED = (b"Type yes or no: ", b"Passphrase of ")
# The leader of a session gets the terminal that it opens first.
_TAKING = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.argv[2], sys.argv[2:])"


class Person:
    """Answers the question once it is there. `seen` is all that the terminal showed."""

    def __init__(self, answer: str) -> None:
        self._answer = answer.encode() + b"\n"
        self._master, slave = os.openpty()
        self.terminal = Path(os.ttyname(slave))
        self._slave = slave
        self._shown = b""
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    @property
    def seen(self) -> str:
        return self._shown.decode().replace("\r\n", "\n")

    @property
    def _is_asked(self) -> bool:
        return any(question in self._shown for question in _ASKED)

    def leave(self) -> None:
        """Wait until all that was shown is read."""
        os.close(self._slave)
        self._reading.join()
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 4096)
            except OSError:  # EIO: nobody has the terminal open any more
                return
            was_asked = self._is_asked
            self._shown += part
            if not was_asked and self._is_asked:
                os.write(self._master, self._answer)


@contextmanager
def answering(answer: str) -> Iterator[Person]:
    """Provide a person at the terminal of every command that runs in this process."""
    person = Person(answer)
    try:
        with patch.object(remotely, "TERMINAL", str(person.terminal)):
            yield person
    finally:
        person.leave()


def at(terminal: Path | None, command: Sequence[str]) -> list[str]:
    """Return the command that runs this one at the terminal. It has to be started in a new session."""
    return [*([] if terminal is None else [sys.executable, "-c", _TAKING, str(terminal)]), *command]
