"""Messages of trackers, mangled: none is a crash, and none withdraws what the true one would not have withdrawn."""

import json
import os
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.closings import KINDS, TEXT, Headers, Kind, filed, form, raw, sources
from support.destinations import SECRET
from support.house import House
from support.logs import capture_logs

from service.domain.request import OperationRequest, Status

# For each of three kinds and two ways to mangle.
CASES = 200 if os.environ.get("FUZZ") == "long" else 15
CANARY = "canary-in-the-message"
SECRETS = (TEXT, SECRET.removeprefix("whsec_"), CANARY)
STEP = timedelta(seconds=2)

NONSENSE: list[Any] = [
    10**15,
    10**400,
    -1,
    0,
    1.5,
    1e400,
    float("nan"),
    True,
    None,
    "",
    "\0",
    "\ud800",
    "x" * 2000,
    [],
    {},
]
NONSENSE += [[[]], ["closed"], {"key": "done"}, {"number": {}}, "closed", "deleted", "jira:issue_deleted", "now"]
BYTES = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b'"',
    b"{",
    b"}",
    b"[" * 3000,
    b",",
    b"&",
    b"=",
    b"payload=",
    b"%",
    b" ",
]
VALUES = [
    "",
    "x",
    " ",
    "0",
    "\u00e9",
    "v1,",
    "sha256=",
    "sha256=" + "0" * 64,
    "1" * 400,
    "v1,x " * 40,
    "-1",
    "1e9",
    "a, b",
]


@dataclass
class HookScene:
    """`named` is what the true message withdraws; `others` name another ticket, or were filed after it was closed."""

    house: House
    kind: Kind
    client: TestClient
    closed_at: datetime
    named: OperationRequest
    others: list[OperationRequest]

    @classmethod
    def of(cls, house: House, kind: Kind) -> "HookScene":
        house.app.state.hooks = sources()
        other = filed(house, kind.ticket.replace("7", "4711"))
        named = filed(house, kind.ticket)
        house.clock.advance(STEP)
        closed_at = house.clock()
        house.clock.advance(STEP)
        later = filed(house, kind.ticket)
        house.clock.advance(STEP)
        return cls(house, kind, house.client(), closed_at, named, [other, later])

    def message(self) -> dict[str, Any]:
        return self.kind.closing(self.closed_at) | {"canary": CANARY}

    def post(self, body: bytes, headers: Headers) -> int:
        """The status of an answer that is as documented, and says nothing of what was sent."""
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        answer = self.client.post(f"/v1/hooks/{self.kind.name}", content=body, headers=encoded)
        assert answer.status_code in {204, 400, 401, 413}, (answer.text, body, headers)
        assert not any(secret in answer.text for secret in SECRETS)
        return answer.status_code

    def status(self) -> Status:
        """Of what the true message withdraws; what it does not is as it was."""
        assert {self.house.now(request).status for request in self.others} == {Status.PENDING}
        return self.house.now(self.named).status


def mangled_bytes(body: bytes, chance: random.Random) -> bytes:
    """But for new digits, by which another time or another ticket would be well signed."""
    made = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(3):
            case 0:
                made[at : at + chance.randint(1, 20)] = b""
            case 1:
                made[at:at] = chance.choice(BYTES)
            case _:
                made[at : at + 1] = chance.choice(b'abcXYZ{}[]":,\\ \n').to_bytes()
    return bytes(made)


def mangled_document(document: Any, chance: random.Random) -> Any:
    """One value somewhere in it is nonsense, gone, elsewhere, wrapped, or under another name."""
    made = deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        inner = made
        while True:
            name = chance.choice(list(inner))
            if not isinstance(inner[name], dict) or not inner[name] or chance.random() < 0.3:
                break
            inner = inner[name]
        value = inner.pop(name)
        match chance.randrange(6):
            case 0:
                inner[name] = chance.choice(NONSENSE)
            case 1:
                inner[name] = chance.choice(({name: value}, [value], {"": value}, str(value)))
            case 2:
                inner[name.swapcase()] = value
            case 3:
                made[name] = value
            case 4:
                inner[name] = json.loads("[" * 500 + "]" * 500)
            case _:
                inner.setdefault("gone", 1)
    return made


def mangled_headers(headers: Headers, chance: random.Random, values: list[str]) -> Headers:
    """One of them is doubled, changed, gone, or has a name in another case."""
    made = list(headers)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(made))
        name, value = made[at]
        match chance.randrange(6):
            case 0:
                made.insert(chance.randrange(len(made) + 1), (name, chance.choice([*values, value])))
            case 1:
                made[at] = (name, chance.choice(values))
            case 2:
                made[at] = (name.swapcase(), value)
            case 3:
                made[at] = (name, value + ", " + chance.choice(values))
            case 4:
                made.append(("Content-Type", chance.choice(["text/plain", "application/x-www-form-urlencoded", "x"])))
            case _:
                made = made[:at] + made[at + 1 :] or [("x", "x")]
    return made


Mangling = Callable[[HookScene, random.Random], None]


def signed(scene: HookScene, chance: random.Random) -> None:
    """By whoever has the secret: it is taken, whatever it says."""
    document = scene.message()
    encode = form if scene.kind.name == "github" and chance.random() < 0.5 else raw
    if chance.random() < 0.6:
        body = encode(mangled_document(document, chance))
    else:
        body = mangled_bytes(encode(document), chance)
    try:
        headers = scene.kind.signed(body, scene.closed_at)
    except UnicodeDecodeError:
        return  # the reference package signs no bytes that are no text
    assert scene.post(body, headers) == 204


def forged(scene: HookScene, chance: random.Random) -> None:
    """By somebody who saw the true message, which tells of the time in nothing but its header if it can."""
    message = scene.message()
    if scene.kind.name == "standard":
        del message["timestamp"]
    body = raw(message)
    headers = scene.kind.signed(body, scene.closed_at)
    if chance.random() < 0.5:
        before, other = scene.status(), mangled_bytes(body, chance)
        if other != body:
            assert scene.post(other, headers) == 401
            assert scene.status() is before
    else:
        now = str(int(scene.house.clock().timestamp()))
        scene.post(body, mangled_headers(headers, chance, [*VALUES, now]))


@pytest.mark.parametrize("mangle", [signed, forged])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mangled_message_is_no_crash_and_withdraws_nothing_else(
    sqlite_house: House, caplog: pytest.LogCaptureFixture, kind: str, mangle: Mangling
) -> None:
    scene, chance = HookScene.of(sqlite_house, KINDS[kind]), random.Random(f"{kind} {mangle.__name__}")
    caplog.set_level("DEBUG")
    with capture_logs() as logged:
        for _ in range(CASES):
            mangle(scene, chance)
            scene.status()
        body = raw(scene.message())
        assert scene.post(body, scene.kind.signed(body, scene.closed_at)) == 204
    assert scene.status() is Status.WITHDRAWN
    assert not any(secret in f"{logged} {caplog.text}" for secret in SECRETS)
