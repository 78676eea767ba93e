"""A real PgBouncer in transaction mode in front of the tests' PostgreSQL.

Run as a script it says whether this machine has PgBouncer, and installs Debian's if it may.
"""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL
from support.products import debian
from support.products.postgres import ROLE, register_owner

from service.cli.waiting import free_port, wait_until


def find() -> str | None:
    return debian.find("pgbouncer")


@contextmanager
def running_pgbouncer(owner: URL) -> Iterator[URL]:
    """Run in front of the server of `owner` and yield the URL with PgBouncer's port.

    It has few sessions, so that they often change hands.
    """
    with tempfile.TemporaryDirectory(prefix="rootquorum-pgbouncer-") as name:
        folder, port = Path(name), free_port()
        (folder / "users.txt").write_text(f'"{owner.username}" "{owner.password or ""}"\n"{ROLE}" "{ROLE}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={owner.host} port={owner.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users.txt\nlogfile = {folder}/log\n"
            "pool_mode = transaction\ndefault_pool_size = 6\nmax_client_conn = 1000\nquery_wait_timeout = 30\n"
        )
        user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        if user:
            for file in (folder, *folder.iterdir()):
                os.chown(file, pwd.getpwnam(user).pw_uid, -1)
        program = find()
        assert program is not None
        process = subprocess.Popen([program, "--quiet", str(folder / "pgbouncer.ini")], user=user)
        url = owner.set(port=port)
        register_owner(url)
        try:
            wait_until(lambda: _answers(url), what="PgBouncer")
            yield url
        finally:
            process.kill()
            process.wait()


def _answers(url: URL) -> bool:
    try:
        psycopg.connect(url.render_as_string(hide_password=False)).close()
    except psycopg.OperationalError:
        return False
    return True


if __name__ == "__main__":
    debian.ensure("pgbouncer", "pgbouncer")
