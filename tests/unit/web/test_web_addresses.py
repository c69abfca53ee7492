"""Which URLs and addresses may be reached."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.web.addresses import NOT_PORTS, Target, allowed, is_private, is_public, target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org", Target("https", "example.org", 443, "/", False)),
        ("https://Example.ORG.:8443/a/b?c=d", Target("https", "example.org", 8443, "/a/b?c=d", False)),
        ("HTTP://127.0.0.1:80/x", Target("http", "127.0.0.1", 80, "/x", True)),
        ("https://[2606:4700::1111]/k", Target("https", "2606:4700::1111", 443, "/k", True)),
        ("https://xn--bcher-kva.example/k", Target("https", "xn--bcher-kva.example", 443, "/k", False)),
        ("https://example.org?a=b", Target("https", "example.org", 443, "/?a=b", False)),
    ],
)
def test_urls_are_taken_apart(url: str, expected: Target) -> None:
    assert target(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/x",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "https:/example.org",
        "https:///x",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org#@127.0.0.1/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/ x",
        "https://example.org/\r\nx: y",
        "https://example.org/\tx",
        "https://exämple.org/",
        "https://127。0。0。1/",
        "https://①②⑦.0.0.1/",
        "https://exa_mple.org/",
        "https://-example.org/",
        "https://example..org/",
        "https://%31%32%37.0.0.1/",
        "https://example.org:/x:y@z",
        "https://example.org:port/",
        "https://example.org:123456/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.01/",
        "https://127.0.0.1./",
        "https://0/",
        "https://example.0x7f/",
        "https://[::1%25lo]/",
        "https://[::1/",
        "https://[127.0.0.1]/",
        "https://[v1.x]/",
        "https://[::ffff:127.0.0.1]x/",
        "https://example.org/" + "a" * 2048,
    ],
)
def test_forms_that_somebody_reads_differently_are_refused(url: str) -> None:
    assert target(url) == "form"


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_ports_that_there_are_not(port: str) -> None:
    assert target(f"https://example.org:{port}/") == "port"


REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "no address",
    "2130706433",
    "127.1",
    "",
]


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_of_the_internet_at_large(address: str) -> None:
    assert not is_public(address)
    against = "address" if is_private(address) else "reserved"
    assert allowed(Target("https", "example.org", 443, "/", False), [address], loopback=False, inner=False) == against


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "11.0.0.1", "100.63.0.1", "172.32.0.1", "223.255.255.255", "2606:4700:4700::1111"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)
    assert allowed(Target("https", "example.org", 443, "/", False), [address], loopback=False, inner=False) is None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_public_that_the_standard_library_knows_to_be_private(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_hides_in_an_ipv6_address(address: IPv4Address) -> None:
    for prefix in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "::ffff:0:0:0/96"):
        inside = IPv6Address(int(ip_network(prefix).network_address) | int(address))
        assert not is_public(str(inside))
    assert not is_public(str(IPv6Address((0x2002 << 112) | (int(address) << 80))))


def test_one_bad_address_among_good_ones_is_enough() -> None:
    where = Target("https", "example.org", 443, "/", False)
    assert allowed(where, ["1.1.1.1", "127.0.0.1"], loopback=False, inner=False) == "address"
    assert allowed(where, ["1.1.1.1", "10.0.0.1"], loopback=True, inner=False) == "address"


def test_http_goes_to_this_machine_only_and_only_in_the_sandbox() -> None:
    http = Target("http", "x", 80, "/", False)
    assert allowed(http, ["127.0.0.1", "::1"], loopback=True, inner=False) is None
    assert allowed(http, ["127.0.0.1"], loopback=False, inner=False) == "address"
    assert allowed(http, ["1.1.1.1"], loopback=True, inner=False) == "scheme"
    assert allowed(http, ["127.0.0.1", "1.1.1.1"], loopback=True, inner=False) == "scheme"
    assert allowed(http, ["10.0.0.1"], loopback=True, inner=True) == "scheme"
    assert allowed(http, ["::ffff:127.0.0.1"], loopback=True, inner=False) == "reserved"
    assert allowed(http, ["::1%lo"], loopback=True, inner=False) == "reserved"


@pytest.mark.parametrize("port", [443, 8443, 1024, 8080, 44300, 65535])
def test_ports_of_web_servers(port: int) -> None:
    assert allowed(Target("https", "x", port, "/", False), ["1.1.1.1"], loopback=False, inner=False) is None


@pytest.mark.parametrize("port", [22, 25, 80, 389, 1023, *NOT_PORTS])
def test_ports_of_other_servers(port: int) -> None:
    assert allowed(Target("https", "x", port, "/", False), ["1.1.1.1"], loopback=False, inner=False) == "port"


def test_an_operator_opens_private_addresses_but_none_where_clouds_keep_secrets() -> None:
    where = Target("https", "keys.inner", 443, "/", False)
    for address in ("10.0.0.1", "172.20.0.1", "192.168.0.1", "127.0.0.1", "fd12::1", "::1"):
        assert is_private(address)
        assert allowed(where, [address], loopback=False, inner=True) is None
        assert allowed(where, [address], loopback=False, inner=False) == "address"
    for address in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "224.0.0.1", "fd12::1%eth0", "x"):
        assert not is_private(address)
        assert {allowed(where, [address], loopback=False, inner=inner) for inner in (True, False)} == {"reserved"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org/", "example.org"),
        ("https://example.org:443/", "example.org"),
        ("https://example.org:8443/", "example.org:8443"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://[::1]/", "[::1]"),
    ],
)
def test_the_host_header(url: str, host: str) -> None:
    found = target(url)
    assert isinstance(found, Target)
    assert found.authority == host
