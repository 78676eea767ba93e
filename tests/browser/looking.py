"""What tests look at after somebody was at the desk of a house."""

import os

from browser.conftest import SCREENSHOTS, Visitor, whole_page
from browser.desk import NOTHING
from playwright.sync_api import Route
from support.house import House
from support.products import nodejs

from service.db import requests
from service.db.engine import read
from service.domain.request import OperationRequest
from service.domain.selection import Selection

_AXE = """() => axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"""


def only_request(house: House) -> OperationRequest:
    with read(house.ctx.engine) as tx:
        [listed] = requests.select_page(tx, Selection(), after=None, limit=2)
        found = requests.get(tx, listed.filing.request_id)
    assert found is not None
    return found


def left_nothing(visitor: Visitor, *, refusals: int = 0) -> None:
    """Check that somebody's browser asked nobody else, said nothing and keeps nothing, save so many refusals.

    Nor does the page make them scroll sideways.
    """
    found = (visitor.foreign_requests, visitor.complaints, len(visitor.refusals), visitor.desk.stored)
    assert found == ([], [], refusals, NOTHING), found
    assert not visitor.desk.is_too_wide


def lose_answer(route: Route) -> None:
    """The service does what it is asked, and nobody hears of it."""
    route.fetch()
    route.abort()


class Phone:
    """Somebody's phone, on which each view is looked at."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page, self.desk = visitor, visitor.page, visitor.desk

    def look(self, what: str) -> None:
        """Take a picture, and hold the view against axe and the width of the phone."""
        self.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        whole_page(self.page, SCREENSHOTS / "phone" / f"{what}.png")
        assert not self.desk.is_too_wide, what
        if nodejs.is_there() or "CI" in os.environ:
            self.page.evaluate(nodejs.package("axe-core/axe.min.js").read_text())
            assert (what, self.page.evaluate(_AXE)) == (what, [])
