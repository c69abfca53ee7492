"""Where a request comes from: the connection's other end, or what a proxy of ours says of it.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For#selecting_an_ip_address
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8,::1` as networks. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], proxies: Sequence[Network]) -> str:
    """The address of the client. Only a proxy of `proxies` is believed; of a chain the last that is none counts."""
    client = scope.get("client")
    direct = "" if client is None else str(client[0])
    if not proxies or b"x-forwarded-for" not in headers or not _within(direct, proxies):
        return direct
    for hop in reversed(headers[b"x-forwarded-for"].decode("latin-1").split(",")):
        address = hop.strip()
        if not _is_address(address):
            return direct
        if not _within(address, proxies):
            return address
    return direct


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, networks: Sequence[Network]) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in networks)
