"""E2E-CRC: known values, and frames that sensors on the market sent."""

from __future__ import annotations

import pytest

from hilum.phd.crc import Check, of_feature


def test_the_service_s_own_has_the_check_value_of_mcrf4xx() -> None:
    """The catalogue of parametrised CRC algorithms, CRC-16/MCRF4XX."""
    assert Check.LOW_BIT_FIRST.of(b"123456789") == 0x6F91


def test_the_other_has_the_check_value_of_ccitt_false() -> None:
    assert Check.TOP_BIT_FIRST.of(b"123456789") == 0x29B1


@pytest.mark.parametrize("check", Check)
def test_nothing_has_the_seed(check: Check) -> None:
    assert check.of(b"") == 0xFFFF


def test_the_service_s_own_of_four_octets() -> None:
    assert Check.LOW_BIT_FIRST.of(bytes((1, 2, 3, 4))) == 0xC66E


@pytest.mark.parametrize("frame", ["ea07031c0a1f2a80ff0873", "0ec3f900f40b000074e00a00e0f1"])
def test_frames_of_a_sensor_that_puts_the_highest_bit_first(frame: str) -> None:
    data = bytes.fromhex(frame)
    assert of_feature(data[:-2], int.from_bytes(data[-2:], "little")) is Check.TOP_BIT_FIRST


def test_a_changed_octet_belongs_by_neither() -> None:
    assert of_feature(bytes.fromhex("ea07031c0a1f2a80fe"), 0x7308) is None
