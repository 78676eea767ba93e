"""The vectors of rosters and of chains of rules. Keys are opaque there; a name stands for each."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from service.domain.roster import EndorsementFault, KeyFault
from service.domain.rule_chain import RulesFault

_FOUNDERS = [["ann", "ann-key"], ["ben", "ben-key"], ["cid", "cid-key"]]


def _rules(version: int, position: int, *signers: str, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "digest": f"digest-{version}",
        "previous": f"digest-{version - 1}" if version > 1 else None,
        "quorum": 2,
        "founders": _FOUNDERS,
        "revoked": [],
        "signers": list(signers),
        "position": position,
        **more,
    }


def _registered(person: str, position: int = 1, key: str | None = None) -> dict[str, Any]:
    return {"person": person, "key": key or f"{person}-key", "position": position}


def _endorsed(endorser: str, person: str, position: int, **more: Any) -> dict[str, Any]:
    return {
        "person": person,
        "key": f"{person}-key",
        "endorser": endorser,
        "by_key": f"{endorser}-key",
        "head": position,
        "position": position,
        **more,
    }


def _revoked(key: str, reason: str, position: int, since: int) -> dict[str, Any]:
    return {"key": key, "reason": reason, "since": since, "by": "operator", "position": position}


_DAVE = [_endorsed("ann", "dave", 2), _endorsed("ben", "dave", 3)]


def _case(
    name: str,
    *,
    rules: Iterable[dict[str, Any]] = (_rules(1, 0),),
    registrations: Iterable[dict[str, Any]] = (_registered("dave"),),
    endorsements: Iterable[dict[str, Any]] = _DAVE,
    revocations: Iterable[dict[str, Any]] = (),
    trusted: str = "digest-1",
    at: int = 100,
    counts: str = "ann ben cid dave",
    faults: Iterable[tuple[str, KeyFault]] = (),
    void: Iterable[EndorsementFault] = (),
    in_force: Iterable[int] = (1,),
    refused: Iterable[tuple[int, RulesFault, int]] = (),
) -> dict[str, Any]:
    """Return a vector. `counts` are the people whose one key counts, and `faults` the others that are known."""
    return {
        "name": name,
        "trusted": trusted,
        "at": at,
        "rules": list(rules),
        "registrations": list(registrations),
        "endorsements": list(endorsements),
        "revocations": list(revocations),
        "owners": {f"{person}-key": person for person in counts.split()},
        "faults": [{"person": person, "key": f"{person}-key", "fault": fault} for person, fault in faults],
        "void": sorted(void),
        "in_force": list(in_force),
        "refused": [{"version": version, "fault": fault, "missing": missing} for version, fault, missing in refused],
    }


def rosters() -> list[dict[str, Any]]:
    return [*_keys(), *_revocations(), *_versions()]


def _keys() -> list[dict[str, Any]]:
    founders, unendorsed = "ann ben cid", ("dave", KeyFault.NOT_ENDORSED)
    circle = [
        _endorsed(one, other, 2) for one in ("dave", "eve", "fay") for other in ("dave", "eve", "fay") if one != other
    ]
    crowd = ("dave", "eve", "fay")
    return [
        _case("founders", registrations=[], endorsements=[], counts=founders),
        _case("endorsed-by-a-quorum"),
        _case("before-the-last-endorsement", at=3, counts=founders, faults=[unendorsed]),
        _case("endorsed-by-one", endorsements=_DAVE[:1], counts=founders, faults=[unendorsed]),
        _case("not-registered", registrations=[], counts=founders),
        _case(
            "endorsed-by-somebody-who-was-endorsed",
            registrations=[_registered("dave"), _registered("eve")],
            endorsements=[*_DAVE, _endorsed("dave", "eve", 4), _endorsed("ann", "eve", 4)],
            counts="ann ben cid dave eve",
        ),
        _case(
            "endorsed-by-somebody-before-they-counted",
            registrations=[_registered("dave"), _registered("eve")],
            endorsements=[*_DAVE, _endorsed("dave", "eve", 3), _endorsed("ann", "eve", 4)],
            faults=[("eve", KeyFault.NOT_ENDORSED)],
            void=[EndorsementFault.BY_NO_KEY_THAT_COUNTS],
        ),
        _case(
            "endorsed-by-two-keys-of-one-person",
            rules=[_rules(1, 0, founders=[*_FOUNDERS[:2], ["ann", "cid-key"]])],
            endorsements=[_DAVE[0], _endorsed("ann", "dave", 3, by_key="cid-key")],
            counts="",
            faults=[unendorsed],
        )
        | {"owners": {"ann-key": "ann", "ben-key": "ben", "cid-key": "ann"}},
        _case(
            "endorsed-by-oneself",
            endorsements=[_DAVE[0], _endorsed("dave", "dave", 3, by_key="ben-key")],
            counts=founders,
            faults=[unendorsed],
            void=[EndorsementFault.OF_ONESELF],
        ),
        _case(
            "endorsed-with-a-key-of-somebody-else",
            endorsements=[_DAVE[0], _endorsed("ben", "dave", 3, by_key="ann-key")],
            counts=founders,
            faults=[unendorsed],
            void=[EndorsementFault.BY_NO_KEY_THAT_COUNTS],
        ),
        _case(
            "endorsed-over-a-head-that-did-not-exist",
            endorsements=[_DAVE[0], _endorsed("ben", "dave", 3, head=4)],
            counts=founders,
            faults=[unendorsed],
            void=[EndorsementFault.AHEAD_OF_THE_LOG],
        ),
        _case(
            "endorsed-in-a-circle",
            registrations=[_registered(person) for person in crowd],
            endorsements=circle,
            counts=founders,
            faults=[(person, KeyFault.NOT_ENDORSED) for person in crowd],
            void=[EndorsementFault.BY_NO_KEY_THAT_COUNTS] * len(circle),
        ),
        _case(
            "claimed-by-two-people",
            registrations=[_registered("dave"), _registered("eve", 10, "dave-key")],
            counts=founders,
            faults=[("dave", KeyFault.CLAIMED_TWICE)],
        ),
    ]


def _revocations() -> list[dict[str, Any]]:
    founders = "ann ben cid"
    late = [_DAVE[0], _endorsed("ben", "dave", 8, head=2)]
    return [
        _case(
            "retired",
            revocations=[_revoked("dave-key", "retired", 10, 10)],
            counts=founders,
            faults=[("dave", KeyFault.REVOKED)],
        ),
        _case(
            "endorsed-by-a-key-that-retired-later",
            revocations=[_revoked("ben-key", "retired", 10, 0)],
            counts="ann cid dave",
            faults=[("ben", KeyFault.REVOKED)],
        ),
        _case(
            "endorsed-by-a-key-that-was-compromised-later",
            revocations=[_revoked("ben-key", "compromised", 10, 4)],
            counts="ann cid dave",
            faults=[("ben", KeyFault.REVOKED)],
        ),
        _case(
            "endorsed-by-a-key-that-was-compromised-then",
            revocations=[_revoked("ben-key", "compromised", 10, 3)],
            counts="ann cid",
            faults=[("ben", KeyFault.REVOKED), ("dave", KeyFault.NOT_ENDORSED)],
            void=[EndorsementFault.BY_NO_KEY_THAT_COUNTS],
        ),
        _case(
            "endorsed-by-a-thief-over-an-old-head",
            endorsements=late,
            revocations=[_revoked("ben-key", "compromised", 10, 5)],
            counts="ann cid",
            faults=[("ben", KeyFault.REVOKED), ("dave", KeyFault.NOT_ENDORSED)],
            void=[EndorsementFault.BY_NO_KEY_THAT_COUNTS],
        ),
    ]


def _versions() -> list[dict[str, Any]]:
    of_rules = partial(_case, registrations=[], endorsements=[])
    first = _rules(1, 0)
    second, third = _rules(2, 10, "ann-key", "ben-key"), _rules(3, 20, "ben-key", "cid-key")
    founders = "ann ben cid"
    revoking = _rules(2, 10, "ann-key", "ben-key", revoked=[{"key": "cid-key", "reason": "retired", "since": 10}])
    return [
        of_rules("rules-signed", rules=[first, second, third], in_force=[1, 2, 3], counts=founders),
        of_rules(
            "rules-followed-from-the-last",
            rules=[first, second, third],
            trusted="digest-3",
            in_force=[1, 2, 3],
            counts=founders,
        ),
        of_rules(
            "rules-signed-by-one",
            rules=[first, _rules(2, 10, "ann-key", "dave-key")],
            refused=[(2, RulesFault.UNSIGNED, 1)],
            counts=founders,
        ),
        of_rules(
            "rules-signed-by-their-own-founders",
            rules=[first, _rules(2, 10, "eve-key", "fay-key", founders=[["eve", "eve-key"], ["fay", "fay-key"]])],
            refused=[(2, RulesFault.UNSIGNED, 2)],
            counts=founders,
        ),
        of_rules(
            "rules-rolled-back",
            rules=[first, second, _rules(1, 30, "ann-key", "ben-key")],
            in_force=[1, 2],
            refused=[(1, RulesFault.OLDER, 0)],
            counts=founders,
        ),
        of_rules(
            "rules-of-another-chain",
            rules=[first, second | {"previous": "digest-0"}],
            refused=[(2, RulesFault.FOREIGN, 0)],
            counts=founders,
        ),
        of_rules(
            "rules-that-revoke",
            rules=[first, revoking, _rules(3, 20, "ann-key", "ben-key")],
            in_force=[1, 2, 3],
            counts="ann ben",
            faults=[("cid", KeyFault.REVOKED)],
        ),
        of_rules(
            "rules-signed-by-a-key-that-is-revoked-later",
            rules=[first, second],
            in_force=[1, 2],
            revocations=[_revoked("ann-key", "compromised", 30, 0)],
            counts="ben cid",
            faults=[("ann", KeyFault.REVOKED)],
        ),
    ]
