"""Servers that lie to whoever signs: each is noticed before anything is signed."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.approvers import ORIGIN, Installation
from support.liar import Lie, lying
from support.products import openssh

pytestmark = pytest.mark.skipif(
    openssh.find() is None and "CI" not in os.environ, reason="no OpenSSH here; `make openssh` installs it"
)


def _restated(answer: dict[str, Any], **said: Any) -> dict[str, Any]:
    statement = json.loads(answer["statement"]) | said
    return answer | {"statement": json.dumps(statement, sort_keys=True, separators=(",", ":"))}


def _another_filing(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("/statement"):
        return answer
    return answer | {"filing": answer["filing"].replace("Due this quarter.", "A harmless reason.")}


def _another_request(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("/statement"):
        return answer
    other = "00000000-0000-4000-8000-000000000000"
    filing = answer["filing"].replace(json.loads(answer["filing"])["id"], other)
    digest = hashlib.sha256(filing.encode()).hexdigest()
    return _restated(answer, request_id=other, digest=digest) | {"filing": filing, "digest": digest}


def _unknown_member(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("/statement"):
        return answer
    filing = answer["filing"].replace('{"accept_lockout"', '{"accept_all":true,"accept_lockout"')
    digest = hashlib.sha256(filing.encode()).hexdigest()
    return _restated(answer, digest=digest) | {"filing": filing, "digest": digest}


def _stating(**said: Any) -> Lie:
    return lambda path, answer: _restated(answer, **said) if path.endswith("/statement") else answer


def _somebody_elses_key(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"keys": []} if path.endswith("/statement") else answer


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (_another_filing, "about another filing."),
        (_another_request, "the filing of another request."),
        (_unknown_member, "something that this version does not understand."),
        (_stating(person="ben"), "about another person."),
        (_stating(request_id="00000000-0000-4000-8000-000000000000"), "about another request."),
        (_stating(digest="0" * 64), "about another filing."),
        (_stating(decision="reject"), "about another decision."),
        (_stating(at="2031-01-01T00:00:00Z"), "not that of your clock."),
        (_stating(type="rootquorum-rules/1"), "no statement of this kind."),
        (_stating(more="x"), "no statement of this kind."),
        (_stating(log={"size": 0, "root": hashlib.sha256().hexdigest()}), "The log of the server is empty."),
        (_somebody_elses_key, "does not count for ann"),
        (lambda path, answer: answer | {"subject": "ben"} if path == "/v1/me" else answer, "about another person."),
        (lambda path, answer: {} if path.endswith("/statement") else answer, "has no filing."),
        (lambda path, answer: answer | {"statement": 1} if path.endswith("/statement") else answer, "no statement."),
        (lambda _path, answer: answer | {"decisions": 1} if "digest" in answer else answer, "decisions"),
    ],
)
def test_a_server_that_lies_gets_no_signature(
    installed: Installation, request_: Any, tmp_path: Path, lie: Lie, sentence: str
) -> None:
    before = installed.signings
    with lying(installed.url, lie) as url:
        done = installed.approve("ann", request_, "--state", str(tmp_path / "heads.json"), url=url)
    assert (done.code, done.seen, installed.signings - before) == (1, "", 0)
    assert sentence in done.error
    assert len(done.error.splitlines()) == 1
    assert not (tmp_path / "heads.json").exists()


def _showing_the_key_of(person: str, installed: Installation) -> Lie:
    """Ask for an endorsement of somebody's key instead of the one that was named."""
    key = " ".join(installed.key(person).with_suffix(".pub").read_text().split()[:2])

    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if not path.endswith("/statement"):
            return answer
        return _restated(answer, key=key) | {"key": answer["key"] | {"key": key}}

    return lie


def test_a_server_that_lies_gets_no_endorsement(installed: Installation) -> None:
    endorse = ("signing-key", "endorse", installed.fingerprint("ben"), "--key", str(installed.key("ann")))
    key = " ".join(installed.key("cid").with_suffix(".pub").read_text().split()[:2])
    lies = {
        "another key than that of this fingerprint.": _showing_the_key_of("cid", installed),
        "about another key.": _stating(key=key),
        "about another person.": _stating(person="cid"),
        "about another endorser.": _stating(endorser="cid"),
    }
    before = installed.signings
    for sentence, lie in lies.items():
        with lying(installed.url, lie) as url:
            done = installed.run("ann", *endorse, url=url)
        assert (done.code, done.seen) == (1, "")
        assert sentence in done.error
    assert installed.signings == before


@pytest.mark.parametrize(
    ("said", "sentence"), [({"person": "cid"}, "another person."), ({"key": "ssh-rsa AAAA"}, "another key.")]
)
def test_a_server_that_lies_gets_no_registration(installed: Installation, said: dict[str, str], sentence: str) -> None:
    before = installed.signings
    with lying(installed.url, _stating(**said)) as url:
        done = installed.run("dave", "signing-key", "add", str(installed.key("dave")), "--name", "x", url=url)
    assert (done.code, done.seen, installed.signings - before) == (1, "", 0)
    assert sentence in done.error


def test_a_key_that_signs_for_another_public_key_is_noticed(
    installed: Installation, request_: Any, tmp_path: Path
) -> None:
    key = Path(shutil.copy(installed.key("dave"), tmp_path / "key"))
    shutil.copy(installed.key("ann").with_suffix(".pub"), tmp_path / "key.pub")
    done = installed.run("ann", "approve", request_["id"], "--key", str(key))
    assert done.code == 1
    assert installed.call("ann", "GET", f"/v1/requests/{request_['id']}")["decisions"] == []


def _rewritten(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("/statement"):
        return answer
    return _restated(answer, log=json.loads(answer["statement"])["log"] | {"root": "ab" * 32})


def _shorter(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return _restated(answer, log={"size": 1, "root": "ab" * 32}) if path.endswith("/statement") else answer


def _without_proof(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"proof": []} if path.endswith("/consistency") else answer


def _refusing_a_proof(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"detail": "There is no such thing."} if path.endswith("/consistency") else answer


def _renamed(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return _restated(answer, service="elsewhere.example.com/log") if path.endswith("/statement") else answer


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (_rewritten, "do not begin with the"),
        (_shorter, "it has 1 events, and had"),
        (_without_proof, "do not begin with the"),
        (_refusing_a_proof, "does not prove that its log begins with the one that you saw"),
        (_renamed, "STOP. This server was the service"),
    ],
)
def test_another_log_than_before_stops_it_loudly(
    installed: Installation, request_: Any, tmp_path: Path, lie: Lie, sentence: str
) -> None:
    state, lies = tmp_path / "heads.json", False
    with lying(installed.url, lambda path, answer: lie(path, answer) if lies else answer) as url:
        assert installed.approve("ann", request_, "--state", str(state), url=url).code == 0
        kept, before, lies = state.read_bytes(), installed.signings, True
        done = installed.approve("ben", request_, "--state", str(state), url=url)
    assert (done.code, done.seen, installed.signings - before) == (1, "", 0)
    assert done.error.startswith("STOP. ")
    assert sentence in done.error
    assert state.read_bytes() == kept


def _ahead(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Make up a head for whoever has kept none."""
    if not path.endswith("/statement"):
        return answer
    return _restated(answer, log={"size": 9999, "root": "ab" * 32})


def _keyless(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"keys": []} if path == "/v1/audit/keys" else answer


def _of_another_key(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    other = "rootquorum.example.com/log+8f1c6b3d+AXJ9hpqzGvuYPPmVHOPTDc6h3Xq5c8gXr8N4wzPJ0b5r"
    return answer | {"keys": [{"key": other}]} if path == "/v1/audit/keys" else answer


@pytest.mark.parametrize("lie", [_ahead, _rewritten, _of_another_key])
def test_a_head_that_the_key_of_the_log_does_not_sign_is_neither_signed_nor_kept(
    installed: Installation, request_: Any, tmp_path: Path, lie: Lie
) -> None:
    state, before = tmp_path / "heads.json", installed.signings
    with lying(installed.url, lie) as url:
        done = installed.approve("ann", request_, "--state", str(state), url=url)
    assert (done.code, done.seen, installed.signings - before) == (1, "", 0)
    assert "The key of the log does not sign" in done.error
    assert not state.exists()


def test_a_log_that_had_a_key_has_one_for_ever(installed: Installation, request_: Any, tmp_path: Path) -> None:
    state, lies = tmp_path / "heads.json", False

    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return _keyless(path, _ahead(path, answer)) if lies else answer

    with lying(installed.url, lie) as url:
        assert installed.approve("ann", request_, "--state", str(state), url=url).code == 0
        assert json.loads(state.read_text())["keys"][ORIGIN]
        lies, kept = True, state.read_bytes()
        done = installed.approve("ben", request_, "--state", str(state), url=url)
    assert (done.code, state.read_bytes()) == (1, kept)


# --- the kept heads ---


def test_the_head_is_kept_for_the_owner_alone_and_compared_the_next_time(
    installed: Installation, request_: Any, tmp_path: Path
) -> None:
    state = tmp_path / "new" / "heads.json"
    first = installed.approve("ann", request_, "--state", str(state))
    assert "was compared with none" in " ".join(first.seen.split())
    assert (state.stat().st_mode & 0o777, state.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    kept = json.loads(state.read_text())
    assert kept["servers"] == {installed.url: ORIGIN}
    second = installed.approve("ben", request_, "--state", str(state))
    assert f"They begin with the {kept['heads'][ORIGIN]['size']} that" in " ".join(second.seen.split())
    assert json.loads(state.read_text())["heads"][ORIGIN]["size"] > kept["heads"][ORIGIN]["size"]
    assert sorted(file.name for file in state.parent.iterdir()) == ["heads.json", "heads.json.lock"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format":"rootquorum-heads/1","servers":{},"heads":[]}', "[" * 9999]
)
def test_a_damaged_file_of_heads_stops_it(installed: Installation, request_: Any, tmp_path: Path, content: str) -> None:
    state, before = tmp_path / "heads.json", installed.signings
    state.write_text(content)
    done = installed.approve("ann", request_, "--state", str(state))
    assert (done.code, installed.signings - before) == (1, 0)
    assert "is damaged" in done.error
    assert state.read_text() == content


def test_a_head_that_cannot_be_kept_keeps_the_signature_back(
    installed: Installation, request_: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = installed.approve("ann", request_, "--state", str(tmp_path / "file" / "heads.json"))
    assert done.code == 1
    assert installed.call("ann", "GET", f"/v1/requests/{request_['id']}")["decisions"] == []


_ODD: list[Any] = [None, 1, True, "", [], {}, [[]], [{}], [{"key": []}], "\ud800", "\x1b[2J\n"]


def _with(member: str, odd: Any) -> Lie:
    return lambda path, answer: answer | {member: odd} if path.endswith("/statement") else answer


@pytest.mark.parametrize("member", ["filing", "statement", "keys"])
def test_an_answer_of_another_form_is_one_line(
    installed: Installation, request_: Any, tmp_path: Path, member: str
) -> None:
    before = installed.signings
    for odd in _ODD:
        with lying(installed.url, _with(member, odd)) as url:
            done = installed.approve("ann", request_, "--state", str(tmp_path / "heads.json"), url=url)
        assert (done.code, len(done.error.splitlines()), done.seen) == (1, 1, ""), odd
    assert installed.signings == before


@pytest.mark.parametrize("proof", [None, "x", [1], [None], ["x"], ["AAAA"], {}, [[]]], ids=str)
def test_a_proof_of_another_form_proves_nothing(
    installed: Installation, request_: Any, tmp_path: Path, proof: Any
) -> None:
    state = tmp_path / "heads.json"
    with lying(
        installed.url, lambda path, answer: answer | {"proof": proof} if path.endswith("/consistency") else answer
    ) as url:
        assert installed.approve("ann", request_, "--state", str(state), url=url).code == 0
        before = installed.signings
        done = installed.approve("ben", request_, "--state", str(state), url=url)
    assert (done.code, len(done.error.splitlines()), installed.signings) == (1, 1, before)
    assert done.error.startswith("STOP. ")


# The last one, since it does revoke the key.
@pytest.mark.parametrize(
    "lie",
    [
        lambda _answer: {},
        lambda answer: answer | {"counts": True},
        lambda answer: answer | {"revocations": []},
        lambda answer: answer | {"revocations": [{"reason": "retired", "since": 1, "by": "person"}]},
        lambda answer: answer | {"revocations": [{"reason": "compromised", "since": 9_999, "by": "person"}]},
    ],
    ids=["nothing", "it counts", "none recorded", "a weaker one", "a later one"],
)
def test_a_revocation_that_the_server_did_not_record_is_not_called_done(
    installed: Installation, lie: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    key = ("signing-key", "revoke", installed.fingerprint("ben"), "--reason", "compromised", "--since", "5", "--yes")
    with lying(installed.url, lambda path, answer: lie(answer) if path.endswith("/revocation") else answer) as url:
        done = installed.run("ben", *key, url=url)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith("The server did not record this revocation.")
