"""A real keyring: GNOME's Secret Service on a D-Bus of its own, unlocked, with everything in a folder of the test's."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.products.debian import find

from service.cli.waiting import wait_until

PROGRAMS = ("dbus-daemon", "dbus-send", "gnome-keyring-daemon")


def is_there() -> bool:
    return all(find(program) for program in PROGRAMS)


@contextmanager
def running_secret_service(folder: Path) -> Iterator[dict[str, str]]:
    """Provide the variables with which programs find the keyring. Its files are in `folder`."""
    run = folder / "run"
    run.mkdir(mode=0o700)
    address = f"unix:path={run}/bus"
    variables = {"DBUS_SESSION_BUS_ADDRESS": address, "XDG_RUNTIME_DIR": str(run), "XDG_DATA_HOME": str(folder)}
    environment = variables | {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--address={address}"], **quiet)  # type: ignore[call-overload]
    daemon: subprocess.Popen[bytes] | None = None
    try:
        wait_until((run / "bus").exists, what="D-Bus")
        command = ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"]
        daemon = subprocess.Popen(command, stdin=subprocess.PIPE, **quiet)  # type: ignore[call-overload]
        assert daemon is not None
        assert daemon.stdin is not None
        daemon.stdin.write(b"a password")
        daemon.stdin.close()
        wait_until(lambda: _is_known(environment), what="the keyring")
        yield variables
    finally:
        for process in (daemon, bus):
            if process is not None:
                process.kill()
                process.wait()


def _is_known(environment: dict[str, str]) -> bool:
    asked = ("--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner")
    done = subprocess.run(
        ["dbus-send", *asked, "string:org.freedesktop.secrets"], env=environment, capture_output=True, check=False
    )
    return b"boolean true" in done.stdout
