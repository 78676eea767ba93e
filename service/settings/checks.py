"""Checks of a single value. No sentence here quotes the value."""

import re
from datetime import date, time
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic_core import PydanticCustomError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from service.domain.rules import folded
from service.domain.text import visible

_DRIVERS = {"sqlite": {"sqlite", "sqlite+pysqlite"}, "postgresql": {"postgresql", "postgresql+psycopg"}}
_NO_ZONE = "it has to be an IANA time zone, such as Europe/Zurich or UTC"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BEGINNING = "it has to begin with sqlite:/// or postgresql://"
# Like SQLAlchemy: the user ends at the first colon, the password at the first @ after that.
_USER = re.compile("[^:/]*(?::[^@]*)?@")
_ENCODED = "an @, a : and a / in a user's name or password are written %40, %3A and %2F"

# Parameters of libpq that restrict their values (https://www.postgresql.org/docs/current/libpq-connect.html).
_NUMBERS = {
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
    "sslsni",
}
_CHOICES = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
    "channel_binding": {"require", "prefer", "disable"},
    "gssencmode": {"disable", "prefer", "require"},
    "load_balance_hosts": {"disable", "random"},
}


def wrong(sentence: str) -> PydanticCustomError:
    """Return the exception that a check raises. No other exception's text is shown, since it may quote the value."""
    return PydanticCustomError("rule", sentence)


def split_url(url: str) -> SplitResult:
    """Split a URL. Raise PydanticCustomError instead of urllib's ValueError, which quotes the value."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise wrong("it is not a URL") from None
    return parts


def check_path(path: Path) -> Path:
    if not str(path).isprintable():
        raise wrong("a path must not contain control characters")
    return path


def check_clock(clock: time) -> time:
    if clock.tzinfo is not None or clock.second or clock.microsecond:
        raise wrong("it has to be a time of day in hours and minutes, such as 08:30")
    return clock


def check_comparable(text: str) -> str:
    if not folded(text):
        raise wrong("it has to have a visible character")
    return text


def check_visible(name: str) -> str:
    if visible(name) != name:
        raise wrong("it must not contain invisible or control characters, nor blanks at its ends")
    return name


def check_date(value: object) -> object:
    """Check that a date is written as one. pydantic would take a number for seconds."""
    if type(value) is date or (isinstance(value, str) and _DATE.fullmatch(value)):
        return value
    raise wrong("it has to be a date, such as 2026-12-25")


def check_zone(name: str) -> str:
    # These are files of the time zone database, but not zones, or depend on the host.
    if name in {"localtime", "posixrules", "Factory"} or name.startswith(("right/", "posix/")):
        raise wrong(_NO_ZONE)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(_NO_ZONE) from None
    return name


def check_database(url: str) -> str:
    """Check that a URL leads to a SQLite file or to PostgreSQL, and return it. Raise PydanticCustomError."""
    if not url.isprintable():
        raise wrong("a URL must not contain control characters")
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise wrong(_BEGINNING) from None
    except ValueError:
        raise wrong(f"its port is not a number; {_ENCODED}") from None
    backend = parsed.get_backend_name()
    if backend == "postgres":
        raise wrong("it has to begin with postgresql://, not with postgres://")
    if backend not in _DRIVERS:
        raise wrong(_BEGINNING)
    if parsed.drivername not in _DRIVERS[backend]:
        raise wrong(f"that driver is not supported; begin with {backend}:// alone")
    if backend == "sqlite":
        _check_sqlite(parsed, url)
    else:
        _check_postgresql(parsed, url)
    return url


def _check_sqlite(parsed: URL, url: str) -> None:
    if parsed.host or parsed.port or parsed.username:
        raise wrong("a file is sqlite:///relative.db or sqlite:////absolute.db, and has no host")
    if "?" in url:
        raise wrong("a path must not contain a ?, and parameters are not supported")
    if not parsed.database or parsed.database == ":memory:":
        raise wrong("a database in memory is lost after each command; name a file, as in sqlite:///rootquorum.db")


def _check_postgresql(parsed: URL, url: str) -> None:
    _, _, rest = url.partition("://")
    user = _USER.match(rest)
    address = rest[user.end() if user else 0 :]
    if "@" in address:
        # Otherwise a part of the password would be taken for the name of the host or the database, and be shown.
        raise wrong(f"there is an @ after the one before the host; {_ENCODED}")
    if parsed.port is not None and not 0 < parsed.port < 1 << 16:
        raise wrong("its port has to be 1 to 65535")
    _check_parameters(parsed, address)


def _check_parameters(parsed: URL, address: str) -> None:
    """Check the parameters. `address` is the URL without user and password, which may contain a ?."""
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    if not known.issuperset(parsed.query):
        raise wrong("after its ? there is a parameter that libpq does not know")
    _, mark, parameters = address.partition("?")
    if mark and not all(parameter.partition("=")[2] for parameter in parameters.split("&")):
        raise wrong("after its ? there is a parameter without a value")
    for name, given in parsed.query.items():
        values = {given} if isinstance(given, str) else {*given}
        if name in _NUMBERS and not all(value.isdecimal() for value in values):
            raise wrong(f"its parameter {name} has to be a whole number")
        if name in _CHOICES and not values <= _CHOICES[name]:
            raise wrong(f"its parameter {name} has to be one of {', '.join(sorted(_CHOICES[name]))}")
