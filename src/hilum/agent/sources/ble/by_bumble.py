"""Bluetooth LE without a radio: bumble's own stack, over a link in memory or any controller that it can drive.

Each packet is a real one, from the advertisement down to the handle of a descriptor; an indication is confirmed when
what it said is on disk, and not before. https://google.github.io/bumble/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from bumble import core, gatt, gatt_client
from bumble.att import ATT_Error, ATT_Handle_Value_Confirmation, ATT_Handle_Value_Indication
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from hilum.agent.sources.ble.transport import UNPAIRED, Gone, Heard, Inbox, Place, Rejected, Sighted, Unpaired

_MTU: Final = 247
_HANGING_UP: Final = 5
_SHORT: Final = 2
"""Bytes of a UUID that the SIG gave."""
_LISTS: Final = (
    AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
)
_CAN_BE_HEARD: Final = gatt.Characteristic.Properties.NOTIFY | gatt.Characteristic.Properties.INDICATE


def on_air(link: LocalLink, address: str, name: str) -> Device:
    """A device of its own controller on `link`, not yet powered on."""
    controller = Controller(name, link=link, public_address=address)
    return Device(name=name, address=Address(address), host=Host(controller, AsyncPipeSink(controller)))


class _Client(gatt_client.Client):
    """Hands indications on unconfirmed."""

    indicated: Callable[[int, bytes], None]

    def on_att_handle_value_indication(self, indication: ATT_Handle_Value_Indication) -> None:
        """Instead of confirming at once."""
        self.indicated(indication.attribute_handle, indication.attribute_value)

    def confirm(self) -> None:
        """The one that came last: there is only one at a time."""
        with suppress(core.BaseBumbleError):
            self.send_confirmation(ATT_Handle_Value_Confirmation())


class BumbleRadio:
    """The collector's side. `pair`: encrypt the link before anything is read."""

    def __init__(self, device: Device, *, pair: bool = False) -> None:
        self._device, self._pair = device, pair

    async def find(self, wanted: Callable[[Sighted], bool]) -> Sighted:
        """Scan until one that is wanted advertises."""
        found: asyncio.Future[Sighted] = asyncio.get_running_loop().create_future()

        def seen(advertisement: Advertisement) -> None:
            sighted = _sighted(advertisement)
            if not found.done() and wanted(sighted):
                found.set_result(sighted)

        self._device.on("advertisement", seen)
        scanning = asyncio.ensure_future(self._scan())
        try:
            await asyncio.shield(scanning)
            return await found
        finally:
            self._device.remove_listener("advertisement", seen)
            with suppress(core.BaseBumbleError):
                await scanning
                await self._device.stop_scanning()

    async def _scan(self) -> None:
        """Never cut off: bumble sends no command any more after one whose answer nobody waited for."""
        if not self._device.powered_on:
            await self._device.power_on()
        await self._device.start_scanning(filter_duplicates=False)

    async def connect(self, sighted: Sighted) -> BumbleLink:
        """Raises Gone, Rejected and Unpaired."""
        async with _told(sighted.address):
            connection = await self._device.connect(Address(sighted.address))
            link = BumbleLink(sighted, connection)
            try:
                if self._pair:
                    await connection.pair()
                await link.discover()
            except BaseException:
                await link.disconnect()
                raise
            return link


class BumbleLink:
    """One connection."""

    confirms = True

    def __init__(self, sighted: Sighted, connection: Connection) -> None:
        self.sighted, self._connection = sighted, connection
        self._inbox, self._there = Inbox(), True
        self._client = _Client(connection)
        self._client.indicated = self._indicated
        connection.gatt_client = self._client
        self._at: dict[Place, gatt_client.CharacteristicProxy[bytes]] = {}
        self._places: dict[int, Place] = {}
        connection.on(connection.EVENT_DISCONNECTION, lambda *_: self._lost())

    @property
    def places(self) -> frozenset[Place]:
        """All characteristics of the SIG that the device has."""
        return frozenset(self._at)

    async def discover(self) -> None:
        """Which services and characteristics there are."""
        peer = Peer(self._connection)
        await peer.request_mtu(_MTU)
        for service in await peer.discover_services():
            for one in await peer.discover_characteristics(service=service):
                if len(service.uuid.uuid_bytes) == _SHORT == len(one.uuid.uuid_bytes):
                    place = (_number(service.uuid), _number(one.uuid))
                    self._at.setdefault(place, one)
                    self._places[one.handle] = place

    async def read(self, place: Place) -> bytes:
        """A value."""
        async with _told(self.sighted.address):
            return bytes(await self._client.read_value(self._at[place]))

    async def write(self, place: Place, data: bytes) -> None:
        """With a response."""
        async with _told(self.sighted.address):
            await self._client.write_value(self._at[place], data, with_response=True)

    async def subscribe(self, place: Place) -> None:
        """From now on it is heard."""
        one = self._at[place]
        if not one.properties & _CAN_BE_HEARD:
            raise Gone(f"{self.sighted.address} has a characteristic {place[1]:#06x} that says nothing by itself")
        async with _told(self.sighted.address):
            await self._client.subscribe(one, lambda data: self._notified(place, data), prefer_notify=False)

    async def hear(self) -> Heard:
        """What the device says next."""
        return await self._inbox.get()

    async def disconnect(self) -> None:
        """Hang up, unless the device did."""
        if self._there:
            with suppress(core.BaseBumbleError, TimeoutError):
                async with asyncio.timeout(_HANGING_UP):
                    await self._connection.disconnect()

    def _notified(self, place: Place, data: bytes) -> None:
        self._inbox.put(Heard(place, bytes(data), False, _nothing))

    def _indicated(self, handle: int, data: bytes) -> None:
        if (place := self._places.get(handle)) is None:
            self._client.confirm()
        else:
            self._inbox.put(Heard(place, bytes(data), True, self._client.confirm))

    def _lost(self) -> None:
        self._there = False
        self._client.on_disconnection()
        self._inbox.close()


def _nothing() -> None:
    """A notification is not confirmed."""


def _number(uuid: core.UUID) -> int:
    return int.from_bytes(uuid.uuid_bytes, "little")


def _sighted(advertisement: Advertisement) -> Sighted:
    data = advertisement.data
    services = {_number(uuid) for kind in _LISTS for uuid in data.get(kind) or () if len(uuid.uuid_bytes) == _SHORT}
    name = data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME) or ""
    return Sighted(advertisement.address.to_string(False), name, frozenset(services))


@asynccontextmanager
async def _told(address: str) -> AsyncIterator[None]:
    """What bumble raises, as `transport` has it."""
    try:
        yield
    except ATT_Error as error:
        raise Unpaired(address) if error.error_code in UNPAIRED else Rejected(error.error_code) from None
    except core.ProtocolError as error:
        if error.error_namespace == "smp":
            raise Unpaired(address) from None
        raise Gone(f"{address} is not to be reached") from None
    except (core.BaseBumbleError, TimeoutError):
        raise Gone(f"{address} is not to be reached") from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise Gone(f"{address} has hung up") from None
