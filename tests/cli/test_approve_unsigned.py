"""Approvals from a terminal without a key: what is shown is computed too, and a demanded signature stays demanded."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.approvers import Installation, installation
from support.liar import lying
from support.products import openssh

pytestmark = pytest.mark.skipif(openssh.find() is None, reason="no OpenSSH here; `make openssh` installs it")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service where those sign who have a key that counts: ann, ben and cid. Dave has none."""
    with installation(tmp_path_factory.mktemp("service"), signed_approvals="enrolled") as found:
        yield found


@pytest.fixture
def request_(at: Installation) -> Iterator[Any]:
    found = at.file()
    yield found
    at.withdraw(found)


def test_who_has_no_key_approves_what_was_computed_here(at: Installation, request_: Any) -> None:
    done = at.run("dave", "approve", request_["id"], "--comment", "I know of it.")
    seen = " ".join(done.seen.split())
    assert f"digest {request_['digest']}" in seen
    assert "your key none: nothing is signed" in seen
    assert (done.out, at.signings) == ("Approved. The request is pending.\n", 0)
    (decision,) = at.call("dave", "GET", f"/v1/requests/{request_['id']}")["decisions"]
    assert (decision["person"]["subject"], decision["comment"]) == ("dave", "I know of it.")

    again = at.run("dave", "approve", request_["id"], "--comment", "I know of it.")
    assert again.out == "You had approved already; nothing changed. The request is pending.\n"


def test_who_has_a_key_that_counts_cannot_leave_it_away(at: Installation, request_: Any) -> None:
    done = at.run("ann", "approve", request_["id"])
    assert (done.code, done.out) == (1, "")
    assert not at.call("ann", "GET", f"/v1/requests/{request_['id']}")["decisions"]


def _nameless(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("/statement"):
        return answer
    return {"type": "urn:rootquorum:problem:log_without_name", "title": "", "status": 409, "code": "log_without_name"}


def test_a_server_whose_log_had_a_name_cannot_have_its_word_approved_instead(at: Installation, request_: Any) -> None:
    lies = False
    with lying(at.url, lambda path, answer: _nameless(path, answer) if lies else answer) as url:
        assert at.run("dave", "approve", request_["id"], url=url).code == 0
        lies = True
        done = at.run("dave", "approve", request_["id"], url=url)
    assert (done.code, done.seen) == (1, "")
    assert done.error.startswith("STOP. This server was the service")


def test_without_a_name_of_the_log_the_server_shows_the_request_that_was_meant(at: Installation, request_: Any) -> None:
    other = "00000000-0000-4000-8000-000000000000"

    def lie(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"id": other} if path == f"/v1/requests/{request_['id']}" else _nameless(path, answer)

    with lying(at.url, lie) as url:
        done = at.run("dave", "approve", request_["id"], url=url)
    assert (done.code, done.seen) == (1, "")
    assert done.error == "The server shows another request. Nothing was approved.\n"


def test_without_a_yes_nothing_is_approved(at: Installation, request_: Any) -> None:
    done = at.run("dave", "approve", request_["id"], answer="no")
    assert (done.code, done.error) == (1, "Nothing was approved.\n")
    assert not at.call("dave", "GET", f"/v1/requests/{request_['id']}")["decisions"]
