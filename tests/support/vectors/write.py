"""Write the vectors in `conformance/`, for whoever writes another verifier. Run as a script."""

import json

from support.vectors.common import FOLDER
from support.vectors.rosters import rosters
from support.vectors.signatures import signatures
from support.vectors.statements import statements

if __name__ == "__main__":
    for make in (signatures, statements, rosters):
        (FOLDER / f"{make.__name__}.json").write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")
