"""Prints `service/desk/evidence.html`: one file that works from disk, made of the desk's modules.

`make evidence` writes it. Modules become functions of one inline script, in the order of their imports. The page's
policy names the hashes of this script and of the style, and forbids everything else.
"""

import base64
import hashlib
import re
from pathlib import Path

_DESK = Path(__file__).parents[1] / "service/desk"
_FOLDER = _DESK / "evidence"
PAGE = _DESK / "evidence.html"

_IMPORT = re.compile(r'^(import|export) (\* as \w+|\{[^}]*\}) from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+|\[[^\]]*\]|\{[^}]*\})", re.MULTILINE)


def page() -> str:
    """Return the whole page."""
    style = (_FOLDER / "page.css").read_text()
    script = bundle(_FOLDER / "page.js")
    # Trusted Types: no text becomes markup or a script, whatever a mistake in the page might try.
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ])  # fmt: skip
    parts = {"policy": policy, "style": style, "script": script}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (_FOLDER / "page.html").read_text())


def bundle(main: Path) -> str:
    """Return a module and all that it imports as one script. Raise ValueError for what cannot be in one."""
    modules: dict[Path, str] = {}
    _add(main, modules)
    script = "\nconst modules = {};\n" + "".join(modules.values())
    if "</script" in script or "<!--" in script:
        raise ValueError("this would end the script")
    return script


def _add(file: Path, modules: dict[Path, str]) -> None:
    """Add a module behind those that it imports."""
    source, exported = file.read_text(), list[str]()
    for _, _, path in _IMPORT.findall(source):
        if (imported := (file.parent / path).resolve()) not in modules:
            _add(imported, modules)

    def from_modules(found: re.Match[str]) -> str:
        names, module = found[2].removeprefix("* as "), f'modules["{_name(file.parent / found[3])}"]'
        if found[1] == "export":
            exported.extend(re.findall(r"\w+", names))
        return f"const {names} = {module};\n"

    def own(found: re.Match[str]) -> str:
        exported.extend(re.findall(r"\w+", found[2]))
        return f"{found[1]} {found[2]}"

    body = _EXPORT.sub(own, _IMPORT.sub(from_modules, source))
    if left := re.search(r"^(import|export)\b.*|\bas\b.*\} = modules", body, re.MULTILINE):
        raise ValueError(f"{file.name}: this form is not known here: {left[0]}")
    returned = f"return {{ {', '.join(exported)} }};\n" if exported else ""
    modules[file.resolve()] = f'\nmodules["{_name(file)}"] = (() => {{\n{body}{returned}}})();\n'


def _name(file: Path) -> str:
    return file.resolve().relative_to(_DESK).as_posix()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  # printing is what it is for
