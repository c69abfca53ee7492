"""Whose address counts. https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For"""

from __future__ import annotations

import pytest

from hilum.app.address import networks, of

PROXIES = networks("10.0.0.0/8, ::1")


@pytest.mark.parametrize(
    ("client", "said", "expected"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("::1", b"198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", b"6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"made up", "10.0.0.1"),
        ("10.0.0.1", b"10.0.0.2", "10.0.0.1"),
        (None, b"198.51.100.1", ""),
    ],
)
def test_only_proxies_are_believed(client: str | None, said: bytes | None, expected: str) -> None:
    headers = {} if said is None else {b"x-forwarded-for": said}
    assert of({"client": (client, 1) if client else None}, headers, PROXIES) == expected
    assert of({"client": (client, 1) if client else None}, headers, ()) == (client or "")
