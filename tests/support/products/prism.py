"""Prism: a mock server from a product's published OpenAPI document, which refuses what the document forbids."""

import json
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from support.products.nodejs import NODE, PRISM, document

from service.cli.waiting import free_port, wait_until


def excerpt(name: str, paths: Collection[str]) -> dict[str, Any]:
    """Return the document with only these paths and what they refer to. Bodies may have no undocumented fields."""
    whole = json.loads(document(name).read_text())
    kept = {path: whole["paths"][path] for path in paths}
    components: dict[str, dict[str, Any]] = {"securitySchemes": whole.get("components", {}).get("securitySchemes", {})}
    left = list(_references(kept))
    while left:
        _, _, kind, part = left.pop().split("/")
        if part not in components.setdefault(kind, {}):
            components[kind][part] = whole["components"][kind][part]
            left += _references(components[kind][part])
    made = {"openapi": whole["openapi"], "info": whole["info"], "paths": kept, "components": components}
    for path in kept.values():
        for method, operation in path.items():
            if method != "parameters":
                _close(made, operation)
                _read_examples(operation)
    return made


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _close(made: Mapping[str, Any], operation: Mapping[str, Any]) -> None:
    if "requestBody" not in operation:
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = made["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    schema["additionalProperties"] = False
    for part in schema["properties"].values():
        # Without a `type` beside it Prism ignores the schema, and lets everything pass.
        if "type" not in part:
            part.pop("nullable", None)


def _read_examples(operation: Mapping[str, Any]) -> None:
    """Parse examples that are JSON written as text."""
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            if isinstance(content.get("example"), str):
                content["example"] = json.loads(content["example"])


@contextmanager
def running_prism(described: Mapping[str, Any]) -> Iterator[str]:
    """Run Prism and yield its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="rootquorum-prism-") as name:
        file, log = Path(name) / "openapi.json", Path(name) / "log"
        file.write_text(json.dumps(described))
        with log.open("wb") as out:
            command = [str(NODE), str(PRISM), "mock", "--errors", "--port", str(port), str(file)]
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            wait_until(lambda: _answers(url, process, log), what="Prism")
            yield url
        finally:
            process.kill()
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        httpx.get(url, verify=False)  # there is no TLS, and loading certificates takes long
    except httpx.TransportError:
        return False
    return True
