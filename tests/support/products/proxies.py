"""Real proxies, with this project's configuration for each.

Run as a script it unpacks or installs Debian's packages of those that its arguments name.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trustme
from support.products import debian

from service.cli.waiting import free_port, wait_until

_DEPLOY = Path(__file__).parents[3] / "deploy"
NAME = "rootquorum.example.com"


@dataclass(frozen=True)
class Proxy:
    """How a test runs a configuration of `deploy/`. {folder} and {port} in `instead` and `command` are the test's.

    `instead` adapts the configuration to the machine, `prefixed` to a service under a prefix, and `fleet` to two
    replicas at {one} and {two}.
    """

    program: str
    configuration: str
    command: tuple[str, ...]
    instead: Mapping[str, str]
    prefixed: Mapping[str, str]
    around: str = "{configuration}"
    fleet: Mapping[str, str] = field(default_factory=dict)


PROXIES = {
    "nginx": Proxy(
        "nginx",
        "nginx.conf",
        ("-c", "{folder}/nginx.conf", "-p", "{folder}"),
        {
            "listen 443": "listen 127.0.0.1:{port}",
            "/etc/ssl/rootquorum.pem": "{folder}/certificate.pem",
            "/etc/ssl/rootquorum.key": "{folder}/certificate.pem",
            "/var/log/nginx": "{folder}",
        },
        {
            "    location / {": "    location /rootquorum/ {",
            "proxy_pass http://127.0.0.1:8080;": "proxy_pass http://127.0.0.1:8080/;",
        },
        around="daemon off;\npid {folder}/pid;\nerror_log {folder}/start.log;\nevents {{}}\n"
        "http {{\nclient_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\n"
        "fastcgi_temp_path {folder}/f;\nuwsgi_temp_path {folder}/u;\nscgi_temp_path {folder}/s;\n{configuration}\n}}\n",
    ),
    "caddy": Proxy(
        "caddy",
        "Caddyfile",
        ("run", "--config", "{folder}/Caddyfile", "--adapter", "caddyfile"),
        {
            f"\n{NAME} {{": "\nhttps://127.0.0.1:{port} {{",
            "/etc/ssl/rootquorum.pem": "{folder}/certificate.pem",
            "/etc/ssl/rootquorum.key": "{folder}/certificate.pem",
            "/var/log/caddy": "{folder}",
        },
        {"\thandle {": "\thandle_path /rootquorum/* {"},
    ),
    "haproxy": Proxy(
        "haproxy",
        "haproxy.cfg",
        ("-db", "-f", "{folder}/haproxy.cfg"),
        {
            "bind :443": "bind 127.0.0.1:{port}",
            "/etc/ssl/rootquorum.pem": "{folder}/certificate.pem",
            "log /dev/log local0": "log stdout format raw local0",
        },
        {"    # http-request": "    http-request"},
        fleet={
            "    tune.bufsize": "    stats socket {folder}/admin.sock level admin\n    tune.bufsize",
            "    server local 127.0.0.1:8080\n": "",
            "    # option httpchk": "    option httpchk",
            "    # timeout check": "    timeout check",
            "    # default-server check inter 2s": "    default-server check inter 100ms",
            "    # server one 192.0.2.1:8080": "    server one 127.0.0.1:{one}",
            "    # server two 192.0.2.2:8080": "    server two 127.0.0.1:{two}",
        },
    ),
}


def find(name: str) -> str | None:
    return debian.find_unpacked(PROXIES[name].program)


@contextmanager
def running(
    name: str,
    folder: Path,
    service_port: int,
    authority: trustme.CA,
    *,
    prefixed: bool = False,
    others: Sequence[int] = (),
) -> Iterator[int]:
    """Run the proxy in front of the service and yield its port. All that it writes is in `folder`.

    `others` has the port of the second replica of a fleet.
    """
    proxy, port = PROXIES[name], free_port()
    authority.issue_cert(NAME, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "certificate.pem")
    )
    configuration = (_DEPLOY / proxy.configuration).read_text()
    instead = {old: new.format(folder=folder, port=port) for old, new in proxy.instead.items()}
    for second in others:
        instead |= {old: new.format(folder=folder, one=service_port, two=second) for old, new in proxy.fleet.items()}
    for old, new in (proxy.prefixed if prefixed else {}).items() | instead.items():
        assert old in configuration, old
        configuration = configuration.replace(old, new)
    configuration = configuration.replace("127.0.0.1:8080", f"127.0.0.1:{service_port}")
    around = proxy.around.format(folder=folder, configuration=configuration)
    (folder / proxy.configuration).write_text(around)
    environment = os.environ | {
        "LD_LIBRARY_PATH": debian.unpacked_libraries(),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [str(find(name)), *(part.format(folder=folder) for part in proxy.command)]
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port, process), what=name)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the proxy stopped"
    try:
        httpx.get(f"https://127.0.0.1:{port}/livez", verify=False)
    except httpx.TransportError:
        return False
    return True


if __name__ == "__main__":
    if "nginx" in sys.argv:
        debian.ensure("nginx", "nginx-light")
    if "caddy" in sys.argv:
        debian.unpack("caddy", "caddy")
    if "haproxy" in sys.argv:
        libraries = ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")
        debian.unpack("haproxy", "haproxy", *libraries)
