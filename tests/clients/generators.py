"""Two generators of clients, each in an environment of its own: for TypeScript on Node.js, by hash, and for Python.

As a program of its own it installs what the tests run.
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.products.nodejs import NODE, ci

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_CONTRACT = _ROOT / "openapi" / "openapi.json"
_TYPESCRIPT = _ROOT / ".venv" / "clients-typescript"
_VERSION = "0.29.1"
_PYTHON = _ROOT / ".venv" / f"openapi-python-client-{_VERSION}"
_LOCK = _HERE / "typescript" / "package-lock.json"


def are_there() -> bool:
    ready = _TYPESCRIPT / "ready"
    return ready.exists() and ready.read_bytes() == _LOCK.read_bytes() and (_PYTHON / "ready").exists()


def install() -> None:
    if are_there():
        return
    shutil.rmtree(_TYPESCRIPT, ignore_errors=True)
    shutil.copytree(_HERE / "typescript", _TYPESCRIPT)
    ci(_TYPESCRIPT)
    shutil.copyfile(_LOCK, _TYPESCRIPT / "ready")
    venv.create(_PYTHON, with_pip=True, clear=True)
    subprocess.run([_PYTHON / "bin/pip", "install", "--quiet", f"openapi-python-client=={_VERSION}"], check=True)
    (_PYTHON / "ready").touch()


def in_typescript(folder: Path, service: Mapping[str, Any]) -> dict[str, Any]:
    """What the lifecycle says that a generated client goes through: checked against its types, and run."""
    for file in (_HERE / "typescript").iterdir():
        shutil.copy(file, folder)
    shutil.copyfile(_CONTRACT, folder / "openapi.json")
    (folder / "service.json").write_text(json.dumps(service))
    packages = _TYPESCRIPT / "node_modules"
    (folder / "node_modules").symlink_to(packages)
    _run(folder, NODE, packages / "@hey-api/openapi-ts/bin/run.js", "--silent", "--no-log-file")
    _run(folder, NODE, packages / "typescript/bin/tsc", "--project", ".")
    return _said(_run(folder, NODE, "lifecycle.ts"))


def in_python(folder: Path, service: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a client in Python."""
    shutil.copyfile(_HERE / "python" / "lifecycle.py", folder / "lifecycle.py")
    (folder / "service.json").write_text(json.dumps(service))
    (folder / "config.yaml").write_text("post_hooks: []\n")
    generate = ("generate", "--path", _CONTRACT, "--meta", "none", "--output-path", "client", "--config", "config.yaml")
    _run(folder, _PYTHON / "bin/openapi-python-client", *generate)
    return _said(_run(folder, _PYTHON / "bin/python", "lifecycle.py"))


def _run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _said(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


if __name__ == "__main__":
    install()
    sys.exit(0)
