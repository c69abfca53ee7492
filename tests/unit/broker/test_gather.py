"""A recipe against an EHR: what comes, what doesn't, and that neither takes anything from the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.broker.played import BASE, MRN, Ehr, encounter, observation, patient, practitioner

from hilum.broker.far import Failed, Kind, Note
from hilum.broker.gather import gather
from hilum.broker.gathered import Gathered, Missing, Part, Progress
from hilum.broker.recipes import Limits, Recipe, recipe
from hilum.broker.starting import Start
from hilum.fhir import json
from hilum.interactions.contents import SUBSETTED
from hilum.problems import Invalid

NUMBER = Start("mrn", "1234", MRN)
RECIPE = recipe(
    "trip.toml",
    """
title = "Trip"

[[ask]]
type = "Encounter"
search = "patient={patient}&_include=Encounter:serviceProvider:Organization"

[[ask]]
type = "Observation"
search = "patient={patient}"

[[ask]]
name = "Vital signs"
type = "Observation"
search = "patient={patient}&category=vital-signs"

[[ask]]
type = "Procedure"
search = "encounter={Encounter}"

[[ask]]
type = "Practitioner"
read = "Encounter.participant.individual"
""",
)
VITAL = [{"coding": [{"code": "vital-signs"}]}]


def procedure(id: str, visit: str, subject: str = "Patient/p1") -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": id,
        "status": "completed",
        "subject": {"reference": subject},
        "encounter": {"reference": f"Encounter/{visit}"},
    }


def seen_by(*ids: str) -> list[dict[str, Any]]:
    return [{"individual": {"reference": f"Practitioner/{id}"}} for id in ids]


RECORD = [
    patient("p1"),
    encounter("e1", participant=seen_by("d1", "d2"), serviceProvider={"reference": "Organization/o1"}),
    encounter("e2", participant=seen_by("d1"), serviceProvider={"reference": "Organization/o1"}),
    encounter("e3"),
    observation("v1", category=VITAL),
    observation("l1"),
    observation("l2"),
    procedure("s1", "e1"),
    procedure("s2", "e3"),
    practitioner("d1"),
    practitioner("d2"),
    practitioner("d3"),
    {"resourceType": "Organization", "id": "o1", "name": "North"},
    patient("p2", "99"),
    encounter("e9", "Patient/p2"),
    observation("l9", "Patient/p2"),
]


async def gathered(far: Ehr, using: Recipe = RECIPE, start: Start = NUMBER) -> Gathered:
    found = await gather(far, using, start)
    assert far.open == 0, "a search was left open"
    return found


def part(found: Gathered, name: str) -> Part:
    return next(one for one in found.parts if one.name == name)


def names(found: Gathered) -> list[str]:
    return [f"{one['resourceType']}/{one['id']}" for one in found.resources]


async def only(*resources: dict[str, Any], **more: Any) -> Part:
    """What an EHR that heeds no parameter comes to with these observations, included ones among them."""
    search = "patient={patient}&_include=Observation:focus:Specimen"
    using = recipe("one.toml", f'title = "One"\n[[ask]]\ntype = "Observation"\nsearch = "{search}"')
    far = Ehr([patient("p1"), *resources], heeds=False, **more)
    return part(await gathered(far, using, Start("patient", "p1")), "Observation")


async def test_a_recipe_brings_each_resource_once_and_counts_it_where_it_matched_first() -> None:
    far = Ehr(RECORD)
    found = await gathered(far)
    assert found.parts == (
        Part("Patient", "Patient", "whole", 1),
        Part("Encounter", "Encounter", "whole", 3, 1),
        Part("Observation", "Observation", "whole", 3),
        Part("Vital signs", "Observation", "whole", 0),
        Part("Procedure", "Procedure", "whole", 2),
        Part("Practitioner", "Practitioner", "whole", 2),
    )
    assert names(found) == [
        "Patient/p1",
        *("Encounter/e1", "Encounter/e2", "Encounter/e3"),
        *("Observation/l1", "Observation/l2", "Observation/v1"),
        "Organization/o1",
        *("Practitioner/d1", "Practitioner/d2"),
        *("Procedure/s1", "Procedure/s2"),
    ]
    assert found.whole and found.patient == "p1" and found.base == BASE
    assert found.origins["Organization", "o1"] == "Encounter"
    assert found.requests == far.requests == 9
    assert sorted(far.read_) == ["Practitioner/d1", "Practitioner/d2"]
    assert ("Procedure", (("encounter", "e1,e2,e3"),)) in far.asked


async def test_what_came_is_kept_as_it_came() -> None:
    about = b'"subject":{"reference":"Patient/p1"}'
    raw = b'{"resourceType":"Observation","id":"l1",' + about + b',"valueQuantity":{"value":1.10},"contained":[]}'
    found = await gathered(Ehr([patient("p1"), json.parse(raw)]))
    assert json.encode(found.resources[1]) == raw


async def test_a_recipe_refuses_a_start_that_is_not_its_own() -> None:
    far = Ehr(RECORD)
    with pytest.raises(Invalid, match="starts from mrn, not from patient"):
        await gather(far, replace(RECIPE, start=("mrn",)), Start("patient", "p1"))
    assert far.requests == 0


@pytest.mark.parametrize(
    ("kind", "state"),
    [("forbidden", "refused"), ("break-the-glass", "refused"), ("throttled", "failed"), ("broken", "failed")],
)
async def test_a_part_that_fails_takes_nothing_from_the_others(kind: Kind, state: str) -> None:
    failed = Failed(kind, "No.", status=400, codes=("4130",), retry_at=9.0, again=True)
    found = await gathered(Ehr(RECORD, faults={"Observation": (0, failed)}))
    missing = (Missing(kind, "No.", "theirs", 400, ("4130",), 9.0, True),)
    assert part(found, "Observation") == Part("Observation", "Observation", state, missing=missing)  # type: ignore[arg-type]
    assert {one.name: one.came for one in found.parts} == {
        "Patient": 1, "Encounter": 3, "Observation": 0, "Vital signs": 0, "Procedure": 2, "Practitioner": 2,
    }  # fmt: skip
    assert not found.whole and found.again and found.retry_at == 9.0


async def test_pages_before_a_fault_are_kept_and_never_called_whole() -> None:
    found = await gathered(Ehr(RECORD, faults={"Observation": (1, Failed("gone", "Ended."))}))
    assert part(found, "Observation") == Part(
        "Observation", "Observation", "partial", 2, missing=(Missing("gone", "Ended."),)
    )


async def test_what_starts_from_a_part_that_is_not_whole_says_so() -> None:
    found = await gathered(Ehr(RECORD, faults={"Encounter": (1, Failed("broken", "Cut off."))}))
    basis = (Missing("absent", "Not all of Encounter came, which this part starts from."),)
    assert part(found, "Procedure") == Part("Procedure", "Procedure", "partial", 1, missing=basis)
    found = await gathered(Ehr(RECORD, faults={"Encounter": (0, Failed("broken", "Cut off."))}))
    assert part(found, "Procedure") == Part("Procedure", "Procedure", "skipped", missing=basis)
    assert part(found, "Observation").came == 3


async def test_nothing_to_start_from_is_whole_and_asks_nothing() -> None:
    far = Ehr([patient("p1")])
    found = await gathered(far)
    assert found.whole and [one.came for one in found.parts] == [1, 0, 0, 0, 0, 0]
    assert [type for type, _ in far.asked] == ["Patient", "Encounter", "Observation", "Observation"]


async def test_without_the_patient_nothing_is_asked() -> None:
    far = Ehr(RECORD)
    found = await gathered(far, start=Start("mrn", "55", MRN))
    assert (found.patient, found.resources, far.requests) == ("", (), 1)
    assert [one.state for one in found.parts] == ["failed", *["skipped"] * 5]
    assert found.parts[0].missing[0].kind == "absent"


async def test_a_partial_note_makes_a_part_partial_and_others_do_not() -> None:
    few = Note("4119", partial=True)
    found = await gathered(Ehr(RECORD, notes={"Encounter": (few,), "Observation": (Note("4101"),)}))
    assert (part(found, "Encounter").state, part(found, "Encounter").notes) == ("partial", (few,))
    assert part(found, "Observation").state == "whole"


async def test_a_last_page_that_promises_another_is_not_the_whole() -> None:
    found = await gathered(Ehr(RECORD, says_more=frozenset({"Observation"})))
    assert (part(found, "Observation").state, part(found, "Observation").missing[0].kind) == ("partial", "broken")


# --- whose ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("Patient/p1", None),
        ("Patient/p1/_history/4", None),
        (f"{BASE}/Patient/p1", None),
        ("Patient/p2", "other-patient"),
        ("Patient/P1", "other-patient"),
        ("https://other.example/fhir/Patient/p1", "other-patient"),
        ("http://ehr.example/fhir/R4/Patient/p1", "other-patient"),
        (f"{BASE}/old/Patient/p1", "other-patient"),
        ("#p1", "unproven"),
        ("urn:uuid:8a3b1b0e-0000-4000-8000-000000000000", "unproven"),
        ("Location/p1", "unproven"),
        (None, "unproven"),
    ],
)
async def test_a_match_is_used_only_if_it_says_that_it_is_about_the_patient(subject: str, reason: str | None) -> None:
    found = await only(observation("o", subject))
    assert (found.came, found.left_out) == ((1, {}) if reason is None else (0, {reason: 1}))
    assert found.state == ("whole" if reason is None else "partial")


async def test_a_subject_that_is_only_an_identifier_proves_nothing() -> None:
    found = await only(observation("o") | {"subject": {"identifier": {"system": MRN, "value": "1234"}}})
    assert found.left_out == {"unproven": 1}


async def test_an_appointment_is_about_each_patient_who_takes_part() -> None:
    using = recipe("one.toml", 'title = "One"\n[[ask]]\ntype = "Appointment"\nsearch = "patient={patient}"')
    both = [
        {"actor": {"reference": "Patient/p2"}},
        {"actor": {"reference": "Patient/p1"}},
        {"actor": {"display": "Dr. X"}},
    ]
    group = {"resourceType": "Appointment", "id": "a", "status": "booked", "participant": both}
    other = {"resourceType": "Appointment", "id": "b", "status": "booked", "participant": both[:1]}
    found = await gathered(Ehr([patient("p1"), group, other], heeds=False), using, Start("patient", "p1"))
    assert part(found, "Appointment") == Part("Appointment", "Appointment", "partial", 1, 0, {"other-patient": 1})


async def test_what_is_included_must_not_be_another_patient_or_about_one() -> None:
    found = await only(
        observation("a", focus={"reference": "Patient/p2"}),
        observation("b", focus={"reference": "Specimen/s"}),
        observation("c", focus={"reference": "Specimen/t"}),
        observation("d", focus={"reference": "Patient/p1"}),
        patient("p2"),
        {"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/p2"}},
        {"resourceType": "Specimen", "id": "t"},
    )
    assert (found.came, found.included, found.left_out) == (4, 1, {"other-patient": 2})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"meta": {"tag": [SUBSETTED]}}, "incomplete"),
        ({"id": "o_1"}, "unreadable"),
        ({"id": 7}, "unreadable"),
        ({"id": {}}, "unreadable"),
        ({"subject": ["Patient/p1"]}, "unproven"),
        ({"subject": {"reference": {"a": 1}}}, "unproven"),
        ({"meta": {"tag": [SUBSETTED], "lastUpdated": {}}}, "incomplete"),
    ],
)
async def test_what_is_no_whole_resource_is_left_out_and_told(body: dict[str, Any], reason: str) -> None:
    found = await only(observation("o") | body)
    assert (found.came, found.state, found.left_out) == (0, "partial", {reason: 1})


async def test_what_was_not_asked_for_is_left_out() -> None:
    far = Ehr([patient("p1"), observation("o")])
    far._here = lambda type: (
        [patient("p1")]
        if type == "Patient"
        else [encounter("e1"), {"resourceType": "Observation"}, observation("o") | {"resourceType": ["Observation"]}]
    )  # type: ignore[method-assign, assignment]
    far.heeds = False
    using = recipe("one.toml", 'title = "One"\n[[ask]]\ntype = "Observation"\nsearch = "patient={patient}"')
    found = await gathered(far, using, Start("patient", "p1"))
    assert part(found, "Observation").left_out == {"unasked": 1, "unreadable": 2}


async def test_what_tells_servers_how_to_work_is_not_taken_from_an_ehr() -> None:
    definition = {"resourceType": "SearchParameter", "id": "all", "code": "patient"}
    found = await only(observation("o", focus={"reference": "SearchParameter/all"}), definition)
    assert (found.came, found.included, found.left_out) == (1, 0, {"unasked": 1})


@pytest.mark.parametrize("type", ["Provenance", "Consent", "Task", "Practitioner", "Device"])
async def test_what_comes_along_is_taken_only_where_an_include_or_an_ask_names_its_type(type: str) -> None:
    forged = {"resourceType": type, "id": "f"}
    specimen = {"resourceType": "Specimen", "id": "s"}
    seen = [observation(one, focus={"reference": to}) for one, to in (("o", f"{type}/f"), ("q", "Specimen/s"))]
    found = await only(*seen, specimen, forged)
    assert (found.came, found.included, found.left_out) == (2, 1, {"unasked": 1})


async def test_what_another_ask_names_is_taken_where_it_comes_along() -> None:
    visit = encounter("e1", serviceProvider={"reference": "Practitioner/d1"})
    found = await gathered(Ehr([patient("p1", "1234"), visit, practitioner("d1")]))
    assert (part(found, "Encounter").included, "Practitioner/d1" in names(found)) == (1, True)


async def test_a_read_that_answers_with_something_else_is_left_out() -> None:
    far = Ehr([patient("p1"), encounter("e1", participant=seen_by("d1"))])
    real = far.read

    async def read(type: str, id: str) -> Any:
        return practitioner("d7") if type == "Practitioner" else await real(type, id)

    far.read = read  # type: ignore[method-assign]
    found = await gathered(far)
    assert part(found, "Practitioner") == Part("Practitioner", "Practitioner", "partial", 0, 0, {"unasked": 1})


async def test_what_is_asked_by_a_visit_must_be_of_the_patient_too() -> None:
    found = await gathered(Ehr([*RECORD, procedure("s9", "e1", "Patient/p2")]))
    assert part(found, "Procedure") == Part("Procedure", "Procedure", "partial", 2, 0, {"other-patient": 1})


async def test_references_that_lead_nowhere_are_told_with_their_number() -> None:
    far = Ehr([patient("p1"), encounter("e1", participant=seen_by("x", "y", "d1")), practitioner("d1")])
    found = await gathered(far)
    missing = (Missing("absent", "The EHR has no such resource.", status=404, count=2),)
    assert part(found, "Practitioner") == Part("Practitioner", "Practitioner", "partial", 1, missing=missing)


async def test_references_to_other_servers_are_not_followed() -> None:
    others = [{"individual": {"reference": f"https://other.example/fhir/Practitioner/{n}"}} for n in "ab"]
    far = Ehr([patient("p1"), encounter("e1", participant=[*others, *seen_by("d1")]), practitioner("d1")])
    assert part(await gathered(far), "Practitioner") == Part("Practitioner", "Practitioner", "whole", 1)
    assert far.read_ == ["Practitioner/d1"]


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_many_ids_are_asked_for_in_requests_of_twenty() -> None:
    far = Ehr([patient("p1"), *(encounter(f"e{n:02}") for n in range(45))], size=100)
    await gathered(far)
    asked = [dict(parameters)["encounter"] for type, parameters in far.asked if type == "Procedure"]
    assert sorted(len(ids.split(",")) for ids in asked) == [5, 20, 20]


async def test_no_more_requests_run_at_the_same_time_than_the_recipe_allows() -> None:
    record = [patient("p1"), *(encounter(f"e{n:03}") for n in range(200))]
    far = Ehr(record, size=100, order=1)
    await gathered(far, replace(RECIPE, limits=Limits(at_once=2)))
    assert far.most_open == 2


@pytest.mark.parametrize("limits", [Limits(resources=5), Limits(bytes=800)])
async def test_a_limit_of_the_recipe_ends_a_gather_and_is_told_as_ours(limits: Limits) -> None:
    far = Ehr([patient("p1"), *(observation(f"o{n:04}") for n in range(1000))])
    found = await gathered(far, replace(RECIPE, limits=limits))
    assert part(found, "Observation").state == "partial"
    assert [(one.kind, one.side) for one in part(found, "Observation").missing] == [("limit", "ours")]
    assert len(found.resources) <= 6 and far.requests < 20


async def test_at_a_limit_nothing_more_is_asked() -> None:
    visits = [encounter(f"e{n:03}", participant=seen_by(f"d{n}")) for n in range(100)]
    far = Ehr([patient("p1"), *visits, *(practitioner(f"d{n}") for n in range(100))], size=100)
    found = await gathered(far, replace(RECIPE, limits=Limits(resources=110)))
    assert len(far.read_) <= 9 + RECIPE.limits.at_once
    missing = part(found, "Practitioner").missing
    assert [(one.kind, one.side, one.count) for one in missing] == [("limit", "ours", 91)]


async def test_what_is_nested_too_deeply_is_left_out() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"extension": [deep]}
    assert (await only(observation("a"), observation("b", **deep))).left_out == {"unreadable": 1}


async def test_a_gather_ends_when_its_time_is_up_with_what_has_come() -> None:
    far = Ehr(RECORD)
    real = far._turn

    async def turn() -> None:
        await real()
        if len(far.asked) == 4:
            await asyncio.sleep(3600)

    far._turn = turn  # type: ignore[method-assign]
    limits = Limits()
    object.__setattr__(limits, "seconds", 0.05)
    found = await gathered(far, replace(RECIPE, limits=limits))
    assert part(found, "Patient").state == "whole"
    assert {one.kind for one in found.parts for one in one.missing} == {"limit"}  # type: ignore[misc]


async def test_a_gather_that_is_cancelled_ends() -> None:
    far = Ehr(RECORD)
    stuck = asyncio.Event()

    async def turn() -> None:
        stuck.set()
        await asyncio.sleep(3600)

    far._turn = turn  # type: ignore[method-assign]
    task = asyncio.create_task(gather(far, RECIPE, NUMBER))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert far.open == 0


async def test_progress_is_told_until_all_parts_are_done() -> None:
    told: list[Progress] = []
    await gather(Ehr(RECORD), RECIPE, NUMBER, told.append)
    assert (told[0].part, told[0].done, told[0].parts, told[0].resources) == ("Patient", 1, 6, 1)
    assert (told[-1].done, told[-1].resources, told[-1].requests) == (6, 12, 9)
    assert [one.done for one in told] == sorted(one.done for one in told)


async def test_what_was_gathered_can_be_held_as_json_and_is_the_same_afterwards() -> None:
    exact = json.parse(
        b'{"resourceType":"Observation","id":"l5","subject":{"reference":"Patient/p1"},"valueDecimal":1.10}'
    )
    failed = Failed("throttled", "Later.", status=429, retry_at=5.5, again=True)
    found = await gathered(
        Ehr([*RECORD, exact], faults={"Procedure": (0, failed)}, notes={"Observation": (Note("4101"),)})
    )
    held = json.encode(found.content)
    assert b"1.10" in held
    assert Gathered.of(json.parse(held)) == found


async def test_what_was_gathered_is_a_bundle_for_templates() -> None:
    found = await gathered(Ehr(RECORD[:1]))
    entries = [{"fullUrl": f"{BASE}/Patient/p1", "resource": RECORD[0]}]
    assert found.bundle == {"resourceType": "Bundle", "type": "collection", "entry": entries}


def test_what_is_missing_can_be_raised_again() -> None:
    failed = Failed("throttled", "Later.", side="ours", status=429, codes=("4135",), retry_at=5.5, again=True)
    assert vars(Missing.of(failed).failed()) == vars(failed)


def test_an_outcome_can_stand_on_a_task() -> None:
    part = Part(
        "Encounter",
        "Encounter",
        "partial",
        2,
        notes=(Note("4119", partial=True),),
        missing=(Missing("gone", "Ended."),),
    )
    assert msgspec.json.decode(msgspec.json.encode(part), type=Part) == part


# --- laws -------------------------------------------------------------------------------------------------------------

_subjects = st.sampled_from(["Patient/p1", "Patient/p1", "Patient/p2", f"{BASE}/Patient/p1", None])
_ids = st.sampled_from(["a", "b", "c", "d"])
_versions = st.sampled_from(
    [{}, {"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}, {"meta": {"lastUpdated": "2026-01-01T02:00:00+01:00"}}]
)
_records = st.lists(
    st.one_of(
        st.builds(lambda id, who, more: observation(id, who, **more), _ids, _subjects, _versions),
        st.builds(
            lambda id, who, who_by: encounter(id, who, participant=seen_by(*who_by)), _ids, _subjects, st.lists(_ids)
        ),
        st.builds(lambda id: practitioner(id), _ids),
        st.builds(lambda id, visit, who: procedure(id, visit, who or "Patient/p1"), _ids, _ids, _subjects),
    ),
    max_size=12,
)


_kinds = st.sampled_from(["forbidden", "broken", "gone", "throttled", "absent"])
_faults = st.dictionaries(
    st.sampled_from(["Encounter", "Observation", "Procedure", "Practitioner"]),
    st.tuples(st.integers(0, 2), st.builds(Failed, _kinds, st.just("No."))),
)
AFTER = {"Procedure": {"Encounter"}, "Practitioner": {"Encounter"}}


@settings(max_examples=60, deadline=None)
@given(_faults)
def test_what_fails_takes_nothing_from_parts_that_do_not_start_from_it(faults: dict[str, tuple[int, Failed]]) -> None:
    found = asyncio.run(gathered(Ehr(RECORD, faults=faults)))
    sound = asyncio.run(gathered(Ehr(RECORD)))
    for one, other in zip(found.parts, sound.parts, strict=True):
        if {one.type, *AFTER.get(one.type, ())}.isdisjoint(faults):
            assert one == other
        elif one.type in faults:
            assert one.state != "whole" and one.missing
    assert set(names(found)) <= set(names(sound))


def outcome(record: list[dict[str, Any]], order: int | None, heeds: bool) -> Gathered:
    by_name = {(one["resourceType"], one["id"]): one for one in record if one["resourceType"] == "Practitioner"}
    rest = [one for one in record if one["resourceType"] != "Practitioner"]
    far = Ehr([patient("p1"), *rest, *by_name.values()], order=order, heeds=heeds)
    found = asyncio.run(gather(far, RECIPE, Start("patient", "p1")))
    return replace(found, requests=0)


@settings(max_examples=60, deadline=None)
@given(_records, st.integers(0, 1 << 30), st.booleans())
def test_the_order_of_answers_makes_no_difference(record: list[dict[str, Any]], order: int, heeds: bool) -> None:
    assert outcome(record, order, heeds) == outcome(record, None, heeds)


@settings(max_examples=60, deadline=None)
@given(_records, st.booleans())
def test_nothing_of_another_patient_is_ever_held(record: list[dict[str, Any]], heeds: bool) -> None:
    found = outcome(record, None, heeds)
    for one in found.resources:
        assert one.get("subject", {}).get("reference", "Patient/p1").split("/")[-1] == "p1"
    assert sum(one.came + one.included for one in found.parts) == len(found.resources) == len(set(names(found)))
