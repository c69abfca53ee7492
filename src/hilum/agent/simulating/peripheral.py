"""A peripheral that advertises, is connected to, and says what it has: a GATT server of bumble. Makers are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from bumble import core, gatt
from bumble.core import AdvertisingData
from bumble.device import Connection, Device
from bumble.link import LocalLink

from hilum.agent.sources.ble.by_bumble import on_air
from hilum.agent.sources.ble.transport import Place

_P: Final = gatt.Characteristic.Properties
_MAY: Final = gatt.Characteristic.Permissions
_GENERAL: Final = 0x06
"""Flags: generally discoverable, Bluetooth LE alone."""
_NAME: Final = 20
"""Bytes that 31 of an advertisement leave for it, beside two services."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One characteristic. `read`: what it is. `write`: what is done with what is written. `says`: what is notified, or
    indicated, to who subscribes; what was indicated and confirmed is gone, as a cuff forgets what it has delivered.
    """

    read: Callable[[], bytes] | None = None
    write: Callable[[bytes], Awaitable[None]] | None = None
    notifies: bool = False
    indicates: bool = False
    says: list[bytes] = field(default_factory=list)


Traits = Mapping[Place, Trait]


class Peripheral:
    """`hangs_up`: once it has said all. `encrypted`: it talks only to who is paired with it.

    `traits`: what it has. `visits`: how often somebody was connected. `confirmed`: how many indications were.
    """

    def __init__(
        self,
        link: LocalLink,
        address: str,
        name: str,
        *,
        advertised: tuple[int, ...],
        hangs_up: bool = False,
        encrypted: bool = False,
        pause: float = 0.0,
    ) -> None:
        self._device: Device = on_air(link, address, name)
        self._advertised, self._hangs_up, self._encrypted, self._pause = advertised, hangs_up, encrypted, pause
        self._name = name
        self._at: dict[Place, gatt.Characteristic[bytes]] = {}
        self.traits: dict[Place, Trait] = {}
        self._silent: set[Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection: Connection | None = None
        self.address = address
        self.visits = 0
        self.confirmed = 0

    def have(self, traits: Traits) -> None:
        """Before it is switched on."""
        self.traits.update(traits)

    async def switch_on(self) -> None:
        """From now on it advertises, whenever nobody is connected."""
        services: dict[int, list[gatt.Characteristic[bytes]]] = {}
        for place, trait in self.traits.items():
            self._at[place] = self._characteristic(place, trait)
            services.setdefault(place[0], []).append(self._at[place])
        for service, characteristics in services.items():
            self._device.add_service(gatt.Service(core.UUID.from_16_bits(service), characteristics))
        self._device.on("connection", self._connected)
        await self._device.power_on()
        listed = b"".join(service.to_bytes(2, "little") for service in self._advertised)
        said = AdvertisingData(
            [
                (AdvertisingData.Type.FLAGS, bytes((_GENERAL,))),
                (AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, listed),
                (AdvertisingData.Type.COMPLETE_LOCAL_NAME, self._name.encode()[:_NAME]),
            ]
        )
        await self._device.start_advertising(
            auto_restart=True, advertising_data=bytes(said), advertising_interval_min=20, advertising_interval_max=20
        )

    async def switch_off(self) -> None:
        """It is gone."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hang_up()
        with suppress(core.BaseBumbleError):
            await self._device.stop_advertising()
        with suppress(core.BaseBumbleError):
            await self._device.power_off()

    async def say(self, place: Place, data: bytes) -> bool:
        """Notify, or indicate and wait till it is confirmed. Whether somebody was there to hear it."""
        connection = self._connection
        if connection is None:
            return False
        if not self.traits[place].indicates:
            await self._device.notify_subscriber(connection, self._at[place], data)
            return self._connection is connection
        said = asyncio.ensure_future(self._device.indicate_subscriber(connection, self._at[place], data))
        gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def lost(*_: Any) -> None:
            if not gone.done():
                gone.set_result(None)

        connection.on(connection.EVENT_DISCONNECTION, lost)
        try:
            await asyncio.wait({said, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            connection.remove_listener(connection.EVENT_DISCONNECTION, lost)
            confirmed = said.done() and not said.cancelled() and said.exception() is None
            said.cancel()
        self.confirmed += confirmed
        return confirmed

    async def hang_up(self) -> None:
        """End the connection, if there is one."""
        if (connection := self._connection) is not None:
            with suppress(core.BaseBumbleError):
                await connection.disconnect()

    def _characteristic(self, place: Place, trait: Trait) -> gatt.Characteristic[bytes]:
        properties, may = _P(0), _MAY(0)
        if trait.read is not None:
            properties |= _P.READ
            may |= _MAY.READABLE | (_MAY.READ_REQUIRES_ENCRYPTION if self._encrypted else _MAY(0))
        if trait.write is not None:
            properties |= _P.WRITE
            may |= _MAY.WRITEABLE | (_MAY.WRITE_REQUIRES_ENCRYPTION if self._encrypted else _MAY(0))
        if trait.notifies:
            properties |= _P.NOTIFY
        if trait.indicates:
            properties |= _P.INDICATE
        read, write = trait.read, trait.write

        def given(_: Connection) -> bytes:
            return b"" if read is None else read()

        def taken(_: Connection, data: bytes) -> None:
            if write is not None:
                self._begin(write(bytes(data)))

        value: gatt.CharacteristicValue[bytes] = gatt.CharacteristicValue(given, taken)
        one: gatt.Characteristic[bytes] = gatt.Characteristic(core.UUID.from_16_bits(place[1]), properties, may, value)
        one.on(one.EVENT_SUBSCRIPTION, lambda _, notified, indicated: self._subscribed(place, notified or indicated))
        return one

    def _connected(self, connection: Connection) -> None:
        self._connection, self._silent = connection, set()
        self.visits += 1
        connection.on(connection.EVENT_DISCONNECTION, self._disconnected)

    def _disconnected(self, *_: Any) -> None:
        self._connection = None

    def _subscribed(self, place: Place, on: bool) -> None:
        if on:
            self._begin(self._tell(place, self.traits[place]))

    async def _tell(self, place: Place, trait: Trait) -> None:
        """All that this characteristic has to say."""
        while trait.says:
            if not await self.say(place, trait.says[0]):
                return
            del trait.says[0]
            await asyncio.sleep(self._pause)
        self._silent.add(place)
        talks = {place for place, trait in self.traits.items() if trait.notifies or trait.indicates}
        if self._hangs_up and self._silent == talks:
            await self.hang_up()

    def _begin(self, doing: Awaitable[None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
