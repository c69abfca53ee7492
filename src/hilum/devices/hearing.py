"""What a bundle tells of the agent and the devices that it came of, for "last contact"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.devices import bundles
from hilum.devices.bundles import Bundle, Part
from hilum.devices.contacts import Called, Contacts, Seen
from hilum.phd import nomenclature
from hilum.phd.fhir.devices import Identifier, octets
from hilum.phd.reading import MDC, NO_SYSTEM_ID

_GATEWAY: Final = str(nomenclature.PERSONAL_HEALTH_GATEWAY)
_BATTERY: Final = str(nomenclature.BATTERY)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Tells contacts of what was taken (`hilum.devices.gateway.Gateway.heard`). `clock`: seconds since 1970."""

    contacts: Contacts
    clock: Callable[[], float] = time.time

    def __call__(self, who: Principal, bundle: Bundle) -> None:
        """Of a bundle that is on disk."""
        at = int(self.clock())
        batteries = dict(_batteries(bundle))
        for part in bundle.parts:
            if part.type != "Device":
                continue
            if _coded(part.body.get("type"), _GATEWAY):
                self.contacts.agent(who.client, Called(at, version=_version(part.body)))
            elif (seen := _seen(part.body, at, who.client, batteries.get(part.index))) is not None:
                self.contacts.device(seen)
        self.contacts.agent(who.client, Called(at))


def telling(body: Mapping[str, Any]) -> Identifier | None:
    """The identifier that tells a Device from all others: its first, but for the zeros of those that have none."""
    return next((one for one in bundles.identifiers(body) if octets(one.value) != NO_SYSTEM_ID), None)


def _seen(body: Mapping[str, Any], at: int, agent: str, battery: int | None) -> Seen | None:
    """None where nothing tells it from others."""
    told = telling(body)
    if told is None:
        return None
    names = body.get("deviceName")
    named = names[0].get("name") if type(names) is list and names and type(names[0]) is dict else ""
    return Seen(
        *told,
        at=at,
        agent=agent,
        name=_text(named),
        manufacturer=_text(body.get("manufacturer")),
        model=_text(body.get("modelNumber")),
        serial=_text(body.get("serialNumber")),
        battery=battery,
    )


def _batteries(bundle: Bundle) -> Iterator[tuple[int, int]]:
    """The index of a device's entry, and its charge in per cent."""
    for part in bundle.parts:
        if part.type != "Observation" or not _coded(part.body.get("code"), _BATTERY):
            continue
        device, said = bundles.device(bundle, part), part.body.get("valueQuantity")
        value = said.get("value") if type(said) is dict else None
        if isinstance(device, Part) and value is not None and 0 <= value <= 100:
            yield device.index, int(value)


def _version(body: Mapping[str, Any]) -> str:
    """Of its software."""
    some = body.get("version")
    for one in some if type(some) is list else ():
        if type(one) is dict and _coded(one.get("type"), str(nomenclature.SOFTWARE)):
            return _text(one.get("value"))
    return ""


def _coded(concept: Any, code: str) -> bool:
    codings = concept.get("coding") if type(concept) is dict else None
    return any(
        type(one) is dict and one.get("system") == MDC and one.get("code") == code
        for one in (codings if type(codings) is list else ())
    )


def _text(value: Any) -> str:
    return value if type(value) is str else ""
