"""Debian's Prometheus and promtool.

Run as a script it unpacks Debian's package into `.venv`, if the machine has no Prometheus. Nothing is installed, and no
service is started.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.products import debian

from service.cli.waiting import free_port, wait_until

_UNPACKED = Path(sys.prefix) / "prometheus" / "usr" / "bin"


def find(program: str) -> str | None:
    """Return the path of `prometheus` or `promtool`."""
    unpacked = _UNPACKED / program
    return debian.find(program) or (str(unpacked) if unpacked.is_file() else None)


def ensure() -> None:
    """Unpack the package if it is missing. If that fails, print that its tests will be skipped."""
    if find("prometheus") is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        if os.geteuid() == 0:
            subprocess.run(["apt-get", "update", "-qq"], check=False)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "download", "-qq", "prometheus"], cwd=folder, check=False)
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(package), str(_UNPACKED.parents[1])], check=False)
    if find("prometheus") is None:
        sys.stderr.write("No Prometheus, and no Debian to get it from: the tests that need it will be skipped.\n")


@contextmanager
def running_prometheus(folder: Path, target: int, rules: Path) -> Iterator[str]:
    """Run with these rules, scrape the port every second, and yield the address of Prometheus."""
    port = free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms}\n"
        f"rule_files: ['{rules}']\n"
        "scrape_configs:\n  - job_name: rootquorum\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    command = [
        str(find("prometheus")),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(address, process), what="Prometheus")
        yield address
    finally:
        process.terminate()
        process.wait()


def _is_ready(address: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Prometheus stopped"
    try:
        return httpx.get(f"{address}/-/ready").is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    ensure()
