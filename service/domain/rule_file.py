"""The file of rules that a quorum signs. Its bytes are signed, and every reader reads exactly these bytes.

It has the tables of `TABLES` as the settings have them, with a version, and the digest of the version before. Keys that
it revokes are in `REVOKED_KEYS`, which the settings do not have.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.policy import SMALLEST_QUORUM
from service.domain.roster import Holder, Key, Reason, RevokedKey, Rules
from service.domain.rulebook import differences
from service.domain.signed import Signing

# What the file has, and with it neither the settings file nor the environment. Of `issuers` it has only the grants.
TABLES = ("policy", "rules", "groups", "founders", "people", "machines", "signing")
ISSUERS, GRANTS = "issuers", "grants"
REVOKED_KEYS = "revoked_keys"
# The signatures of a file stand beside it, in one whose name ends so.
SIGNATURES_SUFFIX = ".sigs"
# No file of rules comes near it. An event of the audit log has the whole text.
LARGEST_BYTES = 256 * 1024
# Nothing that the settings know is nested half as deep.
_DEEPEST = 16
_LARGEST_VERSION = 2**53 - 1
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_END = "-----END SSH SIGNATURE-----"
# More than people who sign.
MOST_SIGNATURES = 100
_OF_SIGNING: Mapping[str, type] = {
    "rp_id": str,
    "origins": list,
    "user_verified": bool,
    "only_hardware": bool,
    "only_device_bound": bool,
}


class NotRules(ValueError):
    """These bytes are no file of rules. The text quotes nothing of them but known names."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A version of the rules: its bytes as text, all tables, and what concerns keys.

    `signing` is what signatures have to prove while the version is in force, and the founders.
    """

    text: str
    tables: Mapping[str, Any]
    rules: Rules
    signing: Signing

    @property
    def bytes(self) -> bytes:
        return self.text.encode()


@dataclass(frozen=True, slots=True)
class SignedRules:
    """A version of the rules with the armored signatures beside it, none of which is verified. `place` is its path."""

    file: RuleFile
    signatures: tuple[str, ...]
    place: str


def parse_rules(data: bytes) -> RuleFile:
    """Read a file of rules. Raise NotRules with the reason.

    Values that concern no keys are only read as TOML. The settings check all of them.
    """
    text, document = _read(data)
    version = document.pop("version", None)
    if type(version) is not int or not 1 <= version <= _LARGEST_VERSION:
        raise NotRules("version: it has to be a whole number from 1 on")
    previous = document.pop("previous", None)
    if previous is not None and (not isinstance(previous, str) or not _HEX_SHA256.fullmatch(previous)):
        raise NotRules("previous: it has to be the SHA-256 of the version before, in lower-case hex")
    if (previous is None) != (version == 1):
        raise NotRules("previous: every version but the first names the one before, and the first names none")
    if document.keys() - {*TABLES, ISSUERS, REVOKED_KEYS}:
        others = ", ".join((*TABLES, REVOKED_KEYS))
        raise NotRules(f"it has something else than version, previous, {others} and {ISSUERS}")
    _check_tables(document)
    _check_issuers(document.get(ISSUERS, {}))
    founders = frozenset(_founders(document.get("founders", {})))
    rules = Rules(
        version=version,
        digest=digest_of(data),
        previous=previous,
        quorum=_quorum(document),
        founders=founders,
        revoked=frozenset(_revoked(document.get(REVOKED_KEYS, []))),
    )
    return RuleFile(text, document, rules, _signing(document.get("signing", {}), founders))


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of the bytes in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def parse_signatures(text: str) -> tuple[str, ...]:
    """Return the armored signatures in a text, without repetitions. Nothing is verified. Raise NotRules for too many.

    What follows the last of them belongs to none, and is left out.
    """
    parts = [f"{part.strip()}\n{_END}\n" for part in text.split(_END)[:-1]]
    if len(parts) > MOST_SIGNATURES:
        raise NotRules(f"there are more than {MOST_SIGNATURES} signatures")
    return tuple(dict.fromkeys(parts))


def changes(before: RuleFile | None, now: RuleFile) -> list[str]:
    """Return a line for each value of the file that differs from the version before. All are new without one."""
    old, new = _comparable({} if before is None else before.tables), _comparable(now.tables)
    # One by one, so that a table that is new is told with all that it has.
    return [line for name in sorted({*old, *new}) for line in differences(old.get(name, {}), new.get(name, {}), name)]


def _comparable(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with each rule under its name, and each revoked key under itself.

    So a changed one is not told as two.
    """
    found = dict(tables)
    rules = {str(rule.get("name")): rule for rule in tables.get("rules", ())}
    if rules and len(rules) == len(tables["rules"]):
        found["rules"] = rules
    if REVOKED_KEYS in tables:
        found[REVOKED_KEYS] = {
            each.key: {"reason": each.reason.value, "since": each.since}
            if each.reason is Reason.COMPROMISED
            else {"reason": each.reason.value}
            for each in _revoked(tables[REVOKED_KEYS])
        }
    return found


def _read(data: bytes) -> tuple[str, dict[str, Any]]:
    if len(data) > LARGEST_BYTES:
        raise NotRules(f"it is longer than {LARGEST_BYTES // 1024} KiB")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotRules("it is not UTF-8") from None
    # Some readers of TOML take it for a part of the first name, and others pass over it.
    if text.startswith("\ufeff"):
        raise NotRules("it begins with a byte order mark; save it without")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        raise NotRules("it is not TOML") from None
    _check_depth(document, _DEEPEST)
    return text, document


def _check_depth(value: Any, left: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and left == 0:
        raise NotRules("it is nested too deeply")
    for each in inner:
        _check_depth(each, left - 1)


def _check_tables(document: Mapping[str, Any]) -> None:
    for name in document.keys() & {*TABLES, ISSUERS}:
        found = document[name]
        if name == "rules":
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise NotRules(f"{name}: it has to be a list of tables, [[{name}]]")
        elif not isinstance(found, dict):
            raise NotRules(f"{name}: it has to be a table, [{name}]")


def _check_issuers(issuers: Any) -> None:
    if not isinstance(issuers, dict) or any(
        not isinstance(each, dict) or each.keys() - {GRANTS} for each in issuers.values()
    ):
        raise NotRules(f"{ISSUERS}: each of them has only {GRANTS} here")


def _quorum(document: Mapping[str, Any]) -> int:
    policy = document.get("policy", {})
    quorum = policy.get("quorum", SMALLEST_QUORUM) if isinstance(policy, dict) else None
    if type(quorum) is not int or quorum < SMALLEST_QUORUM:
        raise NotRules(f"policy.quorum: it has to be {SMALLEST_QUORUM} or more")
    return quorum


def _founders(founders: Any) -> Iterator[Holder]:
    """Yield each founder with each of their keys, without comments."""
    for person, founder in founders.items() if isinstance(founders, dict) else [("", None)]:
        lines = founder.get("keys") if isinstance(founder, dict) and founder.keys() == {"keys"} else None
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise NotRules("founders: each of them has keys, a list of OpenSSH public keys")
        for line in lines:
            yield person, " ".join(line.split()[:2])


def _revoked(listed: Any) -> Iterator[RevokedKey]:
    """Yield each key that the file revokes, without its comment. No key stands there twice."""
    known = set[Key]()
    for each in listed if isinstance(listed, list) else [None]:
        said = {} if not isinstance(each, dict) or each.keys() - {"key", "reason", "since"} else each
        line, reason, since = said.get("key"), said.get("reason", Reason.RETIRED), said.get("since", 0)
        if not isinstance(line, str):
            raise NotRules(f"{REVOKED_KEYS}: each of them has a key, an OpenSSH public key; reason and since at will")
        if reason not in [*Reason]:
            raise NotRules(f"{REVOKED_KEYS}, reason: it has to be {' or '.join(Reason)}")
        if type(since) is not int or since < 0 or ("since" in said and reason != Reason.COMPROMISED):
            raise NotRules(f"{REVOKED_KEYS}, since: it has to be a size of the log, and only of a compromised key")
        key = " ".join(line.split()[:2])
        if key in known:
            raise NotRules(f"{REVOKED_KEYS}: one of the keys stands there twice")
        known.add(key)
        yield RevokedKey(key, Reason(reason), since)


def _signing(said: Any, founders: frozenset[Holder]) -> Signing:
    if not isinstance(said, dict) or any(type(value) is not _OF_SIGNING.get(name) for name, value in said.items()):
        raise NotRules(f"signing: it has {', '.join(_OF_SIGNING)}, and nothing else")
    origins = said.get("origins", [])
    if not all(isinstance(origin, str) for origin in origins):
        raise NotRules("signing.origins: it has to be a list of texts")
    return Signing(**{**said, "origins": frozenset(origins)}, founders=founders)
