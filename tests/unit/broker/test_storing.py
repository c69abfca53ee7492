"""What was gathered, in a real store: once, with where it is from, and nothing of it twice."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace as but
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.broker.played import BASE, Ehr, encounter, observation, patient, practitioner

from hilum.access.policy import EVERYTHING, Grant, Policy, Principal
from hilum.broker.connection import Connection
from hilum.broker.copies import id_of
from hilum.broker.far import Failed, Note
from hilum.broker.gather import gather
from hilum.broker.provenance import BASED_ON, Authority
from hilum.broker.recipes import Recipe, recipe
from hilum.broker.shown import GATHER
from hilum.broker.starting import Start
from hilum.broker.storing import Keeper, Stored
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Forbidden, Invalid
from hilum.store.blobs.folder import FolderBlobs
from hilum.store.sqlite import open_sqlite

HERE = "http://hilum.test/fhir"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
NOW = 1_790_000_000_000_000
NORTH = Connection("north", "sandbox", "plain", BASE, "client", "private_key_jwt", title="North Hospital")
OWNER = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
RECIPE = recipe(
    "trip.toml",
    """
title = "Trip"
[[ask]]
type = "Encounter"
search = "patient={patient}"
[[ask]]
type = "Observation"
search = "patient={patient}&_include=Observation:focus:Practitioner"
[[ask]]
type = "Practitioner"
read = "Encounter.participant.individual"
[[ask]]
type = "DocumentReference"
search = "patient={patient}"
[[ask]]
type = "Binary"
read = "DocumentReference.content.attachment.url"
""",
)
RECORD = [
    patient("p1", name=[{"family": "Berg"}]),
    encounter("e1", participant=[{"individual": {"reference": "Practitioner/d1"}}]),
    observation("o1", encounter={"reference": "Encounter/e1"}),
    observation("o2", performer=[{"reference": "Practitioner/d9"}]),
    practitioner("d1"),
]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Door(store, HERE)
    await store.close()


def here(type: str, id: str, connection: Connection = NORTH) -> str:
    return id_of(connection, type, id)


async def keep(
    door: Door, *record: dict[str, Any], using: Recipe = RECIPE, who: Principal = OWNER, **more: Any
) -> Stored:
    gathered = await gather(Ehr(record, **more), using, Start("patient", "p1"))
    return await Keeper(door, who, NORTH, using, Authority("client_credentials", "video")).store(gathered, NOW)


async def seq(door: Door) -> int:
    return (await door.store.counts()).seq


async def stands(door: Door, type: str, id: str) -> Resource:
    found = await door.store.read(type, here(type, id))
    assert found is not None
    return found


async def content(door: Door, type: str, id: str) -> dict[str, Any]:
    body = dict((await stands(door, type, id)).body)
    del body["meta"], body["id"]
    return body


async def test_a_gather_goes_in_by_one_transaction_with_its_provenance(door: Door) -> None:
    stored = await keep(door, *RECORD)
    assert stored == Stored(
        here("Patient", "p1"),
        stored.provenance,
        {"Encounter": 1, "Observation": 2, "Patient": 1, "Practitioner": 1},
        compared=("Encounter", "Observation", "DocumentReference"),
    )
    assert (await content(door, "Observation", "o1"))["subject"] == {"reference": f"Patient/{stored.patient}"}
    assert (await content(door, "Observation", "o1"))["encounter"] == {
        "reference": f"Encounter/{here('Encounter', 'e1')}"
    }
    assert (await content(door, "Observation", "o2"))["performer"] == [{"reference": f"{BASE}/Practitioner/d9"}]
    assert (await stands(door, "Patient", "p1")).body["meta"]["source"] == f"{BASE}/Patient/p1"
    changes = await door.store.changes(0)
    assert len(changes) == 6 and changes[-1].seq - changes[0].seq == 5


async def test_the_provenance_says_what_who_whence_and_under_which_grant(door: Door) -> None:
    stored = await keep(door, *RECORD[:2])
    found = await door.store.read("Provenance", stored.provenance)
    assert found is not None
    body = {key: value for key, value in found.body.items() if key not in ("id", "meta")}
    assert body == {
        "resourceType": "Provenance",
        "target": [
            {"reference": f"Patient/{stored.patient}/_history/1"},
            {"reference": f"Encounter/{here('Encounter', 'e1')}/_history/1"},
        ],
        "recorded": "2026-09-21T14:13:20.000000Z",
        "policy": ["https://www.rfc-editor.org/rfc/rfc6749#section-4.4"],
        "activity": {"text": "Gathered by the recipe trip"},
        "agent": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                            "code": "assembler",
                            "display": "Assembler",
                        }
                    ]
                },
                "who": {
                    "type": "Device",
                    "identifier": {"system": "urn:ietf:rfc:3986", "value": HERE},
                    "display": "hilum",
                },
                "onBehalfOf": {"identifier": {"value": "video"}, "display": "video"},
            }
        ],
        "entity": [
            {
                "role": "source",
                "what": {
                    "type": "Endpoint",
                    "identifier": {"system": "urn:ietf:rfc:3986", "value": BASE},
                    "display": "North Hospital",
                },
            }
        ],
    }
    placed = await door.store.placed("Provenance", stored.provenance)
    assert placed is not None and ("Patient", stored.patient) in placed.compartments


async def test_a_person_here_and_the_order_are_references(door: Door) -> None:
    gathered = await gather(Ehr(RECORD), RECIPE, Start("patient", "p1"))
    await update(door, OWNER, "Practitioner", "me", {"resourceType": "Practitioner", "id": "me"})
    await update(
        door, OWNER, "Task", "17", {"resourceType": "Task", "id": "17", "status": "in-progress", "intent": "order"}
    )
    authority = Authority("authorization_code", "Practitioner/me", "Task/17")
    stored = await Keeper(but(door, integrity=True), OWNER, NORTH, RECIPE, authority).store(gathered, NOW)
    found = await door.store.read("Provenance", stored.provenance)
    assert found is not None and found.body["agent"][0]["onBehalfOf"] == {"reference": "Practitioner/me"}
    assert found.body["extension"] == [{"url": BASED_ON, "valueReference": {"reference": "Task/17"}}]


async def test_the_same_again_writes_nothing(door: Door) -> None:
    await keep(door, *RECORD)
    before = await seq(door)
    fresh = [one | {"meta": {"versionId": "9", "lastUpdated": "2026-11-11T11:11:11Z"}} for one in RECORD]
    stored = await keep(door, *fresh, order=7, size=1)
    assert stored == Stored(
        here("Patient", "p1"),
        unchanged={"Encounter": 1, "Observation": 2, "Patient": 1, "Practitioner": 1},
        compared=("Encounter", "Observation", "DocumentReference"),
    )
    assert await seq(door) == before


async def test_what_has_changed_is_written_and_nothing_else(door: Door) -> None:
    await keep(door, *RECORD)
    stored = await keep(door, *RECORD[:2], RECORD[2] | {"status": "amended"}, *RECORD[3:], observation("o3"))
    assert (stored.created, stored.updated) == ({"Observation": 1}, {"Observation": 1})
    assert stored.unchanged == {"Encounter": 1, "Observation": 1, "Patient": 1, "Practitioner": 1}
    found = await door.store.read("Provenance", stored.provenance)
    assert found is not None and [one["reference"] for one in found.body["target"]] == [
        f"Patient/{stored.patient}/_history/1",
        f"Observation/{here('Observation', 'o1')}/_history/2",
        f"Observation/{here('Observation', 'o3')}/_history/1",
    ]


async def test_digits_and_contained_resources_stay_as_they_came(door: Door) -> None:
    contained = {"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/p1"}}
    value = json.parse(b'{"value":1.10,"unit":"mmol/L"}')
    await keep(
        door, *RECORD[:1], observation("o1", valueQuantity=value, contained=[contained], specimen={"reference": "#s"})
    )
    found = await stands(door, "Observation", "o1")
    assert b'"value":1.10,' in found.raw and found.body["specimen"] == {"reference": "#s"}
    assert found.body["contained"][0]["id"] == "s"


async def test_a_reference_becomes_ours_once_its_target_is_here_and_stays_so(door: Door) -> None:
    await keep(door, *RECORD)
    await keep(
        door,
        *RECORD,
        encounter("e2", participant=[{"individual": {"reference": "Practitioner/d9"}}]),
        practitioner("d9"),
    )
    ours = [{"reference": f"Practitioner/{here('Practitioner', 'd9')}"}]
    assert (await content(door, "Observation", "o2"))["performer"] == ours
    before = await seq(door)
    assert (await keep(door, *RECORD)).updated == {}
    assert await seq(door) == before


async def test_a_reference_to_another_patient_never_reaches_into_the_record_here(door: Door) -> None:
    mother = patient("p2", "99")
    gathered = await gather(Ehr([mother]), RECIPE, Start("patient", "p2"))
    await Keeper(door, OWNER, NORTH, RECIPE, Authority("client_credentials")).store(gathered, NOW)
    await keep(door, *RECORD[:1], mother, observation("o1", performer=[{"reference": "Patient/p2"}]))
    assert (await content(door, "Observation", "o1"))["performer"] == [{"reference": f"{BASE}/Patient/p2"}]
    placed = await door.store.placed("Observation", here("Observation", "o1"))
    assert placed is not None and placed.compartments == (("Patient", here("Patient", "p1")),)


@pytest.mark.parametrize(
    "forged",
    [
        {"performer": [{"reference": f"{HERE}/Patient/victim"}]},
        {"performer": [{"reference": f"{HERE}/Patient?identifier=1"}]},
        {"performer": [{"reference": f"{HERE.replace('http://', 'HTTP://')}/Patient/victim"}]},
        {"extension": [{"url": "urn:x", "valueAttachment": {"url": f"{HERE}/Binary/secret"}}]},
        {"text": {"status": "generated", "div": f"<div><a href='{HERE}/Patient/victim'>x</a></div>"}},
    ],
)
async def test_what_links_to_this_server_is_left_out(door: Door, forged: dict[str, Any]) -> None:
    forged = observation("o1", **forged)
    stored = await keep(door, *RECORD[:1], forged, observation("o2"))
    assert stored.created == {"Observation": 1, "Patient": 1}
    assert [(one.type, one.id) for one in stored.refused] == [("Observation", here("Observation", "o1"))]
    assert "this server" in stored.refused[0].issues[0]


@pytest.mark.parametrize("link", ["//hilum.test/fhir/Patient/victim", " https://hilum.test/fhir/Patient/victim"])
async def test_nor_may_a_link_come_to_mean_this_server(door: Door, link: str) -> None:
    door = but(door, base="https://hilum.test/fhir")
    stored = await keep(door, RECORD[0], observation("o1", performer=[{"reference": link}]))
    assert stored.created == {"Patient": 1}
    assert "this server" in stored.refused[0].issues[0]


@pytest.mark.parametrize(
    "posing",
    [
        {
            "resourceType": "Consent",
            "id": "c1",
            "identifier": [{"system": granting.SYSTEM, "value": "c1"}],
            "status": "active",
            "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "policyRule": {"text": "All"},
            "patient": {"reference": "Patient/p1"},
        },
        {
            "resourceType": "Task",
            "id": "t1",
            "status": "completed",
            "intent": "order",
            "code": {"coding": [{"system": GATHER, "code": "gather"}]},
            "for": {"reference": "Patient/p1"},
        },
    ],
)
async def test_no_ehr_makes_a_grant_or_an_order_of_this_server(door: Door, posing: dict[str, Any]) -> None:
    gathered = await gather(Ehr(RECORD[:1]), RECIPE, Start("patient", "p1"))
    origins = {**gathered.origins, (posing["resourceType"], posing["id"]): "Observation"}
    gathered = but(gathered, resources=(*gathered.resources, posing), origins=origins)
    keeper = Keeper(door, granting.server(), NORTH, RECIPE, Authority("client_credentials", "video"))
    stored = await keeper.store(gathered, NOW)
    assert stored.created == {"Patient": 1}
    assert [one.type for one in stored.refused] == [posing["resourceType"]]
    assert "only hilum itself" in stored.refused[0].issues[0]


async def test_what_is_not_valid_is_left_out_and_told_and_the_rest_goes_in(door: Door) -> None:
    bad = encounter("e1", status="over")
    stored = await keep(door, RECORD[0], bad, RECORD[2], observation("o5", status="odd"), observation("o6"))
    assert stored.created == {"Observation": 2, "Patient": 1}
    assert {(one.type, one.id) for one in stored.refused} == {
        ("Encounter", here("Encounter", "e1")),
        ("Observation", here("Observation", "o5")),
    }
    assert all(one.issues and f"{one.type}.status: " in f"{one.type}.{one.issues[0]}" for one in stored.refused)
    assert (await content(door, "Observation", "o1"))["encounter"] == {"reference": f"{BASE}/Encounter/e1"}
    assert not any("Berg" in text for one in stored.refused for text in one.issues)


async def test_what_is_nested_too_deeply_is_left_out_and_told(door: Door) -> None:
    deep: dict[str, Any] = {"url": "urn:x", "valueString": "y"}
    for _ in range(400):
        deep = {"url": "urn:x", "extension": [deep]}
    stored = await keep(door, *RECORD[:1], observation("o1", extension=[deep]), observation("o2"))
    assert stored.created == {"Observation": 1, "Patient": 1}
    assert [one.id for one in stored.refused] == [here("Observation", "o1")]


async def test_without_its_patient_nothing_is_stored(door: Door) -> None:
    before = await seq(door)
    stored = await keep(door, patient("p1", gender="unsure"), *RECORD[1:])
    assert (stored.patient, stored.provenance, stored.created) == ("", "", {})
    assert {one.type for one in stored.refused} == {"Patient", "Encounter", "Observation", "Practitioner"}
    assert await seq(door) == before


async def test_a_patient_who_stands_here_keeps_his_record_when_a_new_image_is_not_valid(door: Door) -> None:
    await keep(door, *RECORD[:2])
    stored = await keep(door, patient("p1", gender="unsure"), *RECORD[1:])
    assert stored.created == {"Observation": 2, "Practitioner": 1}
    assert [one.type for one in stored.refused] == ["Patient"]
    found = await door.store.read("Provenance", stored.provenance)
    assert found is not None and found.body["target"][0] == {"reference": f"Patient/{stored.patient}"}


async def test_nothing_found_stores_nothing(door: Door) -> None:
    assert await keep(door) == Stored()
    assert await seq(door) == 0


async def test_what_comes_from_another_ehr_is_refused(door: Door) -> None:
    with pytest.raises(Invalid, match="not from the EHR of this connection"):
        await keep(door, *RECORD, base="https://south.example/fhir")


async def test_who_may_not_write_a_type_stores_nothing(door: Door) -> None:
    policy = Policy((Grant("*", frozenset("cruds"), but=frozenset({"Encounter"})),))
    with pytest.raises(Forbidden):
        await keep(door, *RECORD, who=but(OWNER, policy=policy))
    assert await seq(door) == 0


async def test_with_integrity_nothing_refers_to_what_is_not_here(door: Door) -> None:
    strict = but(door, integrity=True)
    assert (await keep(strict, *RECORD)).created["Observation"] == 2
    before = await seq(door)
    await keep(strict, *RECORD)
    assert await seq(door) == before


async def test_what_was_deleted_here_comes_back_when_it_is_gathered(door: Door) -> None:
    await keep(door, *RECORD)
    await delete(door, OWNER, "Observation", here("Observation", "o1"))
    stored = await keep(door, *RECORD)
    assert stored.created == {"Observation": 1}
    assert (await stands(door, "Observation", "o1")).version == 3


async def test_gathers_of_one_patient_at_the_same_time_write_him_once(door: Door) -> None:
    found = await asyncio.gather(*(keep(door, *RECORD) for _ in range(5)))
    assert sum(sum(one.created.values()) for one in found) == 5
    assert sum(bool(one.provenance) for one in found) == 1
    assert (await stands(door, "Patient", "p1")).version == 1


async def test_each_provenance_of_gathers_at_the_same_time_names_the_version_that_it_made(door: Door) -> None:
    await keep(door, *RECORD)
    states = ["amended", "corrected", "preliminary", "registered"]
    found = await asyncio.gather(*(keep(door, RECORD[0], RECORD[2] | {"status": state}) for state in states))
    id = here("Observation", "o1")
    for stored, state in zip(found, states, strict=True):
        told = await door.store.read("Provenance", stored.provenance)
        assert told is not None
        (version,) = (
            one["reference"].rpartition("/")[2]
            for one in told.body["target"]
            if f"Observation/{id}" in one["reference"]
        )
        made = await door.store.read("Observation", id, int(version))
        assert made is not None and made.body["status"] == state


# --- what is not there any more ---------------------------------------------------------------------------------------


async def test_what_has_vanished_there_is_told_and_stays_here(door: Door) -> None:
    await keep(door, *RECORD)
    await update(door, OWNER, "Observation", "own", observation("own", f"Patient/{here('Patient', 'p1')}"))
    before = await seq(door)
    stored = await keep(door, *RECORD[:3], RECORD[4])
    assert stored.vanished == (f"Observation/{here('Observation', 'o2')}",)
    assert await seq(door) == before
    assert not (await stands(door, "Observation", "o2")).deleted


async def test_what_another_connection_brought_from_the_same_ehr_has_not_vanished(door: Door) -> None:
    gathered = await gather(Ehr(RECORD), RECIPE, Start("patient", "p1"))
    other = replace(NORTH, name="other")
    await Keeper(door, OWNER, other, RECIPE, Authority("client_credentials")).store(gathered, NOW)
    moved = observation(here("Observation", "o7", other), f"Patient/{here('Patient', 'p1')}")
    moved["meta"] = {"source": f"{BASE}/Observation/o7"}
    await update(door, OWNER, "Observation", moved["id"], moved)
    assert (await keep(door, *RECORD)).vanished == ()


@pytest.mark.parametrize(
    "more",
    [
        {"faults": {"Observation": (1, Failed("gone", "Ended."))}},
        {"faults": {"Observation": (0, Failed("forbidden", "No."))}},
        {"notes": {"Observation": (Note("4119", partial=True),)}},
    ],
)
async def test_nothing_is_called_vanished_of_a_part_that_was_not_whole(door: Door, more: dict[str, Any]) -> None:
    await keep(door, *RECORD)
    stored = await keep(door, *RECORD[:2], RECORD[4], **more)
    assert (stored.vanished, stored.compared) == ((), ("Encounter", "DocumentReference"))


async def test_only_what_the_same_search_would_find_can_vanish(door: Door) -> None:
    vital = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ]
    using = recipe(
        "vitals.toml",
        'title = "V"\n[[ask]]\ntype = "Observation"\nsearch = "patient={patient}&category=vital-signs"\n'
        '[[ask]]\nname = "Odd"\ntype = "Observation"\nsearch = "patient={patient}&own-parameter=7"',
    )
    await keep(door, *RECORD[:4], observation("v1", category=vital))
    stored = await keep(door, RECORD[0], using=using)
    assert (stored.vanished, stored.compared) == ((f"Observation/{here('Observation', 'v1')}",), ("Observation",))


# --- documents --------------------------------------------------------------------------------------------------------


def document(url: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": "x1",
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "text/plain", "url": url}}],
    }


@pytest.mark.parametrize("size", [10, 5000])
async def test_a_document_comes_with_its_content_and_once(door: Door, tmp_path: Path, size: int) -> None:
    kept = but(door, blobs=FolderBlobs(tmp_path / "blobs"), large=1000)
    data = base64.b64encode(b"x" * size).decode()
    record = [
        RECORD[0],
        document("Binary/f1"),
        {"resourceType": "Binary", "id": "f1", "contentType": "text/plain", "data": data},
    ]
    stored = await keep(kept, *record)
    assert stored.created == {"Binary": 1, "DocumentReference": 1, "Patient": 1}
    url = (await content(door, "DocumentReference", "x1"))["content"][0]["attachment"]["url"]
    assert url == f"Binary/{here('Binary', 'f1')}"
    before = await seq(door)
    assert (await keep(kept, *record)).unchanged == stored.created
    assert await seq(door) == before
    other = [*record[:2], record[2] | {"data": base64.b64encode(b"y" * size).decode()}]
    assert (await keep(kept, *other)).updated == {"Binary": 1}


async def test_without_its_content_a_document_leads_to_the_ehr(door: Door) -> None:
    using = but(RECIPE, asks=RECIPE.asks[:4])
    await keep(door, RECORD[0], document("Binary/f1"), using=using)
    url = (await content(door, "DocumentReference", "x1"))["content"][0]["attachment"]["url"]
    assert url == f"{BASE}/Binary/f1"


# --- laws -------------------------------------------------------------------------------------------------------------

_ids = st.sampled_from(["a", "b", "c"])
_links = st.sampled_from(
    ["Encounter/a", "Patient/p1", "Patient/p2", "Practitioner/b", f"{BASE}/Encounter/c", "#x", "https://o.example/X/1"]
)
_records = st.lists(
    st.one_of(
        st.builds(lambda id, to: observation(id, focus=[{"reference": to}]), _ids, _links),
        st.builds(
            lambda id, of: encounter(id, participant=[{"individual": {"reference": f"Practitioner/{of}"}}]), _ids, _ids
        ),
        st.builds(practitioner, _ids),
        st.builds(lambda id: encounter(id, status="odd"), _ids),
    ),
    max_size=8,
    unique_by=lambda one: (one["resourceType"], one["id"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_records, st.integers(0, 1 << 30))
async def test_gathering_twice_writes_nothing_the_second_time(
    tmp_path_factory: pytest.TempPathFactory, record: Sequence[dict[str, Any]], order: int
) -> None:
    store = await open_sqlite(str(tmp_path_factory.mktemp("law") / "store.db"))
    try:
        door = Door(store, HERE)
        first = await keep(door, RECORD[0], *record)
        before = await seq(door)
        second = await keep(door, RECORD[0], *record, order=order, size=1)
        assert await seq(door) == before
        assert (second.created, second.updated, second.provenance, second.vanished) == ({}, {}, "", ())
        assert (second.unchanged, second.refused) == (first.created, first.refused)
    finally:
        await store.close()
