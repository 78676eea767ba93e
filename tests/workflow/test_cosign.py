"""Witnesses cosign the log's head, and the service keeps what they give. The log is published without them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text
from support.builders import ORIGIN, SIGNER
from support.cosigning import Witness, WitnessServer, running_witness
from support.house import House
from support.past_triggers import as_its_owner, cut, rewrite
from support.products.golang import Go, is_there, running_go

from service import verifier
from service.db import audit, cosignatures
from service.db.cosignatures import Cosignature
from service.db.engine import read
from service.domain.cosigning import Contradiction
from service.domain.errors import Code, Unavailable
from service.domain.incident import Limits
from service.domain.state import NEVER
from service.outbound.guarded import new_client
from service.signing.notes import sign_note
from service.signing.witnesses import Witness as Reached
from service.worker import run_pass
from service.workflow.audit import Consistency, checkpoint, consistency, cosigned_checkpoint, plain_checkpoint
from service.workflow.cosign import Overtaken, cosign, have_cosigned
from service.workflow.cosigned import head_of
from service.workflow.state import read_state
from service.workflow.watch import open_incidents, watch

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no program in Go here; `make go` builds it"
)

NORTH, SOUTH = Witness("witness.example/north"), Witness("witness.example/south")
KEYS = verifier.read_keys([SIGNER.verifier_key])
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# A back-off of the worker is in the worker's memory: each pass here is that of a new one.
Servers = dict[str, WitnessServer]


@pytest.fixture(scope="module")
def go() -> Iterator[Go]:
    with running_go() as running:
        yield running


def named(house: House, servers: Servers) -> None:
    client = new_client(frozenset({"127.0.0.1"}))
    witnesses = {
        name: Reached(client, each.url, verifier.read_witness(each.witness.key)) for name, each in servers.items()
    }
    house.change(log=replace(house.ctx.log, witnesses=witnesses), limits=Limits(cosigned_within=HOUR))


@contextmanager
def witnessed(house: House, go: Go) -> Iterator[Servers]:
    """Run two witnesses of the log of a house, which has a request in it."""
    with ExitStack() as running:
        found = {
            name: running.enter_context(running_witness(WitnessServer(each, go, SIGNER.verifier_key, ORIGIN)))
            for name, each in (("north", NORTH), ("south", SOUTH))
        }
        named(house, found)
        house.file()
        yield found


@pytest.fixture
def servers(house: House, go: Go) -> Iterator[Servers]:
    with witnessed(house, go) as found:
        yield found


@pytest.fixture
def quick(sqlite_house: House, go: Go) -> Iterator[Servers]:
    """The same, where the database makes no difference."""
    with witnessed(sqlite_house, go) as found:
        yield found


def size(house: House) -> int:
    with read(house.ctx.engine) as tx:
        return audit.head(tx)


def grow(house: House) -> int:
    house.new_token("bob")
    return size(house)


def signed_by(note: str) -> tuple[int, list[str]]:
    """Return the size of a checkpoint that the verifier accepts, and the witnesses whose cosignatures it has."""
    head = verifier.open_checkpoint(note, KEYS, "the note")
    lines = f"witness north {NORTH.key}\nwitness south {SOUTH.key}\ngroup all all north south\nquorum all\n"
    found = verifier.cosignatures(note, verifier.read_policy(lines), "the note")
    return head.size, [each.witness for each in found]


def told(house: House) -> list[str]:
    with read(house.ctx.engine) as tx:
        rows = audit.rows_between(tx, 0, audit.last(tx))
    return [row.event for row in rows if row.event.startswith(("cosignature.", "witness."))]


def test_a_pass_has_each_witness_cosign_the_head_and_the_checkpoint_shows_it(house: House, servers: Servers) -> None:
    assert signed_by(checkpoint(house.ctx)) == (size(house), [])
    run_pass(house.ctx)
    assert signed_by(checkpoint(house.ctx)) == (size(house), ["north", "south"])
    assert checkpoint(house.ctx).startswith(plain_checkpoint(house.ctx))
    assert [server.size for server in servers.values()] == [size(house)] * 2


def test_a_log_that_did_not_grow_asks_nobody(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    for _ in range(2):
        run_pass(house.ctx)
        house.clock.advance(HOUR / 2)
    assert servers["north"].asked == ["old 0"]


def test_the_next_round_begins_after_the_interval_and_is_led_from_the_last(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    run_pass(house.ctx)
    before, after = servers["north"].size, grow(house)
    run_pass(house.ctx)
    assert servers["north"].size == before
    house.clock.advance(house.ctx.log.cosign_interval)
    run_pass(house.ctx)
    assert servers["north"].size == after
    assert servers["north"].asked == ["old 0", "old 0", f"old {before}"]


def test_a_witness_that_was_away_cosigns_the_head_of_the_others_so_that_a_quorum_has_one(
    house: House, servers: Servers
) -> None:
    servers["south"].faults.append((503, b""))
    run_pass(house.ctx)
    first = size(house)
    grow(house)
    assert refused(house, 2) == "not_cosigned"
    assert signed_by(cosigned_checkpoint(house.ctx, 1)) == (first, ["north"])
    run_pass(house.ctx)
    assert signed_by(cosigned_checkpoint(house.ctx, 2)) == (first, ["north", "south"])
    assert signed_by(checkpoint(house.ctx)) == (size(house), [])
    assert refused(house, 3) == "not_cosigned"


def refused(house: House, number: int) -> str:
    answer = house.client("alice").get("/v1/audit/checkpoint", params={"cosigned_by": number})
    assert answer.status_code == 404
    return str(answer.json()["code"])


@pytest.mark.parametrize("status", [403, 404, 422, 500, 503])
def test_a_refusal_is_told_once_when_it_lasts_and_so_is_its_end(
    sqlite_house: House, quick: Servers, status: int
) -> None:
    house, servers = sqlite_house, quick
    since = house.clock()
    for _ in range(3):
        servers["north"].faults.append((status, b"words of theirs"))
        run_pass(house.ctx)
        watch(house.ctx, since)
        assert told(house) == []
    house.clock.advance(HOUR + MINUTE)
    for _ in range(3):
        servers["north"].faults.append((status, b""))
        with pytest.raises(Unavailable, match=f"north did not cosign the log's head: answered {status}"):
            cosign(house.ctx, "north")
        watch(house.ctx, since)
    assert told(house) == ["cosignature.overdue"]
    assert set(open_incidents(house.ctx)) == {"not_cosigned north"}
    run_pass(house.ctx)
    watch(house.ctx, since)
    assert told(house) == ["cosignature.overdue", "cosignature.kept"]
    assert not open_incidents(house.ctx)


def test_a_log_that_grows_after_a_quiet_week_is_not_overdue_at_once(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    since = house.clock()
    run_pass(house.ctx)
    house.clock.advance(timedelta(days=7))
    grow(house)
    watch(house.ctx, since)
    assert told(house) == []
    house.clock.advance(HOUR + MINUTE)
    watch(house.ctx, since)
    assert told(house) == ["cosignature.overdue"] * 2
    assert servers["north"].asked == ["old 0"]


def test_a_lost_answer_is_asked_for_again(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    servers["north"].lost = 1
    with pytest.raises(Unavailable, match="no complete answer"):
        cosign(house.ctx, "north")
    assert servers["north"].size == size(house)
    cosign(house.ctx, "north")
    assert signed_by(checkpoint(house.ctx)) == (size(house), ["north"])
    assert servers["north"].asked == ["old 0", "old 0", f"old {size(house)}"]


def test_a_cosignature_that_could_not_be_kept_is_asked_for_again(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    failing = patch.object(cosignatures, "add", side_effect=Unavailable(Code.UNAVAILABLE))
    with failing, pytest.raises(Unavailable):
        cosign(house.ctx, "north")
    assert servers["north"].size == size(house)
    cosign(house.ctx, "north")
    assert signed_by(checkpoint(house.ctx)) == (size(house), ["north"])


def test_what_two_processes_got_at_once_is_kept_once(house: House, servers: Servers) -> None:
    note = plain_checkpoint(house.ctx)
    with read(house.ctx.engine) as tx:
        head = head_of(house.ctx, tx, audit.head(tx))
    first, second = (have_cosigned(house.ctx, "north", head, note) for _ in range(2))
    assert first == second
    assert servers["north"].size == head.size
    with read(house.ctx.engine) as tx:
        assert len(cosignatures.latest(tx)) == 1


def test_a_witness_that_an_anchor_has_shown_more_is_asked_for_that(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    run_pass(house.ctx)
    first = size(house)
    # South comes back in a round of which an anchor has shown it a later head.
    servers["south"].size = 0
    with as_its_owner(house) as tx:
        tx.execute(text("DELETE FROM cosignatures WHERE witness LIKE '%south%'"))
    later = grow(house)
    with read(house.ctx.engine) as tx:
        head = head_of(house.ctx, tx, later)
        earlier = head_of(house.ctx, tx, first)
    servers["south"].size, servers["south"].root = head.size, head.root
    cosign(house.ctx, "south")
    assert signed_by(checkpoint(house.ctx)) == (later, ["south"])
    with pytest.raises(Overtaken):
        have_cosigned(house.ctx, "south", earlier, sign_note(earlier.text(), [SIGNER]))
    assert not read_state(house.ctx).witnesses["south"].contradicts


def rewrite_and_grow(house: House) -> None:
    rewrite(house)
    grow(house)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (rewrite, Contradiction.FORKED),
        (rewrite_and_grow, Contradiction.UNPROVED),
        (cut, Contradiction.CUT),
    ],
)
def test_a_witness_that_knows_another_log_is_told_at_once_and_stops_nothing(
    sqlite_house: House, go: Go, change: Callable[[House], None], how: Contradiction
) -> None:
    house, since = sqlite_house, sqlite_house.clock()
    with running_witness(WitnessServer(NORTH, go, SIGNER.verifier_key, ORIGIN)) as server:
        named(house, {"north": server})
        house.file()
        grow(house)
        run_pass(house.ctx)
        # The owner of the database removes what would tell the service itself.
        with as_its_owner(house) as tx:
            tx.execute(text("DELETE FROM cosignatures"))
        change(house)
        with pytest.raises(Unavailable, match=how.value):
            cosign(house.ctx, "north")
        for _ in range(2):
            watch(house.ctx, since)
            run_pass(house.ctx)
        assert told(house) == ["witness.contradicts"]
        assert read_state(house.ctx).witnesses["north"].contradicts
        assert signed_by(checkpoint(house.ctx)) == (size(house), [])
        # Whoever answers for the witness may also have lost what it knew.
        server.size = 0
        run_pass(house.ctx)
        watch(house.ctx, since)
        assert told(house) == ["witness.contradicts", "witness.agrees"]


def forge(house: House, size: int, line: str) -> None:
    with as_its_owner(house) as tx:
        cosignatures.add(tx, Cosignature(f"{NORTH.name}+{NORTH.id.hex()}", size, "0" * 64, house.clock(), line))


@pytest.mark.parametrize("beyond", [0, 1, 10**15])
def test_a_row_that_the_witness_did_not_make_does_not_keep_it_from_being_asked(
    sqlite_house: House, quick: Servers, beyond: int
) -> None:
    house, servers = sqlite_house, quick
    run_pass(house.ctx)
    later = grow(house)
    forge(house, later + beyond, NORTH.line("a log\n\n"))
    house.clock.advance(house.ctx.log.cosign_interval)
    assert read_state(house.ctx).witnesses["north"].events == later
    run_pass(house.ctx)
    assert servers["north"].size == later


def test_a_log_that_was_cut_below_what_was_cosigned_is_noticed(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    grow(house)
    run_pass(house.ctx)
    cut(house)
    run_pass(house.ctx)
    assert all(read_state(house.ctx).witnesses[name].contradicts for name in servers)


def test_only_lines_that_verify_for_todays_witnesses_are_shown(house: House, servers: Servers) -> None:
    run_pass(house.ctx)
    now = size(house)
    with as_its_owner(house) as tx:
        tx.execute(text("UPDATE cosignatures SET line = :line WHERE witness LIKE '%north%'"), {"line": NORTH.line("x")})
    assert signed_by(checkpoint(house.ctx)) == (now, ["south"])
    assert refused(house, 2) == "not_cosigned"
    named(house, {"north": servers["north"]})
    assert signed_by(checkpoint(house.ctx)) == (now, [])
    assert refused(house, 1) == "not_cosigned"


def test_export_and_evidence_have_the_cosignatures_of_their_head_too(sqlite_house: House, quick: Servers) -> None:
    house, servers = sqlite_house, quick
    [request] = [row["id"] for row in house.client("alice").get("/v1/requests").json()["items"]]
    run_pass(house.ctx)
    note = house.client("alice").get(f"/v1/requests/{request}/evidence").json()["checkpoint"]
    assert signed_by(note) == (servers["north"].size, ["north", "south"])


def test_the_state_says_how_far_each_witness_is_behind(house: House, servers: Servers) -> None:
    servers["south"].faults.append((404, b""))
    run_pass(house.ctx)
    first = size(house)
    house.clock.advance(MINUTE)
    later = grow(house)
    house.clock.advance(MINUTE)
    north, south = (read_state(house.ctx).witnesses[name] for name in ("north", "south"))
    assert (north.age, north.events, north.oldest) == (2 * MINUTE, later - first, MINUTE)
    assert (south.age, south.events, south.oldest) == (NEVER, later, 2 * MINUTE)


def test_the_proof_of_a_round_is_that_of_its_head_however_the_log_grows(sqlite_house: House, quick: Servers) -> None:
    """Between the question and its answer the log grows by what others do."""
    house, servers = sqlite_house, quick
    run_pass(house.ctx)
    first = size(house)
    house.clock.advance(HOUR)
    second = grow(house)

    def growing(*asked: Any) -> Consistency:
        grow(house)
        return consistency(*asked)

    with patch("service.workflow.cosign.consistency", growing):
        cosign(house.ctx, "north")
    assert servers["north"].size == second > first
    assert signed_by(cosigned_checkpoint(house.ctx, 1)) == (second, ["north"])


def test_without_a_witness_nothing_is_asked(house: House) -> None:
    house.file()
    run_pass(house.ctx)
    assert read_state(house.ctx).witnesses == {}
