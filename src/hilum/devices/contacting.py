"""Which devices a bundle tells of, and its agent: the last contacts that it is. HL7's PHD guide, "PhdDeviceProfile"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hilum.devices.contacts import Called, Contacts, Seen
from hilum.phd import nomenclature
from hilum.phd.fhir.devices import octets
from hilum.phd.reading import NO_SYSTEM_ID

Body = Mapping[str, Any]
_GATEWAY: Final = str(nomenclature.PERSONAL_HEALTH_GATEWAY)
_BATTERY: Final = str(nomenclature.BATTERY)


def contacted(contacts: Contacts, bundle: Body, client: str, at: int) -> None:
    """Note them. `bundle`: one that was taken, stored or held. `at`: seconds since 1970."""
    entries = [one for one in _maps(bundle.get("entry")) if isinstance(one.get("resource"), dict)]
    batteries = dict(_batteries(entries))
    called = Called(at)
    for one in entries:
        body = one["resource"]
        if body.get("resourceType") != "Device":
            continue
        if _GATEWAY in _codes(body.get("type")):
            called = Called(at, version=_version(body))
        elif (identifier := telling(body)) is not None:
            contacts.device(_seen(body, identifier, client, at, batteries.get(str(one.get("fullUrl")))))
    contacts.agent(client, called)


def telling(device: Body) -> tuple[str, str] | None:
    """The identifier that tells a Device from all others: its first, but for the zeros of those that have none."""
    for one in _maps(device.get("identifier")):
        system, value = str(one.get("system", "")), str(one.get("value", ""))
        if value and octets(value) != NO_SYSTEM_ID:
            return system, value
    return None


def _seen(body: Body, identifier: tuple[str, str], client: str, at: int, battery: int | None) -> Seen:
    names = [str(one.get("name", "")) for one in _maps(body.get("deviceName"))]
    return Seen(
        *identifier,
        at,
        client,
        name=next(filter(None, names), ""),
        manufacturer=_text(body, "manufacturer"),
        model=_text(body, "modelNumber"),
        serial=_text(body, "serialNumber"),
        battery=battery,
    )


def _batteries(entries: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """How full they are: by the fullUrl of the Device, per cent."""
    for one in entries:
        body = one["resource"]
        if body.get("resourceType") == "Observation" and _BATTERY in _codes(body.get("code")):
            device, quantity = body.get("device"), body.get("valueQuantity")
            try:
                yield str(device["reference"]), int(quantity["value"])
            except (KeyError, TypeError, ValueError):  # it says something else
                continue


def _version(body: Body) -> str:
    return next((str(one["value"]) for one in _maps(body.get("version")) if one.get("value")), "")


def _codes(concept: Any) -> set[str]:
    return {str(one.get("code", "")) for one in _maps(concept.get("coding"))} if isinstance(concept, dict) else set()


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _maps(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
