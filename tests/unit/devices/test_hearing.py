"""What a bundle says of who was in contact."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.unit.devices.enrolled import NOW, OWNER, World, world

from hilum.access.policy import EVERYTHING, Principal
from hilum.devices import bundles
from hilum.devices.contacts import Contacts
from hilum.devices.hearing import Hearing, telling
from hilum.devices.inviting import Invited
from hilum.devices.records import Measuring
from hilum.phd.fhir import devices
from hilum.phd.fhir.bundles import bundle
from hilum.phd.fhir.patients import Patient
from hilum.phd.reading import Device, Quantity, Reading, Taken

METER = Device(system_id="00-E5-DE-AD-77-C3-00-01", name="Meter", manufacturer="Lakeside", model="G2", serial="1204")
AGENT = Device(system_id="EC-DE-3D-4E-58-53-2D-31", manufacturer="hilum", model="agent", software="1.2")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def test_a_bundle_is_a_contact_of_its_devices_and_of_its_agent(here: World) -> None:
    id = await here.enrol(Invited())
    taken = Taken(METER, datetime.now(UTC), (Reading(160184, Quantity(Decimal("6.1"), 266866)),), battery=80)
    contacts = Contacts(here.registry.ledger)
    heard(contacts, bundle(taken, AGENT, Patient(id="amy"), "urn:uuid:00000000-0000-4000-8000-000000000001"), id)
    await contacts.flush()
    (known,) = await here.registry.devices(OWNER)
    system, value = devices.telling(METER)
    assert known.device == Measuring(
        system, value, "Meter", "Lakeside", "G2", "1204", agent=id, seen=NOW, battery=80, created=NOW
    )
    agent = (await here.registry.agent(OWNER, id)).agent
    assert (agent.seen, agent.version) == (NOW, "1.2")


TOLD = {
    "its system identifier": METER,
    "its address": Device(transport="bluetooth", address="B0-49-5F-00-10-71"),
    "maker, model and serial number": Device(manufacturer="Lakeside", model="G2", serial="1204"),
}


@pytest.mark.parametrize("by", TOLD)
def test_a_device_is_told_by_the_identifier_that_its_agent_tells_it_by(by: str) -> None:
    assert telling(devices.personal_health_device(TOLD[by])) == devices.telling(TOLD[by])


async def test_a_device_without_an_identifier_is_no_contact_of_one(here: World) -> None:
    contacts = Contacts(here.registry.ledger)
    entry = {"resource": {"resourceType": "Device"}, "request": {"method": "POST", "url": "Device"}}
    heard(contacts, {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, "agent")
    await contacts.flush()
    assert await here.registry.devices(OWNER) == []


def heard(contacts: Contacts, body: dict[str, Any], client: str) -> None:
    who = Principal(client, client, "", EVERYTHING, 1 << 62)
    Hearing(contacts, lambda: NOW)(who, bundles.parsed(body, "http://hilum.test/fhir"))
