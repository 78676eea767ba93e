"""A real terminal: tmux, with one window of a given size, in which one command runs."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.cli.waiting import wait_until

_HEIGHT = 60


@dataclass(frozen=True)
class Window:
    """The window. tmux keeps it when its command has ended."""

    folder: Path

    def screen(self) -> str:
        """Return what was seen there from the start, without what tmux says itself."""
        lines = [line.rstrip() for line in self.tmux("capture-pane", "-p", "-S", "-").splitlines()]
        return "\n".join(line for line in lines if not line.startswith("Pane is dead")).strip("\n")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.screen(), what=text)

    def wait_for_the_end(self) -> None:
        wait_until(lambda: self.tmux("display-message", "-p", "#{pane_dead}").strip() == "1", what="the command's end")

    def type(self, line: str) -> None:
        self.tmux("send-keys", line, "Enter")

    def tmux(self, *arguments: str, **environment: str) -> str:
        command = ["tmux", "-u", "-S", str(self.folder / "socket"), "-f", str(self.folder / "tmux.conf"), *arguments]
        done = subprocess.run(
            command, env=environment or {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
        )
        return done.stdout


@contextmanager
def window(folder: Path, columns: int, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Window]:
    """Run the command in a window of so many columns."""
    folder.mkdir()
    (folder / "tmux.conf").write_text("set -g remain-on-exit on\nset -g status off\n")
    found = Window(folder)
    size = ("-x", str(columns), "-y", str(_HEIGHT))
    found.tmux("new-session", "-d", *size, "--", *command, **{**environment, "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"})
    try:
        yield found
    finally:
        found.tmux("kill-server")
