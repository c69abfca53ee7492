"""How medicines are told: doses with the digits and units of the record, timings, routes, limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.video.records import Change, dosage, dose, repeat, script, texts

from hilum.fhir import json
from hilum.video import spellings
from hilum.video.phrases import language
from hilum.video.script import Mark

DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}


def told(change: Change, language: str = "en") -> list[str]:
    return texts(script(change, "medications", language), "medicine")[1:]


@pytest.mark.parametrize(
    ("quantity", "text", "spoken"),
    [
        ({"value": 1, "unit": "tablet"}, "1 tablet", "1 tablet"),
        ({"value": 2, "unit": "tablet"}, "2 tablets", "2 tablets"),
        ({"value": 2, "unit": "tablet(s)"}, "2 tablets", "2 tablets"),
        ({"value": json.number("0.5"), "code": "TAB"}, "0.5 tablets", "0.5 tablets"),
        ({"value": json.number("2.50"), "unit": "mg", "code": "mg"}, "2.50 mg", "2.50 milligrams"),
        ({"value": json.number("1.0"), "unit": "mL"}, "1.0 mL", "1.0 milliliters"),
        ({"value": 1000, "unit": "mcg", "code": "ug"}, "1000 mcg", "1000 micrograms"),
        ({"value": 10, "unit": "[iU]"}, "10 international units", "10 international units"),
        ({"value": 3, "unit": "scoops"}, "3 scoops", "3 scoops"),
    ],
)
def test_a_dose_has_the_digits_and_the_unit_of_the_record(quantity: dict[str, Any], text: str, spoken: str) -> None:
    found = script(dose(**quantity), "medications")
    sentence = next(one for scene in found.scenes for one in scene.sentences if one.phrase == "dose")
    assert sentence.text == f"Take {text} by mouth 2 times every day."
    assert (sentence.spoken or sentence.text) == f"Take {spoken} by mouth 2 times every day."


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.decimals(min_value=Decimal("0.001"), max_value=5000, places=3) | st.integers(1, 5000),
    st.sampled_from(sorted(spellings.units())),
    st.sampled_from(["en", "es"]),
)
def test_the_digits_of_any_dose_are_those_of_the_record(value: Decimal | int, unit: str, code: str) -> None:
    digits = str(value)
    found = script(dose(value=json.numeral(digits), code=unit), "medications", code)
    sentence = next(one for scene in found.scenes for one in scene.sentences if one.phrase == "dose")
    words = language(code).units[unit]
    said = sentence.cites[0].said
    assert said == f"{digits} {words.text or (words.one if digits == '1' else words.other)}"
    assert f" {said} " in sentence.text


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        (DAILY, "once every day"),
        ({"frequency": 1, "period": 6, "periodUnit": "h"}, "once every 6 hours"),
        ({"frequency": 3, "period": 1, "periodUnit": "wk"}, "3 times every week"),
        ({"period": 1, "periodUnit": "d", "when": ["HS"]}, "once every day at bedtime"),
        ({"when": ["ACM", "ACV"]}, "before breakfast and before dinner"),
        ({"when": ["ACM"], "offset": 30}, "30 minutes before breakfast"),
        ({"timeOfDay": ["08:00:00", "20:30:00"]}, "at 8:00 a.m. and at 8:30 p.m"),
        ({**DAILY, "dayOfWeek": ["mon", "wed", "fri"]}, "once a day, only on Monday, on Wednesday and on Friday"),
        ({"frequency": 2, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}, "2 times a day, only on Monday"),
        ({"period": 1, "periodUnit": "wk", "dayOfWeek": ["mon"]}, "once every week on Monday"),
    ],
)
def test_a_timing_is_told(elements: dict[str, Any], text: str) -> None:
    assert told(repeat(**elements)) == [f"Take 1 tablet by mouth {text}."]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("BID", "2 times every day"),
        ("QD", "once every day"),
        ("Q4H", "once every 4 hours"),
        ("QHS", "once every day at bedtime"),
    ],
)
def test_a_code_of_a_timing_is_told_as_coded_or_as_text(code: str, text: str) -> None:
    assert told(dosage(timing={"code": {"text": code}})) == [f"Take 1 tablet by mouth {text}."]


def test_a_code_and_elements_that_agree_are_told_once() -> None:
    timing = {"code": {"text": "BID"}, "repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}}
    assert told(dosage(timing=timing)) == ["Take 1 tablet by mouth once every 12 hours."]


def test_a_code_that_says_more_than_the_elements_is_told() -> None:
    timing = {"code": {"text": "QHS"}, "repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    assert told(dosage(timing=timing)) == ["Take 1 tablet by mouth once every day at bedtime."]


def test_what_limits_a_dosage_is_told() -> None:
    bounds = {"start": "2026-11-20", "end": "2026-12-01"}
    assert told(repeat(**DAILY, boundsPeriod=bounds))[1:] == [
        "Start on Friday, November 20, 2026.",
        "Take it until Tuesday, December 1, 2026.",
    ]
    ten = {"value": 10, "unit": "days", "code": "d"}
    assert told(repeat(**DAILY, boundsDuration=ten))[1:] == ["Take it for 10 days."]
    assert told(repeat(**DAILY, count=5))[1:] == ["Take it 5 times, and then stop."]
    most = {"numerator": {"value": 8, "unit": "tablet"}, "denominator": {"value": 1, "unit": "day", "code": "d"}}
    assert told(dosage(maxDosePerPeriod=most))[1:] == ["Do not take more than 8 tablets in 1 day."]


def test_as_needed_is_told_and_for_what() -> None:
    assert told(dosage(asNeededBoolean=True))[1:] == ["Take it only when you need it."]
    assert told(dosage(asNeededBoolean=False))[1:] == []
    assert told(dosage(asNeededCodeableConcept={"text": "pain"}))[1:] == ["Take it only when you need it for: pain."]


def test_an_unknown_route_is_told_in_the_record_s_words() -> None:
    change = dosage(route={"text": "Intravesical route"})
    assert told(change) == ["Use 1 tablet 2 times every day. How it is given: Intravesical route."]
    inhaled = dosage(route={"text": "Inhalation"}, doseAndRate=[{"doseQuantity": {"value": 2, "unit": "puff"}}])
    assert told(inhaled) == ["Breathe in 2 puffs 2 times every day."]


def test_a_site_keeps_its_side() -> None:
    change = dosage(site={"text": "Left eye"})
    assert told(change)[1:] == ["Place on the body: Left eye."]
    assert told(change, "es")[1:] == ["Parte del cuerpo: ojo izquierdo (Left eye)."]


def test_words_alone_are_quoted_as_they_are() -> None:
    words = "Take 1 to 2 tablets\n  every 4-6 hours, as needed."
    change = dosage(timing=None, doseAndRate=None, route=None, text=words)
    assert told(change) == ['Your prescription says: "Take 1 to 2 tablets every 4-6 hours, as needed."']


def test_words_beside_elements_are_quoted_in_the_script_s_language_where_there_are_both() -> None:
    change = dosage(text="Take 1 tablet twice a day with food.", patientInstruction="Tome 1 tableta con la comida.")
    assert told(change)[1:] == ['Your prescription says: "Take 1 tablet twice a day with food."']
    assert told(change, "es")[1:] == ['Su receta dice: "Tome 1 tableta con la comida."']
    assert told(dosage(text="Take with food."), "es")[1:] == ['Su receta dice en otro idioma: "Take with food."']


def test_two_instructions_at_times_of_their_own_are_both_told() -> None:
    def change(record: Any) -> None:
        record["medicine"]["dosageInstruction"] = [
            {
                "timing": {"repeat": {"timeOfDay": [at]}},
                "doseAndRate": [{"doseQuantity": {"value": n, "unit": "tablet"}}],
            }
            for n, at in ((1, "08:00:00"), (2, "20:00:00"))
        ]

    assert told(change) == ["Use 1 tablet at 8:00 a.m.", "Use 2 tablets at 8:00 p.m."]
    scene = next(one for one in script(change, "medications").scenes if one.id == "medicine-1")
    assert (scene.picture.kind, scene.picture.marks) == ("clock", (Mark("08:00"), Mark("20:00")))


def test_a_clock_is_drawn_only_where_times_are_known() -> None:
    scene = next(one for one in script(template="medications").scenes if one.id == "medicine-1")
    assert scene.picture.kind == "pill"


def test_a_medicine_that_is_contained_is_found() -> None:
    def change(record: Any) -> None:
        medicine = record["medicine"]
        medicine["contained"] = [
            {"resourceType": "Medication", "id": "d", "code": medicine.pop("medicationCodeableConcept")}
        ]
        medicine["medicationReference"] = {"reference": "#d"}

    found = script(change, "medications")
    first = next(one for scene in found.scenes for one in scene.sentences if one.phrase == "medicine-name")
    assert first.cites[0].path == "MedicationRequest.contained[0].code.text"


def test_what_a_patient_says_to_take_is_told_and_once_where_it_was_prescribed_too() -> None:
    def add(record: Any) -> None:
        medicine = record["medicine"]
        record["said"] = {
            "resourceType": "MedicationStatement",
            "id": "st1",
            "status": "active",
            "subject": medicine["subject"],
            "medicationCodeableConcept": medicine["medicationCodeableConcept"],
            "dosage": medicine["dosageInstruction"],
        }

    assert [one for one in texts(script(add, "medications")) if "Lisinopril" in one] == [
        "Your medicine is Lisinopril 10 mg tablet."
    ]

    def other(record: Any) -> None:
        add(record)
        record["said"]["medicationCodeableConcept"] = {"text": "Aspirin 81 mg tablet"}

    assert "Your medicine is Aspirin 81 mg tablet." in texts(script(other, "medications"))
