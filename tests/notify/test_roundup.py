"""A real tracker is told: comments come once each and in order, whatever happens to it and to us in between."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import DEACTIVATE
from support.house import House
from support.installation import commanded
from support.products.roundup import PASSWORD, USER, RoundupServer, is_there

from service.app.destinations import destinations
from service.domain.delivery import Notice
from service.domain.errors import ServiceError, Unavailable
from service.domain.request import OperationRequest
from service.notify.message import Message
from service.notify.rest import Rest, basic
from service.notify.roundup import TICKET_PATTERN, Roundup, headers
from service.notify.tickets import Tickets
from service.outbound import guarded
from service.settings import Settings, TrackerSettings
from service.settings.destination_sections import NotifySettings
from service.worker import run_pass
from service.workflow.deliver import deliver

TITLES = ["Request filed", "Decision recorded", "Decision recorded", "Request approved"]
TITLES += ["Execution started", "Execution succeeded"]
HOSTILE = "\u202eAlice\x1b[31m @everyone [code]<script>alert(1)</script>[/code] =HYPERLINK(1)\n# issue1 " + "x" * 3000

pytestmark = pytest.mark.skipif(
    not is_there() and "CI" not in os.environ, reason="no Roundup here; `make roundup` installs one"
)


def tracker_of(roundup: RoundupServer) -> Roundup:
    client = guarded.new_client(frozenset({"127.0.0.1"}))
    return Roundup(Rest(client, roundup.url, {**headers(roundup.url), **basic(USER, PASSWORD)}), USER)


def told(house: House, tracker: Roundup, **states: str) -> None:
    house.change(destinations={"desk": Tickets(tracker, TICKET_PATTERN, states)})


def lived(house: House, ticket: str) -> OperationRequest:
    return house.execute(house.approved(DEACTIVATE, house.spare_key(), ticket=ticket))[0]


def deliver_all(house: House) -> None:
    for _ in TITLES:
        run_pass(house.ctx)


def titles(roundup: RoundupServer, issue: str) -> list[str]:
    return [comment.splitlines()[0] for comment in roundup.comments(issue)]


def test_each_event_is_a_comment_in_order_with_the_audit_head_in_it(
    sqlite_house: House, roundup: RoundupServer
) -> None:
    issue = roundup.new_issue()
    told(sqlite_house, tracker_of(roundup))
    request = lived(sqlite_house, issue)
    deliver_all(sqlite_house)
    assert titles(roundup, issue) == TITLES
    first = roundup.comments(issue)[0]
    assert f"Request: {request.filing.request_id}" in first
    assert "Audit head: " in first


def test_a_tracker_that_was_away_has_all_of_it_later_once_each(sqlite_house: House, roundup: RoundupServer) -> None:
    issue = roundup.new_issue()
    told(sqlite_house, tracker_of(roundup))
    roundup.stop()
    lived(sqlite_house, issue)
    with pytest.raises(ServiceError):
        deliver(sqlite_house.ctx, "desk")
    roundup.start()
    sqlite_house.clock.advance(timedelta(minutes=1))
    deliver_all(sqlite_house)
    assert titles(roundup, issue) == TITLES


@pytest.mark.parametrize("dies_after", ["_make", "comment"])
def test_killed_between_sending_and_recording_it_comments_once(
    sqlite_house: House, roundup: RoundupServer, monkeypatch: pytest.MonkeyPatch, dies_after: str
) -> None:
    """`_make` leaves a message that is on no issue yet."""
    issue, before = roundup.new_issue(), roundup.messages()
    told(sqlite_house, tracker_of(roundup))
    sqlite_house.file(DEACTIVATE, sqlite_house.spare_key(), ticket=issue)
    whole = getattr(Roundup, dies_after)

    def dies(self: Roundup, *sent: str | Message) -> None:
        whole(self, *sent)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Roundup, dies_after, dies)
        with pytest.raises(KeyboardInterrupt):
            deliver(sqlite_house.ctx, "desk")
    deliver(sqlite_house.ctx, "desk")
    assert titles(roundup, issue) == ["Request filed"]
    assert roundup.messages() == before + 1


def test_a_ticket_is_moved_at_the_end(sqlite_house: House, roundup: RoundupServer) -> None:
    issue, tracker = roundup.new_issue(), tracker_of(roundup)
    told(sqlite_house, tracker, **{"execution.succeeded": "resolved"})
    assert tracker.state(issue) == "unread"
    lived(sqlite_house, issue)
    deliver_all(sqlite_house)
    assert tracker.state(issue) == "resolved"


def test_what_is_not_there_is_refused_and_not_repeated(roundup: RoundupServer) -> None:
    document: Notice = Notice(
        id="1", event="request.filed", ticket="issue999999", document={"timestamp": "2026-11-24T12:00:00Z", "data": {}}
    )
    assert Tickets(tracker_of(roundup), TICKET_PATTERN).deliver(document).answer == "refused"


def test_hostile_names_are_one_harmless_line(roundup: RoundupServer) -> None:
    issue, tracker = roundup.new_issue(), tracker_of(roundup)
    tracker.comment(issue, Message("Request filed", (("By", HOSTILE),), None, "7b0e"))
    title, by, marker = roundup.comments(issue)[0].splitlines()
    assert (title, marker) == ("Request filed", "Delivery: 7b0e")
    assert "\x1b" not in by
    assert "\u202e" not in by
    assert len(by) < 2100
    assert "<script>alert" not in roundup.page(issue)


def configured(folder: Path, roundup: RoundupServer, password: str = PASSWORD) -> None:
    people = "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    (folder / "rootquorum.toml").write_text(
        "[aws]\nsimulated = true\n[policy]\ndecision_requires_auth_time = false\n"
        f'[accounts.111122223333]\nname = "production"\n{people}[notify]\nallowed_hosts = ["127.0.0.1"]\n'
        f'[trackers.desk]\nkind = "roundup"\nurl = "{roundup.url}"\nuser = "{USER}"\npassword = "{password}"\n'
    )


def test_doctor_asks_the_tracker_who_we_are_which_changes_nothing(roundup: RoundupServer, tmp_path: Path) -> None:
    before = roundup.messages()
    configured(tmp_path, roundup)
    assert "ok     destination desk: it knows us" in commanded(tmp_path, "doctor").stdout.splitlines()
    configured(tmp_path, roundup, password="another")
    said = commanded(tmp_path, "doctor").stdout
    assert "destination desk: Nothing can be delivered to it: answered 401. Check" in said
    assert roundup.messages() == before


def test_a_test_comment_is_written_on_the_ticket_that_is_named(roundup: RoundupServer, tmp_path: Path) -> None:
    issue = roundup.new_issue()
    configured(tmp_path, roundup)
    done = commanded(tmp_path, "notify", "test", "desk", "--ticket", issue)
    assert done.returncode == 0, done.stderr
    assert titles(roundup, issue) == ["A test: nothing has happened"]
    shown = done.stdout.splitlines()
    assert f"PATCH {roundup.url}/rest/data/issue/{issue.removeprefix('issue')}" in shown
    assert "  authorization: (not shown)" in shown
    for secret in (PASSWORD, basic(USER, PASSWORD)["Authorization"].split()[1]):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("ticket", [[], ["--ticket", "OPS-1"]])
def test_a_tracker_is_not_tried_without_one_of_its_tickets(
    roundup: RoundupServer, tmp_path: Path, ticket: list[str]
) -> None:
    before = roundup.messages()
    configured(tmp_path, roundup)
    done = commanded(tmp_path, "notify", "test", "desk", *ticket)
    assert (done.returncode, done.stdout, roundup.messages()) == (1, "", before)
    assert "ticket" in done.stderr


def test_settings_name_a_tracker_that_is_told_and_asked(roundup: RoundupServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    desk = TrackerSettings(kind="roundup", url=f"{roundup.url}/", user=USER, password_file=tmp_path / "password")
    settings = Settings.model_construct(
        notify=NotifySettings(allowed_hosts=frozenset({"127.0.0.1"})), webhooks={}, trackers={"desk": desk}
    )
    tickets = destinations(settings)["desk"]
    assert isinstance(tickets, Tickets)
    assert tickets.state_of(roundup.new_issue()) == "unread"
    assert tickets.state_of("issue999999") is None
    roundup.stop()
    with pytest.raises(Unavailable):
        tickets.state_of("issue1")
    roundup.start()
