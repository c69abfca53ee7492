"""Bluetooth LE by the operating system: BlueZ, Windows, macOS, through bleak. https://bleak.readthedocs.io/

The system confirms an indication as soon as it came, before a program has seen it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakError, BleakGATTProtocolError

from hilum.agent.sources.ble.transport import (
    UNPAIRED,
    Gone,
    Heard,
    Inbox,
    NoRadio,
    Place,
    Rejected,
    Sighted,
    Unpaired,
)

_BASE: Final = "-0000-1000-8000-00805f9b34fb"
"""What the UUIDs of the SIG end with, after their 32 bits."""
_INDICATE: Final = "indicate"
_CAN_BE_HEARD: Final = frozenset({_INDICATE, "notify"})


class BleakRadio:
    """`pair`: before anything is read. `adapter`: of several, "hci1"; of Linux alone.

    `scanner`, `client`: what bleak's own classes are made with besides, as its `backend`.
    """

    def __init__(
        self,
        *,
        pair: bool = False,
        adapter: str = "",
        scanner: dict[str, Any] | None = None,
        client: dict[str, Any] | None = None,
    ) -> None:
        which = {"bluez": {"adapter": adapter}} if adapter else {}
        self._pair, self._scanner, self._client = pair, which | (scanner or {}), which | (client or {})
        self._devices: dict[str, BLEDevice] = {}

    async def find(self, wanted: Callable[[Sighted], bool]) -> Sighted:
        """Scan until one that is wanted advertises. Raises NoRadio."""
        try:
            async with BleakScanner(**self._scanner) as scanner:
                async for device, said in scanner.advertisement_data():
                    sighted = _sighted(device, said)
                    if wanted(sighted):
                        self._devices = {sighted.address: device}
                        return sighted
        except (BleakError, OSError) as error:
            raise NoRadio(_why(error)) from None
        raise NoRadio("scanning has ended")

    async def connect(self, sighted: Sighted) -> BleakLink:
        """Raises Gone, Rejected, Unpaired and NoRadio."""
        inbox = Inbox()
        whom = self._devices.get(sighted.address, sighted.address)
        client = BleakClient(whom, lambda _: inbox.close(), pair=self._pair, **self._client)
        async with _told(sighted.address):
            await client.connect()
        return BleakLink(sighted, client, inbox)


class BleakLink:
    """One connection."""

    confirms = False

    def __init__(self, sighted: Sighted, client: BleakClient, inbox: Inbox) -> None:
        self.sighted, self._client, self._inbox = sighted, client, inbox
        self._at: dict[Place, BleakGATTCharacteristic] = {}
        for one in client.services.characteristics.values():
            service, number = _number(one.service_uuid), _number(one.uuid)
            if service is not None and number is not None:
                self._at.setdefault((service, number), one)

    @property
    def places(self) -> frozenset[Place]:
        """All characteristics of the SIG that the device has."""
        return frozenset(self._at)

    async def read(self, place: Place) -> bytes:
        """A value."""
        async with _told(self.sighted.address):
            return bytes(await self._client.read_gatt_char(self._at[place]))

    async def write(self, place: Place, data: bytes) -> None:
        """With a response."""
        async with _told(self.sighted.address):
            await self._client.write_gatt_char(self._at[place], data, response=True)

    async def subscribe(self, place: Place) -> None:
        """From now on it is heard."""
        one = self._at[place]
        if not _CAN_BE_HEARD & set(one.properties):
            raise Gone(f"{self.sighted.address} has a characteristic {place[1]:#06x} that says nothing by itself")
        indicated = _INDICATE in one.properties

        def said(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._inbox.put(Heard(place, bytes(data), indicated, _nothing))

        async with _told(self.sighted.address):
            await self._client.start_notify(one, said)

    async def hear(self) -> Heard:
        """What the device says next."""
        return await self._inbox.get()

    async def disconnect(self) -> None:
        """Hang up."""
        with suppress(BleakError, OSError, EOFError):
            await self._client.disconnect()


def _nothing() -> None:
    """The operating system did it."""


def _number(uuid: str) -> int | None:
    """None: not of the SIG."""
    return int(uuid[4:8], 16) if uuid.startswith("0000") and uuid.endswith(_BASE) else None


def _sighted(device: BLEDevice, said: AdvertisementData) -> Sighted:
    services = (_number(uuid) for uuid in said.service_uuids)
    return Sighted(device.address, said.local_name or "", frozenset(one for one in services if one is not None))


def _why(error: Exception) -> str:
    if isinstance(error, BleakBluetoothNotAvailableError):
        return f"this machine's Bluetooth is not to be used: {error.reason.name.lower().replace('_', ' ')}"
    return "this machine's Bluetooth does not scan: is it switched on, and may this program use it?"


@asynccontextmanager
async def _told(address: str) -> AsyncIterator[None]:
    """What bleak raises, as `transport` has it."""
    try:
        yield
    except BleakGATTProtocolError as error:
        raise Unpaired(address) if error.code in UNPAIRED else Rejected(int(error.code)) from None
    except BleakBluetoothNotAvailableError as error:
        raise NoRadio(_why(error)) from None
    except (BleakError, OSError, EOFError) as error:
        if "auth" in str(error).lower() or "pair" in str(error).lower():
            raise Unpaired(address) from None
        raise Gone(f"{address} is not to be reached") from None
