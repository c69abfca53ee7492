"""The device itself (MDS, object 0): what it is, what its clocks say. ISO/IEEE 11073-20601, 6.3.2."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from hilum.phd.ieee20601.attributes import Attributes, Certificate, Model
from hilum.phd.ieee20601.clocks import NOW, TimeInfo
from hilum.phd.ieee20601.codes import Attribute, Product, TimeCapability
from hilum.phd.ieee20601.mder import U16, Form, many
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Coincidence, Device

_A: Final = Attribute
_INFRASTRUCTURE: Final = 8 << 16
_UNKNOWN_ACCURACY: Final = 0xFFFFFFFF
_CONTINUA, _CERTIFIED, _REGULATION = 2, 1, 2
_UNREGULATED: Final = 0x8000
_PRODUCT: Final = {
    Product.SERIAL: "serial",
    Product.PART: "part",
    Product.HARDWARE: "hardware",
    Product.SOFTWARE: "software",
    Product.FIRMWARE: "firmware",
    Product.PROTOCOL: "protocol",
}
_CODES: Final[Form[tuple[int, ...]]] = many(U16)


def system_id(eui: bytes) -> str:
    """Eight bytes, as `Device.system_id` has them."""
    return "-".join(f"{byte:02X}" for byte in eui)


def device(base: Device, attributes: Attributes) -> Device:
    """`base`, and all that the device said of itself. A certificate that can't be read says nothing."""
    more: dict[str, Any] = {}
    if eui := attributes.get(_A.SYS_ID):
        more["system_id"] = system_id(eui)
    model = attributes.get(_A.ID_MODEL)
    if isinstance(model, Model):
        more |= {"manufacturer": model.manufacturer, "model": model.number}
    for one in attributes.get(_A.ID_PROD_SPECN, ()):
        if name := _PRODUCT.get(one.kind):
            more[name] = one.text
    if specializations := attributes.get(_A.SYS_TYPE_SPEC_LIST):
        more["specializations"] = tuple((_INFRASTRUCTURE | one.type, one.version) for one in specializations)
    for certificate in attributes.get(_A.REG_CERT_DATA_LIST, ()):
        more |= _certified(certificate)
    info = attributes.get(_A.MDS_TIME_INFO)
    if isinstance(info, TimeInfo):
        more["synchronization"] = _INFRASTRUCTURE | info.protocol if info.protocol else None
        more["accuracy"] = None if info.accuracy == _UNKNOWN_ACCURACY else 125 * info.accuracy
    return replace(base, **more)


def _certified(certificate: Certificate) -> dict[str, object]:
    if certificate.body != _CONTINUA:
        return {}
    try:
        if certificate.structure == _CERTIFIED:  # version: major, minor; then the list
            return {"certified": _CODES.decode(certificate.data[2:], "Reg-Cert-Data-List")}
        if certificate.structure == _REGULATION:
            return {"regulated": not U16.decode(certificate.data, "Reg-Cert-Data-List") & _UNREGULATED}
    except Malformed:  # of no weight for what was measured
        return {}
    return {}


def battery(attributes: Attributes) -> int | None:
    """Per cent. What is over 100 is no charge."""
    charge: int | None = attributes.get(_A.VAL_BATT_CHARGE)
    return charge if charge is not None and charge <= 100 else None


def capabilities(attributes: Attributes) -> TimeCapability:
    """What its clocks can do, and want."""
    info = attributes.get(_A.MDS_TIME_INFO)
    return TimeCapability(info.state) if isinstance(info, TimeInfo) else TimeCapability(0)


def coincidences(attributes: Attributes, at: datetime, serial: str) -> dict[Clock, Coincidence]:
    """What each of its clocks said. A clock that it doesn't tell is a time fault, if it stamps by it all the same."""
    return {clock: Coincidence(at, attributes.get(code), clock, serial=serial) for clock, code in NOW.items()}


def clock(attributes: Attributes) -> Clock | None:
    """The clock that tells its time, the most telling first."""
    return next((clock for clock, code in NOW.items() if attributes.get(code) is not None), None)
