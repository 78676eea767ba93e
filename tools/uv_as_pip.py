"""Run uv with what pip was told: `python tools/uv_as_pip.py pip sync …`.

uv reads neither pip's configuration nor, by itself, the system's certificates. Whoever installs from a private index,
or behind a proxy that inspects TLS, has told pip. The Makefile must not need to be told again. uv's own variables win.
The Python that runs this has pip, and uv beside it.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# A setting of pip's, and uv's variable for it.
_VARIABLE = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "proxy": "HTTPS_PROXY",
}
# pip's own order, the strongest last: the file's sections, then the environment.
_SECTIONS = ("global.", "install.", ":env:.")


def environment(pip_config: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return `given` and, for what it does not say, uv's variables for the output of `pip config list`."""
    said = dict(line.split("=", 1) for line in pip_config.splitlines() if "=" in line)
    found = {
        variable: _separated(variable, ast.literal_eval(said[section + name]))
        for section in _SECTIONS
        for name, variable in _VARIABLE.items()
        if section + name in said
    }
    # pip takes the best of all its indexes. uv would take the first that knows the name, unless it is told otherwise;
    # the lock's hashes say which file is meant.
    strategy = {"UV_INDEX_STRATEGY": "unsafe-best-match"} if "UV_INDEX" in found else {}
    return {**found, **strategy, **given}


def _separated(variable: str, value: str) -> str:
    """Pip separates several values by white space or lines; so does uv's UV_INDEX, but UV_FIND_LINKS takes commas."""
    return ("," if variable == "UV_FIND_LINKS" else " ").join(value.split())


def main() -> int:
    folder = Path(sys.executable).parent
    config = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    command, variables = [str(folder / "uv"), *sys.argv[1:]], environment(config, os.environ)
    done = subprocess.run(command, env=variables, check=False)
    if done.returncode and "UV_SYSTEM_CERTS" not in variables:
        # uv trusts its own list of authorities first. A proxy that inspects TLS is known to the system alone.
        done = subprocess.run(command, env=variables | {"UV_SYSTEM_CERTS": "true"}, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
