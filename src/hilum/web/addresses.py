"""Which URLs and which addresses a request of ours may go to, where somebody else chose the URL.

https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
(both as of 2025-10)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

LONGEST: Final = 2048

_URL: Final = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""A last label that resolvers read as a number, and the whole name as an address (WHATWG URL, "ends in a number")."""

NOT_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared behind a provider's NAT, and metadata of some clouds (100.100.100.200)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and metadata of clouds (169.254.169.254)
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and metadata (192.0.0.192)
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
V6: Final = IPv6Network("2000::/3")
"""Global unicast. Outside: ::1, :: and IPv4 in ::/96 and ::ffff:0:0/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48,
fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64, 5f00::/16.
"""
NOT_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo 2001::/32 and ORCHID among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address
        "3fff::/20",  # documentation
    )
)
LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
"""What a sandbox may reach. IPv4 within IPv6 (::ffff:127.0.0.1) is not among it: nobody writes it by accident."""

PORTS: Final = frozenset((443, 8443))
NOT_PORTS: Final[dict[int, str]] = {
    1025: "mail", 1433: "SQL Server", 1521: "Oracle", 1883: "MQTT", 2049: "NFS", 2181: "ZooKeeper", 2375: "Docker",
    2376: "Docker", 2379: "etcd", 2380: "etcd", 2525: "mail", 2575: "HL7 MLLP", 2587: "mail", 3306: "MySQL",
    3389: "RDP", 4190: "mail", 4369: "Erlang", 5432: "PostgreSQL", 5433: "PostgreSQL", 5672: "AMQP", 5900: "VNC",
    5984: "CouchDB", 5985: "WinRM", 5986: "WinRM", 6379: "Redis", 6380: "Redis", 6432: "PgBouncer", 6443: "Kubernetes",
    7000: "Cassandra", 7001: "Cassandra", 7687: "Neo4j", 8086: "InfluxDB", 8300: "Consul", 8500: "Consul", 8883: "MQTT",
    9042: "Cassandra", 9092: "Kafka", 9200: "Elasticsearch", 9300: "Elasticsearch", 10250: "Kubernetes",
    11112: "DICOM", 11211: "memcached", 15672: "RabbitMQ", 26257: "CockroachDB", 27017: "MongoDB", 27018: "MongoDB",
    33060: "MySQL", 50000: "Db2",
}  # fmt: skip
"""Ports of 1024 and above where something else than a web server for others is known to listen. Those below are closed
but for 443.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host`: lower case, without brackets; `literal`: it is an address. `path`: with its query."""

    scheme: str
    host: str
    port: int
    path: str
    literal: bool

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"


def target(url: str, longest: int = LONGEST) -> Target | str:
    """The URL taken apart, or the kind of what is wrong with it (form, port)."""
    if len(url) > longest or not _URL.fullmatch(url) or "#" in url or "\\" in url:
        return "form"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "form"
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        return "form"
    host = _host(found["host"])
    if host is None:
        return "form"
    scheme = parts.scheme.lower()
    port = int(found["port"] or {"https": 443, "http": 80}[scheme])
    if not 0 < port < 1 << 16:
        return "port"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host[0], port, path, host[1])


def _host(text: str) -> tuple[str, bool] | None:
    """The host in lower case, and whether it is an address. None for every form that somebody reads differently."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1])), True
        except ValueError:
            return None
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(text)), True  # four decimal numbers without leading zeros, and nothing else
        except ValueError:
            return None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return name, False


def allowed(where: Target, addresses: Iterable[str], *, loopback: bool, inner: bool) -> str | None:
    """None when the target may be reached at each of these addresses; else what is against it: address (a private one,
    which an operator may open), reserved (one that nobody may), scheme, port.

    `loopback`: addresses of this machine are fine, over http and on any port. `inner`: so are private ones, over https.
    """
    here = True
    for address in addresses:
        if loopback and _is_loopback(address):
            continue
        here = False
        if is_public(address):
            continue
        if not is_private(address):
            return "reserved"
        if not inner:
            return "address"
    if here:
        return None
    if where.scheme != "https":
        return "scheme"
    if where.port not in PORTS and (where.port < 1024 or where.port in NOT_PORTS):
        return "port"
    return None


def is_public(address: str) -> bool:
    """Whether the address is one of the internet at large. False for what is no address, and for one with a zone."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in NOT_V4)
    return found.scope_id is None and found in V6 and not any(found in network for network in NOT_V6)


INNER: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv6Network("fc00::/7"),
    IPv6Network("::1/128"),
)


def is_private(address: str) -> bool:
    """Whether an operator may open the address by its host's name: link-local ones, with secrets of clouds, never."""
    return _within(address, INNER) and address != "fd00:ec2::254"


def _is_loopback(address: str) -> bool:
    return _within(address, LOOPBACK)


def _within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return False
    return any(found.version == network.version and found in network for network in networks)
