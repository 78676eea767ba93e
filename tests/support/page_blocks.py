"""The blocks of commands on a page, and a scene in which they run: people with tokens and keys, and a service.

A mark before a block says who runs its commands, one name for each in their order: `<!-- run as: carol dave+erin -->`.
Two people joined by `+` run the same command. `<!-- not run: why -->` says why a block cannot run in a test.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from support.installation import commanded, serving
from support.products import openssh

from service.cli.waiting import free_port

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>run as|not run): (?P<said>[^>]+) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = frozenset({"", "sh", "console", "bash"})
PEOPLE = {
    "carol": "requester",
    "dave": "approver",
    "erin": "approver",
    "frank": "auditor",
    "grace": "requester",
    "rita": "requester",
    "olga": "operator",
    "bob": "approver",
    "alice": "requester",
}
_APPROVERS = ("dave", "erin")
_SETTINGS = """[aws]
simulated = true
[policy]
decision_requires_auth_time = false
[audit]
origin = "rootquorum.example.com/log"
[audit.keys.log]
key_file = "log.pem"
[accounts.111122223333]
name = "production"
"""
_EXPECTATIONS = """[[expect]]
name = "no account is forgotten"
possible = true
"""
# A block that waits for somebody is a mistake of its mark.
_LONGEST_SECONDS = 120
_THEIR_URL, _THEIR_ACCOUNT, _THEIR_KEY = "https://rootquorum.example.com", "111122223333", "AKIAIOSFODNN7EXAMPLE"
_ACCOUNTS = [f"{number:012}" for number in range(200000000000, 200000000020)]

# Who runs each command, and with which key. Everything else of a block is what a reader types.
_PRELUDE = """set -eu
rootquorum() {
  whose=$(head -n1 "$SCENE/people"); if [ "$(wc -l < "$SCENE/people")" -gt 1 ]; then sed -i 1d "$SCENE/people"; fi
  for who in ${whose//+/ }; do
    if [ -e "$SCENE/keys/$who" ]; then
      cp "$SCENE/keys/$who" ~/.ssh/id_ed25519_sk; cp "$SCENE/keys/$who.pub" ~/.ssh/id_ed25519_sk.pub
    fi
    asked=""; if [ "$1" = approve ]; then asked="$PYTHON $SCENE/at_a_terminal.py"; fi
    XDG_STATE_HOME="$SCENE/$who" ROOTQUORUM_TOKEN="$(cat "$SCENE/$who.token")" $asked "$PROGRAM" "$@"
  done
}
"""
AT_A_TERMINAL = """import subprocess, sys
from pathlib import Path
from support.at_terminal import Person, at
person = Person("yes")
done = subprocess.run(at(person.terminal, sys.argv[1:]), start_new_session=True)
person.leave()
sys.exit(done.returncode)
"""


# What is another each time, and a name for it.
_CHANGING = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "<id>",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z| [0-9:]{5} UTC)?": "<time>",
    r"\b[0-9a-f]{64}\b": "<digest>",
    r"AKIA[0-9A-Z]{16}": "<key>",
    r'(?<="secret_access_key": ")[^"]+|(?<=AWSSecretKey=)\S+': "<secret>",
    r'(?<="seq":)[0-9]+': "<number>",
}


def same(text: str) -> list[str]:
    """Return the lines, with a name in place of what is another each time."""
    for pattern, name in _CHANGING.items():
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.strip().splitlines()]


@dataclass(frozen=True)
class Block:
    """A block of a page. `mark` is `run as`, `not run` or nothing; `said` is what follows it there."""

    page: str
    language: str
    text: str
    mark: str
    said: str

    @property
    def typed(self) -> str:
        """What a reader types: in a console, what follows the prompts."""
        lines = self.text.splitlines(keepends=True)
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return "".join(prompted or lines)

    @property
    def printed(self) -> str:
        """What the page says that the commands print: in a console, what follows no prompt."""
        lines = self.text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("$ ")) if lines[0].startswith("$ ") else ""


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that are in no other language than a shell's, in their order."""
    found = [
        Block(
            page.name,
            block["language"],
            re.sub(rf"^{block['indent']}", "", block["text"], flags=re.MULTILINE),
            block["mark"] or "",
            (block["said"] or "").strip(),
        )
        for block in _BLOCK.finditer(page.read_text())
    ]
    return [block for block in found if block.language in COMMANDS]


@dataclass(frozen=True)
class Scene:
    """A service with people, in a folder. Of the accounts in `unused` each block gets one of its own."""

    folder: Path
    url: str
    unused: Iterator[str]

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run what a reader types, as the people that the mark names."""
        (self.folder / "people").write_text("".join(f"{name}\n" for name in block.said.split()))
        shutil.rmtree(
            self.folder / "home/.aws", ignore_errors=True
        )  # what a block keeps there has one name on all pages
        account_id, text = next(self.unused), block.typed
        ours = {_THEIR_URL: self.url, _THEIR_ACCOUNT: account_id}
        if _THEIR_KEY in text:
            ours[_THEIR_KEY] = self._new_key(account_id)
        for theirs, replacement in ours.items():
            text = text.replace(theirs, replacement)
        return subprocess.run(
            ["bash", "-c", f"{_PRELUDE}{text}"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            timeout=_LONGEST_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )

    def _new_key(self, account_id: str) -> str:
        """Return the id of a new key of the account, which is not the one that the service signs with."""
        wish = {"operation": "create_access_key", "account_id": account_id, "justification": "A key for the scene."}
        filed = self._call("carol", "", wish)
        for approver in _APPROVERS:
            self._call(approver, f"/{filed['id']}/decisions", {"decision": "approve", "digest": filed["digest"]})
        key_id: str = self._call("carol", f"/{filed['id']}/execution")["access_key_id"]
        self._call("carol", f"/{filed['id']}/receipt")
        return key_id

    def _call(self, person: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {(self.folder / f'{person}.token').read_text().strip()}"}
        answer = httpx.post(f"{self.url}/v1/requests{path}", json=body, headers=headers, verify=False)
        assert answer.is_success, answer.text
        return answer.json()

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ROOTQUORUM_", "AWS_"))}
        return clean | {
            "SCENE": str(self.folder),
            "HOME": str(self.folder / "home"),
            "ROOTQUORUM_URL": self.url,
            "PROGRAM": str(Path(sys.executable).parent / "rootquorum"),
            "PYTHON": sys.executable,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "COLUMNS": "400",
        }


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Provide a service on a simulated AWS, and for everybody a token; for two approvers, keys of founders as well."""
    for name in ("keys", "home/.ssh"):
        (folder / name).mkdir(parents=True)
    founders = ""
    for name in _APPROVERS:
        key = openssh.generate(folder, "ed25519")
        public = key.with_suffix(".pub").read_text().strip()
        founders += f'[founders.{name}]\nkeys = ["{public}"]\n'
        key.with_suffix(".pub").rename(folder / "keys" / f"{name}.pub")
        shutil.copy(folder / "keys" / f"{name}.pub", folder / "home/.ssh/id_ed25519.pub")
        key.rename(folder / "keys" / name)
    (folder / "at_a_terminal.py").write_text(AT_A_TERMINAL)
    people = [f'[people.{name}]\nname = "{name.title()}"\nroles = ["{role}"]\n' for name, role in PEOPLE.items()]
    accounts = [f'[accounts.{each}]\nname = "number {each[-2:]}"\n' for each in _ACCOUNTS]
    for name in ("rootquorum.toml", "before.toml", "after.toml"):
        (folder / name).write_text("".join([_SETTINGS, *accounts, *people, founders]))
    (folder / "expectations.toml").write_text(_EXPECTATIONS)
    for arguments in (("audit", "key", "log.pem"), ("migrate",), *(("token", "create", name) for name in PEOPLE)):
        done = commanded(folder, *arguments)
        assert done.returncode == 0, done.stderr
        (folder / f"{arguments[-1]}.token").write_text(done.stdout)
    port = free_port()
    with serving(folder, port):
        yield Scene(folder, f"http://127.0.0.1:{port}", iter(_ACCOUNTS))
