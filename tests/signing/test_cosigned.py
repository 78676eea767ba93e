"""A witness's cosignature is kept only if it is of this head, and its refusals say what they mean for the log."""

import os
from collections.abc import Iterator

import pytest
from support.cosigning import Witness, WitnessServer, running_witness
from support.ledger import ORIGIN, SIGNER, executed
from support.products.golang import is_there, running_go

from service import verifier
from service.domain.checkpoint import Checkpoint
from service.domain.cosigning import Contradicted, Contradiction, NotCosigned
from service.domain.merkle import consistency_proof
from service.outbound.guarded import new_client
from service.signing.witnesses import Witness as Reached

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)

LEDGER, _ = executed()
SIZE = len(LEDGER.leaves)
ONE = Witness("witness.example/w1")


@pytest.fixture
def server() -> Iterator[WitnessServer]:
    with running_go() as go, running_witness(WitnessServer(ONE, go, SIGNER.verifier_key, ORIGIN)) as running:
        yield running


def asked(url: str, size: int = SIZE, allowed: str = "127.0.0.1") -> str:
    note = LEDGER.note(size)
    head = Checkpoint(ORIGIN, size, verifier.read_head(LEDGER.head(size)).root)
    reached = Reached(new_client(frozenset({allowed})), url, verifier.read_witness(ONE.key))
    return reached.cosign(head, note, lambda old: consistency_proof(old, size, LEDGER.read))


def test_every_pair_of_sizes_is_led_from_the_one_to_the_other(server: WitnessServer) -> None:
    for size in range(1, SIZE + 1):
        assert asked(server.url, size) == ONE.line(LEDGER.note(size))
        assert server.size == size
    server.size, server.root = 1, verifier.read_head(LEDGER.head(1)).root
    assert asked(server.url) == ONE.line(LEDGER.note())


def test_a_slash_at_the_end_of_the_address_changes_nothing(server: WitnessServer) -> None:
    assert asked(f"{server.url}/") == ONE.line(LEDGER.note())


def contradiction(url: str, size: int = SIZE) -> tuple[Contradiction, int]:
    with pytest.raises(Contradicted) as refusal:
        asked(url, size)
    return refusal.value.how, refusal.value.size


def test_a_log_that_was_cut_or_written_anew_is_called_so(server: WitnessServer) -> None:
    assert asked(server.url)
    assert contradiction(server.url, SIZE - 1) == (Contradiction.CUT, SIZE)
    server.root = b"x" * 32
    assert contradiction(server.url) == (Contradiction.FORKED, SIZE)
    server.size -= 1
    assert contradiction(server.url) == (Contradiction.UNPROVED, SIZE - 1)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([(500, b"words of theirs")], "answered 500"),
        ([(404, b"")], "answered 404"),
        ([(409, b"9999\n")], "it knows a larger log of this name: this one may have been cut"),
        ([(409, b"%d\n" % SIZE), (409, b"%d\n" % SIZE)], "it knows another log of this name and size"),
        ([(409, b"%d\n" % SIZE), (409, b"")], "it knows another log of this name and size"),
        ([(409, b"%d\n" % SIZE), (422, b"")], "it knows another log of this name and size"),
        ([(409, b"0\n")], "answered 409 with the size that it was asked from"),
        ([(403, b"")], "answered 403"),
        ([(422, b"")], "answered 422"),
        ([(409, b"01\n")], "answered 409 without a size"),
        ([(409, b"")], "answered 409 without a size"),
        ([(409, b"1\n"), (409, b"2\n"), (409, b"1\n")], "it names another size each time"),
        ([(200, b"")], "it answered no cosignature of its key"),
        ([(200, b"\xff\n\xe2\x80\x94 witness.example/w1 AAA\n")], "it answered no cosignature of its key"),
        (
            [(200, Witness("witness.example/w1").line("another\n1\nx\n\n").encode())],
            "its cosignature is not of this head",
        ),
    ],
)
def test_a_refusal_or_a_bad_answer_gives_no_cosignature(
    server: WitnessServer, answers: list[tuple[int, bytes]], why: str
) -> None:
    server.faults += answers
    with pytest.raises(NotCosigned, match=why) as refusal:
        asked(server.url)
    assert "theirs" not in str(refusal.value)


def test_of_many_good_lines_one_is_kept_for_a_note_has_few(server: WitnessServer) -> None:
    lines = [ONE.line(LEDGER.note(), at) for at in range(1, 200)]
    server.faults.append((200, "".join(lines).encode()))
    assert asked(server.url) == lines[0]


def test_a_host_that_is_not_allowed_or_not_there_is_not_asked(server: WitnessServer) -> None:
    with pytest.raises(NotCosigned, match="the URL is not https"):
        asked(server.url, allowed="elsewhere.example")
    assert not server.asked
    with pytest.raises(NotCosigned, match="no complete answer"):
        asked("http://127.0.0.1:1/witness")
