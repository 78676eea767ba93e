"""`rootquorum approve`: read what was filed, sign it with your own key if you have one, send it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rootquorum_client.models import Request
from service.cli.common import console, fail, print_json
from service.cli.remotely import Json, OptionalKey, Server, State, TokenFile, asking, connected, heads, misused
from service.cli.request_rows import facts
from service.cli.terminal import policy_rows
from service.client import ssh
from service.client.filed import digest_of, parse_filing
from service.client.heads import KeptHeads
from service.client.refused import Refused
from service.client.remote import Remote, objects, text
from service.client.statements import Checked, check, keep, me
from service.domain.briefing import effect, warnings
from service.domain.canonical import timestamp
from service.domain.demands import Demand
from service.domain.errors import Code
from service.domain.filing import Filing
from service.domain.request import Verdict
from service.domain.statement import DecisionStatement, Namespace, parse_decision
from service.signing.public_keys import PublicKey

_REPEATED = "You had approved already; nothing changed."
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def approve(
    request: Annotated[str, typer.Argument(help="The id of the request.")],
    *,
    key: OptionalKey = None,
    server: Server,
    token_file: TokenFile = None,
    comment: Annotated[str | None, typer.Option(help="For requester and log; it is not signed.")] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Approve a request, after you have read what will happen.

    With --key you sign that. What is shown is computed here, from the filing whose digest you approve. Only where
    nothing can be signed, since the log has no name, it is what the server says.
    """
    if not _REQUEST_ID.fullmatch(request.lower()):
        misused("The id of a request is a UUID.")
    public, kept = None if key is None else _public_key(key), heads(state)
    with connected(server, token_file, as_json=as_json) as remote:
        found = _fetched(remote, kept, request.lower(), public)
        with asking() as terminal:
            terminal.show(
                "You are about to approve a DRILL:" if found.is_drill else "You are about to approve:", found.rows
            )
            if not terminal.is_answered_with_yes("Shall this happen?"):
                fail("Nothing was approved.")
        body = {"decision": Verdict.APPROVE.value, "digest": found.digest}
        if found.checked is not None and key is not None and public is not None:
            signature = ssh.sign(key, public, found.checked.text, Namespace.DECISION)
            body |= {"statement": found.checked.text, "signature": signature}
        if found.checked is not None:
            # First, so that no signature is out whose log this person does not remember.
            keep(remote, kept, found.checked)
        answer = _sent(remote, request.lower(), body if comment is None else body | {"comment": comment})
    if as_json:
        print_json(answer)
    else:
        what = "DRILL" if found.is_drill else "request"
        done = "Approved." if found.given is None or found.given != answer.get("decisions") else _REPEATED
        console.print(f"{done} The {what} is {text(answer, 'status')}.", soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Found:
    """What to approve. `checked` is what a key can sign; None if the log has no name.

    `given` are the decisions, as the server tells them, if this person's approval is among them and counts.
    """

    digest: str
    is_drill: bool
    given: list[Any] | None
    rows: list[tuple[str, str]]
    checked: Checked[DecisionStatement] | None


def _public_key(key: Path) -> PublicKey:
    try:
        return ssh.public_key(key)
    except Refused as refused:
        misused(str(refused))


def _fetched(remote: Remote, kept: KeptHeads, request_id: str, public: PublicKey | None) -> _Found:
    """Return what to approve. Raise Refused."""
    person = me(remote)
    try:
        return _computed(remote, kept, request_id, public, person)
    except Refused as refused:
        if public is not None or (refused.problem or {}).get("code") != Code.LOG_WITHOUT_NAME:
            raise
    if (service := kept.service_at(remote.url)) is not None:
        raise Refused(
            f"STOP. This server was the service {service}, and now says that its log has no name. Nothing was approved."
        )
    # A server that lies gains nothing here: it could as well count an approval that nobody gave.
    told = remote.request(request_id)
    if told.id != request_id:
        raise Refused("The server shows another request. Nothing was approved.")
    rows = [
        ("server", remote.url),
        ("your key", "none: nothing is signed, and all of this is what the server says"),
        *facts(told),
    ]
    return _Found(told.digest, told.drill, _given(told, told.digest, person), rows, None)


def _computed(remote: Remote, kept: KeptHeads, request_id: str, public: PublicKey | None, person: str) -> _Found:
    """Return what to sign, if it is this person's approval of exactly this request. Raise Refused."""
    answer = remote.get(f"/v1/requests/{request_id}/statement", decision=Verdict.APPROVE.value)
    filing = parse_filing(text(answer, "filing"))
    if filing.request_id != request_id:
        raise Refused("The server shows the filing of another request. Nothing was signed.")
    checked = check(
        remote,
        kept,
        text(answer, "statement"),
        parse_decision,
        request_id=request_id,
        digest=digest_of(text(answer, "filing")),
        verdict=Verdict.APPROVE,
        person=person,
        drill=filing.drill,
    )
    if public is not None and all(each.get("key") != public.text for each in objects(answer, "keys")):
        raise Refused(
            f"Your key {public.fingerprint} does not count for {person} here. See `rootquorum signing-key list`."
        )
    told = remote.request(request_id)
    given = _given(told, checked.said.digest, person)
    return _Found(checked.said.digest, filing.drill, given, _rows(remote, filing, checked, public), checked)


def _given(request: Request, digest: str, person: str) -> list[Any] | None:
    """Return the decisions if this person has approved this digest, and it counts. Else return None."""
    has_approved = request.digest == digest and any(
        each.person.subject == person and each.decision == Verdict.APPROVE and each.void_because is None
        for each in request.decisions
    )
    return request.document["decisions"] if has_approved else None


def _rows(
    remote: Remote, filing: Filing, checked: Checked[DecisionStatement], public: PublicKey | None
) -> list[tuple[str, str]]:
    """Return what is shown, what the request does last: right above the question."""
    said = checked.said
    placement = filing.placement
    called = "" if placement is None or placement.name is None else f", called {placement.name}"
    cautions = warnings(filing.operation, filing.observed, accept_lockout=filing.accept_lockout)
    return [
        *([("DRILL", "nothing changes in AWS")] if filing.drill else []),
        ("server", remote.url),
        ("service", said.service),
        ("its log", checked.log),
        ("you", said.person),
        ("your key", "none: nothing is signed" if public is None else f"{public.fingerprint} ({public.kind})"),
        ("request", said.request_id),
        ("digest", said.digest),
        ("filed", f"{timestamp(filing.filed_at)}, to be approved by {timestamp(filing.approve_by)}"),
        ("ticket", filing.ticket or "none"),
        ("justification", filing.justification),
        ("approvals", f"{filing.quorum} people; signatures: {filing.signed_approvals}"),
        *(("demands", _demanded(demand)) for demand in filing.demands),
        *([] if filing.rules is None else [("rules", filing.rules)]),
        ("root keys", _keys(filing)),
        *_policy(filing),
        ("requester", f"{filing.requester} ({filing.requester_kind})"),
        ("recipient", filing.recipient),
        *(("WARNING", caution.detail) for caution in cautions),
        ("account", f"{filing.account_id}{called}"),
        ("operation", filing.operation.name),
        ("effect", effect(filing, lambda subject: subject)),
    ]


def _demanded(demand: Demand) -> str:
    """Name each demand of a rule with its value."""
    said = {name: value for name, value in demand.document().items() if name != "rule"}
    return f"rule {demand.rule}: " + "; ".join(
        f"{name.replace('_', ' ')} {_plain(value)}" for name, value in said.items()
    )


def _plain(value: Any) -> str:
    match value:
        case True:
            return "yes"
        case dict():
            return ", ".join(f"{name}: {_plain(each)}" for name, each in value.items())
        case list() | tuple():
            return ", ".join(map(_plain, value))
    return str(value)


def _keys(filing: Filing) -> str:
    listed = ", ".join(f"{key_id} {status}" for key_id, status in filing.observed.statuses.items()) or "none"
    return f"{listed}, at {timestamp(filing.observed.observed_at)}"


def _policy(filing: Filing) -> list[tuple[str, str]]:
    found = filing.observed.resource
    return [] if found is None else policy_rows(found.region, found.policy, found.policy_sha256)


def _sent(remote: Remote, request_id: str, body: dict[str, str]) -> dict[str, Any]:
    """Send the approval. Return the request, if that is what the server answers."""
    return remote.post(f"/v1/requests/{request_id}/decisions", body, check=lambda answer: text(answer, "status"))
