"""The file of rules that a quorum signs. Its bytes are signed, and every reader reads exactly these bytes.

It has the tables of `TABLES` as the settings have them, with a version, and the digest of the version before.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.policy import SMALLEST_QUORUM
from service.domain.roster import Holder, Rules
from service.domain.rulebook import differences
from service.domain.signed import Signing

# What the file has, and with it neither the settings file nor the environment. Of `issuers` it has only the grants.
TABLES = ("policy", "rules", "groups", "founders", "people", "machines", "signing")
ISSUERS, GRANTS = "issuers", "grants"
# The signatures of a file stand beside it, in one whose name ends so.
SIGNATURES_SUFFIX = ".sigs"
# No file of rules comes near it. An event of the audit log has the whole text.
LARGEST_BYTES = 256 * 1024
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
    if document.keys() - {*TABLES, ISSUERS}:
        raise NotRules(f"it has something else than version, previous, {', '.join(TABLES)} and {ISSUERS}")
    _check_issuers(document.get(ISSUERS, {}))
    founders = frozenset(_founders(document.get("founders", {})))
    rules = Rules(
        version=version, digest=digest_of(data), previous=previous, quorum=_quorum(document), founders=founders
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
    """Return the tables with each rule under its name, so that a changed rule is not told as two."""
    named = {str(rule.get("name")): rule for rule in tables.get("rules", ()) if isinstance(rule, Mapping)}
    is_whole = len(named) == len(tables.get("rules", ()))
    return {**tables, "rules": named} if named and is_whole else dict(tables)


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
        return text, tomllib.loads(text)
    except (ValueError, RecursionError):
        raise NotRules("it is not TOML") from None


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


def _signing(said: Any, founders: frozenset[Holder]) -> Signing:
    if not isinstance(said, dict) or any(type(value) is not _OF_SIGNING.get(name) for name, value in said.items()):
        raise NotRules(f"signing: it has {', '.join(_OF_SIGNING)}, and nothing else")
    origins = said.get("origins", [])
    if not all(isinstance(origin, str) for origin in origins):
        raise NotRules("signing.origins: it has to be a list of texts")
    return Signing(**{**said, "origins": frozenset(origins)}, founders=founders)
