"""What values mean: the operators of `_filter`, temperatures, and what is missing. https://hl7.org/fhir/R4/search_filter.html"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.writing import commit, create, observation, patient, put

from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.door import Door
from hilum.interactions.search import search
from hilum.search.parse import parse_query
from hilum.store.interface import Store
from hilum.store.plan import thresholds

OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
UCUM = "http://unitsofmeasure.org"


@pytest.fixture(params=["usual", "tiny"], autouse=True)
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With tiny limits everything is many."""
    if request.param == "tiny":
        monkeypatch.setattr(thresholds, "LIMITS", thresholds.Limits(few=1, looks=(1, 1), hopes=(1, 1), far=1, beside=0))
    yield


async def found(store: Store, type: str, name: str, value: str) -> str:
    """The ids that a search finds, sorted, as one word."""
    page = await search(Door(store, "http://x"), OWNER, parse_query(type, [(name, value)], base="http://x"))
    return " ".join(sorted(one.id for one in page.resources))


async def table(store: Store, type: str, name: str, expected: dict[str, str]) -> None:
    assert {value: await found(store, type, name, value) for value in expected} == expected


async def people(store: Store) -> None:
    names: dict[str, dict[str, Any]] = {
        "both": {"name": [{"given": ["Eve", "Anna"]}], "gender": "female"},
        "eve": {"name": [{"given": ["Eve"]}], "gender": "male"},
        "anna": {"name": [{"given": ["Anna"], "family": "van den Berg"}], "gender": "male", "birthDate": "1970-06-01"},
        "none": {"birthDate": "1970"},
        "long": {"name": [{"given": ["a" * 300 + "b"]}]},
    }
    ids = [{"identifier": [{"system": "urn:MRN", "value": value}]} for value in ("a", "aB", "x")]
    writes = [put({"resourceType": "Patient", **body}, id) for id, body in names.items()]
    writes += [put({"resourceType": "Patient", **body}, f"id{n}") for n, body in enumerate(ids)]
    await store.commit(commit(*writes))


async def test_ne_finds_what_has_another_value_and_never_what_has_none(store: Store) -> None:
    await people(store)
    expected = {
        'given ne "eve"': "anna both long",
        'given ne "anna"': "both eve long",
        "gender ne male": "both",
        "gender ne FEMALE": "anna eve",
        "gender ne x": "anna both eve",
        "family ne berg": "anna",
        'family ne "van den berg"': "",
        "identifier ne urn:MRN|a": "id1 id2",
        "identifier ne urn:MRN|": "",
        "identifier ne x": "id0 id1",
        "identifier ne urn:mrn|a": "id0 id1 id2",
        "birthdate ne 1970": "",
        "birthdate ne 1970-06-01": "none",
        "not (gender eq male)": "both id0 id1 id2 long none",
        "gender ne male and given ne anna": "both",
    }
    await table(store, "Patient", "_filter", expected)


async def test_codes_are_equal_whatever_their_case(store: Store) -> None:
    await people(store)
    expected = {
        "gender eq MALE": "anna eve",
        "gender eq mAlE": "anna eve",
        "identifier eq Ab": "id1",
        "identifier eq urn:MRN|AB": "id1",
        "gender eq Male or gender eq FEMALE": "anna both eve",
        "gender eq http://hl7.org/fhir/administrative-gender|Male": "anna eve",
    }
    await table(store, "Patient", "_filter", expected)


async def test_strings_have_an_order(store: Store) -> None:
    await people(store)
    expected = {
        "given gt eve": "",
        "given ge eve": "both eve",
        "given lt B": "anna both long",
        "given le anna": "anna both long",
        "given lt anna": "long",
        f"given gt {'a' * 300}": "anna both eve long",
        f"given lt {'a' * 300}": "",
        f"given le {'a' * 300}B": "long",
        f"given ne {'a' * 300}": "anna both eve long",
        f"given ne {'a' * 300}b": "anna both eve",
        "family gt c": "anna",
        "family lt c": "",
    }
    await table(store, "Patient", "_filter", expected)


async def test_a_period_contains_a_date(store: Store) -> None:
    await people(store)
    expected = {"1970": "none", "1970-06": "none", "1970-06-01": "anna none", "1970-06-01T12:00:00Z": "anna none"}
    await table(store, "Patient", "_filter", {f"birthdate co {date}": ids for date, ids in expected.items()})
    await create(store, observation(effectivePeriod={"start": "2000", "end": "2001-05"}), "open")
    await create(store, observation(effectivePeriod={"start": "2000"}), "on")
    dates = {"date co 2000-05": "on open", "date co 2001": "on", "date co 1999-12-31": "", "date co 2100": "on"}
    await table(store, "Observation", "_filter", dates)


async def test_two_tests_of_one_element(store: Store) -> None:
    def trait(code: str, value: str) -> dict[str, Any]:
        coded = [{"coding": [{"system": "urn:s", "code": one}]} for one in (code, value)]
        return {"code": coded[0], "valueCodeableConcept": coded[1], "exclude": False}

    group = {"resourceType": "Group", "type": "person", "actual": False}
    await create(store, {**group, "characteristic": [trait("gender", "mixed"), trait("age", "old")]}, "mixed")
    await create(store, {**group, "characteristic": [trait("gender", "old"), trait("age", "mixed")]}, "crossed")
    characteristic = {
        "characteristic[code eq gender].value eq mixed": "mixed",
        "characteristic[code eq urn:s|AGE].value eq Mixed": "crossed",
        "characteristic[value eq mixed].code eq gender": "mixed",
        "characteristic[code eq gender or code eq age].value eq mixed": "crossed mixed",
        "not (characteristic[code eq gender].value eq mixed)": "crossed",
    }
    await table(store, "Group", "_filter", characteristic)
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {}}]}
    related = [("replaces", "a"), ("signs", "b")]
    relates = [{"code": code, "target": {"reference": f"DocumentReference/{id}"}} for code, id in related]
    await create(store, {**document, "relatesTo": relates}, "c")
    relation = {
        "relatesTo[code eq replaces].target re DocumentReference/a": "c",
        "relatesTo[code eq replaces].target re DocumentReference/b": "",
        "relatesTo[target re DocumentReference/b].code eq SIGNS": "c",
    }
    await table(store, "DocumentReference", "_filter", relation)


async def test_temperatures_convert(store: Store) -> None:
    for id, value, code in (("c", 37, "Cel"), ("f", 98.6, "[degF]"), ("k", 310.15, "K"), ("cold", -40, "[degF]")):
        await create(store, observation(valueQuantity={"value": value, "system": UCUM, "code": code}), id)
    await create(store, observation(valueQuantity={"value": 7.4, "system": UCUM, "code": "[pH]"}), "ph")
    await create(store, observation(valueQuantity={"value": 37, "unit": "C"}), "plain")
    expected = {
        f"37|{UCUM}|Cel": "c f k",
        f"98.6|{UCUM}|[degF]": "c f k",
        f"gt310.0|{UCUM}|K": "c f k",
        f"lt36|{UCUM}|Cel": "cold",
        f"-40|{UCUM}|Cel": "cold",
        f"ne37|{UCUM}|Cel": "cold",
        f"7.4|{UCUM}|[pH]": "ph",
        f"gt0|{UCUM}|mol/L": "",
        f"37|{UCUM}|": "c",
        "37": "c plain",
    }
    await table(store, "Observation", "value-quantity", expected)


async def test_a_reference_is_there_whatever_it_says(store: Store) -> None:
    subjects: dict[str, dict[str, Any]] = {
        "named": {"reference": "Patient/p"},
        "elsewhere": {"reference": "http://a.org/Patient/p"},
        "identified": {"identifier": {"system": "urn:mrn", "value": "1"}},
        "displayed": {"display": "somebody"},
        "contained": {"reference": "#p"},
        "group": {"display": "some", "type": "Group"},
    }
    for id, subject in subjects.items():
        more = {"contained": [{"resourceType": "Patient", "id": "p"}]} if id == "contained" else {}
        await create(store, observation(**more) | {"subject": subject}, id)
    await create(store, observation(), "nobody")
    await create(store, patient(), "p")
    there = "contained displayed elsewhere group identified named"
    await table(store, "Observation", "subject:missing", {"true": "nobody", "false": there})
    await table(store, "Observation", "_filter", {"subject pr true": there, "subject pr false": "nobody"})
    await table(store, "Observation", "patient:missing", {"true": "group nobody"})
    await table(store, "Observation", "subject:identifier", {"urn:mrn|1": "identified", "urn:mrn|": "identified"})


async def test_what_every_resource_has_is_missing_in_none(store: Store) -> None:
    await create(store, patient(), "a")
    for name in ("_id:missing", "_lastUpdated:missing"):
        await table(store, "Patient", name, {"true": "", "false": "a"})
    await create(store, {"resourceType": "Location", "position": {"latitude": 1, "longitude": 2}}, "here")
    await create(store, {"resourceType": "Location"}, "nowhere")
    await table(store, "Location", "near:missing", {"true": "nowhere", "false": "here"})


async def test_urls_are_found_by_how_they_begin(store: Store) -> None:
    urls = {
        "a": "http://x.org/vs",
        "b": "http://x.org/vs/1",
        "c": "http://x.org/vs-2",
        "d": "https://x.org/vs",
        "e": "urn:x",
    }
    body = {"resourceType": "ValueSet", "status": "active"}
    await store.commit(commit(*(put({**body, "url": url}, id) for id, url in urls.items())))
    below = {"http://x.org/vs": "a b c", "http://x.org/vs/": "b", "http://x.org/v": "a b c", "http": "a b c d"}
    await table(
        store,
        "ValueSet",
        "url:below",
        {**below, "https://": "d", "http://x.org/vs/2": "", "https://x,http://x": "a b c d"},
    )
    above = {
        "http://x.org/vs/1/2": "a b",
        "http://x.org/vs/1": "a b",
        "http://x.org/vs-23": "a c",
        "http://x.org/v": "",
    }
    await table(store, "ValueSet", "url:above", {**above, "https://x.org/vs#1": "d", "http": ""})


async def test_versions_of_profiles_are_found_by_how_they_begin(store: Store) -> None:
    profiles = {
        "a": "http://x.org/p|1.2",
        "b": "http://x.org/p|1",
        "c": "http://x.org/p|10",
        "d": "http://x.org/p",
        "e": "urn:p|1.5",
    }
    await store.commit(
        commit(*(put({"resourceType": "Patient", "meta": {"profile": [u]}}, id) for id, u in profiles.items()))
    )
    expected = {"http://x.org/p|1": "a b", "http://x.org/p|1.2": "a", "http://x.org/p": "a b c d", "urn:p|1": "e"}
    await table(store, "Patient", "_profile:below", {**expected, "urn:p|1,http://x.org/p|10": "c e"})


async def test_one_part_beside_a_quantity_is_its_system_or_its_unit(store: Store) -> None:
    quantities: dict[str, dict[str, Any]] = {
        "mg": {"value": 5, "system": UCUM, "code": "mg", "unit": "milligram"},
        "own": {"value": 5, "system": "http://own", "code": "tablets"},
        "g": {"value": 5, "system": UCUM, "code": "g"},
        "six": {"value": 6, "unit": "mg"},
        "none": {"value": 5},
    }
    body = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "c"}]}}
    await store.commit(commit(*(put({**body, "valueQuantity": q}, id) for id, q in quantities.items())))
    expected = {"5|mg": "mg", "5|milligram": "mg", f"5|{UCUM}": "g mg", "5|tablets": "own", "5|http://own": "own"}
    expected |= {"5": "g mg none own", "ne5|mg": "six", "ge5|mg": "mg six", "5|ml": "", "5|mg,5|http://own": "mg own"}
    await table(store, "Observation", "value-quantity", expected)
    await table(
        store,
        "Observation",
        "code-value-quantity",
        {f"c${value}": ids for value, ids in expected.items() if "," not in value},
    )


async def test_ids_can_be_left_out(store: Store) -> None:
    await store.commit(commit(*(put({"resourceType": "Patient"}, id) for id in "abc")))
    await table(store, "Patient", "_id:not", {"a": "b c", "a,c": "b", "x": "a b c"})
    await table(store, "Patient", "_filter", {"not (_id eq a)": "b c"})


async def test_a_chain_may_end_in_the_type_that_is_referred_to(store: Store) -> None:
    subjects = {"p": "Patient/p", "g": "Group/g", "gone": "Patient/gone"}
    encounter: dict[str, Any] = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/p"}}],
    }
    writes = [put({**encounter, "subject": {"reference": name}}, id) for id, name in subjects.items()]
    await store.commit(commit(*writes, put({"resourceType": "Patient"}, "p"), put(group, "g"), put(encounter, "none")))
    await table(store, "Encounter", "subject._type", {"Patient": "p", "Group": "g", "Patient,Group": "g p"})
    await table(store, "Encounter", "subject._type:not", {"Patient": "g"})
    await table(store, "Encounter", "subject:Patient._type", {"Patient": "p", "Group": ""})
    await table(store, "Patient", "_has:Group:member:_type", {"Group": "p", "Patient": ""})


async def test_instants_go_by_microseconds_whatever_their_digits(store: Store) -> None:
    at = {"a": "2020-01-01T10:00:00.123455Z", "b": "2020-01-01T10:00:00.1234561Z", "c": "2020-01-01T10:00:00.123457Z"}
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    await store.commit(commit(*(put({**body, "effectiveDateTime": t}, id) for id, t in at.items())))
    expected = {"": "b", "ne": "a c", "gt": "c", "ge": "b c", "lt": "a", "le": "a b", "sa": "c", "eb": "a"}
    for digits in ("1234561", "12345600009", "123456", "1234560"):
        asked = {f"{prefix}2020-01-01T12:00:00.{digits}+02:00": ids for prefix, ids in expected.items()}
        await table(store, "Observation", "date", asked)
