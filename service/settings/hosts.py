"""Faults of hosts and URLs to which the service would connect. Only settings that have some need this."""

from collections.abc import Callable, Iterator

from service.outbound.addresses import NotPublic, check_host, check_url

_Check = Callable[[str, frozenset[str]], None]


def fault_of_url(place: str, url: str, allowed_hosts: frozenset[str]) -> Iterator[str]:
    """Yield why this URL is refused, if it is. `place` is the setting's name."""
    return _fault(place, check_url, url, allowed_hosts)


def fault_of_host(place: str, host: str, allowed_hosts: frozenset[str]) -> Iterator[str]:
    """Yield why this host is refused, if it is. `place` is the setting's name."""
    return _fault(place, check_host, host, allowed_hosts)


def _fault(place: str, check: _Check, value: str, allowed_hosts: frozenset[str]) -> Iterator[str]:
    try:
        check(value, allowed_hosts)
    except NotPublic as error:
        yield f"{place}: {error}. If it is meant, add it to notify.allowed_hosts."
    except ValueError as error:
        yield f"{place}: {error}."
