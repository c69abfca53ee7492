"""What a script tells is compared with what the record says now: what counts as another telling, and what does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.video.records import NOW, Bodies, Change, bodies, dosage, dose, resources, script

from hilum.fhir.resource import Resource
from hilum.video import script as scripts
from hilum.video import templates, writing
from hilum.video.editing import edited
from hilum.video.outdated import MOST_NAMED, compared, unwritten
from hilum.video.phrases import language
from hilum.video.script import Refused, Script
from hilum.video.writing import write

DOSE = "MedicationRequest.dosageInstruction[0].doseAndRate[0]"


def put(name: str, /, **elements: Any) -> Change:
    return lambda record: record[name].update(elements)


def second(record: Bodies) -> None:
    """Another medicine, before the one that is there."""
    record["second"] = {
        **record["medicine"],
        "id": "m0",
        "medicationCodeableConcept": {"text": "Metformin 500 mg tablet"},
    }


@pytest.mark.parametrize(
    ("change", "scene", "element"),
    [
        (dose(value=2, unit="tablet"), "medicine-1", DOSE),
        (dosage(timing={"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}), "medicine-1", "timing"),
        (put("medicine", status="stopped"), "medicine-1", "MedicationRequest"),
        (put("medicine", status="entered-in-error"), "medicine-1", "MedicationRequest"),
        (second, "medicine-2", "MedicationRequest"),
        (put("appointment", start="2026-12-02T09:30:00-07:00", end="2026-12-02T10:00:00-07:00"), "next-1", "start"),
        (put("appointment", status="cancelled"), "next-1", "Appointment.start"),
        (put("visit", reasonCode=[{"text": "Fever"}]), "why", "Encounter.reasonCode"),
        (put("place", telecom=[{"system": "phone", "value": "+1-928-555-0111"}]), "whom", "Location.telecom[0].value"),
        (put("patient", name=[{"use": "official", "given": ["Ann"]}]), "welcome", "Patient.name"),
    ],
)
def test_what_is_told_otherwise_is_named_without_values(change: Change, scene: str, element: str) -> None:
    found = compared(script(), script(change))
    assert found is not None
    assert f"the scene {scene} (" in found.text
    assert element in found.text
    for value in ("2026-12", "tablet", "Fever", "555", "Ann", "Metformin", "Lisinopril"):
        assert value not in found.text


@pytest.mark.parametrize(
    "change",
    [
        put("medicine", note=[{"text": "Seen."}]),
        put("visit", extension=[{"url": "urn:x", "valueString": "x"}]),
        put("patient", address=[{"city": "Bend"}]),
        put("medicine", id="m2"),
        lambda record: record.update(
            more={"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}}
        ),
    ],
)
def test_what_says_the_same_is_told_still(change: Change) -> None:
    assert compared(script(), script(change)) is None


@pytest.mark.parametrize("template", ["after-visit", "medications", "procedure"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_other_versions_of_the_same_and_what_was_kept_as_json_are_told_still(template: str, language: str) -> None:
    kept = scripts.read(scripts.written(script(template=template, language=language)))
    newer = [Resource(one.type, one.id, one.version + 1, 2, one.raw) for one in resources(bodies())]
    now = write(templates.packaged()[template], language, newer, NOW)
    assert now.sources != kept.sources
    assert compared(kept, now) is None


def test_a_dose_with_other_digits_is_another_telling() -> None:
    said, exactly = (dose(value=Decimal(text), unit="tablet") for text in ("1.5", "1.50"))
    assert compared(script(said), script(said)) is None
    assert compared(script(said), script(exactly)) is not None


def advised(text: str = "Rest well.") -> Script:
    """The script with the first advice in other words."""
    one = script()
    id = next(said.id for scene in one.scenes for said in scene.sentences if said.limit)
    return edited(one, {id: text}, templates.packaged()["after-visit"])


def test_advice_in_other_words_is_left_out_and_facts_beside_it_are_not() -> None:
    assert advised().edited
    assert compared(advised(), script()) is None
    assert compared(advised(), script(dose(value=2, unit="tablet"))) is not None


def test_advice_that_is_there_for_another_record_is_another_telling() -> None:
    found = compared(script(), script(put("medicine", status="stopped")))
    assert found is not None
    assert (
        "the scene do (MedicationRequest.medication.text);" in found.text
    )  # "take your medicines" is not said any more


def test_a_first_name_that_no_sentence_says_counts_too() -> None:
    one = script()
    found = compared(one, msgspec.structs.replace(one, first_name="Ann"))
    assert found is not None
    assert "first name" in found.text


def other_words(now: Script) -> Script:
    """The same, as another hilum puts it: in other words, in scenes and sentences of its own, with other pictures."""
    scenes = tuple(
        msgspec.structs.replace(
            scene,
            id=f"new-{scene.id}",
            heading="Anew",
            picture=scripts.Picture(),
            sentences=tuple(
                msgspec.structs.replace(one, id=f"new-{one.id}", phrase="new", text="New.", spoken="")
                for one in scene.sentences
            ),
        )
        for scene in now.scenes
    )
    return msgspec.structs.replace(now, scenes=scenes[::-1], wording="another")


@pytest.mark.parametrize("template", ["after-visit", "medications", "procedure"])
def test_other_words_for_the_same_facts_leave_no_video_behind(template: str) -> None:
    one = script(template=template)
    assert compared(one, other_words(one)) is None
    assert compared(scripts.read(scripts.written(one)), other_words(one)) is None
    assert compared(msgspec.structs.replace(one, wording=""), other_words(one)) is None  # of before it was kept
    assert compared(one, msgspec.structs.replace(other_words(one), wording=one.wording)) is not None


@pytest.mark.parametrize(
    ("change", "element"),
    [
        (dose(value=2, unit="tablet"), DOSE),
        (put("medicine", status="stopped"), "MedicationRequest.medication.text"),
        (second, "MedicationRequest.medication.text"),
        (put("appointment", status="cancelled"), "Appointment.start"),
        (put("place", telecom=[{"system": "phone", "value": "+1-928-555-0111"}]), "Location.telecom[0].value"),
    ],
)
def test_facts_count_in_whatever_words(change: Change, element: str) -> None:
    found = compared(script(), other_words(script(change)))
    assert found is not None
    assert element in found.text
    for value in ("tablet", "555", "Metformin", "Lisinopril"):
        assert value not in found.text


def test_doses_that_two_medicines_have_exchanged_are_other_facts() -> None:
    def two(first: int, other: int) -> Change:
        def change(record: Bodies) -> None:
            second(record)
            for name, value in (("medicine", first), ("second", other)):
                record[name] = msgspec.json.decode(msgspec.json.encode(record[name]))
                record[name]["dosageInstruction"][0]["doseAndRate"] = [
                    {"doseQuantity": {"value": value, "unit": "tablet"}}
                ]

        return change

    one = script(two(1, 2))
    assert compared(one, other_words(script(two(1, 2)))) is None
    assert compared(one, other_words(script(two(2, 1)))) is not None


def test_a_dose_with_other_digits_is_another_fact() -> None:
    said, exactly = (dose(value=Decimal(text), unit="tablet") for text in ("1.5", "1.50"))
    assert compared(script(said), other_words(script(said))) is None
    assert compared(script(said), other_words(script(exactly))) is not None


def test_the_wording_is_of_the_template_the_table_and_hilum(monkeypatch: pytest.MonkeyPatch) -> None:
    def named() -> str:
        return writing.wording(template, table)

    template, table = templates.packaged()["after-visit"], language("en")
    first = named()
    assert first == named() == script().wording
    assert first != writing.wording(templates.packaged()["medications"], table)
    assert first != writing.wording(template, language("es"))
    assert first != writing.wording(template, msgspec.structs.replace(table, phrases={**table.phrases, "new": "New."}))
    monkeypatch.setattr(writing, "__version__", "99")
    assert first != named()


def test_of_many_differences_some_are_named() -> None:
    one = script()
    found = compared(one, msgspec.structs.replace(one, scenes=()))
    assert found is not None
    assert found.text.count("the scene ") == MOST_NAMED
    assert f"and {len(one.scenes) - MOST_NAMED} more" in found.text


def test_a_script_that_is_refused_now_says_why_and_where() -> None:
    found = unwritten(Refused("allergy", "The patient is allergic to it.", "AllergyIntolerance/x"))
    assert (found.element, found.text.endswith("The patient is allergic to it.")) == ("AllergyIntolerance/x", True)
