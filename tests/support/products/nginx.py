"""A real nginx with this project's configuration.

Run as a script it says whether this machine has nginx, and installs Debian's if it may.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import trustme
from support.products import debian

from service.cli.waiting import free_port, wait_until

_SNIPPET = Path(__file__).parents[3] / "deploy" / "nginx.conf"
NAME = "rootquorum.example.com"


def find() -> str | None:
    return debian.find("nginx")


@contextmanager
def running_nginx(folder: Path, service_port: int, authority: trustme.CA) -> Iterator[int]:
    """Run in front of the service and yield the port. Logs are in `folder`, with the names in the configuration."""
    port, certificate = free_port(), authority.issue_cert(NAME, "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "certificate.pem"))
    snippet = _SNIPPET.read_text()
    for ours, theirs in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/ssl/rootquorum.pem": f"{folder}/certificate.pem",
        "/etc/ssl/rootquorum.key": f"{folder}/certificate.pem",
        "/var/log/nginx": str(folder),
        "http://127.0.0.1:8080": f"http://127.0.0.1:{service_port}",
    }.items():
        assert ours in snippet
        snippet = snippet.replace(ours, theirs)
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/start.log;\nevents {{}}\n"
        f"http {{\nclient_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f;\nuwsgi_temp_path {folder}/u;\nscgi_temp_path {folder}/s;\n{snippet}\n}}\n"
    )
    process = subprocess.Popen([str(find()), "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        wait_until(lambda: _answers(port, process), what="nginx")
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "nginx stopped"
    try:
        httpx.get(f"http://127.0.0.1:{port}/", verify=False)  # plain HTTP, which it refuses
    except httpx.TransportError:
        return False
    return True


if __name__ == "__main__":
    debian.ensure("nginx", "nginx-light")
