"""A client reads every filing that the service makes, whole, and nothing else."""

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
from support.builders import NOON, filing, key, observed

from service.client.filed import digest_of, parse_filing
from service.client.refused import Refused
from service.domain.account import SigningCertificate
from service.domain.actor import ActorKind
from service.domain.canonical import canonical
from service.domain.demands import Demand, SignedApprovals
from service.domain.filing import Filing
from service.domain.hours import Hours
from service.domain.operation import KINDS, ON_POLICIES, Operation, OperationName
from service.domain.rules import UNKNOWN, Placement

_DEMAND = Demand(
    rule="production",
    approvals={"security": 1},
    quorum=3,
    max_lifetime=timedelta(days=1),
    require_root_mfa=True,
    ticket_required=True,
    approval_comment=True,
    decision_amr=frozenset({"hwk"}),
    hours=Hours(
        days=frozenset({0, 4}),
        opens=time(9),
        closes=time(17),
        zone="Europe/Berlin",
        closed_on=frozenset({date(2026, 12, 25)}),
    ),
    signed_approvals=SignedApprovals.REQUIRED,
)
_FULL = filing(
    drill=True,
    ticket=None,
    justification='Due.\n"x" \u2028 é \U0001f600',
    requester_kind=ActorKind.MACHINE,
    lifetime=timedelta(hours=4),
    demands=(_DEMAND, Demand(rule="other", quorum=2)),
    placement=Placement(name="production", units=frozenset({"r-1", "ou-2"}), tags={"env": "prod"}),
    signed_approvals=SignedApprovals.ENROLLED,
    observed=observed(key("AKIASIGNER0000000000", used=NOON), key("AKIAOTHER00000000000", "Inactive")),
)


def _of(name: OperationName) -> Filing:
    """Return a filing of this operation, with all that can be read of an account."""
    target = None if KINDS[name].target is None else "AKIATARGET0000000000"
    certificates = (SigningCertificate("CERTIFICATE0000000000000", "Active"),)
    seen = replace(
        observed(), mfa_devices=("arn:aws:iam::1:mfa/x",), signing_certificates=certificates, email="a@b.example"
    )
    return filing(operation=Operation(name, target), observed=seen)


def _text(of: Filing) -> str:
    return canonical(of.document()).decode()


@pytest.mark.parametrize(
    "filed",
    [filing(), _FULL, filing(placement=UNKNOWN), *map(_of, OperationName)],
    ids=lambda each: each.operation.name,
)
def test_every_filing_is_read_as_it_was_filed(filed: Filing) -> None:
    assert parse_filing(_text(filed)) == filed
    assert digest_of(_text(filed)) == filed.digest


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each object in the document."""
    if isinstance(value, dict):
        yield path
    for name, below in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from _places(below, (*path, name))


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


def test_what_cannot_be_shown_is_refused_wherever_it_stands() -> None:
    document = json.loads(_text(_FULL))
    for path in _places(document):
        if path[-1:] == ("approvals",):  # another group is shown
            continue
        changed = copy.deepcopy(document)
        _at(changed, path)["another"] = 1
        with pytest.raises(Refused):
            parse_filing(canonical(changed).decode())


_OTHERS: tuple[Any, ...] = ({}, [], 2, True, "x")


def test_a_member_of_another_type_is_refused() -> None:
    document = json.loads(_text(filing(operation=Operation(OperationName.DELETE_ACCESS_KEY, "AKIATARGET0000000000"))))
    for name in document.keys() - {"observed"}:
        for value in _OTHERS:
            if type(value) is not type(document[name]):
                with pytest.raises(Refused):
                    parse_filing(canonical(document | {name: value}).decode())


def test_a_filing_without_one_of_its_members_is_refused() -> None:
    document = json.loads(_text(filing()))
    for name in document:
        with pytest.raises(Refused):
            parse_filing(canonical({other: value for other, value in document.items() if other != name}).decode())


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{}", "[" * 100_000, "\udcff", '{"id":NaN}'),
        _text(filing()) + "\n",
        json.dumps(filing().document()),
        _text(filing()).replace('{"accept', '{"accept_lockout":true,"accept', 1),
        _text(_FULL).replace('"lifetime_seconds":14400', f'"lifetime_seconds":1{"0" * 300}'),
        _text(_FULL).replace('"quorum":2,', '"quorum":2.0,'),
        _text(filing()).replace("create_access_key", "do_anything"),
    ],
    ids=range(13),
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_filing(text)
    assert digest_of(text) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without(text: str, *path: str, said: Any = None) -> str:
    """Return the filing with another value there, or without it."""
    document = json.loads(text)
    *above, last = path
    place = _at(document, tuple(above))
    if said is None:
        del place[last]
    else:
        place[last] = said
    return canonical(document).decode()


@pytest.mark.parametrize("name", sorted(ON_POLICIES))
def test_an_unlock_that_does_not_show_its_policy_is_refused(name: OperationName) -> None:
    text = _text(_of(name))
    for changed in (
        _without(text, "observed", "resource"),
        _without(text, "observed", "resource", "policy"),
        _without(text, "observed", "resource", "policy", said="{}"),
        _without(text, "observed", "resource", "policy_sha256", said="ab" * 32),
        _without(text, "observed", "resource", said={"region": "x", "policy": None, "policy_sha256": None}),
    ):
        with pytest.raises(Refused):
            parse_filing(changed)
