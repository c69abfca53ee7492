"""Which device it is, how full its battery is, and what its clock says: read once of each connection.

Device Information Service 1.2, Battery Service 1.1, Current Time Service 1.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from hilum.agent.sources.ble.transport import Link, Place, Rejected
from hilum.phd.gatt.battery import BatteryLevel
from hilum.phd.gatt.current_time import CurrentTime
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.device_information import TEXTS, Certifications, SystemId, Udi, device, text
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Device

INFORMATION: Final = 0x180A
BATTERY: Final = 0x180F
CURRENT_TIME: Final = 0x1805

Value = TypeVar("Value")
Refuse = Callable[[Place, bytes, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class About:
    """`told`: by its clock, at `at` by ours. None: it has no clock, or says nothing of it."""

    device: Device
    at: datetime
    told: CurrentTime | DateTime | None = None
    battery: int | None = None


async def about(
    link: Link, specializations: tuple[tuple[int, int], ...], now: Callable[[], datetime], refuse: Refuse
) -> About:
    """What cannot be understood goes to `refuse` and is left out. Raises what `Link` does."""

    async def read(service: int, number: int, decode: Callable[[bytes], Value]) -> Value | None:
        place = (service, number)
        if place not in link.places:
            return None
        try:
            data = await link.read(place)
        except Rejected:
            return None
        try:
            return decode(data)
        except Malformed as error:
            await refuse(place, data, str(error))
            return None

    texts = {number: said for number in TEXTS if (said := await read(INFORMATION, number, text)) is not None}
    found = device(
        texts,
        address=link.sighted.address,
        name=link.sighted.name,
        system=await read(INFORMATION, SystemId.UUID, SystemId.decode),
        udi=await read(INFORMATION, Udi.UUID, Udi.decode),
        certifications=await read(INFORMATION, Certifications.UUID, Certifications.decode),
        specializations=specializations,
    )
    battery = await read(BATTERY, BatteryLevel.UUID, BatteryLevel.decode)
    told: CurrentTime | DateTime | None = await read(CURRENT_TIME, CurrentTime.UUID, CurrentTime.decode)
    if told is None:
        clocks = sorted(service for service, number in link.places if number == DateTime.UUID)
        told = await read(clocks[0], DateTime.UUID, DateTime.decode) if clocks else None
    return About(found, now(), told, None if battery is None else battery.level)
