"""What an auditor has who trusts nobody's installation."""

import shutil
import venv
from importlib.metadata import files
from pathlib import Path


def bare_python(home: Path) -> Path:
    """Make a Python that has only `cryptography`, and what that stands on."""
    venv.create(home, with_pip=False)
    (packages,) = home.glob("lib/python*/site-packages")
    for name in ("cryptography", "cffi"):
        for file in files(name) or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), packages / file)
    return home / "bin" / "python"
