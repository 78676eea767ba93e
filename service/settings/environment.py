"""The environment: which of its variables are settings, which are somebody else's, and which are a mistake."""

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import get_origin

from service.settings.model import PREFIX, Settings
from service.settings.places import is_plain, kind_at, known_variables

FILE_VARIABLE = f"{PREFIX}CONFIG"

# What Kubernetes puts into the environment of each container for a service (https://kubernetes.io/docs/concepts/
# services-networking/service/#environment-variables). Of one that is named rootquorum, or rootquorum-something, it
# looks like settings. By what follows the service's name, the form of the value, in which {host} is its address.
_HOST = "_SERVICE_HOST"
_SERVICE = re.compile(rf"{PREFIX[:-1]}(_[A-Z0-9]+)*")
_LINKS = {
    _HOST: "{host}",
    "_SERVICE_PORT(_[A-Z0-9]+)*": "[0-9]{{1,5}}",
    "_PORT(_[0-9]+_(TCP|UDP|SCTP))?": r"(tcp|udp|sctp)://(\[{host}\]|{host}):[0-9]{{1,5}}",
    "_PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO": "tcp|udp|sctp",
    "_PORT_[0-9]+_(TCP|UDP|SCTP)_PORT": "[0-9]{{1,5}}",
    "_PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR": "{host}",
}
_CLOSE = 0.75


def faults_of_environment() -> Iterator[str]:
    """A sentence for each variable that looks like a setting and is none. Values are looked at with the file's."""
    links = service_links(os.environ)
    for variable, value in sorted(os.environ.items()):
        name = variable.upper()  # pydantic-settings reads them in any case
        if not name.startswith(PREFIX) or name == FILE_VARIABLE or variable in links:
            continue
        if _is_no_text(value):
            yield f"The environment variable {variable} is not UTF-8."
        if name.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields:
            yield f"The environment variable {variable} names no setting{_meant(name)}"


def faults_of_json() -> Iterator[str]:
    """A sentence for each variable of a list or a table that is no JSON."""
    for variable, value in sorted(os.environ.items()):
        if variable.upper().startswith(PREFIX):
            kind = kind_at(tuple(variable.upper().removeprefix(PREFIX).lower().split("__")))
            if kind is not None and not is_plain(kind) and not _is_json(value):
                example = '["…"]' if get_origin(kind) in {frozenset, tuple} else '{"…": …}'
                yield f"{variable}: it has to be JSON, {example}."


def service_links(environment: Mapping[str, str]) -> frozenset[str]:
    """Those variables that Kubernetes has put there for services whose names begin like settings.

    Exactly those: beside the service's address, of a name that Kubernetes makes, with a value of its form.
    """
    found = set()
    for variable, host in environment.items():
        service = variable.removesuffix(_HOST)
        if variable.endswith(_HOST) and _SERVICE.fullmatch(service) and _is_address(host):
            forms = {service + name: form.format(host=re.escape(host)) for name, form in _LINKS.items()}
            found |= {
                other
                for other, value in environment.items()
                if any(re.fullmatch(name, other) and re.fullmatch(form, value) for name, form in forms.items())
            }
    return frozenset(found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _is_no_text(value: str) -> bool:
    """Whether bytes that are not UTF-8 came in, which Python keeps as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _meant(name: str) -> str:
    known = {variable.removeprefix(PREFIX): variable for variable in known_variables()}
    close = get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=_CLOSE)
    return f"; did you mean {known[close[0]]}?" if close else "."
