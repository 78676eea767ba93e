"""`rootquorum drill`: who answered a drill, and when each approver last gave a sign of life."""

from collections.abc import Iterator
from datetime import timedelta

from rootquorum_client import Approver, DrillAnswer, DrillReport
from service.cli.commands import Commands
from service.cli.common import print_json, print_rows, print_whole
from service.cli.over_http import RequestId, calling, minute
from service.cli.remotely import Json, Server, TokenFile
from service.cli.request_rows import person
from service.cli.terminal import Table
from service.domain.briefing import in_words

app = Commands()


@app.command()
def report(request: RequestId, *, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """Show who was asked in a drill, who answered, how fast and by which means, and who did not."""
    with calling(server, token_file, as_json=as_json) as client:
        found = client.drill_report(request)
    if as_json:
        print_json(found.document)
    else:
        print_rows(list(_rows(found)))


@app.command()
def people(*, server: Server, token_file: TokenFile = None, as_json: Json = False) -> None:
    """List the approvers, and when each last signed in or decided. Those who never did come first.

    With --json, one on each line.
    """
    with calling(server, token_file, as_json=as_json) as client:
        found = client.approvers()
    if as_json:
        for each in found:
            print_json(each.document, on_one_line=True)
        return
    table = Table(box=None, header_style="bold")
    for name in ("approver", "last sign of life", "sign-in", "decision"):
        table.add_column(name, no_wrap=True)
    for each in found:
        table.add_row(person(each), minute(each.proved_at), minute(each.seen_at), _decided(each))
    print_whole(table)


def _rows(report: DrillReport) -> Iterator[tuple[str, str]]:
    yield "drill", report.request_id
    yield "status", report.status
    yield "filed", minute(report.filed_at)
    yield "approved", _after(report.approved_after_seconds, "the filing")
    yield "executed", _after(report.executed_after_seconds, "the approval")
    yield "confirmed", _after(report.confirmed_after_seconds, "the execution")
    for each in report.people:
        yield ("answered" if each.decision else "NO ANSWER"), _answer(each)


def _after(passed: int | None, what: str) -> str:
    return "no" if passed is None else f"{in_words(timedelta(seconds=passed))} after {what}"


def _answer(found: DrillAnswer) -> str:
    if found.decision is None:
        return person(found)
    methods = "with an API token" if found.methods is None else f"signed in by {', '.join(found.methods) or 'unknown'}"
    key = "not signed" if found.key is None else f"signed with {found.key}"
    return f"{person(found)}: {found.decision}, {_after(found.after_seconds, 'the filing')}, {methods}, {key}"


def _decided(found: Approver) -> str:
    last = found.decision
    if last is None:
        return "never"
    return f"{minute(last.decided_at)}, {'drill' if last.drill else 'request'} {last.request_id}"
