"""The published schemas of Kubernetes, in an environment of their own, and `kubectl` if the machine has it.

Run as a script it installs the schemas.
"""

import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from support.products import debian

SERVED = "1.37"
_VALIDATE = "1.37.0"
_PLACE = Path(sys.prefix) / f"kubernetes-validate-{_VALIDATE}"


def are_there() -> bool:
    return (_PLACE / "ready").exists()


def install() -> None:
    if are_there():
        return
    venv.create(_PLACE, with_pip=True, clear=True)
    subprocess.run([_PLACE / "bin/pip", "install", "--quiet", f"kubernetes-validate=={_VALIDATE}"], check=True)
    # The schemas of all other versions take a hundred megabytes.
    for schemas in _PLACE.glob("lib/*/site-packages/kubernetes_validate/kubernetes-json-schema/*"):
        if not schemas.name.startswith(f"v{SERVED}."):
            shutil.rmtree(schemas)
    (_PLACE / "ready").touch()


def validate(files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """Check the files against the schemas. A field that Kubernetes does not know is a fault."""
    command = [str(_PLACE / "bin/kubernetes-validate"), "--strict", "--kubernetes-version", SERVED, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kustomize(folder: Path) -> str | None:
    """Return what `kubectl apply -k` would send, or None if the machine has no `kubectl`."""
    kubectl = debian.find("kubectl")
    if kubectl is None:
        return None
    return subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    install()
