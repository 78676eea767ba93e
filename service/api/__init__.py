"""HTTP. It has no rules: a route reads the input, calls one workflow function and writes the response."""

import sys

# FastAPI looks for classes of pydantic 1 in each body, and imports it for that: 20 ms and 1.5 MiB. It takes what cannot
# be imported for absent. Nothing here has such a class.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]  # Python's documented way to block an import
