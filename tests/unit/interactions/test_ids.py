"""UUIDv7. https://www.rfc-editor.org/rfc/rfc9562#section-5.7"""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from hilum.interactions.ids import uuid7


def test_ids_are_uuids_of_version_7_of_this_moment() -> None:
    for _ in range(1000):
        before = time.time_ns() // 1_000_000
        text = uuid7()
        after = time.time_ns() // 1_000_000
        found = UUID(text)
        assert (str(found), found.version, found.variant) == (text, 7, RFC_4122)
        assert before <= found.int >> 80 <= after


def test_all_74_random_bits_vary() -> None:
    found = [UUID(uuid7()).int for _ in range(500)]
    low = (1 << 62) - 1
    mask = low | 0xFFF << 64
    ones = zeros = 0
    for number in found:
        ones |= number & mask
        zeros |= ~number & mask
    assert ones == zeros == mask
    assert len(set(found)) == len(found)
