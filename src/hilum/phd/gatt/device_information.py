"""Device Information Service 1.2: who made a device, which it is, and what it is certified for.

The certification list is of ISO/IEEE 11073-20601 and so, other than all else here, has its highest byte first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd.gatt.wire import Reader, Writer, flagged
from hilum.phd.malformed import Malformed
from hilum.phd.reading import NO_SYSTEM_ID, Device

MANUFACTURER: Final = 0x2A29
MODEL: Final = 0x2A24
SERIAL: Final = 0x2A25
HARDWARE: Final = 0x2A27
FIRMWARE: Final = 0x2A26
SOFTWARE: Final = 0x2A28
TEXTS: Final = {
    MANUFACTURER: "manufacturer",
    MODEL: "model",
    SERIAL: "serial",
    HARDWARE: "hardware",
    FIRMWARE: "firmware",
    SOFTWARE: "software",
}
"""Characteristics that are text -> the field of `Device`."""


def text(data: bytes) -> str:
    """UTF-8, without the zeros that some devices fill up with. Raises Malformed."""
    try:
        return data.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError as error:
        raise Malformed("Device Information: no UTF-8", error.start) from None


@dataclass(frozen=True, slots=True)
class SystemId:
    """System ID: an EUI-64. On air its lowest byte is first, so that the manufacturer's 5 precede the company's 3."""

    UUID: ClassVar[int] = 0x2A23

    eui64: bytes

    @classmethod
    def decode(cls, data: bytes) -> SystemId:
        """Raises Malformed."""
        if len(data) != 8:
            raise Malformed(f"System ID: {len(data)} bytes, expected 8", 0)
        return cls(bytes(reversed(data)))

    def encode(self) -> bytes:
        """Raises Malformed."""
        if len(self.eui64) != 8:
            raise Malformed(f"System ID: {len(self.eui64)} bytes, expected 8")
        return bytes(reversed(self.eui64))

    def __str__(self) -> str:
        """As `Device.system_id` has it: "FE-ED-AB-EE-DE-AD-77-C3"."""
        return self.eui64.hex("-").upper()


class Vendors(IntEnum):
    """Vendor ID Source: who gave the vendor its number."""

    BLUETOOTH = 1
    USB = 2


@dataclass(frozen=True, slots=True)
class PnpId:
    """PnP ID. `version`: 0x0213 is 2.1.3."""

    UUID: ClassVar[int] = 0x2A50

    source: Vendors
    vendor: int
    product: int
    version: int

    @classmethod
    def decode(cls, data: bytes) -> PnpId:
        """Raises Malformed."""
        reader = Reader(data, "PnP ID")
        found = cls(reader.code(Vendors), reader.uint(2), reader.uint(2), reader.uint(2))
        reader.end()
        return found

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(self.source, 1).uint(self.vendor, 2).uint(self.product, 2).uint(self.version, 2).done()


class _UdiFlag(IntFlag):
    LABEL = 1
    DEVICE = 1 << 1
    ISSUER = 1 << 2
    AUTHORITY = 1 << 3


@dataclass(frozen=True, slots=True)
class Udi:
    """UDI for Medical Devices. `label`: the whole of it; `device`: its device identifier; the others are OIDs."""

    UUID: ClassVar[int] = 0x2BFF

    label: str | None = None
    device: str | None = None
    issuer: str | None = None
    authority: str | None = None

    @classmethod
    def decode(cls, data: bytes) -> Udi:
        """Raises Malformed. Each text ends with a zero."""
        reader = Reader(data, "UDI for Medical Devices")
        flags = reader.flags(_UdiFlag)
        label, device, issuer, authority = (_ended(reader) if flag in flags else None for flag in _UdiFlag)
        reader.end()
        return cls(label, device, issuer, authority)

    def encode(self) -> bytes:
        """Raises Malformed: a text with a zero in it."""
        texts = (self.label, self.device, self.issuer, self.authority)
        pairs = zip(_UdiFlag, (one is not None for one in texts), strict=True)
        writer = Writer().uint(flagged(*pairs, none=_UdiFlag(0)), 1)
        for one in texts:
            if one is not None:
                if "\0" in one:
                    raise Malformed("UDI for Medical Devices: a text with a zero in it")
                writer.raw(one.encode() + b"\0")
        return writer.done()


def _ended(reader: Reader) -> str:
    at, found = reader.at, bytearray()
    while octet := reader.uint(1):
        found.append(octet)
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise Malformed("UDI for Medical Devices: no UTF-8", at + error.start) from None


@dataclass(frozen=True, slots=True)
class Certification:
    """One entry of the list that is not Continua's. `body`, `kind`: who certified, and what `data` is."""

    body: int
    kind: int
    data: bytes


_CONTINUA: Final = 2
_VERSION, _REGULATION = 1, 2
_UNREGULATED: Final = 0x8000


@dataclass(frozen=True, slots=True)
class Certifications:
    """IEEE 11073-20601 Regulatory Certification Data List. `version`: of Continua's guidelines, major and minor.

    `devices`: Continua's codes of what it is certified for, none where `version` is None. `regulated`: whether it says
    that it is a regulated medical device; None: it says nothing of it.
    """

    UUID: ClassVar[int] = 0x2A2A

    version: tuple[int, int] | None = None
    devices: tuple[int, ...] = ()
    regulated: bool | None = None
    others: tuple[Certification, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> Certifications:
        """Raises Malformed."""
        reader = Reader(data, "Regulatory Certification Data List")
        count, length = _big(reader), _big(reader)
        if length != reader.left:
            raise reader.refuse(f"{reader.left} bytes of entries, its length says {length}", 2)
        version: tuple[int, int] | None = None
        devices: tuple[int, ...] = ()
        regulated: bool | None = None
        others: list[Certification] = []
        for _ in range(count):
            body, kind = reader.uint(1), reader.uint(1)
            inner = reader.take(_big(reader))
            if body == _CONTINUA and kind == _VERSION and version is None:
                version, devices = _versions(inner)
            elif body == _CONTINUA and kind == _REGULATION and regulated is None:
                regulated = _regulated(inner)
            elif body == _CONTINUA and kind in (_VERSION, _REGULATION):
                raise reader.refuse("one entry twice", len(inner))
            else:
                others.append(Certification(body, kind, inner))
        reader.end()
        return cls(version, devices, regulated, tuple(others))

    def encode(self) -> bytes:
        """Raises Malformed."""
        if self.devices and self.version is None:
            raise Malformed("Regulatory Certification Data List: certified devices of no version")
        entries = list(self.others)
        if self.regulated is not None:
            bits = 0 if self.regulated else _UNREGULATED
            entries.insert(0, Certification(_CONTINUA, _REGULATION, _two(bits)))
        if self.version is not None:
            listed = b"".join(map(_two, self.devices))
            major, minor = self.version
            lengths = _two(len(self.devices)) + _two(len(listed))
            inner = Writer().uint(major, 1).uint(minor, 1).raw(lengths + listed).done()
            entries.insert(0, Certification(_CONTINUA, _VERSION, inner))
        writer = Writer()
        for one in entries:
            writer.uint(one.body, 1).uint(one.kind, 1).raw(_two(len(one.data)) + one.data)
        body = writer.done()
        return _two(len(entries)) + _two(len(body)) + body


def _versions(data: bytes) -> tuple[tuple[int, int], tuple[int, ...]]:
    reader = Reader(data, "Continua certification")
    version, count, length = (reader.uint(1), reader.uint(1)), _big(reader), _big(reader)
    if length != 2 * count or length != reader.left:
        raise reader.refuse(f"{count} devices in {reader.left} bytes, its length says {length}", 2)
    return version, tuple(_big(reader) for _ in range(count))


def _regulated(data: bytes) -> bool:
    reader = Reader(data, "Continua regulation status")
    found = not _big(reader) & _UNREGULATED
    reader.end()
    return found


def _big(reader: Reader) -> int:
    return int.from_bytes(reader.take(2), "big")


def _two(value: int) -> bytes:
    try:
        return value.to_bytes(2, "big")
    except OverflowError:
        raise Malformed("Regulatory Certification Data List: a number that 2 bytes have no room for") from None


def device(
    texts: dict[int, str],
    *,
    address: str = "",
    name: str = "",
    system: SystemId | None = None,
    udi: Udi | None = None,
    certifications: Certifications | None = None,
    specializations: tuple[tuple[int, int], ...] = (),
) -> Device:
    """What a Bluetooth LE device says of itself. `texts`: by their characteristic, as in `TEXTS`."""
    said = {field: texts[uuid] for uuid, field in TEXTS.items() if uuid in texts}
    return Device(
        system_id=NO_SYSTEM_ID if system is None else str(system),
        transport="bluetooth",
        address=address,
        name=name,
        udi="" if udi is None else udi.label or "",
        specializations=specializations,
        certified=() if certifications is None else certifications.devices,
        regulated=None if certifications is None else certifications.regulated,
        manufacturer=said.get("manufacturer", ""),
        model=said.get("model", ""),
        serial=said.get("serial", ""),
        hardware=said.get("hardware", ""),
        firmware=said.get("firmware", ""),
        software=said.get("software", ""),
    )
