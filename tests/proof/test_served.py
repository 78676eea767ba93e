"""What browsers get of the desk is its source: Node.js reads the same program in both."""

import json
import subprocess

import pytest
import served_files
from support.products.nodejs import NODE

# Its own parser, acorn. Where something stands, and how a text was written, is no part of the program.
_PARSE = """
const { parse } = require("internal/deps/acorn/acorn/dist/acorn");
const sources = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const read = (source) => parse(source, { ecmaVersion: "latest", sourceType: "module" });
const meant = (name, value) =>
  ["start", "end"].includes(name) ? undefined : typeof value === "bigint" ? `${value}n` : value;
process.stdout.write(JSON.stringify(sources.map((source) => JSON.stringify(read(source), meant))));
"""


def programs(*sources: str) -> list[str]:
    command = [str(NODE), "--expose-internals", "--no-warnings", "--eval", _PARSE]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_every_module_is_the_same_program_without_its_comments() -> None:
    paths = [path for path in served_files.files() if path.endswith(".js")]
    sources = [(served_files.SOURCE / path).read_text() for path in paths]
    assert len(paths) > 40
    assert programs(*sources) == programs(*(served_files.files()[path] for path in paths))


@pytest.mark.parametrize(
    ("source", "served"),
    [
        ("a = b / c / d; // e\n", "a=b/c/d;"),
        ('a = [/[/"]/g, (b) / /`/.c];\n', 'a=[/[/"]/g,(b)/ /`/.c];'),
        ("a = `b // ${c /* d */ + `}`} e`;\n", "a=`b // ${c /* d */ + `}`} e`;"),
        ("a = b + +c - -d + ++e;\n", "a=b+ +c- -d+ ++e;"),
        ("const f = async () => {\n  return /a/;\n};\n", "const f=async()=>{return/a/};"),
        ('a = "// no comment" in b;\n', 'a="// no comment"in b;'),
        ("f(a, {\n  b,\n});\ng();\n", "f(a,{b});\ng();"),
    ],
)
def test_space_goes_only_where_it_means_nothing(source: str, served: str) -> None:
    assert served_files.script(source) == f"{served}\n"
    before, after = programs(source, served)
    assert before == after


def test_what_it_cannot_read_is_refused() -> None:
    with pytest.raises(ValueError, match="not known here"):
        served_files.script('a = "no end\n')
