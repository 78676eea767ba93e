"""Debian's Prometheus and promtool.

Run as a script it unpacks Debian's package into `.venv`, if the machine has no Prometheus. Nothing is installed, and no
service is started.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.products import debian

from service.cli.waiting import free_port, wait_until


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
        str(debian.find_unpacked("prometheus")),
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
    debian.unpack("prometheus", "prometheus")
