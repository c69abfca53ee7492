"""PhdDevice and PhgDevice. HL7's PHD guide, "PhdDeviceProfile" and "PhgDeviceProfile"."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hilum.phd import nomenclature
from hilum.phd.fhir.concepts import (
    ASN1,
    PROFILE,
    Body,
    absent_element,
    by_identifier,
    clean,
    concept,
    mdc,
    ucum,
    yes_no,
)
from hilum.phd.reading import NO_SYSTEM_ID, Device

_KINDS: Final = "http://hl7.org/fhir/uv/phd/CodeSystem/ContinuaDeviceIdentifiers"
_CERTIFIED: Final = "http://hl7.org/fhir/uv/phd/CodeSystem/ContinuaPHD"
_EUI_64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
_TRANSPORTS: Final = {
    "bluetooth": ("BTMAC", "http://hl7.org/fhir/sid/eui-48/bluetooth"),
    "ethernet": ("ETHMAC", "http://hl7.org/fhir/sid/eui-48/ethernet"),
    "zigbee": ("ZIGBEE", "http://hl7.org/fhir/sid/eui-64/zigbee"),
    "usb": ("USB", "http://hl7.org/fhir/sid/usb"),
}
_OCTETS: Final = re.compile(r"[0-9A-F]{2}")


class Identifier(NamedTuple):
    """`system` is empty where it has none."""

    system: str
    value: str


def personal_health_device(device: Device) -> Body:
    """The device that measures."""
    return _device(device, "PhdDevice", nomenclature.PERSONAL_HEALTH_DEVICE)


def personal_health_gateway(device: Device) -> Body:
    """The agent that reads it and sends what it reads."""
    return _device(device, "PhgDevice", nomenclature.PERSONAL_HEALTH_GATEWAY)


def telling(device: Device) -> Identifier:
    """The identifier that tells it from all others.

    Bluetooth LE devices without a system identifier all have the same, of zeros: their address is taken, or else maker,
    model and serial number.
    """
    if device.system_id and octets(device.system_id) != NO_SYSTEM_ID:
        return Identifier(_EUI_64, octets(device.system_id))
    if device.address:
        return Identifier(_TRANSPORTS.get(device.transport, ("", ""))[1], octets(device.address))
    return Identifier("", "/".join(map(clean, (device.manufacturer, device.model, device.serial))))


def query(device: Device) -> str:
    """The condition of its conditional create."""
    return by_identifier(*telling(device))


def octets(text: str) -> str:
    """An EUI as the guide writes it, 00-E5-DE-AD-77-C3, however it came; what is none, such as 0043.F90D, as it is."""
    plain = re.sub(r"[-: ]", "", text).upper()
    found = _OCTETS.findall(plain)
    return "-".join(found) if len(found) in (6, 8) and len(plain) == 2 * len(found) else clean(text)


def _device(device: Device, profile: str, type_: int) -> Body:
    gateway = profile == "PhgDevice"
    body: Body = {
        "resourceType": "Device",
        "meta": {"profile": [PROFILE + profile]},
        "identifier": _identifiers(device),
        **({"udiCarrier": [{"carrierHRF": clean(device.udi)}]} if clean(device.udi) else {}),
    }
    for name, value in (
        ("manufacturer", device.manufacturer),
        ("serialNumber", device.serial),
        ("modelNumber", device.model),
        ("partNumber", device.part),
    ):
        if clean(value):
            body[name] = clean(value)
        elif name in ("manufacturer", "modelNumber") and not gateway:
            body[f"_{name}"] = absent_element("unknown")
    if clean(device.name):
        body["deviceName"] = [{"name": clean(device.name), "type": "user-friendly-name"}]
    body["type"] = mdc(type_)
    special = [
        {"systemType": mdc(code), "version": str(version)} for code, version in device.specializations
    ] or _generic(gateway)
    if special:
        body["specialization"] = special
    if versions := _versions(device, gateway):
        body["version"] = versions
    body["property"] = _properties(device)
    return body


def _generic(gateway: bool) -> list[Body]:
    """The profile asks for one of the devices that have not said what they are."""
    if gateway:
        return []
    return [{"systemType": mdc(nomenclature.GENERIC_DEVICE), "_version": absent_element("unknown")}]


def _identifiers(device: Device) -> list[Body]:
    made = [_identifier("SYSID", _EUI_64, octets(device.system_id or NO_SYSTEM_ID))]
    if device.address:
        kind, system = _TRANSPORTS.get(device.transport, ("", ""))
        made.append(_identifier(kind, system, octets(device.address)))
    told = telling(device)
    if all(one["value"] != told.value for one in made):
        made.append(_identifier("", *told))
    return made


def _identifier(kind: str, system: str, value: str) -> Body:
    return {
        **({"type": concept(_KINDS, kind)} if kind else {}),
        **({"system": system} if system else {}),
        "value": value,
    }


def _versions(device: Device, gateway: bool) -> list[Body]:
    told = (
        (nomenclature.HARDWARE, device.hardware),
        (nomenclature.FIRMWARE, device.firmware),
        (nomenclature.SOFTWARE, device.software),
        (nomenclature.PROTOCOL, device.protocol),
    )
    made: list[Body] = [{"type": mdc(code), "value": clean(value)} for code, value in told if clean(value)]
    if not made and gateway:  # its profile asks for one
        made.append({"type": mdc(nomenclature.SOFTWARE), "_value": absent_element("unknown")})
    return made


def _properties(device: Device) -> list[Body]:
    """Whether it synchronizes its clock is told in any case."""
    synchronized = device.synchronization or nomenclature.NOT_SYNCHRONIZED
    made: list[Body] = [{"type": mdc(nomenclature.SYNCHRONIZATION), "valueCode": [mdc(synchronized)]}]
    if device.accuracy is not None:
        accuracy = ucum(device.accuracy, "us")
        made.append({"type": mdc(nomenclature.SYNCHRONIZATION_ACCURACY), "valueQuantity": [accuracy]})
    if device.certified:
        codes = [concept(_CERTIFIED, str(code)) for code in device.certified]
        made.append({"type": mdc(nomenclature.CERTIFIED_DEVICES), "valueCode": codes})
    if device.regulated is not None:
        bit = nomenclature.bits(nomenclature.REGULATION_STATUS)[0]
        type_ = concept(ASN1, f"{nomenclature.REGULATION_STATUS}.0", bit.name)
        text = bit.cleared if device.regulated else bit.set
        made.append({"type": type_, "valueCode": [yes_no(not device.regulated, text or "")]})
    return made
