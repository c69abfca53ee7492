"""Patient/$everything."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import Body, observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.interactions.care import CARE
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.everything import MEMBERS, Asked, Place, everyone, everything
from hilum.interactions.update import update
from hilum.problems import Forbidden, Gone, NotFound
from hilum.search.dates import MAX_DATE, MIN_DATE, interval
from hilum.search.parameters import table


def reference(to: str) -> dict[str, str]:
    return {"reference": to}


async def put(door: Door, owner: Principal, body: Body) -> int:
    return (await update(door, owner, body["resourceType"], body["id"], body)).resource.last_updated


async def record(door: Door, owner: Principal) -> None:
    """Patient p with three observations, their practitioner and organization; patient q with one of hers."""
    for name in ("d1", "d2"):
        await put(door, owner, {"resourceType": "Practitioner", "id": name})
    await put(
        door, owner, {"resourceType": "Organization", "id": "org", "name": "x", "partOf": reference("Organization/far")}
    )
    await put(door, owner, {"resourceType": "Organization", "id": "far", "name": "x"})
    await put(door, owner, patient("q", id="q"))
    await put(door, owner, patient("p", id="p", managingOrganization=reference("Organization/org")))
    for i in range(3):
        by = [reference("Practitioner/d1"), reference("Organization/org"), reference("Practitioner/nobody")]
        await put(door, owner, observation("Patient/p", id=f"p{i}", performer=by))
    await put(door, owner, observation("Patient/q", id="q0", performer=[reference("Practitioner/d2")]))
    focus = [reference("Patient/q"), reference("Observation/q0"), reference("Practitioner/d1")]
    await put(door, owner, observation("Patient/p", id="p3", focus=focus))


WHOLE = ["Patient/p", "Observation/p3", "Observation/p2", "Observation/p1", "Observation/p0"]
FURTHER = {"Practitioner/d1", "Organization/org"}


async def pages(door: Door, who: Principal, count: int, **more: Any) -> list[list[str]]:
    found: list[list[str]] = []
    after: str | None = None
    while True:
        page = await everything(door, who, "p", Asked(**more), count=count, after=after)
        found.append([f"{resource.type}/{resource.id}" for resource in page.resources])
        if page.next is None:
            return found
        assert len(found) < 50
        after = page.next


async def test_the_patient_then_the_compartment_then_one_step_out(door: Door, owner: Principal) -> None:
    await record(door, owner)
    (page,) = await pages(door, owner, 100)
    assert page[:5] == WHOLE
    assert set(page[5:]) == FURTHER
    assert len(page) == 7


@pytest.mark.parametrize("count", range(1, 9))
async def test_pages_of_any_size_give_the_same_in_the_same_order(door: Door, owner: Principal, count: int) -> None:
    await record(door, owner)
    (whole,) = await pages(door, owner, 100)
    found = await pages(door, owner, count)
    assert [name for page in found for name in page] == whole
    assert all(len(page) <= count for page in found)
    assert all(len(page) == count for page in found[:-1])


async def test_types_and_since(door: Door, owner: Principal) -> None:
    await record(door, owner)
    assert await pages(door, owner, 100, types=("Practitioner",)) == [["Practitioner/d1"]]
    assert await pages(door, owner, 100, types=("Observation",)) == [WHOLE[1:]]
    when = await put(door, owner, observation("Patient/p", id="late"))
    assert await pages(door, owner, 100, since=when) == [["Observation/late"]]


async def test_a_patient_scope_sees_its_compartment_and_no_more(door: Door, owner: Principal) -> None:
    await record(door, owner)
    (page,) = await pages(door, principal("patient/*.rs", "p"), 100)
    assert (page[:5], set(page[5:])) == (WHOLE, FURTHER)  # what it refers to, by name
    record_only = " ".join(f"patient/{type}.rs" for type in MEMBERS)
    assert await pages(door, principal(record_only, "p"), 100) == [WHOLE]
    wider = principal(record_only + " system/Practitioner.r", "p")
    assert await pages(door, wider, 3) == [WHOLE[:3], [*WHOLE[3:], "Practitioner/d1"]]
    assert await pages(door, principal("patient/Patient.r", "p"), 100) == [["Patient/p"]]
    narrow = principal("patient/Patient.r patient/Observation.s", "p")
    assert await pages(door, narrow, 100) == [WHOLE]


async def test_of_whom_nothing_may_be_known(door: Door, owner: Principal) -> None:
    await record(door, owner)
    with pytest.raises(NotFound):
        await everything(door, principal("patient/*.rs", "q"), "p")
    with pytest.raises(NotFound):
        await everything(door, owner, "nobody")
    with pytest.raises(Forbidden):
        await everything(door, principal("system/Observation.rs"), "p")
    await delete(door, owner, "Patient", "q")
    with pytest.raises(Gone):
        await everything(door, owner, "q")


async def test_what_was_withheld_for_want_of_a_scope_is_named(door: Door, owner: Principal) -> None:
    await record(door, owner)

    async def left_out(scope: str, patient: str | None = None, **more: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        page = await everything(door, principal(scope, patient), "p", Asked(**more))
        return page.withheld, page.outside

    assert await left_out("system/*.rs") == ((), ())
    assert await left_out("patient/*.rs", "p") == ((), ())
    record_only = " ".join(f"patient/{type}.rs" for type in MEMBERS)
    assert await left_out(record_only, "p") == ((), ("Organization", "Practitioner"))
    record_only = record_only.replace(".rs", ".r")
    withheld, outside = await left_out(record_only, "p")
    assert {"Observation", "Condition", "Encounter"} <= set(withheld)
    assert "Organization" not in withheld
    assert outside == ("Organization",)
    few = ("Observation", "Condition", "Practitioner")
    assert await left_out(record_only, "p", types=few) == (("Observation", "Condition"), ())
    narrow = "patient/Patient.r patient/Observation.s system/Practitioner.r"
    assert await left_out(narrow, "p", types=few) == (("Condition",), ())
    assert await left_out(narrow, "p", types=("Organization",)) == ((), ("Organization",))


@pytest.mark.parametrize("count", [1, 3, 100])
async def test_each_fault_of_completeness_is_told_once_over_all_pages(door: Door, owner: Principal, count: int) -> None:
    await record(door, owner)
    who = principal("patient/Patient.r patient/Observation.s", "p")
    told: list[tuple[bool, bool]] = []
    after: str | None = None
    while not told or after is not None:
        page = await everything(door, who, "p", count=count, after=after)
        told.append((bool(page.withheld), bool(page.outside)))
        after = page.next
    assert [one for one, _ in told] == [True] + [False] * (len(told) - 1)
    assert [one for _, one in told] == [False] * (len(told) - 1) + [True]


def at(text: str) -> int:
    return interval(text)[0]


async def test_a_period_is_about_the_dates_of_care(door: Door, owner: Principal) -> None:
    subject = {"subject": reference("Patient/p")}
    await put(door, owner, {"resourceType": "Practitioner", "id": "early", "active": True})
    await put(door, owner, {"resourceType": "Practitioner", "id": "late", "active": True})
    await put(door, owner, patient("p", id="p"))
    for year, by in ((2019, "early"), (2021, "late")):
        seen = observation(
            "Patient/p", id=f"o{year}", effectiveDateTime=f"{year}-05", performer=[reference(f"Practitioner/{by}")]
        )
        await put(door, owner, seen)
    stay = {"status": "finished", "class": {"code": "IMP"}, "period": {"start": "2019-12-30", "end": "2020-01-02"}}
    await put(door, owner, {"resourceType": "Encounter", "id": "stay", **stay, **subject})
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    resolved = {"coding": [{"system": system, "code": "resolved"}]}
    ill = {"clinicalStatus": resolved, "onsetDateTime": "2018", "abatementDateTime": "2022"}
    await put(door, owner, {"resourceType": "Condition", "id": "ill", **ill, **subject})
    await put(door, owner, {"resourceType": "Condition", "id": "undated", **subject})

    async def found(start: str | None, end: str | None) -> set[str]:
        period = (at(start) if start else MIN_DATE, interval(end)[1] if end else MAX_DATE)
        (page,) = await pages(door, owner, 100, period=period)
        return set(page)

    always = {"Patient/p", "Condition/undated"}
    whole = {"Condition/ill", "Encounter/stay", "Observation/o2019", "Observation/o2021"}
    further = {"Practitioner/early", "Practitioner/late"}
    assert await found("2010", "2030") == always | whole | further
    assert await found("2020", "2020") == always | {"Condition/ill", "Encounter/stay"}
    assert await found("2020-01-03", None) == always | {"Condition/ill", "Observation/o2021", "Practitioner/late"}
    assert await found(None, "2019-12-29") == always | {"Condition/ill", "Observation/o2019", "Practitioner/early"}
    assert await found("2023", None) == always


@pytest.mark.parametrize("type", sorted(MEMBERS))
def test_every_date_of_care_is_a_date_parameter_of_its_type(type: str) -> None:
    assert {code for code in CARE.get(type, ()) if code not in table(type) or table(type)[code].type != "date"} == set()
    assert set(CARE) <= MEMBERS


async def all_pages(door: Door, who: Principal, count: int) -> list[list[str]]:
    found: list[list[str]] = []
    place: Place | None = None
    while not found or place is not None:
        page = await everyone(door, who, count=count, place=place)
        found.append([f"{resource.type}/{resource.id}" for resource in page.resources])
        place = page.next
        assert len(found) < 50
    return found


@pytest.mark.parametrize("count", [*range(1, 12), 100])
async def test_of_everyone_one_record_follows_the_other(door: Door, owner: Principal, count: int) -> None:
    await record(door, owner)
    found = await all_pages(door, owner, count)
    assert all(len(page) == len(set(page)) <= count for page in found)
    names = [name for page in found for name in page]
    assert names[:5] == WHOLE
    assert set(names[5:7]) == FURTHER
    assert names[7:] == ["Patient/q", "Observation/q0", "Practitioner/d2"]


async def test_a_page_of_everyone_has_each_resource_once(door: Door, owner: Principal) -> None:
    await record(door, owner)
    await put(door, owner, observation("Patient/q", id="q1", performer=[reference("Practitioner/d1")]))
    (page,) = await all_pages(door, owner, 100)
    assert (page.count("Practitioner/d1"), len(page)) == (1, 11)
    assert [len(page) for page in await all_pages(door, owner, 7)] == [7, 5]


async def test_everyone_is_whom_the_token_may_see(door: Door, owner: Principal) -> None:
    await record(door, owner)
    record_only = " ".join(f"patient/{type}.rs" for type in MEMBERS)
    assert await all_pages(door, principal(record_only, "p"), 100) == [WHOLE]
    for scope in ("patient/*.r", "patient/*.s", "patient/Observation.rs"):
        with pytest.raises(Forbidden):
            await everyone(door, principal(scope, "p"))


async def test_a_patient_deleted_between_pages_is_passed_over(door: Door, owner: Principal) -> None:
    await record(door, owner)
    first = await everyone(door, owner, count=2)
    await delete(door, owner, "Patient", "p")
    rest = await everyone(door, owner, count=100, place=first.next)
    assert [f"{one.type}/{one.id}" for one in rest.resources] == ["Patient/q", "Observation/q0", "Practitioner/d2"]


# --- of an encounter --------------------------------------------------------------------------------------------------


def encounter(id: str, of: str, **more: Any) -> Body:
    return {"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
            "subject": reference(f"Patient/{of}"), **more}  # fmt: skip


async def visit(door: Door, owner: Principal) -> None:
    """Encounter e of patient p: two observations in it, a diagnosis and a doctor that it refers to; f of patient q."""
    await record(door, owner)
    for name, of in (("cp", "p"), ("cq", "q")):
        await put(door, owner, {"resourceType": "Condition", "id": name, "subject": reference(f"Patient/{of}")})
    diagnosis = [{"condition": reference("Condition/cp")}, {"condition": reference("Condition/cq")}]
    by = [{"individual": reference("Practitioner/d2")}]
    await put(door, owner, encounter("e", "p", diagnosis=diagnosis, participant=by))
    await put(door, owner, encounter("f", "q", partOf=reference("Encounter/e")))
    for n in range(2):
        more = {"encounter": reference("Encounter/e"), "performer": [reference("Practitioner/d1")]}
        await put(door, owner, observation("Patient/p", id=f"e{n}", **more))
    await put(door, owner, observation("Patient/q", id="f0", encounter=reference("Encounter/f")))


VISIT = ["Encounter/e", "Observation/e1", "Observation/e0"]
BESIDE = {"Patient/p", "Condition/cp", "Practitioner/d1", "Practitioner/d2"}


async def of_visit(door: Door, who: Principal, count: int = 100, **more: Any) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await everything(door, who, "e", Asked(**more), type="Encounter", count=count, after=after)
        found += [f"{resource.type}/{resource.id}" for resource in page.resources]
        assert len(page.resources) <= count
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("count", [1, 2, 3, 100])
async def test_an_encounter_what_is_in_it_and_what_that_refers_to(door: Door, owner: Principal, count: int) -> None:
    await visit(door, owner)
    found = await of_visit(door, owner, count)
    assert found[:3] == VISIT
    assert set(found[3:]) == BESIDE  # nothing of the other patient, whoever refers to it
    assert len(found) == 7


async def test_an_encounter_by_type_time_and_scope(door: Door, owner: Principal) -> None:
    await visit(door, owner)
    assert await of_visit(door, owner, types=("Patient",)) == ["Patient/p"]
    when = await put(door, owner, observation("Patient/p", id="late", encounter=reference("Encounter/e")))
    assert await of_visit(door, owner, since=when) == ["Observation/late"]
    found = await of_visit(door, principal("patient/*.rs", "p"))
    assert (found[0], set(found[1:])) == ("Encounter/e", {*VISIT[1:], "Observation/late", *BESIDE})
    assert await of_visit(door, principal("patient/Encounter.r patient/Observation.s", "p")) == [
        "Encounter/e", "Observation/late", *VISIT[1:],
    ]  # fmt: skip
    with pytest.raises(NotFound):
        await of_visit(door, principal("patient/*.rs", "q"))
    with pytest.raises(Forbidden):
        await of_visit(door, principal("patient/Patient.rs", "p"))


async def test_what_an_encounter_lacks_is_named(door: Door, owner: Principal) -> None:
    await visit(door, owner)
    page = await everything(door, principal("patient/Encounter.r patient/Observation.s", "p"), "e", type="Encounter")
    assert {"Condition", "Procedure"} <= set(page.withheld)
    assert "Patient" not in page.withheld
    assert page.outside == ("Condition", "Patient", "Practitioner")
