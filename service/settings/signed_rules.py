"""The file of rules that a quorum signs, in place of tables of the settings file.

With it, neither the settings file nor the environment may have anything that stands in it. Otherwise whoever edits
them could change what was signed.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.domain.rule_file import (
    GRANTS,
    ISSUERS,
    LARGEST_BYTES,
    SIGNATURES_SUFFIX,
    TABLES,
    NotRules,
    SignedRules,
    parse_rules,
    parse_signatures,
)
from service.settings.places import Location, variable_of
from service.settings.words import Unreadable, parse_toml

_SIGNING, _FILE = "signing", "rules_file"


def rules_named(document: Mapping[str, Any], environment: Mapping[str, Any], settings: Path) -> Path | None:
    """Return the file of rules that the settings name, None if they name none. It is relative to their own folder."""
    for said in (environment, document):
        signing = said.get(_SIGNING)
        named = signing.get(_FILE) if isinstance(signing, Mapping) else None
        if isinstance(named, str):
            return settings.parent / named
    return None


def read_rules(file: Path) -> SignedRules:
    """Read the file once, and the signatures beside it, which may be missing. Raise Unreadable."""
    data = _bytes_of(file)
    if data is None:
        raise Unreadable("signing.rules_file: there is no such file.")
    parse_toml(file, data)  # its faults name the line
    beside = file.with_name(file.name + SIGNATURES_SUFFIX)
    try:
        read = parse_rules(data)
    except NotRules as fault:
        raise Unreadable(f"{file}: {fault}.") from None
    try:
        return SignedRules(read, parse_signatures((_bytes_of(beside) or b"").decode()), str(file))
    except (UnicodeDecodeError, NotRules):
        raise Unreadable(f"{beside}: it is not a list of armored signatures.") from None


def merged(document: Mapping[str, Any], signed: SignedRules) -> dict[str, Any]:
    """Return the settings file's document with the tables of the rules."""
    tables = signed.file.tables
    issuers = document.get(ISSUERS, {})
    granted = {name: dict(each) for name, each in tables.get(ISSUERS, {}).items()}
    if isinstance(issuers, Mapping):
        for name, issuer in issuers.items():
            granted[name] = {**issuer, **granted.get(name, {})} if isinstance(issuer, Mapping) else issuer
    return {
        **document,
        **{name: tables[name] for name in TABLES if name in tables},
        _SIGNING: {**tables.get(_SIGNING, {}), _FILE: signed.place},
        **({ISSUERS: granted} if granted else {}),
    }


def misplaced(
    document: Mapping[str, Any], environment: Mapping[str, Any], settings: Path, rules: Path
) -> Iterator[str]:
    """Yield a sentence for each thing that may only stand in the file of rules."""
    for place in _ruled(document):
        yield f"{'.'.join(place)}: it stands in {settings}, and with signing.rules_file only {rules} may have it."
    for place in _ruled(environment):
        variable = _variable_at(environment, place)
        yield f"{'.'.join(place)} ({variable}): with signing.rules_file only {rules} may have it."


def is_ruled(location: Location) -> bool:
    """Return whether a place in the settings stands in the file of rules, if there is one."""
    if location[:1] == (_SIGNING,):
        return location[1:2] != (_FILE,)
    return location[:1] != () and (location[0] in TABLES or (location[0] == ISSUERS and location[2:3] == (GRANTS,)))


def _ruled(said: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the places that may only stand in the file of rules. The names of issuers are not shown."""
    for name in TABLES:
        if name != _SIGNING and name in said:
            yield (name,)
    signing, issuers = said.get(_SIGNING), said.get(ISSUERS)
    if isinstance(signing, Mapping) and signing.keys() - {_FILE}:
        yield (_SIGNING,)
    if isinstance(issuers, Mapping) and any(isinstance(each, Mapping) and GRANTS in each for each in issuers.values()):
        yield ISSUERS, GRANTS


def _variable_at(environment: Mapping[str, Any], place: tuple[str, ...]) -> str:
    """Return a variable that sets this, or something in it."""
    found = (variable_of(leaf) for leaf in _leaves(environment) if leaf[0] == place[0] and leaf[-1] != _FILE)
    return next((name for name in found if name is not None), "environment")


def _leaves(said: Any, path: Location = ()) -> Iterator[Location]:
    if isinstance(said, Mapping) and said:
        for name, inner in said.items():
            yield from _leaves(inner, (*path, str(name)))
    else:
        yield path


def _bytes_of(file: Path) -> bytes | None:
    """Return the beginning of a file, one byte longer than allowed; None if there is none. Raise Unreadable."""
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"signing.rules_file: it, or its signatures, cannot be read: {error.strerror}.") from None
    except ValueError:  # no name of a file has a NUL
        return None
