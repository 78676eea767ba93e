"""Where a rotation stands, in a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from rootquorum_client import Request
from rootquorum_client.models import read
from service.cli.act import stands
from service.cli.request_rows import in_one_line

CONTRACT = json.loads(Path("openapi/openapi.json").read_text())
MINUTE = "2026-07-27T14:00:00Z"
STANDS: dict[str, Any] = {"released_at": None, "cut_over_at": None, "delete_old_at": None, "stopped_at": None}


@pytest.mark.parametrize(
    ("status", "times", "said"),
    [
        ("delivered", {}, "delivered, to be confirmed by 2026-07-27 14:00"),
        ("delivered", {"stopped_at": MINUTE}, "the rotation was stopped"),
        ("rotating", {}, "the old key works until it is unused, or somebody says so, by 2026-07-27 14:00"),
        ("rotating", {"released_at": MINUTE}, "the old key is about to be deactivated"),
        ("rotating", {"cut_over_at": MINUTE, "delete_old_at": MINUTE}, "is deleted 2026-07-27 14:00"),
        ("rotating", {"cut_over_at": MINUTE, "stopped_at": MINUTE}, "stopped by somebody, about to end"),
    ],
)
def test_the_status_of_a_rotation_says_where_it_stands(status: str, times: dict[str, Any], said: str) -> None:
    example = CONTRACT["components"]["examples"]["released"]["value"]
    rotation = example["rotation"] | STANDS | {"cut_over_by": MINUTE} | times
    document = example | {
        "status": status,
        "rotation": rotation,
        "clocks": example["clocks"] | {"receipt_by": MINUTE},
    }
    shown = in_one_line(read(Request, document))
    assert said in shown
    assert ("stopped" in shown) is ("stopped_at" in times)


def test_who_stops_a_rotation_reads_that_it_stops() -> None:
    example = CONTRACT["components"]["examples"]["released"]["value"]
    document = example | {"rotation": example["rotation"] | STANDS | {"stopped_at": MINUTE}}
    assert stands(read(Request, document)) == "The rotation is stopping."
    assert stands(read(Request, document | {"drill": True})) == "The rotation of the DRILL is stopping."
    ended = document | {"status": "stopped", "clocks": example["clocks"] | {"ended_at": MINUTE}}
    assert stands(read(Request, ended)) == "The request is stopped."
