"""Which URLs are refused: anything but https to a public address, unless the settings allow the host by name."""

import contextlib
import ipaddress
import socket
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not in a private range, but internal to a cloud: protocol assignments, and Azure's own host.
_INSIDE = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))


class NotPublic(ValueError):
    """The host is inside: it is refused unless the settings allow it by name."""


def check_url(url: str, allowed_hosts: frozenset[str]) -> None:
    """Raise ValueError for a URL that is refused whatever its host resolves to."""
    try:
        parsed, authority = httpx.URL(url), urlsplit(url).netloc
    except (httpx.InvalidURL, ValueError):
        raise ValueError("this is not a URL") from None
    host = host_of(parsed)
    if not host:
        raise ValueError("the URL has no host")
    if parsed.userinfo or "@" in authority:
        raise ValueError("the URL has user information")
    if "#" in url:
        raise ValueError("the URL has a fragment")
    if host in allowed_hosts:
        if parsed.scheme not in {"https", "http"}:
            raise ValueError("the URL is neither https nor http")
        return
    if parsed.scheme != "https":
        raise ValueError("the URL is not https")
    _check_literal(host)


def check_host(host: str, allowed_hosts: frozenset[str]) -> None:
    """Raise ValueError for a host that is refused whatever it resolves to. For protocols without URLs."""
    if host not in allowed_hosts:
        _check_literal(host)


def is_this_machine(host: str) -> bool:
    """Return whether nothing that is sent to this host leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(url: httpx.URL) -> str:
    """Return the host as it is resolved and sent to the server in TLS."""
    return url.raw_host.decode("ascii").lower()


def _check_literal(host: str) -> None:
    bare = host.rstrip(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        raise NotPublic("the host is this machine")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        with contextlib.suppress(OSError):
            socket.inet_aton(bare)
            raise ValueError("the host is an address in disguise") from None
        return
    if not is_public(address):
        raise NotPublic("the host is an address that is not public")


def is_public(address: _Address) -> bool:
    """Return whether it is a public internet address, and so is every IPv4 address embedded in it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _INSIDE)
    inner = _inner(address)
    if inner:
        return all(map(is_public, inner))
    return address in _GLOBAL_UNICAST and address.is_global


def _inner(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the IPv4 addresses that packets to `address` can reach: mapped, 6to4, Teredo, NAT64."""
    if address.teredo:
        return address.teredo
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    found = address.ipv4_mapped or address.sixtofour
    return (found,) if found else ()
