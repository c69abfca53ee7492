"""Devices of Bluetooth LE that speak the SIG's health profiles. docs/reference/device-sources.md#bluetooth

A radio (`transport`, `by_bleak`, `by_bumble`) finds and connects; a visit (`visit`) says which device it is (`about`),
asks for what it stored and hears what it measures (`profiles`); the source (`bluetooth`) does that again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilum.agent.source import Source
from hilum.agent.sources.ble.bluetooth import Bluetooth, Settings
from hilum.agent.sources.ble.visit import How
from hilum.problems import Misconfigured


def source(settings: Mapping[str, Any]) -> Source:
    """A `[[source]]` with kind = "ble". Raises Misconfigured."""
    found = Settings.of(settings)
    try:
        from hilum.agent.sources.ble.by_bleak import BleakRadio
    except ImportError:
        raise Misconfigured("A source of the kind ble needs bleak: pip install 'hilum[agent]'") from None
    radio = BleakRadio(pair=found.pair, adapter=found.adapter)
    how = How(delete=found.delete, estimates=found.estimates)
    return Bluetooth(radio, how, name=found.name, devices=found.devices)
