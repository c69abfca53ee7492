"""The operating system below bleak, played: bleak's own seam for it (`backend`), over bumble instead of BlueZ.

bleak's classes are the real ones; as any system, this one confirms an indication before a program has seen it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakError
from bleak.exc import BleakGATTProtocolError as ProtocolError
from bumble.device import Device

from hilum.agent.sources.ble.by_bumble import BumbleLink, BumbleRadio
from hilum.agent.sources.ble.transport import Gone, Heard, Rejected, Sighted, Unpaired

_UNENCRYPTED = 0x0F


def _uuid(number: int) -> str:
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


class Scanner(BaseBleakScanner):
    def __init__(self, callback: Any, services: Any, mode: str, *, device: Device, **_: Any) -> None:
        super().__init__(callback, services)
        self._radio = BumbleRadio(device)
        self._scanning: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        self._scanning = asyncio.create_task(self._radio.find(self._seen))

    async def stop(self) -> None:
        assert self._scanning is not None
        self._scanning.cancel()
        await asyncio.gather(self._scanning, return_exceptions=True)

    def _seen(self, one: Sighted) -> bool:
        services = [_uuid(service) for service in one.services]
        said = AdvertisementData(one.name, {}, {}, services, None, -60, ())
        device = self.create_or_update_device(one.address, one.address, one.name, None, said)
        self.call_detection_callbacks(device, said)
        return False


class Off(Scanner):
    """A machine whose Bluetooth is off."""

    async def start(self) -> None:
        raise BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


class Client(BaseBleakClient):
    def __init__(self, whom: Any, *, device: Device, timeout: float, disconnected_callback: Any, **_: Any) -> None:
        super().__init__(whom, timeout=timeout, disconnected_callback=disconnected_callback)
        self._device = device
        self._link: BumbleLink | None = None
        self._heard: dict[Any, Callable[[bytearray], None]] = {}
        self._hearing: asyncio.Task[None] | None = None

    @property
    def mtu_size(self) -> int:
        return 23

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        try:
            self._link = await BumbleRadio(self._device, pair=pair).connect(Sighted(self.address))
        except Gone:
            raise BleakError("failed to connect") from None
        self.services = BleakGATTServiceCollection()
        for service in sorted({place[0] for place in self._link.places}):
            self.services.add_service(BleakGATTService(None, service, _uuid(service)))
        for place, one in self._link._at.items():
            names = [flag.name.lower().replace("_", "-") for flag in type(one.properties) if flag in one.properties]
            found = self.services.get_service(place[0])
            self.services.add_characteristic(
                BleakGATTCharacteristic(place, one.handle, _uuid(place[1]), names, lambda: 20, found)  # type: ignore[arg-type]
            )
        self._hearing = asyncio.create_task(self._hear())

    async def disconnect(self) -> None:
        if self._link is not None:
            await self._link.disconnect()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(self, characteristic: Any, **_: Any) -> bytearray:
        return bytearray(await self._do(lambda link: link.read(characteristic.obj)))

    async def write_gatt_char(self, characteristic: Any, data: Any, response: bool) -> None:
        await self._do(lambda link: link.write(characteristic.obj, bytes(data)))

    async def start_notify(self, characteristic: Any, callback: Callable[[bytearray], None], **_: Any) -> None:
        self._heard[characteristic.obj] = callback
        await self._do(lambda link: link.subscribe(characteristic.obj))

    async def read_gatt_descriptor(self, *_: Any, **__: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, *_: Any) -> None:
        raise NotImplementedError

    async def stop_notify(self, *_: Any) -> None:
        raise NotImplementedError

    async def _do(self, what: Any) -> Any:
        if self._link is None:
            raise BleakError("Not connected")
        try:
            return await what(self._link)
        except Rejected as error:
            raise ProtocolError(error.code) from None
        except Unpaired:
            raise ProtocolError(_UNENCRYPTED) from None
        except Gone:
            raise BleakError("disconnected") from None

    async def _hear(self) -> None:
        assert self._link is not None
        try:
            while True:
                heard: Heard = await self._link.hear()
                heard.confirm()
                self._heard[heard.place](bytearray(heard.data))
        except Gone:
            self._link = None
            if self._disconnected_callback is not None:
                self._disconnected_callback()
