"""A batch as a transaction: devices, patient and measurements, each created once. HL7's PHD guide, "bundleExample".

The same batch makes the same Bundle, down to the urn:uuid of its entries: it may be sent again as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from hilum.phd import nomenclature
from hilum.phd.fhir.concepts import Body, by_identifier
from hilum.phd.fhir.devices import personal_health_device, personal_health_gateway, query, telling
from hilum.phd.fhir.identifiers import identifier
from hilum.phd.fhir.observations import Links, coincident_time_stamp, observation
from hilum.phd.fhir.patients import Patient
from hilum.phd.reading import Coincidence, Device, Quantity, Reading, Taken
from hilum.phd.times import coincident, effective

_ENTRIES: Final = UUID("8f1f5c07-6a3d-5d0e-9d5b-2f6f0b6c3e11")
"""Of the names of entries; ours, by chance."""


def bundle(taken: Taken | Sequence[Taken], gateway: Device, patient: Patient, id: str) -> Body:
    """A transaction. `id`: of the batch, a urn:uuid, by which the far side knows it again.

    Devices and what has an identifier are created unless they are there; what was streamed without a time stamp is new.
    What a device sent twice stands in it once.
    """
    batch = [taken] if isinstance(taken, Taken) else taken
    made = _Batch(gateway, patient, id)
    for one in batch:
        made.add(one)
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": id},
        "type": "transaction",
        "entry": made.entries,
    }


class _Batch:
    """Entries as they are made, and what refers to them."""

    def __init__(self, gateway: Device, patient: Patient, id: str) -> None:
        self.entries: list[Body] = []
        self._patient, self._id = patient, id
        self._known: dict[object, str] = {}
        self._gateway = self._once(("gateway",), personal_health_gateway(gateway), query(gateway))
        self._subject = (
            f"Patient/{patient.id}" if patient.id else self._once(("patient",), patient.body(), patient.query)
        )

    def add(self, taken: Taken) -> None:
        device = self._device(taken.device)
        clock = coincident(taken)
        coincidence = self._coincidence(clock, device) if clock is not None else None
        made: list[str] = []
        for reading in taken.readings:
            times = effective(reading, taken.received, clock)
            stamped = (coincidence,) if coincidence is not None and reading.stamp is not None else ()
            of = tuple(made[position] for position in reading.of if position < len(made))
            links = Links(self._subject, device, self._gateway, stamped + of)
            told = identifier(reading, taken.device, self._patient)
            body = observation(reading, times, links, told)
            made.append(self._entry(body) if told is None else self._measured(told, body))
        if taken.battery is not None:
            charge = Reading(nomenclature.BATTERY, Quantity(Decimal(taken.battery), nomenclature.PERCENT))
            links = Links(self._subject, device, self._gateway)
            self._entry(observation(charge, effective(charge, taken.received, None), links))

    def _device(self, device: Device) -> str:
        return self._once(("device", telling(device)), personal_health_device(device), query(device))

    def _coincidence(self, clock: Coincidence, device: str) -> str:
        links = Links(self._subject, device, self._gateway)
        return self._once(("clock", device, clock), coincident_time_stamp(clock, links), None)

    def _measured(self, told: str, body: Body) -> str:
        """What has an identifier. An early estimate has that of the final value, which stands for both."""
        url = self._once(told, body, by_identifier("", told))
        entry = next(one for one in reversed(self.entries) if one["fullUrl"] == url)
        if entry["resource"]["status"] == "preliminary" and body["status"] == "final":
            entry["resource"] = body
        return url

    def _once(self, key: object, body: Body, condition: str | None) -> str:
        if key not in self._known:
            self._known[key] = self._entry(body, condition)
        return self._known[key]

    def _entry(self, body: Body, condition: str | None = None) -> str:
        """Its fullUrl, which tells it from all others of this batch."""
        url = uuid5(_ENTRIES, f"{self._id}#{len(self.entries)}").urn
        request = {"method": "POST", "url": body["resourceType"]}
        if condition is not None:
            request["ifNoneExist"] = condition
        self.entries.append({"fullUrl": url, "resource": body, "request": request})
        return url
