"""What one value alone can show to be wrong. No sentence here quotes the value."""

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from psycopg.pq import Conninfo
from pydantic_core import PydanticCustomError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {"sqlite": {"sqlite", "sqlite+pysqlite"}, "postgresql": {"postgresql", "postgresql+psycopg"}}
_BEGINNING = "it has to begin with sqlite:/// or postgresql://"
# As SQLAlchemy splits a URL: the user up to the first colon, the password up to the first @ after that.
_USER = re.compile("[^:/]*(?::[^@]*)?@")
_ENCODED = "an @, a : and a / in a user's name or password are written %40, %3A and %2F"

# Parameters of libpq whose values are no free text (https://www.postgresql.org/docs/current/libpq-connect.html).
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
    """What a check of a value raises. The text of any other exception is not shown, since it may quote the value."""
    return PydanticCustomError("rule", sentence)


def split_url(url: str) -> SplitResult:
    """Raises PydanticCustomError where urllib raises a ValueError that quotes what it cannot read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise wrong("it is no URL") from None
    return parts


def check_path(path: Path) -> Path:
    if not str(path).isprintable():
        raise wrong("a path holds no control characters")
    return path


def check_database(url: str) -> str:
    """A URL that leads to a file of SQLite or to PostgreSQL, and nowhere else. Raises PydanticCustomError."""
    if not url.isprintable():
        raise wrong("a URL holds no control characters")
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise wrong(_BEGINNING) from None
    except ValueError:
        raise wrong(f"its port is no number; {_ENCODED}") from None
    backend = parsed.get_backend_name()
    if backend == "postgres":
        raise wrong("it has to begin with postgresql://, not with postgres://")
    if backend not in _DRIVERS:
        raise wrong(_BEGINNING)
    if parsed.drivername not in _DRIVERS[backend]:
        raise wrong(f"that driver is not here; begin with {backend}:// alone")
    if backend == "sqlite":
        _check_sqlite(parsed, url)
    else:
        _check_postgresql(parsed, url)
    return url


def _check_sqlite(parsed: URL, url: str) -> None:
    if parsed.host or parsed.port or parsed.username:
        raise wrong("a file is sqlite:///relative.db or sqlite:////absolute.db, and has no host")
    if "?" in url:
        raise wrong("a path holds no ?, and parameters are not known")
    if not parsed.database or parsed.database == ":memory:":
        raise wrong("a database in memory is gone with each command; name a file, as in sqlite:///rootquorum.db")


def _check_postgresql(parsed: URL, url: str) -> None:
    _, _, rest = url.partition("://")
    user = _USER.match(rest)
    address = rest[user.end() if user else 0 :]
    if "@" in address:
        # Or a part of the password would be taken for the name of the host or the database, and shown as such.
        raise wrong(f"there is an @ behind the one before the host; {_ENCODED}")
    if parsed.port is not None and not 0 < parsed.port < 1 << 16:
        raise wrong("its port has to be 1 to 65535")
    _check_parameters(parsed, address)


def _check_parameters(parsed: URL, address: str) -> None:
    """`address` is the URL without the user and the password, which may hold a ?."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    if not known.issuperset(parsed.query):
        raise wrong("behind its ? there is a parameter that libpq does not know")
    _, mark, parameters = address.partition("?")
    if mark and not all(parameter.partition("=")[2] for parameter in parameters.split("&")):
        raise wrong("behind its ? there is a parameter without a value")
    for name, given in parsed.query.items():
        values = {given} if isinstance(given, str) else {*given}
        if name in _NUMBERS and not all(value.isdecimal() for value in values):
            raise wrong(f"its parameter {name} has to be a whole number")
        if name in _CHOICES and not values <= _CHOICES[name]:
            raise wrong(f"its parameter {name} has to be one of {', '.join(sorted(_CHOICES[name]))}")
