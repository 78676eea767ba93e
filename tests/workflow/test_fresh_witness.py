"""A witness whose author knew only the specification cosigns this service's log, and refuses another one."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from support import ledger
from support.builders import ORIGIN, SIGNER
from support.fresh_witness import Refusal, Witness, serve
from support.house import House
from support.past_triggers import as_its_owner, cut, rewrite

from service import verifier
from service.domain.cosigning import Contradiction
from service.domain.errors import Unavailable
from service.domain.merkle import consistency_proof
from service.outbound.guarded import new_client
from service.signing.witnesses import Witness as Reached
from service.worker import run_pass
from service.workflow.audit import checkpoint, plain_checkpoint
from service.workflow.cosign import cosign
from service.workflow.state import read_state

NAME = "witness.example/fresh"
LEDGER, _ = ledger.executed()
SIZE = len(LEDGER.leaves)


@dataclass
class Heard(Witness):
    """It also keeps what it was asked, and the status of its answer."""

    url: str = ""
    heard: list[tuple[str, int]] = field(default_factory=list)

    def add_checkpoint(self, body: bytes) -> str:
        first, status = body.decode().partition("\n")[0], 200
        try:
            return super().add_checkpoint(body)
        except Refusal as refusal:
            status = refusal.args[0]
            raise
        finally:
            self.heard.append((first, status))


@pytest.fixture
def witness(sqlite_house: House) -> Iterator[Heard]:
    """Run it, and name it to a house that has a request in its log."""
    house = sqlite_house
    made = Heard(NAME, Ed25519PrivateKey.generate(), {ORIGIN: [SIGNER.verifier_key]})
    with serve(made) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        reached = Reached(new_client(frozenset({"127.0.0.1"})), made.url, verifier.read_witness(made.vkey))
        house.change(log=replace(house.ctx.log, witnesses={"fresh": reached}))
        house.file()
        yield made
        server.shutdown()


def shown_to_monitors(witness: Heard) -> str:
    return httpx.get(f"{witness.url}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint").text


def grow(house: House) -> None:
    house.new_token("bob")


def grow_a_round(house: House) -> None:
    house.clock.advance(house.ctx.log.cosign_interval)
    for _ in range(3):
        grow(house)


def test_it_cosigns_a_growing_log_and_the_verifier_accepts_that(
    sqlite_house: House, witness: Heard, tmp_path: Path
) -> None:
    house, sizes = sqlite_house, []
    (tmp_path / "policy").write_text(f"witness fresh {witness.vkey}\nquorum fresh\n")
    given = ["--key", SIGNER.verifier_key, "--witnesses", str(tmp_path / "policy"), str(tmp_path / "note")]
    for _ in range(4):
        (tmp_path / "note").write_text(plain_checkpoint(house.ctx))
        assert verifier.main(given) == 1
        run_pass(house.ctx)
        for cosigned in (checkpoint(house.ctx), shown_to_monitors(witness)):
            (tmp_path / "note").write_text(cosigned)
            assert verifier.main(given) == 0
        sizes.append(witness.latest[ORIGIN][0])
        grow_a_round(house)
    led = [each for size in sizes[:-1] for each in (("old 0", 409), (f"old {size}", 200))]
    assert witness.heard == [("old 0", 200), *led]


def test_it_cosigns_the_same_head_again_if_its_answer_was_lost(sqlite_house: House, witness: Heard) -> None:
    house = sqlite_house
    run_pass(house.ctx)
    with as_its_owner(house) as tx:
        tx.execute(text("DELETE FROM cosignatures"))
    cosign(house.ctx, "fresh")
    assert witness.heard == [("old 0", 200), ("old 0", 409), (f"old {witness.latest[ORIGIN][0]}", 200)]
    assert NAME in checkpoint(house.ctx)


def rewrite_and_grow(house: House) -> None:
    rewrite(house)
    grow(house)


@pytest.mark.parametrize(
    ("change", "how", "statuses"),
    [
        (rewrite, Contradiction.FORKED, [409, 422]),
        (rewrite_and_grow, Contradiction.UNPROVED, [409, 422]),
        (cut, Contradiction.CUT, [409]),
    ],
)
def test_another_log_of_this_name_is_refused_and_what_that_means_is_told(
    sqlite_house: House, witness: Heard, change: Callable[[House], None], how: Contradiction, statuses: list[int]
) -> None:
    house = sqlite_house
    grow(house)
    run_pass(house.ctx)
    known = witness.latest[ORIGIN]
    with as_its_owner(house) as tx:
        tx.execute(text("DELETE FROM cosignatures"))
    change(house)
    with pytest.raises(Unavailable, match=how.value):
        cosign(house.ctx, "fresh")
    assert [status for _, status in witness.heard[1:]] == statuses
    assert witness.latest[ORIGIN] == known
    assert read_state(house.ctx).witnesses["fresh"].contradicts
    assert NAME not in checkpoint(house.ctx)


def request(old: object, note: str, proof: list[bytes] | None = None) -> str:
    lines = "".join(f"{base64.b64encode(part).decode()}\n" for part in proof or [])
    return f"old {old}\n{lines}\n{note}"


GOOD, FIRST = LEDGER.note(), LEDGER.note(3)
PROOF = consistency_proof(3, SIZE, LEDGER.read)
FORGED = LEDGER.note(signers=[ledger.STRANGER])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (request(3, GOOD, PROOF), 200),
        (request(3, FIRST), 200),
        (request(3, GOOD + FORGED.rpartition("\n\n")[2], PROOF), 200),
        (request(3, LEDGER.note(origin="another.example/log"), PROOF), 404),
        (request(3, FORGED, PROOF), 403),
        (request(3, GOOD.replace(f"\n{SIZE}\n", f"\n{SIZE + 1}\n"), PROOF), 403),
        (request(SIZE + 1, GOOD), 400),
        (request(0, GOOD), 409),
        (request(2, GOOD, PROOF), 409),
        (request(3, GOOD), 422),
        (request(3, GOOD, PROOF[::-1]), 422),
        (request(3, GOOD, [*PROOF, PROOF[0]]), 422),
        (request(3, FIRST, PROOF), 422),
        (request("03", GOOD, PROOF), 400),
        (request(3, GOOD, [PROOF[0]] * 64), 400),
        (request(3, GOOD, [b"short"]), 400),
        (request(3, GOOD.rpartition("\n\n")[0] + "\n\n", PROOF), 400),
        (request(3, GOOD.removesuffix("\n"), PROOF), 400),
        (request(3, GOOD.replace("\n", "\r\n"), PROOF), 400),
        ("", 400),
    ],
)
def test_it_answers_as_the_specification_demands(body: str, status: int) -> None:
    witness = Witness(NAME, Ed25519PrivateKey.generate(), {ledger.ORIGIN: [ledger.SIGNER.verifier_key]})
    witness.add_checkpoint(request(0, FIRST).encode())
    with serve(witness) as server:
        answer = httpx.post(f"http://127.0.0.1:{server.server_port}/add-checkpoint", content=body.encode())
        server.shutdown()
    assert answer.status_code == status
    assert (answer.text == "3\n" and answer.headers["Content-Type"] == "text/x.tlog.size") == (status == 409)
    assert answer.text.startswith(f"\N{EM DASH} {NAME} ") == (status == 200)
    assert (witness.latest[ledger.ORIGIN][0] == 3) == (status != 200 or body == request(3, FIRST))
