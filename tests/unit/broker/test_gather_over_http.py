"""A packaged recipe against a server that behaves as Epic does: what is asked, and what it comes to, store included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.farside import Asked, Said, bundle, packed, raw, serving
from tests.unit.broker.played import MRN, encounter, observation, patient, practitioner

from hilum.access.policy import EVERYTHING, Principal
from hilum.broker.asking import Asking
from hilum.broker.connection import Connection
from hilum.broker.copies import id_of
from hilum.broker.gather import gather
from hilum.broker.gathered import Part
from hilum.broker.provenance import Authority
from hilum.broker.recipes import packaged
from hilum.broker.starting import Start
from hilum.broker.storing import Keeper
from hilum.broker.throttle import Throttle
from hilum.broker.vendors import vendor
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.store.sqlite import open_sqlite
from hilum.web.outbound import Guard
from hilum.web.pool import Pool

SAMPLES = Path(__file__).parents[2] / "samples" / "ehr"
EPIC, VISITS = vendor("epic"), packaged()["visits"]
PADDED = patient("p1", None, identifier=[{"use": "usual", "system": MRN, "value": "     Z6127"}])
SEEN = encounter("e1", participant=[{"individual": {"reference": "Practitioner/d1"}}])
VITAL = observation("v1", valueQuantity=json.parse(b'{"value":36.60}'))


async def token(fresh: bool) -> str:
    return "secret"


def sample(name: str, status: str = "200 OK") -> bytes:
    return raw((SAMPLES / f"{name}.json").read_bytes(), status)


def epic(asked: Asked) -> Said:
    """A patient with one visit and one vital sign; procedures are behind the glass, of conditions there may be more."""
    wanted = dict(asked.query)
    match asked.path.removeprefix("/fhir/").split("/"):
        case ["Patient"]:
            return packed(bundle(PADDED, patient("p9", "     Z6128")))
        case ["Encounter"]:
            return packed(bundle(SEEN))
        case ["Observation"] if wanted["category"] == "vital-signs":
            return packed(bundle(VITAL, observation("v9", "Patient/p9")))
        case ["Procedure"]:
            return sample("epic-break-the-glass", "403 Forbidden")
        case ["Condition"]:
            return sample("epic-partial")
        case ["Practitioner", "d1"]:
            return packed(practitioner("d1"))
    return sample("epic-nothing")


async def test_a_recipe_comes_through_the_quirks_of_a_vendor_into_the_store(tmp_path: Path) -> None:
    async with serving(epic) as far:
        pool = Pool(Guard(loopback=True))
        asking = Asking(far.url(), EPIC, token, Throttle(EPIC), pool)
        found = await gather(asking, VISITS, Start("mrn", "Z6127", MRN))
        await pool.close()
    parts = {part.name: part for part in found.parts}
    assert parts["Patient"] == Part("Patient", "Patient", "whole", 1)
    assert parts["Encounter"] == Part("Encounter", "Encounter", "whole", 1)
    assert (parts["Observation"].state, parts["Observation"].came) == ("partial", 1)
    assert parts["Observation"].left_out == {"other-patient": 1}
    assert (parts["Procedure"].state, parts["Procedure"].missing[0].kind) == ("refused", "break-the-glass")
    assert (parts["Condition"].state, parts["Condition"].notes[0].code) == ("partial", "4119")
    assert parts["Practitioner"] == Part("Practitioner", "Practitioner", "whole", 1)
    assert parts["Location"] == Part("Location", "Location", "whole")
    assert (parts["Appointment"].state, parts["Appointment"].came) == ("whole", 0)
    assert [note.code for note in parts["Appointment"].notes] == ["4101"]
    asked = [one for one in far.asked if one.path == "/fhir/Observation"]
    assert [dict(one.query)["patient"] for one in asked] == ["p1"] * len(EPIC.parts["Observation"].values)
    assert found.requests == len(far.asked) and far.connections <= VISITS.limits.at_once
    await _stored(tmp_path, found, far.url())


async def _stored(folder: Path, found: Any, base: str) -> None:
    store = await open_sqlite(str(folder / "store.db"))
    connection = Connection("north", "sandbox", "epic", base, "client", "private_key_jwt")
    who = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
    keeper = Keeper(Door(store, "http://hilum.test/fhir"), who, connection, VISITS, Authority("client_credentials"))
    stored = await keeper.store(found, 1_790_000_000_000_000)
    assert stored.created == {"Encounter": 1, "Observation": 1, "Patient": 1, "Practitioner": 1}
    made = await store.read("Observation", id_of(connection, "Observation", "v1"))
    assert made is not None and b'"value":36.60' in made.raw
    assert (await keeper.store(found, 1_790_000_000_000_001)).provenance == ""
    await store.close()
