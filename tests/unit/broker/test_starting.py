"""Exactly one patient, proven by what the EHR returns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.broker.played import MRN, Ehr, patient

from hilum.broker.far import Failed, Note
from hilum.broker.starting import Start, find

NUMBER = Start("mrn", "1234", MRN)


async def refused(far: Ehr, start: Start) -> tuple[str, str]:
    with pytest.raises(Failed) as caught:
        await find(far, start)
    assert not start.value.strip() or start.value not in str(caught.value)
    return caught.value.kind, caught.value.side


async def test_a_number_finds_the_patient_that_carries_it() -> None:
    far = Ehr([patient("p1"), patient("p2", "99")])
    assert (await find(far, NUMBER)).patient == patient("p1")
    assert far.asked == [("Patient", (("identifier", f"{MRN}|1234"),))]


@pytest.mark.parametrize(("held", "asked"), [("   1234", "1234"), ("1234", " 1234 ")])
async def test_spaces_around_a_number_are_none_of_it(held: str, asked: str) -> None:
    far = Ehr([patient("p1", held)], heeds=False)
    assert (await find(far, Start("mrn", asked, MRN))).id == "p1"


async def test_a_number_is_written_so_that_none_of_it_is_taken_for_syntax() -> None:
    far = Ehr([])
    assert await refused(far, Start("mrn", "1,2|3$4\\", "urn:x")) == ("absent", "theirs")
    assert far.asked == [("Patient", (("identifier", "urn:x|1\\,2\\|3\\$4\\\\"),))]


@pytest.mark.parametrize(
    "other",
    [
        {"identifier": [{"system": "urn:other", "value": "1234"}]},
        {"identifier": [{"value": "1234"}]},
        {"identifier": [{"system": MRN, "value": "12345"}]},
        {"identifier": [{"system": MRN, "value": "1234", "use": "old"}]},
        {"identifier": [{"system": MRN}, {"value": "1234"}]},
        {"identifier": {"system": MRN, "value": "1234"}},
        {"identifier": ["1234"]},
        {"id": "no/id"},
        {"resourceType": "Person"},
        {},
    ],
)
async def test_what_does_not_carry_the_number_is_not_believed(other: dict[str, Any]) -> None:
    far = Ehr([], heeds=False)
    body = patient("p2", None if "identifier" not in other and other != {} else "1234") | other
    if not other:
        del body["identifier"]
    far._here = lambda type: [body]  # type: ignore[method-assign, assignment]
    assert await refused(far, NUMBER) == ("absent", "theirs")


@pytest.mark.parametrize("held", [None, {}, [], True])
async def test_a_number_that_is_no_text_is_carried_by_nobody(held: Any) -> None:
    far = Ehr([], heeds=False)
    far._here = lambda type: [patient("p2") | {"identifier": [{"system": MRN, "value": held}]}]  # type: ignore[method-assign, assignment]
    assert await refused(far, Start("mrn", str(held), MRN)) == ("absent", "theirs")


async def test_two_patients_with_one_number_are_ambiguous_wherever_they_come() -> None:
    others = [patient(f"o{n}", "99") for n in range(7)]
    far = Ehr([patient("p1"), *others, patient("p2")], heeds=False)
    assert await refused(far, NUMBER) == ("ambiguous", "theirs")


async def test_one_patient_who_comes_twice_is_one() -> None:
    assert (await find(Ehr([patient("p1"), patient("p1")]), NUMBER)).id == "p1"


async def test_among_others_the_one_who_carries_the_number_is_found() -> None:
    far = Ehr([patient("p2", "99"), patient("p1"), patient("p3", None)], heeds=False)
    assert (await find(far, NUMBER)).id == "p1"


async def test_an_ehr_that_answers_with_everybody_is_not_read_to_the_end() -> None:
    far = Ehr([patient("p1"), *(patient(f"o{n}", "99") for n in range(10_000))], size=50, heeds=False)
    assert await refused(far, NUMBER) == ("ambiguous", "theirs")
    assert (far.requests, far.open) == (3, 0)


async def test_a_search_that_breaks_off_proves_nothing() -> None:
    far = Ehr([patient("p1")], faults={"Patient": (1, Failed("gone", "The paging session ended."))})
    assert await refused(far, NUMBER) == ("gone", "theirs")


@pytest.mark.parametrize("start", [Start("mrn", "1234"), Start("mrn", " ", MRN)])
async def test_half_a_number_is_never_looked_for(start: Start) -> None:
    far = Ehr([patient("p1")])
    assert await refused(far, start) == ("ambiguous", "ours")
    assert far.requests == 0


async def test_an_id_and_a_launch_are_read() -> None:
    far = Ehr([patient("p1"), patient("p2", "99")], patient="p2")
    assert (await find(far, Start("launch"))).id == "p2"
    assert (await find(Ehr([patient("p1")]), Start("patient", "p1"))).id == "p1"


async def test_a_read_that_answers_with_another_patient_is_broken() -> None:
    far = Ehr([patient("p1")])

    async def read(type: str, id: str) -> dict[str, Any]:
        return patient("p2")

    far.read = read  # type: ignore[method-assign, assignment]
    assert await refused(far, Start("patient", "p1")) == ("broken", "theirs")


@pytest.mark.parametrize("start", [Start("launch"), Start("patient", "../Patient"), Start("patient", "")])
async def test_what_names_no_patient_is_not_asked(start: Start) -> None:
    far = Ehr([patient("p1")])
    assert await refused(far, start) == ("ambiguous", "ours")
    assert far.requests == 0


async def test_a_sign_in_for_one_patient_gives_no_other() -> None:
    far = Ehr([patient("p1"), patient("p2", "99")], patient="p2")
    assert await refused(far, NUMBER) == ("refused", "ours")


async def test_a_record_that_was_merged_into_another_is_told_as_not_all() -> None:
    body = patient("p1", link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}])
    assert (await find(Ehr([body]), NUMBER)).notes == (Note("replaced-by", partial=True),)
