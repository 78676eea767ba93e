"""Files of rules and their signatures, as people handle them: read, compared, signed and added to."""

import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.client import ssh
from service.client.files import replace
from service.client.refused import Refused
from service.client.remote import Remote, text
from service.domain.roster import Holder
from service.domain.rule_file import (
    ISSUERS,
    LARGEST_BYTES,
    SIGNATURES_SUFFIX,
    NotRules,
    RuleFile,
    digest_of,
    parse_rules,
    parse_signatures,
)
from service.domain.statement import Namespace
from service.signing.faults import BadSignature
from service.signing.sshsig import Signed, verify


def read(file: Path) -> RuleFile:
    """Read a file of rules. Raise Refused, OSError."""
    return _parsed(_beginning(file), str(file))


def signatures_beside(file: Path) -> Path:
    return file.with_name(file.name + SIGNATURES_SUFFIX)


def signed(file: Path, rules: RuleFile) -> Mapping[str, Signed]:
    """Return what each good signature beside the file proves. A bad one is passed over. Raise Refused, OSError."""
    beside, found = signatures_beside(file), dict[str, Signed]()
    try:
        listed = parse_signatures(_beginning(beside).decode())
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, NotRules):
        raise Refused(f"{beside} is not a list of armored signatures.") from None
    for each in listed:
        try:
            found[each] = verify(each, rules.bytes, Namespace.RULES)
        except BadSignature:
            continue
    return found


def add(file: Path, rules: RuleFile, armored: str) -> None:
    """Add a signature beside the file, as a whole or not at all. Raise Refused if the file is another one by now."""
    beside = signatures_beside(file)
    with file.open("rb") as locked:
        # Two people at one host sign one after the other.
        fcntl.flock(locked, fcntl.LOCK_EX)
        if digest_of(locked.read(LARGEST_BYTES + 1)) != rules.rules.digest:
            raise Refused(f"{file} was changed meanwhile. The signature was not added.")
        known = beside.read_bytes() if beside.exists() else b""
        # Whoever reads the rules reads their signatures.
        replace(beside, known + armored.encode(), mode_of=file)


def before(rules: RuleFile, *, file: Path | None, remote: Remote | None) -> RuleFile | None:
    """Return the version before, from a file or from the server; None for the first version. Raise Refused, OSError.

    Neither is believed: `previous` is its digest.
    """
    wanted, number = rules.rules.previous, rules.rules.version - 1
    if wanted is None:
        return None
    if file is not None:
        found = read(file)
    elif remote is not None:
        found = _parsed(text(remote.get(f"/v1/rules/{number}"), "text").encode("utf-8", "surrogatepass"), "its answer")
    else:
        raise Refused(f"To compare it with version {number}, give --previous FILE or --server.")
    if found.rules.digest != wanted or found.rules.version != number:
        raise Refused(f"That is not the version {number} that these rules name as the one before.")
    return found


def dropped(before: RuleFile, now: RuleFile) -> list[str]:
    """Return the people whom the version before names, and this one no longer does."""
    return sorted(_named(before) - _named(now))


def left_counting(before: RuleFile, now: RuleFile, holders: Mapping[str, str]) -> Iterator[Holder]:
    """Yield the keys that this version should revoke, of the ones that may count under the version before.

    `holders` has the person of each key. It is one of a person whom this version does not name. Without the grants of a
    provider, nobody else has a role. With them, only people whom the version before names are meant.
    """
    revoked = {each.key for each in before.rules.revoked | now.rules.revoked}
    gone = {*holders.values()} - _named(now)
    if now.tables.get(ISSUERS):
        gone &= _named(before)
    yield from sorted((person, key) for key, person in holders.items() if person in gone and key not in revoked)


def _named(rules: RuleFile) -> set[str]:
    return {*rules.tables.get("people", {}), *rules.tables.get("founders", {})}


def _parsed(data: bytes, place: str) -> RuleFile:
    try:
        read = parse_rules(data)
    except NotRules as fault:
        raise Refused(f"{place} is no file of rules: {fault}.") from None
    # A key with a letter too few would revoke nothing.
    for key in [*(key for _, key in read.rules.founders), *(each.key for each in read.rules.revoked)]:
        ssh.parsed(key)
    return read


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST_BYTES + 1)
