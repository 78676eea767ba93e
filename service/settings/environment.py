"""Environment variables: which are settings, which are not ours, and which are mistakes."""

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
# Those of `rootquorum approve` and `signing-key`, which people may have in the environment of other commands too.
_OF_CLIENTS = frozenset({f"{PREFIX}URL", f"{PREFIX}TOKEN"})

# Variables that Kubernetes adds to each container for a service (https://kubernetes.io/docs/concepts/
# services-networking/service/#environment-variables). If the service is named rootquorum, or rootquorum-something, they
# look like settings. Maps the part after the service's name to the form of the value; {host} is its address.
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
    """Yield a sentence for each variable that looks like a setting and is none. Values are checked with the file's."""
    links = service_links(os.environ)
    for variable, value in sorted(os.environ.items()):
        name = variable.upper()  # pydantic-settings ignores case
        if not name.startswith(PREFIX) or name in {FILE_VARIABLE, *_OF_CLIENTS} or variable in links:
            continue
        if _is_no_text(value):
            yield f"The environment variable {variable} is not UTF-8."
        if name.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields:
            yield f"The environment variable {variable} names no setting{_meant(name)}"


def faults_of_json() -> Iterator[str]:
    """Yield a sentence for each variable for a list or a table that is not JSON."""
    for variable, value in sorted(os.environ.items()):
        if variable.upper().startswith(PREFIX):
            kind = kind_at(tuple(variable.upper().removeprefix(PREFIX).lower().split("__")))
            if kind is not None and not is_plain(kind) and not _is_json(value):
                example = '["…"]' if get_origin(kind) in {frozenset, tuple} else '{"…": …}'
                yield f"{variable}: it has to be JSON, {example}."


def service_links(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the variables that Kubernetes added for services whose names begin like settings.

    It returns only variables with a name and a value as Kubernetes makes them, beside the service's address.
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
    """Return whether the value has bytes that are not UTF-8, which Python keeps as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _meant(name: str) -> str:
    known = {variable.removeprefix(PREFIX): variable for variable in known_variables()}
    close = get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=_CLOSE)
    return f"; did you mean {known[close[0]]}?" if close else "."
